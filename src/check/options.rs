//! What a check looks at, and for how long.

use crate::error::{Error, ErrorKind, Result};
use crate::id::PackId;
use crate::session::Writer;
use std::collections::BTreeSet;
use std::time::Duration;

/// How deep to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckDepth {
    /// Every small object is read; packs are compared with their listing by name and length; every tree is walked and
    /// every chunk that it names is looked for.
    #[default]
    Structure,
    /// Besides, frames are read, opened and decoded, and their chunks are hashed again.
    Data,
}

/// Which packs a check of the data reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadSubset {
    /// All of them.
    #[default]
    All,
    /// Those of one part, by their ids: the parts 1 to `parts` together are all packs, and none is in two of them.
    Part {
        /// Which part, from 1.
        part: u64,
        /// How many parts there are.
        parts: u64,
    },
    /// So many ten-thousandths of the packs, picked at random; at least one pack.
    Share(u16),
    /// As many packs as have about so many bytes, picked at random; at least one pack.
    Bytes(u64),
}

impl std::str::FromStr for ReadSubset {
    type Err = Error;

    /// `2/5`, `10%`, `2.5%`, or a number of bytes.
    fn from_str(text: &str) -> Result<Self> {
        let parsed = match (text.split_once('/'), text.strip_suffix('%')) {
            (Some((part, parts)), _) => part.parse().ok().zip(parts.parse().ok()).and_then(part_of),
            (None, Some(percent)) => share_of(percent),
            (None, None) => text.parse().ok().filter(|bytes| *bytes > 0).map(Self::Bytes),
        };
        let message = || format!("{text:?} is no part such as 2/5, no share such as 10%, and no number of bytes");
        parsed.ok_or_else(|| Error::new(ErrorKind::Invalid, message()))
    }
}

fn part_of((part, parts): (u64, u64)) -> Option<ReadSubset> {
    (1..=parts).contains(&part).then_some(ReadSubset::Part { part, parts })
}

/// A percentage above 0 and up to 100, with at most two decimals.
fn share_of(percent: &str) -> Option<ReadSubset> {
    let (whole, decimals) = percent.split_once('.').unwrap_or((percent, ""));
    let is_plain = decimals.len() <= 2 && whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit());
    let share = format!("{whole}{decimals:0<2}").parse().ok().filter(|_| is_plain && !whole.is_empty())?;
    (1..=10_000).contains(&share).then_some(ReadSubset::Share(share))
}

/// What a check does with what it learns about packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remember {
    /// Says in the repository which packs it read and found sound, for the checks that come.
    #[default]
    Verified,
    /// Writes nothing.
    Nothing,
}

/// What becomes of packs of put keys that a check of the data read and found sound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Vouch {
    /// They stay hits for sessions of their own key alone.
    #[default]
    ForNothing,
    /// A session of this writer says that they count for everybody, where the key at hand may repair.
    As(Writer),
}

/// How to check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckOptions {
    pub(super) depth: CheckDepth,
    pub(super) subset: ReadSubset,
    pub(super) age_max: Duration,
    pub(super) duration_max: Option<Duration>,
    pub(super) remember: Remember,
    pub(super) vouch: Vouch,
    pub(super) suspects: BTreeSet<PackId>,
}

impl CheckOptions {
    /// How deep to look.
    #[must_use]
    pub const fn depth(mut self, depth: CheckDepth) -> Self {
        self.depth = depth;
        self
    }

    /// Which packs are read, where data is read at all.
    #[must_use]
    pub const fn subset(mut self, subset: ReadSubset) -> Self {
        self.subset = subset;
        self
    }

    /// Passes over packs that an earlier check verified less than so long ago. The clock is believed for this, and so is
    /// whoever could sign that a pack was verified: without it everything is read.
    #[must_use]
    pub const fn age_max(mut self, age: Duration) -> Self {
        self.age_max = age;
        self
    }

    /// Begins to read no further pack after so long. Everything else is checked in full, however long it takes.
    #[must_use]
    pub const fn duration_max(mut self, duration: Duration) -> Self {
        self.duration_max = Some(duration);
        self
    }

    /// Whether the repository is told what was verified.
    #[must_use]
    pub const fn remember(mut self, remember: Remember) -> Self {
        self.remember = remember;
        self
    }

    /// Whether packs of put keys that were proved count for everybody from now on.
    #[must_use]
    pub fn vouch(mut self, vouch: Vouch) -> Self {
        self.vouch = vouch;
        self
    }

    /// Packs that are read in any case, however deep the check looks, and whatever earlier ones said of them.
    #[must_use]
    pub fn suspects(mut self, packs: impl IntoIterator<Item = PackId>) -> Self {
        self.suspects = packs.into_iter().collect();
        self
    }

    /// Whether any pack may be read.
    pub(super) fn reads_packs(&self) -> bool {
        self.depth == CheckDepth::Data || !self.suspects.is_empty()
    }

    /// Whether the check may open a session.
    pub(crate) fn vouches(&self) -> bool {
        self.vouch != Vouch::ForNothing && self.reads_packs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_read_as_restic_reads_them() {
        let cases = [
            ("1/1", Some(ReadSubset::Part { part: 1, parts: 1 })),
            ("7/300", Some(ReadSubset::Part { part: 7, parts: 300 })),
            ("100%", Some(ReadSubset::Share(10_000))),
            ("2.5%", Some(ReadSubset::Share(250))),
            ("0.01%", Some(ReadSubset::Share(1))),
            ("4096", Some(ReadSubset::Bytes(4096))),
        ];
        let refused =
            ["", "0/5", "6/5", "/", "1/", "-1/5", "0%", "0.00%", "101%", "100.01%", "2.555%", "%", ".5%", "-5%", "0"];
        for (text, subset) in cases.into_iter().chain(refused.map(|text| (text, None))) {
            assert_eq!(text.parse::<ReadSubset>().ok(), subset, "{text:?}");
        }
    }
}
