//! Sessions as a writer runs them and as everybody reads them: opening, checkpoints, committing; history and snapshots.

mod attributes;
mod batch;
mod beating;
mod checkpoint;
mod drills;
mod gaps;
mod generations;
mod heartbeat;
mod history;
mod journal;
mod kept;
mod ledger;
mod listed;
mod liveness;
mod naming;
mod newest_config;
mod open_sessions;
mod overlooked;
mod packing;
mod publishing;
mod recover;
mod replacement;
mod running;
mod seen;
mod silence;
mod snapshots;
mod sound;
mod state;
mod statements;
mod steady;
mod storing;
#[cfg(test)]
pub(crate) mod testing;
mod view;

pub use attributes::{BodyAttributes, CopyOf, DescriptionAttributes, Imported, Written};
pub use batch::{BATCH_CHUNKS_MAX, Batch, Enough, SnapshotDraft};
pub use beating::Beating;
pub use drills::LastDrill;
pub use generations::{Generation, Stage};
pub use heartbeat::{HEARTBEAT_INTERVAL, Pulse};
#[cfg(test)]
pub(crate) use history::Part;
pub(crate) use history::read_if_there;
pub use history::{History, Trouble, check_rollback, kept_outcome};
pub(crate) use kept::{read_kept, write_kept};
pub use ledger::{Ledger, PublishedSegments};
pub use listed::{Named, committed_packs};
#[cfg(any(test, fuzzing))]
pub(crate) use liveness::testing::move_to_machine;
pub use naming::{NamedSnapshot, SnapshotSpec, resolve};
pub use newest_config::{check_config, keep_config, lost_from_sight, replace_config};
pub use open_sessions::{AbortOutcome, SessionSpec, UndecidedSession, WriterProcess, abort_open, open_sessions};
pub use overlooked::{Overlooked, overlooked, unfound};
pub use packing::{OpenPacks, Packed, Packing};
pub use publishing::SEGMENT_CHUNKS_TARGET;
pub use recover::{Recovered, finish_interrupted};
pub use replacement::Replacement;
pub use running::{RunningSession, Writer, check_may_open, open};
pub use seen::{commit_seen, read_seen};
pub use silence::{BootClock, OpenSession, Sign, observe};
pub use snapshots::{Origin, Snapshot, SnapshotComponent, SnapshotFilter, all, has_tags};
pub use sound::{LettingGo, Missing, missing, require_opened_soundly, require_sound};
pub use state::{ClientState, load, replace};
pub use statements::{Pin, RecordDraft, check_may_state, make_records};
#[cfg(test)]
pub(crate) use steady::ATTEMPTS_MAX;
pub(crate) use steady::{Tracks, steadily, steadily_since};
pub use storing::Intake;
pub use view::{
    SegmentStand, absent_packs, bring_up_to_date, is_set_aside, present_segments, read_segment, replaced_by,
    set_aside_packs, take_stock, uncounted_packs, unseen_packs,
};

/// The clock, in nanoseconds since the epoch. Nothing's safety rests on it.
pub fn now_ns() -> i64 {
    #[cfg(test)]
    if let Some(pretended_ns) = testing::clock::pretended_ns() {
        return pretended_ns;
    }
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
