//! The snapshot that a backup is compared with, and where it ends before its trees did, those before it.

use crate::access::Access;
use crate::backup::losses::Losses;
use crate::backup::options::{BackupOptions, ParentChoice};
use crate::config::Role;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ClientId, NodeId, SnapshotId};
use crate::manifest::{Entry, Key, LeafCursor, NodeSource, ReadError};
use crate::outcome::{ComponentKind, ComponentState, Counts};
use crate::session::{self, History, Snapshot, SnapshotComponent};
use std::collections::BTreeMap;

/// Of how many snapshots a parent may be put together. A walk that was ended again and again before the place that it had
/// reached before is rare.
const PARTS_MAX: usize = 8;

/// What a backup needs of the parent.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    /// Its id.
    pub id: SnapshotId,
    /// What it holds, as an estimate of what comes.
    pub counts: Counts,
    /// Its trees; where its walk was ended early, then those of older ones for what comes behind. At least one.
    pub parts: Vec<ParentPart>,
    /// Names of the owners that all of them hold.
    pub users: BTreeMap<u32, Vec<u8>>,
    /// Names of the groups that all of them hold.
    pub groups: BTreeMap<u32, Vec<u8>>,
    /// Up to where its chain has read unchanged files again.
    pub rehashed_to: Option<Key>,
}

/// The trees of one snapshot, which are those of the parent up to a key.
#[derive(Debug, Clone)]
pub(super) struct ParentPart {
    /// The snapshot.
    pub id: SnapshotId,
    /// Root of its manifest.
    pub manifest: NodeId,
    /// Root of its stat tree.
    pub stat: NodeId,
    /// When its walk began.
    pub walk_started_ns: i64,
    /// The last key that it speaks for; none in the last part, which speaks for all that follows.
    pub end: Option<Key>,
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
    (paths, losses): (&[Vec<u8>], &Losses<'_>),
) -> Result<Option<Parent>> {
    // A put key can't read any tree, its own neither.
    if access.ring.role() == Role::Put {
        return Ok(None);
    }
    let chosen = match &options.parent {
        ParentChoice::Nothing => Vec::new(),
        ParentChoice::Snapshot(id) => vec![named(history, *id)?],
        ParentChoice::Latest => latest(history, options, client, paths),
    };
    // What a collector has condemned around a parent that was named can't be told from what it needs: read everything
    // anew.
    let chosen: Vec<Snapshot> = chosen.into_iter().filter(|snapshot| history.may_inherit(snapshot.id)).collect();
    joined(&ContentReader::new(access.clone()), &chosen, losses)
}

fn named(history: &History, id: SnapshotId) -> Result<Snapshot> {
    session::all(history)
        .into_iter()
        .find(|snapshot| snapshot.id == id)
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("the parent {id} is no snapshot of this repository")))
}

/// The newest that may be inherited from: while a generation waits for a long backup, one that it counted as live. What
/// changed since is read again, and not the whole tree night after night. Behind one whose walk was ended early follow
/// older ones, up to the first whose walk was not.
fn latest(history: &History, options: &BackupOptions, client: ClientId, paths: &[Vec<u8>]) -> Vec<Snapshot> {
    let fits = |snapshot: &Snapshot| {
        !snapshot.forgotten
            && history.may_inherit(snapshot.id)
            && snapshot.origin.as_ref().is_some_and(|origin| origin.host == options.writer.host)
            && trees(snapshot) == paths
    };
    let mut fitting: Vec<Snapshot> = session::all(history).into_iter().filter(fits).collect();
    // What was copied here late may have been taken long ago: it continues nothing, and is as old as what it is a copy of.
    let is_own = |snapshot: &Snapshot| snapshot.session.client == client && snapshot.copy_of.is_none();
    if fitting.iter().any(is_own) {
        fitting.retain(is_own);
        fitting.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.session.number));
    } else {
        fitting.sort_by_key(|snapshot| std::cmp::Reverse(taken_ns(snapshot)));
    }
    let ended_early = fitting.iter().take_while(|snapshot| was_ended_early(snapshot)).count();
    fitting.truncate(ended_early.saturating_add(1).min(PARTS_MAX));
    fitting
}

