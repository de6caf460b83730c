//! Control objects that the store has lost, and whose bytes are kept elsewhere: in a second copy beside them, or, those of
//! outcomes, in the view of whoever looks for them, which has read them before. What a key opens under a name tells it
//! from another sound object, so that what was mixed up is put right as well.

use crate::access::Access;
use crate::error::{ErrorKind, Result};
use crate::gc;
use crate::heal;
use crate::id::SessionId;
use crate::outcome;
use crate::record;
use crate::repair::look::notices;
use crate::repair::options::LostObject;
use crate::session::{History, kept_outcome, read_if_there};
use crate::store::{Created, ObjectName, Proof, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many numbers that left nothing are asked for of a client, and how many in all. A forged number may leave any gap
/// below it, and anybody may forge clients.
const GONE_COUNT_MAX: (usize, usize) = (1_000, 100_000);

/// What became of control objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealedControl {
    /// Those that are right now, with what was wrong.
    pub healed: Vec<LostObject>,
    /// Those that could not be written, with the reason.
    pub unhealed: Vec<LostObject>,
}

/// Writes outcomes, records and the sets of prunes as they were, where they are damaged and a second copy or the view has
/// them; and outcomes and records that are gone. Reads every control object from the store, and once more when one came
/// back.
///
/// # Errors
/// When the store or the view can't be read.
pub fn heal_control(access: &Access) -> Result<HealedControl> {
    let mut done = LostControl::find(access)?.bring_back(access);
    if !done.healed.is_empty() {
        // Of a generation's sets one is told at a time.
        let more = LostControl::find(access)?.bring_back(access);
        done = HealedControl { healed: [done.healed, more.healed].concat(), unhealed: more.unhealed };
    }
    Ok(done)
}

/// Control objects that are lost, as the store has them now.
#[derive(Default)]
pub(super) struct LostControl {
    /// Those whose bytes are at hand.
    kept: Vec<Kept>,
    /// What else can't be believed, and can't be brought back.
    pub(super) notices: Vec<String>,
}

struct Kept {
    name: ObjectName,
    wrong: String,
    stands: Stands,
    bytes: Vec<u8>,
}

/// Whether something is there in the place of the right bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Wrong,
    Nothing,
}

impl LostControl {
    /// Reads every control object from the store.
    ///
    /// # Errors
    /// When the store or the view can't be read.
    pub(super) fn find(access: &Access) -> Result<Self> {
        let mut history = History::load(&access.without_view())?;
        let mut gone = gone(access, &history)?;
        let mut kept = Vec::new();
        for (name, wrong) in damaged(&history) {
            // What opens is to blame for something else than its bytes.
            let there = read_if_there(access, &name).unwrap_or(None);
            if there.is_some_and(|there| is_right(access, &name, &there)) {
                continue;
            }
            let Some(bytes) = right_bytes(access, &name)? else { continue };
            history.troubles.retain(|trouble| trouble.object != name.to_string());
            gone.remove(&name);
            kept.push(Kept { name, wrong, stands: Stands::Wrong, bytes });
        }
        for name in gone {
            let Some(bytes) = right_bytes(access, &name)? else { continue };
            // Created since it was listed.
            if read_if_there(access, &name)?.is_some() {
                continue;
            }
            kept.push(Kept { name, wrong: "it is gone".to_owned(), stands: Stands::Nothing, bytes });
        }
        Ok(Self { kept, notices: notices(&history) })
    }

    /// What can be brought back.
    pub(super) fn told(&self) -> Vec<LostObject> {
        self.kept.iter().map(Kept::told).collect()
    }

    fn bring_back(&self, access: &Access) -> HealedControl {
        let mut done = HealedControl::default();
        for kept in &self.kept {
            match kept.bring_back(access) {
                Ok(Created::New) => done.healed.push(kept.told()),
                // It was right by then, or a prune had done with it.
                Ok(Created::Exists) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => done.unhealed.push(LostObject { wrong: error.to_string(), ..kept.told() }),
            }
        }
        done
    }
}

impl Kept {
    fn told(&self) -> LostObject {
        LostObject { object: self.name.to_string(), wrong: self.wrong.clone() }
    }

    /// What is right by now stays.
    fn bring_back(&self, access: &Access) -> Result<Created, StoreError> {
        if self.stands == Stands::Nothing {
            return access.store.create(&self.name, &self.bytes);
        }
        let (judge, name) = (access.clone(), self.name);
        let proof = Proof::Keyed(Arc::new(move |bytes| is_right(&judge, &name, bytes)));
        let mut spool = access.store.mend(&name, proof)?;
        spool.append(&self.bytes)?;
        spool.publish(&name)
    }
}

/// Outcomes and records that may be gone: nobody removes them, and second copies tell of them, or later numbers, or a
/// session that the view knows to be decided and that seems open. Which of them are, shows when their bytes are found.
fn gone(access: &Access, history: &History) -> Result<BTreeSet<ObjectName>> {
    let mut gone = heal::lost_with_copy(access.store.as_ref())?;
    gone.retain(|name| matches!(name, ObjectName::Outcome(_) | ObjectName::Record(..)));
    gone.extend(history.open.iter().copied().map(ObjectName::Outcome));
    let (of_client_max, all_max) = GONE_COUNT_MAX;
    let numbered = |client| move |number| ObjectName::Outcome(SessionId { client, number });
    let gaps = history.gaps().into_iter();
    gone.extend(gaps.flat_map(|(client, numbers)| numbers.take(of_client_max).map(numbered(client))).take(all_max));
    Ok(gone)
}

fn damaged(history: &History) -> Vec<(ObjectName, String)> {
    let troubles = history.troubles.iter().filter(|trouble| trouble.error.kind() == ErrorKind::Damaged);
    troubles.filter_map(|trouble| Some((trouble.object.parse().ok()?, trouble.error.to_string()))).collect()
}

/// Bytes that are this object: they open, and say so.
fn right_bytes(access: &Access, name: &ObjectName) -> Result<Option<Vec<u8>>> {
    let is_right = |bytes: &Vec<u8>| is_right(access, name, bytes);
    let copy = match name.mirror() {
        // A copy that can't be read is as good as none.
        Some(copy) => read_if_there(access, &copy).unwrap_or(None).filter(is_right),
        None => None,
    };
    match (copy, name) {
        (None, ObjectName::Outcome(id)) => Ok(kept_outcome(access, *id)?.filter(is_right)),
        (copy, _) => Ok(copy),
    }
}

fn is_right(access: &Access, name: &ObjectName, bytes: &[u8]) -> bool {
    let (ring, chain) = (&access.ring, &access.chain);
    match name {
        ObjectName::Outcome(id) => outcome::open(*id, ring, chain, bytes).is_ok(),
        ObjectName::Record(client, number) => record::open(*client, *number, ring, chain, bytes).is_ok(),
        ObjectName::Condemned { generation } => gc::open_condemned(*generation, ring, chain, bytes).is_ok(),
        ObjectName::Deleted { generation } => gc::open_deleted(*generation, ring, chain, bytes).is_ok(),
        // These are proved by their name, or nobody asks: the configurations by whoever opens the repository.
        ObjectName::Config(_)
        | ObjectName::Key(_)
        | ObjectName::Pack(_)
        | ObjectName::Segment(_)
        | ObjectName::Session(_)
        | ObjectName::Heartbeat(..)
        | ObjectName::Verified(..)
        | ObjectName::Parity(_)
        | ObjectName::Mirror(_) => false,
    }
}
