//! Forgetting: which snapshots a policy keeps, records that forget and pin, and sessions that bring snapshots back.
//!
//! ```text
//! policy + history -> plan (a value: shown, or performed) -> records            nothing is deleted here
//! undo, pin of a forgotten snapshot -> session -> test everything it needs -> restate outcome
//! ```
//!
//! A record makes nothing live, so making one needs no session. What makes a forgotten snapshot live again must be seen
//! by every collector, so that is a session (format-spec/10-sessions-and-prune.md).

mod calendar;
mod clock;
mod perform;
mod pins;
mod plan;
mod policy;
mod undo;
mod whole;

pub use calendar::{CalendarSpan, Period, Zone};
pub use perform::ForgetReport;
pub use pins::PinReport;
pub use plan::{Fate, ForgetPlan, GroupField, GroupKey, GroupPlan, RetentionOptions, Verdict};
pub use policy::{Goes, KeepCount, PlacesLeft, RetentionPolicy, Stays};
pub use undo::UndoReport;

pub(crate) use perform::perform;
pub(crate) use pins::{pin, unpin};
pub(crate) use plan::{by_name, by_policy};
pub(crate) use undo::{Client, recoverable, undo};
