//! A prune that is stopped after each of its calls to the system that change something, or that lock: a backup beside it
//! takes as long as alone. Then the prune is killed where it stands, and the next one finishes what it began.
//!
//! `strace` stops it; where that is not to be had, nothing is tried.

use crate::lacking::leave_out;
use crate::run::{Finished, World};
use crate::tree::{Random, assert_sound, bytes_below, finish_within, long, start};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// What is tried in any test run: whatever makes something visible to others, or keeps them out.
const CALLS: [&str; 6] = ["flock", "linkat", "renameat2", "rename", "unlinkat", "unlink"];
/// And in the long form.
const MORE_CALLS: [&str; 7] = ["fsync", "fdatasync", "mkdirat", "ftruncate", "fallocate", "write", "pwrite64"];
/// Every how many of a kind is tried in the short form.
const STRIDE: u32 = 4;
/// A backup that waits would do so for ever.
const PATIENCE_SECONDS: u64 = 60;
/// How much longer the backups may take all in all, in percent: where nothing else runs, and where much may.
const LONGER_PERCENT_MAX: u128 = 5;
const LONGER_PERCENT_MAX_IN_A_CROWD: u128 = 50;

const PRUNE: [&str; 4] = ["prune", "-q", "--max-unused", "0"];

struct Trial {
    world: World,
    /// How many bytes of packs there are after an undisturbed prune and the backup.
    expected_bytes: u64,
    alone: Duration,
    beside: Duration,
    stops: u32,
}

