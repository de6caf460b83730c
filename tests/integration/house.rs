//! A repository of a test's own, in a directory that goes away with it.

use holdall::backup::{BackupOptions, BackupReport};
use holdall::check::{CheckDepth, CheckOptions};
use holdall::key::{KdfCost, Unlock};
use holdall::progress::Silent;
use holdall::repository::{CreateOptions, OpenOptions, Repository};
use holdall::restore::{RestoreOptions, RestoreReport};
use holdall::session::{Snapshot, SnapshotFilter};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) const PASSWORD: Unlock<'static> = Unlock::Password(b"correct horse battery staple");

pub(crate) struct House {
    directory: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let house = Self { directory };
        Repository::create(&house.store(), PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("repository")
    }

    pub(crate) fn options(&self) -> OpenOptions {
        OpenOptions::new(self.path("cache"), self.path("state"))
    }

    pub(crate) fn open(&self) -> Repository {
        Repository::open(&self.store(), PASSWORD, self.options()).unwrap()
    }

    pub(crate) fn tree(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn backup(&self, tree: &Path) -> BackupReport {
        self.open().backup(&BackupOptions::new([tree.to_path_buf()]), &Silent).unwrap()
    }

    pub(crate) fn latest(&self) -> Snapshot {
        self.open().resolve(&"latest".parse().unwrap(), &SnapshotFilter::default()).unwrap()
    }

    /// Restores a tree of the latest snapshot into a new directory.
    pub(crate) fn restore(&self, tree: &Path, name: &str) -> (PathBuf, RestoreReport) {
        let target = self.path(name);
        let options = RestoreOptions::new(&target).path(holdall::manifest::Key::from_path(tree).unwrap());
        let report = self.open().restore(&self.latest(), &options, &Silent).unwrap();
        (target, report)
    }

    pub(crate) fn assert_clean(&self) {
        let report = self.open().check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap();
        assert_eq!(report.damage, [], "{report:?}");
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        self.open().stats().unwrap().stored_bytes
    }
}

/// Compares two trees with a program that is not holdall.
pub(crate) fn assert_equal(source: &Path, copy: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare.sh");
    let output = std::process::Command::new(script).arg(source).arg(copy).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// All files below a folder with their contents, by their paths in it; none where there is no folder.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_path_buf(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
