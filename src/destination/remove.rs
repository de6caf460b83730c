//! Taking things out of the target.

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::{Destination, DestinationError, Operation, Place, kind_of};
use crate::fs::{Key, Kind, look_at};

impl Destination {
    /// Removes what lies at a place, if it is anything but a directory that is not empty.
    pub(super) fn clear(&self, key: &Key, place: &Place<'_>) -> Result<(), DestinationError> {
        let refused = |errno| DestinationError::refused(key, Operation::Remove, errno);
        let found = match look_at(&place.directory, place.name) {
            Ok(found) => kind_of(found.stx_mode),
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(refused(errno)),
        };
        let flags = if found == Kind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        self.handles.forget(key.as_bytes());
        match unlinkat(&place.directory, place.name, flags) {
            // Changed its kind just now: the caller looks again.
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::NOTDIR) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Err(DestinationError::InTheWay { key: key.clone() }),
            Err(errno) => Err(refused(errno)),
        }
    }
}
