//! A share of memory for everything that is on its way between threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes that may be in use at a time.
pub(super) struct Ration {
    total_bytes: usize,
    free_bytes: Mutex<usize>,
    freed: Condvar,
}

/// Some of them, given back when dropped.
pub(super) struct Share<'a> {
    ration: &'a Ration,
    bytes: usize,
}

impl Ration {
    pub(super) const fn new(total_bytes: usize) -> Self {
        Self { total_bytes, free_bytes: Mutex::new(total_bytes), freed: Condvar::new() }
    }

    /// Waits until so much is free; what is more than everything waits for everything.
    pub(super) fn take(&self, bytes: usize) -> Share<'_> {
        let bytes = bytes.min(self.total_bytes);
        let free = self.free_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_while(free, |free| *free < bytes);
        let mut free = waited.unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_sub(bytes);
        Share { ration: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut free = self.ration.free_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_add(self.bytes);
        drop(free);
        self.ration.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_is_in_use_than_there_is_and_the_largest_gets_its_turn() {
        let ration = Ration::new(10);
        let (used, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for bytes in [1, 4, 7, 10, 99] {
                let (ration, used, most) = (&ration, &used, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let share = ration.take(bytes);
                        let now = used.fetch_add(share.bytes, Ordering::SeqCst) + share.bytes;
                        most.fetch_max(now, Ordering::SeqCst);
                        used.fetch_sub(share.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 10);
        assert_eq!(*ration.free_bytes.lock().unwrap(), 10);
    }
}
