//! One writing run as the store sees it: opened by an object, kept alive by heartbeats, decided by exactly one outcome.

use crate::access::Access;
use crate::content::ClosedPack;
use crate::envelope;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ClientId, ObjectHash, PackId, SessionId};
use crate::outcome::{self, OutcomeBody, OutcomeDescription, OutcomeKind, Seen, SegmentRef};
use crate::segment::PackRow;
use crate::session::liveness;
use crate::session_record::{self, SessionBody, SessionDescription, SessionKind};
use crate::store::{Created, ObjectName};
use crate::wire::{Blob, List};

/// How often a number is tried anew when another process took it.
const NUMBER_ATTEMPTS_MAX: u32 = 1000;

/// Who writes, for the description of sessions and outcomes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer {
    /// The host's name.
    pub host: Vec<u8>,
    /// The user's name.
    pub user: Vec<u8>,
    /// The command line.
    pub command: Vec<Vec<u8>>,
}

/// A session that this process opened and has not decided.
#[derive(Debug, Clone, Copy)]
pub struct RunningSession {
    /// Its name.
    pub id: SessionId,
    /// The hash of the object that opened it.
    pub hash: ObjectHash,
}

/// Opens a session under the first free number of a client from `number` on.
///
/// # Errors
/// When the store can't take the object.
pub fn open(
    access: &Access,
    client: ClientId,
    mut number: u64,
    kind: SessionKind,
    writer: &Writer,
) -> Result<RunningSession> {
    for _ in 0..NUMBER_ATTEMPTS_MAX {
        let id = SessionId { client, number };
        let bytes = session_object(access, id, kind, writer)?;
        let taken = access.store.create(&ObjectName::Session(id), &bytes)? == Created::Exists;
        // A number whose session object was tidied away is still used up by its outcome.
        if !taken && access.store.exists(&ObjectName::Outcome(id))? {
            match access.store.remove(&ObjectName::Session(id)) {
                // Whoever ended it at once has tidied it away as well.
                Err(error) if error.is_not_found() => {}
                removed => removed?,
            }
        } else if !taken {
            return Ok(RunningSession { id, hash: ObjectHash::of(&bytes) });
        }
        number = number.saturating_add(1);
    }
    Err(Error::new(ErrorKind::Busy, format!("no free session number for client {client} up to {number}; try again")))
}

fn session_object(access: &Access, id: SessionId, kind: SessionKind, writer: &Writer) -> Result<Vec<u8>> {
    let body = SessionBody {
        id,
        kind,
        started_at_ns: super::now_ns(),
        liveness: liveness::own(),
        writer_version: Blob::from(concat!("holdall ", env!("CARGO_PKG_VERSION"))),
    };
    let description = SessionDescription {
        host: Blob(writer.host.clone()),
        user: Blob(writer.user.clone()),
        command: List(writer.command.iter().cloned().map(Blob).collect()),
    };
    Ok(session_record::seal(&body, Some(&description), &access.ring, &access.chain)?)
}

impl RunningSession {
    /// An outcome body of this session that says nothing yet but its kind, packs and segments.
    pub fn outcome(&self, kind: OutcomeKind, mut packs: Vec<PackId>, segments: Vec<SegmentRef>) -> OutcomeBody {
        packs.sort_unstable();
        let now_ns = super::now_ns();
        OutcomeBody {
            id: self.id,
            session: self.hash,
            kind,
            time_ns: now_ns,
            committed_at_ns: now_ns,
            packs: List(packs),
            segments: List(segments),
            seen: Seen::default(),
            components: List::default(),
            members: List::default(),
            statement: None,
            attributes: List::default(),
        }
    }

    /// Decides the session: everything it wrote becomes live, at once. Returns the hash of the outcome.
    ///
    /// # Errors
    /// [`ErrorKind::Aborted`] when someone else decided it first; nothing was committed then.
    pub fn commit(
        &self,
        access: &Access,
        body: &OutcomeBody,
        description: Option<&OutcomeDescription>,
    ) -> Result<ObjectHash> {
        let bytes = outcome::seal(body, description, &access.ring, &access.chain)?;
        match access.store.create(&ObjectName::Outcome(self.id), &bytes)? {
            Created::New => {}
            Created::Exists => return Err(aborted(self.id)),
        }
        self.tidy(access);
        Ok(ObjectHash::of(&bytes))
    }

    /// Gives the session up, and says whether that is decided. Its packs become garbage for the next prune. If the store
    /// can't take it now, the session stays open and silent, and a prune or the next run ends it.
    pub fn abort(&self, access: &Access) -> bool {
        let body = self.outcome(OutcomeKind::Abort, Vec::new(), Vec::new());
        let sealed = outcome::seal(&body, None, &access.ring, &access.chain);
        let is_decided = sealed.is_ok_and(|bytes| access.store.create(&ObjectName::Outcome(self.id), &bytes).is_ok());
        if is_decided {
            self.tidy(access);
        }
        is_decided
    }

    /// Removes what only an open session needs; the outcome stays for ever.
    fn tidy(&self, access: &Access) {
        // Left behind, they are ignored: the outcome decides.
        let _ = access.store.sweep_temporaries(&|session| session == Some(self.id));
        let _ = access.store.remove(&ObjectName::Session(self.id));
    }
}

/// Checks that nobody has ended a session that this process runs.
///
/// # Errors
/// [`ErrorKind::Aborted`] when somebody has.
pub(super) fn check_undecided(access: &Access, id: SessionId) -> Result<()> {
    if access.store.exists(&ObjectName::Outcome(id))? { Err(aborted(id)) } else { Ok(()) }
}

/// Makes a pack durable. That somebody has ended its session is told as such: a collector then sweeps the pack's file, and what
/// the system says of that looks like a broken repository.
///
/// # Errors
/// As [`ClosedPack::finish`]; [`ErrorKind::Aborted`] when somebody has ended the session.
pub(super) fn finish(access: &Access, pack: ClosedPack) -> Result<PackRow> {
    let session = pack.session();
    pack.finish(access).map_err(|error| match check_undecided(access, session) {
        Err(ended) if ended.kind() == ErrorKind::Aborted => ended,
        Err(_) | Ok(()) => error,
    })
}

/// Somebody else has ended a session of this process.
pub(super) fn aborted(id: SessionId) -> Error {
    let message = format!(
        "session {id} was aborted by someone else before it could commit: it looked silent to a prune, or somebody ended \
         it with `sessions abort`; run again, what was committed by checkpoints until then is reused"
    );
    Error::new(ErrorKind::Aborted, message)
}

/// Checks, before anything is done, that the key at hand may open such a session.
///
/// # Errors
/// [`ErrorKind::Denied`] says which role the key has.
pub fn check_may_open(access: &Access, kind: SessionKind) -> Result<()> {
    let role = envelope::check_right(envelope::Kind::Session, &access.ring, &access.chain)?;
    if kind.may_open(role) {
        return Ok(());
    }
    let message =
        format!("a key with the role {role} may not open a {kind} session; use one with the role prune or all");
    Err(Error::new(ErrorKind::Denied, message))
}
