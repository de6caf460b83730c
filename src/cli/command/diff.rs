//! `holdall diff`

use super::ls::key;
use crate::cli::arguments::DiffArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::{ChangedItem, DiffStatistics, DiffTotals, PathText};
use crate::cli::render::{Renderer, Style, text};
use crate::cli::stop::Stop;
use holdall::{
    Body, Change, Difference, Entries, Entry, EntryKind, Event, Extras, Key, Kind, Manner, Overwrite, Progress,
    Repository, RestoreOptions, Snapshot,
};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub(crate) fn run(context: &Context<'_>, arguments: &DiffArguments) -> Result<u8, Failure> {
    let path = the_path(arguments)?;
    let repository = context.open(Access::Read)?;
    let filter = context::filter(&arguments.filter)?;
    let first = context.snapshot(&repository, &arguments.first.spec, &filter)?;
    match &arguments.second {
        Some(second) => {
            let second = context.snapshot(&repository, &second.spec, &filter)?;
            of_two(context, &repository, (&first, &second), &path, arguments)
        }
        None => live(context, &repository, &first, &path, arguments),
    }
}

/// The part that is compared: both snapshots may name it.
fn the_path(arguments: &DiffArguments) -> Result<Key, Failure> {
    let first = arguments.first.path.as_deref();
    let second = arguments.second.as_ref().and_then(|second| second.path.as_deref());
    let (one, other) = (key(first.or(second))?, key(second.or(first))?);
    if one == other { Ok(one) } else { Err(Failure::misuse("only the same path of two snapshots can be compared")) }
}

fn of_two(
    context: &Context<'_>,
    repository: &Repository,
    (first, second): (&Snapshot, &Snapshot),
    path: &Key,
    arguments: &DiffArguments,
) -> Result<u8, Failure> {
    let (renderer, mut tally) = (context.renderer, Tally::default());
    let compared = repository.diff((first, second), path, &mut |difference| {
        renderer.require_reader()?;
        tally.take(&difference);
        let metadata = if arguments.metadata { Metadata::Told } else { Metadata::PassedOver };
        let modifier = modifier(&difference, metadata);
        if !modifier.is_empty() {
            show(renderer, &difference.key().to_path(), &modifier);
        }
        Ok(())
    });
    match compared {
        Err(error) if renderer.is_cut_by(&error) => return Ok(exit::DONE),
        compared => compared?,
    }
    tell(renderer, &tally, (first, &second.id.to_string()));
    Ok(exit::DONE)
}

/// Whether changes of metadata are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metadata {
    Told,
    PassedOver,
}

/// What the letters say of an item; nothing when only its metadata differs and that is not asked for.
pub(super) fn modifier(difference: &Difference<Entry>, metadata: Metadata) -> String {
    let (one, other) = match difference {
        Difference::First(_) => return "-".to_owned(),
        Difference::Second(_) => return "+".to_owned(),
        Difference::Both(one, other) => (one, other),
    };
    if one.kind() != other.kind() {
        return "T".to_owned();
    }
    let mut letters = String::new();
    let has_other_content = is_other_content(one, other);
    if has_other_content {
        letters.push('M');
    }
    if metadata == Metadata::Told && has_other_metadata(one, other) {
        letters.push('U');
    }
    let size = |entry: &Entry| entry.content().map(|content| content.bytes());
    if has_other_content && one.kind() == Kind::File && (size(one), one.mtime) == (size(other), other.mtime) {
        letters.push('?');
    }
    letters
}

fn is_other_content(one: &Entry, other: &Entry) -> bool {
    // Being an argument of the run or lying above one is no content.
    let is_directory = matches!(one.body, Body::Directory | Body::Ancestor);
    !is_directory && one.body != other.body
}

fn has_other_metadata(one: &Entry, other: &Entry) -> bool {
    (one.mode, one.uid, one.gid, one.mtime) != (other.mode, other.uid, other.gid, other.mtime)
        || (one.group, one.state) != (other.group, other.state)
        || one.attributes != other.attributes
}

