//! What outcomes had seen when they were made: those outcomes must be there, and be the same.

use crate::check::remedy;
use crate::check::report::{Damage, Findings};
use crate::check::trees::SecondLook;
use crate::content::ContentReader;
use crate::error::{Error, Result, check_stopped};
use crate::id::{ClientId, SessionId};
use crate::outcome::{Outcome, SeenEntry};
use crate::session::{self, History};
use crate::store::ObjectName;
use std::ops::RangeInclusive;

/// Compares every outcome's list with the store, also where it is too long to stand in the outcome.
pub(super) fn check(reader: &ContentReader, history: &History, findings: &Findings<'_>) -> Result<()> {
    let nodes = SecondLook { reader, findings };
    let witnesses = Witnesses { history, gaps: history.gaps(), findings };
    for (id, held) in history.committed() {
        check_stopped(findings.progress)?;
        match session::read_seen(&nodes, held) {
            Ok(seen) => seen.iter().for_each(|entry| witnesses.compare(*id, entry)),
            Err(error) if nodes.is_bad(&error) => unread(*id, held, &error, findings),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn unread(id: SessionId, held: &Outcome, error: &Error, findings: &Findings<'_>) {
    let Some(node) = held.body.seen.overflow else { return };
    let damage = Damage {
        object: ObjectName::Outcome(id).to_string(),
        place: format!("node {node}"),
        wrong: format!("its list of what it had seen can't be read: {error}"),
        remedy: if error.is_refused() { remedy::UNREAD } else { remedy::PACK },
        ..Damage::default()
    };
    findings.damage(damage, [node.as_chunk()]);
}

/// Outcomes as witnesses of others.
struct Witnesses<'a> {
    history: &'a History,
    gaps: Vec<(ClientId, RangeInclusive<u64>)>,
    findings: &'a Findings<'a>,
}

impl Witnesses<'_> {
    fn compare(&self, witness: SessionId, entry: &SeenEntry) {
        let seen = SessionId { client: entry.client, number: entry.number };
        let witness = ObjectName::Outcome(witness);
        let wrong = match self.history.outcomes.get(&seen) {
            Some(held) if held.hash == entry.outcome => return,
            Some(_) => format!("it is not the one that was there when {witness} was made"),
            None if self.is_told(seen) => return,
            None => format!("it is gone: it was there when {witness} was made"),
        };
        let (object, remedy) = (ObjectName::Outcome(seen).to_string(), remedy::OBJECT);
        self.findings.damage(Damage { object, wrong, remedy, ..Damage::default() }, []);
    }

    /// Whether it was told already that an outcome can't be believed, or is missing.
    fn is_told(&self, seen: SessionId) -> bool {
        self.history.troubles.iter().any(|trouble| trouble.object == ObjectName::Outcome(seen))
            || self.gaps.iter().any(|(client, numbers)| *client == seen.client && numbers.contains(&seen.number))
    }
}
