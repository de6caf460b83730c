//! What a repository can be healed with.

use super::Repository;
use crate::backup::BackupReport;
use crate::config::{ConfigChain, Feature};
use crate::error::Result;
use crate::heal::{self, ProtectOptions, ProtectReport};
use crate::parity::Percent;
use crate::progress::Progress;
use crate::store::{self, LocalStore, ObjectName, Protection};
use std::path::Path;
use std::time::Instant;

impl Repository {
    /// Gives every object of the repository in a local directory what it can be healed with, unless it has it: parity to
    /// packs, second copies to small objects. Needs no key.
    ///
    /// # Errors
    /// [`NoRepository`](crate::error::ErrorKind::NoRepository), when the store can't be listed or written, or the caller
    /// stops.
    pub fn protect(path: &Path, options: &ProtectOptions, progress: &dyn Progress) -> Result<ProtectReport> {
        heal::protect_all(&LocalStore::open(path)?, options, progress)
    }

    /// Waits for the parity of what a backup wrote, and says how much it is.
    pub(super) fn settle(&self, report: &mut BackupReport) {
        let started = Instant::now();
        report.protected = self.protecting.settle();
        report.duration = report.duration.saturating_add(started.elapsed());
    }
}

/// What the configuration of a new repository says of it.
pub(super) fn features(protection: Protection) -> Vec<Feature> {
    match protection {
        Protection::Nothing => Vec::new(),
        Protection::Parity(percent) => vec![Feature::parity(percent.get())],
    }
}

/// What the newest configuration asks for.
pub(super) fn asked_for(chain: &ConfigChain) -> Protection {
    let percent = chain.latest().parity_percent().and_then(Percent::parse);
    percent.map_or(Protection::Nothing, Protection::Parity)
}

/// Protects the first objects of a repository. It is made all the same where that fails: adding parity makes up for it.
pub(super) fn protect_first(store: &LocalStore, protection: Protection, names: &[ObjectName]) {
    if let Protection::Parity(percent) = protection {
        names.iter().for_each(|name| drop(store::protect(store, name, percent)));
    }
}

/// For tests, which open repositories by their parts.
#[cfg(test)]
pub(super) fn nothing_over(access: &crate::access::Access) -> std::sync::Arc<crate::store::ProtectingStore> {
    let store = std::sync::Arc::clone(&access.store);
    std::sync::Arc::new(crate::store::ProtectingStore::over(store, Protection::Nothing))
}
