//! What this machine knows less of than is committed, or than it should.

use std::sync::{Mutex, PoisonError};

/// What could not be noted on this machine of what is committed, or not be known by it. That is no failure of what was
/// committed.
#[derive(Debug, Default)]
pub struct Behind(Mutex<Vec<String>>);

impl Behind {
    /// Adds what is lacking, unless it is known already: a disc that is full is so for every session that a run ends with.
    pub fn note(&self, lack: String) {
        let mut lacks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !lacks.contains(&lack) {
            lacks.push(lack);
        }
    }

    /// All that lacks.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
