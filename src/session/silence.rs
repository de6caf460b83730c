//! Open sessions and whether their writers are silent. Being wrong about it costs a writer its session, never data.
//!
//! A writer on this boot and in this PID namespace is silent as soon as its process is gone, and one that this machine ran
//! before it was started the last time is silent at once. Any other is silent when its last heartbeat stayed the same
//! between two observations that lie far enough apart by this machine's clock since boot; the observations are kept in the
//! user's state directory, and another boot begins them anew.

use crate::access::Access;
use crate::envelope::Described;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ObjectHash, SessionId};
use crate::session::history::{History, read_if_there};
use crate::session::kept::{read_kept, write_kept};
use crate::session::liveness::{self, Whereabouts};
use crate::session::running::RunningSession;
use crate::session::state;
use crate::session_record::{self, Session, SessionDescription, SessionKind};
use crate::store::{Folder, Listed, ObjectName, StoreError};
use crate::wire::List;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const FILE: &str = "observed-sessions";
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Longer ones are not read: one takes some 400 bytes.
const BEAT_BYTES_MAX: u64 = 4 << 10;
/// How many heartbeats of a session are looked at, from the highest on. A writer leaves one or two. Where others have put
/// more above them the session is not ended for being silent: who could add those could open sessions of its own that
/// never are, but must not be able to have others' ended.
const BEATS_LOOKED_AT_MAX: usize = if cfg!(test) { 20 } else { 1000 };

/// A session that nobody has decided yet.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// Its name.
    pub id: SessionId,
    /// The hash of the object that opened it.
    pub hash: ObjectHash,
    /// What it is for.
    pub kind: SessionKind,
    /// When it began by its writer's clock, in nanoseconds since the epoch.
    pub started_at_ns: i64,
    /// The host; none when the key at hand can't read it.
    pub host: Option<Vec<u8>>,
    /// Its process id on that host.
    pub pid: u32,
    /// The number of its last heartbeat; 0 before the first.
    pub last_beat: u64,
    /// Whether its writer seems to be there.
    pub sign: Sign,
}

/// Whether the writer of a session seems to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Its process ended without deciding it.
    Gone,
    /// It was quiet for too long.
    Silent,
    /// Nothing speaks against it.
    Living,
}

impl Sign {
    /// Whether a collector may end the session.
    pub const fn is_silent(self) -> bool {
        matches!(self, Self::Gone | Self::Silent)
    }
}

/// A clock that no one sets: the machine's time since boot, and which boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootClock {
    /// Linux's boot id; zero when the system does not tell.
    pub boot_id: [u8; 16],
    /// Milliseconds since then, sleep included.
    pub since_boot_ms: u64,
}

impl BootClock {
    /// This machine's, now.
    pub fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let rest_ms = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
        let since_boot_ms = seconds.saturating_mul(1000).saturating_add(rest_ms);
        #[cfg(test)]
        let since_boot_ms = super::testing::clock::pretended_since_boot_ms().unwrap_or(since_boot_ms);
        Self { boot_id: liveness::own().boot_id, since_boot_ms }
    }
}

/// What was seen of one session, and when first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
struct Observation {
    session: SessionId,
    beat: u64,
    boot_id: [u8; 16],
    since_boot_ms: u64,
}

