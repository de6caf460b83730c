//! Clocks that a test sets for its thread.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer than a file must have been left alone for a backup to believe its times.
const SETTLED: Duration = Duration::from_secs(3);

thread_local! {
    static PRETENDED_NS: Cell<Option<i64>> = const { Cell::new(None) };
    static AHEAD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static PRETENDED_SINCE_BOOT_MS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on it is this time for this thread.
pub(crate) fn pretend(now_ns: i64) {
    PRETENDED_NS.set(Some(now_ns));
}

/// The clock of this thread goes ahead, so that a backup believes the times of what was changed until now.
pub(crate) fn settle() {
    AHEAD.set(AHEAD.get() + SETTLED);
}

/// From now on the machine of this thread has been running for so long.
pub(crate) fn pretend_since_boot(since_boot_ms: u64) {
    PRETENDED_SINCE_BOOT_MS.set(Some(since_boot_ms));
}

pub(in crate::session) fn pretended_ns() -> Option<i64> {
    let ahead = Some(AHEAD.get()).filter(|ahead| !ahead.is_zero());
    let ahead_ns =
        || Some((SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + ahead?).as_nanos().try_into().unwrap());
    PRETENDED_NS.get().or_else(ahead_ns)
}

pub(in crate::session) fn pretended_since_boot_ms() -> Option<u64> {
    PRETENDED_SINCE_BOOT_MS.get()
}
