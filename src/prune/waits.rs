//! For which sessions a generation waits. Those that were open once its set was published, and no later ones: else a
//! repository that is always being written to would never be collected. Kept in the pruner's state directory; another
//! pruner, or one that lost the list, begins anew with all that are open then.

use crate::access::Access;
use crate::id::{ObjectHash, SessionId};
use crate::session::{History, read_kept, write_kept};
use crate::wire::List;
use std::collections::BTreeSet;

const FILE: &str = "waiting-generations";
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What was published, after which the open sessions were listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) enum Published {
    /// The condemned set: before the deleted one all these must be decided.
    Condemned,
    /// The deleted set: before both are removed all these must be decided. One of them may yet publish a segment that
    /// names a deleted pack.
    Deleted,
}

#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
struct Wait {
    generation: u64,
    condemned: ObjectHash,
    published: Published,
    sessions: List<SessionId>,
}

/// Which sessions were open when which set was seen first.
#[derive(Debug, Clone, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct Waits(List<Wait>);

/// Whether something has to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    Now,
    Before,
}

/// The number of a generation, the hash of its condemned set, and what was published of it.
pub(super) type What = (u64, ObjectHash, Published);

impl Waits {
    /// Begins to wait for all that are open, unless that was begun before. Forgets those generations of which `history`
    /// knows no more.
    pub(super) fn begin(&mut self, history: &History, what: What) -> Begun {
        if self.find(what).is_some() {
            return Begun::Before;
        }
        let (generation, condemned, published) = what;
        let sessions = List(history.open.iter().copied().collect());
        let alive: BTreeSet<u64> = history.generations.iter().map(|known| known.number).collect();
        self.0.0.push(Wait { generation, condemned, published, sessions });
        self.0.0.retain(|wait| alive.contains(&wait.generation) || wait.generation == generation);
        Begun::Now
    }

    /// Those of them that are not decided. All that are open where nothing was begun.
    pub(super) fn undecided(&self, history: &History, what: What) -> BTreeSet<SessionId> {
        let is_undecided = |id: &SessionId| !history.outcomes.contains_key(id);
        match self.find(what) {
            Some(wait) => wait.sessions.0.iter().copied().filter(is_undecided).collect(),
            None => history.open.iter().copied().filter(is_undecided).collect(),
        }
    }

    fn find(&self, what: What) -> Option<&Wait> {
        self.0.0.iter().find(|wait| (wait.generation, wait.condemned, wait.published) == what)
    }
}

/// The sessions that must be decided and are not. `history` tells of the set, and lists sessions after it has read sets:
/// every session that was open when the set was published is in it, if it is not decided.
pub(super) fn undecided(access: &Access, history: &History, what: What) -> BTreeSet<SessionId> {
    // What can't be read is begun anew, which only takes longer.
    let begun: Option<Waits> = read_kept(&access.state_dir, FILE, FILE_BYTES_MAX).unwrap_or_default();
    let mut waits = begun.unwrap_or_default();
    if waits.begin(history, what) == Begun::Now
        && let Err(error) = write_kept(&access.state_dir, FILE, &waits)
    {
        access.behind.note(format!("{error}; the next prune also waits for sessions that begin until then"));
    }
    waits.undecided(history, what)
}
