//! Questions about many ids, asked by all threads.

use crate::threads::{self, Unstarted};

/// For fewer ids a thread of their own is not worth it. Tests have few, and are to go by several threads.
const PART_IDS_MIN: usize = if cfg!(test) { 4 } else { 4096 };

/// Cuts what is in the order of its ids into parts, one for each thread, does `work` on them, and returns what came of it
/// in the same order. Such parts lie in different blocks of a view. The first is done here: every thread that allocates
/// keeps memory of its own.
///
/// # Errors
/// When a thread does not start.
pub fn in_parts<'s, T: Sync, R: Send>(
    sorted: &'s [T],
    thread_count: usize,
    work: impl Fn(&'s [T]) -> R + Sync,
) -> Result<Vec<R>, Unstarted> {
    let part_ids = sorted.len().div_ceil(thread_count.max(1)).max(PART_IDS_MIN);
    let mut parts = sorted.chunks(part_ids);
    std::thread::scope(|scope| {
        let (work, first) = (&work, parts.next());
        let others: Vec<_> = parts.map(|part| threads::start(scope, move || work(part))).collect::<Result<_, _>>()?;
        let first = first.map(work);
        Ok(first.into_iter().chain(others.into_iter().map(threads::join)).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_worked_on_once_and_in_order() {
        for (count, threads, part_count) in [(0, 2, 0), (1, 2, 1), (4, 8, 1), (5, 8, 2), (10_000, 2, 2), (10_000, 0, 1)]
        {
            let numbers: Vec<u32> = (0..count).collect();
            let parts = in_parts(&numbers, threads, <[u32]>::to_vec).unwrap();
            assert_eq!(parts.len(), part_count, "{count} by {threads}");
            assert_eq!(parts.concat(), numbers);
        }
    }
}