/// Looks at every open session and remembers what it saw for the next time.
///
/// # Errors
/// [`ErrorKind::Damaged`] when the object of an open session can't be believed, or when the store can't be read.
pub fn observe(
    access: &Access,
    history: &History,
    silent_after: Duration,
    clock: BootClock,
) -> Result<Vec<OpenSession>> {
    let beats = highest_beats(access, &history.open)?;
    let mut kept: BTreeMap<SessionId, Observation> = BTreeMap::new();
    // What can't be read is seen for the first time: its session only has longer to live.
    let before: Option<List<Observation>> = read_kept(&access.state_dir, FILE, FILE_BYTES_MAX).unwrap_or_default();
    for observation in before.unwrap_or_default().0 {
        kept.insert(observation.session, observation);
    }
    let client = state::kept(&access.state_dir).map(|state| state.client);
    let mut seen = Vec::new();
    let mut open = Vec::new();
    for id in &history.open {
        let Some(session) = read_session(access, *id)? else { continue };
        let believed = believed_beat(access, &session, beats.get(id))?;
        let last_beat = believed.unwrap_or(0);
        // Not to be taken for one that has none, should others remove theirs.
        let beat = believed.unwrap_or(u64::MAX);
        let now = Observation { session: *id, beat, boot_id: clock.boot_id, since_boot_ms: clock.since_boot_ms };
        let first = kept.get(id).filter(|first| continues(first, &now)).copied().unwrap_or(now);
        let quiet_ms = clock.since_boot_ms.saturating_sub(first.since_boot_ms);
        let is_quiet = believed.is_some() && u128::from(quiet_ms) >= silent_after.as_millis();
        let sign = match liveness::whereabouts(&session, client) {
            Whereabouts::Gone => Sign::Gone,
            Whereabouts::Elsewhere if is_quiet => Sign::Silent,
            Whereabouts::Elsewhere | Whereabouts::Here => Sign::Living,
        };
        seen.push(first);
        open.push(describe(&session, last_beat, sign));
    }
    if let Err(error) = write_kept(&access.state_dir, FILE, &List(seen)) {
        access.behind.note(format!("{error}; as long as that is so, silent sessions of other machines are not ended"));
    }
    Ok(open)
}

/// Whether nothing has changed between two observations that the same clock timed.
fn continues(first: &Observation, now: &Observation) -> bool {
    first.beat == now.beat
        && first.boot_id == now.boot_id
        && now.boot_id != [0; 16]
        && first.since_boot_ms <= now.since_boot_ms
}

/// The highest numbers of heartbeats of each of these sessions, one more than are looked at. Anybody who may add objects
/// can add any number of them.
pub(super) fn highest_beats(
    access: &Access,
    sessions: &BTreeSet<SessionId>,
) -> Result<BTreeMap<SessionId, BTreeSet<u64>>> {
    let mut beats: BTreeMap<SessionId, BTreeSet<u64>> = BTreeMap::new();
    access.store.list(Folder::Heartbeats, &mut |listed| {
        if let Listed::Object { name: ObjectName::Heartbeat(id, beat), bytes } = listed
            && sessions.contains(&id)
            && bytes <= BEAT_BYTES_MAX
        {
            let highest = beats.entry(id).or_default();
            highest.insert(beat);
            if highest.len() > BEATS_LOOKED_AT_MAX.saturating_add(1) {
                highest.pop_first();
            }
        }
    })?;
    Ok(beats)
}

/// The session's object; none when the session was decided and tidied away since it was listed.
fn read_session(access: &Access, id: SessionId) -> Result<Option<Session>> {
    let name = ObjectName::Session(id);
    let Some(bytes) = read_if_there(access, &name)? else { return Ok(None) };
    session_record::open(id, &access.ring, &access.chain, &bytes).map(Some).map_err(|cause| {
        let message = format!("{name}, an open session, can't be believed; end it with `sessions abort {id}`");
        Error::new(ErrorKind::Damaged, message).because(cause)
    })
}

/// The highest heartbeat that the session's own key signed, 0 where there is none: what others put above it hides it not,
/// and makes nobody seem to live. None where so many were put there that they are not all looked at.
pub(super) fn believed_beat(access: &Access, session: &Session, beats: Option<&BTreeSet<u64>>) -> Result<Option<u64>> {
    let Some(beats) = beats else { return Ok(Some(0)) };
    for beat in beats.iter().rev().take(BEATS_LOOKED_AT_MAX) {
        if is_own(access, session, *beat)? {
            return Ok(Some(*beat));
        }
    }
    Ok((beats.len() <= BEATS_LOOKED_AT_MAX).then_some(0))
}

