//! Control objects that the store has lost, and whose bytes are kept elsewhere: in a second copy beside them, or, those of
//! outcomes, in the view of whoever looks for them, which has read them before. What a key opens under a name tells it
//! from another sound object, so that what was mixed up is put right as well.

use crate::access::Access;
use crate::error::{ErrorKind, Result};
use crate::gc;
use crate::id::SessionId;
use crate::outcome;
use crate::record;
use crate::repair::look::notices;
use crate::repair::options::LostObject;
use crate::session::{History, kept_outcome, read_if_there};
use crate::store::{Created, ObjectName, Proof};
use std::sync::Arc;

/// How many numbers that left nothing are asked for. A forged number may leave any gap below it.
const GONE_COUNT_MAX: usize = 10_000;

/// Writes outcomes, records and the sets of prunes as they were, where they are gone or damaged and a second copy or the
/// view has them. Returns what came back, with what was wrong. Reads every control object from the store, and once more
/// when one came back.
///
/// # Errors
/// When the store can't be read or written.
pub fn heal_control(access: &Access) -> Result<Vec<LostObject>> {
    let mut healed = Vec::new();
    loop {
        let brought = LostControl::find(access)?.bring_back(access)?;
        if brought.is_empty() {
            return Ok(healed);
        }
        // Of a generation's sets one is told at a time.
        healed.extend(brought);
    }
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
        let numbered = |client| move |number| SessionId { client, number };
        let gone = history.gaps().into_iter().flat_map(|(client, numbers)| numbers.map(numbered(client)));
        let mut kept = Vec::new();
        for (name, wrong) in damaged(&history) {
            let Some(bytes) = right_bytes(access, &name)? else { continue };
            history.troubles.retain(|trouble| trouble.object != name.to_string());
            kept.push(Kept { name, wrong, stands: Stands::Wrong, bytes });
        }
        for id in gone.take(GONE_COUNT_MAX) {
            // One that was opened since the sessions were listed shows as a gap too.
            let is_open = read_if_there(access, &ObjectName::Session(id))?.is_some();
            let name = ObjectName::Outcome(id);
            let Some(bytes) = right_bytes(access, &name)?.filter(|_| !is_open) else { continue };
            kept.push(Kept { name, wrong: "it is gone".to_owned(), stands: Stands::Nothing, bytes });
        }
        Ok(Self { kept, notices: notices(&history) })
    }

    /// What can be brought back.
    pub(super) fn told(&self) -> Vec<LostObject> {
        self.kept.iter().map(Kept::told).collect()
    }

    fn bring_back(&self, access: &Access) -> Result<Vec<LostObject>> {
        let mut brought = Vec::new();
        for kept in &self.kept {
            if kept.bring_back(access)? == Created::New {
                brought.push(kept.told());
            }
        }
        Ok(brought)
    }
}

impl Kept {
    fn told(&self) -> LostObject {
        LostObject { object: self.name.to_string(), wrong: self.wrong.clone() }
    }

    /// What is right by now stays.
    fn bring_back(&self, access: &Access) -> Result<Created> {
        if self.stands == Stands::Nothing {
            return Ok(access.store.create(&self.name, &self.bytes)?);
        }
        let (judge, name) = (access.clone(), self.name);
        let proof = Proof::Keyed(Arc::new(move |bytes| is_right(&judge, &name, bytes)));
        let mut spool = access.store.mend(&name, proof)?;
        spool.append(&self.bytes)?;
        Ok(spool.publish(&name)?)
    }
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
        // These are proved by their name, or have no second copy.
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
