//! Which packs go, and which are repacked: arithmetic, without a store.

use crate::id::PackId;
use crate::layout::Class;
use crate::prune::options::{Amount, Chosen, MaxUnused};

/// Packs below this part of the configured size are small.
const SMALL_DIVISOR: u64 = 8;

/// One pack that could be chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) id: PackId,
    pub(super) class: Class,
    pub(super) bytes: u64,
    /// How many bytes of it are needed.
    pub(super) used_bytes: u64,
    pub(super) used_chunk_count: u64,
}

impl Candidate {
    const fn unused_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.used_bytes)
    }
}

/// What came of choosing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) chosen: Chosen,
    pub(super) unused: Amount,
    pub(super) repacked: Amount,
    pub(super) rewritten_bytes: u64,
    pub(super) slack_bytes: u64,
}

/// How much may stay, and what may be done about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_unused: MaxUnused,
    pub(super) max_repack_bytes: u64,
    /// There is room for so many bytes of new packs.
    pub(super) max_rewritten_bytes: u64,
    pub(super) pack_bytes_target: u64,
}

impl Limits {
    const fn is_strict(&self) -> bool {
        matches!(self.max_unused, MaxUnused::Bytes(0) | MaxUnused::Share(0))
    }
}

/// Chooses the packs that nothing needs, and those with the largest unused part until what is left unused is within
/// the limit; then small packs that together fill one. What is unused in these goes along with what is needed, and so it
/// counts as left: to compress a frame takes zstd nine times as long as to decode it.
pub(super) fn choose(mut candidates: Vec<Candidate>, limits: Limits) -> Choice {
    let mut choice = Choice::default();
    candidates.retain(|pack| {
        if pack.used_chunk_count > 0 {
            return true;
        }
        choice.unused.add(pack.bytes);
        choice.chosen.unused.push(pack.id);
        false
    });
    let used_bytes = candidates.iter().map(|pack| pack.used_bytes).fold(0, u64::saturating_add);
    choice.slack_bytes = candidates.iter().map(Candidate::unused_bytes).fold(0, u64::saturating_add);
    let Some(limit_bytes) = limits.max_unused.limit_bytes(used_bytes) else { return choice };
    let mut merge = small_classes(&candidates, limits);
    // The largest unused part first; of equal ones the smaller id, so that two collectors choose alike.
    candidates.sort_by_key(|pack| {
        let part = u128::from(pack.unused_bytes()).saturating_mul(1 << 32) / u128::from(pack.bytes.max(1));
        (std::cmp::Reverse(part), pack.id)
    });
    let mut taken = Taken::default();
    for pack in candidates {
        let is_small = merge.contains(&pack.class) && pack.bytes < limits.pack_bytes_target / SMALL_DIVISOR;
        let is_wasteful = choice.slack_bytes > limit_bytes && pack.unused_bytes() > 0;
        if !(is_wasteful || is_small) || taken.bytes.saturating_add(pack.bytes) > limits.max_repack_bytes {
            continue;
        }
        if !taken.take(pack, is_wasteful, limits.max_rewritten_bytes) {
            choice.chosen.unroomed.extend(is_wasteful.then_some(pack.id));
            continue;
        }
        if is_wasteful {
            choice.slack_bytes = choice.slack_bytes.saturating_sub(pack.unused_bytes());
        }
        // Small packs that are full come last: a single one joins what is written of its class anyway, beside which it
        // would be the second.
        if limits.is_strict() {
            merge.push(pack.class);
        }
    }
    if choice.slack_bytes <= limit_bytes {
        choice.chosen.unroomed.clear();
    }
    taken.tell(&mut choice);
    choice
}

/// The packs that are rewritten.
#[derive(Default)]
struct Taken {
    repack: Vec<Candidate>,
    merge: Vec<Candidate>,
    bytes: u64,
    rewritten_bytes: u64,
}

