//! Which items of a snapshot are in a sample. Byte-exact in format-spec/08-snapshot-and-outcome.md.

use crate::drill::options::Sample;
use crate::manifest::Entry;
use crate::record::DRILL_SHARE_WHOLE;
use crate::restore::Choice;

const CONTEXT: &str = "holdall 1 drill sample";

/// Picks items, the same ones each time; all names of one file, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pick {
    seed: u64,
    limit: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// Everything is picked.
    None,
    /// What is numbered below.
    Below(u64),
}

impl Pick {
    pub(super) fn new(sample: Sample, seed: u64) -> Self {
        if sample.is_whole() {
            return Self { seed: 0, limit: Limit::None };
        }
        let limit = (u128::from(sample.millionths()) << 64) / u128::from(DRILL_SHARE_WHOLE);
        Self { seed, limit: u64::try_from(limit).map_or(Limit::None, Limit::Below) }
    }

    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }

    /// The same, and what has this number or a lower one.
    pub(super) fn up_to(mut self, number: u64) -> Self {
        self.limit = number.checked_add(1).map_or(Limit::None, Limit::Below);
        self
    }

    /// The number of an item, by which it is picked.
    pub(super) fn number(&self, entry: &Entry) -> u64 {
        let name = entry.group.as_ref().map_or(entry.key.as_bytes(), |group| group.as_bytes().as_slice());
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.seed.to_le_bytes()).update(name);
        let mut first = [0; 8];
        hasher.finalize_xof().fill(&mut first);
        u64::from_le_bytes(first)
    }

    pub(super) fn takes(&self, entry: &Entry) -> bool {
        match self.limit {
            Limit::None => true,
            Limit::Below(limit) => self.number(entry) < limit,
        }
    }

    /// What a restore does with an item: a directory that is not picked is made for what is picked in it.
    pub(super) fn choose(&self, entry: &Entry) -> Choice {
        if self.takes(entry) { Choice::Take } else { Choice::Pass }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Body, Content, Key};

    fn entry(name: &str) -> Entry {
        Entry::new(Key::from_path(name.as_ref()).unwrap(), Body::File(Content::empty()))
    }

    fn share(text: &str) -> Sample {
        text.parse().unwrap()
    }

    #[test]
    fn a_seed_always_picks_the_same_and_over_many_seeds_every_item_is_picked() {
        let entries: Vec<Entry> = (0..500).map(|number| entry(&format!("/srv/{number}"))).collect();
        let picked = |seed: u64| -> Vec<usize> {
            let pick = Pick::new(share("5%"), seed);
            (0..entries.len()).filter(|at| pick.takes(&entries[*at])).collect()
        };
        assert_eq!(picked(7), picked(7));
        assert_ne!(picked(7), picked(8));
        let mut times = vec![0u32; entries.len()];
        let mut all = 0;
        for seed in 0..400 {
            let picked = picked(seed);
            all += picked.len();
            picked.iter().for_each(|at| times[*at] += 1);
        }
        // 20 times each is expected; 10 000 in all.
        assert!(times.iter().all(|times| (2..60).contains(times)), "{times:?}");
        assert!((9_000..11_000).contains(&all), "{all}");
    }

    #[test]
    fn the_whole_takes_everything_and_a_share_what_the_format_says() {
        let one = entry("/a");
        assert!(Pick::new(Sample::WHOLE, 9).takes(&one));
        assert_eq!(Pick::new(Sample::WHOLE, 9).seed(), 0);
        let pick = Pick::new(share("50%"), 9);
        let number = u64::from_le_bytes(
            blake3::derive_key("holdall 1 drill sample", b"\x09\0\0\0\0\0\0\0a")[..8].try_into().unwrap(),
        );
        assert_eq!(pick.number(&one), number);
        assert_eq!(pick.takes(&one), number < 1 << 63);
        assert!(pick.up_to(number).takes(&one) && pick.up_to(u64::MAX).takes(&one));
        assert!(!pick.up_to(number - 1).takes(&one));
    }
}
