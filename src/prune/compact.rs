//! Replaces segments that name deleted packs, and many small ones, by fewer that name what is left; then removes what
//! was replaced. The replaced ones are named for ever, with their counts: outcomes name them for ever.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::{PackId, SegmentId};
use crate::outcome::{OutcomeKind, SegmentRef};
use crate::progress::Progress;
use crate::segment::{PackFacts, Replaced, SegmentReader};
use crate::session::{self, Beating, History, Named, Replacement, SEGMENT_CHUNKS_TARGET, read_segment};
use crate::store::ObjectName;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A segment with fewer chunks is small,
const SMALL_CHUNKS_MAX: u64 = SEGMENT_CHUNKS_TARGET / 16;
/// and so many small ones are merged.
const SMALL_COUNT_MAX: usize = 32;
/// A segment is written anew for the sake of its own once this part of its chunks lies in deleted packs.
const DEAD_DIVISOR: u64 = 20;

/// Which segments to replace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Inputs(pub(super) BTreeSet<SegmentId>);

impl Inputs {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Chooses the segments of which a part is dead, and small ones when there are many. `deleted` are the packs that
    /// deleted sets list.
    ///
    /// # Errors
    /// When the index can't be read.
    pub(super) fn choose(
        access: &Access,
        history: &History,
        deleted: &HashSet<PackId>,
        thoroughness: Thoroughness,
    ) -> Result<Self> {
        let counting: HashSet<SegmentId> = access.index.applied()?.into_iter().collect();
        let mut dead: BTreeMap<SegmentId, u64> = BTreeMap::new();
        access.index.for_each_pack(&mut |_, entry| {
            if deleted.contains(&entry.id) {
                let chunks = dead.entry(entry.segment).or_default();
                *chunks = chunks.saturating_add(entry.chunk_count);
            }
        })?;
        let named = history.segments();
        let sizes = named.values().map(Named::largest);
        let here: Vec<&SegmentRef> = sizes.filter(|segment| counting.contains(&segment.id)).collect();
        Ok(Self::of(&here, &dead, thoroughness))
    }

    /// The choice among the segments that are here, of which so many chunks are dead.
    pub(super) fn of(here: &[&SegmentRef], dead: &BTreeMap<SegmentId, u64>, thoroughness: Thoroughness) -> Self {
        let mut inputs: BTreeSet<SegmentId> = BTreeSet::new();
        for segment in here {
            let dead = dead.get(&segment.id).copied().unwrap_or(0);
            let is_worth_it = match thoroughness {
                Thoroughness::Full => dead > 0,
                Thoroughness::WhereWorthIt => dead > 0 && dead >= segment.chunk_count / DEAD_DIVISOR,
            };
            if is_worth_it {
                inputs.insert(segment.id);
            }
        }
        let small: Vec<SegmentId> =
            here.iter().filter(|segment| segment.chunk_count <= SMALL_CHUNKS_MAX).map(|segment| segment.id).collect();
        let is_many = match thoroughness {
            Thoroughness::Full => small.len() > 1,
            Thoroughness::WhereWorthIt => small.len() > SMALL_COUNT_MAX,
        };
        if is_many {
            inputs.extend(small);
        }
        Self(inputs)
    }
}

/// How much a prune bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thoroughness {
    /// Some dead rows, and some small segments.
    WhereWorthIt,
    /// None.
    Full,
}

/// Publishes segments in the place of `inputs`, in a session that was opened before `history` was read, and commits it.
///
/// # Errors
/// When the store fails, the new segments don't say what the old ones said, or somebody else ended the session.
pub(super) fn compact(
    access: &Access,
    session: &mut Beating,
    history: &History,
    inputs: &Inputs,
    deleted: &HashSet<PackId>,
    progress: &dyn Progress,
) -> Result<()> {
    let named = history.segments();
    let mut output = Replacement::new(history);
    for id in &inputs.0 {
        check_stopped(progress)?;
        session.beat_if_due(access)?;
        let Some(named) = named.get(id) else { continue };
        let body = read_segment(access, *id)?;
        let reader = SegmentReader::parse(*id, &body)?;
        output.take_over(access, named.proven(&reader)?, reader.replaced())?;
        for row in reader.packs().filter(|row| !deleted.contains(&row.facts().pack)) {
            output.push(access, row)?;
        }
    }
    let said = output.said().clone();
    let published = output.finish(access)?;
    prove(access, &published, said)?;
    session.commit(access, OutcomeKind::Repack, Vec::new(), published)
}

/// Reads the new segments back from the store: together they must say exactly what is left of the old ones.
fn prove(access: &Access, published: &[SegmentRef], mut left: HashSet<PackFacts>) -> Result<()> {
    for reference in published {
        let body = read_segment(access, reference.id)?;
        let reader = SegmentReader::parse(reference.id, &body)?;
        let mut is_right = (reader.pack_count(), reader.chunk_count()) == (reference.pack_count, reference.chunk_count);
        for row in reader.packs() {
            let known = access.index.numbers(&row.facts().pack)?;
            is_right &= left.remove(row.facts()) && !known.is_empty();
        }
        if !is_right {
            return Err(unlike(reference.id));
        }
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Damaged, "new segments lack packs of the old ones"))
    }
}

fn unlike(id: SegmentId) -> Error {
    let message = format!("{} does not say what it was made from; test this machine's memory", ObjectName::Segment(id));
    Error::new(ErrorKind::Damaged, message)
}

/// Whether a segment that was listed before `history` was read may go: how the outcomes name it, and what those that are
/// there say that they replace.
pub(super) fn may_go(named: Option<&Named>, replaced: &BTreeSet<Replaced>, history: &History) -> bool {
    match named {
        Some(named) => named.is_among(replaced),
        // Whoever published it without naming it had its session open when it was listed.
        None => history.open.is_empty(),
    }
}

/// Removes, of the segments that were listed before `history` was read, those that a committed one replaces, with their
/// counts; and, while nobody writes, those that no outcome names. Returns how many were there.
///
/// # Errors
/// When the store can't be listed or the segments not be removed.
pub(super) fn remove_replaced(access: &Access, history: &History, listed: &BTreeSet<SegmentId>) -> Result<u64> {
    let named = history.segments();
    let mut gone = Vec::new();
    let mut replaced = BTreeSet::new();
    // The view is up to date: it has exactly the segments that count. Of these some may take places.
    let taking = history.taking_segments();
    for id in access.index.applied()?.into_iter().filter(|id| taking.contains(id)) {
        replaced.extend(session::replaced_by(access, id)?);
    }
    for id in listed {
        if may_go(named.get(id), &replaced, history) {
            gone.push(ObjectName::Segment(*id));
        }
    }
    Ok(u64::try_from(access.store.remove_all(&gone)?.len()).unwrap_or(u64::MAX))
}
