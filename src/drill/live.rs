//! Live files that nothing says were changed since they were backed up, against what was stored of them.

use crate::backup::is_untouched;
use crate::content::ContentReader;
use crate::drill::content::{Bytes, Sameness, Unread};
use crate::error::{Result, chain};
use crate::manifest::{Content, Cursor, Entry, StatEntry, State};
use crate::session::{Snapshot, SnapshotComponent};
use crate::source::{Source, SourceError, SourceFile, WalkOptions};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What is known of a live file.
pub(super) enum Standing {
    /// It was changed since, is gone, or can't be relied upon to be unchanged.
    PassedOver,
    /// It has the content that was stored.
    Same,
    /// It has another content, or can't be read; why.
    Differs(String),
}

/// The live files of one component.
pub(super) struct LiveFiles<'a> {
    source: &'a Source,
    rows: Cursor<StatEntry, &'a ContentReader>,
    walk_started_ns: i64,
}

/// The trees that a snapshot was made of, reached by the paths that were named.
pub(super) fn source_of(snapshot: &Snapshot) -> Result<Source> {
    let paths: Vec<PathBuf> =
        snapshot.origin.iter().flat_map(|origin| &origin.paths).map(|path| OsStr::from_bytes(path).into()).collect();
    Ok(Source::open(&paths, WalkOptions::default()).or_else(|_| Source::nothing())?)
}

impl<'a> LiveFiles<'a> {
    /// None of a component that has no stat tree: it is no file tree, or was not made by a backup.
    pub(super) fn of(component: &SnapshotComponent, source: &'a Source, reader: &'a ContentReader) -> Option<Self> {
        let rows = Cursor::new(reader, component.stat?);
        Some(Self { source, rows, walk_started_ns: component.walk_started_ns })
    }

    /// Compares the live file of an entry with what was stored of it. Entries come in key order.
    pub(super) fn compare(&mut self, entry: &Entry, content: &Content, bytes: &mut Bytes<'_>) -> Result<Standing> {
        let Some(file) = self.untouched(entry) else { return Ok(Standing::PassedOver) };
        let compared = match file {
            Ok(file) => bytes.compare(&file, content).and_then(|sameness| {
                // Whoever changes it at this moment leaves a trace.
                let is_steady = file.stat_again()?.ctime == file.stat().ctime;
                Ok(Some(sameness).filter(|sameness| is_steady || matches!(sameness, Sameness::Same)))
            }),
            Err(error) => Err(Unread::Refused(error)),
        };
        Ok(match compared {
            Ok(Some(Sameness::Same)) => Standing::Same,
            // What it should be the comparison with what was restored misses as well.
            Ok(None | Some(Sameness::Lost(_))) => Standing::PassedOver,
            Ok(Some(Sameness::Differs { offset })) => Standing::Differs(format!(
                "its size, times and inode number are those of the backup, and its content differs from byte {offset} on"
            )),
            Err(Unread::Refused(error)) if is_of_rights(&error) || error.is_vanished() => Standing::PassedOver,
            Err(Unread::Refused(error)) => {
                Standing::Differs(format!("nothing says that it was changed, and it can't be read: {}", chain(&error)))
            }
            Err(Unread::Ended(error)) => return Err(error),
        })
    }

    /// Opens a file that is as it was backed up, by all that can be seen from outside.
    fn untouched(&mut self, entry: &Entry) -> Option<Result<SourceFile, SourceError>> {
        if entry.state != State::Stored {
            return None;
        }
        let row = self.rows.find(&entry.key).ok().flatten()?;
        let is_as_backed_up = |stat| is_untouched(&row, stat, self.walk_started_ns);
        let stat = self.source.stat(&entry.key).ok()?;
        if !is_as_backed_up(&stat) {
            return None;
        }
        match self.source.open_file(&entry.key) {
            Ok(file) => is_as_backed_up(file.stat()).then_some(Ok(file)),
            Err(error) => Some(Err(error)),
        }
    }
}

/// Whether this user may only not look.
pub(super) fn is_of_rights(error: &SourceError) -> bool {
    let errno = rustix::io::Errno::from_raw_os_error(error.errno());
    matches!(errno, rustix::io::Errno::ACCESS | rustix::io::Errno::PERM)
}
