//! Signals for a process that has others to look after: each is noticed, and none ends it.

use super::failure::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The signals that ask this process to end.
#[derive(Debug)]
pub(crate) struct Signals {
    /// One that was not taken yet, or 0.
    pending: Arc<AtomicUsize>,
    first: Cell<Option<i32>>,
}

impl Signals {
    /// Begins to listen for SIGINT, SIGTERM and SIGHUP.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let pending = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let value = usize::try_from(signal).unwrap_or(0);
            flag::register_usize(signal, Arc::clone(&pending), value)
                .map_err(|error| Failure::failed(format!("can't listen for signals: {error}")))?;
        }
        Ok(Self { pending, first: Cell::new(None) })
    }

    /// Takes a signal that came since the last call.
    pub(crate) fn take(&self) -> Option<i32> {
        let signal = i32::try_from(self.pending.swap(0, Ordering::Relaxed)).ok().filter(|signal| *signal > 0)?;
        self.first.set(self.first.get().or(Some(signal)));
        Some(signal)
    }

    /// The exit code of a process that was asked to end, if this one was.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        self.take();
        let signal = self.first.get()?;
        u8::try_from(signal.saturating_add(128)).ok()
    }
}
