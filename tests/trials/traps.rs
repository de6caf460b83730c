//! Targets with traps, and users without rights.

use crate::ordinary::Ordinary;
use crate::run::{World, contents};
use crate::tree::{is_root, skip};
use std::os::unix::fs::symlink;

#[test]
fn links_that_lie_in_the_target_lead_nowhere() {
    let world = World::with_repository();
    world.file("tree/folder/file", b"restored");
    world.file("tree/plain", b"restored");
    world.run(["backup", "-q", "tree"]).succeeded();
    world.file("outside/file", b"mine");
    world.file("outside/plain", b"mine");
    world.file("target/unrelated", b"kept");
    symlink(world.path("outside"), world.path("target/folder")).expect("a trap");
    symlink(world.path("outside/plain"), world.path("target/plain")).expect("a trap");
    let before = contents(&world.path("outside"));
    let source = format!("latest:{}", world.path("tree").display());
    let finished = world.run(["restore", "-q", &source, "--target", "target"]);
    assert!(matches!(finished.code, Some(0 | 3)), "{:?} {}", finished.code, finished.err);
    assert_eq!(contents(&world.path("outside")), before, "nothing outside the target was touched");
    if finished.code == Some(0) {
        assert!(!world.path("target/folder").is_symlink() && !world.path("target/plain").is_symlink());
        assert_eq!(std::fs::read(world.path("target/folder/file")).expect("restored"), b"restored");
        assert_eq!(std::fs::read(world.path("target/plain")).expect("restored"), b"restored");
    }
    assert_eq!(std::fs::read(world.path("target/unrelated")).expect("left alone"), b"kept");
}

#[test]
fn an_ordinary_user_gets_what_such_a_user_can_have_and_is_told_the_rest() {
    if !is_root() {
        return skip("a restore by somebody else", "only root can become another user");
    }
    let world = World::with_repository();
    world.file("tree/file", b"content");
    let node = world.path("tree/null");
    let device = rustix::fs::makedev(1, 3);
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        &node,
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::RWXU,
        device,
    );
    if made.is_err() {
        return skip("a device", "this sandbox lets nobody make one");
    }
    world.run(["backup", "-q", "tree"]).succeeded();
    let ordinary = Ordinary::new(&world);
    let source = format!("latest:{}", world.path("tree").display());
    let restored = ordinary.run(&world, &["restore", "-q", &source, "--target", "copy"]).ended(3);
    assert!(restored.err.contains("null") && restored.err.contains("owner"), "{}", restored.err);
    assert_eq!(std::fs::read(world.path("nobody/copy/file")).expect("restored"), b"content");
}
