//! Very many entries and very long files: bounded memory, small increments.

use crate::run::{World, contents};
use crate::tree::{Random, bytes_below, long, start};
use std::fs::File;
use std::io::{Read, Write};
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
    let world = World::with_repository();
    let count = if long() { 1_000_000 } else { 50_000 };
    let folder = world.path("tree");
    std::fs::create_dir(&folder).expect("a folder");
    for number in 0..count {
        let mut file = File::create(folder.join(format!("{number:08}"))).expect("a file");
        writeln!(file, "{number}").expect("a file");
    }
    // What was changed within the clock's grain is read again: give it time to settle.
    std::thread::sleep(Duration::from_secs(3));
    peak_kib(&world, &["backup", "-q", "tree"]);
    let repository = world.path("repository");
    let first = bytes_below(&repository);
    peak_kib(&world, &["backup", "-q", "tree"]);
    let second = bytes_below(&repository);
    println!("{count} files: {first} bytes, an unchanged second backup adds {}", second - first);
    assert!(second - first < 64 << 10, "an unchanged tree added {}", second - first);
    File::options()
        .write(true)
        .open(folder.join("00025000"))
        .and_then(|file| file.write_all_at(b"9", 0))
        .expect("a byte");
    let third = world.run(["backup", "--json", "tree"]).succeeded().only("summary");
    assert_eq!((&third["files_changed"], &third["files_new"]), (&1.into(), &0.into()));
    println!("one changed byte adds {}", bytes_below(&repository) - second);
    assert!(bytes_below(&repository) - second < 512 << 10, "one byte added {}", bytes_below(&repository) - second);
    let source = format!("latest:{}", folder.display());
    peak_kib(&world, &["restore", "-q", &source, "--target", "copy"]);
    assert_eq!(std::fs::read(world.path("copy/00025000")).expect("a file"), b"95000\n");
    assert_eq!(std::fs::read_dir(world.path("copy")).expect("a folder").count(), count);
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

/// Half noise, a quarter text, a quarter holes.
#[test]
fn a_long_file_takes_bounded_memory() {
    let world = World::with_repository();
    let mebibytes: u64 = if long() { 20 << 10 } else { 192 };
    let mut random = Random::new(8);
    let mut file = File::create(world.file("tree/long", b"")).expect("a file");
    for part in 0..mebibytes {
        let bytes = match part / 8 % 4 {
            0 | 1 => random.noise(1 << 20),
            2 => [random.text(1000).as_slice(), b"\n"].concat().repeat(1100)[..1 << 20].to_vec(),
            _ => {
                file.set_len((part + 1) << 20).expect("a hole");
                std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).expect("the end");
                continue;
            }
        };
        file.write_all(&bytes).expect("space");
    }
    drop(file);
    peak_kib(&world, &["backup", "-q", "tree"]);
    let source = format!("latest:{}", world.path("tree").display());
    peak_kib(&world, &["restore", "-q", &source, "--target", "copy"]);
    peak_kib(&world, &["check", "-q", "--read-data"]);
    if long() {
        let hash = |name: &str| {
            let mut hasher = blake3::Hasher::new();
            let mut file = File::open(world.path(name)).expect("a file");
            let mut buffer = vec![0; 1 << 20];
            while let Ok(count @ 1..) = file.read(&mut buffer) {
                hasher.update(&buffer[..count]);
            }
            hasher.finalize()
        };
        assert_eq!(hash("copy/long"), hash("tree/long"));
    } else {
        assert!(contents(&world.path("copy")) == contents(&world.path("tree")));
    }
}
