//! One generation: condemned, waited for, looked at again, deleted, retired. Every step may be taken over by another
//! prune, and taken twice.

use crate::access::Access;
use crate::config::{Purpose, Role};
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::gc::{self, CondemnedBody, DeletedBody};
use crate::id::{ObjectHash, PackId, SessionId, SnapshotId};
use crate::outcome::OutcomeKind;
use crate::progress::Progress;
use crate::session::{Generation, History, Stage, read_if_there};
use crate::store::{Created, Fact, ObjectName};
use crate::wire::List;
use std::collections::BTreeSet;

/// Most packs that one generation condemns: with as many live snapshots its set is as long as it may be.
const PACKS_MAX: usize = 1 << 20;
/// How many packs are removed at once.
const REMOVED_AT_ONCE: usize = 256;

/// What came of condemning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condemning {
    /// The set is published.
    Done,
    /// There is nothing to condemn.
    Nothing,
    /// The number was taken since it was noted: choose anew.
    Taken,
}

/// Publishes the condemned set of a generation whose number was noted before its packs were chosen, and was still free once
/// `session` was open. It counts when that is committed.
///
/// # Errors
/// When the store can't take it, or the key's role may not sign it.
pub(super) fn condemn(
    access: &Access,
    generation: u64,
    session: SessionId,
    packs: &BTreeSet<PackId>,
    live: &BTreeSet<SnapshotId>,
) -> Result<Condemning> {
    let packs = List(packs.iter().take(PACKS_MAX).copied().collect());
    let body = CondemnedBody { generation, session, packs, live: List(live.iter().copied().collect()) };
    let bytes = gc::seal_condemned(&body, &access.ring, &access.chain)?;
    match access.store.create(&ObjectName::Condemned { generation }, &bytes)? {
        Created::Exists => Ok(Condemning::Taken),
        Created::New => Ok(Condemning::Done),
    }
}

/// Whether a condemned set may delete: whoever published it committed the session that it names. Where that was ended first,
/// the number had perhaps been used and retired while the collector slept, and others may be about to remove whatever lies
/// under it. Asked once everybody is decided who was open when the set was published.
pub(super) fn is_in_force(generation: &Generation, history: &History) -> bool {
    let outcome = generation.condemned.and_then(|set| history.outcomes.get(&set.session));
    outcome.is_some_and(|held| held.body.kind != OutcomeKind::Abort)
}

/// Whose deleted set counts, once this process has tried to create one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counting {
    /// This process's.
    Own,
    /// That of whoever was first.
    First,
    /// None: the generation was retired meanwhile.
    Nobodys,
    /// None, and this process's, which came after that, must go again.
    Withdrawn,
}

impl Counting {
    /// `condemned` is the set that was looked at, `there` the one that is there after the attempt.
    pub(super) fn of(created: Created, condemned: ObjectHash, there: Option<ObjectHash>) -> Self {
        match (there, created) {
            (None, Created::New) => Self::Withdrawn,
            (None, Created::Exists) => Self::Nobodys,
            (Some(there), _) if there != condemned => Self::Nobodys,
            (Some(_), Created::New) => Self::Own,
            (Some(_), Created::Exists) => Self::First,
        }
    }
}

/// Publishes the deleted set, and returns the one that counts: this one, or that of whoever was first. None when the
/// generation was retired while this process slept: then nothing may be deleted.
///
/// # Errors
/// When the store can't take it, or the key's role may not sign it.
pub(super) fn publish_deleted(
    access: &Access,
    generation: u64,
    condemned: ObjectHash,
    packs: BTreeSet<PackId>,
) -> Result<Option<Vec<PackId>>> {
    let body = DeletedBody { generation, condemned, packs: List(packs.into_iter().collect()) };
    let name = ObjectName::Deleted { generation };
    let created = access.store.create(&name, &gc::seal_deleted(&body, &access.ring, &access.chain)?)?;
    let there = read_if_there(access, &ObjectName::Condemned { generation })?;
    let there = there.map(|bytes| ObjectHash::of(&bytes));
    match Counting::of(created, condemned, there) {
        Counting::Own => return Ok(Some(body.packs.0)),
        Counting::First => {}
        Counting::Nobodys => return Ok(None),
        Counting::Withdrawn => {
            access.store.remove_all(&[name])?;
            return Ok(None);
        }
    }
    let Some(bytes) = read_if_there(access, &name)? else { return Ok(None) };
    let deleted = gc::open_deleted(generation, &access.ring, &access.chain, &bytes)?;
    Ok((deleted.body.condemned == condemned).then_some(deleted.body.packs.0))
}

