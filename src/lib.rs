//! A content-addressed, deduplicating, encrypted backup repository that needs no server, no lock and no trust in clocks.
//!
//! ```
//! use holdall::{BackupOptions, CreateOptions, OpenOptions, Repository, RestoreOptions, Silent, Unlock};
//! # use holdall::KdfCost;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let place = tempfile::tempdir()?;
//! # let place = place.path();
//! # std::fs::create_dir(place.join("letters"))?;
//! # std::fs::write(place.join("letters/first"), "Dear Ada,")?;
//! let password = Unlock::Password(b"correct horse battery staple");
//! # let create = CreateOptions::default().kdf(KdfCost::CHEAP);
//! # #[cfg(any())]
//! let create = CreateOptions::default();
//! Repository::create(&place.join("repository"), password, &create)?;
//!
//! let options = OpenOptions::new(place.join("cache"), place.join("state"));
//! let repository = Repository::open(&place.join("repository"), password, options)?;
//! let report = repository.backup(&BackupOptions::new([place.join("letters")]), &Silent)?;
//! assert_eq!(report.changes.files_new, 1);
//!
//! let snapshot = repository.resolve(&"latest".parse()?, &Default::default())?;
//! let letters = holdall::Key::from_path(&place.join("letters"))?;
//! repository.restore(&snapshot, &RestoreOptions::new(place.join("restored")).path(letters), &Silent)?;
//! assert_eq!(std::fs::read(place.join("restored/first"))?, b"Dear Ada,");
//! # Ok(())
//! # }
//! ```
//!
//! # Words
//! A *repository* is everything under one root; its objects live in a *store* and are immutable, each written once under
//! a name of its own. Content is cut into *chunks* by what it holds; consecutive new chunks are compressed and sealed
//! together as a *frame*; many frames make a *pack*. A *segment* lists what packs hold; the *index* is a view of all
//! segments that can be thrown away. A *manifest* is the sorted tree of everything one component of a backup holds. A
//! *session* is one writing run, and its *outcome* the single object that commits or aborts it. A *snapshot* is a
//! committed session with manifests.
//!
//! # What excludes what
//! Nothing: every operation may run beside every other one, in any number of processes on any number of machines.
//!
//! | beside | a backup | a restore, list or check | a prune |
//! | --- | --- | --- | --- |
//! | **a backup** | both open sessions of their own; what both store at the same time is stored twice | reads what was committed when it began | counts on no pack that is condemned; the prune leaves its packs condemned until the backup has ended |
//! | **a restore, list or check** | needs no lock and takes none | both only read | finds a chunk that moved in its new pack |
//! | **a prune** | as above | as above | each numbers its generation above all that it knew, and finishes those of the others |
//! | **a forget** | a snapshot that commits after the plan was made is not in it | goes on reading: a record deletes nothing | a record deletes nothing; what is forgotten before a prune looks again is not needed |
//! | **a pin** | nothing in common | only read a mark | nothing in common |
//! | **an undo** | both are sessions | sees the snapshot again | tests that all it needs is there; the prune waits for it, or has published before what it deletes |
//! | **a copy into it** | both are backups in this | as a backup | as a backup |
//! | **a copy out of it** | as a restore | both only read | finds a chunk that moved in its new pack; a snapshot that is forgotten and collected meanwhile is not copied |
//!
//! | beside | a forget | a pin | an undo |
//! | --- | --- | --- | --- |
//! | **a forget** | each record counts; what both forget is forgotten by two | whoever comes second sees the other: the forget leaves the snapshot out, the pin brings it back | a forget that the undo has not seen counts |
//! | **a pin** | | the one that was made last decides | the snapshot lives and is pinned |
//! | **an undo** | | | both commit the same statement |
//!
//! A mirror reads objects as they are, and nothing that it reads changes. What a prune moves before it was read is looked for
//! anew, and the snapshots of the mirror count only when everything is there that was listed with them.
//!
//! A change of keys excludes nothing either: it makes the next configuration, and whoever opens the repository afterwards
//! goes by that. An operation that was open before goes on under the configuration that it read.
//!
//! A check that reads data also says in the repository which packs it found sound, and when. Only other checks look at
//! that, so it is beside every other operation as one that only reads. Where it vouches for packs of put keys, it does so
//! in a session, as a repair does.
//!
//! A drill is a restore beside other operations, and a record at its end.
//!
//! What makes a snapshot live again is a session like any other (an undo, a pin of a forgotten snapshot): it is open
//! before it tests that all it needs is there, so a prune waits for it or has published before what it deletes. So is a
//! repair: it is open before it reads what it relies upon. A prune that compacts beside it may bring back a row that it
//! took away; the next repair takes it away again.
//!
//! # The house
//! A module imports only from lower ranks: *0* id, wire, excerpt, progress, read_buffer, threads;
//! *1* chunk, frame, fs, layout, pattern, seal;
//! *2* the stored structures (pack, manifest, segment, envelope, config, key, session_record, outcome, record, gc, parity);
//! *3* store, index, source, destination, owner, restic; *4* error; *5* access, heal; *6* content; *7* session; *8* needed;
//! *9* backup, restore, look, mounting, check, copy, forget, keys, mirror, prune, repair, scrub, stats; *10* drill, import,
//! info; *11* repository. The command `holdall` adds *12* profile and *13* cli. What is on disk is written down byte by byte
//! in the folder `format-spec`.

