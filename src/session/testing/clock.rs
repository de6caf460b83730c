//! Clocks that a test sets for its thread.

use std::cell::Cell;

thread_local! {
    static PRETENDED_NS: Cell<Option<i64>> = const { Cell::new(None) };
    static PRETENDED_SINCE_BOOT_MS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on it is this time for this thread.
pub(crate) fn pretend(now_ns: i64) {
    PRETENDED_NS.set(Some(now_ns));
}

/// From now on the machine of this thread has been running for so long.
pub(crate) fn pretend_since_boot(since_boot_ms: u64) {
    PRETENDED_SINCE_BOOT_MS.set(Some(since_boot_ms));
}

pub(in crate::session) fn pretended_ns() -> Option<i64> {
    PRETENDED_NS.get()
}

pub(in crate::session) fn pretended_since_boot_ms() -> Option<u64> {
    PRETENDED_SINCE_BOOT_MS.get()
}
