//! Chance that a seed repeats, and many seeds on all cores.

use std::sync::atomic::{AtomicU64, Ordering};

/// Xorshift, seeded.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring throws.
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ mixed >> 31) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len().try_into().unwrap())).unwrap()]
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// A number that the environment may set.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Runs `count` seeds from `first` on, on all cores, until one fails; each thread has a base of its own. Returns the sum of
/// what the runs gave, or what the first failure says.
pub(crate) fn try_seeds<B>(
    (first, count): (u64, u64),
    base: impl Fn() -> B + Sync,
    run: impl Fn(&B, u64) -> Result<u64, String> + Sync,
) -> Result<u64, String> {
    let next = AtomicU64::new(first);
    let run_some = || -> Result<u64, String> {
        let base = base();
        let mut sum = 0;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return Ok(sum);
            }
            sum += run(&base, seed).inspect_err(|_| next.store(first + count, Ordering::Relaxed))?;
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run_some)).collect();
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        ended.into_iter().sum()
    })
}
