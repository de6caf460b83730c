//! What the store says has happened: every decided session, every record, and what collectors have condemned.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::gc;
use crate::id::{ClientId, ObjectHash, PackId, SegmentId, SessionId, SnapshotId};
use crate::outcome::{self, Outcome, OutcomeKind, SeenEntry};
use crate::record::{self, Record, RecordKind};
use crate::session_record;
use crate::store::{Folder, Listed, ObjectName};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The largest outcome, record or gc object that is read.
pub(super) const CONTROL_BYTES_MAX: u64 = 80 << 20;

/// A control object that is there and can't be believed, or is missing although others imply it.
#[derive(Debug)]
pub struct Trouble {
    /// Its name in the store.
    pub object: String,
    /// What is wrong.
    pub error: Error,
}

/// One prune generation that was found in the store.
#[derive(Debug, Clone)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// The packs that must not be used: the deleted set once published, else the condemned set.
    pub packs: Vec<PackId>,
    /// The snapshots that the condemned set counted as live.
    pub live: Vec<SnapshotId>,
}

/// Everything that the store's control objects say. Memory: a few hundred bytes for each session ever decided.
#[derive(Default)]
pub struct History {
    /// Decided sessions. The lists of their packs are left out: a repository has many.
    pub outcomes: BTreeMap<SessionId, Outcome>,
    /// Sessions without an outcome.
    pub open: BTreeSet<SessionId>,
    /// Records, by client and number.
    pub records: BTreeMap<(ClientId, u64), Record>,
    /// Prune generations.
    pub generations: Vec<Generation>,
    /// What can't be believed.
    pub troubles: Vec<Trouble>,
}

impl History {
    /// Reads the sessions first and the outcomes after them, so that a session that was decided meanwhile does not
    /// look open; then records and gc state.
    ///
    /// # Errors
    /// When the store can't be listed. Single objects that can't be believed are troubles, not errors.
    pub fn load(access: &Access) -> Result<Self> {
        let mut history = Self::default();
        access.store.list(Folder::Sessions, &mut |listed| {
            if let Listed::Object { name: ObjectName::Session(id), .. } = listed {
                history.open.insert(id);
            }
        })?;
        history.read_outcomes(access)?;
        history.read_records(access)?;
        history.read_generations(access)?;
        history.settle(access)?;
        Ok(history)
    }

    fn read_outcomes(&mut self, access: &Access) -> Result<()> {
        let mut names = Vec::new();
        access.store.list(Folder::Outcomes, &mut |listed| {
            if let Listed::Object { name: ObjectName::Outcome(id), .. } = listed {
                names.push(id);
            }
        })?;
        for id in names {
            match read_outcome(access, id) {
                Ok(held) => {
                    self.outcomes.insert(id, held);
                }
                Err(error) => self.trouble(ObjectName::Outcome(id), error),
            }
        }
        Ok(())
    }

