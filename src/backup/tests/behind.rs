//! Backups on a machine that can't note what was committed.

use super::noise;
use crate::access::Access;
use crate::access::testing::Keys;
use crate::backup::{self, BackupOptions, BackupReport};
use crate::config::Parameters;
use crate::index::full::FullIndex;
use crate::index::{Index, MemoryIndex};
use crate::progress::Silent;
use crate::session::{self, History};
use crate::store::MemoryStore;
use std::path::PathBuf;
use std::sync::Arc;

struct Place {
    directory: tempfile::TempDir,
    keys: Keys,
    store: MemoryStore,
}

impl Place {
    /// With a tree of two packs of content.
    fn new() -> Self {
        let parameters = Parameters { pack_bytes_target: 1 << 20, ..Parameters::default() };
        let directory = tempfile::tempdir().unwrap();
        let place = Self { directory, keys: Keys::new(parameters), store: MemoryStore::new() };
        std::fs::create_dir(place.path("tree")).unwrap();
        std::fs::write(place.path("tree/noise"), noise(0, 2 << 20)).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn open(&self, index: Arc<impl Index + 'static>) -> Access {
        Access { index, ..self.keys.open(Arc::new(self.store.clone()), self.directory.path()) }
    }

    /// Does `meanwhile` once the client's state was read.
    fn back_up(&self, access: &Access, meanwhile: impl FnOnce()) -> BackupReport {
        let (history, state) = (History::load(access).unwrap(), session::load(access).unwrap());
        meanwhile();
        let options = BackupOptions::new([self.path("tree")]);
        let backup = |access: &Access| backup::run(access, &history, &state, &options, &Silent);
        let report = access.noting(|report: &mut BackupReport| &mut report.notices, backup).unwrap();
        let snapshots = session::all(&History::load(access).unwrap());
        assert_eq!(snapshots.last().map(|snapshot| snapshot.id), Some(report.snapshot));
        report
    }
}

/// A cache on a full disc once failed backups whose snapshots were committed: whoever called had nothing, and did it all
/// over again.
#[test]
fn a_snapshot_that_is_committed_is_told_whatever_the_index_takes() {
    let place = Place::new();
    let index = Arc::new(FullIndex::default());
    index.set_full(true);
    let access = place.open(Arc::clone(&index));
    let first = place.back_up(&access, || ());
    assert!(first.content_chunk_count > 0);
    let [notice] = first.notices.as_slice() else { panic!("{:?}", first.notices) };
    assert!(notice.contains("no space left for the index view"), "{notice}");
    let kept = session::load(&access).unwrap().last().unwrap();
    assert!(History::load(&access).unwrap().open.is_empty() && kept.number > 0, "its state is kept all the same");
    assert!(index.applied().unwrap().is_empty());

    index.set_full(false);
    let second = place.back_up(&access, || std::fs::write(place.path("tree/copy"), noise(0, 2 << 20)).unwrap());
    assert_eq!((second.content_chunk_count, second.notices), (0, vec![]), "what lacked was applied");
    let third = place.back_up(&place.open(Arc::new(MemoryIndex::new())), || ());
    assert_eq!((third.content_chunk_count, third.notices), (0, vec![]), "and so it is in another view");
}

/// After `sudo holdall` had left files of root's there, a user's backups failed until somebody found out.
#[test]
fn a_backup_is_made_where_nothing_can_be_noted_for_an_interrupted_one() {
    let place = Place::new();
    let access = place.open(Arc::new(MemoryIndex::new()));
    let first = place.back_up(&access, || std::fs::write(access.state_dir.join("journal"), "no folder").unwrap());
    assert!(first.content_chunk_count > 0);
    let [notice] = first.notices.as_slice() else { panic!("{:?}", first.notices) };
    assert!(notice.contains("it would have been stored again: File exists"), "{notice}");
    std::fs::remove_file(access.state_dir.join("journal")).unwrap();
    let second = place.back_up(&access, || ());
    assert_eq!((second.content_chunk_count, second.notices), (0, vec![]));
}

#[test]
fn a_snapshot_that_is_committed_is_told_where_the_client_can_t_keep_that_in_mind() {
    let place = Place::new();
    let access = place.open(Arc::new(MemoryIndex::new()));
    let state = access.state_dir.join("client");
    let first = place.back_up(&access, || {
        std::fs::remove_file(&state).unwrap();
        std::fs::create_dir(&state).unwrap();
    });
    let [notice] = first.notices.as_slice() else { panic!("{:?}", first.notices) };
    assert!(notice.contains("can't keep in mind"), "{notice}");
    std::fs::remove_dir(&state).unwrap();
    let second = place.back_up(&access, || ());
    assert_eq!((second.content_chunk_count, second.notices), (0, vec![]));
}
