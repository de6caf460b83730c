//! The program on a machine that computes wrongly now and then: it notices, says so, and stores nothing of it.

use crate::run::{Finished, World, contents};

/// Content of which no two frames are alike.
fn numbers(from: u32, count: u32) -> Vec<u8> {
    (from..from + count).flat_map(|number| (number.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()).collect()
}

fn backup_with_fault(world: &World, fault: &str) -> Finished {
    let mut command = world.command();
    command.env("HOLDALL_FAULT", fault).args(["backup", "tree"]);
    Finished::of(&command.output().expect("the program starts"))
}

/// Whatever frame it hits, the backup fails with a clear message, no snapshot comes of it, and the repository is sound.
fn fault_is_noticed(world: &World, fault: &str) {
    let failed = backup_with_fault(world, fault).ended(1);
    for part in ["on purpose", "reads back differently", "memory"] {
        assert!(failed.err.contains(part), "{fault}: {}", failed.err);
    }
    assert!(world.run(["snapshots"]).succeeded().out.contains("0 snapshots"), "{fault}");
    world.run(["check", "--read-data"]).succeeded();
}

#[test]
fn a_frame_of_content_that_was_encoded_wrongly_ends_the_backup() {
    let world = World::with_repository();
    for file in 0..6 {
        world.file(format!("tree/{file}"), &numbers(file << 20, 300_000));
    }
    fault_is_noticed(&world, "frame:1");
    fault_is_noticed(&world, "frame:4");
    world.run(["backup", "tree"]).succeeded();
    world.run(["check", "--read-data"]).succeeded();
    let tree = world.path("tree");
    world.run(["restore", &format!("latest:{}", tree.display()), "--target", "copy"]).succeeded();
    assert!(contents(&world.path("copy")) == contents(&tree));
}

#[test]
fn a_frame_of_a_tree_that_was_encoded_wrongly_ends_the_backup() {
    let world = World::with_repository();
    // One frame each of content, manifest and stat tree; a second backup finds the content there already.
    world.file("tree/a", &numbers(0, 30_000));
    for fault in ["frame:3", "frame:2", "frame:1"] {
        fault_is_noticed(&world, fault);
    }
}

#[test]
fn a_defect_is_never_switched_on_by_accident() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    for text in ["1", "frame", "frame:", "frame:0", "frame:-1", "frames:3", "frame:3 "] {
        let refused = backup_with_fault(&world, text).ended(2);
        assert!(refused.err.contains("HOLDALL_FAULT must be frame:N"), "{text}: {}", refused.err);
    }
    let fine = backup_with_fault(&world, "").succeeded();
    assert!(fine.out.contains("saved"), "{}", fine.out);
}
