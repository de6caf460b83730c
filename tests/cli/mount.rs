//! Real programs reading through a real mount.

use crate::mounted::{Mount, can_mount, within_ten_seconds};
use crate::run::{Finished, World, contents};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

/// What a program prints; the test ends unless it succeeds without complaint.
fn output(program: &str, arguments: &[&str], folder: &Path) -> String {
    let finished = Finished::of(&Command::new(program).args(arguments).current_dir(folder).output().expect(program));
    finished.succeeded().out
}

/// Content that compresses badly.
fn noise(count: u32) -> Vec<u8> {
    (0..count).flat_map(|word| word.wrapping_mul(2_654_435_761).rotate_left(word % 31).to_le_bytes()).collect()
}

/// A world with a snapshot of everything that a tree may hold.
fn furnished() -> World {
    let world = World::with_repository();
    world.file("tree/a/big", &noise(700_000));
    world.file("tree/a/small", b"small");
    world.file("tree/a/deep/er/void", b"");
    let one = world.file("tree/links/one", &noise(30_000));
    std::fs::hard_link(&one, world.path("tree/links/two")).expect("a link");
    std::fs::hard_link(&one, world.path("tree/a/three")).expect("a link");
    std::os::unix::fs::symlink("links/one", world.path("tree/leads")).expect("a link");
    (0..700).for_each(|number| drop(world.file(format!("tree/many/{number}"), &[7; 10])));
    let sparse = std::fs::File::create(world.path("tree/sparse")).expect("a file");
    sparse.write_all_at(b"end", 5 << 20).expect("room");
    let tree = world.path("tree");
    output("mkfifo", &["pipe"], &tree);
    output("chmod", &["4750", "a/small"], &tree);
    output("touch", &["-d", "1961-04-12 06:07:00.123456789 UTC", "a/deep/er/void"], &tree);
    output("touch", &["-d", "2031-01-02 03:04:05.987654321 UTC", "a"], &tree);
    if rustix::process::getuid().is_root() {
        output("mknod", &["device", "c", "259", "300"], &tree);
        output("chown", &["4711:4712", "a/small"], &tree);
    }
    // Not every file system has them.
    let _ = Command::new("setfattr").args(["-n", "user.colour", "-v", "blue", "a/big"]).current_dir(&tree).status();
    world.run(["backup", "-q", "tree", "--tag", "daily"]).succeeded();
    world
}

