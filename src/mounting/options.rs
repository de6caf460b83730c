//! What a mounted tree shows.

use super::names::{NameTime, PathTemplate};
use crate::manifest::Key;
use crate::session::{Snapshot, SnapshotFilter};
use std::time::Duration;

/// How long the list of snapshots is believed. Looking costs a listing of a few folders of the store.
const REFRESH_EVERY: Duration = Duration::from_secs(5);

/// What a mounted tree shows.
#[derive(Clone)]
#[non_exhaustive]
pub struct MountOptions {
    pub(super) shown: Shown,
    pub(super) refresh_every: Duration,
}

/// Which snapshots, and where.
#[derive(Clone)]
pub(super) enum Shown {
    /// What lies at a place in one snapshot is the top.
    One(Box<Snapshot>, Key),
    /// All that pass, now and later, each where every template says.
    All { filter: SnapshotFilter, templates: Vec<PathTemplate>, name_time: NameTime },
}

impl MountOptions {
    /// All snapshots that pass, those too that will be made, each where every template says.
    pub fn all(filter: SnapshotFilter, templates: Vec<PathTemplate>, name_time: NameTime) -> Self {
        Self { shown: Shown::All { filter, templates, name_time }, refresh_every: REFRESH_EVERY }
    }

    /// What lies in one directory of a snapshot.
    pub fn one(snapshot: Snapshot, directory: Key) -> Self {
        Self { shown: Shown::One(Box::new(snapshot), directory), refresh_every: REFRESH_EVERY }
    }

    /// How long the list of snapshots is believed: five seconds unless this says otherwise.
    #[must_use]
    pub const fn refresh_every(mut self, refresh_every: Duration) -> Self {
        self.refresh_every = refresh_every;
        self
    }
}
