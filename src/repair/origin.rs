//! Where chunks may be had from which the repository lost: packs of its own that do not count, source files, or another
//! repository.

mod files;
mod repository;
mod uncounted;

pub(super) use files::Files;
pub(super) use repository::Another;
pub(super) use uncounted::Uncounted;

use crate::access::Access;
use crate::error::{Error, Result, check_stopped};
use crate::id::ChunkId;
use crate::layout::Class;
use crate::outcome::OutcomeKind;
use crate::progress::Progress;
use crate::repair::options::RepairOptions;
use crate::repair::wanted::Wanted;
use crate::segment::SegmentReader;
use crate::session::{self, BATCH_CHUNKS_MAX, Batch, Beating, History};
use crate::session_record::SessionKind;

/// How many notices are kept.
const NOTICES_MAX: usize = 1000;

/// One place that may have what is lost.
pub(super) trait Origin {
    /// Offers whatever may be wanted, until nothing is. What can't be read there is passed over and told as a notice.
    ///
    /// # Errors
    /// Those of the intake: the repository at hand fails, or the caller stops.
    fn offer(&mut self, intake: &mut Intake<'_>) -> Result<()>;
}

/// Takes what is wanted and stores it, in sessions of bounded size.
pub(super) struct Intake<'a> {
    access: &'a Access,
    options: &'a RepairOptions,
    progress: &'a dyn Progress,
    wanted: &'a mut Wanted,
    batch: Option<Batch>,
    pub(super) found_count: u64,
    pub(super) written_bytes: u64,
    pub(super) notices: Vec<String>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        access: &'a Access,
        options: &'a RepairOptions,
        wanted: &'a mut Wanted,
        progress: &'a dyn Progress,
    ) -> Self {
        let (batch, notices) = (None, Vec::new());
        Self { access, options, progress, wanted, batch, found_count: 0, written_bytes: 0, notices }
    }

    /// Asks every origin in turn, while something is wanted, and commits what they had.
    ///
    /// # Errors
    /// When the store can't take it, or the caller stops. What was committed before stands.
    pub(super) fn ask(&mut self, origins: &mut [Box<dyn Origin + '_>]) -> Result<()> {
        let asked = origins.iter_mut().try_for_each(|origin| origin.offer(self)).and_then(|()| self.commit());
        if let Err(error) = &asked
            && let Some(batch) = self.batch.take()
        {
            batch.give_up(self.access, error);
        }
        asked
    }

    /// The repository at hand.
    pub(super) const fn access(&self) -> &'a Access {
        self.access
    }

    /// Whether nothing is wanted any more.
    pub(super) const fn is_done(&self) -> bool {
        self.wanted.is_done()
    }

    /// Whether a chunk or node is wanted.
    ///
    /// # Errors
    /// When the table of what is wanted can't be read.
    pub(super) fn wants(&self, id: ChunkId) -> Result<bool> {
        self.wanted.contains(id)
    }

    /// Takes a chunk or node if its id is wanted.
    ///
    /// # Errors
    /// When the store can't take it, or the caller stops.
    pub(super) fn take(&mut self, class: Class, bytes: &[u8]) -> Result<()> {
        check_stopped(self.progress)?;
        let id = self.access.naming.id_of(class, bytes);
        if !self.wanted.contains(id)? {
            return Ok(());
        }
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => {
                let history = History::load(self.access)?;
                let session = Beating::open(self.access, &history, SessionKind::Repair, &self.options.writer)?;
                Batch::begin(self.access, session, self.options.compression)?
            }
        };
        let batch = self.batch.insert(batch);
        batch.add(self.access, class, id, bytes)?;
        self.wanted.found(id)?;
        self.found_count = self.found_count.saturating_add(1);
        if batch.chunks().len() >= BATCH_CHUNKS_MAX { self.commit() } else { Ok(()) }
    }

    pub(super) fn notice(&mut self, what: impl std::fmt::Display, error: &dyn std::fmt::Display) {
        if self.notices.len() < NOTICES_MAX {
            self.notices.push(format!("{what} was passed over: {error}"));
        }
    }

    fn commit(&mut self) -> Result<()> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        batch.commit(self.access, OutcomeKind::Repair, Vec::new())?;
        let rows = batch.rows().iter();
        self.written_bytes = rows.fold(self.written_bytes, |sum, row| sum.saturating_add(row.facts().bytes));
        self.batch = None;
        session::bring_up_to_date(self.access, &History::load(self.access)?).map(drop)
    }
}

/// Shows every segment that the index of a repository counts on. One that can't be read is passed over.
fn for_each_segment(
    access: &Access,
    intake: &mut Intake<'_>,
    show: &mut dyn FnMut(&SegmentReader<'_>, &mut Intake<'_>) -> Result<()>,
) -> Result<()> {
    for segment in access.index.applied()? {
        match session::read_segment(access, segment) {
            Ok(body) => show(&SegmentReader::parse(segment, &body)?, intake)?,
            Err(error) => intake.notice(format_args!("a segment of {}", access.store.describe()), &error),
        }
    }
    Ok(())
}

/// Whether an error of the place that is read from ends only that reading.
pub(super) fn is_of_origin(error: &Error) -> bool {
    use crate::error::ErrorKind::{Damaged, Denied, Io, NotFound, Unsupported};
    matches!(error.kind(), Damaged | Denied | Io | NotFound | Unsupported)
}
