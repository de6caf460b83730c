//! What a restore did, and what it could not do.

use crate::destination::{Aspect, DestinationError, Shortfall};
use crate::error::{Error, Result, check_stopped};
use crate::manifest::{Key, Kind};
use crate::owner::OwnerKind;
use crate::progress::{Change, EntryKind, Event, Gravity, Progress};
use std::collections::{BTreeSet, HashSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many of the entries whose owner could not be set are named.
const NAMED_MAX: usize = 3;
/// How many problems are kept with their text; all are counted and all are reported as they happen.
const PROBLEMS_KEPT_MAX: usize = 10_000;
/// How many damaged items are kept in mind so that each is told once: their parts lie close together.
const TOLD_DAMAGED_MAX: usize = 1 << 20;

/// What kept an item from coming back as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestoreProblemKind {
    /// Stored bytes are missing or wrong.
    Damaged,
    /// The snapshot holds it without its content, which could not be read when it was made.
    NotStored,
    /// The target did not take it.
    Refused,
    /// It is there, but some of its metadata could not be set.
    Metadata,
}

impl RestoreProblemKind {
    /// How grave it is.
    pub(crate) const fn gravity(self) -> Gravity {
        match self {
            Self::Damaged => Gravity::Damage,
            Self::NotStored | Self::Refused | Self::Metadata => Gravity::Trouble,
        }
    }
}

/// One item that did not come back as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreProblem {
    /// Its path in the snapshot.
    pub path: PathBuf,
    /// What kept it.
    pub kind: RestoreProblemKind,
    /// What was said.
    pub message: String,
}

/// A user or group to whom things of another number in the snapshot were given, by their name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Renumbered {
    /// A user, or a group.
    pub owner: OwnerKind,
    /// The number in the snapshot.
    pub stored: u32,
    /// The number here.
    pub here: u32,
    /// The name.
    pub name: Vec<u8>,
}

/// What a restore did.
#[derive(Debug, Clone, Default)]
pub struct RestoreReport {
    /// Files whose content is complete, and further names of files.
    pub file_count: u64,
    /// Files that are there and lack parts of their content, which could not be read; each counts once.
    pub incomplete_count: u64,
    /// Directories, links, pipes, sockets and devices.
    pub other_count: u64,
    /// Bytes of content of complete files, holes included.
    pub bytes: u64,
    /// What the content of those that lack parts of it would be long.
    pub incomplete_bytes: u64,
    /// Bytes of content that were written, or would be: of files that were there only what differed.
    pub written_bytes: u64,
    /// Those of them that share the blocks of another restored file.
    pub cloned_bytes: u64,
    /// Entries that were there and right, content and metadata.
    pub unchanged_count: u64,
    /// Entries in whose place something else was left.
    pub skipped_count: u64,
    /// Bytes of content of those.
    pub skipped_bytes: u64,
    /// Entries that were removed, or would be, because the snapshot does not hold them.
    pub deleted_count: u64,
    /// Items that did not come back as they were.
    pub problem_count: u64,
    /// Those of them whose stored bytes are missing or wrong.
    pub damaged_count: u64,
    /// Those of them in whose place a folder lies that is not empty, which only deleting removes.
    pub blocked_count: u64,
    /// Those of them that the system did not let the superuser change.
    pub protected_count: u64,
    /// The first ten thousand of them; those whose owner could not be set stand in one, at the end.
    pub problems: Vec<RestoreProblem>,
    /// Owners that have other numbers here than in the snapshot.
    pub renumbered: Vec<Renumbered>,
    /// How long it took.
    pub duration: Duration,
}

/// What has been done so far, told by several threads.
pub(super) struct Outcome<'a> {
    progress: &'a dyn Progress,
    /// The target, as an absolute path.
    place: PathBuf,
    /// Owners with other numbers are added in the end.
    report: Mutex<RestoreReport>,
    renumbered: Mutex<BTreeSet<Renumbered>>,
    /// Whether every entry is told.
    tells_entries: bool,
    unowned: Mutex<Unowned>,
    /// The items of which it was told that they are damaged, by the hashes of their paths.
    told_damaged: Mutex<HashSet<[u8; 32]>>,
}

/// Entries whose owner or group could not be set for lack of the right to: an ordinary user may not give files away,
/// which says nothing new of each of a million of them.
#[derive(Default)]
struct Unowned {
    count: u64,
    /// The first of them.
    paths: Vec<PathBuf>,
    /// What was said of the first of them.
    message: String,
}

impl<'a> Outcome<'a> {
    pub(super) fn new(progress: &'a dyn Progress, target: &Path) -> Self {
        Self {
            progress,
            place: std::path::absolute(target).unwrap_or_else(|_| target.to_path_buf()),
            tells_entries: progress.wants_entries(),
            report: Mutex::default(),
            renumbered: Mutex::default(),
            unowned: Mutex::default(),
            told_damaged: Mutex::default(),
        }
    }

