//! What a profile says and what follows from it: repositories by name, sets with their steps and hooks, calendars, and
//! when something is due.
//!
//! Nothing here touches a file, the environment, a clock or the argument parser: the command line hands over the text,
//! the options that its commands know, and the time.

mod calendar;
mod document;
mod due;
mod duration;
mod hooks;
mod metrics;
mod options;
mod outcome;
mod plan;
mod push;
mod record;
mod refusal;
mod set;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use calendar::Calendar;
pub(crate) use document::{Profile, Repository, RepositorySecret};
pub(crate) use due::{Standing, settled_by};
pub(crate) use duration::parse_duration;
pub(crate) use hooks::{Hook, HookCommand, HookKind};
pub(crate) use metrics::{BackupFigures, StepFigures, metrics};
pub(crate) use options::{Catalogue, Given, OptionKind, StepKind, StepOption};
pub(crate) use outcome::{Outcome, worse};
pub(crate) use plan::{PlannedStep, plan};
pub(crate) use push::Gateway;
pub(crate) use record::{Backup, Record, Run};
pub(crate) use refusal::Refusal;
pub(crate) use set::{Set, SetName};
