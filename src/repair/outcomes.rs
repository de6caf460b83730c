//! Outcomes that the store has lost, and whose bytes are kept elsewhere: in a second copy beside them, or in the view of
//! whoever repairs, which has read them before.

use crate::access::Access;
use crate::error::{ErrorKind, Result};
use crate::id::SessionId;
use crate::outcome;
use crate::repair::look::notices;
use crate::repair::options::LostObject;
use crate::session::{History, check_may_open, kept_outcome, read_if_there};
use crate::session_record::SessionKind;
use crate::store::{Created, ObjectName};

/// Writes outcomes that are gone or damaged as they were, where a second copy or the view has them. Returns how many came
/// back. Reads every control object from the store.
///
/// # Errors
/// [`ErrorKind::Denied`] when the key's role may not repair; when the store can't be read or written.
pub fn bring_back_outcomes(access: &Access) -> Result<u64> {
    check_may_open(access, SessionKind::Repair)?;
    LostOutcomes::find(access)?.bring_back(access)
}

/// How many numbers that left nothing are asked for. A forged number may leave any gap below it.
const GONE_COUNT_MAX: usize = 10_000;

/// Outcomes that are lost, as the store has them now.
#[derive(Default)]
pub(super) struct LostOutcomes {
    /// Those whose bytes are at hand.
    kept: Vec<Kept>,
    /// What else can't be believed, and can't be brought back.
    pub(super) notices: Vec<String>,
}

struct Kept {
    id: SessionId,
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

impl LostOutcomes {
    /// Reads every control object from the store.
    ///
    /// # Errors
    /// When the store or the view can't be read.
    pub(super) fn find(access: &Access) -> Result<Self> {
        let mut history = History::load(&access.without_view())?;
        let numbered = |client| move |number| SessionId { client, number };
        let gone = history.gaps().into_iter().flat_map(|(client, numbers)| numbers.map(numbered(client)));
        let mut kept = Vec::new();
        for (id, wrong) in damaged(&history) {
            let Some(bytes) = right_bytes(access, id)? else { continue };
            history.troubles.retain(|trouble| trouble.object != ObjectName::Outcome(id).to_string());
            kept.push(Kept { id, wrong, stands: Stands::Wrong, bytes });
        }
        for id in gone.take(GONE_COUNT_MAX) {
            // One that was opened since the sessions were listed shows as a gap too.
            let is_open = read_if_there(access, &ObjectName::Session(id))?.is_some();
            let Some(bytes) = right_bytes(access, id)?.filter(|_| !is_open) else { continue };
            kept.push(Kept { id, wrong: "it is gone".to_owned(), stands: Stands::Nothing, bytes });
        }
        Ok(Self { kept, notices: notices(&history) })
    }

    /// What can be brought back.
    pub(super) fn told(&self) -> Vec<LostObject> {
        let told =
            |kept: &Kept| LostObject { object: ObjectName::Outcome(kept.id).to_string(), wrong: kept.wrong.clone() };
        self.kept.iter().map(told).collect()
    }

    fn bring_back(&self, access: &Access) -> Result<u64> {
        let mut count = 0u64;
        for kept in &self.kept {
            let name = ObjectName::Outcome(kept.id);
            let created = match kept.stands {
                Stands::Nothing => access.store.create(&name, &kept.bytes)?,
                Stands::Wrong => {
                    let mut spool = access.store.mend(&name)?;
                    spool.append(&kept.bytes)?;
                    spool.publish(&name)?
                }
            };
            count = count.saturating_add(u64::from(created == Created::New));
        }
        Ok(count)
    }
}

fn damaged(history: &History) -> Vec<(SessionId, String)> {
    let troubles = history.troubles.iter().filter(|trouble| trouble.error.kind() == ErrorKind::Damaged);
    let outcomes = troubles.filter_map(|trouble| match trouble.object.parse() {
        Ok(ObjectName::Outcome(id)) => Some((id, trouble.error.to_string())),
        _ => None,
    });
    outcomes.collect()
}

/// Bytes that are this outcome: they open, and say so.
fn right_bytes(access: &Access, id: SessionId) -> Result<Option<Vec<u8>>> {
    let is_right = |bytes: &Vec<u8>| outcome::open(id, &access.ring, &access.chain, bytes).is_ok();
    let copy = match ObjectName::Outcome(id).mirror() {
        // A copy that can't be read is as good as none.
        Some(copy) => read_if_there(access, &copy).unwrap_or(None).filter(is_right),
        None => None,
    };
    match copy {
        Some(bytes) => Ok(Some(bytes)),
        None => Ok(kept_outcome(access, id)?.filter(is_right)),
    }
}