    /// Tells decided sessions from open ones. Where the object that opened a session is still there, its outcome must
    /// fit it; one that does not decides nothing.
    fn settle(&mut self, access: &Access) -> Result<()> {
        let both: Vec<SessionId> = self.open.iter().filter(|id| self.outcomes.contains_key(id)).copied().collect();
        for id in both {
            match self.check_end(access, id) {
                Ok(()) => {
                    self.open.remove(&id);
                }
                Err(error) if error.kind() == ErrorKind::Damaged => {
                    self.outcomes.remove(&id);
                    self.trouble(ObjectName::Outcome(id), error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn check_end(&mut self, access: &Access, id: SessionId) -> Result<()> {
        let bytes = match access.store.read(&ObjectName::Session(id), CONTROL_BYTES_MAX) {
            Ok(bytes) => bytes,
            // Tidied away since it was listed.
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let session = match session_record::open(id, &access.ring, &access.chain, &bytes) {
            Ok(session) => session,
            // What the outcome committed must not be hidden by damage to an object that has served its turn.
            Err(error) => {
                self.trouble(ObjectName::Session(id), error.into());
                return Ok(());
            }
        };
        let Some(outcome) = self.outcomes.get(&id) else { return Ok(()) };
        Ok(outcome.check_ends(&session)?)
    }

    fn read_records(&mut self, access: &Access) -> Result<()> {
        let mut names = Vec::new();
        access.store.list(Folder::Records, &mut |listed| {
            if let Listed::Object { name: ObjectName::Record(client, number), .. } = listed {
                names.push((client, number));
            }
        })?;
        for (client, number) in names {
            let name = ObjectName::Record(client, number);
            let read = || -> Result<Record> {
                let bytes = access.store.read(&name, CONTROL_BYTES_MAX)?;
                Ok(record::open(client, number, &access.ring, &access.chain, &bytes)?)
            };
            match read() {
                Ok(record) => {
                    self.records.insert((client, number), record);
                }
                Err(error) => self.trouble(name, error),
            }
        }
        Ok(())
    }

    fn read_generations(&mut self, access: &Access) -> Result<()> {
        let mut numbers = BTreeSet::new();
        let mut deleted = HashSet::new();
        access.store.list(Folder::Gc, &mut |listed| match listed {
            Listed::Object { name: ObjectName::Condemned { generation }, .. } => {
                numbers.insert(generation);
            }
            Listed::Object { name: ObjectName::Deleted { generation }, .. } => {
                numbers.insert(generation);
                deleted.insert(generation);
            }
            Listed::Object { .. } | Listed::Stranger { .. } => {}
        })?;
        for number in numbers {
            match read_generation(access, number, deleted.contains(&number)) {
                Ok(generation) => self.generations.push(generation),
                Err(error) => self.trouble(ObjectName::Condemned { generation: number }, error),
            }
        }
        Ok(())
    }

    fn trouble(&mut self, name: ObjectName, error: Error) {
        self.troubles.push(Trouble { object: name.to_string(), error });
    }

    /// Committed sessions: everything decided but the aborts.
    pub fn committed(&self) -> impl Iterator<Item = (&SessionId, &Outcome)> {
        self.outcomes.iter().filter(|(_, held)| held.body.kind != OutcomeKind::Abort)
    }

    /// The segments that committed sessions name.
    pub fn segments(&self) -> BTreeSet<SegmentId> {
        self.committed().flat_map(|(_, held)| held.body.segments.0.iter().map(|segment| segment.id)).collect()
    }

    /// The packs that no hit may come from.
    pub fn excluded(&self) -> Vec<PackId> {
        self.generations.iter().flat_map(|generation| generation.packs.iter().copied()).collect()
    }

    /// Whether what a snapshot holds may be inherited without being read: every condemned set that was found counted
    /// it as live, so none of them condemns what it needs.
    pub fn may_inherit(&self, snapshot: SnapshotId) -> bool {
        self.generations.iter().all(|generation| generation.live.contains(&snapshot))
    }

    /// The snapshots that one uncancelled record forgets.
    pub fn forgotten(&self) -> HashSet<SnapshotId> {
        let cancelled: HashSet<ObjectHash> = self
            .committed()
            .filter_map(|(_, held)| held.body.statement.as_ref())
            .flat_map(|statement| statement.cancels.0.iter().copied())
            .collect();
        self.records
            .values()
            .filter(|record| record.body.kind == RecordKind::Forget && !cancelled.contains(&record.hash))
            .flat_map(|record| record.body.snapshots.0.iter().copied())
            .collect()
    }

    /// For every client the end of the unbroken run of decided numbers from 1, with the hash of its outcome.
    pub fn seen(&self) -> Vec<SeenEntry> {
        let mut seen: BTreeMap<ClientId, SeenEntry> = BTreeMap::new();
        for (id, held) in &self.outcomes {
            let reached = seen.get(&id.client).map_or(0, |entry| entry.number);
            if reached.checked_add(1) == Some(id.number) {
                seen.insert(id.client, SeenEntry { client: id.client, number: id.number, outcome: held.hash });
            }
        }
        seen.into_values().collect()
    }

    /// One above the highest number that a client has used.
    pub fn next_number(&self, client: ClientId) -> u64 {
        let decided = self.outcomes.keys().filter(|id| id.client == client).map(|id| id.number).max();
        let open = self.open.iter().filter(|id| id.client == client).map(|id| id.number).max();
        decided.max(open).unwrap_or(0).saturating_add(1)
    }
}

/// Reads one outcome. Its bytes never change, so the view keeps a copy and the store is asked once.
fn read_outcome(access: &Access, id: SessionId) -> Result<Outcome> {
    let name = ObjectName::Outcome(id);
    let key = name.to_string();
    let kept = access.index.recall(key.as_bytes())?;
    let fresh = kept.is_none();
    let bytes = match kept {
        Some(bytes) => bytes,
        None => access.store.read(&name, CONTROL_BYTES_MAX)?,
    };
    let mut outcome = outcome::open(id, &access.ring, &access.chain, &bytes)?;
    outcome.body.packs.0 = Vec::new();
    if fresh {
        access.index.remember(key.as_bytes(), &bytes)?;
    }
    Ok(outcome)
}

fn read_generation(access: &Access, number: u64, deleted: bool) -> Result<Generation> {
    let bytes = access.store.read(&ObjectName::Condemned { generation: number }, CONTROL_BYTES_MAX)?;
    let condemned = gc::open_condemned(number, &access.ring, &access.chain, &bytes)?;
    let packs = if deleted {
        let bytes = access.store.read(&ObjectName::Deleted { generation: number }, CONTROL_BYTES_MAX)?;
        let deleted = gc::open_deleted(number, &access.ring, &access.chain, &bytes)?;
        deleted.check_follows(&condemned)?;
        deleted.body.packs.0
    } else {
        condemned.body.packs.0
    };
    Ok(Generation { number, packs, live: condemned.body.live.0 })
}

/// The error for a store that lacks what a client's own state remembers.
///
/// # Errors
/// [`ErrorKind::RolledBack`] when an acknowledged outcome is gone or has become another one.
pub fn check_rollback(history: &History, state: &super::state::ClientState) -> Result<()> {
    let own = state.last().map(|id| (id, state.outcome));
    let others =
        state.seen.0.iter().map(|entry| (SessionId { client: entry.client, number: entry.number }, entry.outcome));
    for (id, hash) in own.into_iter().chain(others) {
        match history.outcomes.get(&id) {
            Some(held) if held.hash == hash => {}
            _ => {
                let message = format!(
                    "the store lacks outcome {id}, which it had acknowledged: it was rolled back to an earlier state; \
                     if that was on purpose, run again with --accept-rollback"
                );
                return Err(Error::new(ErrorKind::RolledBack, message));
            }
        }
    }
    Ok(())
}
