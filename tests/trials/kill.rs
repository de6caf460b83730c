//! Killed at any moment: the repository opens without repair, earlier snapshots come back, and the next run reuses what
//! was durable.
//!
//! `HOLDALL_TRIALS` says how many kills there are, `HOLDALL_SEED` where, and `HOLDALL_TRIALS_LOG` names a file in which
//! finished chapters are written down, so that a long run can be interrupted and resumed.

use crate::run::{World, contents};
use crate::tree::{Random, assert_sound, bytes_below, done_before, run_within, setting, start, write_down};
use std::time::{Duration, Instant};

/// What is new in each trial: more than may be stored again, so that storing all of it again fails the trial.
const NOISE_FILES: u64 = 7;
const NOISE_BYTES: usize = 16 << 20;
const SMALL_FILES: u64 = 300;
/// The promise.
const AGAIN_BYTES_MAX: u64 = 64 << 20;
/// A repository is begun anew after so many kills, which bounds the disk that a long run needs.
const CHAPTER_TRIALS: u64 = 20;

#[test]
fn a_backup_killed_at_any_moment_harms_nothing_and_is_mostly_reused() {
    let trials = setting("HOLDALL_TRIALS", 20);
    let seed = setting("HOLDALL_SEED", 20_261_121);
    for chapter in 0..trials.div_ceil(CHAPTER_TRIALS) {
        if done_before(&chapter_name(seed, chapter)) {
            continue;
        }
        let count = CHAPTER_TRIALS.min(trials - chapter * CHAPTER_TRIALS);
        let worst = run_chapter(seed.wrapping_add(chapter), count);
        let done = format!("{count} kills, at most {} MiB stored again", worst >> 20);
        write_down(&chapter_name(seed, chapter), &done);
    }
}

fn run_chapter(seed: u64, count: u64) -> u64 {
    let world = World::with_repository();
    let mut random = Random::new(seed);
    world.file("tree/kept/letter", b"dear");
    world.file("tree/kept/long", &random.noise(300_000));
    fill(&world, &mut random);
    let began = Instant::now();
    world.run(["backup", "tree", "-q"]).succeeded();
    let mut usual = began.elapsed();
    let first = newest(&world);
    let mut worst = 0;
    for trial in 0..count {
        fill(&world, &mut random);
        let share = random.below(1050);
        let again = kill_once(&world, usual.mul_f64(f64::from(u32::try_from(share).expect("small")) / 1000.0));
        println!("seed {seed}, trial {trial}: killed at {share} ‰ of a run, {} KiB stored again", again.bytes >> 10);
        assert!(again.bytes <= AGAIN_BYTES_MAX, "seed {seed}, trial {trial}: {} bytes were stored again", again.bytes);
        worst = worst.max(again.bytes);
        // Runs after a kill have less to store: only those say how long a whole one takes that had everything to do.
        usual = usual.max(again.duration);
        restore_kept(&world, &first);
    }
    assert_sound(&world.run(["check", "--read-data", "-q"]));
    let source = format!("latest:{}", world.path("tree").display());
    world.run(["restore", "-q", &source, "--target", "whole"]).succeeded();
    assert!(contents(&world.path("whole")) == contents(&world.path("tree")), "seed {seed}: the last snapshot differs");
    worst
}

struct Again {
    bytes: u64,
    duration: Duration,
}

/// One kill, everything that must work after it, and the run that goes on.
fn kill_once(world: &World, after: Duration) -> Again {
    let packs = world.path("repository/packs");
    let (bytes_before, snapshots_before) = (bytes_below(&packs), snapshot_count(world));
    let mut command = world.command();
    command.args(["backup", "tree", "-q"]);
    let mut child = start(command);
    std::thread::sleep(after);
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
    let bytes_killed = bytes_below(&packs) - bytes_before;

    let snapshots = snapshot_count(world);
    assert!(
        snapshots == snapshots_before || snapshots == snapshots_before + 1,
        "{snapshots_before} became {snapshots}"
    );
    assert_sound(&run_within(world, 120, &["check", "-q"]));
    let began = Instant::now();
    let summary = run_within(world, 300, &["backup", "tree", "--json"]).succeeded().only("summary");
    let duration = began.elapsed();
    assert_eq!(summary["errors"], 0);
    let added = summary["data_added_packed"].as_u64().expect("a number");
    let needed = NOISE_FILES * u64::try_from(NOISE_BYTES).expect("small");
    Again { bytes: (bytes_killed + added).saturating_sub(needed), duration }
}

fn fill(world: &World, random: &mut Random) {
    for number in 0..NOISE_FILES {
        world.file(format!("tree/noise/{number}"), &random.noise(NOISE_BYTES));
    }
    for number in 0..SMALL_FILES {
        let length = usize::try_from(random.below(40_000)).expect("small");
        world.file(format!("tree/text/{}/{number}", number % 7), &random.text(length));
    }
}

fn restore_kept(world: &World, snapshot: &str) {
    let target = world.path("kept");
    let source = format!("{snapshot}:{}", world.path("tree/kept").display());
    run_within(world, 120, &["restore", "-q", &source, "--target", "kept"]).succeeded();
    assert_eq!(contents(&target), contents(&world.path("tree/kept")));
    std::fs::remove_dir_all(target).expect("it was restored");
}

fn listed(world: &World) -> Vec<serde_json::Value> {
    let json = world.run(["snapshots", "--json"]).succeeded().json();
    json[0].as_array().expect("an array").clone()
}

fn snapshot_count(world: &World) -> usize {
    listed(world).len()
}

fn newest(world: &World) -> String {
    listed(world).last().expect("a snapshot")["id"].as_str().expect("an id").to_owned()
}

fn chapter_name(seed: u64, chapter: u64) -> String {
    format!("seed {seed} chapter {chapter}")
}
