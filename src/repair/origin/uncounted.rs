//! Packs of the repository itself that nothing counts on: of sessions that are undecided or were aborted, and of those
//! whose outcome is lost; and packs that were deleted and are still there.

use super::{Intake, Origin};
use crate::access::Access;
use crate::error::Result;
use crate::id::PackId;
use crate::repair::reading::PackReader;
use crate::segment::SegmentReader;
use crate::session::read_segment;
use crate::store::{Folder, Listed, ObjectName};
use std::collections::BTreeSet;

/// Reads every pack that is there and that no counting segment lists. Each chunk proves itself by its id, so it does not
/// matter who wrote the pack, nor what became of the session.
pub(in crate::repair) struct Uncounted<'a> {
    access: &'a Access,
}

impl<'a> Uncounted<'a> {
    pub(in crate::repair) const fn new(access: &'a Access) -> Self {
        Self { access }
    }

    /// Memory: the names of all packs.
    fn packs(&self) -> Result<BTreeSet<PackId>> {
        let mut packs = BTreeSet::new();
        self.access.store.list(Folder::Packs, &mut |listed| {
            if let Listed::Object { name: ObjectName::Pack(id), .. } = listed {
                packs.insert(id);
            }
        })?;
        for segment in self.access.index.applied()? {
            let body = read_segment(self.access, segment)?;
            for row in SegmentReader::parse(segment, &body)?.packs() {
                packs.remove(&row.facts().pack);
            }
        }
        Ok(packs)
    }
}

impl Origin for Uncounted<'_> {
    fn offer(&mut self, intake: &mut Intake<'_>) -> Result<()> {
        let mut reading = PackReader::new(self.access);
        for pack in self.packs()? {
            if intake.is_done() {
                break;
            }
            reading.salvage(pack, None, &mut |class, _, bytes| intake.take(class, bytes))?;
        }
        Ok(())
    }
}