/// What a repair left of a snapshot is partial too, but its walk was not ended early: what it lacks is lost in the older
/// one.
fn was_ended_early(snapshot: &Snapshot) -> bool {
    let tree = tree(snapshot);
    snapshot.repairs.is_none() && tree.is_some_and(|tree| tree.state == ComponentState::Partial)
}

fn taken_ns(snapshot: &Snapshot) -> i64 {
    let is_copy = snapshot.copy_of.is_some();
    if is_copy { snapshot.time_ns.min(snapshot.committed_at_ns) } else { snapshot.committed_at_ns }
}

/// The paths of the trees in it: those that are no stream's.
fn trees(snapshot: &Snapshot) -> Vec<Vec<u8>> {
    let paths = snapshot.origin.iter().flat_map(|origin| &origin.paths);
    let streams = || snapshot.components.iter().filter(|component| component.kind == ComponentKind::Stream);
    let is_stream = |path: &[u8]| streams().any(|stream| path.strip_prefix(b"/") == Some(stream.name.as_slice()));
    paths.filter(|path| !is_stream(path)).cloned().collect()
}

fn tree(snapshot: &Snapshot) -> Option<&SnapshotComponent> {
    snapshot.components.iter().find(|component| component.kind == ComponentKind::Tree)
}

/// The parent that newer and then older snapshots make together. One of whose manifest nothing can be read is passed over;
/// of one whose end can't be told the rest is taken, and nothing of older ones.
fn joined(reader: &ContentReader, snapshots: &[Snapshot], losses: &Losses<'_>) -> Result<Option<Parent>> {
    let Some(newest) = snapshots.first() else { return Ok(None) };
    let mut parent = Parent {
        id: newest.id,
        counts: Counts::default(),
        parts: Vec::new(),
        users: BTreeMap::new(),
        groups: BTreeMap::new(),
        rehashed_to: newest.origin.as_ref().and_then(|origin| origin.rehashed_to.clone()),
    };
    for (number, snapshot) in snapshots.iter().enumerate() {
        let Some(tree) = tree(snapshot) else { continue };
        let (Some(manifest), Some(stat)) = (tree.manifest, tree.stat) else { continue };
        if let Err(error) = reader.node(manifest) {
            losses.pass_node(manifest, error)?;
            continue;
        }
        let is_last = number.saturating_add(1) == snapshots.len();
        let end = if is_last { Ok(None) } else { last_key(reader, manifest) };
        let (end, is_cut) = match end {
            // It was ended before it had anything, and speaks for nothing.
            Ok(None) if !is_last => continue,
            Ok(end) => (end, false),
            Err(error) => {
                losses.pass(error)?;
                (None, true)
            }
        };
        let (id, walk_started_ns) = (snapshot.id, tree.walk_started_ns);
        parent.parts.push(ParentPart { id, manifest, stat, walk_started_ns, end });
        if tree.counts.files >= parent.counts.files {
            parent.counts = tree.counts;
        }
        add_names(&mut parent.users, &tree.users);
        add_names(&mut parent.groups, &tree.groups);
        if is_cut {
            break;
        }
    }
    Ok(Some(parent).filter(|parent| !parent.parts.is_empty()))
}

/// Adds names of ids that have none yet.
fn add_names(names: &mut BTreeMap<u32, Vec<u8>>, older: &[(u32, Vec<u8>)]) {
    for (id, name) in older {
        names.entry(*id).or_insert_with(|| name.clone());
    }
}

/// The last key of a manifest. Reads its inner nodes.
fn last_key(reader: &ContentReader, manifest: NodeId) -> Result<Option<Key>, ReadError<Error>> {
    let mut leaves = LeafCursor::<Entry, _>::new(reader, manifest);
    let mut last = None;
    while let Some(leaf) = leaves.next_leaf()? {
        last = Some(leaf.last().clone());
    }
    Ok(last)
}
