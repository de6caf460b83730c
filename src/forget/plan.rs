//! What a forget is going to do: for every snapshot, whether it stays or goes, and why. Nothing is changed here.

use super::calendar::Zone;
use super::clock::{Clocks, SeenLists};
use super::policy::{Candidate, Goes, Judgement, PlacesLeft, RetentionPolicy, Stays, judge};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{SignerKey, SnapshotId};
use crate::session::{self, History, Snapshot, SnapshotFilter};
use std::collections::{BTreeMap, BTreeSet};

/// By what snapshots are told apart before a policy is applied to each group. The key that signed them always counts:
/// what one key says about hosts and times decides nothing about the snapshots of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupField {
    /// The host's name.
    Host,
    /// The set of paths.
    Paths,
    /// The set of tags.
    Tags,
}

/// What to forget, by which rules.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetentionOptions {
    pub(super) policy: RetentionPolicy,
    pub(super) group_by: BTreeSet<GroupField>,
    pub(super) filter: SnapshotFilter,
    pub(super) zone: Zone,
    pub(super) now_ns: i64,
}

impl RetentionOptions {
    /// Applies a policy to the snapshots of each host and set of paths, by the clocks of this machine.
    pub fn new(policy: RetentionPolicy) -> Self {
        Self {
            policy,
            group_by: BTreeSet::from([GroupField::Host, GroupField::Paths]),
            filter: SnapshotFilter::default(),
            zone: Zone::of_this_machine(),
            now_ns: session::now_ns(),
        }
    }

    /// What makes a group.
    #[must_use]
    pub fn group_by(mut self, fields: impl IntoIterator<Item = GroupField>) -> Self {
        self.group_by = fields.into_iter().collect();
        self
    }

    /// Looks only at snapshots that pass.
    #[must_use]
    pub fn filter(mut self, filter: SnapshotFilter) -> Self {
        self.filter = filter;
        self
    }

    /// By which clocks hours, days, weeks, months and years begin.
    #[must_use]
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// The present, in nanoseconds since the epoch.
    #[must_use]
    pub const fn now_ns(mut self, now_ns: i64) -> Self {
        self.now_ns = now_ns;
        self
    }
}

/// What is going to happen.
#[derive(Debug, Clone, Default)]
pub struct ForgetPlan {
    /// Group by group.
    pub groups: Vec<GroupPlan>,
}

/// What is going to happen to one group.
#[derive(Debug, Clone)]
pub struct GroupPlan {
    /// What the snapshots have in common.
    pub key: GroupKey,
    /// The snapshots, newest first.
    pub verdicts: Vec<Verdict>,
}

/// What the snapshots of a group have in common. A field by which they are not grouped is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// The host's name.
    pub host: Option<Vec<u8>>,
    /// The paths, sorted.
    pub paths: Option<Vec<Vec<u8>>>,
    /// The tags, sorted.
    pub tags: Option<Vec<Vec<u8>>>,
    /// The key that signed them.
    pub signer: SignerKey,
}

/// What is going to happen to one snapshot.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Whether it stays, and why.
    pub fate: Fate,
    /// How many places the policy's rules have left after it.
    pub left: PlacesLeft,
}

/// Whether a snapshot stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays, for at least one reason.
    Stays(Vec<Stays>),
    /// It goes.
    Goes(Vec<Goes>),
}

impl ForgetPlan {
    /// The snapshots that go.
    pub fn goes(&self) -> impl Iterator<Item = &Snapshot> {
        let verdicts = self.groups.iter().flat_map(|group| &group.verdicts);
        verdicts.filter(|verdict| matches!(verdict.fate, Fate::Goes(_))).map(|verdict| &verdict.snapshot)
    }
}

