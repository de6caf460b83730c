//! What helps against damage: the sentence that a report gives with it.

/// A small object that can't be believed, or is gone.
pub(super) const OBJECT: &str = "heal it with `holdall scrub --repair`, or put it back from another copy of the store";
/// A segment.
pub(super) const SEGMENT: &str =
    "heal it with `holdall scrub --repair`, put it back from another copy of the store, or rebuild it from the packs";
/// Chunks that no segment lists.
pub(super) const UNLISTED: &str = "heal segments that are reported here, or put them back from another copy of the store; or back up the files again that are named";
/// A pack.
pub(super) const PACK: &str = "heal the pack with `holdall scrub --repair`, or put it back from another copy of the store; or back up the files again that are named here";
/// A chunk.
pub(super) const CHUNK: &str = "back up the files again that are named here";
/// A node of a tree.
pub(super) const NODE: &str = "heal the damaged pack with `holdall scrub --repair`, or put it back from another copy of the store; or back up again with --force";
/// A tree that was written so.
pub(super) const FORGED: &str =
    "no honest program writes this: find out who holds the key that signed the snapshot, and forget it";
/// A record of what was verified.
pub(super) const VERIFIED: &str = "remove it: nothing needs it, and the packs that it named are read again";
/// Parity, or a second copy.
pub(super) const HEALING: &str = "`holdall scrub --repair` writes it anew; nothing but healing ever reads it";
