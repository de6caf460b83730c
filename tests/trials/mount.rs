//! How long a mount takes to answer.

use crate::mounted::{Mount, can_mount};
use crate::run::World;
use crate::tree::{Random, long};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

const BLOCK_BYTES: usize = 4096;
const RESIDENT_KIB_MAX: u64 = 256 << 10;

/// Reads blocks anywhere in a file of which every second MiB is noise, and tells the median of the times. What the kernel
/// read ahead by itself is in it: the longer the file, the less.
#[test]
fn a_block_in_the_middle_of_a_long_mounted_file_costs_one_frame() {
    if !can_mount() {
        return;
    }
    let world = World::with_repository();
    let mebibytes: usize = if long() { 10 << 10 } else { 128 };
    let mut random = Random::new(11);
    let path = world.file("tree/long", b"");
    let mut file = File::create(&path).expect("a file");
    for part in 0..mebibytes {
        let bytes = if part % 2 == 0 { random.noise(1 << 20) } else { random.text(1 << 20)[..1 << 20].to_vec() };
        file.write_all(&bytes).expect("space");
    }
    drop(file);
    world.run(["backup", "-q", "tree"]).succeeded();
    let mount = Mount::new(&world, &[&format!("latest:{}", world.path("tree").display())]);
    let (there, here) = (File::open(mount.path("long")).expect("a file"), File::open(path).expect("a file"));
    rustix::fs::fadvise(&there, 0, None, rustix::fs::Advice::Random).expect("a hint");
    let blocks = u64::try_from((mebibytes << 20) / BLOCK_BYTES).expect("a small number");
    let block_bytes = u64::try_from(BLOCK_BYTES).expect("a small number");
    let (mut read, mut stored) = (vec![0; BLOCK_BYTES], vec![0; BLOCK_BYTES]);
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..if long() { 2000 } else { 400 } {
        let offset = random.below(blocks) * block_bytes;
        let begin = Instant::now();
        there.read_exact_at(&mut read, offset).expect("bytes");
        times.push(begin.elapsed());
        here.read_exact_at(&mut stored, offset).expect("bytes");
        assert!(read == stored, "byte {offset}");
    }
    times.sort();
    let median = times[times.len() / 2];
    println!("a block of {BLOCK_BYTES} bytes of {mebibytes} MiB: {median:?} at the median, {:?} at most", times.last());
    let peak = mount.peak_kib();
    println!("the mount: {} MiB at most", peak >> 10);
    drop(there);
    mount.signal(rustix::process::Signal::INT);
    mount.ended().ended(0);
    assert!(peak < RESIDENT_KIB_MAX, "{peak} KiB");
    // The build with checks is slow, and other trials run beside it.
    assert!(median < Duration::from_millis(if cfg!(debug_assertions) { 100 } else { 5 }), "{median:?}");
}

#[test]
fn a_mounted_folder_with_very_many_entries_is_listed_at_once() {
    if !can_mount() {
        return;
    }
    let world = World::with_repository();
    let count: u32 = if long() { 1_000_000 } else { 30_000 };
    let tree = world.path("tree");
    std::fs::create_dir(&tree).expect("a folder");
    (0..count).for_each(|number| std::fs::write(tree.join(format!("{number:07}")), b"x").expect("a file"));
    world.run(["backup", "-q", "tree"]).succeeded();
    let mount = Mount::new(&world, &[&format!("latest:{}", tree.display())]);
    let begin = Instant::now();
    let listed = std::fs::read_dir(&mount.place).expect("a folder").filter(Result::is_ok).count();
    let taken = begin.elapsed();
    let peak = mount.peak_kib();
    println!("{listed} entries in {taken:?}, {} MiB at most", peak >> 10);
    assert_eq!(u32::try_from(listed), Ok(count));
    assert!(taken < Duration::from_secs(3), "{taken:?}");
    assert!(peak < RESIDENT_KIB_MAX, "{peak} KiB");
}
