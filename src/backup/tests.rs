//! Backups into stores that fail, of trees of which something is left out, and of discs that rot.

mod behind;
mod disc;
mod ended_early;
mod folders;
mod labels;
mod links;
mod lost;
mod rehash;
mod selection;

use crate::backup::BackupOptions;
use crate::config::Parameters;
use crate::key::{KdfCost, Unlock};
use crate::progress::Silent;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::{LocalStore, Store};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

const PASSWORD: Unlock<'static> = Unlock::Password(b"backup");
/// Long for a backup that takes less than a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// Content that nothing shrinks.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Backs up a tree of many packs into a fresh repository, whose store fails at a change if there is one; returns how
/// many changes there were, and whether the backup succeeded. Panics when it does not end.
fn back_up(place: &Path, tree: &Path, fault: Option<usize>) -> (usize, bool) {
    let parameters = Parameters { pack_bytes_target: 1 << 20, ..Parameters::default() };
    let repository = place.join(format!("repository {fault:?}"));
    Repository::create(&repository, PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP).parameters(parameters))
        .unwrap();
    let inner: Arc<dyn Store> = Arc::new(LocalStore::open(&repository).unwrap());
    let store = match fault {
        Some(at) => FaultyStore::new(inner, at, Fault::Refused),
        None => FaultyStore::counting(inner),
    };
    let own = place.join(format!("own {fault:?}"));
    let options = OpenOptions::new(own.join("cache"), own.join("state")).threads(2);
    let opened = Repository::open_store(Arc::new(store.clone()), PASSWORD, options).unwrap();
    let (sender, done) = channel();
    let backup = BackupOptions::new([tree.to_path_buf()]);
    std::thread::spawn(move || sender.send(opened.backup(&backup, &Silent).is_ok()));
    let succeeded = done.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not end: change {fault:?}"));
    (store.change_count(), succeeded)
}

/// Once the thread that finishes packs had failed, whoever had the next pack to hand over waited for it for ever.
#[test]
fn a_backup_ends_whatever_the_store_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("noise"), noise(0, 12 << 20)).unwrap();
    let (change_count, succeeded) = back_up(directory.path(), &tree, None);
    assert!(succeeded && change_count > 10, "{change_count}");
    for at in 1..=change_count {
        back_up(directory.path(), &tree, Some(at));
        for kept in ["repository", "own"] {
            let _ = std::fs::remove_dir_all(directory.path().join(format!("{kept} {:?}", Some(at))));
        }
    }
}