/// Removes packs that a deleted set lists, and their parity. Returns those that were there: other collectors may be at it
/// as well.
///
/// # Errors
/// When the store can't remove them, or the caller stops.
pub(super) fn delete(access: &Access, packs: &[PackId], progress: &dyn Progress) -> Result<Vec<PackId>> {
    let mut removed = Vec::new();
    for some in packs.chunks(REMOVED_AT_ONCE) {
        check_stopped(progress)?;
        let names: Vec<ObjectName> = some.iter().map(|id| ObjectName::Pack(*id)).collect();
        let there = access.store.remove_all(&names)?.into_iter();
        removed.extend(there.filter_map(|name| if let ObjectName::Pack(id) = name { Some(id) } else { None }));
        let parity: Vec<ObjectName> = some.iter().map(|id| ObjectName::Parity(*id)).collect();
        access.store.remove_all(&parity)?;
    }
    Ok(removed)
}

/// When the sets of a generation may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retirement {
    /// Not now.
    Never,
    /// At once: it was begun.
    Begun,
    /// When no segment names one of its packs, and every session is decided that was open after the deleted set of the
    /// condemned one with this hash was published.
    WhenUnnamed(ObjectHash),
}

impl Retirement {
    /// The sets of the highest generation stay, so that a number in use is seen.
    pub(super) fn of(known: &Generation, history: &History) -> Self {
        let is_highest = history.generations.iter().all(|other| other.number <= known.number);
        match (known.stage, known.condemned) {
            _ if is_highest => Self::Never,
            (Stage::Condemned, _) | (Stage::Deleted, None) => Self::Never,
            (Stage::Retiring, _) => Self::Begun,
            (Stage::Deleted, Some(set)) => Self::WhenUnnamed(set.hash),
        }
    }
}

/// Removes the sets of a generation that nobody needs to know of any more: the condemned one first, so that no pack that
/// was spared ever looks condemned again.
///
/// # Errors
/// When the store can't remove them.
pub(super) fn retire(access: &Access, generation: u64) -> Result<()> {
    access.store.remove_all(&[ObjectName::Condemned { generation }])?;
    access.store.remove_all(&[ObjectName::Deleted { generation }])?;
    Ok(())
}

/// Refuses to collect where the key does not allow it.
///
/// # Errors
/// [`ErrorKind::Denied`] for a role that may not, [`ErrorKind::Unsupported`] in a repository that needs to be understood
/// better than this program does.
pub(super) fn check_allowed(access: &Access) -> Result<()> {
    access.chain.allows(Purpose::Collect)?;
    let role = access.ring.role();
    if matches!(role, Role::Prune | Role::All) {
        return Ok(());
    }
    let message = format!("a key with the role {role} may not prune; use one with the role prune or all");
    Err(Error::new(ErrorKind::Denied, message))
}

/// Refuses to collect where the store can't be relied upon. On a full medium the proof takes from the reserve.
///
/// # Errors
/// [`ErrorKind::ReadOnly`] where nothing may be written; [`ErrorKind::Unsupported`] for a store that does not show what was
/// acknowledged or does not create exclusively.
pub(super) fn check_store(access: &Access) -> Result<()> {
    let facts = match access.store.facts() {
        Err(error) if error.is_no_space() && access.store.give_up_reserve()? => access.store.facts(),
        facts => facts,
    }?;
    for (fact, what) in [
        (facts.lists_acknowledged, "that its listings show what was written"),
        (facts.creates_exclusively, "that of two who create one name only one is told so"),
    ] {
        let place = access.store.describe();
        let (kind, message) = match fact {
            Fact::Proven => continue,
            Fact::Untried(refused) => {
                (ErrorKind::ReadOnly, format!("{place} can't be written, so nothing is deleted there: {refused}"))
            }
            Fact::Unproven(reason) => {
                let message = format!("{place} could not prove {what}, so nothing is deleted there: {reason}");
                (ErrorKind::Unsupported, message)
            }
        };
        return Err(Error::new(kind, message));
    }
    Ok(())
}
