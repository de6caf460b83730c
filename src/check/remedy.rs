//! What helps against damage: the sentence that a report gives with it.

/// A small object that can't be believed, or is gone.
pub(super) const OBJECT: &str = "heal it with `holdall check --repair`, or put it back from another copy of the store";
/// A small object that is there a second time, under another one's name.
pub(super) const DOUBLE: &str = "if there never was another object of this name, remove the file: it holds nothing else; otherwise heal it with `holdall check --repair`, or put it back from another copy of the store";
/// The second copy of another object, where there is none of its name.
pub(super) const STRAY: &str = "remove it once the object that it is a copy of is sound: it holds nothing else";
/// An outcome that this machine knows of.
pub(super) const UNFOUND: &str = "put it back from another copy of the store: nothing is written from here until then; if the repository was set back on purpose, or there is no copy, the next run that writes goes on without it with --accept-rollback";
/// The object of a session, or a sign of life.
pub(super) const SIGN: &str = "nothing needs it once its session has ended, and a prune removes it then: wait for the writer, or end the session with `holdall sessions abort`, if `holdall sessions` or a prune names it";
/// A segment.
pub(super) const SEGMENT: &str = "run `holdall repair index`: it heals the segment, or rebuilds it from the packs";
/// An object that this user may not read.
pub(super) const UNREAD: &str =
    "let a user who may read it run this: nothing is known of it, and it need not be damaged";
/// Chunks that no segment lists.
pub(super) const UNLISTED: &str = "run `holdall repair index`; what is missed afterwards comes back with `holdall repair packs` from what still has it (--from PATH, --from-repo DIR), or with the next backup of the files that are named; `holdall repair snapshots` makes snapshots of what is left";
/// A pack.
pub(super) const PACK: &str = "run `holdall repair packs`: it heals the pack or saves what can be read of it, and stores the rest anew from what still has it (--from PATH, --from-repo DIR); or back up the files again that are named, after it";
/// A pack of which its segment says what is not so.
pub(super) const ROW: &str = "no honest program writes this: find out who holds the key that signed the segment; what the pack holds can be read all the same";
/// A chunk.
pub(super) const CHUNK: &str = "run `holdall repair packs` with what still has it (--from PATH, --from-repo DIR), or back up the files again that are named; `holdall repair snapshots` makes snapshots of what is left";
/// A node of a tree.
pub(super) const NODE: &str = "run the repairs that are named with segments and packs first; then `holdall repair packs --from-repo DIR`, if there is a copy of the repository, or back up again with --force; `holdall repair snapshots` makes snapshots of what is left";
/// A tree that was written so.
pub(super) const FORGED: &str =
    "no honest program writes this: find out who holds the key that signed the snapshot, and forget it";
/// A record of what was verified.
pub(super) const VERIFIED: &str = "remove it: nothing needs it, and the packs that it named are read again";
/// A second copy, or the object that it bears the name of.
pub(super) const COPY: &str = "heal it with `holdall check --repair`: of the two, a key tells which one is right; where neither is, put the object back from another copy of the store, and then heal the copy";
/// Parity, or a second copy.
pub(super) const HEALING: &str =
    "`holdall scrub --repair` writes it anew; nothing reads it while what it heals is sound";
