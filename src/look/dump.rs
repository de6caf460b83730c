//! The content of a snapshot as a stream: one file, or a tree as an archive.

mod outlet;
mod stream;
mod tar;
mod zip;

use super::nothing_there;
use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::NodeId;
use crate::manifest::{
    Attribute, Body, Cursor, Entry, Hole, Key, Kind, ValueError, Xattr, decode_holes, decode_xattrs,
};
use crate::progress::{Event, Gravity, Progress};
use crate::session::{Snapshot, SnapshotComponent};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use outlet::Outlet;
pub(super) use stream::ContentStream;

/// What form a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpForm {
    /// The bytes of one file.
    Content,
    /// A tar archive in the pax format: names of any length and bytes, times to the nanosecond, extended attributes, holes,
    /// hard links.
    Tar,
    /// A zip archive: names as UTF-8, permissions, times to two seconds, symbolic links.
    Zip,
}

/// What was written.
#[derive(Debug, Clone, Default)]
pub struct DumpReport {
    /// Files.
    pub file_count: u64,
    /// Directories, links, pipes and devices.
    pub other_count: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Items that are not in it as they were.
    pub problem_count: u64,
    /// Those of them of which stored bytes are missing or wrong: zeros stand for them.
    pub damaged_count: u64,
    /// How long it took.
    pub duration: Duration,
}

/// Writes what lies at `path` into `out`: a directory with what is below it, names relative to it; anything else under its
/// own name. Parts of a content that are damaged become zeros, and are told.
///
/// # Errors
/// [`ErrorKind::NotFound`] when nothing is there, [`ErrorKind::Invalid`] when a content is wanted of what is no file,
/// [`ErrorKind::NoSpace`] when `out` has no room left, [`ErrorKind::Io`] when it takes no more for another reason,
/// [`ErrorKind::Damaged`] when the list of what is there can't be read, or when something damaged was told before such an
/// end. What `out` got by then is no archive with an end.
pub fn dump(
    access: &Access,
    snapshot: &Snapshot,
    (path, form): (&Key, DumpForm),
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<DumpReport> {
    let started = Instant::now();
    let reader = ContentReader::new(access.clone());
    let mut tally = Tally { report: DumpReport::default(), progress };
    let outlet = Outlet::new(out);
    let written = match form {
        DumpForm::Content => content(&reader, snapshot, path, &mut &outlet, &mut tally),
        DumpForm::Tar => {
            let mut archive = tar::TarArchive::new(&reader, &outlet);
            let walked = walk(&reader, snapshot, path, &mut archive, &mut tally).inspect_err(|_| outlet.shut());
            walked.and_then(|()| archive.finish())
        }
        DumpForm::Zip => {
            let mut archive = zip::ZipArchive::new(&reader, &outlet);
            let walked = walk(&reader, snapshot, path, &mut archive, &mut tally).inspect_err(|_| outlet.shut());
            walked.and_then(|()| archive.finish())
        }
    };
    written.map_err(|error| tally.with_damage(error))?;
    let mut report = tally.report;
    report.duration = started.elapsed();
    Ok(report)
}

/// Something that takes entries.
trait Archive {
    /// Takes an entry under a name that is relative to the directory that is written, empty for that directory itself.
    fn take(&mut self, name: &[u8], entry: &Entry, owner: &SnapshotComponent, tally: &mut Tally<'_>) -> Result<()>;
}

/// What was written so far, and who is told.
struct Tally<'a> {
    report: DumpReport,
    progress: &'a dyn Progress,
}

impl Tally<'_> {
    fn file_done(&mut self, bytes: u64) {
        self.report.file_count = self.report.file_count.saturating_add(1);
        self.report.bytes = self.report.bytes.saturating_add(bytes);
        self.progress.event(&Event::Processed { files: 1, bytes });
    }

    fn other_done(&mut self) {
        self.report.other_count = self.report.other_count.saturating_add(1);
    }

    fn problem(&mut self, key: &Key, message: &str) {
        self.report.problem_count = self.report.problem_count.saturating_add(1);
        self.progress.event(&Event::Problem {
            path: &key.to_path(),
            operation: "dump",
            message,
            gravity: Gravity::Trouble,
        });
    }

    /// Says so where an entry says more than this program understands.
    fn note_not_understood(&mut self, entry: &Entry) {
        if let Some(message) = entry.attributes.not_understood() {
            self.problem(&entry.key, &message);
        }
    }

    /// What is damaged of one item is a problem; anything else ends the dump.
    fn damaged(&mut self, key: &Key, error: Error) -> Result<()> {
        if error.kind() != ErrorKind::Damaged {
            return Err(error);
        }
        self.report.damaged_count = self.report.damaged_count.saturating_add(1);
        self.problem(key, &error.to_string());
        Ok(())
    }

    /// The error with which a dump ends: there is no report then to count what is damaged, and that weighs more than an
    /// output that takes no more.
    fn with_damage(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Io || self.report.damaged_count == 0 {
            return error;
        }
        Error::new(ErrorKind::Damaged, "what was written so far is damaged").because(error)
    }
}

