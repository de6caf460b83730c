//! Making the records that forget.

use super::plan::ForgetPlan;
use crate::access::Access;
use crate::error::Result;
use crate::id::{ClientId, SnapshotId};
use crate::record::RecordKind;
use crate::session::{self, History, LettingGo, RecordDraft};

/// What a forget did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForgetReport {
    /// The snapshots that are forgotten now and were not before.
    pub forgotten: Vec<SnapshotId>,
    /// Snapshots that were pinned since the plan was made, and so stay.
    pub pinned: Vec<SnapshotId>,
    /// Snapshots that somebody pinned at the very moment at which they were forgotten. They are forgotten; an undo
    /// brings them back.
    pub pinned_too_late: Vec<SnapshotId>,
}

/// Does what a plan says. Pins are looked up again first.
///
/// # Errors
/// [`crate::error::ErrorKind::Damaged`] when something that was stated can't be believed or is missing: it may be a pin;
/// [`crate::error::ErrorKind::Denied`] when the key may not forget; or when the store can't be read or written.
pub(crate) fn perform(access: &Access, client: ClientId, plan: &ForgetPlan, now_ns: i64) -> Result<ForgetReport> {
    session::check_may_state(access, RecordKind::Forget)?;
    let mut history = History::load(access)?;
    session::require_sound(access, &mut history, LettingGo::Forgetting)?;
    let (gone, pins) = (history.forgotten(), history.pins());
    let is_pinned = |id: &SnapshotId| pins.get(id).is_some_and(|pin| pin.holds_at(now_ns));
    let wanted = plan.goes().map(|snapshot| snapshot.id).filter(|id| !gone.contains(id));
    let (pinned, forgotten): (Vec<_>, Vec<_>) = wanted.partition(is_pinned);
    let mut report = ForgetReport { pinned, ..ForgetReport::default() };
    if forgotten.is_empty() {
        return Ok(report);
    }
    let draft = RecordDraft { kind: RecordKind::Forget, snapshots: &forgotten, until_ns: None, note: &[] };
    session::make_records(access, &history, client, &draft)?;
    let pins = History::load(access)?.pins();
    let too_late = |id: &&SnapshotId| pins.get(*id).is_some_and(|pin| pin.holds_at(now_ns));
    report.pinned_too_late = forgotten.iter().filter(too_late).copied().collect();
    report.forgotten = forgotten;
    Ok(report)
}
