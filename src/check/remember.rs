//! Saying in the repository which packs were verified, while a check runs, so that what was done is not lost when it is
//! stopped; and putting few records in the place of many when it ends.

use crate::access::Access;
use crate::check::options::Remember;
use crate::check::verified::{self, Known, Verified};
use crate::envelope;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ClientId, PackId};
use crate::record::{self, PACKS_COUNT_MAX, RecordBody, RecordKind};
use crate::session::now_ns;
use crate::store::{Created, ObjectName};
use crate::wire::{Blob, List};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// How long what was verified waits to be said: so much work is lost when a check is killed.
const WAIT_NS: i64 = 5 * 60 * NS_PER_SECOND;
/// How far apart the times of records may lie that become one, however young they are.
const MERGED_NS_MIN: i64 = 3600 * NS_PER_SECOND;
/// Which part of their age else.
const MERGED_PART: i64 = 8;
const NS_PER_SECOND: i64 = 1_000_000_000;

/// Takes note of packs that were verified.
pub(super) struct Recorder<'a> {
    access: &'a Access,
    state: Mutex<State>,
}

struct State {
    waiting: Vec<PackId>,
    /// A time before which the reading of none of those that wait began.
    since_ns: i64,
    /// How many packs the repository was told of.
    told_count: u64,
    voice: Voice,
}

/// Whether anything is said.
enum Voice {
    Speaks,
    /// The caller wants nothing to be written.
    Silent,
    /// It could not be said.
    Lost(Error),
}

/// What came of it.
pub(super) struct Told {
    pub(super) pack_count: u64,
    pub(super) failure: Option<Error>,
}

impl<'a> Recorder<'a> {
    /// Begins. A key that may not say what was verified says nothing.
    pub(super) fn new(access: &'a Access, remember: Remember) -> Self {
        let voice = match (remember, check_may_state(access)) {
            (Remember::Nothing, _) => Voice::Silent,
            (Remember::Verified, Ok(())) => Voice::Speaks,
            (Remember::Verified, Err(error)) => Voice::Lost(error),
        };
        let state = State { waiting: Vec::new(), since_ns: now_ns(), told_count: 0, voice };
        Self { access, state: Mutex::new(state) }
    }

    /// Notes a pack that was just verified.
    pub(super) fn verified(&self, pack: PackId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(state.voice, Voice::Speaks) {
            return;
        }
        state.waiting.push(pack);
        let waited_ns = now_ns().saturating_sub(state.since_ns);
        if state.waiting.len() >= PACKS_COUNT_MAX || waited_ns >= WAIT_NS {
            state.say(self.access);
        }
    }

    /// Says what was not said yet, takes back what earlier checks said of packs that are damaged by now, and tidies.
    pub(super) fn finish(self, damaged: &BTreeSet<PackId>) -> Told {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.say(self.access);
        let failure = match state.voice {
            Voice::Lost(error) => Some(error),
            Voice::Speaks if state.told_count > 0 || !damaged.is_empty() => tidy(self.access, damaged).err(),
            Voice::Speaks | Voice::Silent => None,
        };
        Told { pack_count: state.told_count, failure }
    }
}

impl State {
    fn say(&mut self, access: &Access) {
        let packs = std::mem::take(&mut self.waiting);
        if packs.is_empty() || !matches!(self.voice, Voice::Speaks) {
            return;
        }
        let count = u64::try_from(packs.len()).unwrap_or(u64::MAX);
        match make(access, self.since_ns, packs) {
            Ok(()) => self.told_count = self.told_count.saturating_add(count),
            Err(error) => self.voice = Voice::Lost(error),
        }
        self.since_ns = now_ns();
    }
}

fn check_may_state(access: &Access) -> Result<()> {
    let role = envelope::check_right(envelope::Kind::Session, &access.ring, &access.chain)?;
    if RecordKind::Verified.may_state(role) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Denied, format!("a key with the role {role} may not say what was verified")))
}