/// The components of a snapshot that have a manifest.
fn manifests(snapshot: &Snapshot) -> impl Iterator<Item = (&SnapshotComponent, NodeId)> {
    snapshot.components.iter().filter_map(|component| Some((component, component.manifest?)))
}

fn content(
    reader: &ContentReader,
    snapshot: &Snapshot,
    path: &Key,
    out: &mut dyn Write,
    tally: &mut Tally<'_>,
) -> Result<()> {
    for (_, root) in manifests(snapshot) {
        let Some(entry) = Cursor::<Entry, _>::new(reader, root).find(path)? else { continue };
        let content = entry.content().filter(|_| !entry.is_unreadable());
        let Some(content) = content else {
            let message = format!("{} is no file whose content is in the snapshot", path.to_path().display());
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        tally.note_not_understood(&entry);
        let mut stream = ContentStream::new(reader, content, &[], tally.progress);
        let written = stream.write_into(out);
        stream.damage().map_or(Ok(()), |damage| tally.damaged(path, damage))?;
        written?;
        tally.file_done(content.bytes());
        return out.flush().map_err(unwritable);
    }
    Err(nothing_there(snapshot, path))
}

fn walk(
    reader: &ContentReader,
    snapshot: &Snapshot,
    path: &Key,
    archive: &mut dyn Archive,
    tally: &mut Tally<'_>,
) -> Result<()> {
    let mut found = false;
    if path.is_root() {
        let lacking = snapshot.components.iter().filter(|component| component.manifest.is_none());
        lacking.for_each(|component| tally.problem(path, &component.lack()));
    }
    for (component, root) in manifests(snapshot) {
        let mut cursor: Cursor<Entry, _> = Cursor::new(reader, root);
        cursor.seek(path);
        loop {
            check_stopped(tally.progress)?;
            let entry = match cursor.next_row() {
                Ok(Some(entry)) if entry.key.is_within(path) => entry,
                Ok(_) => break,
                Err(error) => {
                    tally.damaged(path, error.into())?;
                    continue;
                }
            };
            // Each manifest has the root, of which an archive holds one.
            if found && entry.key.is_root() {
                continue;
            }
            found = true;
            take(archive, path, &entry, component, tally)?;
        }
    }
    // What is lost may have lain there: that was told.
    if found || path.is_root() || tally.report.damaged_count > 0 { Ok(()) } else { Err(nothing_there(snapshot, path)) }
}

fn take(
    archive: &mut dyn Archive,
    path: &Key,
    entry: &Entry,
    component: &SnapshotComponent,
    tally: &mut Tally<'_>,
) -> Result<()> {
    if entry.is_unreadable() {
        tally.problem(&entry.key, "it could not be read when the snapshot was made");
        if entry.kind() != Kind::Directory {
            return Ok(());
        }
    }
    tally.note_not_understood(entry);
    let is_top = entry.key == *path && entry.kind() != Kind::Directory;
    let name = if is_top { entry.key.name().to_vec() } else { relative(&entry.key, path) };
    archive.take(&name, entry, component, tally)
}

/// What remains of a key below a directory, with slashes.
fn relative(key: &Key, directory: &Key) -> Vec<u8> {
    let skipped = if directory.is_root() { 0 } else { directory.as_bytes().len().saturating_add(1) };
    let below = key.as_bytes().get(skipped..).unwrap_or_default();
    below.iter().map(|byte| if *byte == 0 { b'/' } else { *byte }).collect()
}

fn unwritable(error: io::Error) -> Error {
    Error::new(ErrorKind::of_refused(&error), format!("can't write what was read: {error}"))
}

/// The extended attributes of an entry; those that can't be read are told and left out.
fn xattrs(reader: &ContentReader, entry: &Entry, tally: &mut Tally<'_>) -> Result<Vec<Xattr>> {
    attribute(reader, entry, (Attribute::XATTRS, decode_xattrs), tally)
}

/// The holes of a file; a list that can't be read is told, and the file has none.
fn holes(reader: &ContentReader, entry: &Entry, tally: &mut Tally<'_>) -> Result<Vec<Hole>> {
    attribute(reader, entry, (Attribute::HOLES, decode_holes), tally)
}

/// How the value of an attribute is read.
type Decode<T> = fn(&[u8]) -> Result<Vec<T>, ValueError>;

fn attribute<T>(
    reader: &ContentReader,
    entry: &Entry,
    (id, decode): (u32, Decode<T>),
    tally: &mut Tally<'_>,
) -> Result<Vec<T>> {
    let malformed = |cause| Error::new(ErrorKind::Damaged, "an attribute is malformed").because(cause);
    let decoded = reader
        .attribute(entry, id)
        .and_then(|value| value.map_or(Ok(Vec::new()), |value| decode(&value).map_err(malformed)));
    decoded.or_else(|error| tally.damaged(&entry.key, error).map(|()| Vec::new()))
}

/// Whether an entry has content, or leads somewhere by name.
fn has_content(entry: &Entry) -> bool {
    matches!(entry.body, Body::File(_))
}
