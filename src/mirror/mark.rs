//! The mark of a mirror: who may write to what bears it, and when a run makes it.

use super::inventory::Inventory;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ObjectName, Store};

/// Fails for a mirror: what is written to it by anybody but a run makes every later run leave it alone.
///
/// # Errors
/// [`ErrorKind::Occupied`] says what to do instead; when the store can't be looked at.
pub fn refuse(store: &dyn Store) -> Result<()> {
    if !store.is_mirror()? {
        return Ok(());
    }
    let place = store.describe();
    let message = format!(
        "{place} is a mirror, and would end being one if this was written to it: name the repository that it mirrors, or, if \
         that is gone for good, make this one of its own by removing the file this-is-a-mirror in it"
    );
    Err(Error::new(ErrorKind::Occupied, message))
}

/// Marks `to`, unless it may be what `from` is a mirror of: whoever brings back what that has lost goes on backing up to it.
///
/// # Errors
/// When a store fails.
pub(super) fn make(from: &dyn Store, (to, there): (&dyn Store, &Inventory)) -> Result<()> {
    let is_repository = there.bytes(&ObjectName::Config(0)).is_some();
    if is_repository && from.is_mirror()? {
        return Ok(());
    }
    Ok(to.mark_mirror()?)
}
