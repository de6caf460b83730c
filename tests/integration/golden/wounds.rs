//! Golden repositories with a wound: what is lost is said, and what is not comes back.

use super::{Golden, assert_listed, list_tree, password, resolve, story};
use crate::python_reader::{REFUSED, RESTORED, RESTORED_IN_PART, python_restore};
use holdall::check::CheckOptions;
use holdall::key::Unlock;
use holdall::progress::Silent;
use holdall::repository::{OpenOptions, Repository};
use holdall::restore::RestoreOptions;
use std::path::{Path, PathBuf};

/// A copy of the kept repository, changed.
struct Wounded {
    directory: tempfile::TempDir,
}

impl Wounded {
    fn new(wound: impl Fn(&Wounded)) -> Self {
        let wounded = Self { directory: tempfile::tempdir().unwrap() };
        for (path, bytes) in crate::house::files(&Golden::kept("v1").repository()) {
            let copy = wounded.path("").join(path);
            std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
            std::fs::write(copy, bytes).unwrap();
        }
        wound(&wounded);
        wounded
    }

    fn path(&self, object: &str) -> PathBuf {
        self.directory.path().join("repository").join(object)
    }

    fn remove(&self, object: &str) {
        std::fs::remove_file(self.path(object)).unwrap();
    }

    fn rename(&self, object: &str, other: &str) {
        std::fs::create_dir_all(self.path(other).parent().unwrap()).unwrap();
        std::fs::rename(self.path(object), self.path(other)).unwrap();
    }

    /// Flips a bit in the middle of every object below a folder that fits.
    fn flip(&self, folder: &str, fits: impl Fn(&[u8]) -> bool) {
        let flipped = crate::house::files(&self.path(folder)).into_iter().filter(|(_, bytes)| fits(bytes)).map(
            |(path, bytes)| {
                let mut bytes = bytes;
                let middle = bytes.len() / 2;
                bytes[middle] ^= 4;
                std::fs::write(self.path(folder).join(path), bytes).unwrap();
            },
        );
        assert_ne!(flipped.count(), 0, "{folder}: nothing to flip a bit in");
    }

    fn python(&self, snapshot: &str, target: &Path) -> (i32, String) {
        python_restore(&self.path(""), snapshot, target, &password())
    }

    /// Restores with the library; none when it refuses, else how many things it said did not come back.
    fn library(&self, snapshot: &str, target: &Path) -> Option<u64> {
        let own = tempfile::tempdir().unwrap();
        let options = OpenOptions::new(own.path().join("cache"), own.path().join("state"));
        let repository = Repository::open(&self.path(""), Unlock::Password(story::PASSWORD), options).ok()?;
        let snapshot = repository.resolve(&snapshot.parse().unwrap(), &Default::default()).ok()?;
        let report = repository.restore(&snapshot, &RestoreOptions::new(target), &Silent).ok()?;
        Some(report.problem_count)
    }
}

/// The outcome of the first host's staged backup, and its pack's class at byte 12 with its client from byte 40 on.
const HOST_ONE: &str = "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1-0000000000000001";
const COLLECTOR: &str = "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1";

fn is_content_of_host_one(pack: &[u8]) -> bool {
    pack[12] == 1 && pack[40] == 0xb1 && pack[56] == 1
}

