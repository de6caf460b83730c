//! The repository in other places: moved, read-only, without space, without hard links.

use crate::lacking::leave_out;
use crate::ordinary::Ordinary;
use crate::run::{Finished, World, contents};
use crate::tree::{Random, is_root};
use std::path::{Path, PathBuf};
use std::process::Command;

fn world() -> World {
    let world = World::with_repository();
    world.file("tree/letter", b"dear");
    world.file("tree/long", &Random::new(5).noise(3 << 20));
    world.run(["backup", "-q", "tree"]).succeeded();
    world
}

fn at(world: &World, repository: &Path, arguments: &[&str]) -> Finished {
    let mut command = world.command();
    command.env("HOLDALL_REPOSITORY", repository).args(arguments);
    Finished::of(&command.output().expect("the program starts"))
}

/// Everything that only reads.
fn reads(world: &World, repository: &Path) {
    at(world, repository, &["snapshots", "-q"]).succeeded();
    at(world, repository, &["check", "-q", "--read-data"]).succeeded();
    at(world, repository, &["stats", "-q"]).succeeded();
    let source = format!("latest:{}", world.path("tree").display());
    at(world, repository, &["restore", "-q", &source, "--target", "copy"]).succeeded();
    assert!(contents(&world.path("copy")) == contents(&world.path("tree")));
    std::fs::remove_dir_all(world.path("copy")).expect("it was restored");
}

/// A mount that goes with this value.
pub(crate) struct Mount(PathBuf);

impl Mount {
    pub(crate) fn new(arguments: &[&str], place: &Path) -> Option<Self> {
        std::fs::create_dir_all(place).expect("a folder");
        let done = Command::new("mount").args(arguments).arg(place).output().ok()?;
        done.status.success().then(|| Self(place.to_owned()))
    }

    /// Changes its options.
    pub(crate) fn change(&self, options: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(done.expect("mount").success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_repository_that_was_moved_goes_on() {
    let world = world();
    let to = world.path("other/place/store");
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("folders");
    std::fs::rename(world.path("repository"), &to).expect("moved");
    reads(&world, &to);
    let again = at(&world, &to, &["backup", "--json", "tree"]).succeeded().only("summary");
    assert!(!again["parent"].is_null(), "its history moved with it: {again}");
}

#[test]
fn a_repository_without_the_right_to_write_is_read_and_says_so() {
    if !is_root() {
        return leave_out("root", "only root can become another user");
    }
    let world = world();
    let ordinary = Ordinary::new(&world);
    let done = Command::new("chmod").args(["-R", "a-w"]).arg(world.path("repository")).status();
    assert!(done.expect("chmod").success());
    let before = contents(&world.path("repository"));
    ordinary.run(&world, &["snapshots", "-q"]).succeeded();
    ordinary.run(&world, &["check", "-q", "--read-data"]).succeeded();
    let source = format!("latest:{}", world.path("tree").display());
    // Root's files can't be given back to root.
    let restored = ordinary.run(&world, &["restore", "-q", &source, "--target", "copy"]).ended(3);
    assert!(restored.err.contains("owner"), "{}", restored.err);
    assert!(contents(&world.path("nobody/copy")) == contents(&world.path("tree")));
    let refused = ordinary.run(&world, &["backup", "-q", "copy"]).ended(1);
    for part in ["permission denied", "repository/sessions", "nothing was changed"] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    let refused = ordinary.run(&world, &["prune", "-q"]).ended(1);
    for part in
        ["repository can't be written", "permission denied", "repository/sessions", "as a user who may read and write"]
    {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    assert!(contents(&world.path("repository")) == before);
}

#[test]
fn a_repository_on_a_read_only_medium_is_read_and_says_so() {
    let world = world();
    let repository = world.path("repository");
    let place = world.path("medium");
    let bound = Mount::new(&["--bind", repository.to_str().expect("text")], &place);
    let sealed = bound.as_ref().map(|_| Command::new("mount").args(["-o", "remount,ro,bind"]).arg(&place).status());
    if !sealed.is_some_and(|done| done.is_ok_and(|status| status.success())) {
        return leave_out("mount", "this user or sandbox may not mount");
    }
    let before = contents(&repository);
    reads(&world, &place);
    let refused = at(&world, &place, &["backup", "-q", "tree"]).ended(1);
    assert!(refused.err.contains("read-only") && refused.err.contains("medium/sessions"), "{}", refused.err);
    assert!(contents(&repository) == before);
}

#[test]
fn without_space_a_backup_says_so_and_harms_nothing() {
    let world = world();
    let place = world.path("small");
    let Some(_mount) = Mount::new(&["-t", "tmpfs", "-o", "size=2m", "tmpfs"], &place) else {
        return leave_out("mount", "this user or sandbox may not mount");
    };
    let repository = place.join("repository");
    let letter = world.path("tree/letter");
    at(&world, &repository, &["init", "-q", "--kdf-memory", "64K", "--kdf-passes", "1"]).succeeded();
    at(&world, &repository, &["backup", "-q", letter.to_str().expect("text")]).succeeded();
    for _ in 0..2 {
        let full = at(&world, &repository, &["backup", "-q", "tree"]).ended(13);
        assert!(full.err.contains("no space left") && full.err.contains("small/repository"), "{}", full.err);
        assert!(full.err.contains("make room"), "{}", full.err);
    }
    at(&world, &repository, &["check", "-q", "--read-data"]).succeeded();
    at(&world, &repository, &["backup", "-q", letter.to_str().expect("text")]).succeeded();
    let source = format!("latest:{}", world.path("tree").display());
    let target = place.join("copy");
    let restored = world.run(["restore", "-q", &source, "--target", target.to_str().expect("text")]).ended(13);
    assert!(restored.err.contains("long") && restored.err.contains("No space left"), "{}", restored.err);
}

#[test]
fn without_space_for_what_this_machine_remembers_a_backup_says_so_and_harms_nothing() {
    let world = world();
    let place = world.path("small");
    let Some(_mount) = Mount::new(&["-t", "tmpfs", "-o", "size=64k", "tmpfs"], &place) else {
        return leave_out("mount", "this user or sandbox may not mount");
    };
    let backup = || {
        let mut command = world.command();
        command.env("XDG_STATE_HOME", &place).args(["backup", "-q", "tree"]);
        Finished::of(&command.output().expect("the program starts"))
    };
    let filler = place.join("filler");
    assert!(std::fs::write(&filler, [1; 65_537]).is_err());
    let full = backup().ended(13);
    assert!(full.err.contains("small/") && full.err.contains("make room"), "{}", full.err);
    std::fs::remove_file(filler).expect("it was there");
    backup().succeeded();
}

#[test]
fn a_file_system_without_hard_links_will_do() {
    let world = world();
    let image = world.path("image");
    std::fs::File::create(&image).and_then(|file| file.set_len(64 << 20)).expect("an image");
    let made = Command::new("/usr/sbin/mkfs.vfat").arg(&image).output();
    if !made.is_ok_and(|made| made.status.success()) {
        return leave_out("vfat", "there is no mkfs.vfat");
    }
    let place = world.path("stick");
    let Some(_mount) = Mount::new(&["-o", "loop", image.to_str().expect("text")], &place) else {
        return leave_out("vfat", "it can't be mounted here");
    };
    let repository = place.join("repository");
    at(&world, &repository, &["init", "-q", "--kdf-memory", "64K", "--kdf-passes", "1"]).succeeded();
    at(&world, &repository, &["backup", "-q", "tree"]).succeeded();
    reads(&world, &repository);
}
