//! What the store says has happened: every decided session, every record, and what collectors have condemned.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ClientId, PackId, SessionId, SnapshotId};
use crate::outcome::{self, Outcome, OutcomeKind, SeenEntry};
use crate::record::{self, Record};
use crate::session::generations::{self, Generation, Stage};
use crate::session_record;
use crate::store::{Folder, Listed, ObjectName, before_healing};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The largest outcome, record or gc object that is read.
pub(crate) const CONTROL_BYTES_MAX: u64 = 80 << 20;

/// A control object that is there and can't be believed, or is missing although others imply it.
#[derive(Debug)]
pub struct Trouble {
    /// Which one.
    pub object: ObjectName,
    /// What is wrong.
    pub error: Error,
}

/// What a history is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Sessions,
    Outcomes,
    Records,
    Generations,
}

impl Part {
    /// The order in which they are read. Generations come before sessions: whoever waits for a generation's sessions must
    /// not miss one that was opened before its set was published, however long it slept in between. Sessions come before
    /// outcomes: one that is decided and tidied away in between would else be neither open nor decided.
    pub(crate) const IN_ORDER: [Self; 4] = [Self::Generations, Self::Sessions, Self::Outcomes, Self::Records];
}

/// Everything that the store's control objects say. Memory: a few hundred bytes for each session ever decided.
#[derive(Default)]
pub struct History {
    /// Decided sessions. The lists of their packs are left out: a repository has many.
    pub outcomes: BTreeMap<SessionId, Outcome>,
    /// Sessions without an outcome.
    pub open: BTreeSet<SessionId>,
    /// Records, by client and number. The packs that one may name are left out.
    pub records: BTreeMap<(ClientId, u64), Record>,
    /// Prune generations.
    pub generations: Vec<Generation>,
    /// What can't be believed.
    pub troubles: Vec<Trouble>,
    /// Outcomes that an earlier reading verified.
    known: BTreeMap<SessionId, Outcome>,
}

impl History {
    /// Reads everything, in an order in which whatever happens meanwhile does no harm.
    ///
    /// # Errors
    /// When the store can't be listed. Single objects that can't be believed are troubles, not errors.
    pub fn load(access: &Access) -> Result<Self> {
        Self::default().reload(access)
    }

