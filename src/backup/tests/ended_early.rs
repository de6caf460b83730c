//! Backups that are ended early, and those that go on from there.

use super::{PASSWORD, noise};
use crate::backup::{BackupOptions, BackupReport, ParentChoice, ProblemKind, StreamSource};
use crate::key::KdfCost;
use crate::manifest::{Entry, Key};
use crate::outcome::ComponentState;
use crate::progress::{Event, Progress, Silent};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::restore::Below;
use crate::session::testing::clock::settle;
use crate::session::{self, History, Snapshot};
use crate::source::StreamInput;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

/// Has enough when the walk, which asks first, has come so far; lets files that are read be.
pub(super) struct EnoughFrom {
    walk: OnceLock<ThreadId>,
    calls: AtomicUsize,
    first: usize,
}

impl EnoughFrom {
    pub(super) const fn call(first: usize) -> Self {
        Self { walk: OnceLock::new(), calls: AtomicUsize::new(0), first }
    }
}

impl Progress for EnoughFrom {
    fn event(&self, _: &Event<'_>) {}

    fn enough(&self) -> bool {
        is_first(&self.walk) && self.calls.fetch_add(1, Ordering::Relaxed) >= self.first
    }
}

/// Has enough whenever a long file is read, and lets the walk go on.
#[derive(Default)]
pub(super) struct WhileReading {
    walk: OnceLock<ThreadId>,
}

impl Progress for WhileReading {
    fn event(&self, _: &Event<'_>) {}

    fn enough(&self) -> bool {
        !is_first(&self.walk)
    }
}

/// Whether this thread asked before all others.
fn is_first(asker: &OnceLock<ThreadId>) -> bool {
    let own = std::thread::current().id();
    *asker.get_or_init(|| own) == own
}

struct Place {
    folder: tempfile::TempDir,
    repository: Repository,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("repository");
        Repository::create(&path, PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        let options = OpenOptions::new(folder.path().join("cache"), folder.path().join("state")).threads(2);
        let repository = Repository::open(&path, PASSWORD, options).unwrap();
        Self { folder, repository }
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn file(&self, name: &str, content: &[u8]) {
        let path = self.tree().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn back_up(&self, parent: ParentChoice, progress: &dyn Progress) -> BackupReport {
        self.repository.backup(&BackupOptions::new([self.tree()]).parent(parent), progress).unwrap()
    }

    fn snapshot(&self, report: &BackupReport) -> Snapshot {
        self.repository.resolve(&report.snapshot.to_string().parse().unwrap(), &Default::default()).unwrap()
    }

    /// What a snapshot holds in the tree.
    fn entries(&self, report: &BackupReport) -> Vec<Entry> {
        let mut entries = Vec::new();
        let list = self.repository.list(&self.snapshot(report), &Key::from_path(&self.tree()).unwrap(), &mut |entry| {
            entries.push(entry.clone());
            Ok(Below::Visit)
        });
        list.unwrap();
        entries
    }
}

/// How deep the tree lies: so often the walk asks before it comes to the tree.
fn depth(tree: &Path) -> usize {
    tree.components().count()
}

#[test]
fn a_backup_that_was_ended_early_is_partial_and_says_where() {
    let place = Place::new();
    (0..9).for_each(|number| place.file(&format!("{number}"), b"x"));
    let report = place.back_up(ParentChoice::Latest, &EnoughFrom::call(depth(&place.tree()) + 4));
    let unfinished = report.unfinished.clone().unwrap();
    assert_eq!(unfinished.from, Some(Key::from_path(&place.tree().join("4")).unwrap()));
    assert_eq!((unfinished.cut_short_count, report.problems.count()), (0, 0));
    let names: Vec<Vec<u8>> = place.entries(&report).iter().skip(1).map(|entry| entry.key.name().to_vec()).collect();
    assert_eq!(names, [b"0", b"1", b"2", b"3"]);
    let snapshot = place.snapshot(&report);
    assert_eq!(snapshot.components[0].state, ComponentState::Partial);
    let nothing = place.repository.backup(&BackupOptions::new([place.tree()]), &EnoughFrom::call(0)).unwrap_err();
    assert!(nothing.to_string().contains("nothing was read in time"), "{nothing}");
}

/// With a clock that was behind all of them, the latest was a partial one where a complete one was there.
#[test]
fn latest_is_a_complete_snapshot_whatever_the_clock_and_says_what_it_passes_over() {
    let place = Place::new();
    (0..9).for_each(|number| place.file(&format!("{number}"), b"x"));
    let [first, second] = [(); 2].map(|()| place.back_up(ParentChoice::Latest, &Silent));
    let partial = place.back_up(ParentChoice::Latest, &EnoughFrom::call(depth(&place.tree()) + 4));
    let between = place.snapshot(&first).committed_at_ns;
    let history = History::load(place.repository.access()).unwrap();
    let named = |spec: &str, now_ns| {
        let named = session::resolve(&history, &spec.parse().unwrap(), &Default::default(), now_ns).unwrap();
        (named.snapshot.id, named.passed_over.iter().map(|snapshot| snapshot.id).collect::<Vec<_>>())
    };
    assert_eq!(named("latest", i64::MAX), (second.snapshot, vec![partial.snapshot]));
    assert_eq!(named("latest~1", i64::MAX), (first.snapshot, vec![partial.snapshot]));
    assert_eq!(named("latest", between), (first.snapshot, vec![second.snapshot, partial.snapshot]));
    assert_eq!(named("latest", 0), (second.snapshot, vec![partial.snapshot]));
    assert_eq!(named(&partial.snapshot.to_string(), 0), (partial.snapshot, vec![]));
}

/// Twelve folders of twelve files: many leaves would take long, so the rows are few and the walks are many.
fn furnish(place: &Place) {
    for folder in 0..12 {
        (0..12).for_each(|file| place.file(&format!("{folder:02}/{file:02}"), format!("{folder} {file}").as_bytes()));
    }
    place.file("06/big", &noise(1, 3 << 20));
    std::fs::hard_link(place.tree().join("06/big"), place.tree().join("zz other name")).unwrap();
}

#[test]
fn what_an_ended_backup_holds_and_what_an_older_one_holds_behind_it_is_not_read_again() {
    let place = Place::new();
    furnish(&place);
    settle();
    let whole = place.back_up(ParentChoice::Latest, &Silent);
    assert_eq!((whole.counts.files, whole.unfinished.clone()), (146, None));
    place.file("00/new", b"new");
    settle();
    for after in [3, 20, 77, 150] {
        let partial = place.back_up(ParentChoice::Latest, &EnoughFrom::call(depth(&place.tree()) + after));
        assert!(partial.unfinished.is_some());
    }
    let last = place.back_up(ParentChoice::Latest, &Silent);
    assert_eq!((last.changes.files_unmodified, last.changes.files_new, last.content_raw_bytes), (147, 0, 0));
    let anew = place.back_up(ParentChoice::Nothing, &Silent);
    assert_eq!(place.entries(&last), place.entries(&anew));
}

#[test]
fn without_a_whole_one_each_ended_backup_goes_on_where_those_before_it_were_ended() {
    let place = Place::new();
    furnish(&place);
    settle();
    for (after, known) in [(40, 0), (100, 36), (60, 55), (150, 92)] {
        let partial = place.back_up(ParentChoice::Latest, &EnoughFrom::call(depth(&place.tree()) + after));
        assert_eq!(partial.changes.files_unmodified, known, "{after}");
    }
    let last = place.back_up(ParentChoice::Latest, &Silent);
    let anew = place.back_up(ParentChoice::Nothing, &Silent);
    assert_eq!(place.entries(&last), place.entries(&anew));
    assert_eq!((last.changes.files_unmodified, last.counts), (138, anew.counts));
}

/// The second name of a file that was cut short is unreadable, and the last entry of the manifest: an older snapshot has
/// it, behind the end of the stat tree.
#[test]
fn a_file_that_was_cut_short_is_named_and_read_by_the_next_backup() {
    let place = Place::new();
    furnish(&place);
    settle();
    let anew = place.back_up(ParentChoice::Nothing, &Silent);
    let report = place.back_up(ParentChoice::Nothing, &WhileReading::default());
    let unfinished = report.unfinished.clone().unwrap();
    // It has two names.
    assert_eq!((unfinished.from, unfinished.cut_short_count), (None, 2));
    let kinds: Vec<ProblemKind> = report.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::CutShort; 2]);
    let last = place.back_up(ParentChoice::Latest, &Silent);
    assert_eq!(place.entries(&last), place.entries(&anew));
}

/// One that ended before it had anything spoke for everything, and all was read again.
#[test]
fn what_was_ended_before_it_began_leaves_the_one_before_it_to_speak() {
    let place = Place::new();
    (0..20).for_each(|number| place.file(&format!("{number:02}"), &noise(number, 10_000)));
    settle();
    let whole = place.back_up(ParentChoice::Nothing, &Silent);
    // Only where something else was read is there a snapshot of nothing.
    let words = ["echo", "1"].map(Into::into).to_vec();
    let options = BackupOptions::new([place.tree()]).stream(StreamSource::new("x", StreamInput::Command(words)));
    let nothing = place.repository.backup(&options, &EnoughFrom::call(0)).unwrap();
    assert!(place.snapshot(&nothing).is_partial());
    let next = place.back_up(ParentChoice::Latest, &Silent);
    assert_eq!((next.changes.files_unmodified, next.changes.files_new), (20, 0));
    assert_eq!(place.entries(&next), place.entries(&whole));
}