/// Applies a policy. What outcomes had seen is asked only of those whose lists lie in nodes.
///
/// # Errors
/// [`ErrorKind::Invalid`] for a policy without rules.
pub(crate) fn by_policy(
    history: &History,
    options: &RetentionOptions,
    seen_lists: &SeenLists<'_>,
) -> Result<ForgetPlan> {
    if options.policy.is_empty() {
        let message = "the policy keeps nothing, so nothing is forgotten; say what to keep, or name what to forget";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let clocks = Clocks::read(history, options.now_ns, seen_lists);
    let fits = |snapshot: &Snapshot| !snapshot.forgotten && options.filter.passes(snapshot);
    let groups = grouped(session::all(history).into_iter().filter(fits), &options.group_by);
    let plan = |(key, snapshots)| GroupPlan { key, verdicts: group_verdicts(snapshots, options, &clocks) };
    let mut groups: Vec<GroupPlan> = groups.into_iter().map(plan).collect();
    keep_beside(&mut groups);
    Ok(ForgetPlan { groups })
}

/// Takes the snapshots that were named.
///
/// # Errors
/// [`ErrorKind::Pinned`] when one of them is pinned.
pub(crate) fn by_name(snapshots: Vec<Snapshot>, now_ns: i64) -> Result<ForgetPlan> {
    let pinned: Vec<String> =
        snapshots.iter().filter(|snapshot| snapshot.is_pinned(now_ns)).map(|snapshot| snapshot.id.short()).collect();
    if !pinned.is_empty() {
        return Err(Error::new(ErrorKind::Pinned, format!("pinned, so not forgotten: {}", pinned.join(", "))));
    }
    let fate = Fate::Goes(vec![Goes::Named]);
    let verdict = |snapshot| Verdict { snapshot, fate: fate.clone(), left: PlacesLeft::default() };
    let fields = BTreeSet::from([GroupField::Host, GroupField::Paths]);
    let groups = grouped(snapshots.into_iter().filter(|snapshot| !snapshot.forgotten), &fields);
    let plan = |(key, snapshots): (_, Vec<Snapshot>)| GroupPlan {
        key,
        verdicts: snapshots.into_iter().map(verdict).collect(),
    };
    Ok(ForgetPlan { groups: groups.into_iter().map(plan).collect() })
}

/// Newest first within each group.
fn grouped(
    snapshots: impl Iterator<Item = Snapshot>,
    fields: &BTreeSet<GroupField>,
) -> BTreeMap<GroupKey, Vec<Snapshot>> {
    let mut groups: BTreeMap<GroupKey, Vec<Snapshot>> = BTreeMap::new();
    for snapshot in snapshots {
        groups.entry(group_key(&snapshot, fields)).or_default().push(snapshot);
    }
    for group in groups.values_mut() {
        group.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.place()));
        // A snapshot that is named twice goes once.
        group.dedup_by_key(|snapshot| snapshot.id);
    }
    groups
}

fn group_key(snapshot: &Snapshot, fields: &BTreeSet<GroupField>) -> GroupKey {
    let origin = snapshot.origin.as_ref();
    let sorted = |mut list: Vec<Vec<u8>>| {
        list.sort_unstable();
        list
    };
    let of = |field| origin.filter(|_| fields.contains(&field));
    GroupKey {
        signer: snapshot.signer,
        host: of(GroupField::Host).map(|origin| origin.host.clone()),
        paths: of(GroupField::Paths).map(|origin| sorted(origin.paths.clone())),
        tags: of(GroupField::Tags).map(|origin| sorted(origin.tags.clone())),
    }
}