    /// Reads everything again, but for the outcomes that are known already: their bytes never change. Costs what came
    /// since, and the listings.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn reload(self, access: &Access) -> Result<Self> {
        let mut history = Self { known: self.outcomes, ..Self::default() };
        for part in Part::IN_ORDER {
            match part {
                Part::Sessions => history.read_sessions(access)?,
                Part::Outcomes => history.read_outcomes(access)?,
                Part::Records => history.read_records(access)?,
                Part::Generations => history.read_generations(access)?,
            }
        }
        history.settle(access)?;
        Ok(history)
    }

    fn read_sessions(&mut self, access: &Access) -> Result<()> {
        access.store.list(Folder::Sessions, &mut |listed| {
            if let Listed::Object { name: ObjectName::Session(id), .. } = listed {
                self.open.insert(id);
            }
        })?;
        Ok(())
    }

    fn read_outcomes(&mut self, access: &Access) -> Result<()> {
        let mut names = Vec::new();
        access.store.list(Folder::Outcomes, &mut |listed| {
            if let Listed::Object { name: ObjectName::Outcome(id), .. } = listed {
                names.push(id);
            }
        })?;
        let mut known = std::mem::take(&mut self.known);
        for id in names {
            match known.remove(&id).map_or_else(|| read_outcome(access, id), Ok) {
                Ok(mut held) => {
                    held.body.packs.0 = Vec::new();
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
        // Else it was tidied away since it was listed.
        let Some(bytes) = read_if_there(access, &ObjectName::Session(id))? else { return Ok(()) };
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
                Ok(mut record) => {
                    record.body.packs.0 = Vec::new();
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
            let (generation, wrong) = generations::read(access, number, deleted.contains(&number));
            self.generations.extend(generation);
            wrong.into_iter().for_each(|(name, error)| self.trouble(name, error));
        }
        Ok(())
    }

    fn trouble(&mut self, object: ObjectName, error: Error) {
        self.troubles.push(Trouble { object, error });
    }

    /// Committed sessions: everything decided but the aborts.
    pub fn committed(&self) -> impl Iterator<Item = (&SessionId, &Outcome)> {
        self.outcomes.iter().filter(|(_, held)| held.body.kind != OutcomeKind::Abort)
    }

    /// The packs that no hit may come from.
    pub fn excluded(&self) -> Vec<PackId> {
        self.generations.iter().flat_map(|generation| generation.packs.iter().copied()).collect()
    }

    /// The sets of prunes that can't be read, with the generation of each.
    pub fn unreadable_sets(&self) -> impl Iterator<Item = (u64, &Trouble)> {
        self.troubles.iter().filter_map(|trouble| {
            let (ObjectName::Condemned { generation } | ObjectName::Deleted { generation }) = trouble.object else {
                return None;
            };
            Some((generation, trouble))
        })
    }

    /// A set of a prune that can't be read, and beside which no other one tells what is about to be deleted.
    pub fn unreadable_set(&self) -> Option<&Trouble> {
        let is_unknown = |number: u64| self.generations.iter().all(|known| known.number != number);
        self.unreadable_sets().find(|(generation, _)| is_unknown(*generation)).map(|(_, trouble)| trouble)
    }

    /// Whether what a snapshot holds may be inherited without being read: every condemned set without a deleted set that
    /// can be read counted it as live, so none of them condemns what it needs.
    pub fn may_inherit(&self, snapshot: SnapshotId) -> bool {
        if self.unreadable_set().is_some() {
            return false;
        }
        let mut undecided = self.generations.iter().filter(|generation| generation.stage == Stage::Condemned);
        undecided.all(|generation| generation.live.binary_search(&snapshot).is_ok())
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
pub(super) fn read_outcome(access: &Access, id: SessionId) -> Result<Outcome> {
    let open = |bytes: &[u8]| outcome::open(id, &access.ring, &access.chain, bytes);
    if let Some(outcome) = kept_outcome(access, id)?.and_then(|bytes| open(&bytes).ok()) {
        return Ok(outcome);
    }
    let name = ObjectName::Outcome(id);
    let bytes = access.store.read(&name, CONTROL_BYTES_MAX)?;
    let outcome = open(&bytes)?;
    // What the view keeps of an outcome goes for the first copy.
    if !access.used_copies.contain(&name) {
        access.index.remember(name.to_string().as_bytes(), &bytes)?;
    }
    Ok(outcome)
}

/// The bytes of an outcome that the view keeps. They are proved by opening them, as those of the store are.
///
/// # Errors
/// When the view can't be read.
pub fn kept_outcome(access: &Access, id: SessionId) -> Result<Option<Vec<u8>>> {
    Ok(access.index.recall(ObjectName::Outcome(id).to_string().as_bytes())?)
}

/// A control object; none when it is not there.
///
/// # Errors
/// When the store can't be read.
pub(crate) fn read_if_there(access: &Access, name: &ObjectName) -> Result<Option<Vec<u8>>> {
    Ok(access.store.read_if_there(name, CONTROL_BYTES_MAX)?)
}

/// Fails if the store lacks what a client's own state remembers.
///
/// # Errors
/// [`ErrorKind::RolledBack`] when an acknowledged outcome is gone or has become another one; [`ErrorKind::Damaged`] when it
/// is there and damaged, or is gone and its second copy is there: no store that was set back is like that.
pub fn check_rollback(access: &Access, history: &History, state: &super::state::ClientState) -> Result<()> {
    for (id, hash) in state.known() {
        match history.outcomes.get(&id) {
            Some(held) if held.hash == hash => {}
            _ => return Err(lost_or_rolled_back(access, history, id)),
        }
    }
    Ok(())
}

fn lost_or_rolled_back(access: &Access, history: &History, id: SessionId) -> Error {
    let name = ObjectName::Outcome(id);
    let trouble = history.troubles.iter().find(|trouble| trouble.object == name);
    let copy = || name.mirror().is_some_and(|copy| access.store.open(&copy).is_ok());
    let wrong = match trouble.map(|trouble| &trouble.error) {
        Some(error) if error.kind() == ErrorKind::Exhausted => return Error::new(error.kind(), error.to_string()),
        Some(error) => error.to_string(),
        None if copy() => "it is gone; its second copy is there".to_owned(),
        None => {
            let message = format!(
                "the store lacks outcome {id}, which it had acknowledged: it was rolled back to an earlier state"
            );
            return Error::new(ErrorKind::RolledBack, message);
        }
    };
    let before = before_healing(access.store.as_ref(), Folder::Outcomes);
    let message = format!(
        "{name}, which this machine knows of, is damaged ({wrong}); {before}`holdall check --repair` heals it if it has a \
         second copy; where nothing does, --accept-rollback goes on without it"
    );
    Error::new(ErrorKind::Damaged, message)
}
