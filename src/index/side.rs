//! Rows that a room above keeps in the view.

use super::IndexError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A row's new value; none removes it.
pub type SideRow = (Vec<u8>, Option<Vec<u8>>);

/// The rows of a side table, for reading.
pub trait SideRows: Send + Sync {
    /// Calls `each` with the position and the value of every key that has a row. The keys must be in order.
    ///
    /// # Errors
    /// When the view can't be read.
    fn get_sorted(&self, keys: &[&[u8]], each: &mut dyn FnMut(usize, &[u8])) -> Result<(), IndexError>;

    /// Calls `each` with every row whose key begins with `prefix`, in the order of the keys. The visitor must not call
    /// back into the index.
    ///
    /// # Errors
    /// When the view can't be read.
    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), IndexError>;
}

/// A table of rows that a room above keeps in the view, under keys of its own. After a crash it is what it was after
/// one of the writes before, and so is the rest of the view at that moment.
pub trait SideTable: SideRows {
    /// The right to rely on the rows over several calls, and to change them. Within the one process that has the view
    /// for writing one holder has it at a time: none while somebody else does.
    fn claim(&self) -> Option<SideClaim>;

    /// Writes rows, all of them or none.
    ///
    /// # Errors
    /// When the view can't be written.
    fn write(&self, rows: &[SideRow]) -> Result<(), IndexError>;

    /// Removes all rows but those that `rows` adds, at once.
    ///
    /// # Errors
    /// When the view can't be written.
    fn replace(&self, rows: &[SideRow]) -> Result<(), IndexError>;
}

/// Whether somebody relies on a side table's rows.
#[derive(Debug, Default)]
pub(super) struct SideClaims(Arc<AtomicBool>);

impl SideClaims {
    pub(super) fn claim(&self) -> Option<SideClaim> {
        (!self.0.swap(true, Ordering::AcqRel)).then(|| SideClaim(Arc::clone(&self.0)))
    }
}

/// The right to a side table's rows. It ends when this is dropped.
#[derive(Debug)]
pub struct SideClaim(Arc<AtomicBool>);

impl Drop for SideClaim {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
