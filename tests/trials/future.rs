//! A repository from the future: its newest configuration needs what this program does not know.

use crate::run::{PASSWORD, World, contents};
use crate::tree::assert_sound;
use holdall::config::{ConfigChain, Feature};
use holdall::id::ObjectHash;
use holdall::key::{Unlock, open_slot};

/// Adds a configuration that makes a feature mandatory for the purposes in `mandatory`.
fn from_the_future(mandatory: u8) -> World {
    let world = World::with_repository();
    world.file("tree/letter", b"dear");
    world.run(["backup", "-q", "tree"]).succeeded();
    let keys = world.path("repository/keys");
    let (_, slot) = contents(&keys).pop().expect("a key slot");
    let name = ObjectHash::of(&slot);
    let ring = open_slot(&name, &slot, Unlock::Password(PASSWORD.as_bytes())).expect("the password fits");
    let first = std::fs::read(world.path("repository/config/0")).expect("a configuration");
    let chain = ConfigChain::load(&[(0, first)], ring.config_zero()).expect("a sound chain");
    let mut next = chain.draft(1);
    next.features.0.push(Feature { id: 0x8001, mandatory });
    world.file("repository/config/1", &next.sign(ring.signing()).expect("a sound configuration"));
    world
}

/// Runs every command; `refused` says which of them must name the feature and end with 1.
fn commands(mandatory: u8, refused: &[&str]) {
    let world = from_the_future(mandatory);
    let before = contents(&world.path("repository"));
    for line in [
        &["snapshots"][..],
        &["ls", "latest"],
        &["stats"],
        &["restore", "latest", "--target", "copy"],
        &["check"],
        &["backup", "tree"],
    ] {
        let finished = world.run(line);
        if refused.contains(&line[0]) {
            assert_eq!(finished.code, Some(1), "{line:?} with {mandatory}: {}", finished.err);
            assert!(finished.err.contains("32769") || finished.err.contains("8001"), "{line:?}: {}", finished.err);
            assert!(finished.err.contains("newer holdall"), "{line:?}: {}", finished.err);
            assert!(contents(&world.path("repository")) == before, "{line:?} changed the repository");
        } else if line[0] == "check" {
            // The configuration that was put there has no second copy.
            assert_sound(&finished);
        } else {
            finished.succeeded();
        }
    }
}

#[test]
fn a_feature_that_readers_must_know_stops_every_command() {
    commands(1, &["snapshots", "ls", "stats", "restore", "check", "backup"]);
}

#[test]
fn a_feature_that_writers_must_know_stops_backups_only() {
    commands(2, &["backup"]);
}

#[test]
fn a_feature_that_checkers_must_know_stops_checks_only() {
    commands(8, &["check"]);
}

#[test]
fn a_feature_that_nobody_must_know_stops_nothing() {
    commands(0, &[]);
}
