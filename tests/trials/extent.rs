//! Very many entries and very long files: bounded memory, small increments.

use crate::run::World;
use crate::tree::{Random, bytes_below, long, start};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Duration;

const RESIDENT_KIB_MAX: u64 = 512 << 10;

/// Runs the program to its end and returns its peak resident set in KiB.
#[track_caller]
fn peak_kib(world: &World, arguments: &[&str]) -> u64 {
    let mut command = world.command();
    command.args(arguments).args(["--memory", "128M"]);
    let mut child = start(command);
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("it can be waited for").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
        peak = peak.max(kib);
        std::thread::sleep(Duration::from_millis(5));
    }
    crate::run::Finished::of(&child.wait_with_output().expect("its output")).succeeded();
    println!("{arguments:?}: {} MiB at most", peak >> 10);
    assert!(peak > 0, "it was too short to be measured");
    assert!(peak < RESIDENT_KIB_MAX, "{arguments:?} took {peak} KiB");
    peak
}

#[test]
fn a_folder_with_very_many_entries_takes_bounded_memory_and_changes_cost_little() {
    very_many_files(1, if long() { 1_000_000 } else { 50_000 });
}

#[test]
fn very_many_files_in_many_folders_take_bounded_memory_and_changes_cost_little() {
    if long() { very_many_files(1000, 1000) } else { very_many_files(100, 200) }
}

/// Every file holds its number, in a folder of so many.
fn very_many_files(folder_count: usize, file_count: usize) {
    let world = World::with_repository();
    let tree = world.path("tree");
    let place = |folder: usize, file: usize| format!("{folder:04}/{:08}", folder * file_count + file);
    for folder in 0..folder_count {
        std::fs::create_dir_all(tree.join(format!("{folder:04}"))).expect("a folder");
        for file in 0..file_count {
            std::fs::write(tree.join(place(folder, file)), format!("{}\n", folder * file_count + file))
                .expect("a file");
        }
    }
    // What was changed within the clock's grain is read again: give it time to settle.
    std::thread::sleep(Duration::from_secs(3));
    peak_kib(&world, &["backup", "-q", "tree"]);
    let repository = world.path("repository");
    let first = bytes_below(&repository);
    peak_kib(&world, &["backup", "-q", "tree"]);
    let second = bytes_below(&repository);
    println!("{folder_count} x {file_count} files: {first} bytes, an unchanged second backup adds {}", second - first);
    assert!(second - first < 64 << 10, "an unchanged tree added {}", second - first);
    let changed = place(folder_count / 2, file_count / 2);
    let number = folder_count / 2 * file_count + file_count / 2;
    let write = |file: File| file.write_all_at(b"x", 0);
    File::options().write(true).open(tree.join(&changed)).and_then(write).expect("a byte");
    let third = world.run(["backup", "--json", "tree"]).succeeded().only("summary");
    assert_eq!((&third["files_changed"], &third["files_new"]), (&1.into(), &0.into()));
    let added = bytes_below(&repository) - second;
    println!("one changed byte adds {added}");
    assert!(added < 512 << 10, "one byte added {added}");
    let source = format!("latest:{}", tree.display());
    peak_kib(&world, &["restore", "-q", &source, "--target", "copy"]);
    let expected = format!("x{}\n", &number.to_string()[1..]);
    assert_eq!(std::fs::read_to_string(world.path("copy").join(changed)).expect("a file"), expected);
    let folders =
        std::fs::read_dir(world.path("copy")).expect("folders").map(|folder| folder.expect("a folder").path());
    let count: usize = folders.map(|folder| std::fs::read_dir(folder).expect("a folder").count()).sum();
    assert_eq!(count, folder_count * file_count);
    peak_kib(&world, &["check", "-q", "--read-data"]);
}

#[test]
fn a_sparse_file_of_a_tebibyte_comes_back_as_it_was() {
    let world = World::with_repository();
    let path = world.file("tree/sparse", b"begin");
    let file = File::options().write(true).open(&path).expect("a file");
    file.set_len(1 << 40).expect("the file system knows holes");
    file.write_all_at(b"middle", 500_000_000_000).expect("a few bytes");
    drop(file);
    peak_kib(&world, &["backup", "-q", "tree"]);
    let source = format!("latest:{}", world.path("tree").display());
    peak_kib(&world, &["restore", "-q", &source, "--target", "copy"]);
    peak_kib(&world, &["check", "-q", "--read-data"]);
    let copy = File::open(world.path("copy/sparse")).expect("the copy");
    let (before, after) = (std::fs::metadata(&path).expect("a file"), copy.metadata().expect("a file"));
    assert_eq!((before.len(), before.blocks()), (after.len(), after.blocks()));
    let mut middle = [0; 8];
    copy.read_exact_at(&mut middle, 499_999_999_999).expect("bytes");
    assert_eq!(&middle, b"\0middle\0");
    assert!(bytes_below(&world.path("repository/packs")) < 1 << 20);
}

/// A sixteenth noise, the rest text, so that a file of 20 GiB takes little space in the repository. Its source goes before
/// the copy comes.
#[test]
fn a_long_file_takes_bounded_memory() {
    let world = World::with_repository();
    let mebibytes: usize = if long() { 20 << 10 } else { 192 };
    let mut random = Random::new(8);
    let path = world.file("tree/long", b"");
    let mut file = File::create(&path).expect("a file");
    let mut written = blake3::Hasher::new();
    for part in 0..mebibytes {
        let bytes = match part / 8 % 16 {
            0 => random.noise(1 << 20),
            _ => [random.text(1000).as_slice(), b"\n"].concat().repeat(1100)[..1 << 20].to_vec(),
        };
        written.update(&bytes);
        file.write_all(&bytes).expect("space");
    }
    drop(file);
    peak_kib(&world, &["backup", "-q", "tree"]);
    println!("{mebibytes} MiB are stored in {} bytes", bytes_below(&world.path("repository")));
    std::fs::remove_file(path).expect("it was backed up");
    let source = format!("latest:{}", world.path("tree").display());
    peak_kib(&world, &["restore", "-q", &source, "--target", "copy"]);
    let mut read = blake3::Hasher::new();
    let mut copy = File::open(world.path("copy/long")).expect("the copy");
    std::io::copy(&mut copy, &mut read).expect("its bytes");
    assert_eq!(read.finalize(), written.finalize());
    peak_kib(&world, &["check", "-q", "--read-data"]);
}
