//! Threads that may not start: a user may have so many processes, and a process so much memory.
//!
//! `std::thread::spawn` and `Scope::spawn` panic then, in the middle of a pipeline of which other stages run already and
//! wait for this one. So nobody else calls them, which the test of the architecture holds. Whoever starts several threads
//! that wait for each other lets go of all their channels when one does not start: those that run then end.

#[cfg(test)]
pub mod allowance;

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::io;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

/// The system starts no thread.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't start a thread: {cause}; raise the limit of processes (ulimit -u) or of memory (ulimit -v), or try again"
)]
pub struct Unstarted {
    /// Not a source, whose text would be said twice.
    cause: io::Error,
}

impl From<io::Error> for Unstarted {
    fn from(cause: io::Error) -> Self {
        Self { cause }
    }
}

/// Starts a thread that ends before its scope does.
///
/// # Errors
/// When the system has no thread to give. What `work` holds is dropped then.
pub fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, Unstarted> {
    #[cfg(test)]
    let work = allowance::spend(work)?;
    Ok(Builder::new().spawn_scoped(scope, work)?)
}

/// Starts a thread that may outlive whoever starts it.
///
/// # Errors
/// As [`start`].
pub fn start_free<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Unstarted> {
    #[cfg(test)]
    let work = allowance::spend(work)?;
    Ok(Builder::new().spawn(work)?)
}

/// Waits until a thread has ended, and returns what came of it. Panics as the thread did.
pub fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Does the same in so many threads at once, and returns what came of each. Nothing is begun unless all of them started.
///
/// # Errors
/// As [`start`].
pub fn in_each<T: Send>(thread_count: usize, work: impl Fn() -> T + Sync) -> Result<Vec<T>, Unstarted> {
    let all_started = OnceLock::<bool>::new();
    std::thread::scope(|scope| {
        let begin = || all_started.wait().then(&work);
        let threads: Result<Vec<_>, _> = (0..thread_count).map(|_| start(scope, begin)).collect();
        all_started.get_or_init(|| threads.is_ok());
        threads.map(|threads| threads.into_iter().filter_map(join).collect())
    })
}

/// A pool of so many threads, which end with it. That of the whole process would stay, and panics where it can't be had.
///
/// # Errors
/// As [`start`].
pub fn pool(thread_count: usize) -> Result<ThreadPool, Unstarted> {
    #[cfg(test)]
    (0..thread_count).try_for_each(|_| allowance::spend(|| ()).map(drop))?;
    let pool = ThreadPoolBuilder::new().num_threads(thread_count).build();
    Ok(pool.map_err(io::Error::other)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn nothing_is_begun_unless_every_thread_started() {
        for allowed in 0..4 {
            let begun = AtomicUsize::new(0);
            let work = || begun.fetch_add(1, Ordering::Relaxed);
            let refused = allowance::within(allowed, || in_each(4, work)).unwrap_err();
            assert!(refused.to_string().starts_with("can't start a thread: "), "{refused}");
            assert_eq!(begun.into_inner(), 0);
        }
        let mut all = allowance::within(4, || in_each(4, || 7)).unwrap();
        assert_eq!((all.pop(), all.len()), (Some(7), 3));
    }
}
