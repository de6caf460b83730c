//! How much of each pack is needed.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::PackId;
use crate::index::Extent;
use crate::needed::PackUse;
use crate::progress::Progress;
use crate::prune::marks::Marks;
use crate::prune::rows::{Copies, Needs, by_copies, for_each_group};
use crate::prune::survey::{Known, Survey};
use crate::segment::PackRow;
use crate::store::ObjectName;
use std::collections::{BTreeMap, BTreeSet};

/// How much of one pack is needed. Of a chunk with several copies one counts: the one that a look-up finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) chunk_count: u64,
    /// Their length before compression.
    pub(super) raw_bytes: u64,
    /// Its share of the pack's bytes, by the frames in which its chunks lie.
    pub(super) bytes: u64,
}

/// Measures every pack that stands. Costs a look at the rows of the packs that are used in part, but for those that a
/// prune measured in this view and whose use has not changed since: they are most of them, night after night.
///
/// # Errors
/// [`ErrorKind::Damaged`] when no pack holds a needed chunk: what would be deleted may be all that is left of it.
pub(super) fn measure(
    access: &Access,
    survey: &Survey,
    marks: &Marks,
    progress: &dyn Progress,
) -> Result<BTreeMap<PackId, Used>> {
    let mut used = BTreeMap::new();
    let mut open: BTreeSet<PackId> = BTreeSet::new();
    for (id, known) in &survey.packs {
        match without_rows(survey, marks, id, known)? {
            Some(of_pack) => _ = used.insert(*id, of_pack),
            None => _ = open.insert(*id),
        }
    }
    let mut measured = Vec::new();
    for (packs, copies) in by_copies(survey, marks, &open)? {
        for_each_group(access, survey, marks, (&packs, copies), &mut |group| {
            check_stopped(progress)?;
            for needs in group {
                let (pack, known) = (needs.row.facts().pack, needs.known);
                if !is_standing(survey, &pack, known) {
                    require_other_copies(access, survey, needs)?;
                    continue;
                }
                let of_pack = used_of(access, survey, needs, copies)?;
                // Where there are copies elsewhere, which one counts depends on other packs than this.
                if !known.is_disputed && copies == Copies::None {
                    measured.push((known.ordinal, of_pack.bytes));
                }
                used.insert(pack, of_pack);
            }
            Ok(())
        })?;
    }
    marks.keep_measured(&measured);
    Ok(used)
}

/// How much of a pack is needed, if that is known without looking at its rows.
fn without_rows(survey: &Survey, marks: &Marks, id: &PackId, known: &Known) -> Result<Option<Used>> {
    let Some(PackUse { chunk_count, raw_bytes, .. }) = marks.pack_use(known.ordinal)? else { return Ok(None) };
    let bytes = match chunk_count {
        0 if !known.is_disputed => Some(0),
        all if all == known.chunk_count && known.is_present => Some(known.bytes),
        _ if !known.is_disputed && is_standing(survey, id, known) => marks.measured_bytes(known.ordinal),
        _ => None,
    };
    Ok(bytes.map(|bytes| Used { chunk_count, raw_bytes, bytes }))
}

fn is_standing(survey: &Survey, id: &PackId, known: &Known) -> bool {
    known.is_present && !survey.condemned.contains(id)
}

fn used_of(access: &Access, survey: &Survey, needs: &Needs<'_>, copies: Copies) -> Result<Used> {
    if copies == Copies::None {
        return Ok(share(needs.row, needs.flags));
    }
    let stays = |extent: &Extent| survey.stays(extent.pack, &BTreeSet::new());
    let mut keeps = Vec::with_capacity(needs.flags.len());
    for (((id, place), is_needed), found) in needs.row.chunks().zip(needs.flags).zip(needs.found) {
        let here = Extent::new(needs.known.ordinal, place);
        let keep = *is_needed
            && match found.filter(stays) {
                Some(extent) => extent == here,
                // Without a copy that a look-up finds every other one counts.
                None => access.index.copies(id)?.contains(&here),
            };
        keeps.push(keep);
    }
    Ok(share(needs.row, &keeps))
}

/// The needed chunks of a pack that is gone, or going, must have another copy, or be there still.
fn require_other_copies(access: &Access, survey: &Survey, needs: &Needs<'_>) -> Result<()> {
    for (id, _) in needs.needed() {
        let copies = access.index.copies(id)?;
        let is_there = |extent: &Extent| {
            let known = survey.name(extent.pack).and_then(|pack| survey.packs.get(&pack));
            known.is_some_and(|known| known.is_present)
        };
        if !copies.iter().any(is_there) {
            let message = format!(
                "nothing is collected while chunk {id}, which a snapshot needs, is lost with {}; check tells which \
                 files it touches: put the pack back from a second copy of the store, or forget those snapshots",
                ObjectName::Pack(needs.row.facts().pack)
            );
            return Err(Error::new(ErrorKind::Damaged, message));
        }
    }
    Ok(())
}

/// What the kept chunks of a pack take of it.
fn share(row: &PackRow, keeps: &[bool]) -> Used {
    let mut keeps = keeps.iter();
    let (mut chunk_count, mut raw_bytes, mut kept, mut all) = (0u64, 0u64, 0u64, 0u64);
    for frame in row.frames().frames() {
        let mut kept_raw = 0u64;
        for length in frame.lengths {
            if keeps.next() == Some(&true) {
                chunk_count = chunk_count.saturating_add(1);
                kept_raw = kept_raw.saturating_add(u64::from(*length));
            }
        }
        raw_bytes = raw_bytes.saturating_add(kept_raw);
        kept = kept.saturating_add(part(frame.place.stored_bytes.into(), kept_raw, frame.raw_bytes().into()));
        all = all.saturating_add(frame.place.stored_bytes.into());
    }
    Used { chunk_count, raw_bytes, bytes: part(row.facts().bytes, kept, all) }
}

/// `whole * part / of`, rounded up.
fn part(whole: u64, part: u64, of: u64) -> u64 {
    let product = u128::from(whole).saturating_mul(part.into());
    u64::try_from(product.div_ceil(u128::from(of.max(1)))).unwrap_or(u64::MAX)
}
