//! A medium without a free byte, and how much is left after a prune.

use super::world::{Files, World, files, forget, objects, prune};
use crate::error::ErrorKind;
use crate::prune::{MaxUnused, PruneOptions};
use crate::store::{Folder, LocalStore, Store};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A mount that goes with this value.
struct Mount(PathBuf);

impl Mount {
    fn new(place: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let size = format!("size={megabytes}m");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(place).output().ok()?;
        done.status.success().then(|| Self(place.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_prune_works_without_a_free_byte_and_puts_its_reserve_back() {
    let world = World::new();
    let place = world.place("medium");
    let Some(_mount) = Mount::new(&place, 64) else {
        println!("skipped: this user or sandbox may not mount");
        return;
    };
    let store: Arc<dyn Store> = Arc::new(LocalStore::create(&place.join("repository")).unwrap());
    store.keep_reserve().unwrap();
    let reserve = place.join("repository/reserve");
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 1 << 20);
    let access = world.client_on("owner", Arc::clone(&store));
    let back_up = |files: &Files| super::world::back_up(&access, files, super::world::Inherit::Never);
    let first = back_up(&files(0..100, 100_000)).unwrap();
    // Of the last packs every other content stays: more than the reserve could take.
    back_up(&files((70..100).step_by(2).chain(100..120), 100_000)).unwrap();
    forget(&access, first).unwrap();
    let mut filler = std::fs::File::create(place.join("filler")).unwrap();
    while std::io::Write::write_all(&mut filler, &[1; 4096]).is_ok() {}
    drop(filler);
    let full = back_up(&files(200..210, 100_000)).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::NoSpace, "{full}");
    // Another process: it has to prove the store anew, which takes from the reserve, and then can't repack.
    let opened: Arc<dyn Store> = Arc::new(LocalStore::open(&place.join("repository")).unwrap());
    let report = prune(&world.client_on("owner", opened), &PruneOptions::default()).unwrap();
    assert!(report.deleted.bytes > 5 << 20, "{report:?}");
    assert!(report.notices.iter().any(|notice| notice.contains("nothing was repacked")), "{report:?}");
    super::world::whole(&world.client_on("reader", Arc::clone(&store))).unwrap();
    std::fs::remove_file(place.join("filler")).unwrap();
    prune(&world.client_on("owner", Arc::clone(&store)), &PruneOptions::default()).unwrap();
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 1 << 20, "it is kept again");
}

/// Thirty nights of a tree in which a twentieth of the files changes each night.
fn night(number: u32) -> Files {
    let changed = |name: u32| (0..=number).rev().find(|night| (name + night * 7).is_multiple_of(20)).unwrap_or(0);
    (0..400).flat_map(|name| rename(files([name * 1000 + changed(name)], 6000), name)).collect()
}

fn rename(files: Files, name: u32) -> Files {
    files.into_values().map(|content| (format!("{name:04}"), content)).collect()
}

fn bytes(world: &World) -> u64 {
    objects(&world.store).values().map(|bytes| u64::try_from(bytes.len()).unwrap()).sum()
}

#[test]
fn after_a_prune_there_is_little_more_than_in_a_repository_that_only_ever_held_what_is_kept() {
    let world = World::new();
    let snapshots: Vec<_> = (0..30).map(|number| world.back_up("a", &night(number))).collect();
    let kept = [0, 14, 29u32];
    for (number, snapshot) in (0u32..).zip(&snapshots) {
        if !kept.contains(&number) {
            world.forget(*snapshot);
        }
    }
    let fresh = World::new();
    for number in kept {
        fresh.back_up("a", &night(number));
    }
    let least = bytes(&fresh);
    for (limit, percent) in [(MaxUnused::default(), 105), (MaxUnused::Share(0), 101)] {
        let fork = world.fork();
        prune(&fork.client("owner"), &PruneOptions::default().max_unused(limit)).unwrap();
        fork.assert_whole();
        // Outcomes and records of what was forgotten stay for ever; they say what must not come back.
        let history: usize = objects(&fork.store)
            .iter()
            .filter(|(name, _)| matches!(name.folder(), Folder::Outcomes | Folder::Records))
            .map(|(_, bytes)| bytes.len())
            .sum();
        let left = bytes(&fork) - u64::try_from(history).unwrap();
        println!("{limit:?}: {left} bytes and {history} of history, where {least} would do");
        assert!(left * 100 <= least * percent, "{limit:?}: {left} bytes, where {least} would do");
    }
}
