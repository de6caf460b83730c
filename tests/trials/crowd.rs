//! Six writers and two prunes at one repository, killed and stopped at random: what was acknowledged and not forgotten
//! comes back, nothing is damaged, and a last prune leaves next to nothing that nobody needs.
//!
//! `HOLDALL_CROWD_SECONDS` says for how long, `HOLDALL_SEED` how.

use crate::run::{Finished, World, contents};
use crate::tree::{Random, assert_sound, setting, start};
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::Child;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const WRITERS: u64 = 6;
const PRUNERS: u64 = 2;
/// How many snapshots a writer keeps before it forgets one.
const KEPT_MAX: usize = 4;

/// What a snapshot must give back.
struct Acknowledged {
    id: String,
    tree: PathBuf,
    contents: Vec<(PathBuf, Vec<u8>)>,
}

struct Crowd {
    world: World,
    until: Instant,
    acknowledged: Mutex<Vec<Acknowledged>>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    backups: u64,
    forgets: u64,
    prunes: u64,
    killed: u64,
    stopped: u64,
}

#[test]
fn writers_and_prunes_that_are_killed_and_stopped_at_random_lose_nothing_and_leave_no_garbage() {
    let seed = setting("HOLDALL_SEED", 20_261_125);
    let seconds = setting("HOLDALL_CROWD_SECONDS", 60);
    let crowd = Crowd {
        world: World::with_repository(),
        until: Instant::now() + Duration::from_secs(seconds),
        acknowledged: Mutex::default(),
        counts: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for number in 0..WRITERS {
            let crowd = &crowd;
            scope.spawn(move || crowd.write(number, Random::new(seed.wrapping_mul(100) + number)));
        }
        for number in WRITERS..WRITERS + PRUNERS {
            let crowd = &crowd;
            scope.spawn(move || crowd.prune(number, Random::new(seed.wrapping_mul(100) + number)));
        }
    });
    let counts = crowd.counts.lock().expect("no thread panicked");
    println!("seed {seed}, {seconds} s: {counts:?}");
    crowd.verify();
}

impl Crowd {
    /// The program as a client of its own.
    fn start(&self, number: u64, arguments: &[&str]) -> Child {
        let mut command = self.world.command();
        command.env("XDG_STATE_HOME", self.world.path(format!("state{number}"))).args(arguments);
        start(command)
    }

    fn write(&self, number: u64, mut random: Random) {
        let name = format!("tree{number}");
        let tree = self.world.path(&name);
        let mut own: Vec<String> = Vec::new();
        while Instant::now() < self.until {
            for _ in 0..3 {
                let length = usize::try_from(random.below(400_000)).expect("small");
                // Some content is new, and some the other writers have as well.
                let content = if random.below(2) == 0 { random.noise(length) } else { shared(random.below(12)) };
                self.world.file(format!("{name}/{}", random.below(12)), &content);
            }
            let before = contents(&tree);
            let child = self.start(number, &["backup", "--json", &name]);
            let Some(finished) = self.disturb(child, &mut random) else { continue };
            let id = finished.succeeded().only("summary")["snapshot_id"].as_str().expect("an id").to_owned();
            own.push(id.clone());
            let made = Acknowledged { id, tree: tree.clone(), contents: before };
            self.acknowledged.lock().expect("no panic").push(made);
            self.counts.lock().expect("no panic").backups += 1;
            if own.len() > KEPT_MAX {
                let chosen = usize::try_from(random.below(u64::try_from(own.len()).expect("few"))).expect("few");
                self.forget(number, &own.swap_remove(chosen));
            }
        }
    }

    fn forget(&self, number: u64, id: &str) {
        // From here on nobody may ask for it.
        self.acknowledged.lock().expect("no panic").retain(|made| made.id != id);
        let finished = self.start(number, &["forget", "-q", id]).wait_with_output().expect("it ends");
        Finished::of(&finished).ended(0);
        self.counts.lock().expect("no panic").forgets += 1;
    }

    fn prune(&self, number: u64, mut random: Random) {
        while Instant::now() < self.until {
            let limit = if random.below(2) == 0 { "0%" } else { "5%" };
            let child = self.start(number, &["prune", "-q", "--max-unused", limit]);
            if let Some(finished) = self.disturb(child, &mut random) {
                finished.succeeded();
                self.counts.lock().expect("no panic").prunes += 1;
            }
            std::thread::sleep(Duration::from_millis(random.below(300)));
        }
    }

    /// Lets a run be, stops it for a while, or kills it, all at some moment. None for one that was killed.
    fn disturb(&self, mut child: Child, random: &mut Random) -> Option<Finished> {
        let choice = random.below(4);
        if choice < 2 {
            std::thread::sleep(Duration::from_millis(random.below(400)));
            if choice == 0 {
                child.kill().expect("it is ours");
                let killed = child.wait_with_output().expect("it ends");
                self.counts.lock().expect("no panic").killed += 1;
                // It may have been done before.
                return (killed.status.code() == Some(0)).then(|| Finished::of(&killed));
            }
            let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
            if kill_process(id, Signal::STOP).is_ok() {
                std::thread::sleep(Duration::from_millis(random.below(3000)));
                kill_process(id, Signal::CONT).expect("it is there until it is waited for");
                self.counts.lock().expect("no panic").stopped += 1;
            }
        }
        Some(Finished::of(&child.wait_with_output().expect("it ends")))
    }

    fn verify(&self) {
        let run = |arguments: &[&str]| self.world.run(arguments);
        for last in [false, true] {
            assert_sound(&run(&["check", "-q", "--read-data"]));
            for made in self.acknowledged.lock().expect("no panic").iter() {
                let source = format!("{}:{}", made.id, made.tree.display());
                run(&["restore", "-q", &source, "--target", "copy"]).succeeded();
                assert!(contents(&self.world.path("copy")) == made.contents, "{} differs", made.id);
                std::fs::remove_dir_all(self.world.path("copy")).expect("it was restored");
            }
            if !last {
                let summary = run(&["prune", "--json", "--max-unused", "0"]).ended(0).only("summary");
                assert_eq!(summary["waiting"].as_array().map(Vec::len), Some(0), "{summary}");
            }
        }
        let left = run(&["prune", "-n", "--json", "--max-unused", "0"]).ended(0).only("summary");
        let number = |name: &str| left[name].as_u64().expect("a number");
        let stored = crate::tree::bytes_below(&self.world.path("repository/packs"));
        println!("{stored} bytes are stored: {left}");
        assert!((number("bytes_deleted") + number("bytes_unused")) * 100 < stored, "{stored} bytes, of which {left}");
    }
}

/// Content that several writers have.
fn shared(number: u64) -> Vec<u8> {
    Random::new(number).noise(150_000)
}
