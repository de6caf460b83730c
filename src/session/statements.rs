//! What is said about snapshots after they were made: which are forgotten, which are pinned; and saying it.

use crate::access::Access;
use crate::config::Role;
use crate::envelope;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ClientId, ObjectHash, SnapshotId};
use crate::outcome::StatementKind;
use crate::record::{self, RecordBody, RecordKind, SNAPSHOTS_COUNT_MAX};
use crate::session::history::History;
use crate::store::{Created, Folder, Listed, Mirrored, ObjectName};
use crate::wire::List;
use std::collections::{HashMap, HashSet};

/// How often a number is tried anew when another process took it.
const NUMBER_ATTEMPTS_MAX: u32 = 1000;

/// A pin: no forget is made for its snapshot until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// When it ends, in nanoseconds since the epoch; never if there is none.
    pub until_ns: Option<i64>,
}

impl Pin {
    /// Whether it protects at this time.
    pub fn holds_at(&self, now_ns: i64) -> bool {
        self.until_ns.is_none_or(|until_ns| until_ns > now_ns)
    }
}

/// What the statement that decides says about a snapshot. The order is that of precedence: what was made later, then
/// what protects, then what protects longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    made_at_ns: i64,
    protection: Protection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Protection {
    Unpinned,
    Until(i64),
    ForEver,
}

/// What a record says, and about what.
#[derive(Debug, Clone, Copy)]
pub struct RecordDraft<'a> {
    /// What is stated.
    pub kind: RecordKind,
    /// About which snapshots.
    pub snapshots: &'a [SnapshotId],
    /// When a pin ends.
    pub until_ns: Option<i64>,
    /// A remark, or what came of a drill.
    pub note: &'a [u8],
}

impl History {
    /// The snapshots that a record forgets which no restate cancels for them.
    pub fn forgotten(&self) -> HashSet<SnapshotId> {
        self.standing_forgets().map(|(snapshot, _)| snapshot).collect()
    }

    /// The records that forget a snapshot and that no restate cancels for it, sorted.
    pub fn forgets_of(&self, snapshot: SnapshotId) -> Vec<ObjectHash> {
        let mut records: Vec<_> =
            self.standing_forgets().filter(|(forgotten, _)| *forgotten == snapshot).map(|(_, record)| record).collect();
        records.sort_unstable();
        records
    }

    fn standing_forgets(&self) -> impl Iterator<Item = (SnapshotId, ObjectHash)> {
        let statements = self.committed().filter_map(|(_, held)| held.body.statement.as_ref());
        let cancelled: HashSet<(SnapshotId, ObjectHash)> = statements
            .flat_map(|statement| {
                let snapshots = &statement.snapshots.0;
                snapshots.iter().flat_map(|snapshot| statement.cancels.0.iter().map(|record| (*snapshot, *record)))
            })
            .collect();
        let forgets = self.records.values().filter(|record| record.body.kind == RecordKind::Forget);
        let said = forgets.flat_map(|record| record.body.snapshots.0.iter().map(|snapshot| (*snapshot, record.hash)));
        said.filter(move |pair| !cancelled.contains(pair))
    }

    /// The pins that stand, ended ones among them.
    pub fn pins(&self) -> HashMap<SnapshotId, Pin> {
        let pin = |standing: Standing| match standing.protection {
            Protection::Unpinned => None,
            Protection::Until(until_ns) => Some(Pin { until_ns: Some(until_ns) }),
            Protection::ForEver => Some(Pin { until_ns: None }),
        };
        self.standings().into_iter().filter_map(|(snapshot, standing)| Some((snapshot, pin(standing)?))).collect()
    }

    /// A time for a new statement about these snapshots: `now_ns`, or just after every statement about them that is
    /// known, so that a clock that is behind overrules nobody and is overruled by nobody.
    pub fn statement_time_ns(&self, snapshots: &[SnapshotId], now_ns: i64) -> i64 {
        let known: HashSet<&SnapshotId> = snapshots.iter().collect();
        let of_records = self
            .records
            .values()
            .filter(|record| record.body.snapshots.0.iter().any(|snapshot| known.contains(snapshot)))
            .map(|record| record.body.made_at_ns);
        let of_restates = self.committed().filter_map(|(_, held)| {
            let statement = held.body.statement.as_ref()?;
            statement.snapshots.0.iter().any(|snapshot| known.contains(snapshot)).then_some(held.body.time_ns)
        });
        let latest = of_records.chain(of_restates).max();
        latest.map_or(now_ns, |latest| latest.saturating_add(1).max(now_ns))
    }