pub mod error;
pub mod id;
pub mod progress;

pub use backup::{
    BackupOptions, BackupReport, Changes, Need, ParentChoice, Problem, ProblemKind, RehashShare, Rehashed, StreamFate,
    StreamSource, Unfinished,
};
pub use check::{CheckDepth, CheckOptions, CheckReport, Damage, ReadSubset, Remember, Verification, Vouch};
pub use config::{Parameters, Role};
pub use copy::{
    CopiedSnapshot, CopyOptions, CopyPlan, CopyReport, CopyWanted, LackingSnapshot, PresentCopy, Way as CopyWay,
};
pub use drill::{
    Afterwards, Drill, DrillConclusion, DrillFinding, DrillFindingKind, DrillOptions, DrillPlace, DrillPlan,
    DrillReport, DrillRestore, Live, Recorded, Sample as DrillSample,
};
pub use error::{Error, ErrorKind, Result};
pub use excerpt::Excerpt;
pub use forget::{
    CalendarSpan, Fate, ForgetPlan, ForgetReport, Goes, GroupField, GroupKey, GroupPlan, KeepCount, Period, PinReport,
    PlacesLeft, RetentionOptions, RetentionPolicy, Stays, UndoReport, Verdict, Zone,
};
pub use frame::{Compression, CompressionLevel, EncoderFault};
pub use heal::{ProtectOptions, ProtectReport};
pub use id::{NodeId, ObjectHash, RepositoryId, SessionId, SignerKey, SnapshotId};
pub use import::{ImportOptions, ImportPlan, ImportReport, ImportSnapshot, Standing as ImportStanding};
pub use info::{
    FeatureInUse, GenerationInfo, ItemProblem, ParentStanding, Remark, RemarkKind, RepositoryInfo, SnapshotCounts,
    SnapshotInfo, UsedDirectory,
};
pub use key::{KdfCost, Unlock, UnlockKind, format_key_file, format_recovery_key, parse_key_file};
pub use keys::{
    AddedKey, ChangedKey, Grant, KeySlot, KeyStanding, NewKeyOptions, RemovedKey, SameSecret, SlotOwner, SlotlessKey,
};
pub use look::{DumpForm, DumpReport, Entries};
pub use manifest::{Body, Difference, Entry, Key, Kind, Timestamp};
pub use mirror::{MirrorDamage, MirrorDepth, MirrorKeyRemoval, MirrorRemovalPlan, MirrorRemovalReport, MirrorReport};
pub use mounting::{
    Attributes, DirectoryRow, FileNumber, Lifetime, MountOptions, MountedTree, NameTime, OpenDirectory, OpenFile,
    PathTemplate, Seek, Taken,
};
pub use outcome::{ComponentKind, ComponentState, Counts, OutcomeKind, TEXT_BYTES_MAX};
pub use owner::OwnerKind;
pub use parity::Percent as ParityPercent;
pub use pattern::{Case as PatternCase, PatternError, PatternList, Rule, Standing};
pub use progress::{Change, EntryKind, Event, Gravity, LeftOutPart, Progress, Silent};
pub use prune::{
    Amount, Forecast, Holding, Holdings, MaxUnused, PruneOptions, PrunePlan, PruneReport, PruneSummary,
    WaitingGeneration,
};
pub use record::{DRILL_SHARE_WHOLE, DrillCommand, DrillResult};
pub use repair::{
    AsideReport, HealedControl, HealedPack, IndexRepairPlan, IndexRepairReport, LostObject, Missing, PackRepairPlan,
    PackRepairReport, RepairOptions, SnapshotRepair, SnapshotRepairPlan, SnapshotRepairReport,
};
pub use repository::{AcceptRollback, CreateOptions, OpenOptions, Repository};
pub use restic::{FileId as ResticId, Snapshot as ResticSnapshot};
pub use restore::{
    Below, Choice, Extras, Manner, Overwrite, Ownership, Renumbered, RestoreOptions, RestoreProblem,
    RestoreProblemKind, RestoreReport,
};
pub use scrub::{Remedy, ScrubDamage, ScrubOptions, ScrubReport};
pub use seal::Secret;
pub use session::{
    AbortOutcome, CopyOf, HEARTBEAT_INTERVAL, Imported, LastDrill, NamedSnapshot, OpenSession, Origin, Overlooked, Pin,
    SessionSpec, Sign, Snapshot, SnapshotComponent, SnapshotFilter, SnapshotSpec, Stage, UndecidedSession, Writer,
    WriterProcess, Written,
};
pub use session_record::SessionKind;
pub use source::{Selection, StreamInput};
pub use stats::{ClassStats, FolderStats, RepositoryStats};
pub use store::{Protected, Protection, UsedCopies, UsedCopy};

