//! Two processes at one repository: both succeed, nobody waits.

use crate::run::{World, contents};
use crate::tree::{Random, finish_within, run_within, start, wait_for_session};
use rustix::process::{Pid, Signal, kill_process};

fn world(seed: u64) -> World {
    let world = World::with_repository();
    let mut random = Random::new(seed);
    for number in 0..40 {
        world.file(format!("one/{number}"), &random.noise(1 << 20));
        world.file(format!("two/{number}"), &random.text(200_000));
    }
    world.file("three/letter", b"dear");
    world.run(["backup", "-q", "three"]).succeeded();
    world
}

/// `other` is the state directory of the second process: the same client, or another one.
fn two_backups(other: &str) {
    let world = world(1);
    for _ in 0..3 {
        let children = [("one", ".local/state"), ("two", other)].map(|(tree, state)| {
            let mut command = world.command();
            command.env("XDG_STATE_HOME", world.path(format!("home/{state}"))).args(["backup", "-q", "-f", tree]);
            start(command)
        });
        for child in children {
            finish_within(child, 120, &["backup"]).succeeded();
        }
    }
    assert_eq!(world.run(["snapshots", "--json"]).succeeded().json()[0].as_array().map(Vec::len), Some(7));
    world.run(["check", "-q", "--read-data"]).succeeded();
}

#[test]
fn two_backups_of_one_client_both_succeed() {
    two_backups(".local/state");
}

#[test]
fn two_backups_of_two_clients_both_succeed() {
    two_backups("elsewhere");
}

#[test]
fn a_backup_that_stands_still_holds_up_nobody() {
    let world = world(2);
    let mut command = world.command();
    command.args(["backup", "-q", "one"]);
    let child = start(command);
    wait_for_session(&world);
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, Signal::STOP).expect("it runs");
    let tree = world.path("three");
    let source = format!("latest:{}", tree.display());
    run_within(&world, 60, &["snapshots", "-q"]).succeeded();
    run_within(&world, 60, &["restore", "-q", &source, "--target", "copy"]).succeeded();
    assert_eq!(contents(&world.path("copy")), contents(&tree));
    run_within(&world, 60, &["backup", "-q", "two"]).succeeded();
    run_within(&world, 60, &["check", "-q"]).succeeded();
    run_within(&world, 60, &["stats", "-q"]).succeeded();
    kill_process(id, Signal::CONT).expect("it is there");
    finish_within(child, 120, &["backup"]).succeeded();
    assert_eq!(world.run(["snapshots", "--json"]).succeeded().json()[0].as_array().map(Vec::len), Some(3));
    world.run(["check", "-q", "--read-data"]).succeeded();
}
