//! Outcomes of which the store or this machine tells, and that nobody can read now: one of them may be the snapshot that
//! somebody means.

use crate::access::Access;
use crate::error::Result;
use crate::heal;
use crate::id::SessionId;
use crate::session::history::{History, Trouble};
use crate::session::snapshots::Snapshot;
use crate::session::sound::missing;
use crate::session::state;
use crate::store::ObjectName;
use std::collections::BTreeMap;

/// An outcome that can't be believed or is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlooked {
    /// The session that it ended.
    pub session: SessionId,
    /// What is wrong.
    pub wrong: String,
}

impl Overlooked {
    /// Whether it may have been committed after this snapshot: it was not where one client made both, and this one first.
    pub fn may_be_later_than(&self, snapshot: &Snapshot) -> bool {
        self.session.client != snapshot.session.client || self.session.number > snapshot.session.number
    }
}

/// Outcomes that a history lacks, by client and number.
///
/// # Errors
/// When the store can't be listed or read.
pub fn overlooked(access: &Access, history: &History) -> Result<Vec<Overlooked>> {
    let mut found = BTreeMap::new();
    for lost in heal::lost_with_copy(access.store.as_ref())? {
        if let ObjectName::Outcome(id) = lost {
            found.insert(id, "it is gone; its second copy is there".to_owned());
        }
    }
    for gap in missing(access, history)? {
        if let ObjectName::Outcome(id) = gap.last {
            found.entry(id).or_insert_with(|| format!("{gap}, as later numbers tell"));
        }
    }
    for Trouble { object, error } in &history.troubles {
        if let ObjectName::Outcome(id) = object {
            found.insert(*id, error.to_string());
        }
    }
    Ok(found.into_iter().map(|(session, wrong)| Overlooked { session, wrong }).collect())
}

/// Outcomes that this machine knows of and the store lacks, or has others in the place of: it lost them, or was set back. A
/// mirror may be older than what it mirrors.
///
/// # Errors
/// When the store can't be read.
pub fn unfound(access: &Access, history: &History) -> Result<Vec<Overlooked>> {
    let Some(state) = state::kept(&access.state_dir).filter(|_| !access.store.is_mirror().unwrap_or(false)) else {
        return Ok(Vec::new());
    };
    let mut unfound = BTreeMap::new();
    for (session, hash) in state.known() {
        let wrong = match history.outcomes.get(&session) {
            Some(held) if held.hash == hash => continue,
            Some(_) => "it is another one than this machine has seen",
            // Damaged, which is told apart from this; or created since the history was read.
            None if access.store.exists(&ObjectName::Outcome(session))? => continue,
            None => "it is gone, and this machine has seen it",
        };
        unfound.insert(session, wrong.to_owned());
    }
    Ok(unfound.into_iter().map(|(session, wrong)| Overlooked { session, wrong }).collect())
}
