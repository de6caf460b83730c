//! Sessions that nobody has decided: who runs them, whether they still live, and ending them.

use crate::access::Access;
use crate::config::Role;
use crate::envelope;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ObjectHash, SessionId, SignerKey};
use crate::outcome::{self, OutcomeKind};
use crate::session::history::{self, CONTROL_BYTES_MAX, History};
use crate::session::liveness::{self, Whereabouts};
use crate::session::running::{RunningSession, Writer};
use crate::session::{silence, state};
use crate::session_record::{self, SessionKind};
use crate::store::{Created, ObjectName};
use std::fmt;

/// A session without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndecidedSession {
    /// Its name.
    pub id: SessionId,
    /// What it is for.
    pub kind: SessionKind,
    /// The key that opened it.
    pub signer: SignerKey,
    /// When it began, by the clock of the machine that runs it, in nanoseconds since the epoch.
    pub started_at_ns: i64,
    /// The number of its last heartbeat. It gives one every five minutes, and counts them, unless others were in the way.
    pub beat_count: u64,
    /// What is known of its process.
    pub process: WriterProcess,
    /// Who runs it; none when the key at hand can't read it.
    pub writer: Option<Writer>,
}

/// What this process can tell about the one that runs a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterProcess {
    /// It runs on this machine.
    Running {
        /// Its id.
        pid: u32,
    },
    /// It ran on this machine, since it was last started, and is gone.
    Gone {
        /// Its id.
        pid: u32,
    },
    /// It runs, or ran, on another machine, before this one was last started, or in another container: nobody here can
    /// tell.
    Elsewhere,
}

/// How a user names an open session: the first 4 to 32 digits of its client's id, a dash, and its number in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSpec {
    client: String,
    number: u64,
}

/// What became of an attempt to end a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortOutcome {
    /// The session is aborted.
    Aborted,
    /// It had ended like this before the abort reached the store.
    TooLate(OutcomeKind),
}

impl SessionSpec {
    /// The shortest name that a session is usually shown by.
    pub fn short(id: SessionId) -> Self {
        Self { client: id.client.short(), number: id.number }
    }

    /// Whether it names this session.
    pub fn fits(&self, id: SessionId) -> bool {
        id.number == self.number && id.client.to_string().starts_with(&self.client)
    }
}

impl fmt::Display for SessionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.client, self.number)
    }
}

impl std::str::FromStr for SessionSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once('-').and_then(|(client, number)| {
            let digits = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let fits = digits(client) && digits(number) && (4..=32).contains(&client.len());
            let number = u64::from_str_radix(number, 16).ok().filter(|_| fits)?;
            Some(Self { client: client.to_owned(), number })
        });
        parsed.ok_or_else(|| {
            let message = format!("{text:?} names no session: give its id as `sessions` shows it, such as 1a2b3c4d-7");
            Error::new(ErrorKind::Invalid, message)
        })
    }
}

/// All sessions that are not decided, by client and number. One whose object can't be believed is left out: it is among
/// the history's troubles, or was decided meanwhile.
///
/// # Errors
/// When the store can't be read.
pub fn open_sessions(access: &Access, history: &History) -> Result<Vec<UndecidedSession>> {
    let beats = silence::highest_beats(access, &history.open)?;
    let client = state::kept(&access.state_dir).map(|state| state.client);
    let mut sessions = Vec::new();
    for id in &history.open {
        let Some(session) = read(access, *id)? else { continue };
        let liveness = session.body.liveness;
        let process = match liveness::whereabouts(&session, client) {
            Whereabouts::Gone => WriterProcess::Gone { pid: liveness.pid },
            Whereabouts::Here => WriterProcess::Running { pid: liveness.pid },
            Whereabouts::Elsewhere => WriterProcess::Elsewhere,
        };
        let writer = session.description.as_open().map(|description| Writer {
            host: description.host.0.clone(),
            user: description.user.0.clone(),
            command: description.command.0.iter().map(|word| word.0.clone()).collect(),
        });
        sessions.push(UndecidedSession {
            id: *id,
            kind: session.body.kind,
            signer: session.signer,
            started_at_ns: session.body.started_at_ns,
            beat_count: silence::believed_beat(access, &session, beats.get(id))?.unwrap_or(0),
            process,
            writer,
        });
    }
    Ok(sessions)
}

/// Ends a session of anybody by creating an abort in the place of its outcome. Its writer learns of it when it commits,
/// at the latest; nothing that it committed before is lost.
///
/// # Errors
/// [`ErrorKind::Denied`] when the key may not end it, [`ErrorKind::NotFound`] when there is no such session, or when the
/// store can't take the abort.
pub fn abort_open(access: &Access, id: SessionId) -> Result<AbortOutcome> {
    let role = envelope::check_right(envelope::Kind::Outcome, &access.ring, &access.chain)?;
    let found = history::read_if_there(access, &ObjectName::Session(id))?;
    let found = found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("session {id} is not open")))?;
    // Nobody knows who opened one whose object is damaged; whoever may end everybody's may end it.
    let session = session_record::open(id, &access.ring, &access.chain, &found).ok();
    let is_own = session.as_ref().is_some_and(|session| session.signer == access.ring.signer());
    if !matches!(role, Role::Prune | Role::All) && !is_own {
        let message = format!(
            "a key with the role {role} may not end a session that another key opened; use one with the role prune or all"
        );
        return Err(Error::new(ErrorKind::Denied, message));
    }
    let running = RunningSession { id, hash: ObjectHash::of(&found) };
    let body = running.outcome(OutcomeKind::Abort, Vec::new(), Vec::new());
    let bytes = outcome::seal(&body, None, &access.ring, &access.chain)?;
    let name = ObjectName::Outcome(id);
    let created = match access.store.create(&name, &bytes) {
        // For a session that is dead a prune of a full medium may wait: to end it may take from the reserve.
        Err(error) if error.is_no_space() && access.store.give_up_reserve()? => access.store.create(&name, &bytes),
        created => created,
    };
    match created? {
        // The session object and what it left stay for its writer or the next prune to tidy: the writer may be at work.
        Created::New => Ok(AbortOutcome::Aborted),
        Created::Exists => {
            let bytes = access.store.read(&name, CONTROL_BYTES_MAX)?;
            let ended = outcome::open(id, &access.ring, &access.chain, &bytes)?;
            session.map_or(Ok(()), |session| ended.check_ends(&session))?;
            Ok(AbortOutcome::TooLate(ended.body.kind))
        }
    }
}

fn read(access: &Access, id: SessionId) -> Result<Option<session_record::Session>> {
    let bytes = history::read_if_there(access, &ObjectName::Session(id))?;
    Ok(bytes.and_then(|bytes| session_record::open(id, &access.ring, &access.chain, &bytes).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ClientId;

    #[test]
    fn a_session_is_named_by_the_start_of_its_client_and_its_number() {
        let id = SessionId { client: ClientId::from_bytes([0xab; 16]), number: 0x1f };
        assert_eq!(SessionSpec::short(id).to_string(), "abababab-1f");
        for text in ["abab-1f", "abababab-1f", "abababab-01f", &id.to_string()] {
            assert!(text.parse::<SessionSpec>().unwrap().fits(id), "{text}");
        }
        for text in ["abab-1", "abac-1f"] {
            assert!(!text.parse::<SessionSpec>().unwrap().fits(id), "{text}");
        }
        for text in ["", "abab", "aba-1", "abab-", "abab-g", "ABAB-1", "abab-11111111111111111"] {
            assert_eq!(text.parse::<SessionSpec>().unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
    }
}
