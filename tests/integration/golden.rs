//! Repositories that were written once and are read for ever: `tests/golden/`, one folder for each version of the
//! format. They hold what no command makes: encapsulated packs, a group, restates, a prune that was cut short.
//!
//! The writer is kept, so that a new version of the format gets a golden repository of its own:
//! `tests/golden/README.md` says how. What was written is never written again.

mod contradictions;
mod forge;
mod forged_wounds;
mod story;
mod things;
mod trees;
mod wounds;

use crate::house::files;
use crate::python_reader::{RESTORED, RESTORED_IN_PART, python_restore};
use holdall::check::{CheckDepth, CheckOptions, Remember};
use holdall::key::{Unlock, parse_key_file};
use holdall::progress::Silent;
use holdall::repository::{OpenOptions, Repository};
use holdall::restore::RestoreOptions;
use holdall::scrub::ScrubOptions;
use holdall::session::{Snapshot, SnapshotFilter};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every kept repository with BLAKE3 over name, length and bytes of its files. Whoever changes a byte there breaks the
/// promise that old repositories stay readable, and a test.
const KEPT: [(&str, &str); 1] = [("v1", "e480684577115e8e221df419dd4f38c00dab0e8a3e00f8f05d13a4e4acdf059b")];

/// Snapshots of which something is missing or not understood, which readers say and go on.
const IN_PART: [&str; 1] = ["odd"];
const SNAPSHOTS: [&str; 7] = ["group", "forgotten", "undone", "full", "odd", "ahead", "forgotten-too"];

/// A golden repository with what is told about it.
struct Golden {
    folder: PathBuf,
}

impl Golden {
    fn kept(version: &str) -> Self {
        Self { folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version) }
    }

    fn every_kept() -> impl Iterator<Item = Self> {
        KEPT.iter().map(|(version, _)| Self::kept(version))
    }

    fn repository(&self) -> PathBuf {
        self.folder.join("repository")
    }

    fn open(&self, own: &Path, unlock: Unlock<'_>) -> Repository {
        Repository::open(&self.repository(), unlock, OpenOptions::new(own.join("cache"), own.join("state"))).unwrap()
    }

    /// The snapshots' ids by name.
    fn ids(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.folder.join("snapshots.txt")).unwrap();
        text.lines().map(|line| line.split_once(' ').unwrap()).map(|(name, id)| (name.into(), id.into())).collect()
    }

    fn listing(&self, name: &str) -> String {
        comparable(&std::fs::read_to_string(self.folder.join(format!("{name}.txt"))).unwrap())
    }
}

/// What can be compared: for root everything, for others what they may restore anywhere.
fn comparable(listing: &str) -> String {
    if rustix::process::geteuid().is_root() {
        return listing.to_owned();
    }
    let fields = |line: &str| {
        let all: Vec<&str> = line.split('\t').collect();
        let more = all.iter().skip(5).filter(|field| !field.starts_with("xattrs="));
        [all[0], all[1], all[4]].into_iter().chain(more.copied()).collect::<Vec<_>>().join("\t")
    };
    let lines = listing.lines().filter(|line| !line.contains("\tdevice="));
    lines.map(|line| fields(line) + "\n").collect()
}

/// Lists a tree by system calls alone.
fn list_tree(tree: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/list_tree.py");
    let output = Command::new("python3").arg(script).arg(tree).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    comparable(&String::from_utf8(output.stdout).unwrap())
}

fn assert_listed(found: &str, expected: &str, name: &str) {
    let differ = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert_eq!(differ, None, "{name}: the first line that differs, found and expected");
    assert_eq!(found.lines().count(), expected.lines().count(), "{name}: other entries");
}

fn resolve(repository: &Repository, spec: &str) -> Snapshot {
    repository.resolve(&spec.parse().unwrap(), &SnapshotFilter::default()).unwrap()
}

fn assert_library_restores_all(golden: &Golden) {
    let own = tempfile::tempdir().unwrap();
    let repository = golden.open(own.path(), Unlock::Password(story::PASSWORD));
    for (name, id) in golden.ids() {
        let target = own.path().join(&name);
        let snapshot = resolve(&repository, &id);
        let report = repository.restore(&snapshot, &RestoreOptions::new(&target), &Silent).unwrap();
        assert_listed(&list_tree(&target), &golden.listing(&name), &name);
        if rustix::process::geteuid().is_root() {
            assert_eq!(report.problem_count > 0, IN_PART.contains(&name.as_str()), "{name}: {report:?}");
        }
    }
    // The kept repositories stay what they are.
    let options = CheckOptions::default().depth(CheckDepth::Data).remember(Remember::Nothing);
    let report = repository.check(&options, &Silent).unwrap();
    assert_eq!(report.damage, [], "{report:?}");
}

fn assert_python_restores_all(golden: &Golden) {
    let own = tempfile::tempdir().unwrap();
    for (name, id) in golden.ids() {
        let target = own.path().join(&name);
        let (code, said) = python_restore(&golden.repository(), &id, &target, &password());
        let expected = if IN_PART.contains(&name.as_str()) { RESTORED_IN_PART } else { RESTORED };
        assert!(code == expected || !rustix::process::geteuid().is_root(), "{name}: {code}: {said}");
        assert_listed(&list_tree(&target), &golden.listing(&name), &name);
    }
}

fn password() -> (&'static str, &'static str) {
    ("HOLDALL_PASSWORD", std::str::from_utf8(story::PASSWORD).unwrap())
}

