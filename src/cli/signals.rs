//! Signals for a process that has others to look after: each is noticed, and none ends it.

use super::failure::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// SIGINT, SIGTERM and SIGHUP, but for those that this process was started to ignore, as `nohup` does, and a shell without
/// job control for what it runs in the background.
pub(crate) fn heeded() -> impl Iterator<Item = i32> {
    let ignored = std::fs::read_to_string("/proc/self/status").map_or(0, |status| ignored_by(&status));
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(move |signal| {
        let bit = signal.checked_sub(1).and_then(|shift| 1u64.checked_shl(shift.unsigned_abs()));
        bit.is_some_and(|bit| ignored & bit == 0)
    })
}

/// The mask of the signals that a process ignores, a bit for each, as Linux tells it.
fn ignored_by(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// The signals that ask this process to end.
#[derive(Debug)]
pub(crate) struct Signals {
    /// One that was not taken yet, or 0.
    pending: Arc<AtomicUsize>,
    first: Cell<Option<i32>>,
}

impl Signals {
    /// Begins to listen for the [signals that are heeded](heeded).
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let pending = Arc::new(AtomicUsize::new(0));
        for signal in heeded() {
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
