//! For which sessions a generation waits. Those that were open once its set was published, and no later ones: else a
//! repository that is always being written to would never be collected. Kept in the pruner's state directory; another
//! pruner, or one that lost the list, begins anew with all that are open then.

use crate::access::Access;
use crate::error::Result;
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

/// The sessions that must be decided and are not. `history` was read after the set was published.
///
/// # Errors
/// When the state directory can't be written to.
pub(super) fn undecided(
    access: &Access,
    history: &History,
    (generation, condemned, published): (u64, ObjectHash, Published),
) -> Result<BTreeSet<SessionId>> {
    let mut waits = read_kept::<List<Wait>>(&access.state_dir, FILE, FILE_BYTES_MAX).unwrap_or_default().0;
    let is_this = |wait: &Wait| (wait.generation, wait.condemned, wait.published) == (generation, condemned, published);
    let first: BTreeSet<SessionId> = match waits.iter().find(|wait| is_this(wait)) {
        Some(wait) => wait.sessions.0.iter().copied().collect(),
        None => {
            let sessions = List(history.open.iter().copied().collect());
            waits.push(Wait { generation, condemned, published, sessions });
            let alive: BTreeSet<u64> = history.generations.iter().map(|known| known.number).collect();
            waits.retain(|wait| alive.contains(&wait.generation) || wait.generation == generation);
            write_kept(&access.state_dir, FILE, &List(waits))?;
            history.open.clone()
        }
    };
    Ok(first.into_iter().filter(|id| !history.outcomes.contains_key(id)).collect())
}
