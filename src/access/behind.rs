//! What this machine knows less of than is committed, or than it should.

use std::sync::{Mutex, PoisonError};

/// What could not be noted on this machine of what is committed, or not be known by it. That is no failure of what was
/// committed.
#[derive(Debug, Default)]
pub struct Behind {
    lacks: Mutex<Vec<String>>,
    /// What was said when the repository was opened, and need not be again.
    told: Vec<String>,
}

impl Behind {
    /// Nothing yet, but for what was told before.
    pub fn after(told: Vec<String>) -> Self {
        Self { lacks: Mutex::default(), told }
    }

    /// The same before anything was noted.
    pub(super) fn anew(&self) -> Self {
        Self::after(self.told.clone())
    }

    /// Adds what is lacking, unless it is known already: a disc that is full is so for every session that a run ends with.
    pub fn note(&self, lack: String) {
        let mut lacks = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
        if !lacks.contains(&lack) && !self.told.contains(&lack) {
            lacks.push(lack);
        }
    }

    /// All that lacks.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lacks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
