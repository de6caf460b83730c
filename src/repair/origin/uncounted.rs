//! Packs that nothing counts on, of the repository itself or of a copy of it: of sessions that are undecided or were
//! aborted, and of those whose outcome is lost; packs that were deleted and are still there; and packs that were given up.
//! A mirror may hold one whole that the repository itself has lost, and give it up as that did.

use super::{Intake, Origin, for_each_segment};
use crate::access::Access;
use crate::error::Result;
use crate::id::PackId;
use crate::repair::reading::PackReader;
use crate::store::{Folder, Listed, ObjectName};
use std::collections::BTreeSet;

/// Reads every pack that is there and that no counting segment lists in full. Each chunk proves itself by its id, so it does
/// not matter who wrote the pack, nor what became of the session.
pub(in crate::repair) struct Uncounted<'a> {
    access: &'a Access,
}

impl<'a> Uncounted<'a> {
    pub(in crate::repair) const fn new(access: &'a Access) -> Self {
        Self { access }
    }

    /// Memory: the names of all packs.
    fn packs(&self, intake: &mut Intake<'_>) -> Result<BTreeSet<PackId>> {
        let mut packs = BTreeSet::new();
        self.access.store.list(Folder::Packs, &mut |listed| {
            if let Listed::Object { name: ObjectName::Pack(id), .. } = listed {
                packs.insert(id);
            }
        })?;
        // What one lists that can't be read is read as well then.
        for_each_segment(self.access, intake, &mut |segment, _| {
            for row in segment.packs().filter(|row| !row.is_set_aside()) {
                packs.remove(&row.facts().pack);
            }
            Ok(())
        })?;
        Ok(packs)
    }
}

impl Origin for Uncounted<'_> {
    fn offer(&mut self, intake: &mut Intake<'_>) -> Result<()> {
        let mut reading = PackReader::new(self.access);
        for pack in self.packs(intake)? {
            if intake.is_done() {
                break;
            }
            reading.salvage(pack, None, &mut |class, _, bytes| intake.take(class, bytes))?;
        }
        Ok(())
    }
}