impl Taken {
    /// Takes a pack, if there is room for what is written of it.
    fn take(&mut self, pack: Candidate, is_wasteful: bool, max_rewritten_bytes: u64) -> bool {
        let (packs, written_bytes) =
            if is_wasteful { (&mut self.repack, pack.used_bytes) } else { (&mut self.merge, pack.bytes) };
        let rewritten_bytes = self.rewritten_bytes.saturating_add(written_bytes);
        if rewritten_bytes > max_rewritten_bytes {
            return false;
        }
        packs.push(pack);
        self.bytes = self.bytes.saturating_add(pack.bytes);
        self.rewritten_bytes = rewritten_bytes;
        true
    }

    /// Says what is repacked and merged. A small pack that nothing of its class joins would be written again as it is, each
    /// time: the others may have found no place within the limits.
    fn tell(mut self, choice: &mut Choice) {
        for class in Class::ALL {
            let of_class = self.repack.iter().chain(&self.merge).filter(|pack| pack.class == class);
            if of_class.count() < 2 {
                let alone = self.merge.extract_if(.., |pack| pack.class == class);
                let alone_bytes = alone.map(|pack| pack.bytes).fold(0, u64::saturating_add);
                self.rewritten_bytes = self.rewritten_bytes.saturating_sub(alone_bytes);
            }
        }
        choice.rewritten_bytes = self.rewritten_bytes;
        self.repack.iter().chain(&self.merge).for_each(|pack| choice.repacked.add(pack.bytes));
        choice.chosen.repack = self.repack.iter().map(|pack| pack.id).collect();
        choice.chosen.merge = self.merge.iter().map(|pack| pack.id).collect();
    }
}

