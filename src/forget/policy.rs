//! Which snapshots of one list a policy keeps, and why: the rules of restic's `forget`, told as data.

use super::calendar::{CalendarSpan, Period, Zone};
use crate::id::SnapshotId;
use crate::session::has_tags;
use std::collections::BTreeSet;

/// How many a rule keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepCount {
    /// At most so many.
    AtMost(u32),
    /// Every one.
    Unlimited,
}

/// What to keep. A snapshot stays if any rule keeps it.
#[derive(Debug, Clone, Default)]
pub struct RetentionPolicy {
    counted: Vec<(Period, KeepCount)>,
    within: Vec<(Period, CalendarSpan)>,
    tags: Vec<Vec<Vec<u8>>>,
    ids: BTreeSet<SnapshotId>,
}

impl RetentionPolicy {
    /// Keeps the newest snapshot of each of the last `count` periods that have one. Of [`Period::Last`] it keeps the
    /// last `count` snapshots. While a rule has some left at the oldest snapshot it keeps that one too.
    #[must_use]
    pub fn keep(mut self, period: Period, count: KeepCount) -> Self {
        if count != KeepCount::AtMost(0) {
            self.counted.push((period, count));
        }
        self
    }

    /// Keeps the newest snapshot of each period that lies less than `span` before the newest of all.
    #[must_use]
    pub fn keep_within(mut self, period: Period, span: CalendarSpan) -> Self {
        if !span.is_zero() {
            self.within.push((period, span));
        }
        self
    }

    /// Keeps snapshots that have all of these tags; an empty tag stands for having none.
    #[must_use]
    pub fn keep_tags(mut self, tags: Vec<Vec<u8>>) -> Self {
        self.tags.push(tags);
        self
    }

    /// Keeps this snapshot.
    #[must_use]
    pub fn keep_id(mut self, id: SnapshotId) -> Self {
        self.ids.insert(id);
        self
    }

    /// Whether it has no rule, and would keep nothing.
    pub fn is_empty(&self) -> bool {
        self.counted.is_empty() && self.within.is_empty() && self.tags.is_empty() && self.ids.is_empty()
    }
}

/// Why a snapshot stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    /// The newest of its period, of which a number is kept.
    Counted(Period),
    /// The oldest of all, and the rule has some left.
    Oldest(Period),
    /// The newest of its period, within a time of the newest of all.
    Within(Period, CalendarSpan),
    /// The oldest of all, within a time of the newest.
    OldestWithin(Period, CalendarSpan),
    /// It has these tags.
    Tags(Vec<Vec<u8>>),
    /// It is named.
    Id,
    /// It is pinned, until then if there is an end.
    Pinned {
        /// In nanoseconds since the epoch.
        until_ns: Option<i64>,
    },
    /// No rule keeps it, but it is all that its group has.
    LastOfGroup,
    /// It was made beside this one by a repair, which stays: it holds what is left of that one.
    Corrects(SnapshotId),
    /// It says that it was committed at a time that has not come yet.
    AheadOfClock,
    /// It says that it was committed before one that its client had made earlier.
    Backwards,
    /// The key at hand can't read where it comes from.
    Sealed,
}

/// Why a snapshot goes: what each rule says that does not keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goes {
    /// A newer one of the same period fills its place.
    Superseded {
        /// Of which period.
        period: Period,
        /// The newer one.
        by: SnapshotId,
    },
    /// So many newer ones fill all places.
    Beyond {
        /// Of which period.
        period: Period,
        /// How many places there are.
        count: u32,
    },
    /// It is older than the newest by this or more.
    Older(CalendarSpan),
    /// None of the tags to keep.
    NotTagged,
    /// It is none of those that are named to be kept.
    NotNamed,
    /// It was named to be forgotten.
    Named,
}

/// How many places each rule has left once a snapshot was looked at; none for [`KeepCount::Unlimited`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlacesLeft(pub Vec<(Period, u32)>);

/// What a policy looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) id: SnapshotId,
    pub(super) time_ns: i64,
    pub(super) tags: &'a [Vec<u8>],
}

/// What a policy says of one candidate. It stays if there is a reason to.
#[derive(Debug, Clone, Default)]
pub(super) struct Judgement {
    pub(super) stays: Vec<Stays>,
    pub(super) goes: Vec<Goes>,
    pub(super) left: PlacesLeft,
}

/// A rule at work: the place that was filled last, and by whom.
struct Counter {
    period: Period,
    left: KeepCount,
    count: KeepCount,
    filled: Option<(i64, SnapshotId)>,
}

struct Window {
    period: Period,
    span: CalendarSpan,
    /// Only what is newer.
    after_ns: i64,
    filled: Option<(i64, SnapshotId)>,
}

