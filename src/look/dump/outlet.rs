//! The end of a dump, which takes nothing more once the dump has failed.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Write};

/// Where a dump goes until it fails; what is written after that is dropped without a word.
///
/// Both the writer of tar and that of zip end an archive when they are dropped: one that was cut off would look whole, and
/// the writer of zip prints on standard error when it finds no room for that.
pub(super) struct Outlet<'a> {
    out: RefCell<&'a mut dyn Write>,
    is_shut: Cell<bool>,
}

impl<'a> Outlet<'a> {
    pub(super) const fn new(out: &'a mut dyn Write) -> Self {
        Self { out: RefCell::new(out), is_shut: Cell::new(false) }
    }

    /// Drops what comes from now on.
    pub(super) fn shut(&self) {
        self.is_shut.set(true);
    }

    fn unless_shut<T>(&self, dropped: T, write: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        if self.is_shut.get() {
            return Ok(dropped);
        }
        let written = write(&mut **self.out.borrow_mut());
        if written.as_ref().is_err_and(|error| error.kind() != ErrorKind::Interrupted) {
            self.shut();
        }
        written
    }
}

impl Write for &Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_shut(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_shut((), |out| out.flush())
    }
}