/// The classes whose small packs are merged: together they fill half a pack, so that each byte is rewritten a few times
/// in its life; without a limit of patience, as soon as there are two.
fn small_classes(candidates: &[Candidate], limits: Limits) -> Vec<Class> {
    let is_merged = |class: &Class| {
        let small = candidates
            .iter()
            .filter(|pack| pack.class == *class && pack.bytes < limits.pack_bytes_target / SMALL_DIVISOR);
        let (count, bytes) = small.fold((0u32, 0u64), |(count, bytes), pack| {
            (count.saturating_add(1), bytes.saturating_add(pack.used_bytes))
        });
        count >= 2 && (limits.is_strict() || bytes >= limits.pack_bytes_target / 2)
    };
    Class::ALL.into_iter().filter(is_merged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(number: u8, bytes: u64, used_bytes: u64) -> Candidate {
        let used_chunk_count = u64::from(used_bytes > 0);
        Candidate { id: PackId::from_bytes([number; 32]), class: Class::Content, bytes, used_bytes, used_chunk_count }
    }

    fn numbers(packs: &[PackId]) -> Vec<u8> {
        packs.iter().map(|id| id.as_bytes()[0]).collect()
    }

    fn limits(max_unused: MaxUnused) -> Limits {
        Limits { max_unused, max_repack_bytes: u64::MAX, max_rewritten_bytes: u64::MAX, pack_bytes_target: 0 }
    }

    #[test]
    fn what_nothing_needs_goes_and_the_most_wasteful_are_repacked_until_the_rest_is_within_the_limit() {
        let packs = vec![pack(1, 100, 100), pack(2, 100, 0), pack(3, 100, 90), pack(4, 100, 10), pack(5, 100, 40)];
        let choice = choose(packs.clone(), limits(MaxUnused::Share(500)));
        assert_eq!(numbers(&choice.chosen.unused), [2]);
        assert_eq!(numbers(&choice.chosen.repack), [4, 5], "then 10 of 240 are unused");
        assert_eq!(choice.slack_bytes, 10);
        assert_eq!(choice.rewritten_bytes, 50);
        assert_eq!(numbers(&choose(packs.clone(), limits(MaxUnused::Share(0))).chosen.repack), [4, 5, 3]);
        let nothing = choose(packs.clone(), limits(MaxUnused::Unlimited));
        assert_eq!((numbers(&nothing.chosen.repack), nothing.slack_bytes), (vec![], 160));
        let little = Limits { max_repack_bytes: 150, ..limits(MaxUnused::Share(0)) };
        assert_eq!(numbers(&choose(packs, little).chosen.repack), [4]);
    }

    #[test]
    fn what_there_is_no_room_for_waits_unless_others_bring_the_rest_within_the_limit() {
        let packs = || vec![pack(1, 100, 60), pack(2, 100, 70), pack(3, 100, 90)];
        let chosen = |max_unused, max_rewritten_bytes| {
            let limits = Limits { max_rewritten_bytes, ..limits(max_unused) };
            let chosen = choose(packs(), limits).chosen;
            (numbers(&chosen.repack), numbers(&chosen.unroomed))
        };
        assert_eq!(chosen(MaxUnused::Bytes(10), 130), (vec![1, 2], vec![]));
        assert_eq!(chosen(MaxUnused::Bytes(10), 100), (vec![1], vec![2, 3]));
        assert_eq!(chosen(MaxUnused::Bytes(30), 80), (vec![1], vec![2, 3]));
        assert_eq!(chosen(MaxUnused::Bytes(40), 80), (vec![1], vec![]));
        assert_eq!(chosen(MaxUnused::Bytes(10), 0), (vec![], vec![1, 2, 3]));
        let late = Limits { max_rewritten_bytes: 95, ..limits(MaxUnused::Bytes(30)) };
        let choice = choose(vec![pack(1, 200, 100), pack(2, 100, 20)], late);
        assert_eq!((numbers(&choice.chosen.repack), numbers(&choice.chosen.unroomed)), (vec![2], vec![1]));
    }

    #[test]
    fn small_packs_are_merged_once_they_fill_half_a_pack() {
        let small = |count: u8| (1..=count).map(|number| pack(number, 10, 10)).collect::<Vec<_>>();
        let of = |max_unused| Limits { pack_bytes_target: 100, ..limits(max_unused) };
        let merged = |count, max_unused| choose(small(count), of(max_unused)).chosen.merge.len();
        assert_eq!(merged(4, MaxUnused::default()), 0);
        assert_eq!(merged(5, MaxUnused::default()), 5);
        assert_eq!(merged(2, MaxUnused::Share(0)), 2);
        assert_eq!(merged(1, MaxUnused::Share(0)), 0, "alone it would only be rewritten");
        assert_eq!(merged(9, MaxUnused::Unlimited), 0);
        let beside_waste = |max_unused| {
            let chosen = choose(vec![pack(1, 10, 10), pack(2, 100, 90)], of(max_unused)).chosen;
            (numbers(&chosen.repack), numbers(&chosen.merge))
        };
        assert_eq!(beside_waste(MaxUnused::Share(0)), (vec![2], vec![1]));
        assert_eq!(beside_waste(MaxUnused::Bytes(1)), (vec![2], vec![]));
    }

    /// It was written again each night.
    #[test]
    fn a_small_pack_that_no_other_joins_within_the_limits_is_left_alone() {
        let small = |max_repack_bytes, max_rewritten_bytes| {
            let of = Limits { max_repack_bytes, max_rewritten_bytes, ..limits(MaxUnused::Share(0)) };
            let packs = vec![pack(1, 10, 10), pack(2, 10, 10), pack(3, 500, 400)];
            choose(packs, Limits { pack_bytes_target: 100, ..of })
        };
        assert_eq!(numbers(&small(20, u64::MAX).chosen.merge), [1, 2]);
        for alone in [small(19, u64::MAX), small(u64::MAX, 19)] {
            assert_eq!((alone.chosen.merge.len(), alone.repacked.bytes, alone.rewritten_bytes), (0, 0, 0));
        }
    }

    #[test]
    fn what_is_unused_in_small_packs_counts_as_left_when_they_are_only_merged() {
        let packs = || (1..=9).map(|number| pack(number, 10, 9)).chain([pack(10, 100, 20)]).collect();
        let limits = Limits { pack_bytes_target: 100, ..limits(MaxUnused::Bytes(9)) };
        let choice = choose(packs(), limits);
        assert_eq!((numbers(&choice.chosen.repack), choice.chosen.merge.len()), (vec![10], 9));
        assert_eq!((choice.slack_bytes, choice.rewritten_bytes, choice.repacked.bytes), (9, 20 + 90, 190));
        let strict = choose(packs(), Limits { max_unused: MaxUnused::Share(0), ..limits });
        assert_eq!((strict.chosen.repack.len(), strict.slack_bytes, strict.rewritten_bytes), (10, 0, 20 + 81));
    }
}
