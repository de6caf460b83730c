//! Whether all that was ever stated is at hand: for whoever lets something go, since what is lost may forbid it.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::heal;
use crate::id::{ClientId, SessionId};
use crate::session::history::{History, Trouble, kept_outcome};
use crate::store::{Folder, ObjectName, before_healing};
use std::fmt;

/// What to do about a control object without which nothing is let go.
const WAYS_OUT: &str = "put it back with check --repair or repair index, or from a copy of the store; where there is \
                        none, run repair packs, and bring all snapshots that can be read to a new repository with copy";

/// How many neighbouring numbers that left nothing are looked for: more can't have come while the store was listed, and a
/// forged number may leave any gap below it.
const LOOKED_FOR_MAX: u64 = 8;
/// How many gaps are told of.
const GAPS_MAX: usize = 1_000;

/// The name of what has a number of a client.
type Named = fn(ClientId, u64) -> ObjectName;

/// What is not done in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LettingGo {
    /// Snapshots are forgotten: what is lost may be a pin.
    Forgetting,
    /// Packs are deleted: what is lost may need them.
    Collecting,
}

impl fmt::Display for LettingGo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forgetting => "nothing is forgotten",
            Self::Collecting => "nothing is collected",
        })
    }
}

impl LettingGo {
    /// Whether it has to know what can't be believed. The object of a session that has ended is as good as absent; and what
    /// a prune deletes says nothing about who may forget what.
    fn minds(self, history: &History, trouble: &Trouble) -> bool {
        match (self, trouble.object) {
            (Self::Collecting, ObjectName::Session(id)) => !history.outcomes.contains_key(&id),
            (Self::Collecting, _) => true,
            (Self::Forgetting, name) => matches!(name, ObjectName::Outcome(_) | ObjectName::Record(..)),
        }
    }
}

/// Fails when something of what was stated can't be believed or is missing. Sessions that were opened while the history was
/// read count as open from then on.
///
/// # Errors
/// [`ErrorKind::Damaged`], with the object and what to do; or when the store can't be read.
pub fn require_sound(access: &Access, history: &mut History, what: LettingGo) -> Result<()> {
    let before = before_healing(access.store.as_ref(), Folder::Outcomes);
    if let Some(trouble) = history.troubles.iter().find(|trouble| what.minds(history, trouble)) {
        let kind = trouble.error.kind();
        let is_damage =
            !matches!(kind, ErrorKind::Unsupported | ErrorKind::Io | ErrorKind::Exhausted | ErrorKind::Denied);
        let kind = if is_damage { ErrorKind::Damaged } else { kind };
        let message =
            format!("{what} while {} can't be believed ({}); {before}{WAYS_OUT}", trouble.object, trouble.error);
        return Err(Error::new(kind, message));
    }
    let missing = |object: &str, told_by: &str| {
        Error::new(ErrorKind::Damaged, format!("{what} while {object} is missing, {told_by}; {before}{WAYS_OUT}"))
    };
    for (client, numbers) in history.gaps() {
        for number in numbers {
            let id = SessionId { client, number };
            // Sessions are listed before outcomes: one that was opened in between shows only as a gap.
            if !access.store.exists(&ObjectName::Session(id))? && !access.store.exists(&ObjectName::Outcome(id))? {
                return Err(missing(&format!("outcome {id}"), "of which later numbers tell"));
            }
            history.open.insert(id);
        }
    }
    for id in &history.open {
        // Else it would pass for a session that is silent, and be aborted for good.
        if kept_outcome(access, *id)?.is_some() && !access.store.exists(&ObjectName::Outcome(*id))? {
            return Err(missing(&format!("outcome {id}"), "which this machine has read before"));
        }
    }
    for (client, numbers) in history.record_gaps() {
        for name in numbers.map(|number| ObjectName::Record(client, number)) {
            // Of two that come at the same time, a listing may show the second only.
            if !access.store.exists(&name)? {
                return Err(missing(&name.to_string(), "of which later numbers tell"));
            }
        }
    }
    let gone = heal::Gone::find(access.store.as_ref())?;
    if let Some(lost) = gone.lost.first() {
        return Err(missing(&lost.to_string(), "of which a second copy tells"));
    }
    // There may have been one of its name: that it is gone, and that its copy is another one's, may be one accident.
    match gone.told().next() {
        Some((copy, wrong)) => {
            let way_out = "if there never was one, remove the copy once that object is sound; otherwise put both back \
                           from a copy of the store";
            Err(Error::new(ErrorKind::Damaged, format!("{what} while {copy} is there: {wrong}; {way_out}")))
        }
        None => Ok(()),
    }
}

/// Fails when the repository was opened by a second copy: whoever only reads may go by it, and nobody else.
///
/// # Errors
/// [`ErrorKind::Damaged`], with the object and what to do.
pub fn require_opened_soundly(access: &Access) -> Result<()> {
    let Some(object) = access.used_copies.of_opening() else { return Ok(()) };
    let before = before_healing(access.store.as_ref(), object.folder());
    let message = format!(
        "{object} is damaged, and by its second copy the repository is only read; {before}heal it with `holdall check \
         --repair`"
    );
    Err(Error::new(ErrorKind::Damaged, message))
}

/// Outcomes or records of neighbouring numbers that are not there although a later number tells of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The last one of them.
    pub last: ObjectName,
    /// How many there are.
    pub count: u64,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "{} is gone", self.last),
            count => write!(f, "{} and {} before it are gone", self.last, count.saturating_sub(1)),
        }
    }
}

/// Outcomes and records that are not there although later numbers tell of them. Of very many some are left out. The store
/// is asked only for what may have come while it was listed.
///
/// # Errors
/// When the store can't be read.
pub fn missing(access: &Access, history: &History) -> Result<Vec<Missing>> {
    let (outcome, record): (Named, Named) = (outcome, ObjectName::Record);
    let outcomes = history.gaps().into_iter().map(|(client, numbers)| (client, numbers, outcome));
    let records = history.record_gaps().into_iter().map(|(client, numbers)| (client, numbers, record));
    let mut missing = Vec::new();
    for (client, numbers, named) in outcomes.take(GAPS_MAX).chain(records.take(GAPS_MAX)) {
        let count = numbers.end().saturating_sub(*numbers.start()).saturating_add(1);
        if count > LOOKED_FOR_MAX {
            missing.push(Missing { last: named(client, *numbers.end()), count });
            continue;
        }
        for name in numbers.map(|number| named(client, number)) {
            // Sessions are listed before outcomes: one that was opened in between shows only as a gap.
            let opened = name.session().map(ObjectName::Session);
            if !access.store.exists(&name)? && !opened.map_or(Ok(false), |session| access.store.exists(&session))? {
                missing.push(Missing { last: name, count: 1 });
            }
        }
    }
    Ok(missing)
}

fn outcome(client: ClientId, number: u64) -> ObjectName {
    ObjectName::Outcome(SessionId { client, number })
}
