//! Control objects that the store has lost, and whose bytes are kept elsewhere: in a second copy beside them, or, those of
//! outcomes, in the view of whoever looks for them, which has read them before. What a key opens under a name tells it
//! from another sound object, so that what was mixed up is put right as well.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::gc;
use crate::heal;
use crate::id::{ObjectHash, SessionId};
use crate::outcome;
use crate::progress::{Event, Progress};
use crate::record::{self, RecordKind};
use crate::repair::look::notices;
use crate::repair::options::LostObject;
use crate::session::{History, kept_outcome, read_if_there};
use crate::store::{Created, ObjectName, Proof, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many numbers that left nothing the view is asked for of a client, and how many in all. A forged number may leave any
/// gap below it, and anybody may forge clients.
const GONE_COUNT_MAX: (usize, usize) = (1_000, 100_000);

/// What became of control objects.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct HealedControl {
    /// Those that are right now, with what was wrong.
    pub healed: Vec<LostObject>,
    /// Those that could not be written, with the reason.
    pub unhealed: Vec<LostObject>,
    /// What ended it early. What is told above was done by then, and stands.
    pub failure: Option<Error>,
}

impl HealedControl {
    /// Goes on with it, unless it has ended early.
    ///
    /// # Errors
    /// What ends it where there is nothing to tell yet.
    pub(crate) fn go_on(mut self, with: impl FnOnce(&mut Self) -> Result<()>) -> Result<Self> {
        if self.failure.is_none() {
            match with(&mut self) {
                Err(error) if self.healed.is_empty() && self.unhealed.is_empty() => return Err(error),
                ended => self.failure = ended.err(),
            }
        }
        Ok(self)
    }
}

