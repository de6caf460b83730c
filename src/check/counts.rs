//! The reference counts that prunes keep in the view, compared with what a full mark finds.

use crate::access::Access;
use crate::check::report::{CheckReport, Damage};
use crate::error::{ErrorKind, Result};
use crate::needed::{CountsCheck, KeptCounts};
use crate::progress::{Event, Gravity, Progress};
use crate::session::{self, History};
use std::path::Path;

const OBJECT: &str = "the view of the index in the cache directory";
const REMEDY: &str = "run prune: it counts anew from the snapshots before it deletes anything; if this comes again, test \
                      this machine's memory and the disc of the cache";

/// Compares the counts, if the view has some, and adds to the report that they differ. Such counts are not used any more.
/// Costs a reading of every tree node.
///
/// # Errors
/// When the caller stops, or there is no room. A view that can't be read says nothing of the repository, and what is wrong
/// with nodes and segments is told elsewhere.
pub(super) fn compare(access: &Access, report: &mut CheckReport, progress: &dyn Progress) -> Result<()> {
    let Ok(Some(kept)) = KeptCounts::open(access) else { return Ok(()) };
    progress.event(&Event::Phase("comparing reference counts"));
    let history = History::load(access)?;
    if session::bring_up_to_date(access, &history).is_err() {
        return Ok(());
    }
    match kept.compare(progress) {
        Ok(CountsCheck::Differ { under_count, over_count }) => {
            report_difference(under_count, over_count, report, progress);
            // If it can't be written now, a prune can't go by it either.
            let _ = kept.distrust();
        }
        Ok(CountsCheck::Agree | CountsCheck::Unknown) => {}
        Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::NoSpace) => return Err(error),
        Err(_) => {}
    }
    Ok(())
}

fn report_difference(under_count: u64, over_count: u64, report: &mut CheckReport, progress: &dyn Progress) {
    let wrong = format!(
        "of {under_count} chunks and nodes it counts fewer uses than the snapshots have, and of {over_count} more; no \
         prune goes by it any more"
    );
    let (path, gravity) = (Path::new(OBJECT), Gravity::Trouble);
    progress.event(&Event::Problem { path, operation: "check", message: &wrong, gravity });
    report.damage_count = report.damage_count.saturating_add(1);
    report.damage.push(Damage {
        object: OBJECT.to_owned(),
        place: "reference counts".to_owned(),
        wrong,
        remedy: REMEDY,
        ..Damage::default()
    });
}