fn is_own(access: &Access, session: &Session, beat: u64) -> Result<bool> {
    let id = session.body.id;
    match access.store.read(&ObjectName::Heartbeat(id, beat), BEAT_BYTES_MAX) {
        Ok(bytes) => {
            let opened = session_record::open_heartbeat(id, beat, &access.ring, &access.chain, &bytes);
            Ok(opened.is_ok_and(|heartbeat| heartbeat.check_belongs(session).is_ok()))
        }
        // Replaced by a newer one since it was listed.
        Err(error) if error.is_not_found() => Ok(true),
        // No heartbeat is as long as that.
        Err(StoreError::TooLarge { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn describe(session: &Session, last_beat: u64, sign: Sign) -> OpenSession {
    let host = match &session.description {
        Described::Open(SessionDescription { host, .. }) => Some(host.0.clone()),
        Described::Absent | Described::Sealed => None,
    };
    OpenSession {
        id: session.body.id,
        hash: session.hash,
        kind: session.body.kind,
        started_at_ns: session.body.started_at_ns,
        host,
        pid: session.body.liveness.pid,
        last_beat,
        sign,
    }
}

impl OpenSession {
    /// Ends the session by creating its outcome, unless somebody decides it first.
    pub fn abort(&self, access: &Access) {
        RunningSession { id: self.id, hash: self.hash }.abort(access);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::Keys;
    use crate::config::Parameters;
    use crate::id::ClientId;
    use crate::session::{self, Writer, heartbeat, liveness::testing::move_to_machine};
    use crate::store::{MemoryStore, Store};
    use std::sync::Arc;

    /// Heartbeats that nobody had signed once ended sessions that lived, for only the highest was looked at.
    #[test]
    fn session_6_what_others_put_above_a_heartbeat_neither_hides_it_nor_stands_for_one() {
        let (directory, store) = (tempfile::tempdir().unwrap(), MemoryStore::new());
        let keys = Keys::new(Parameters::default());
        let open = |name: &str| keys.open(Arc::new(store.clone()), &directory.path().join(name));
        let (writer, collector) = (open("writer"), open("collector"));
        move_to_machine(2);
        let client = session::load(&writer).unwrap().client;
        let id = session::open(&writer, client, 1, SessionKind::Backup, &Writer::default()).unwrap().id;
        move_to_machine(1);
        session::load(&collector).unwrap();
        let look = |hours: u64| {
            let clock = BootClock { boot_id: [1; 16], since_boot_ms: hours * 3_600_000 };
            let history = History::load(&collector).unwrap();
            let open = observe(&collector, &history, Duration::from_secs(6 * 3600), clock).unwrap().pop().unwrap();
            (open.last_beat, open.sign)
        };
        let forge = |beat| store.create(&ObjectName::Heartbeat(id, beat), b"not signed").map(drop).unwrap();
        assert_eq!(heartbeat::beat(&writer, id, 0).unwrap(), 1);
        [100, u64::MAX].into_iter().for_each(forge);
        assert_eq!(look(0), (1, Sign::Living));
        assert_eq!(heartbeat::beat(&writer, id, 1).unwrap(), 2);
        assert_eq!(look(7), (2, Sign::Living), "it lives whatever stands above");
        forge(101);
        assert_eq!(look(14), (2, Sign::Silent), "and what comes to stand there is no sign of life");
        (0..20).for_each(|number| forge(1000 + number));
        assert_eq!(look(21), (0, Sign::Living), "where not all are looked at nobody is ended");
    }

    /// What a power cut had left open stayed so for ever on a machine that was off every night, and with it all that a
    /// prune had condemned.
    #[test]
    fn what_this_machine_ran_before_it_was_started_anew_is_gone_and_what_others_run_is_not() {
        let (directory, store) = (tempfile::tempdir().unwrap(), MemoryStore::new());
        let keys = Keys::new(Parameters::default());
        let access = keys.open(Arc::new(store), &directory.path().join("own"));
        let own = session::load(&access).unwrap().client;
        let name = rustix::system::uname().nodename().to_bytes().to_vec();
        let (host, other) =
            (|host: &[u8]| Writer { host: host.to_vec(), ..Writer::default() }, ClientId::from_bytes([7; 16]));
        move_to_machine(1);
        let cases = [
            (own, host(&name), Sign::Gone),
            (own, host(b"another"), Sign::Living),
            (own, Writer::default(), Sign::Living),
            (other, host(&name), Sign::Living),
        ];
        for (number, (client, writer, _)) in (1..).zip(&cases) {
            session::open(&access, *client, number, SessionKind::Backup, writer).unwrap();
        }
        move_to_machine(2);
        let clock = BootClock { boot_id: [2; 16], since_boot_ms: 0 };
        let open = observe(&access, &History::load(&access).unwrap(), Duration::from_secs(3600), clock).unwrap();
        let found: BTreeMap<u64, Sign> = open.iter().map(|one| (one.id.number, one.sign)).collect();
        for (number, (_, _, sign)) in (1..).zip(&cases) {
            assert_eq!(found.get(&number), Some(sign), "{number}");
        }
    }
}
