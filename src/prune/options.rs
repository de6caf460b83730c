//! What a prune is asked for, and what it says.

use crate::error::{Error, ErrorKind, Result};
use crate::frame::Compression;
use crate::id::{PackId, SessionId};
use crate::session::{OpenSession, UndecidedSession, Writer};
use std::collections::HashSet;
use std::time::Duration;

/// How much of the packs may stay unused: what is more is repacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxUnused {
    /// So many bytes.
    Bytes(u64),
    /// So many ten-thousandths of all packs.
    Share(u16),
    /// However much: nothing is repacked.
    Unlimited,
}

impl Default for MaxUnused {
    /// A twenty-fifth: what is spared by going below costs more reading and writing than it is worth. With what segments,
    /// sets of prunes and frames that are less full take beside it, a repository stays within a twentieth of one that was
    /// only ever given what is kept.
    fn default() -> Self {
        Self::Share(400)
    }
}

impl MaxUnused {
    /// How many bytes may be unused beside `used_bytes` that are used; none when there is no limit.
    pub fn limit_bytes(self, used_bytes: u64) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            // Of all: the unused are counted in.
            Self::Share(share) => {
                let rest = u128::from(10_000u16.saturating_sub(share)).max(1);
                Some(u64::try_from(u128::from(used_bytes).saturating_mul(share.into()) / rest).unwrap_or(u64::MAX))
            }
            Self::Unlimited => None,
        }
    }
}

impl std::str::FromStr for MaxUnused {
    type Err = Error;

    /// `5%`, `0.25%`, `unlimited`, or a number of bytes.
    fn from_str(text: &str) -> Result<Self> {
        let refuse =
            || Error::new(ErrorKind::Invalid, format!("{text:?} is no share such as 5%, and no number of bytes"));
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let Some(percent) = text.strip_suffix('%') else {
            return text.parse().map(Self::Bytes).map_err(|_| refuse());
        };
        let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
        let digits = part.len() <= 2 && part.bytes().chain(whole.bytes()).all(|byte| byte.is_ascii_digit());
        let hundredths = format!("{whole}{part:0<2}").parse::<u16>().ok().filter(|_| digits && !whole.is_empty());
        hundredths.filter(|share| *share < 10_000).map(Self::Share).ok_or_else(refuse)
    }
}

/// How to prune.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PruneOptions {
    pub(super) max_unused: MaxUnused,
    pub(super) max_repack_bytes: u64,
    /// There is room for so many bytes of new packs.
    pub(super) max_rewritten_bytes: u64,
    pub(super) silent_after: Duration,
    pub(super) compression: Compression,
    pub(super) writer: Writer,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            max_unused: MaxUnused::default(),
            max_repack_bytes: u64::MAX,
            max_rewritten_bytes: u64::MAX,
            silent_after: Duration::from_secs(6 * 3600),
            compression: Compression::AUTO,
            writer: Writer::default(),
        }
    }
}

impl PruneOptions {
    /// How much may stay unused.
    #[must_use]
    pub const fn max_unused(mut self, max_unused: MaxUnused) -> Self {
        self.max_unused = max_unused;
        self
    }

    /// How many bytes of packs are read at most to repack them.
    #[must_use]
    pub const fn max_repack_bytes(mut self, bytes: u64) -> Self {
        self.max_repack_bytes = bytes;
        self
    }

    /// How long a session's heartbeat must have stood still before it is ended, where its process can't be looked at.
    #[must_use]
    pub const fn silent_after(mut self, silent_after: Duration) -> Self {
        self.silent_after = silent_after;
        self
    }

    /// How repacked content is compressed.
    #[must_use]
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Who prunes, for those who list sessions.
    #[must_use]
    pub fn writer(mut self, writer: Writer) -> Self {
        self.writer = writer;
        self
    }
}

/// Packs and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many packs.
    pub pack_count: u64,
    /// Their length.
    pub bytes: u64,
}

impl Amount {
    pub(super) const fn add(&mut self, bytes: u64) {
        self.join(Self { pack_count: 1, bytes });
    }

    pub(super) const fn join(&mut self, other: Self) {
        self.pack_count = self.pack_count.saturating_add(other.pack_count);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// How much a prune will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneSummary {
    /// The live snapshots, and staged outcomes.
    pub live_count: u64,
    /// All packs that are in the store.
    pub packs: Amount,
    /// Packs that nothing needs.
    pub unused: Amount,
    /// Packs whose needed chunks are copied, after which nothing needs them.
    pub repacked: Amount,
    /// How many bytes of those packs are written again: what is needed, and what goes along with it.
    pub rewritten_bytes: u64,
    /// Packs of earlier prunes that wait to be deleted.
    pub waiting: Amount,
    /// How many bytes stay unused in packs that are kept.
    pub slack_bytes: u64,
    /// Open sessions whose processes are gone: they are ended, and what they left is unused.
    pub dead: Vec<UndecidedSession>,
    /// Open sessions that may live: nothing is deleted before they have ended, unless they turn out to be silent.
    pub awaited: Vec<UndecidedSession>,
    /// What was noticed on the way.
    pub notices: Vec<String>,
}

/// The packs of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) unused: Vec<PackId>,
    /// Packs of which only what is needed is copied.
    pub(super) repack: Vec<PackId>,
    /// Small packs, of which frames are copied as they are.
    pub(super) merge: Vec<PackId>,
    /// Packs that would be repacked if there were room.
    pub(super) unroomed: Vec<PackId>,
    /// Packs that no committed session names.
    pub(super) orphans: Vec<PackId>,
}

