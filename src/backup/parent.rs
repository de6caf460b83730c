//! The snapshot that a backup is compared with.

use crate::access::Access;
use crate::backup::options::{BackupOptions, ParentChoice};
use crate::config::Role;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ClientId, NodeId, SnapshotId};
use crate::outcome::{ComponentKind, Counts};
use crate::session::{self, History, Snapshot};

/// The parts of the parent that a backup needs.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    /// Its id.
    pub id: SnapshotId,
    /// Root of its manifest.
    pub manifest: NodeId,
    /// Root of its stat tree.
    pub stat: NodeId,
    /// What it holds, as an estimate of what comes.
    pub counts: Counts,
    /// When its walk began.
    pub walk_started_ns: i64,
    /// Names of the owners that it holds.
    pub users: Vec<(u32, Vec<u8>)>,
    /// Names of the groups that it holds.
    pub groups: Vec<(u32, Vec<u8>)>,
}

/// Chooses the parent, if there is one that may be inherited from.
///
/// # Errors
/// [`ErrorKind::NotFound`] when a snapshot was named that does not exist or has no tree.
pub(super) fn choose(
    access: &Access,
    history: &History,
    options: &BackupOptions,
    client: ClientId,
    paths: &[Vec<u8>],
) -> Result<Option<Parent>> {
    // A put key can't read any tree, its own neither.
    if access.ring.role() == Role::Put {
        return Ok(None);
    }
    let chosen = match &options.parent {
        ParentChoice::Nothing => None,
        ParentChoice::Snapshot(id) => Some(named(history, *id)?),
        ParentChoice::Latest => latest(history, options, client, paths),
    };
    // What a collector has condemned around a parent that was named can't be told from what it needs: read everything
    // anew.
    Ok(chosen.filter(|snapshot| history.may_inherit(snapshot.id)).and_then(|snapshot| parts(&snapshot)))
}

fn named(history: &History, id: SnapshotId) -> Result<Snapshot> {
    session::all(history)
        .into_iter()
        .find(|snapshot| snapshot.id == id)
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("the parent {id} is no snapshot of this repository")))
}

/// The newest that may be inherited from: while a generation waits for a long backup, one that it counted as live. What
/// changed since is read again, and not the whole tree night after night.
fn latest(history: &History, options: &BackupOptions, client: ClientId, paths: &[Vec<u8>]) -> Option<Snapshot> {
    let fits = |snapshot: &Snapshot| {
        !snapshot.forgotten
            && history.may_inherit(snapshot.id)
            && snapshot.origin.as_ref().is_some_and(|origin| origin.host == options.host)
            && trees(snapshot) == paths
    };
    let fitting: Vec<Snapshot> = session::all(history).into_iter().filter(fits).collect();
    let own = fitting.iter().filter(|snapshot| snapshot.session.client == client);
    let best = own.max_by_key(|snapshot| snapshot.session.number);
    best.or_else(|| fitting.iter().max_by_key(|snapshot| snapshot.committed_at_ns)).cloned()
}

/// The paths of the trees in it: those that are no stream's.
fn trees(snapshot: &Snapshot) -> Vec<Vec<u8>> {
    let paths = snapshot.origin.iter().flat_map(|origin| &origin.paths);
    let streams = || snapshot.components.iter().filter(|component| component.kind == ComponentKind::Stream);
    let is_stream = |path: &[u8]| streams().any(|stream| path.strip_prefix(b"/") == Some(stream.name.as_slice()));
    paths.filter(|path| !is_stream(path)).cloned().collect()
}

fn parts(snapshot: &Snapshot) -> Option<Parent> {
    let component = snapshot.components.iter().find(|component| component.kind == ComponentKind::Tree)?;
    Some(Parent {
        id: snapshot.id,
        manifest: component.manifest?,
        stat: component.stat?,
        counts: component.counts,
        walk_started_ns: component.walk_started_ns,
        users: component.users.clone(),
        groups: component.groups.clone(),
    })
}