#[test]
fn the_kept_repositories_are_those_that_were_written() {
    for (version, expected) in KEPT {
        let mut hasher = blake3::Hasher::new();
        let files = files(&Golden::kept(version).folder);
        for (path, bytes) in &files {
            hasher.update(path.as_os_str().as_encoded_bytes()).update(b"\0");
            hasher.update(&u64::try_from(bytes.len()).unwrap().to_le_bytes()).update(bytes);
        }
        let length: usize = files.values().map(Vec::len).sum();
        assert!((1..1 << 20).contains(&length), "{version}: {length} bytes are no small repository");
        assert_eq!(hasher.finalize().to_string(), expected, "{version}: bytes that were promised to stay have changed");
    }
}

#[test]
fn the_kept_repositories_are_all_under_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let found: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, KEPT.map(|(version, _)| version.to_owned()).into());
}

#[test]
fn the_library_restores_every_snapshot_of_the_kept_repositories() {
    Golden::every_kept().for_each(|golden| assert_library_restores_all(&golden));
}

#[test]
fn the_python_reader_restores_every_snapshot_of_the_kept_repositories() {
    Golden::every_kept().for_each(|golden| assert_python_restores_all(&golden));
}

#[test]
fn store_10_every_object_of_the_kept_repositories_proves_itself_without_a_key() {
    for golden in Golden::every_kept() {
        let report = Repository::scrub(&golden.repository(), &ScrubOptions::default(), &Silent).unwrap();
        assert_eq!((&report.damage[..], &report.unknown[..]), (&[][..], &[][..]));
        let proven = usize::try_from(report.pack_count + report.small_object_count);
        assert_eq!(proven, Ok(files(&golden.repository()).len()));
    }
}

#[test]
fn both_readers_restore_what_the_writer_writes_today() {
    let folder = tempfile::tempdir().unwrap();
    story::write(folder.path());
    let golden = Golden { folder: folder.path().to_path_buf() };
    assert_eq!(golden.ids().into_keys().collect::<BTreeSet<_>>(), SNAPSHOTS.map(str::to_owned).into());
    assert_library_restores_all(&golden);
    assert_python_restores_all(&golden);
}

#[test]
fn record_5_the_library_lists_what_is_not_forgotten_and_finds_the_latest() {
    let golden = Golden::kept("v1");
    let own = tempfile::tempdir().unwrap();
    let repository = golden.open(own.path(), Unlock::Password(story::PASSWORD));
    let ids = golden.ids();
    let listed: Vec<String> =
        repository.snapshots(&SnapshotFilter::default()).unwrap().iter().map(|found| found.id.to_string()).collect();
    let expected = ["group", "undone", "full", "odd", "ahead"].map(|name| ids[name].clone());
    assert_eq!(listed, expected);
    assert_eq!(resolve(&repository, "latest").id.to_string(), ids["full"]);
}

#[test]
fn the_python_reader_finds_the_latest_and_says_what_it_passes_over() {
    let golden = Golden::kept("v1");
    let own = tempfile::tempdir().unwrap();
    let target = own.path().join("latest");
    let (_, said) = python_restore(&golden.repository(), "latest", &target, &password());
    assert_listed(&list_tree(&target), &golden.listing("full"), "latest");
    let ids = golden.ids();
    assert!(said.contains(&format!("{} is passed over: it is partial", ids["odd"])), "{said}");
    assert!(said.contains(&format!("{} is passed over: it was committed ahead", ids["ahead"])), "{said}");
    assert!(!said.contains(&ids["forgotten-too"]), "{said}");
}

#[test]
fn the_key_file_opens_the_kept_repository() {
    let golden = Golden::kept("v1");
    let own = tempfile::tempdir().unwrap();
    let file = golden.folder.join("key-file");
    let secret = parse_key_file(&std::fs::read(&file).unwrap()).unwrap();
    let repository = golden.open(own.path(), Unlock::KeyFile(&secret));
    let id = &golden.ids()["group"];
    assert_eq!(resolve(&repository, id).components.len(), 2);
    let target = own.path().join("group");
    let (_, said) = python_restore(&golden.repository(), id, &target, &("HOLDALL_KEY_FILE", file.to_str().unwrap()));
    assert_listed(&list_tree(&target), &golden.listing("group"), &said);
}

#[test]
fn a_key_that_may_only_write_restores_nothing() {
    let golden = Golden::kept("v1");
    let own = tempfile::tempdir().unwrap();
    let repository = golden.open(own.path(), Unlock::Password(story::PUT_PASSWORD));
    let target = own.path().join("target");
    // The key is older than the epoch of the group's outcome, and could not read the packs either.
    let restored = repository
        .resolve(&golden.ids()["group"].parse().unwrap(), &SnapshotFilter::default())
        .and_then(|snapshot| repository.restore(&snapshot, &RestoreOptions::new(&target), &Silent));
    assert!(restored.is_err_and(|error| !error.is_corrupt()));
    let unlock = ("HOLDALL_PASSWORD", std::str::from_utf8(story::PUT_PASSWORD).unwrap());
    let (code, said) = python_restore(&golden.repository(), "latest", &target, &unlock);
    assert!(code == 1 && said.contains("role put"), "{code}: {said}");
}

#[test]
#[ignore = "writes the golden repository of a new format version: tests/golden/README.md"]
fn write_a_golden_repository() {
    let folder = std::env::var_os("HOLDALL_GOLDEN_FOLDER").expect("HOLDALL_GOLDEN_FOLDER names an absent folder");
    std::fs::create_dir(&folder).unwrap();
    story::write(Path::new(&folder));
}
