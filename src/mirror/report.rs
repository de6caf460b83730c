//! What a mirror run did.

use crate::excerpt::Excerpt;
use std::time::Duration;

/// An object that is not what its name or checksum says, on one side or both.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorDamage {
    /// Its name.
    pub object: String,
    /// What is wrong, and where.
    pub wrong: String,
}

/// What a mirror run did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct MirrorReport {
    /// How many objects were copied, or would be.
    pub copied_count: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Objects of the mirror that were damaged and now have the source's bytes.
    pub healed_count: u64,
    /// Objects of the mirror that the source does not have any more.
    pub extra_count: u64,
    /// Objects that are damaged in the source, and in the mirror if they are there.
    pub damage: Excerpt<MirrorDamage>,
    /// How long it took.
    pub duration: Duration,
}

impl MirrorReport {
    pub(super) const fn add_copied(&mut self, bytes: u64) {
        self.copied_count = self.copied_count.saturating_add(1);
        self.copied_bytes = self.copied_bytes.saturating_add(bytes);
    }

    pub(super) fn add_damage(&mut self, object: String, wrong: String) {
        self.damage.push(MirrorDamage { object, wrong });
    }
}