/// Makes a record of up to [`PACKS_COUNT_MAX`] packs, under a client id of its own, so that its name never comes back.
pub(super) fn make(access: &Access, made_at_ns: i64, mut packs: Vec<PackId>) -> Result<()> {
    packs.sort_unstable();
    packs.dedup();
    let body = RecordBody {
        client: ClientId::from_bytes(crate::seal::random()),
        number: 1,
        made_at_ns,
        kind: RecordKind::Verified,
        snapshots: List::default(),
        until_ns: None,
        packs: List(packs),
        note: Blob::default(),
    };
    let bytes = record::seal(&body, &access.ring, &access.chain)?;
    match access.store.create(&ObjectName::Verified(body.client, body.number), &bytes)? {
        Created::New => Ok(()),
        Created::Exists => Err(Error::new(ErrorKind::Unreliable, "a random number came twice")),
    }
}

/// Puts few records in the place of many: those that are superseded in part, or small, become one where their times lie
/// close together. None that is left names a damaged pack: a check that passes over what was verified lately would pass over
/// it. Memory: one record, and the names of all.
pub(super) fn tidy(access: &Access, damaged: &BTreeSet<PackId>) -> Result<()> {
    let verified = Verified::load(access)?;
    let mut gone = Vec::new();
    let mut merged = Merged { access, now_ns: now_ns(), packs: Vec::new(), sources: Vec::new(), is_changed: false };
    for known in verified.records.iter().rev() {
        let Some(body) = verified::read(access, known.client, known.number)? else { continue };
        let count = body.packs.0.len();
        let mut live = Vec::new();
        for pack in body.packs.0 {
            let is_newest = verified.at_ns(pack)? == Some(known.made_at_ns);
            if is_newest && !damaged.contains(&pack) && access.index.find_pack(&pack)?.is_some() {
                live.push(pack);
            }
        }
        if live.is_empty() {
            gone.push(known.name());
        }
        if live.is_empty() || live.len() == PACKS_COUNT_MAX {
            continue;
        }
        if !merged.has_room(known, live.len()) {
            merged.write()?;
        }
        merged.is_changed |= live.len() < count;
        merged.packs.append(&mut live);
        merged.sources.push(*known);
    }
    merged.write()?;
    if !gone.is_empty() {
        access.store.remove_all(&gone)?;
    }
    Ok(())
}

/// Records that become one. They come in order, the newest first.
struct Merged<'a> {
    access: &'a Access,
    now_ns: i64,
    packs: Vec<PackId>,
    sources: Vec<Known>,
    /// Whether one of them names packs for which it is superseded, or that are damaged.
    is_changed: bool,
}

impl Merged<'_> {
    fn has_room(&self, next: &Known, count: usize) -> bool {
        let Some(newest) = self.sources.first() else { return true };
        let age_ns = self.now_ns.saturating_sub(newest.made_at_ns);
        let apart_ns = newest.made_at_ns.saturating_sub(next.made_at_ns);
        self.packs.len().saturating_add(count) <= PACKS_COUNT_MAX && apart_ns <= MERGED_NS_MIN.max(age_ns / MERGED_PART)
    }

    /// Makes the one, and removes what it was made of.
    fn write(&mut self) -> Result<()> {
        let (packs, sources) = (std::mem::take(&mut self.packs), std::mem::take(&mut self.sources));
        let is_changed = std::mem::take(&mut self.is_changed);
        let Some(oldest) = sources.last() else { return Ok(()) };
        if sources.len() == 1 && !is_changed {
            return Ok(());
        }
        // Durable before those go whose place it takes: a crash in between leaves all of them, and the next check tidies
        // again.
        make(self.access, oldest.made_at_ns, packs)?;
        let names: Vec<ObjectName> = sources.iter().map(Known::name).collect();
        self.access.store.remove_all(&names)?;
        Ok(())
    }
}
