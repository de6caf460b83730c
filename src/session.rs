//! Sessions as a writer runs them and as everybody reads them: opening, checkpoints, committing; history and snapshots.

mod checkpoint;
mod heartbeat;
mod history;
mod journal;
mod ledger;
mod liveness;
mod recover;
mod running;
mod seen;
mod snapshots;
mod state;
mod view;

pub use checkpoint::{CheckpointSessions, Checkpointer};
pub use history::{Generation, History, Trouble, check_rollback};
pub use ledger::{Ledger, PublishedSegments};
pub use recover::{Recovered, finish_interrupted};
pub use running::{RunningSession, Writer, open};
pub use seen::seen_since;
pub use snapshots::{
    Origin, Snapshot, SnapshotComponent, SnapshotFilter, SnapshotSpec, all, resolve, walk_starts_attribute,
};
pub use state::{ClientState, advance, load, replace};
pub use view::{bring_up_to_date, read_segment};

/// The clock, in nanoseconds since the epoch. Nothing's safety rests on it.
pub fn now_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
