//! Looking into snapshots.

use super::Repository;
use crate::error::Result;
use crate::look::{self, DumpForm, DumpReport, Entries};
use crate::manifest::{Difference, Entry, Key};
use crate::mounting::{MountOptions, MountedTree};
use crate::progress::Progress;
use crate::restore::{self, Below};
use crate::session::Snapshot;
use std::io::Write;

impl Repository {
    /// Visits the entries of a snapshot at and below `path`, in key order; what `each` passes over is not read.
    ///
    /// # Errors
    /// `ErrorKind::NotFound` when nothing is there; `ErrorKind::Denied` when the key can't read; `ErrorKind::Damaged`,
    /// after everything that can be read was visited; or what `each` returns.
    pub fn list(&self, snapshot: &Snapshot, path: &Key, each: &mut dyn FnMut(&Entry) -> Result<Below>) -> Result<()> {
        self.require_reader("list what snapshots hold")?;
        restore::list(&self.reading()?, snapshot, path, each)
    }

    /// Finds single entries of a snapshot.
    ///
    /// # Errors
    /// `ErrorKind::Denied` when the key can't read.
    pub fn entries(&self, snapshot: &Snapshot) -> Result<Entries> {
        self.require_reader("list what snapshots hold")?;
        Ok(Entries::new(&self.reading()?, snapshot))
    }

    /// Tells every entry at and below `path` that is not the same in two snapshots, in key order. What they share is not
    /// read.
    ///
    /// # Errors
    /// `ErrorKind::NotFound` when neither holds anything there; `ErrorKind::Damaged`; or what `each` returns.
    pub fn diff(
        &self,
        snapshots: (&Snapshot, &Snapshot),
        path: &Key,
        each: &mut dyn FnMut(Difference<Entry>) -> Result<()>,
    ) -> Result<()> {
        self.require_reader("diff")?;
        look::diff(&self.reading()?, snapshots, path, each)
    }

    /// Tells every wanted entry at and below `path`, snapshot by snapshot in the order given.
    ///
    /// # Errors
    /// `ErrorKind::Damaged`, after everything that can be read was told; or what `each` returns.
    pub fn find(
        &self,
        snapshots: &[Snapshot],
        path: &Key,
        wanted: &dyn Fn(&Entry) -> bool,
        each: &mut dyn FnMut(&Snapshot, &Entry) -> Result<()>,
    ) -> Result<()> {
        self.require_reader("find")?;
        look::find(&self.reading()?, snapshots, path, wanted, each)
    }

    /// Tells what became of every wanted entry at and below `path` from each snapshot to the next of the same host and
    /// paths, in the order given; the first of them is compared with nothing.
    ///
    /// # Errors
    /// `ErrorKind::Damaged`; or what `each` returns.
    pub fn changes(
        &self,
        snapshots: &[Snapshot],
        path: &Key,
        wanted: &dyn Fn(&Entry) -> bool,
        each: &mut dyn FnMut(&Snapshot, Difference<Entry>) -> Result<()>,
    ) -> Result<()> {
        self.require_reader("find")?;
        look::history(&self.reading()?, snapshots, path, wanted, each)
    }

    /// Writes the content of a file, or a tree as an archive.
    ///
    /// # Errors
    /// `ErrorKind::NotFound` when nothing is there; `ErrorKind::Invalid` when a content is wanted of what is no
    /// file; `ErrorKind::Io` when `out` takes no more, and `ErrorKind::Damaged` when something damaged was told before
    /// that. What single items can't deliver is in the report.
    pub fn dump(
        &self,
        snapshot: &Snapshot,
        what: (&Key, DumpForm),
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<DumpReport> {
        self.require_reader("dump")?;
        look::dump(&self.reading()?, snapshot, what, out, progress)
    }

    /// Snapshots as a read-only file tree that is looked at piece by piece.
    ///
    /// # Errors
    /// `ErrorKind::Denied` when the key can't read; as [`MountedTree::new`].
    pub fn mounted(&self, options: MountOptions) -> Result<MountedTree> {
        self.require_reader("mount")?;
        MountedTree::new(&self.reading()?, options)
    }
}
