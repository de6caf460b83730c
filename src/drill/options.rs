//! What a drill is asked to do.

use crate::error::{Error, ErrorKind, Result};
use crate::record::DRILL_SHARE_WHOLE;
use std::path::{Path, PathBuf};

/// How much of a snapshot is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    millionths: u32,
}

impl Sample {
    /// All of it.
    pub const WHOLE: Self = Self { millionths: DRILL_SHARE_WHOLE };

    /// How many items in a million are picked.
    pub const fn millionths(self) -> u32 {
        self.millionths
    }

    /// Whether that is all.
    pub const fn is_whole(self) -> bool {
        self.millionths == DRILL_SHARE_WHOLE
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl std::str::FromStr for Sample {
    type Err = Error;

    /// `5%`, `0.25%`: above 0 and up to 100, with at most four decimals.
    fn from_str(text: &str) -> Result<Self> {
        let millionths = text.strip_suffix('%').and_then(millionths_of);
        let message = || format!("{text:?} is no share such as 5% or 0.25%");
        millionths.map(|millionths| Self { millionths }).ok_or_else(|| Error::new(ErrorKind::Invalid, message()))
    }
}

fn millionths_of(percent: &str) -> Option<u32> {
    let (whole, decimals) = percent.split_once('.').unwrap_or((percent, ""));
    let is_plain = decimals.len() <= 4 && whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit());
    let millionths = format!("{whole}{decimals:0<4}").parse().ok().filter(|_| is_plain && !whole.is_empty())?;
    (1..=DRILL_SHARE_WHOLE).contains(&millionths).then_some(millionths)
}

/// Where a drill restores to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrillPlace {
    /// Into a new folder in this one.
    Within(PathBuf),
    /// Into this folder, which is empty, or made if it is not there.
    At(PathBuf),
}

/// What becomes of what was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Afterwards {
    /// It is removed, however the drill ends. A folder that was there stays, empty.
    #[default]
    Remove,
    /// It stays.
    Keep,
}

/// Whether what was restored is compared with what it was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Live {
    /// It is not: the snapshot is of another machine, say.
    #[default]
    PassOver,
    /// It is, where the file at its path has the size, times and inode number that it had when it was backed up.
    Compare,
}

/// How to drill.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DrillOptions {
    pub(super) sample: Sample,
    pub(super) seed: Option<u64>,
    pub(super) place: DrillPlace,
    pub(super) afterwards: Afterwards,
    pub(super) live: Live,
}

impl DrillOptions {
    /// Restores a whole snapshot to a place and removes it afterwards, without looking at live files.
    pub const fn new(place: DrillPlace) -> Self {
        Self { sample: Sample::WHOLE, seed: None, place, afterwards: Afterwards::Remove, live: Live::PassOver }
    }

    /// How much is restored.
    #[must_use]
    pub const fn sample(mut self, sample: Sample) -> Self {
        self.sample = sample;
        self
    }

    /// Takes the sample that a drill with this seed took; otherwise one at random.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// What becomes of what was restored.
    #[must_use]
    pub const fn afterwards(mut self, afterwards: Afterwards) -> Self {
        self.afterwards = afterwards;
        self
    }

    /// Whether live files are compared.
    #[must_use]
    pub const fn live(mut self, live: Live) -> Self {
        self.live = live;
        self
    }

    /// The folder that is restored into, or in which a new one is made for that.
    pub(crate) fn folder(&self) -> &Path {
        match &self.place {
            DrillPlace::Within(folder) | DrillPlace::At(folder) => folder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Sample>().ok().map(Sample::millionths);
        for (text, millionths) in
            [("5%", 50_000), ("0.25%", 2_500), ("100%", 1_000_000), ("0.0001%", 1), ("12.5%", 125_000)]
        {
            assert_eq!(read(text), Some(millionths), "{text}");
        }
        for text in ["5", "%", "0%", "101%", "100.1%", "-5%", "0.00001%", ".5%", "5%%", "5 %", "1e2%", ""] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(Sample::default().is_whole() && "100%".parse::<Sample>().unwrap().is_whole());
    }
}
