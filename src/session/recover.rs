//! What an earlier run of this client left open: its durable packs are committed, the rest is aborted.

use crate::access::Access;
use crate::error::{ErrorKind, Result};
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
/// living processes, and of processes on other machines, are left alone. One of which nothing that was stored can be read
/// now is left for the next run, which this machine is [`behind`](Access::behind) in then.
///
/// # Errors
/// When the store can't take an outcome. Somebody else deciding at the same time is no error.
pub fn finish_interrupted(access: &Access, history: &History, client: ClientId) -> Result<Recovered> {
    let mut recovered = Recovered::default();
    for id in history.open.iter().filter(|id| id.client == client) {
        let Some((session, kind)) = dead_session(access, *id)? else { continue };
        let rows = match kind {
            SessionKind::Checkpoint => durable_rows(access, *id),
            SessionKind::Backup
            | SessionKind::Repack
            | SessionKind::Repair
            | SessionKind::Restate
            | SessionKind::Group
            | SessionKind::Copy => Ok(Vec::new()),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                access.behind.note(format!(
                    "what an interrupted run stored in session {id} can't be read now, so it stays open until the next run or a \
                     prune: {error}"
                ));
                continue;
            }
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
            Err(error) if error.kind() == ErrorKind::Aborted => {}
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

/// The rows of the session's journal whose packs are in the store, whole, and belong to the session. One that the medium
/// does not give is none of them: it must not keep the others open for as long as that is so.
///
/// # Errors
/// When it can't be told of any pack, or the system gives this process no more of what it needs.
fn durable_rows(access: &Access, id: SessionId) -> Result<Vec<PackRow>> {
    let (mut durable, mut unread) = (Vec::new(), None);
    for row in journal::read(&access.state_dir, id)?.unwrap_or_default() {
        match is_durable(access, id, &row) {
            Ok(true) => durable.push(row),
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::Damaged => {}
            Err(error) => unread = Some(error.found()?),
        }
    }
    match unread {
        Some(error) if durable.is_empty() => Err(error),
        Some(_) | None => Ok(durable),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::Keys;
    use crate::config::Parameters;
    use crate::content::{FrameWriter, PackStream, RawFrame, StoredTotals};
    use crate::frame::Compression;
    use crate::layout::Class;
    use crate::session::liveness::testing::move_to_machine;
    use crate::session::running::finish;
    use crate::session::{self, Writer};
    use crate::store::moody::{Mood, MoodyStore};
    use crate::store::{MemoryStore, Store};
    use crossbeam_channel::unbounded;
    use std::sync::Arc;

    /// Leaves behind what a power cut would of a run that had stored one pack.
    fn interrupt(access: &Access, client: ClientId) -> (SessionId, ObjectName) {
        move_to_machine(1);
        let host = rustix::system::uname().nodename().to_bytes().to_vec();
        let writer = Writer { host, ..Writer::default() };
        let id = session::open(access, client, 1, SessionKind::Checkpoint, &writer).unwrap().id;
        let (sender, closed) = unbounded();
        let stream = PackStream::new(access.clone(), Class::Content, Box::new(move || Ok(id)), sender);
        let stream = Arc::new(stream);
        let mut frame = RawFrame::default();
        frame.chunks.push(b"content");
        frame.ids.push(access.naming.chunk_ids.id(b"content"));
        let totals = Arc::new(StoredTotals::default());
        FrameWriter::new(Arc::clone(&stream), totals, Compression::Off).store(&mut frame).unwrap();
        stream.end().unwrap();
        let row = finish(access, closed.try_recv().unwrap()).unwrap();
        Journal::begin(&access.state_dir, id).unwrap().add(&row).unwrap();
        move_to_machine(2);
        (id, ObjectName::Pack(row.facts().pack))
    }

    /// An interrupted run was aborted, and hours of its packs became garbage, where a pack could not be opened at the moment.
    #[test]
    fn what_can_not_be_read_now_of_an_interrupted_run_is_committed_by_the_next_one() {
        let keys = Keys::new(Parameters::default());
        for mood in [Mood::Unaffordable, Mood::Fails, Mood::Denied, Mood::Gone] {
            let directory = tempfile::tempdir().unwrap();
            let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
            let access = keys.open(Arc::clone(&store), directory.path());
            let client = session::load(&access).unwrap().client;
            let (id, pack) = interrupt(&access, client);
            let finish = |access: &Access| {
                let finish = |access: &Access| {
                    let done = finish_interrupted(access, &History::load(access).unwrap(), client)?;
                    Ok::<_, crate::error::Error>((done, Vec::new()))
                };
                access.noting(|(_, notices): &mut (_, Vec<String>)| notices, finish).unwrap()
            };
            let moody = Access { store: Arc::new(MoodyStore::new(store, pack, mood)), ..access.clone() };
            let (first, notices) = finish(&moody);
            if mood == Mood::Gone {
                assert_eq!(first, Recovered { pack_count: 0, aborted_count: 1 });
                continue;
            }
            assert_eq!(first, Recovered::default(), "{mood:?}");
            let [notice] = notices.as_slice() else { panic!("{mood:?}: {notices:?}") };
            assert!(notice.contains("stays open until the next run"), "{notice}");
            assert!(History::load(&access).unwrap().open.contains(&id));
            assert_eq!(finish(&access), (Recovered { pack_count: 1, aborted_count: 0 }, vec![]), "{mood:?}");
            assert!(History::load(&access).unwrap().open.is_empty());
        }
    }
}
