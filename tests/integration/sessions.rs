//! What sessions leave behind when they don't end well, and what the next run makes of it.

use crate::house::{House, assert_equal};
use crate::python_reader::{PASSWORD, RESTORED, below, python_restore};
use holdall::id::ClientId;
use holdall::progress::{Event, Progress};
use holdall::session::{self, Writer};
use holdall::session_record::SessionKind;
use holdall::{BackupOptions, ErrorKind, OutcomeKind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Asks to stop once so many files were processed.
struct StopsAfter {
    files: AtomicU64,
    limit: u64,
}

impl Progress for StopsAfter {
    fn event(&self, event: &Event<'_>) {
        if let Event::Processed { files, .. } = event {
            self.files.fetch_add(*files, Ordering::Relaxed);
        }
    }

    fn stopped(&self) -> bool {
        self.files.load(Ordering::Relaxed) >= self.limit
    }
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut out);
    out
}

#[test]
fn an_interrupted_run_is_told_and_the_next_one_reuses_what_it_stored() {
    let house = House::new();
    let tree = house.tree("tree");
    for number in 0..60 {
        std::fs::write(tree.join(format!("{number:02}")), noise(number, 1 << 20)).unwrap();
    }
    let stops = StopsAfter { files: AtomicU64::new(0), limit: 40 };
    let stopped = house.open().backup(&BackupOptions::new([tree.clone()]), &stops).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Interrupted, "{stopped}");
    assert_eq!(house.open().snapshots(&Default::default()).unwrap().len(), 0);
    let second = house.backup(&tree);
    assert!(second.content_raw_bytes < 40 << 20, "{} bytes were stored again", second.content_raw_bytes);
    let (copy, _) = house.restore(&tree, "copy");
    assert_equal(&tree, &copy);
    house.assert_clean();
}

#[test]
fn a_store_that_lacks_what_it_acknowledged_is_not_written_to_unless_that_is_accepted() {
    let house = House::new();
    let tree = house.tree("tree");
    std::fs::write(tree.join("file"), "one").unwrap();
    house.backup(&tree);
    let outcomes = house.store().join("outcomes");
    for outcome in std::fs::read_dir(&outcomes).unwrap() {
        std::fs::remove_file(outcome.unwrap().path()).unwrap();
    }
    // A build without RocksDB has no cache.
    let _ = std::fs::remove_dir_all(house.path("cache"));
    let options = BackupOptions::new([tree.clone()]);
    let refused = house.open().backup(&options, &holdall::Silent).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RolledBack, "{refused}");
    let accepting = house.options().accept_rollback(holdall::AcceptRollback::Accept);
    let repository = holdall::Repository::open(&house.store(), crate::house::PASSWORD, accepting).unwrap();
    repository.backup(&options, &holdall::Silent).unwrap();
    house.backup(&tree);
}

#[test]
fn two_backups_at_once_both_succeed() {
    let house = House::new();
    let trees: Vec<_> = (0..4u64)
        .map(|number| {
            let tree = house.tree(&format!("tree{number}"));
            std::fs::write(tree.join("own"), noise(number, 3 << 20)).unwrap();
            std::fs::write(tree.join("shared"), noise(99, 3 << 20)).unwrap();
            tree
        })
        .collect();
    std::thread::scope(|scope| {
        for tree in &trees {
            scope.spawn(|| house.backup(tree));
        }
    });
    assert_eq!(house.open().snapshots(&Default::default()).unwrap().len(), 4);
    house.assert_clean();
}

#[test]
fn outcome_14_a_snapshot_that_had_seen_very_many_clients_is_read_by_everybody() {
    let house = House::new();
    let repository = house.open();
    let access = repository.access();
    for number in 0..300u16 {
        let mut id = [0xC0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let client = ClientId::from_bytes(id);
        let session = session::open(access, client, 1, SessionKind::Checkpoint, &Writer::default()).unwrap();
        let body = session.outcome(OutcomeKind::Checkpoint, Vec::new(), Vec::new());
        session.commit(access, &body, None).unwrap();
    }
    let tree = house.tree("tree");
    std::fs::write(tree.join("file"), noise(1, 10_000)).unwrap();
    house.backup(&tree);
    let history = session::History::load(house.open().access()).unwrap();
    let seen = history.committed().filter(|(_, held)| held.body.seen.overflow.is_some()).count();
    assert_eq!(seen, 1);
    house.assert_clean();
    let (copy, _) = house.restore(&tree, "copy");
    assert_equal(&tree, &copy);
    let target = house.path("python");
    let (code, said) = python_restore(&house.store(), "latest", &target, &PASSWORD);
    assert_eq!(code, RESTORED, "{said}");
    assert_equal(&tree, &below(&target, &tree));
}
