//! What is needed, by the cheaper of two ways.

use crate::access::Access;
use crate::error::{ErrorKind, Result};
use crate::needed::counts::{Counts, build};
use crate::needed::mark::mark;
use crate::needed::{Needed, Roots};
use crate::progress::Progress;
use crate::session;

/// Finds what is needed for a prune generation: by the counts of the view, brought to these roots, while they can be
/// trusted and little has changed; else by a full mark, from which the view gets new counts. Nobody else in this process
/// has the counts until the answer is dropped; who asks meanwhile gets a mark. `generation` is the number of the highest
/// generation that is known, 0 when there is none.
///
/// # Errors
/// [`ErrorKind::Damaged`] when something that is needed is missing or can't be read; the message names a snapshot that
/// needs it.
pub fn find(access: &Access, roots: &Roots, generation: u64, progress: &dyn Progress) -> Result<Box<dyn Needed>> {
    let table = access.index.side_table()?;
    let Some((table, claim)) = table.and_then(|table| Some((table, table.claim()?))) else {
        return Ok(Box::new(mark(access, roots, progress)?));
    };
    match counted(access, roots, generation, progress) {
        Ok(Some(counts)) => return Ok(Box::new(counts.held(claim))),
        Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
        // Nodes of a forgotten snapshot may be gone, the view damaged, its disc full. A mark does without all of them, and
        // says more of what is missing than counts can.
        Ok(None) | Err(_) => {}
    }
    let mark = mark(access, roots, progress)?;
    match build(access, table, &mark, roots, generation).and_then(|()| Counts::trusted(access, generation)) {
        Ok(Some(counts)) => Ok(Box::new(counts.answering_from(mark).held(claim))),
        // A view that can't keep counts stops nobody.
        Ok(None) | Err(_) => Ok(Box::new(mark)),
    }
}

/// Has the counts of the view meet the packs that a prune wrote, and forget those that are gone, so that the next one does
/// not wait for that. Does nothing where there are no counts that can be trusted, or somebody goes by them.
///
/// # Errors
/// When the view can't be read or written; the next prune makes a full mark then.
pub fn settle(access: &Access, generation: u64) -> Result<()> {
    let Some(table) = access.index.side_table()? else { return Ok(()) };
    let Some(_claim) = table.claim() else { return Ok(()) };
    match Counts::trusted(access, generation)? {
        Some(mut counts) => counts.settle(),
        None => Ok(()),
    }
}

fn counted(access: &Access, roots: &Roots, generation: u64, progress: &dyn Progress) -> Result<Option<Counts>> {
    // A repair may not have brought back all that lay in it, and no change of the roots tells: a mark looks for everything.
    if !session::set_aside_packs(access)?.is_empty() {
        return Ok(None);
    }
    let Some(mut counts) = Counts::trusted(access, generation)?.filter(|counts| counts.are_near(roots)) else {
        return Ok(None);
    };
    counts.bring_to(roots, progress).map(|()| Some(counts))
}