    /// For each snapshot what the statement says that decides.
    fn standings(&self) -> HashMap<SnapshotId, Standing> {
        let mut standings: HashMap<SnapshotId, Standing> = HashMap::new();
        let mut say = |snapshots: &[SnapshotId], standing: Standing| {
            for snapshot in snapshots {
                standings.entry(*snapshot).and_modify(|kept| *kept = standing.max(*kept)).or_insert(standing);
            }
        };
        for record in self.records.values() {
            let protection = match record.body.kind {
                RecordKind::Pin => record.body.until_ns.map_or(Protection::ForEver, Protection::Until),
                RecordKind::Unpin => Protection::Unpinned,
                RecordKind::Forget | RecordKind::Release | RecordKind::Verified | RecordKind::Drill => continue,
            };
            say(&record.body.snapshots.0, Standing { made_at_ns: record.body.made_at_ns, protection });
        }
        for (_, held) in self.committed() {
            let Some(statement) = &held.body.statement else { continue };
            if statement.kind == StatementKind::PinForgotten {
                let standing = Standing { made_at_ns: held.body.time_ns, protection: Protection::ForEver };
                say(&statement.snapshots.0, standing);
            }
        }
        standings
    }
}

/// Checks, before anything is done, that the key at hand may make such a record.
///
/// # Errors
/// [`ErrorKind::Denied`] says which role the key has.
pub fn check_may_state(access: &Access, kind: RecordKind) -> Result<()> {
    let role = envelope::check_right(envelope::Kind::Session, &access.ring, &access.chain)?;
    if kind.may_state(role) {
        return Ok(());
    }
    let roles = if kind.may_state(Role::Read) { "read, prune or all" } else { "prune or all" };
    let message = format!("a key with the role {role} may not {kind} snapshots; use one with the role {roles}");
    Err(Error::new(ErrorKind::Denied, message))
}

/// Makes a record, or several where one can't name all snapshots. Each counts as soon as it is there. Returns their
/// numbers.
///
/// # Errors
/// When the key may not state this, or the store can't take it; records that were made before stand.
pub fn make_records(access: &Access, history: &History, client: ClientId, draft: &RecordDraft<'_>) -> Result<Vec<u64>> {
    check_may_state(access, draft.kind)?;
    let mut snapshots = draft.snapshots.to_vec();
    snapshots.sort_unstable();
    snapshots.dedup();
    let mut number = highest_number(access, client)?;
    let mut made = Vec::new();
    for part in snapshots.chunks(SNAPSHOTS_COUNT_MAX) {
        let body = RecordBody {
            client,
            number: number.saturating_add(1),
            made_at_ns: history.statement_time_ns(part, super::now_ns()),
            kind: draft.kind,
            snapshots: List(part.to_vec()),
            until_ns: draft.until_ns,
            packs: List::default(),
            note: draft.note.into(),
        };
        number = make_record(access, body)?;
        made.push(number);
    }
    Ok(made)
}

/// The highest number that a record of a client has or had, as far as names tell: those of what is there, whatever its
/// bytes, and those of second copies. What was lost may come back from its copy, and its number is then taken.
fn highest_number(access: &Access, client: ClientId) -> Result<u64> {
    let mut highest = 0;
    for folder in [Folder::Records, Folder::Mirror] {
        access.store.list(folder, &mut |listed| {
            if let Listed::Object { name, .. } = listed
                && let ObjectName::Record(owner, number) | ObjectName::Mirror(Mirrored::Record(owner, number)) = name
                && owner == client
            {
                highest = number.max(highest);
            }
        })?;
    }
    Ok(highest)
}

/// Makes a record under the first free number from the body's on.
fn make_record(access: &Access, mut body: RecordBody) -> Result<u64> {
    for _ in 0..NUMBER_ATTEMPTS_MAX {
        let bytes = record::seal(&body, &access.ring, &access.chain)?;
        let name = ObjectName::Record(body.client, body.number);
        let created = match access.store.create(&name, &bytes) {
            // On a full medium, what lets something go makes room: it may take from the reserve.
            Err(error) if error.is_no_space() && body.kind.lets_go() && access.store.give_up_reserve()? => {
                access.store.create(&name, &bytes)
            }
            created => created,
        };
        match created? {
            Created::New => return Ok(body.number),
            Created::Exists => body.number = body.number.saturating_add(1),
        }
    }
    let (client, number) = (body.client, body.number);
    Err(Error::new(ErrorKind::Busy, format!("no free record number for client {client} up to {number}; try again")))
}

#[cfg(test)]
mod tests;
