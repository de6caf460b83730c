//! What is needed, by the cheaper of two ways.

use crate::access::Access;
use crate::error::{ErrorKind, Result};
use crate::needed::counts::{Counts, build};
use crate::needed::mark::mark;
use crate::needed::{Needed, Roots};
use crate::progress::Progress;

/// Finds what is needed for a prune generation: by the counts of the view, brought to these roots, while they can be
/// trusted and little has changed; else by a full mark, from which the view gets new counts. `generation` is the number
/// of the highest generation that is known, 0 when there is none.
///
/// # Errors
/// [`ErrorKind::Damaged`] when something that is needed is missing or can't be read; the message names a snapshot that
/// needs it.
pub fn find(access: &Access, roots: &Roots, generation: u64, progress: &dyn Progress) -> Result<Box<dyn Needed>> {
    match counted(access, roots, generation, progress) {
        Ok(Some(counts)) => return Ok(Box::new(counts)),
        Ok(None) => {}
        // Nodes of a forgotten snapshot may be gone, and a mark says more of what is missing than counts can.
        Err(error) if error.kind() == ErrorKind::Damaged || is_view_lost(access)? => {}
        Err(error) => return Err(error),
    }
    let mark = mark(access, roots, progress)?;
    if let Some(table) = access.index.side_table()? {
        match build(access, table, &mark, roots, generation) {
            Err(error) if !is_view_lost(access)? => return Err(error),
            _ => {}
        }
    }
    Ok(Box::new(mark))
}

fn counted(access: &Access, roots: &Roots, generation: u64, progress: &dyn Progress) -> Result<Option<Counts>> {
    let Some(mut counts) = Counts::trusted(access, generation)?.filter(|counts| counts.are_near(roots)) else {
        return Ok(None);
    };
    counts.bring_to(roots, progress).map(|()| Some(counts))
}

/// Whether the view that held the counts is out of use, since it was found damaged.
fn is_view_lost(access: &Access) -> Result<bool> {
    Ok(access.index.side_table()?.is_none())
}
