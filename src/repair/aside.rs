//! Setting packs aside: what can be read of them is copied, and nothing counts on the rest any more.

use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, Result, check_stopped};
use crate::id::{ChunkId, PackId, SegmentId};
use crate::layout::FrameTable;
use crate::outcome::OutcomeKind;
use crate::progress::{Event, Progress};
use crate::repair::options::{AsideReport, RepairOptions};
use crate::repair::reading::PackReader;
use crate::repair::wanted::is_readable;
use crate::segment::{PackFacts, PackRow, SegmentReader};
use crate::session::{
    self, BATCH_CHUNKS_MAX, Batch, Beating, History, Replacement, SegmentStand, read_segment, steadily,
};
use crate::session_record::SessionKind;
use crate::store::ObjectName;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A pack that can't be read in full.
#[derive(Debug, Clone)]
pub(super) struct Ailing {
    pub(super) facts: PackFacts,
    /// Its frames, where a segment tells them.
    pub(super) frames: Option<FrameTable>,
    /// Whether there is anything of it. One that is gone is left out of segments instead of being set aside.
    pub(super) is_present: bool,
    /// What is wrong with it.
    pub(super) wrong: String,
}

/// Packs that can't be read in full, by name.
pub(super) type AilingPacks = BTreeMap<PackId, Ailing>;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct SetAside {
    pub(super) packs: Vec<AsideReport>,
    pub(super) written_bytes: u64,
}

/// Copies what can be read of some packs and has no whole copy elsewhere, and sets the packs aside: both with one
/// outcome, so that nothing is hidden before its copy counts. Where there is much to copy, some packs after the others.
///
/// # Errors
/// When the store fails, a segment can't be read, or the caller stops. What was committed before stands.
pub(super) fn set_aside(
    access: &Access,
    options: &RepairOptions,
    ailing: &AilingPacks,
    progress: &dyn Progress,
) -> Result<SetAside> {
    progress.event(&Event::Phase("copying what is left of damaged packs"));
    let mut done = SetAside::default();
    let mut rest: Vec<PackId> = ailing.keys().copied().collect();
    while !rest.is_empty() {
        let (left, reports, written_bytes) = steadily(access, || {
            let session = Beating::open(access, &History::load(access)?, SessionKind::Repair, &options.writer)?;
            let mut batch = Batch::begin(access, session, options.compression)?;
            let mut left = rest.clone();
            let round = Round::begin(access, ailing, progress).and_then(|mut round| {
                round.fill(&mut batch, &mut left)?;
                round.commit(&mut batch)?;
                Ok(round.reports)
            });
            match round {
                Ok(reports) => {
                    let bytes = batch.rows().iter().map(|row| row.facts().bytes);
                    Ok((left, reports, bytes.fold(0, u64::saturating_add)))
                }
                Err(error) => {
                    batch.give_up(access, &error);
                    Err(error)
                }
            }
        })?;
        rest = left;
        done.packs.extend(reports);
        done.written_bytes = done.written_bytes.saturating_add(written_bytes);
    }
    Ok(done)
}

/// One session's share.
struct Round<'a> {
    access: &'a Access,
    ailing: &'a AilingPacks,
    progress: &'a dyn Progress,
    history: History,
    reader: ContentReader,
    /// Packs of which no copy counts: those that are ailing, and those that a prune condemned.
    uncounted: HashSet<PackId>,
    /// The packs that this session sets aside.
    taken: BTreeSet<PackId>,
    reports: Vec<AsideReport>,
}

impl<'a> Round<'a> {
    /// The session is open: what is read now is not collected before it ends.
    fn begin(access: &'a Access, ailing: &'a AilingPacks, progress: &'a dyn Progress) -> Result<Self> {
        let history = History::load(access)?;
        session::bring_up_to_date(access, &history)?;
        let uncounted = ailing.keys().copied().chain(history.excluded()).collect();
        let reader = ContentReader::new(access.clone());
        let (taken, reports) = <(BTreeSet<PackId>, Vec<AsideReport>)>::default();
        Ok(Self { access, ailing, progress, history, reader, uncounted, taken, reports })
    }

    /// Takes packs off `rest` until there is enough for one session.
    fn fill(&mut self, batch: &mut Batch, rest: &mut Vec<PackId>) -> Result<()> {
        let mut reading = PackReader::new(self.access);
        let mut stored: HashSet<ChunkId> = HashSet::new();
        while batch.chunks().len() < BATCH_CHUNKS_MAX
            && let Some(pack) = rest.pop()
        {
            check_stopped(self.progress)?;
            batch.beat_if_due(self.access)?;
            let Some(ailing) = self.ailing.get(&pack) else { continue };
            let mut copied_chunk_count = 0u64;
            reading.salvage(pack, ailing.frames.as_ref(), &mut |class, id, bytes| {
                // A pack that counts may be damaged as well, so that the copy is read.
                let counts = |pack| !self.uncounted.contains(&pack);
                if stored.contains(&id) || is_readable(self.access, &self.reader, id, &counts)? {
                    return Ok(());
                }
                stored.insert(id);
                copied_chunk_count = copied_chunk_count.saturating_add(1);
                batch.add(self.access, class, id, bytes)
            })?;
            self.taken.insert(pack);
            let object = ObjectName::Pack(pack).to_string();
            self.reports.push(AsideReport { object, wrong: ailing.wrong.clone(), copied_chunk_count });
        }
        Ok(())
    }

    fn commit(&self, batch: &mut Batch) -> Result<()> {
        let stand = SegmentStand::of(self.access, &self.history)?;
        let mut replacement = Replacement::new(&self.history);
        carry(self.access, &self.history, &stand.counting, &self.taken, &mut replacement)?;
        for ailing in self.taken.iter().filter_map(|pack| self.ailing.get(pack)).filter(|ailing| ailing.is_present) {
            replacement.push(self.access, PackRow::set_aside(ailing.facts))?;
        }
        batch.commit(self.access, OutcomeKind::Repair, replacement.finish(self.access)?)?;
        session::bring_up_to_date(self.access, &History::load(self.access)?).map(drop)
    }
}

/// Puts into `replacement` what the segments among `counting` say that list one of the packs `without`, all but that.
///
/// # Errors
/// When one of them can't be read.
pub(super) fn carry(
    access: &Access,
    history: &History,
    counting: &BTreeSet<SegmentId>,
    without: &BTreeSet<PackId>,
    replacement: &mut Replacement,
) -> Result<()> {
    if without.is_empty() {
        return Ok(());
    }
    let named = history.segments();
    for (id, named) in counting.iter().filter_map(|id| named.get_key_value(id)) {
        let body = read_segment(access, *id).map_err(|error| {
            let message = format!("{} can't be read; run repair index first", ObjectName::Segment(*id));
            Error::new(error.kind(), message).because(error)
        })?;
        let segment = SegmentReader::parse(*id, &body)?;
        if !segment.packs().any(|row| without.contains(&row.facts().pack)) {
            continue;
        }
        replacement.take_over(access, named.proven(&segment)?, segment.replaced())?;
        for row in segment.packs().filter(|row| !without.contains(&row.facts().pack)) {
            replacement.push(access, row)?;
        }
    }
    Ok(())
}
