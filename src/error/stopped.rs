//! What an operation says that the caller stops: what is at work deep down only that it was stopped, and the operation as
//! a whole what that means.

use super::{Error, ErrorKind, Result};
use crate::progress::Progress;

const STOPPED: &str = "stopped as asked";

/// Goes on unless the caller wants to stop.
///
/// # Errors
/// [`ErrorKind::Interrupted`] then.
pub(crate) fn check_stopped(progress: &dyn Progress) -> Result<()> {
    if progress.stopped() { Err(Error::stopped()) } else { Ok(()) }
}

impl Error {
    /// The caller wants to stop.
    pub(crate) fn stopped() -> Self {
        Self::new(ErrorKind::Interrupted, STOPPED)
    }

    /// Says what it means for the whole operation if it was stopped; any other error stays as it is.
    #[must_use]
    pub(crate) fn if_stopped(self, meaning: &str) -> Self {
        if self.kind == ErrorKind::Interrupted {
            Self::new(ErrorKind::Interrupted, format!("{STOPPED}; {meaning}"))
        } else {
            self
        }
    }
}