/// Judges a group. Complete snapshots are judged as if there were no partial ones; partial ones stay where they would
/// have a place among all, so none takes one from a complete snapshot. What can't be placed in time stays and takes no
/// place. The newest complete snapshot stays in any case, or the newest partial one where none is complete. What a repair
/// made beside a damaged snapshot of the group takes no place either, for it stays, or goes, with that one.
fn group_verdicts(snapshots: Vec<Snapshot>, options: &RetentionOptions, clocks: &Clocks) -> Vec<Verdict> {
    let ids: BTreeSet<SnapshotId> = snapshots.iter().map(|snapshot| snapshot.id).collect();
    let beside = |snapshot: &Snapshot| snapshot.repairs.filter(|damaged| ids.contains(damaged));
    let odd: Vec<Option<Stays>> = snapshots.iter().map(|snapshot| out_of_place(snapshot, clocks)).collect();
    let has_place = |(snapshot, odd): &(&Snapshot, &Option<Stays>)| odd.is_none() && beside(snapshot).is_none();
    let sound = || snapshots.iter().zip(&odd).filter(has_place).map(|(snapshot, _)| snapshot);
    let complete: Vec<&Snapshot> = sound().filter(|snapshot| !snapshot.is_partial()).collect();
    let last = complete.first().copied().or_else(|| sound().next()).map(|snapshot| snapshot.id);
    let mut judgements = judged(&sound().collect::<Vec<_>>(), options);
    judgements.extend(judged(&complete, options));
    let verdict = |(snapshot, odd): (Snapshot, Option<Stays>)| {
        let Judgement { mut stays, goes, left } = judgements.remove(&snapshot.id).unwrap_or_default();
        stays.extend(odd);
        if let Some(pin) = snapshot.pin.filter(|pin| pin.holds_at(options.now_ns)) {
            stays.push(Stays::Pinned { until_ns: pin.until_ns });
        }
        if stays.is_empty() && last == Some(snapshot.id) {
            stays.push(Stays::LastOfGroup);
        }
        let fate = if stays.is_empty() { Fate::Goes(goes) } else { Fate::Stays(stays) };
        Verdict { snapshot, fate, left }
    };
    snapshots.iter().cloned().zip(odd).map(verdict).collect()
}

/// Keeps what repairs made beside damaged snapshots that stay: those are less worth than what they were made of. It may be
/// in a group of its own, where another key signed it.
fn keep_beside(groups: &mut [GroupPlan]) {
    let verdicts = groups.iter().flat_map(|group| &group.verdicts);
    let fates: BTreeMap<SnapshotId, Fate> =
        verdicts.map(|verdict| (verdict.snapshot.id, verdict.fate.clone())).collect();
    for verdict in groups.iter_mut().flat_map(|group| &mut group.verdicts) {
        let Some(damaged) = verdict.snapshot.repairs else { continue };
        follow(&mut verdict.fate, damaged, fates.get(&damaged));
    }
}

/// Gives a corrected snapshot the fate of the damaged one, unless it has reasons of its own to stay.
fn follow(fate: &mut Fate, damaged: SnapshotId, its: Option<&Fate>) {
    match (fate, its) {
        (Fate::Stays(stays), Some(Fate::Stays(_))) => stays.push(Stays::Corrects(damaged)),
        (fate @ Fate::Goes(_), Some(Fate::Stays(_))) => *fate = Fate::Stays(vec![Stays::Corrects(damaged)]),
        (Fate::Goes(goes), Some(Fate::Goes(its))) if goes.is_empty() => goes.clone_from(its),
        (Fate::Goes(_) | Fate::Stays(_), Some(Fate::Goes(_)) | None) => {}
    }
}

fn judged(snapshots: &[&Snapshot], options: &RetentionOptions) -> BTreeMap<SnapshotId, Judgement> {
    let candidate = |snapshot: &&Snapshot| {
        let tags = snapshot.origin.as_ref().map_or(&[][..], |origin| &origin.tags);
        (snapshot.id, snapshot.time_ns, tags.to_vec())
    };
    let owned: Vec<_> = snapshots.iter().map(candidate).collect();
    let candidates: Vec<_> =
        owned.iter().map(|(id, time_ns, tags)| Candidate { id: *id, time_ns: *time_ns, tags }).collect();
    let judgements = judge(&candidates, &options.policy, &options.zone, options.now_ns);
    candidates.iter().map(|candidate| candidate.id).zip(judgements).collect()
}

/// Why a snapshot takes no part in a policy.
fn out_of_place(snapshot: &Snapshot, clocks: &Clocks) -> Option<Stays> {
    if snapshot.origin.is_none() {
        return Some(Stays::Sealed);
    }
    clocks.oddity(snapshot)
}

#[cfg(test)]
mod tests;
