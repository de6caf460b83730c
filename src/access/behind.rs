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

    /// Does what may commit, and returns with what came of it all that lacks since, for its report. What an operation left
    /// that failed before is not of this one.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn during<T, E>(&self, operation: impl FnOnce() -> Result<T, E>) -> Result<(T, Vec<String>), E> {
        drop(self.take());
        let done = operation()?;
        Ok((done, self.take()))
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