/// Judges candidates, newest first. What is newest for [`RetentionPolicy::keep_within`] is the newest time before
/// `now_ns`; when all lie ahead, everything is within.
pub(super) fn judge(
    candidates: &[Candidate<'_>],
    policy: &RetentionPolicy,
    zone: &Zone,
    now_ns: i64,
) -> Vec<Judgement> {
    let newest_ns = candidates.iter().map(|candidate| candidate.time_ns).filter(|time_ns| *time_ns < now_ns).max();
    let counter =
        |(period, count): &(Period, KeepCount)| Counter { period: *period, left: *count, count: *count, filled: None };
    let window = |(period, span): &(Period, CalendarSpan)| Window {
        period: *period,
        span: *span,
        after_ns: newest_ns.map_or(i64::MIN, |newest_ns| span.before(newest_ns, zone)),
        filled: None,
    };
    let mut counters: Vec<Counter> = policy.counted.iter().map(counter).collect();
    let mut windows: Vec<Window> = policy.within.iter().map(window).collect();
    let last = candidates.len().saturating_sub(1);
    let mut judgements = Vec::with_capacity(candidates.len());
    for (place, candidate) in candidates.iter().enumerate() {
        let mut judgement = Judgement::default();
        let seat = Seat { candidate, place, is_oldest: place == last, zone };
        judgement.by_name(policy, candidate);
        counters.iter_mut().for_each(|counter| counter.judge(&seat, &mut judgement));
        windows.iter_mut().for_each(|window| window.judge(&seat, &mut judgement));
        judgement.left = PlacesLeft(counters.iter().filter_map(Counter::places_left).collect());
        judgements.push(judgement);
    }
    judgements
}

/// A candidate in its list.
struct Seat<'a> {
    candidate: &'a Candidate<'a>,
    place: usize,
    is_oldest: bool,
    zone: &'a Zone,
}

impl Seat<'_> {
    fn bucket(&self, period: Period) -> i64 {
        period.bucket(self.candidate.time_ns, self.place, self.zone)
    }
}

impl Judgement {
    fn by_name(&mut self, policy: &RetentionPolicy, candidate: &Candidate<'_>) {
        if policy.ids.contains(&candidate.id) {
            self.stays.push(Stays::Id);
        } else if !policy.ids.is_empty() {
            self.goes.push(Goes::NotNamed);
        }
        let fitting = policy.tags.iter().filter(|tags| has_tags(candidate.tags, tags));
        let before = self.stays.len();
        self.stays.extend(fitting.map(|tags| Stays::Tags(tags.clone())));
        if self.stays.len() == before && !policy.tags.is_empty() {
            self.goes.push(Goes::NotTagged);
        }
    }
}

impl Counter {
    fn judge(&mut self, seat: &Seat<'_>, judgement: &mut Judgement) {
        let bucket = seat.bucket(self.period);
        let superseded = self.filled.filter(|(filled, _)| *filled == bucket).map(|(_, by)| by);
        let open = self.left != KeepCount::AtMost(0);
        if open && (superseded.is_none() || seat.is_oldest) {
            let reason = if superseded.is_some() { Stays::Oldest } else { Stays::Counted };
            judgement.stays.push(reason(self.period));
            self.filled = Some((bucket, seat.candidate.id));
            if let KeepCount::AtMost(left) = &mut self.left {
                *left = left.saturating_sub(1);
            }
            return;
        }
        judgement.goes.push(match (superseded, self.count) {
            (Some(by), _) => Goes::Superseded { period: self.period, by },
            (None, KeepCount::AtMost(count)) => Goes::Beyond { period: self.period, count },
            (None, KeepCount::Unlimited) => return,
        });
    }

    const fn places_left(&self) -> Option<(Period, u32)> {
        match self.left {
            KeepCount::AtMost(left) => Some((self.period, left)),
            KeepCount::Unlimited => None,
        }
    }
}

impl Window {
    fn judge(&mut self, seat: &Seat<'_>, judgement: &mut Judgement) {
        if seat.candidate.time_ns <= self.after_ns {
            judgement.goes.push(Goes::Older(self.span));
            return;
        }
        let bucket = seat.bucket(self.period);
        match self.filled.filter(|(filled, _)| *filled == bucket) {
            Some((_, by)) if !seat.is_oldest => {
                judgement.goes.push(Goes::Superseded { period: self.period, by });
                return;
            }
            Some(_) => judgement.stays.push(Stays::OldestWithin(self.period, self.span)),
            None => judgement.stays.push(Stays::Within(self.period, self.span)),
        }
        self.filled = Some((bucket, seat.candidate.id));
    }
}

#[cfg(test)]
mod tests;
