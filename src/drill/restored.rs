//! The restore of a drill: the one that any restore goes through.

use crate::access::Access;
use crate::content::ContentReader;
use crate::drill::options::Live;
use crate::drill::plan::DrillPlan;
use crate::drill::scratch::Scratch;
use crate::error::{Error, Result, check_stopped};
use crate::id::NodeId;
use crate::manifest::{Entry, Key};
use crate::progress::{Event, Gravity, Progress};
use crate::restore::{self, Below, Ownership, RestoreOptions, RestoreProblemKind, RestoreReport};
use crate::session::now_ns;
use std::path::Path;
use std::sync::Arc;

/// What lies restored, and has not been compared yet. It goes away with this.
#[derive(Debug)]
pub struct DrillRestore {
    pub(super) plan: DrillPlan,
    pub(super) scratch: Scratch,
    pub(super) report: RestoreReport,
    pub(super) began_at_ns: i64,
}

impl DrillRestore {
    /// What the restore said. What it calls damaged the comparison finds.
    pub const fn report(&self) -> &RestoreReport {
        &self.report
    }

    /// The folder into which it was restored.
    pub fn folder(&self) -> &Path {
        self.scratch.folder()
    }

    pub(super) fn compares_live(&self) -> bool {
        self.plan.options.live == Live::Compare
    }
}

/// Who owns what a drill restores: nobody but the superuser may give files away.
pub(super) fn ownership() -> Ownership {
    if rustix::process::geteuid().is_root() { Ownership::ByName } else { Ownership::Restorer }
}

/// Restores what was planned. Problems of single items that say nothing about the backup are told as they are in a
/// restore.
///
/// # Errors
/// As a restore; [`crate::ErrorKind::Occupied`] when the folder is not empty. Nothing is left of it then.
pub fn restore(access: &Access, plan: DrillPlan, progress: &dyn Progress) -> Result<DrillRestore> {
    let began_at_ns = now_ns();
    let scratch = Scratch::make(&plan.options.place, plan.options.afterwards)?;
    progress.event(&Event::Phase("restoring"));
    progress.event(&Event::Estimated { files: plan.file_count, bytes: plan.bytes });
    let pick = plan.pick;
    let options = RestoreOptions::new(scratch.folder())
        .select(Arc::new(move |entry: &Entry| pick.choose(entry)))
        .ownership(ownership());
    let report = restore::run(access, &plan.snapshot, &options, &WithoutProblems(progress))?;
    let left = report.problems.iter().filter(|problem| problem.kind != RestoreProblemKind::Damaged);
    let gravity = Gravity::Trouble;
    for problem in left {
        progress.event(&Event::Problem {
            path: &problem.path,
            operation: "restore",
            message: &problem.message,
            gravity,
        });
    }
    Ok(DrillRestore { plan, scratch, report, began_at_ns })
}

/// Passes on what a restore tells, but for its problems, which are findings or not, and its estimate, which is of a whole
/// snapshot.
struct WithoutProblems<'a>(&'a dyn Progress);

impl Progress for WithoutProblems<'_> {
    fn event(&self, event: &Event<'_>) {
        if !matches!(event, Event::Problem { .. } | Event::Estimated { .. }) {
            self.0.event(event);
        }
    }

    fn stopped(&self) -> bool {
        self.0.stopped()
    }
}

/// What is met in a manifest.
pub(super) enum Step<'a> {
    /// An entry.
    Entry(&'a Entry),
    /// A part of it that can't be read.
    Gap(&'a Error),
}

/// Visits the entries of a manifest in key order, past what can't be read of it.
///
/// # Errors
/// When the store can't be read, the caller stops, or what `each` returns.
pub(super) fn walk(
    reader: &ContentReader,
    root: NodeId,
    progress: &dyn Progress,
    each: &mut dyn FnMut(Step<'_>) -> Result<Below>,
) -> Result<()> {
    let Some(mut entries) = restore::entries_at(reader, root, &Key::root()) else { return Ok(()) };
    loop {
        check_stopped(progress)?;
        match entries.try_next() {
            Ok(None) => return Ok(()),
            Ok(Some(entry)) => {
                if each(Step::Entry(&entry))? == Below::Skip {
                    entries.skip_below(&entry.key);
                }
            }
            Err(error) if error.is_of_one_thing() => {
                each(Step::Gap(&error))?;
            }
            Err(error) => return Err(error),
        }
    }
}
