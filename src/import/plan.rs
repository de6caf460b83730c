//! What an import would carry over.

use super::{Known, known};
use crate::error::{Error, ErrorKind, Result};
use crate::id::SnapshotId;
use crate::restic::{self, Opened, Repository, Snapshot, Snapshots};
use crate::session::{History, Imported, SnapshotFilter};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Which snapshots are carried over.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ImportOptions {
    filter: SnapshotFilter,
    prefixes: Vec<String>,
}

impl ImportOptions {
    /// Only those that pass.
    #[must_use]
    pub fn filter(mut self, filter: SnapshotFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Only those whose ids begin so; each must fit exactly one. What was asked for so is carried over again if it was
    /// forgotten here, or could not be read in full.
    #[must_use]
    pub fn snapshots(mut self, prefixes: impl IntoIterator<Item = String>) -> Self {
        self.prefixes = prefixes.into_iter().collect();
        self
    }
}

/// What became of a snapshot of another tool before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: it would be carried over.
    New,
    /// It was carried over.
    There,
    /// It was carried over and forgotten since; it does not come back.
    Forgotten,
}

/// A snapshot of another tool.
#[derive(Debug, Clone)]
pub struct ImportSnapshot {
    /// What the tool says of it.
    pub snapshot: Snapshot,
    /// What became of it before.
    pub standing: Standing,
    /// The snapshot that it became before.
    pub known_as: Option<SnapshotId>,
    /// How many items of that one could not be read.
    pub problem_count: u64,
}

/// What an import would carry over.
#[derive(Debug)]
#[non_exhaustive]
pub struct ImportPlan {
    pub(super) repository: Arc<Repository>,
    /// Every snapshot of the other repository, oldest first: what is not carried over now may serve to compare with.
    all: Vec<Snapshot>,
    /// What was asked for, oldest first.
    pub snapshots: Vec<ImportSnapshot>,
    /// What of the other repository can't be read, a sentence each. A snapshot among it is not carried over.
    pub problems: Vec<String>,
}

/// Opens a repository of restic in a local folder and compares its snapshots with what was carried over before. Memory:
/// 48 bytes for each of restic's blobs.
///
/// # Errors
/// [`ErrorKind::NoRepository`] and [`ErrorKind::WrongPassword`] of restic's repository; [`ErrorKind::NotFound`] and
/// [`ErrorKind::Ambiguous`] for a prefix that fits no snapshot or several.
pub fn plan(history: &History, path: &Path, password: &[u8], options: &ImportOptions) -> Result<ImportPlan> {
    let Opened { repository, problems } = Repository::open(path, password)?;
    let Snapshots { snapshots: all, problems: unreadable } = repository.snapshots()?;
    let wanted = choose(&all, options)?;
    let known = known(history);
    let snapshots = wanted.into_iter().map(|snapshot| {
        let found = known.get(&Imported::Restic(snapshot.id));
        let is_lacking = |found: &Known| found.standing == Standing::Forgotten || found.problem_count > 0;
        let again = found.filter(|found| !options.prefixes.is_empty() && is_lacking(found));
        let standing =
            if again.is_some() { Standing::New } else { found.map_or(Standing::New, |found| found.standing) };
        let problem_count = found.map_or(0, |found| found.problem_count);
        ImportSnapshot { snapshot: snapshot.clone(), standing, known_as: found.map(|found| found.id), problem_count }
    });
    let problems = problems.iter().chain(&unreadable).map(|problem| crate::error::chain(problem));
    Ok(ImportPlan {
        snapshots: snapshots.collect(),
        problems: problems.collect(),
        repository: Arc::new(repository),
        all,
    })
}

impl ImportPlan {
    /// Of the snapshots of the same host and paths that stand here already, the latest before this one, else the first
    /// after it: with what it became.
    pub(super) fn nearest(&self, to: &Snapshot, known: &HashMap<Imported, Known>) -> Option<(&Snapshot, SnapshotId)> {
        let akin = self.all.iter().filter(|other| other.host == to.host && other.paths == to.paths);
        let standing = akin.filter_map(|other| {
            let there = known.get(&Imported::Restic(other.id)).filter(|known| known.standing == Standing::There)?;
            Some((other, there.id))
        });
        let mut nearest = None;
        for found in standing {
            if found.0.time_ns > to.time_ns {
                return nearest.or(Some(found));
            }
            nearest = Some(found);
        }
        nearest
    }
}

fn choose<'a>(all: &'a [Snapshot], options: &ImportOptions) -> Result<Vec<&'a Snapshot>> {
    let mut named: Vec<restic::FileId> = Vec::new();
    for prefix in &options.prefixes {
        named.push(by_prefix(all, prefix)?.id);
    }
    let is_wanted = |snapshot: &&Snapshot| {
        (options.prefixes.is_empty() || named.contains(&snapshot.id))
            && options.filter.fits(&snapshot.host, &snapshot.tags, &snapshot.paths)
    };
    Ok(all.iter().filter(is_wanted).collect())
}

fn by_prefix<'a>(all: &'a [Snapshot], prefix: &str) -> Result<&'a Snapshot> {
    let mut fitting = all.iter().filter(|snapshot| snapshot.id.to_string().starts_with(prefix));
    match (fitting.next(), fitting.next()) {
        (Some(found), None) => Ok(found),
        (None, _) => {
            let message = format!("no snapshot of restic's has an id that begins with {prefix}");
            Err(Error::new(ErrorKind::NotFound, message))
        }
        (Some(one), Some(other)) => {
            let message = format!("{prefix} fits {} and {} of restic's; give more digits", one.id, other.id);
            Err(Error::new(ErrorKind::Ambiguous, message))
        }
    }
}
