//! What an earlier run of this client left open: its durable packs are committed, the rest is aborted.

use crate::access::Access;
use crate::error::Result;
use crate::id::{ClientId, SessionId};
use crate::pack::PackHeader;
use crate::segment::PackRow;
use crate::session::checkpoint::commit_checkpoint;
use crate::session::history::{CONTROL_BYTES_MAX, History};
use crate::session::journal::{self, Journal};
use crate::session::ledger::Ledger;
use crate::session::liveness::{self, Whereabouts};
use crate::session::running::RunningSession;
use crate::session_record::{self, SessionKind};
use crate::store::{ObjectName, is_proven};

/// What was found and done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Packs of interrupted runs that were committed.
    pub pack_count: usize,
    /// Sessions that were aborted, having nothing worth keeping.
    pub aborted_count: usize,
}

/// Decides every open session of `client`, which is this machine's own, whose process is known to be gone. Sessions of
/// living processes, and of processes on other machines, are left alone.
///
/// # Errors
/// When the store can't take an outcome. Somebody else deciding at the same time is no error.
pub fn finish_interrupted(access: &Access, history: &History, client: ClientId) -> Result<Recovered> {
    let mut recovered = Recovered::default();
    for id in history.open.iter().filter(|id| id.client == client) {
        let Some((session, kind)) = dead_session(access, *id)? else { continue };
        let rows = match kind {
            SessionKind::Checkpoint => durable_rows(access, *id)?,
            SessionKind::Backup
            | SessionKind::Repack
            | SessionKind::Repair
            | SessionKind::Restate
            | SessionKind::Group
            | SessionKind::Copy => Vec::new(),
        };
        if rows.is_empty() {
            session.abort(access);
            Journal::remove(&access.state_dir, *id);
            recovered.aborted_count = recovered.aborted_count.saturating_add(1);
            continue;
        }
        let mut ledger = Ledger::default();
        rows.into_iter().for_each(|row| ledger.add(row));
        let pack_count = ledger.pack_count();
        match commit_checkpoint(access, session, ledger, None) {
            Ok(()) => recovered.pack_count = recovered.pack_count.saturating_add(pack_count),
            Err(error) if error.kind() == crate::error::ErrorKind::Aborted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(recovered)
}

fn dead_session(access: &Access, id: SessionId) -> Result<Option<(RunningSession, SessionKind)>> {
    let bytes = match access.store.read(&ObjectName::Session(id), CONTROL_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // A session object that can't be believed is left for check to report and for an operator to end.
    let Ok(session) = session_record::open(id, &access.ring, &access.chain, &bytes) else { return Ok(None) };
    if liveness::whereabouts(&session, Some(id.client)) != Whereabouts::Gone {
        return Ok(None);
    }
    Ok(Some((RunningSession { id, hash: session.hash }, session.body.kind)))
}

/// The rows of the session's journal whose packs are in the store, whole, and belong to the session.
fn durable_rows(access: &Access, id: SessionId) -> Result<Vec<PackRow>> {
    let rows = journal::read(&access.state_dir, id)?.unwrap_or_default();
    Ok(rows.into_iter().filter(|row| is_durable(access, id, row).unwrap_or(false)).collect())
}

fn is_durable(access: &Access, id: SessionId, row: &PackRow) -> Result<bool> {
    let facts = row.facts();
    let name = ObjectName::Pack(facts.pack);
    let object = access.store.open(&name)?;
    if object.bytes() != facts.bytes {
        return Ok(false);
    }
    let mut header = vec![0; usize::try_from(row.frames().header_bytes()).unwrap_or(0)];
    object.read_at(0, &mut header)?;
    let belongs = PackHeader::parse(Some(facts.pack), &header).is_ok_and(|header| header.session == id);
    // A pack is made durable before the journal names it, but the journal may have survived a power cut that the pack's
    // folder entry did not, on a disc that lies. Hashing costs a fraction of storing again.
    Ok(belongs && is_proven(&name, object.as_ref())?)
}
