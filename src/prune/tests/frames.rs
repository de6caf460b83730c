//! What becomes of frames in a repack.

use super::space::{bytes_below, text};
use crate::backup::BackupOptions;
use crate::check::{CheckDepth, CheckOptions};
use crate::frame::Compression;
use crate::key::{KdfCost, Unlock};
use crate::progress::Silent;
use crate::prune::{MaxUnused, PruneOptions};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::SnapshotFilter;
use std::path::Path;

const PASSWORD: Unlock<'static> = Unlock::Password(b"frames");

/// Backs up text that is not compressed, then what is left of it when some files are gone; forgets the first snapshot and
/// prunes all that can be. Gives the bytes of the files that are left, and of all packs.
fn repacked(files: &[(String, usize)], is_kept: fn(usize) -> bool) -> (u64, u64) {
    let place = tempfile::tempdir().unwrap();
    let (tree, stored) = (place.path().join("tree"), place.path().join("repository"));
    std::fs::create_dir(&tree).unwrap();
    for (number, (name, bytes)) in (0..).zip(files) {
        std::fs::write(tree.join(name), text(&[number], *bytes)).unwrap();
    }
    Repository::create(&stored, PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
    let options = OpenOptions::new(place.path().join("cache"), place.path().join("state"));
    let repository = Repository::open(&stored, PASSWORD, options).unwrap();
    let back_up = |tree: &Path| {
        let options = BackupOptions::new([tree.to_owned()]).compression(Compression::Off);
        repository.backup(&options, &Silent).unwrap().snapshot
    };
    let first = back_up(&tree);
    for (_, (name, _)) in (0..).zip(files).filter(|(number, _)| !is_kept(*number)) {
        std::fs::remove_file(tree.join(name)).unwrap();
    }
    back_up(&tree);
    let first = repository.resolve(&first.to_string().parse().unwrap(), &SnapshotFilter::default()).unwrap();
    repository.forget(&repository.plan_forget_snapshots(vec![first]).unwrap()).unwrap();
    let options = PruneOptions::default().max_unused(MaxUnused::Share(0));
    let report = repository.prune(repository.plan_prune(&options, &Silent).unwrap(), &options, &Silent).unwrap();
    assert!(report.written.pack_count > 0, "something was repacked");
    let check = repository.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap();
    assert_eq!((check.damage_count, check.snapshot_count), (0, 1));
    (bytes_below(&tree), bytes_below(&stored.join("packs")))
}

/// Whoever backs up with a level of his own would otherwise lose it at the first repack, and a repack its time.
#[test]
fn full_frames_that_are_needed_as_a_whole_stay_as_they_were_compressed() {
    let files: Vec<_> = ["a", "b"].map(|name| (name.to_owned(), 12 << 20)).into();
    let (raw_bytes, packs_bytes) = repacked(&files, |number| number == 0);
    assert!(packs_bytes * 10 > raw_bytes * 8 && packs_bytes * 10 < raw_bytes * 12, "{packs_bytes} of {raw_bytes}");
}

#[test]
fn frames_that_are_needed_in_part_are_gathered_and_compressed() {
    let files: Vec<_> = (0..400).map(|number| (format!("{number:03}"), 50_000)).collect();
    let (raw_bytes, packs_bytes) = repacked(&files, |number| number % 2 == 0);
    assert!(packs_bytes * 3 < raw_bytes, "{packs_bytes} of {raw_bytes}");
}

/// Compressing all of them anew takes far longer than copying them, for the sake of a fiftieth.
#[test]
fn small_packs_are_merged_as_they_were_compressed_and_little_goes_along_that_nothing_needs() {
    let place = tempfile::tempdir().unwrap();
    let (tree, stored) = (place.path().join("tree"), place.path().join("repository"));
    std::fs::create_dir(&tree).unwrap();
    Repository::create(&stored, PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
    let options = OpenOptions::new(place.path().join("cache"), place.path().join("state")).threads(1);
    let repository = Repository::open(&stored, PASSWORD, options).unwrap();
    let mut snapshots = Vec::new();
    for night in 0..8u32 {
        std::fs::write(tree.join("passing"), text(&[night, 1], 40_000)).unwrap();
        for part in 0..14 {
            std::fs::write(tree.join(format!("{night}-{part}")), text(&[night, 2, part], 110_000)).unwrap();
        }
        let options = BackupOptions::new([tree.clone()]).compression(Compression::Off);
        snapshots.push(repository.backup(&options, &Silent).unwrap().snapshot);
    }
    snapshots.pop();
    let resolve = |id: &crate::id::SnapshotId| {
        repository.resolve(&id.to_string().parse().unwrap(), &SnapshotFilter::default()).unwrap()
    };
    let forgotten = snapshots.iter().map(resolve).collect();
    repository.forget(&repository.plan_forget_snapshots(forgotten).unwrap()).unwrap();
    let options = PruneOptions::default();
    let plan = || repository.plan_prune(&options, &Silent).unwrap();
    let shown = plan();
    let report = repository.prune(shown, &options, &Silent).unwrap();
    assert_eq!(report.written.pack_count, 1, "{report:?}");
    let passed_bytes = 7 * 40_000;
    assert!((passed_bytes..passed_bytes * 5 / 4).contains(&report.slack_bytes), "{report:?}");
    assert!(
        bytes_below(&stored.join("packs")) > bytes_below(&tree),
        "all of it went along, and nothing was compressed"
    );
    let then = plan();
    assert_eq!((then.summary().unused.pack_count, then.summary().repacked.pack_count), (0, 0));
    assert!(then.summary().slack_bytes.abs_diff(report.slack_bytes) < 1000, "{:?} {report:?}", then.summary());
    let check = repository.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap();
    assert_eq!((check.damage_count, check.snapshot_count), (0, 1));
}
