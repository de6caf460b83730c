//! Files that change, shrink, vanish or turn into a pipe while they are read: never a hang, always reported.

use crate::run::World;
use crate::tree::{Random, finish_within, start};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs a backup while `disturb` is called again and again.
fn backup_while(world: &World, disturb: impl Fn(u64) + Sync) -> crate::run::Finished {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                disturb(round);
            }
        });
        let mut command = world.command();
        command.args(["backup", "--json", "tree"]);
        let child = start(command);
        // Whatever the assertions below say, the disturber has to end.
        let finished =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| finish_within(child, 120, &["backup"])));
        done.store(true, Ordering::Relaxed);
        finished.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn sound_afterwards(world: &World) {
    world.run(["check", "-q", "--read-data"]).succeeded();
    world.run(["restore", "-q", "latest", "--target", "copy"]).succeeded();
}

#[test]
fn a_file_that_changes_all_the_time_is_saved_as_a_mixture_and_reported() {
    let world = World::with_repository();
    let path = world.file("tree/moving", &Random::new(6).noise(48 << 20));
    let finished = backup_while(&world, |round| {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::options().write(true).open(&path).expect("the file");
        file.write_all_at(&round.to_le_bytes(), (round % 1000) * 4096).expect("a change");
        std::thread::sleep(std::time::Duration::from_millis(1));
    })
    .ended(3);
    assert!(finished.err.contains("moving") && finished.err.contains("changed while it was read"), "{}", finished.err);
    assert_eq!(finished.only("summary")["errors"], 1);
    sound_afterwards(&world);
}

#[test]
fn a_file_that_shrinks_is_reported() {
    let world = World::with_repository();
    let path = world.file("tree/moving", &Random::new(7).noise(48 << 20));
    let finished = backup_while(&world, |round| {
        let file = std::fs::File::options().write(true).open(&path).expect("the file");
        file.set_len((48u64 << 20).saturating_sub(round * 512)).expect("another length");
        std::thread::sleep(std::time::Duration::from_millis(1));
    })
    .ended(3);
    assert!(finished.err.contains("moving"), "{}", finished.err);
    sound_afterwards(&world);
}

#[test]
fn files_that_vanish_or_become_pipes_never_hang_a_backup() {
    let world = World::with_repository();
    for number in 0..400 {
        world.file(format!("tree/{number}"), &[7; 3000]);
    }
    let swap = |path: &Path, round: u64| {
        let _ = std::fs::remove_file(path);
        match round % 3 {
            0 => rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
                .unwrap_or_default(),
            1 => std::fs::write(path, [8; 2000]).unwrap_or_default(),
            _ => {}
        }
    };
    for _ in 0..3 {
        let finished = backup_while(&world, |round| {
            swap(&world.path(format!("tree/{}", round.wrapping_mul(37) % 400)), round / 400);
        });
        // A file may be left alone by chance; what was met is reported, each by name.
        assert!(matches!(finished.code, Some(0 | 3)), "{:?} {}", finished.code, finished.err);
        let reported = finished.err.lines().filter(|line| line.contains("/tree/") || line.contains("tree\\/")).count();
        let errors = finished.only("summary")["errors"].as_u64().expect("a number");
        assert_eq!(u64::try_from(reported).expect("few"), errors, "{}", finished.err);
        assert_eq!(finished.code == Some(3), errors > 0);
    }
    world.run(["check", "-q", "--read-data"]).succeeded();
}