impl Chosen {
    /// What both choices have: a plan that was shown is not exceeded, but for what silent sessions leave behind.
    pub(super) fn within(&self, shown: &Self) -> Self {
        let both = |own: &[PackId], shown: &HashSet<&PackId>| -> Vec<PackId> {
            own.iter().filter(|pack| shown.contains(pack)).copied().collect()
        };
        let rewritten = shown.repack.iter().chain(&shown.merge).collect();
        Self {
            unused: both(&self.unused, &shown.unused.iter().collect()),
            repack: both(&self.repack, &rewritten),
            merge: both(&self.merge, &rewritten),
            unroomed: both(&self.unroomed, &rewritten),
            orphans: self.orphans.clone(),
        }
    }

    /// Lets more packs go, whole or repacked: those that an earlier plan had shown to go.
    pub(super) fn allow(&mut self, packs: &[PackId]) {
        self.unused.extend(packs);
        self.repack.extend(packs);
        self.merge.extend(packs);
    }
}

/// A generation that could not be finished, because a writer that might need its packs is at work.
#[derive(Debug, Clone)]
pub struct WaitingGeneration {
    /// Its number.
    pub generation: u64,
    /// The packs that it condemned.
    pub packs: Amount,
    /// The sessions for which it waits.
    pub sessions: Vec<OpenSession>,
}

/// What a prune did.
#[derive(Debug, Clone, Default)]
pub struct PruneReport {
    /// Packs that were deleted.
    pub deleted: Amount,
    /// Packs into which needed chunks were copied.
    pub written: Amount,
    /// Packs that were condemned and came to be needed meanwhile.
    pub spared: Amount,
    /// What a later prune will delete, and what it waits for.
    pub waiting: Vec<WaitingGeneration>,
    /// Packs that were to be repacked, and were not for want of room.
    pub unroomed: Amount,
    /// How many bytes stay unused in packs that are kept.
    pub slack_bytes: u64,
    /// Silent sessions that were ended.
    pub aborted: Vec<SessionId>,
    /// How many segments were removed: others took their places, or no outcome names them.
    pub removed_segment_count: u64,
    /// How many frames could not be read. Their packs were left as they are.
    pub damaged_frame_count: u64,
    /// What was noticed on the way.
    pub notices: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

impl PruneReport {
    /// Adds what the next step did. What stays is as that step left it.
    pub(super) fn go_on(&mut self, step: Self) {
        self.deleted.join(step.deleted);
        self.written.join(step.written);
        self.spared.join(step.spared);
        self.waiting = step.waiting;
        self.unroomed = step.unroomed;
        self.slack_bytes = step.slack_bytes;
        self.aborted.extend(step.aborted);
        self.removed_segment_count = self.removed_segment_count.saturating_add(step.removed_segment_count);
        self.damaged_frame_count = self.damaged_frame_count.saturating_add(step.damaged_frame_count);
        let new = step.notices.into_iter().filter(|notice| !self.notices.contains(notice));
        self.notices.extend(new.collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_to_be_rewritten_may_be_in_either_way_and_nothing_else() {
        let [one, two, three] = [1, 2, 3].map(|byte| PackId::from_bytes([byte; 32]));
        let shown = Chosen { unused: vec![one], repack: vec![two], merge: vec![three], ..Chosen::default() };
        let now = Chosen {
            unused: vec![one, two],
            repack: vec![three],
            merge: vec![two, one],
            orphans: vec![one],
            ..Chosen::default()
        };
        let within = now.within(&shown);
        assert_eq!((within.unused, within.repack, within.merge), (vec![one], vec![three], vec![two]));
        assert_eq!(within.orphans, [one], "silent sessions leave them behind at any time");
    }

    #[test]
    fn a_share_a_size_and_no_limit_are_read_and_everything_else_is_refused() {
        let cases = [
            ("5%", Some(MaxUnused::Share(500))),
            ("0%", Some(MaxUnused::Share(0))),
            ("0.25%", Some(MaxUnused::Share(25))),
            ("99.9%", Some(MaxUnused::Share(9990))),
            ("unlimited", Some(MaxUnused::Unlimited)),
            ("0", Some(MaxUnused::Bytes(0))),
            ("1048576", Some(MaxUnused::Bytes(1 << 20))),
            ("100%", None),
            ("%", None),
            ("-1%", None),
            ("1.234%", None),
            ("much", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<MaxUnused>().ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_share_is_one_of_all_packs_used_and_unused() {
        assert_eq!(MaxUnused::Share(500).limit_bytes(95), Some(5));
        assert_eq!(MaxUnused::Share(0).limit_bytes(1 << 40), Some(0));
        assert_eq!(MaxUnused::Bytes(7).limit_bytes(0), Some(7));
        assert_eq!(MaxUnused::Unlimited.limit_bytes(1), None);
    }
}
