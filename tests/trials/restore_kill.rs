//! A restore killed at any moment, over what was there and into an empty folder: the next run makes an exact copy, and does
//! not write again what is right.
//!
//! `HOLDALL_TRIALS` says how many kills there are, `HOLDALL_SEED` where.

use crate::run::{World, contents};
use crate::tree::{Random, run_within, setting, start};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_restore_killed_at_any_moment_is_completed_by_the_next() {
    let trials = setting("HOLDALL_TRIALS", 20);
    let seed = setting("HOLDALL_SEED", 20_261_128);
    let mut random = Random::new(seed);
    let world = World::with_repository();
    for number in 0..300 {
        let length = usize::try_from(random.below(60_000)).expect("small");
        world.file(format!("tree/{}/{number}", number % 7), &random.noise(length));
    }
    for number in 0..4 {
        world.file(format!("tree/long/{number}"), &random.noise(8 << 20));
    }
    std::fs::hard_link(world.path("tree/long/0"), world.path("tree/1/linked")).expect("a link");
    world.run(["backup", "tree", "-q"]).succeeded();
    let expected = contents(&world.path("tree"));
    copy(&world.path("tree"), &world.path("kept"));
    spoil(&world, &mut random);
    copy(&world.path("tree"), &world.path("spoiled"));
    let source = format!("latest:{}", world.path("tree").display());
    let arguments = ["restore", "-q", "--delete", &source, "--target", "tree"];

    let mut usual = [Duration::ZERO; 2];
    for trial in 0..trials + 2 {
        let from_nothing = usize::from(trial % 2 == 1);
        std::fs::remove_dir_all(world.path("tree")).expect("it is there");
        if from_nothing == 0 {
            copy(&world.path("spoiled"), &world.path("tree"));
        } else {
            std::fs::create_dir(world.path("tree")).expect("a folder");
        }
        let began = Instant::now();
        let mut command = world.command();
        command.args(arguments);
        let mut child = start(command);
        let is_measured = trial < 2;
        if !is_measured {
            let share = f64::from(u32::try_from(random.below(1050)).expect("small")) / 1000.0;
            std::thread::sleep(usual[from_nothing].mul_f64(share));
            child.kill().expect("it is ours");
        }
        child.wait().expect("it ends");
        usual[from_nothing] = usual[from_nothing].max(if is_measured { began.elapsed() } else { Duration::ZERO });
        run_within(&world, 120, &arguments).succeeded();
        assert!(contents(&world.path("tree")) == expected, "seed {seed}, trial {trial}");
        assert_equal(&world.path("kept"), &world.path("tree"));
        let again = run_within(&world, 120, &["restore", "--json", "--delete", &source, "--target", "tree"]);
        let again = again.succeeded().only("summary");
        assert_eq!((&again["bytes_written"], &again["files_deleted"]), (&0.into(), &0.into()), "trial {trial}");
    }
}

/// About one file in a hundred changes, some content in the long ones, and something is added.
fn spoil(world: &World, random: &mut Random) {
    for number in (0..300).step_by(100) {
        world.file(format!("tree/{}/{number}", number % 7), &random.noise(1000));
    }
    for number in 1..4u64 {
        let file = std::fs::File::options().write(true).open(world.path(format!("tree/long/{number}")));
        file.and_then(|file| file.write_all_at(b"spoiled", number << 20)).expect("it is written");
    }
    world.file("tree/more/inner/file", b"more");
    std::fs::remove_dir_all(world.path("tree/5")).expect("it is there");
    world.file("tree/5", b"no folder");
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp").success());
}

fn assert_equal(left: &Path, right: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare.sh");
    let output = Command::new(script).arg(left).arg(right).output().expect("compare.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