#[test]
fn a_wounded_repository_is_never_restored_as_if_it_were_whole() {
    let group = &Golden::kept("v1").ids()["group"];
    let full = &Golden::kept("v1").ids()["full"];
    type Wound = fn(&Wounded);
    let cases: [(&str, Wound, &str, &str); 10] = [
        ("a slot changed", |w| w.flip("keys", |_| true), full, "opens no key slot"),
        ("a configuration gone", |w| w.remove("config/1"), full, "a configuration is missing"),
        ("the last one gone", |w| w.remove("config/2"), full, "key epochs that the configuration does not list"),
        ("a configuration changed", |w| w.flip("config", |_| true), full, "its checksum does not match"),
        ("a member of the group gone", |w| w.remove(&format!("outcomes/{HOST_ONE}")), group, "is not a staged outcome"),
        ("its outcome changed", |w| w.flip("outcomes", |o| o.len() < 2000), group, "its checksum does not match"),
        ("its outcome under another name", rename_outcome, group, "is not a staged outcome"),
        ("its packs changed", |w| w.flip("packs", is_content_of_host_one), group, "does not open"),
        ("all packs gone", |w| std::fs::remove_dir_all(w.path("packs")).unwrap(), full, "No such file"),
        ("all segments gone", |w| std::fs::remove_dir_all(w.path("segments")).unwrap(), full, "no committed segment"),
    ];
    for (name, wound, snapshot, said_too) in cases {
        let wounded = Wounded::new(wound);
        let target = |reader: &str| wounded.directory.path().join(reader);
        let (code, said) = wounded.python(snapshot, &target("python"));
        assert!(code == REFUSED && said.contains(said_too), "{name}: {code}: {said}");
        assert_ne!(wounded.library(snapshot, &target("library")), Some(0), "{name}");
    }
}

fn rename_outcome(wounded: &Wounded) {
    wounded.rename(&format!("outcomes/{HOST_ONE}"), "outcomes/b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3-0000000000000001");
}

#[test]
fn what_a_wound_does_not_touch_comes_back() {
    let golden = Golden::kept("v1");
    let ids = golden.ids();
    let wounded = Wounded::new(|wounded| wounded.flip("packs", is_content_of_host_one));
    let target = wounded.directory.path().join("target");
    let expected: String = golden
        .listing("group")
        .lines()
        .filter(|line| !line.starts_with("hosts/one/own"))
        .map(|line| format!("{line}\n"))
        .collect();
    let (code, said) = wounded.python(&ids["group"], &target);
    assert!(code == REFUSED && said.contains("/hosts/one/own: not restored"), "{code}: {said}");
    assert_listed(&list_tree(&target), &expected, "group");
    let whole = wounded.directory.path().join("whole");
    assert_eq!(wounded.python(&ids["undone"], &whole).0, RESTORED);
    assert_listed(&list_tree(&whole), &golden.listing("undone"), "undone");
}

#[test]
fn record_5_a_lost_restate_lets_the_forget_count_again() {
    let golden = Golden::kept("v1");
    let wounded = Wounded::new(|wounded| wounded.remove(&format!("outcomes/{COLLECTOR}-0000000000000001")));
    let target = wounded.directory.path().join("target");
    let (code, _) = wounded.python("latest", &target);
    assert_eq!(code, RESTORED);
    assert_listed(&list_tree(&target), &golden.listing("group"), "latest");
    let own = tempfile::tempdir().unwrap();
    let options = OpenOptions::new(own.path().join("cache"), own.path().join("state"));
    let repository = Repository::open(&wounded.path(""), Unlock::Password(story::PASSWORD), options).unwrap();
    assert_eq!(resolve(&repository, "latest").id.to_string(), golden.ids()["group"]);
}

#[test]
fn outcome_12_a_member_of_a_group_that_is_gone_makes_the_snapshot_partial() {
    let wounded = Wounded::new(|wounded| wounded.remove(&format!("outcomes/{HOST_ONE}")));
    let own = tempfile::tempdir().unwrap();
    let options = OpenOptions::new(own.path().join("cache"), own.path().join("state"));
    let repository = Repository::open(&wounded.path(""), Unlock::Password(story::PASSWORD), options).unwrap();
    let snapshot = resolve(&repository, &Golden::kept("v1").ids()["group"]);
    assert!(snapshot.is_partial() && snapshot.components.len() == 2, "{snapshot:?}");
    assert_ne!(repository.check(&CheckOptions::default(), &Silent).unwrap().damage, []);
}

#[test]
fn a_snapshot_that_was_stored_in_part_is_restored_in_part() {
    let golden = Golden::kept("v1");
    let own = tempfile::tempdir().unwrap();
    let (code, said) = python_restore(&golden.repository(), &golden.ids()["odd"], &own.path().join("odd"), &password());
    assert_eq!(code, RESTORED_IN_PART);
    for expected in ["component 'database' is missing: it did not answer", "component '' is partial", "attribute 40000"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