fn show(renderer: &Renderer, path: &Path, modifier: &str) {
    let path = path.as_os_str().as_bytes();
    match renderer.style() {
        Style::Human => renderer.print_name(&format!("{modifier:<5}"), path, ""),
        Style::Json => renderer.json(&ChangedItem { message_type: "change", path: PathText::new(path), modifier }),
    }
}

/// What differs in all.
#[derive(Debug, Default)]
struct Tally {
    changed_files: u64,
    added: DiffTotals,
    removed: DiffTotals,
}

impl Tally {
    fn take(&mut self, difference: &Difference<Entry>) {
        match difference {
            Difference::First(entry) => self.removed.take(entry_kind(entry.kind()), bytes(entry)),
            Difference::Second(entry) => self.added.take(entry_kind(entry.kind()), bytes(entry)),
            Difference::Both(one, other) if one.kind() != other.kind() => {
                self.removed.take(entry_kind(one.kind()), bytes(one));
                self.added.take(entry_kind(other.kind()), bytes(other));
            }
            Difference::Both(one, other) if is_other_content(one, other) => {
                self.changed(one.kind(), bytes(one), bytes(other))
            }
            Difference::Both(..) => {}
        }
    }

    /// Another content under one name.
    fn changed(&mut self, kind: Kind, before: u64, after: u64) {
        self.changed_files = self.changed_files.saturating_add(u64::from(kind == Kind::File));
        self.removed.bytes = self.removed.bytes.saturating_add(before);
        self.added.bytes = self.added.bytes.saturating_add(after);
    }
}

impl DiffTotals {
    const fn take(&mut self, kind: EntryKind, bytes: u64) {
        let count = match kind {
            EntryKind::File => &mut self.files,
            EntryKind::Directory => &mut self.dirs,
            EntryKind::Other => &mut self.others,
        };
        *count = count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

fn bytes(entry: &Entry) -> u64 {
    entry.content().map_or(0, |content| content.bytes())
}

fn tell(renderer: &Renderer, tally: &Tally, (first, second): (&Snapshot, &str)) {
    let Tally { changed_files, added, removed } = tally;
    let count = text::count;
    renderer.say(&format!(
        "\nFiles:   {} new, {} removed, {} changed\nFolders: {} new, {} removed\nOthers:  {} new, {} removed\n\
         Content: {} new, {} gone\n",
        count(added.files),
        count(removed.files),
        count(*changed_files),
        count(added.dirs),
        count(removed.dirs),
        count(added.others),
        count(removed.others),
        text::bytes(added.bytes),
        text::bytes(removed.bytes),
    ));
    renderer.json(&DiffStatistics {
        message_type: "statistics",
        source_snapshot: first.id.to_string(),
        target_snapshot: second.to_owned(),
        changed_files: *changed_files,
        added: *added,
        removed: *removed,
    });
}

/// Compares with what is on this machine: by what a restore to where everything came from would change, which is not made.
fn live(
    context: &Context<'_>,
    repository: &Repository,
    snapshot: &Snapshot,
    path: &Key,
    arguments: &DiffArguments,
) -> Result<u8, Failure> {
    let options = RestoreOptions::new("/")
        .parts((!path.is_root()).then(|| path.clone()))
        .overwrite(Overwrite::IfChanged)
        .extras(Extras::Delete)
        .manner(Manner::Rehearse);
    let stop = Stop::listen()?;
    let watch = Watch {
        renderer: context.renderer,
        stop: stop.clone(),
        with_metadata: arguments.metadata,
        entries: repository.entries(snapshot)?,
        tally: Mutex::default(),
    };
    let report = match repository.restore(snapshot, &options, &watch) {
        Err(error) if context.renderer.is_cut_by(&error) && !stop.is_asked() => return Ok(exit::DONE),
        report => report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?,
    };
    let tally = watch.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tell(context.renderer, &tally, (snapshot, "live"));
    Ok(match (report.damaged_count, report.problem_count) {
        (0, 0) => exit::DONE,
        (0, _) => exit::INCOMPLETE,
        (_, _) => exit::DAMAGED,
    })
}

/// Turns what a restore would do into what differs.
struct Watch<'a> {
    renderer: &'a Renderer,
    stop: Stop,
    with_metadata: bool,
    entries: Entries,
    tally: Mutex<Tally>,
}

impl Watch<'_> {
    fn take(&self, path: &Path, kind: EntryKind, (change, bytes): (Change, u64)) {
        let found = path.symlink_metadata().ok();
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let modifier = match (change, &found) {
            (Change::Restored | Change::Updated, None) => {
                tally.removed.take(kind, bytes);
                "-"
            }
            (Change::Restored | Change::Updated, Some(found)) => {
                let entry = Key::from_path(path).ok().and_then(|key| self.entries.at(&key).ok().flatten());
                // What was just told of can be found, unless it was lost in this moment.
                let Some(entry) = entry else { return };
                let is_updated = change == Change::Updated;
                if entry.kind() != kind_of(found) {
                    tally.removed.take(entry_kind(entry.kind()), self::bytes(&entry));
                    tally.added.take(entry_kind(kind_of(found)), length(found));
                    "T"
                } else if is_updated || self.is_other(&entry, path, found) {
                    tally.changed(entry.kind(), self::bytes(&entry), length(found));
                    "M"
                } else if self.with_metadata {
                    "U"
                } else {
                    return;
                }
            }
            (Change::Metadata, _) if self.with_metadata => "U",
            (Change::Deleted, _) => {
                tally.added.take(kind, found.as_ref().map_or(0, length));
                "+"
            }
            _ => return,
        };
        show(self.renderer, path, modifier);
    }

