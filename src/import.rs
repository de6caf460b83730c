//! Carries snapshots over from another tool: today from restic.
//!
//! Each becomes a snapshot of its own, with its time, host, user, tags and paths, in a copy session; its description names
//! the snapshot that it was made of, so that a second run knows what is there already. What a snapshot can't deliver is
//! a problem of that item, as in a backup.
//!
//! ```text
//! restic's trees -> walk -> the pipeline of a backup -> snapshot
//! ```

mod file;
mod plan;
mod trees;
mod walk;

pub use plan::{ImportOptions, ImportPlan, ImportSnapshot, Standing, plan};

use crate::access::Access;
use crate::backup::{self, BackupOptions, BackupReport, Foreign, ParentChoice};
use crate::config::Role;
use crate::error::{Error, ErrorKind, Result};
use crate::id::SnapshotId;
use crate::outcome::TEXT_BYTES_MAX;
use crate::progress::Progress;
use crate::restic::Snapshot as ResticSnapshot;
use crate::session::{self, ClientState, History, Imported, Writer};
use crate::source::Trees;
use std::collections::HashMap;
use std::sync::Arc;
use trees::{Before, ResticTrees};

/// What carrying one snapshot over did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImportReport {
    /// As for a backup: the new snapshot, what it holds, and the problems of single items.
    pub backup: BackupReport,
    /// How many entries have attributes of another system, which are not carried over.
    pub foreign_attribute_count: u64,
    /// What it was carried over as before, which stands and of which more could not be read.
    pub outdone: Option<SnapshotId>,
}

/// Carries one snapshot of a plan over. What did not change since one that was carried over before is not read again.
///
/// # Errors
/// [`ErrorKind::NotFound`] when nothing of it can be read; [`ErrorKind::Occupied`] when somebody else carried it over
/// since the plan was made; as for a backup.
pub fn run(
    access: &Access,
    (history, state): (&History, &ClientState),
    (plan, snapshot): (&ImportPlan, &ImportSnapshot),
    options: &BackupOptions,
    progress: &dyn Progress,
) -> Result<ImportReport> {
    let from = &snapshot.snapshot;
    check_names(from)?;
    let known = known(history);
    if let Some(there) = known.get(&Imported::Restic(from.id)).filter(|there| Some(there.id) != snapshot.known_as) {
        let message = format!("it was carried over meanwhile, as {}", there.id);
        return Err(Error::new(ErrorKind::Occupied, message));
    }
    let (parent, before) = match plan.nearest(from, &known) {
        Some((before, parent)) => (ParentChoice::Snapshot(parent), Before::Snapshot(before.clone())),
        None => (ParentChoice::Nothing, Before::Nothing),
    };
    let trees = Arc::new(ResticTrees::new(Arc::clone(&plan.repository), from.clone(), before));
    let options = options
        .clone()
        .writer(Writer { host: from.host.clone(), user: from.user.clone(), ..options.writer.clone() })
        .tags(from.tags.clone())
        .time_ns(from.time_ns)
        .parent(parent);
    let shared: Arc<dyn Trees> = trees.clone();
    let foreign = Foreign {
        trees: shared,
        owners: trees.owners(),
        paths: from.paths.clone(),
        started_ns: from.started_ns.min(from.time_ns),
        imported: Imported::Restic(from.id),
    };
    let backup = backup::run_foreign(access, history, state, (&options, foreign), progress)?;
    let is_outdone =
        |there: &&Known| there.standing == Standing::There && there.problem_count > backup.counts.unreadable;
    let outdone = known.get(&Imported::Restic(from.id)).filter(is_outdone).map(|there| there.id);
    Ok(ImportReport { backup, foreign_attribute_count: trees.foreign_attribute_count(), outdone })
}

/// What a snapshot of another tool became.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: SnapshotId,
    standing: Standing,
    /// Items of it that could not be read.
    problem_count: u64,
}

impl Known {
    /// Whether this one is to be told of rather than another one of the same.
    fn outdoes(&self, other: &Self) -> bool {
        let rank = |known: &Self| (known.standing == Standing::There, std::cmp::Reverse(known.problem_count));
        rank(self) >= rank(other)
    }
}

/// What was carried over before, forgotten or not, and whether it still stands; of one that was carried over again, the
/// better one. What a put key says is not believed: it could keep a snapshot from coming over, or have one built upon what
/// it made.
fn known(history: &History) -> HashMap<Imported, Known> {
    let mut known = HashMap::new();
    for snapshot in session::all(history).into_iter().filter(|snapshot| snapshot.role != Role::Put) {
        let standing = if snapshot.forgotten { Standing::Forgotten } else { Standing::There };
        let problem_count = snapshot.counts().unreadable;
        let Some(imported) = snapshot.origin.and_then(|origin| origin.imported) else { continue };
        let this = Known { id: snapshot.id, standing, problem_count };
        let found = known.entry(imported).or_insert(this);
        if this.outdoes(found) {
            *found = this;
        }
    }
    known
}

/// Fails before anything is stored when no outcome could bear the names.
fn check_names(from: &ResticSnapshot) -> Result<()> {
    let mut names = from.tags.iter().chain([&from.host, &from.user]);
    if names.all(|name| name.len() <= TEXT_BYTES_MAX) {
        return Ok(());
    }
    let message = format!("a tag, its host or its user has a name of more than {TEXT_BYTES_MAX} bytes");
    Err(Error::new(ErrorKind::Unsupported, message))
}

#[cfg(test)]
mod tests;