#[test]
fn a_backup_beside_a_prune_that_is_stopped_anywhere_takes_as_long_as_alone_and_the_next_prune_takes_over() {
    let calls: Vec<&str> = CALLS.into_iter().chain(MORE_CALLS.into_iter().filter(|_| long())).collect();
    let probe = Command::new("strace").args(["-qq", "-o", "/dev/null", "-e", "trace=none", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        return leave_out("trace", "strace is missing or may not trace");
    }
    let mut trial = Trial::new();
    for call in calls {
        let mut number = 1;
        while trial.stop_after(call, number) {
            number += if long() { 1 } else { STRIDE };
        }
    }
    let (alone, beside) = (trial.alone.as_millis(), trial.beside.as_millis());
    println!("{} stops: {alone} ms alone, {beside} ms beside a prune that was stopped", trial.stops);
    assert!(trial.stops > 10, "{} stops", trial.stops);
    let percent_max = if long() { LONGER_PERCENT_MAX } else { LONGER_PERCENT_MAX_IN_A_CROWD };
    assert!(beside * 100 <= alone * (100 + percent_max), "{alone} ms alone, {beside} ms beside");
}

impl Trial {
    /// A repository with something of everything for a prune to do, and a tree of which a part changed.
    fn new() -> Self {
        let world = World::with_repository();
        let mut random = Random::new(20_261_128);
        let mut write = |files: std::ops::Range<u64>| {
            for number in files {
                world.file(format!("tree/{}/{number}", number % 5), &random.noise(30_000));
            }
        };
        let backup = || {
            let summary = world.run(["backup", "--json", "tree"]).ended(0).only("summary");
            summary["snapshot_id"].as_str().expect("an id").to_owned()
        };
        write(0..60);
        let first = backup();
        write(0..30);
        let second = backup();
        write(30..40);
        // What changed within the last two seconds is read again, whatever its stat says.
        std::thread::sleep(Duration::from_millis(2100));
        backup();
        world.run(["forget", "-q", &first]).succeeded();
        world.run(PRUNE).succeeded();
        world.run(["forget", "-q", &second]).succeeded();
        world.file("tree/0/new", b"since the last backup");
        let mut trial = Self { world, expected_bytes: 0, alone: Duration::ZERO, beside: Duration::ZERO, stops: 0 };
        trial.copy("undisturbed");
        trial.run("undisturbed", &PRUNE).succeeded();
        trial.run("undisturbed", &["backup", "-q", "tree"]).succeeded();
        trial.expected_bytes = trial.after_last_prune("undisturbed");
        trial
    }

    /// The repository, the state and the cache as they are, under another name.
    fn copy(&self, name: &str) {
        let _ = std::fs::remove_dir_all(self.world.path(name));
        std::fs::create_dir(self.world.path(name)).expect("a folder");
        let mut copy = Command::new("cp");
        copy.arg("-a").args([self.world.path("repository"), self.world.path("home"), self.world.path(name)]);
        assert!(copy.status().expect("cp").success());
    }

    fn in_copy(&self, name: &str, mut command: Command) -> Command {
        command.env("HOLDALL_REPOSITORY", self.world.path(name).join("repository"));
        command.env("HOME", self.world.path(name).join("home"));
        command
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Finished {
        let mut command = self.in_copy(name, self.world.command());
        command.args(arguments);
        finish_within(start(command), PATIENCE_SECONDS, arguments)
    }

    /// Prunes once more and checks everything; returns how many bytes of packs are left.
    fn after_last_prune(&self, name: &str) -> u64 {
        self.run(name, &PRUNE).succeeded();
        let left = self.run(name, &["prune", "-n", "--json", "--max-unused", "0"]).ended(0).only("summary");
        assert_eq!((left["bytes_deleted"].as_u64(), left["bytes_unused"].as_u64()), (Some(0), Some(0)), "{left}");
        assert_sound(&self.run(name, &["check", "-q", "--read-data"]));
        bytes_below(&self.world.path(name).join("repository/packs"))
    }

    /// Stops a prune once it has made this call so many times, and backs up beside it; then kills it. Says whether it
    /// got so far.
    fn stop_after(&mut self, call: &str, number: u32) -> bool {
        self.copy("held");
        self.copy("alone");
        let mut traced = Command::new("strace");
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=STOP:when={number}"));
        traced.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject]);
        let command = self.world.command();
        traced.arg(command.get_program()).args(PRUNE).current_dir(self.world.path("")).env_clear();
        traced.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut prune = start(self.in_copy("held", traced));
        if !is_stopped(&mut prune) {
            Finished::of(&prune.wait_with_output().expect("it ended")).succeeded();
            return false;
        }
        // By turns, so that neither has the warmer caches.
        for name in if number.is_multiple_of(2) { ["held", "alone"] } else { ["alone", "held"] } {
            let began = Instant::now();
            self.run(name, &["backup", "-q", "tree"]).succeeded();
            *if name == "held" { &mut self.beside } else { &mut self.alone } += began.elapsed();
        }
        self.stops += 1;
        prune.kill().expect("it is ours");
        prune.wait().expect("it ends");
        self.run("held", &PRUNE).succeeded();
        let bytes = self.after_last_prune("held");
        let (more, less) = (bytes.saturating_sub(self.expected_bytes), self.expected_bytes.saturating_sub(bytes));
        assert!((more + less) * 100 <= self.expected_bytes, "{call} {number}: {bytes}, not {}", self.expected_bytes);
        true
    }
}

/// Waits until a process stands still; false when it ends instead.
fn is_stopped(child: &mut Child) -> bool {
    let status = format!("/proc/{}/stat", child.id());
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    let deadline = Instant::now() + Duration::from_secs(PATIENCE_SECONDS);
    let mut seen = 0;
    while child.try_wait().expect("it can be waited for").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let state = text.rsplit_once(") ").map_or("", |(_, rest)| rest.split(' ').next().unwrap_or_default());
        // Each traced call stops it for a moment as well.
        seen = if matches!(state, "t" | "T") { seen + 1 } else { 0 };
        if seen >= 20 {
            return true;
        }
        if Instant::now() > deadline {
            let _ = kill_process(id, Signal::KILL);
            panic!("neither stopped nor ended");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}