    fn note(&self, note: impl FnOnce(&mut RestoreReport)) {
        note(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn check_stopped(&self) -> Result<()> {
        check_stopped(self.progress)
    }

    pub(super) fn entered(&self, key: &Key) {
        self.progress.event(&Event::Entered { path: &key.to_path() });
    }

    /// Tells of a part of a long file: it may take hours to its end.
    pub(super) fn part_of_file_done(&self, bytes: u64) {
        self.progress.event(&Event::Processed { files: 0, bytes });
    }

    /// Counts a file that is complete, and tells of what nobody was told of yet.
    pub(super) fn file_done(&self, bytes: u64, told: u64) {
        self.note(|report| {
            report.file_count += 1;
            report.bytes += bytes;
        });
        self.file_passed(bytes, told);
    }

    /// Counts a file that is there and lacks parts of its content.
    pub(super) fn file_lacks(&self, bytes: u64) {
        self.note(|report| {
            report.incomplete_count += 1;
            report.incomplete_bytes += bytes;
        });
    }

    /// Tells of a file that is dealt with and counted elsewhere.
    pub(super) fn file_passed(&self, bytes: u64, told: u64) {
        self.progress.event(&Event::Processed { files: 1, bytes: bytes.saturating_sub(told) });
    }

    pub(super) fn other_done(&self) {
        self.note(|report| report.other_count += 1);
    }

    pub(super) fn written(&self, bytes: u64) {
        self.note(|report| report.written_bytes += bytes);
    }

    /// Tells that a file shares the blocks of another one.
    pub(super) fn cloned(&self, bytes: u64) {
        self.note(|report| report.cloned_bytes += bytes);
    }

    /// Tells what became of an entry of the snapshot.
    pub(super) fn entry(&self, key: &Key, kind: Kind, (change, bytes): (Change, u64)) {
        match change {
            Change::Unchanged => self.note(|report| report.unchanged_count += 1),
            Change::Skipped => self.note(|report| {
                report.skipped_count += 1;
                report.skipped_bytes += bytes;
            }),
            Change::Restored | Change::Updated | Change::Metadata | Change::Deleted => {}
        }
        self.tell_entry(|| key.to_path(), kind, (change, bytes));
    }

    /// Tells that something at a place in the target was removed, or would be.
    pub(super) fn deleted(&self, path: PathBuf, kind: Kind) {
        self.note(|report| report.deleted_count += 1);
        self.tell_entry(|| path, kind, (Change::Deleted, 0));
    }

    fn tell_entry(&self, path: impl FnOnce() -> PathBuf, kind: Kind, (change, bytes): (Change, u64)) {
        if self.tells_entries {
            let kind = match kind {
                Kind::Directory => EntryKind::Directory,
                Kind::File => EntryKind::File,
                Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice | Kind::Unknown => {
                    EntryKind::Other
                }
            };
            self.progress.event(&Event::Entry { path: &path(), kind, change, bytes });
        }
    }

    /// Tells that something was left alone.
    pub(super) fn spared(&self, path: PathBuf, reason: &str) {
        self.progress.event(&Event::Spared { path: &path, reason });
    }

    pub(super) fn problem(&self, path: PathBuf, kind: RestoreProblemKind, message: String) {
        let gravity = kind.gravity();
        self.progress.event(&Event::Problem { path: &path, operation: "restore", message: &message, gravity });
        self.note(|report| {
            report.problem_count += 1;
            report.damaged_count += u64::from(kind == RestoreProblemKind::Damaged);
            if report.problems.len() < PROBLEMS_KEPT_MAX {
                report.problems.push(RestoreProblem { path, kind, message });
            }
        });
    }

    /// Tells of metadata that could not be set; of owners once for all entries, at the end.
    pub(super) fn shortfalls(&self, key: &Key, shortfalls: Vec<Shortfall>) {
        let is_unowned = |shortfall: &Shortfall| {
            let is_denied = shortfall.cause.kind() == std::io::ErrorKind::PermissionDenied;
            is_denied && matches!(shortfall.aspect, Aspect::Owner | Aspect::Group)
        };
        let (unowned, others): (Vec<_>, Vec<_>) = shortfalls.into_iter().partition(is_unowned);
        for shortfall in others {
            self.problem(key.to_path(), RestoreProblemKind::Metadata, shortfall.to_string());
        }
        let Some(first) = unowned.first() else { return };
        let mut gathered = self.unowned.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.count == 0 {
            gathered.message = first.to_string();
        }
        gathered.count = gathered.count.saturating_add(1);
        if gathered.paths.len() < NAMED_MAX {
            gathered.paths.push(key.to_path());
        }
    }

    fn tell_unowned(&self) {
        let Unowned { count, paths, mut message } =
            std::mem::take(&mut *self.unowned.lock().unwrap_or_else(PoisonError::into_inner));
        let mut paths = paths.into_iter();
        let Some(first) = paths.next() else { return };
        let more = count.saturating_sub(1);
        if more > 0 {
            let named: Vec<String> = paths.map(|path| path.display().to_string()).collect();
            message.push_str(&format!("; nor of {more} more, the next being {}", named.join(" and ")));
        }
        self.problem(first, RestoreProblemKind::Metadata, message);
        self.note(|report| report.problem_count += more);
    }

    /// What the target refuses for one item is a problem; a full target ends the restore.
    pub(super) fn refused(&self, path: PathBuf, error: DestinationError) -> Result<()> {
        if error.is_full() {
            return Err(self.within_target(error));
        }
        if matches!(error, DestinationError::InTheWay { .. }) {
            self.note(|report| report.blocked_count += 1);
        } else if error.is_forbidden() && rustix::process::geteuid().is_root() {
            self.note(|report| report.protected_count += 1);
        }
        self.problem(path, RestoreProblemKind::Refused, crate::error::chain(&error.within(&self.place)));
        Ok(())
    }

    /// Tells that a further name can't be linked to the others and becomes a thing of its own.
    pub(super) fn unlinkable(&self, path: PathBuf, error: DestinationError) {
        let message = format!("{}; it becomes an entry of its own", crate::error::chain(&error.within(&self.place)));
        self.problem(path, RestoreProblemKind::Metadata, message);
    }

    /// The error, which says where in the target it happened.
    pub(super) fn within_target(&self, error: DestinationError) -> Error {
        Error::from(error.within(&self.place))
    }

    /// Notes that an owner has another number here.
    pub(super) fn renumbered(&self, renumbered: Renumbered) {
        self.renumbered.lock().unwrap_or_else(PoisonError::into_inner).insert(renumbered);
    }

    /// What of one item is damaged or may not be read is a problem; anything else ends the restore. It is told once of each
    /// item, however many parts of it are damaged.
    pub(super) fn damaged(&self, path: PathBuf, error: Error) -> Result<()> {
        let name = *blake3::hash(path.as_os_str().as_bytes()).as_bytes();
        let is_told = || {
            let mut told = self.told_damaged.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() >= TOLD_DAMAGED_MAX {
                told.clear();
            }
            !told.insert(name)
        };
        if error.is_of_one_thing() && is_told() { Ok(()) } else { self.damaged_part(path, error) }
    }

    /// The same of a part of the tree, of which nobody knows what lay there: each is told.
    pub(super) fn damaged_part(&self, path: PathBuf, error: Error) -> Result<()> {
        if !error.is_of_one_thing() {
            return Err(error);
        }
        self.problem(path, RestoreProblemKind::Damaged, error.to_string());
        Ok(())
    }

    pub(super) fn into_report(self) -> RestoreReport {
        self.tell_unowned();
        let renumbered = self.renumbered.into_inner().unwrap_or_else(PoisonError::into_inner);
        let report = self.report.into_inner().unwrap_or_else(PoisonError::into_inner);
        RestoreReport { renumbered: renumbered.into_iter().collect(), ..report }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::progress::Silent;

    /// Of 400 damaged files one was once named, in ten lines, and 443 were counted.
    #[test]
    fn an_item_is_told_once_however_many_parts_of_it_are_damaged() {
        let outcome = Outcome::new(&Silent, Path::new("/t"));
        let damage = || Error::new(ErrorKind::Damaged, "a pack is gone");
        for number in 0..12 {
            outcome.damaged(PathBuf::from(format!("/{}", number % 3)), damage()).unwrap();
            outcome.damaged_part(PathBuf::from("/"), damage()).unwrap();
        }
        assert!(outcome.damaged(PathBuf::from("/0"), Error::new(ErrorKind::NoSpace, "full")).is_err());
        let report = outcome.into_report();
        assert_eq!((report.problem_count, report.damaged_count), (3 + 12, 3 + 12));
        assert_eq!(report.problems.iter().filter(|problem| problem.path != Path::new("/")).count(), 3);
    }

    #[test]
    fn owners_that_nobody_may_set_are_told_once_and_counted_by_entry() {
        let outcome = Outcome::new(&Silent, Path::new("/t"));
        let denied = |aspect| Shortfall { aspect, cause: std::io::Error::from_raw_os_error(1) };
        for number in 0..1000 {
            let key = Key::parse(format!("{number:03}").into_bytes()).unwrap();
            outcome.shortfalls(&key, vec![denied(Aspect::Owner), denied(Aspect::Group)]);
        }
        outcome.shortfalls(&Key::parse(b"other".to_vec()).unwrap(), vec![denied(Aspect::Mode)]);
        let report = outcome.into_report();
        assert_eq!((report.problem_count, report.problems.len()), (1001, 2));
        let told = report.problems.last().unwrap();
        assert_eq!(told.path, PathBuf::from("/000"));
        assert!(told.message.contains("999 more, the next being /001 and /002"), "{}", told.message);
    }
}