#[test]
fn real_programs_find_in_a_mount_what_was_stored() {
    if !can_mount() {
        return;
    }
    let world = furnished();
    let mount = Mount::new(&world, &[]);
    let tree = world.path("tree");
    let inside = format!("snapshots/latest{}", tree.display());
    let there = mount.path(&inside);
    // Of pipes, sockets and devices `diff` can't say that they are the same.
    output(
        "diff",
        &[
            "-r",
            "--no-dereference",
            "-x",
            "pipe",
            "-x",
            "device",
            &tree.display().to_string(),
            &there.display().to_string(),
        ],
        &tree,
    );
    let facts = "%P|%y|%m|%U|%G|%s|%T@|%n|%l\n";
    let sorted = |arguments: &[&str], folder: &Path| {
        let mut lines: Vec<String> = output("find", arguments, folder).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for arguments in
        [&[".", "!", "-type", "d", "-printf", facts][..], &[".", "-type", "d", "-printf", "%P|%m|%U|%T@\n"]]
    {
        assert_eq!(sorted(arguments, &there), sorted(arguments, &tree));
    }
    let status = |folder: &Path, name: &str| folder.join(name).symlink_metadata().expect("it is there");
    let inodes = ["links/one", "links/two", "a/three"].map(|name| status(&there, name).ino());
    assert!(inodes.iter().all(|inode| *inode == inodes[0]), "{inodes:?}");
    assert_ne!(status(&there, "a/big").ino(), inodes[0]);
    assert_eq!(status(&there, "sparse").blocks() * 512 < 1 << 20, status(&tree, "sparse").blocks() * 512 < 1 << 20);
    if rustix::process::getuid().is_root() {
        assert_eq!(status(&there, "device").rdev(), status(&tree, "device").rdev());
    }
    let value = |folder: &Path| rustix::fs::getxattr(folder.join("a/big"), "user.colour", &mut [0; 16][..]).ok();
    assert_eq!(value(&there), value(&tree));
    std::fs::create_dir(world.path("out")).expect("a folder");
    let unpack = format!(
        "tar --sort=name --warning=no-timestamp -cf - . | tar --warning=no-timestamp -xf - -C {}",
        world.path("out").display()
    );
    output("sh", &["-c", &unpack], &there);
    assert!(contents(&world.path("out/many")) == contents(&tree.join("many")));
    assert_eq!(output("cat", &["a/small"], &there), "small");
    for skip in ["0", "600", "13", "683", "1"] {
        let read = |folder: &Path| {
            let mut dd = Command::new("dd");
            dd.args(["if=a/big", "bs=4096", "count=1", "status=none"]).current_dir(folder);
            dd.args([format!("skip={skip}")]).output().expect("dd runs").stdout
        };
        assert!(read(&there) == read(&tree), "block {skip}");
    }
    assert!(std::fs::write(there.join("new"), b"x").is_err(), "nothing can be written");
    assert!(mount.peak_kib() < 256 << 10, "{} KiB", mount.peak_kib());
    mount.signal(rustix::process::Signal::INT);
    mount.ended().ended(0);
}

#[test]
fn every_way_to_end_a_mount_leaves_none() {
    if !can_mount() {
        return;
    }
    let world = World::with_repository();
    world.file("tree/file", b"x");
    world.run(["backup", "-q", "tree"]).succeeded();
    let place = format!("latest:{}", world.path("tree").display());
    let mount = Mount::new(&world, &[&place]);
    assert_eq!(std::fs::read(mount.path("file")).expect("it is there"), b"x");
    output("umount", &[&mount.place.display().to_string()], Path::new("/"));
    mount.ended().ended(0);

    let mount = Mount::new(&world, &["--json"]);
    mount.signal(rustix::process::Signal::TERM);
    let finished = mount.ended().ended(0);
    assert_eq!(finished.only("mounted")["mountpoint"], world.path("mount").display().to_string());

    // Somebody who stands in it can't keep it.
    let mount = Mount::new(&world, &[&place]);
    let mut somebody = Command::new("sleep").arg("60").current_dir(&mount.place).spawn().expect("it starts");
    mount.signal(rustix::process::Signal::INT);
    let finished = mount.ended();
    somebody.kill().expect("it sleeps");
    somebody.wait().expect("it is ours");
    assert!(finished.ended(0).err.contains("still in use"));
}

#[test]
fn a_mount_shows_new_snapshots_commands_and_damage() {
    if !can_mount() {
        return;
    }
    let world = World::with_repository();
    world.file("tree/file", &noise(400_000));
    world.run(["backup", "-q", "tree", "--command", "said.txt=echo hello", "--host", "h"]).succeeded();
    let mount = Mount::new(&world, &["--path-template", "by/%h/%T", "--time-template", "%Y", "--owner-root"]);
    let year = std::fs::read_link(mount.path("by/h/latest")).expect("a link");
    assert_eq!(year.as_os_str().len(), 4);
    assert_eq!(std::fs::read(mount.path("by/h/latest/said.txt")).expect("it is there"), b"hello\n");
    world.run(["backup", "-q", "tree", "--host", "h"]).succeeded();
    let second = format!("{}-1", year.display());
    assert!(within_ten_seconds(|| mount.path("by/h").join(&second).is_dir()), "the second is there");
    assert!(within_ten_seconds(
        || std::fs::read_link(mount.path("by/h/latest")).is_ok_and(|now| *now.as_os_str() == *second)
    ));
    // The longest pack has the content.
    let packs = output("find", &["repository/packs", "-type", "f", "-size", "+500k"], &world.path("."));
    for pack in packs.lines() {
        let mut bytes = std::fs::read(world.path(pack)).expect("a pack");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(world.path(pack)).expect("it is there");
        std::fs::write(world.path(pack), bytes).expect("room");
    }
    let file = mount.path(&format!("by/h/latest{}", world.path("tree/file").display()));
    for _ in 0..2 {
        assert!(std::fs::read(&file).is_err(), "what is damaged is an error");
    }
    mount.signal(rustix::process::Signal::INT);
    let err = mount.ended().ended(0).err;
    assert_eq!(err.matches("tree/file").count(), 1, "it is said once: {err}");
}

#[test]
fn what_can_t_be_mounted_is_refused() {
    let world = World::with_repository();
    world.file("tree/file", b"x");
    world.run(["mount", "none"]).ended(1);
    world.run(["mount", "tree/file"]).ended(2);
    assert!(world.run(["mount", "."]).ended(2).err.contains("hide the repository"));
    world.run(["mount", "tree", "--path-template", "%x"]).ended(2);
    world.run(["mount", "tree", "--no-default-permissions"]).ended(2);
    world.run(["mount", "tree", "latest"]).ended(1);
}
