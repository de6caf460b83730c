//! A system that starts only so many threads, for tests of what becomes of an operation then.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    /// How many more may be started, here and by the threads that were started from here.
    static LEFT: RefCell<Option<Arc<AtomicUsize>>> = const { RefCell::new(None) };
}

/// Does something while only so many threads can be started.
pub fn within<T>(thread_count: usize, work: impl FnOnce() -> T) -> T {
    LEFT.set(Some(Arc::new(AtomicUsize::new(thread_count))));
    let done = work();
    LEFT.set(None);
    done
}

/// Takes one thread from the allowance, and has what it does live by the rest.
pub(super) fn spend<T>(work: impl FnOnce() -> T) -> io::Result<impl FnOnce() -> T> {
    let left = LEFT.with_borrow(Option::clone);
    let is_left = |left: &Arc<AtomicUsize>| {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok()
    };
    if !left.as_ref().is_none_or(is_left) {
        return Err(io::Error::from(io::ErrorKind::WouldBlock));
    }
    Ok(move || {
        LEFT.set(left);
        work()
    })
}