#[doc(hidden)]
pub mod access;
#[doc(hidden)]
pub mod backup;
#[doc(hidden)]
pub mod check;
#[doc(hidden)]
pub mod chunk;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod content;
#[doc(hidden)]
pub mod copy;
#[doc(hidden)]
pub mod destination;
#[doc(hidden)]
pub mod drill;
#[doc(hidden)]
pub mod envelope;
mod excerpt;
#[doc(hidden)]
pub mod forget;
#[doc(hidden)]
pub mod frame;
#[doc(hidden)]
pub mod fs;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub mod gc;
#[doc(hidden)]
pub mod heal;
#[doc(hidden)]
pub mod import;
#[doc(hidden)]
pub mod index;
#[doc(hidden)]
pub mod info;
#[doc(hidden)]
pub mod key;
#[doc(hidden)]
pub mod keys;
#[doc(hidden)]
pub mod layout;
#[doc(hidden)]
pub mod look;
#[doc(hidden)]
pub mod manifest;
#[doc(hidden)]
pub mod mirror;
#[doc(hidden)]
pub mod mounting;
#[doc(hidden)]
pub mod needed;
#[doc(hidden)]
pub mod outcome;
#[doc(hidden)]
pub mod owner;
#[doc(hidden)]
pub mod pack;
#[doc(hidden)]
pub mod parity;
#[doc(hidden)]
pub mod pattern;
#[doc(hidden)]
pub mod prune;
#[doc(hidden)]
pub mod read_buffer;
#[doc(hidden)]
pub mod record;
#[doc(hidden)]
pub mod repair;
#[doc(hidden)]
pub mod repository;
#[doc(hidden)]
pub mod restic;
#[doc(hidden)]
pub mod restore;
#[doc(hidden)]
pub mod scrub;
#[doc(hidden)]
pub mod seal;
#[doc(hidden)]
pub mod segment;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod session_record;
#[doc(hidden)]
pub mod source;
#[doc(hidden)]
pub mod stats;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod threads;
#[doc(hidden)]
pub mod wire;

#[cfg(test)]
#[path = "../tests/lacking/mod.rs"]
mod lacking;
#[cfg(test)]
mod vectors;
