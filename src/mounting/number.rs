//! The numbers of files: where something lies, in 63 bits.

/// How many bits the number of a row takes: thirty-four thousand million rows a component.
const ORDINAL_BITS: u32 = 35;
/// How many bits the number of a component takes; all ones stand for the top of the snapshot, which may lie in none.
const COMPONENT_BITS: u32 = 10;
/// How many bits the number of a shown snapshot takes; 0 stands for the folders above the snapshots.
const PLACE_BITS: u32 = 18;

const ORDINAL_MAX: u64 = (1 << ORDINAL_BITS) - 1;
const COMPONENT_TOP: u64 = (1 << COMPONENT_BITS) - 1;
const PLACE_MAX: u64 = (1 << PLACE_BITS) - 1;
const BELOW_PLACE_BITS: u32 = ORDINAL_BITS + COMPONENT_BITS;
/// What tells the numbers that members of a hard-link group have in common from all others.
const GROUP_BIT: u64 = 1 << 63;

const _: () = assert!(BELOW_PLACE_BITS + PLACE_BITS == 63);

/// The number of a file in a mounted tree. The same file keeps it as long as the tree is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileNumber(u64);

/// What a number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    /// A folder above the snapshots.
    Folder(usize),
    /// The link to the newest snapshot in such a folder.
    Latest(usize),
    /// The top directory of a shown snapshot.
    Top { place: usize },
    /// A row of a component's manifest.
    Row { place: usize, component: usize, ordinal: u64 },
}

impl FileNumber {
    /// The top of everything, as file systems have it.
    pub const ROOT: Self = Self(1);

    /// Takes a number that a tree gave out.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The number itself.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The number of a spot; none for what lies beyond what numbers can tell.
    pub(super) fn of(spot: Spot) -> Option<Self> {
        let small = |number: usize, max: u64| u64::try_from(number).ok().filter(|number| *number <= max);
        let placed = |place: usize, component: u64, ordinal: u64| {
            let place = small(place, PLACE_MAX - 1)? + 1;
            Some(Self(place << BELOW_PLACE_BITS | component << ORDINAL_BITS | ordinal))
        };
        match spot {
            Spot::Folder(folder) => Some(Self(small(folder, ORDINAL_MAX)? * 2 + 1)),
            Spot::Latest(folder) => Some(Self(small(folder, ORDINAL_MAX)? * 2 + 2)),
            Spot::Top { place } => placed(place, COMPONENT_TOP, 0),
            Spot::Row { place, component, ordinal } => {
                let component = small(component, COMPONENT_TOP - 1)?;
                placed(place, component, Some(ordinal).filter(|ordinal| *ordinal <= ORDINAL_MAX)?)
            }
        }
    }

    /// What a number stands for; none for one that no spot has.
    pub(super) fn spot(self) -> Option<Spot> {
        let small = |number: u64| usize::try_from(number).ok();
        let (place, below) = (self.0 >> BELOW_PLACE_BITS, self.0 & ((1 << BELOW_PLACE_BITS) - 1));
        if self.0 & GROUP_BIT != 0 {
            return None;
        }
        let Some(place) = place.checked_sub(1) else {
            let folder = small(below.checked_sub(1)? / 2)?;
            return Some(if below % 2 == 1 { Spot::Folder(folder) } else { Spot::Latest(folder) });
        };
        let (component, ordinal) = (below >> ORDINAL_BITS, below & ORDINAL_MAX);
        let place = small(place)?;
        if component == COMPONENT_TOP {
            return Some(Spot::Top { place });
        }
        Some(Spot::Row { place, component: small(component)?, ordinal })
    }
}

/// The number that the members of a hard-link group in one shown snapshot have in common, from 16 bytes that name it.
pub(super) fn group_number(group: &[u8; 16], place: usize) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(group);
    hasher.update(&u64::try_from(place).unwrap_or(u64::MAX).to_le_bytes());
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_le_bytes(first) | GROUP_BIT
}

/// Where a directory goes on after a row, below 2^46: the component, and the row's number.
pub(super) fn position(component: usize, ordinal: u64) -> Option<u64> {
    let component = u64::try_from(component).ok().filter(|component| *component < COMPONENT_TOP)?;
    Some(component << ORDINAL_BITS | Some(ordinal).filter(|ordinal| *ordinal <= ORDINAL_MAX)?)
}

/// The component and the row of a position.
pub(super) fn row_of(position: u64) -> (usize, u64) {
    (usize::try_from(position >> ORDINAL_BITS).unwrap_or(usize::MAX), position & ORDINAL_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spot_has_a_number_of_its_own_and_comes_back() {
        let spots = [
            Spot::Folder(0),
            Spot::Folder(1),
            Spot::Latest(0),
            Spot::Latest(77),
            Spot::Top { place: 0 },
            Spot::Top { place: 261_000 },
            Spot::Row { place: 0, component: 0, ordinal: 0 },
            Spot::Row { place: 0, component: 1, ordinal: 0 },
            Spot::Row { place: 3, component: 1022, ordinal: ORDINAL_MAX },
        ];
        let numbers: Vec<FileNumber> = spots.iter().map(|spot| FileNumber::of(*spot).unwrap()).collect();
        for (number, spot) in numbers.iter().zip(spots) {
            assert_eq!(number.spot(), Some(spot));
        }
        let distinct: std::collections::BTreeSet<_> = numbers.iter().collect();
        assert_eq!(distinct.len(), numbers.len());
        assert_eq!(FileNumber::of(Spot::Folder(0)), Some(FileNumber::ROOT));
    }

    #[test]
    fn what_numbers_can_t_tell_has_none() {
        assert_eq!(FileNumber::of(Spot::Row { place: 0, component: 1023, ordinal: 0 }), None);
        assert_eq!(FileNumber::of(Spot::Row { place: 0, component: 0, ordinal: ORDINAL_MAX + 1 }), None);
        assert_eq!(FileNumber::of(Spot::Top { place: 1 << 18 }), None);
        assert_eq!(FileNumber::from_raw(0).spot(), None);
        assert_eq!(FileNumber::from_raw(group_number(&[7; 16], 0)).spot(), None);
    }
}