    /// Whether what lies where an entry of its kind belongs is something else, and not the same with other names.
    fn is_other(&self, entry: &Entry, path: &Path, found: &Found) -> bool {
        match &entry.body {
            Body::File(content) => {
                let of_size = content.bytes() == found.len();
                let time = (entry.mtime.seconds(), entry.mtime.nanoseconds().into());
                let is_same = || -> std::io::Result<bool> { self.entries.begins_with(&mut File::open(path)?, content) };
                !of_size || (time != (found.mtime(), found.mtime_nsec()) && !is_same().unwrap_or(false))
            }
            Body::Symlink(target) => path.read_link().map_or(true, |found| found.as_os_str().as_bytes() != target),
            Body::CharDevice(_) | Body::BlockDevice(_) => true,
            Body::Directory | Body::Ancestor | Body::Fifo | Body::Socket | Body::Unknown => false,
        }
    }
}

/// What is known of what lies on this machine.
type Found = std::fs::Metadata;

fn length(found: &Found) -> u64 {
    if found.is_file() { found.len() } else { 0 }
}

fn kind_of(found: &Found) -> Kind {
    let kind = found.file_type();
    let kinds = [
        (kind.is_dir(), Kind::Directory),
        (kind.is_file(), Kind::File),
        (kind.is_symlink(), Kind::Symlink),
        (kind.is_fifo(), Kind::Fifo),
        (kind.is_socket(), Kind::Socket),
        (kind.is_char_device(), Kind::CharDevice),
        (kind.is_block_device(), Kind::BlockDevice),
    ];
    kinds.into_iter().find(|(is_it, _)| *is_it).map_or(Kind::Unknown, |(_, kind)| kind)
}

impl Progress for Watch<'_> {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Entry { path, kind, change, bytes } => self.take(path, *kind, (*change, *bytes)),
            Event::Problem { path, message, .. } => self.renderer.problem(path, "compare", message),
            Event::Spared { path, .. } => {
                let path = text::printable(path.as_os_str().as_bytes());
                self.renderer.notice(&format!("{path}: not compared"));
            }
            Event::Phase(_)
            | Event::Estimated { .. }
            | Event::Entered { .. }
            | Event::Processed { .. }
            | Event::Stored { .. }
            | Event::LeftOut { .. }
            | _ => {}
        }
    }

    fn stopped(&self) -> bool {
        self.stop.is_asked() || self.renderer.is_closed()
    }

    fn wants_entries(&self) -> bool {
        true
    }
}

const fn entry_kind(kind: Kind) -> EntryKind {
    match kind {
        Kind::Directory => EntryKind::Directory,
        Kind::File => EntryKind::File,
        Kind::Symlink | Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice | Kind::Unknown => {
            EntryKind::Other
        }
    }
}
