//! Pinning and unpinning.

use super::undo::{self, Client};
use crate::access::Access;
use crate::error::Result;
use crate::id::{ClientId, SnapshotId};
use crate::outcome::StatementKind;
use crate::progress::Progress;
use crate::record::RecordKind;
use crate::session::{self, History, RecordDraft, Snapshot};

/// What pinning did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PinReport {
    /// The snapshots that are pinned now.
    pub pinned: Vec<SnapshotId>,
    /// Those among them that were forgotten and were brought back.
    pub brought_back: Vec<SnapshotId>,
    /// What could not be noted on this machine of what was committed. No snapshot lacks anything for it.
    pub notices: Vec<String>,
}

/// Pins snapshots, until a time if there is one. Forgotten ones are brought back first, by a session.
///
/// # Errors
/// [`crate::error::ErrorKind::Denied`] when the key may not pin; what [`undo::undo`] says of forgotten ones, and
/// nothing was changed then.
pub(crate) fn pin(
    access: &Access,
    client: &Client<'_>,
    snapshots: &[Snapshot],
    until_ns: Option<i64>,
    progress: &dyn Progress,
) -> Result<PinReport> {
    session::check_may_state(access, RecordKind::Pin)?;
    let ids: Vec<SnapshotId> = snapshots.iter().map(|snapshot| snapshot.id).collect();
    let forgotten: Vec<SnapshotId> =
        snapshots.iter().filter(|snapshot| snapshot.forgotten).map(|snapshot| snapshot.id).collect();
    let mut report = PinReport { pinned: ids.clone(), brought_back: forgotten.clone(), notices: Vec::new() };
    if !forgotten.is_empty() {
        undo::undo(access, client, &forgotten, StatementKind::PinForgotten, progress)?;
    }
    // A restate pins for ever: an end needs a record, which is made later and so decides.
    let rest = |id: &SnapshotId| until_ns.is_some() || !forgotten.contains(id);
    let by_record: Vec<SnapshotId> = ids.into_iter().filter(rest).collect();
    if by_record.is_empty() {
        return Ok(report);
    }
    let history = History::load(access)?;
    let draft = RecordDraft { kind: RecordKind::Pin, snapshots: &by_record, until_ns, note: &[] };
    session::make_records(access, &history, client.state.client, &draft)?;
    // Whoever forgot one of them before seeing the pin must not have the last word.
    let gone = History::load(access)?.forgotten();
    let lost: Vec<SnapshotId> = by_record.into_iter().filter(|id| gone.contains(id)).collect();
    if !lost.is_empty() {
        undo::undo(access, client, &lost, StatementKind::Undo, progress)?;
        report.brought_back.extend(lost);
    }
    Ok(report)
}

/// Lifts the pins of snapshots. Returns those that had one.
///
/// # Errors
/// [`crate::error::ErrorKind::Denied`] when the key may not unpin; or when the store can't be read or written.
pub(crate) fn unpin(access: &Access, client: ClientId, snapshots: &[SnapshotId]) -> Result<Vec<SnapshotId>> {
    session::check_may_state(access, RecordKind::Unpin)?;
    let history = History::load(access)?;
    let pins = history.pins();
    let pinned: Vec<SnapshotId> = snapshots.iter().filter(|id| pins.contains_key(id)).copied().collect();
    if !pinned.is_empty() {
        let draft = RecordDraft { kind: RecordKind::Unpin, snapshots: &pinned, until_ns: None, note: &[] };
        session::make_records(access, &history, client, &draft)?;
    }
    Ok(pinned)
}