/// Writes outcomes, records and the sets of prunes as they were, where they are damaged and a second copy or the view has
/// them; and outcomes and records that are gone. Reads every control object from the store, and once more when one came
/// back. Of what is gone the store is asked only for what its listings name.
///
/// # Errors
/// When the store or the view can't be read, or the caller stops, before anything was written.
pub fn heal_control(access: &Access, progress: &dyn Progress) -> Result<HealedControl> {
    HealedControl::default().go_on(|done| {
        *done = LostControl::find(access, progress)?.bring_back(access);
        if !done.healed.is_empty() {
            // Of a generation's sets one is told at a time.
            let more = LostControl::find(access, progress)?.bring_back(access);
            done.healed.extend(more.healed);
            done.unhealed = more.unhealed;
        }
        Ok(())
    })
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
    /// When the store or the view can't be read, or the caller stops.
    pub(super) fn find(access: &Access, progress: &dyn Progress) -> Result<Self> {
        progress.event(&Event::Phase("reading control objects"));
        let mut history = History::load(&access.without_view())?;
        let mut kept = Vec::new();
        for (name, wrong) in damaged(&history) {
            check_stopped(progress)?;
            // What opens is to blame for something else than its bytes.
            let there = read_if_there(access, &name).unwrap_or(None);
            if there.is_some_and(|there| is_right(access, &name, &there)) {
                continue;
            }
            let Some(bytes) = right_bytes(access, &name)? else { continue };
            history.troubles.retain(|trouble| trouble.object != name);
            kept.push(Kept { name, wrong, stands: Stands::Wrong, bytes });
        }
        let copied = gone_with_copy(access)?;
        let gone: BTreeSet<ObjectName> = copied.iter().copied().chain(implied(&history)).collect();
        for name in gone {
            check_stopped(progress)?;
            // No copy is looked for that was not listed.
            let bytes = if copied.contains(&name) { right_bytes(access, &name) } else { kept_bytes(access, &name) };
            let Some(bytes) = bytes? else { continue };
            // Created since it was listed. What can't be read has something else in its place, as whoever creates it sees.
            if read_if_there(access, &name).is_ok_and(|there| there.is_some()) {
                continue;
            }
            kept.push(Kept { name, wrong: "it is gone".to_owned(), stands: Stands::Nothing, bytes });
        }
        // What is brought back is told apart from what is gone for good.
        let back: BTreeSet<ObjectName> = kept.iter().map(|kept| kept.name).collect();
        let outcomes = back.iter().filter_map(|name| if let ObjectName::Outcome(id) = name { Some(*id) } else { None });
        history.open.extend(outcomes);
        let notices = notices(access, &history, &back)?;
        Ok(Self { kept, notices })
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

/// Outcomes and records that are gone as their second copies tell: nobody removes them.
fn gone_with_copy(access: &Access) -> Result<BTreeSet<ObjectName>> {
    let mut gone = heal::lost_with_copy(access.store.as_ref())?;
    gone.retain(|name| matches!(name, ObjectName::Outcome(_) | ObjectName::Record(..)));
    Ok(gone)
}

/// Outcomes that may be gone: later numbers tell of them, or a session that seems open. Which of them are, shows when the
/// view has their bytes.
fn implied(history: &History) -> impl Iterator<Item = ObjectName> {
    let (of_client_max, all_max) = GONE_COUNT_MAX;
    let numbered = |client| move |number| SessionId { client, number };
    let gaps = history.gaps().into_iter();
    let missed = gaps.flat_map(move |(client, numbers)| numbers.take(of_client_max).map(numbered(client)));
    history.open.iter().copied().chain(missed.take(all_max)).map(ObjectName::Outcome)
}

fn damaged(history: &History) -> Vec<(ObjectName, String)> {
    let troubles = history.troubles.iter().filter(|trouble| trouble.error.kind() == ErrorKind::Damaged);
    troubles.map(|trouble| (trouble.object, trouble.error.to_string())).collect()
}

/// Bytes that are this object: they open, and say so.
fn right_bytes(access: &Access, name: &ObjectName) -> Result<Option<Vec<u8>>> {
    let is_right = |bytes: &Vec<u8>| is_right(access, name, bytes);
    let copy = match name.mirror() {
        // A copy that can't be read is as good as none.
        Some(copy) => read_if_there(access, &copy).unwrap_or(None).filter(is_right),
        None => None,
    };
    if copy.is_some() { Ok(copy) } else { kept_bytes(access, name) }
}

/// Those that the view has of it.
fn kept_bytes(access: &Access, name: &ObjectName) -> Result<Option<Vec<u8>>> {
    let ObjectName::Outcome(id) = name else { return Ok(None) };
    Ok(kept_outcome(access, *id)?.filter(|bytes| is_right(access, name, bytes)))
}

/// Whether bytes are the object of this name. Asked of what has second copies.
pub(super) fn is_right(access: &Access, name: &ObjectName, bytes: &[u8]) -> bool {
    let (ring, chain) = (&access.ring, &access.chain);
    let hash = *blake3::hash(bytes).as_bytes();
    match name {
        ObjectName::Config(number) => chain.hash_of(*number) == Some(ObjectHash::from_bytes(hash)),
        ObjectName::Key(id) => *id.as_bytes() == hash,
        ObjectName::Segment(id) => *id.as_bytes() == hash,
        ObjectName::Outcome(id) => outcome::open(*id, ring, chain, bytes).is_ok(),
        ObjectName::Record(client, number) => record::open(*client, *number, ring, chain, bytes).is_ok(),
        ObjectName::Condemned { generation } => gc::open_condemned(*generation, ring, chain, bytes).is_ok(),
        ObjectName::Deleted { generation } => gc::open_deleted(*generation, ring, chain, bytes).is_ok(),
        ObjectName::Verified(client, number) => {
            let opened = record::open(*client, *number, ring, chain, bytes);
            opened.is_ok_and(|record| record.body.kind == RecordKind::Verified)
        }
        ObjectName::Pack(_)
        | ObjectName::Session(_)
        | ObjectName::Heartbeat(..)
        | ObjectName::Parity(_)
        | ObjectName::Mirror(_) => false,
    }
}
