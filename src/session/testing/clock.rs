//! A clock that a test sets for its thread.

use std::cell::Cell;

thread_local! {
    static PRETENDED_NS: Cell<Option<i64>> = const { Cell::new(None) };
}

/// From now on it is this time for this thread.
pub(crate) fn pretend(now_ns: i64) {
    PRETENDED_NS.set(Some(now_ns));
}

pub(in crate::session) fn pretended_ns() -> Option<i64> {
    PRETENDED_NS.get()
}
