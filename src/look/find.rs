//! Where something is in many snapshots, and what became of it from one to the next.

use super::diff::{pairs, tell};
use crate::access::Access;
use crate::content::ContentReader;
use crate::error::Result;
use crate::id::NodeId;
use crate::manifest::{Cursor, Difference, Entry, Key, NodeVisit, Visit};
use crate::session::Snapshot;
use std::collections::{HashMap, HashSet};

/// So many leaves without anything that is wanted are remembered: about 16 MiB.
const BARREN_LEAVES_MAX: usize = 1 << 18;

/// Whether an entry is wanted.
pub type Wanted<'a> = dyn Fn(&Entry) -> bool + 'a;

/// Tells every wanted entry at and below `path`, snapshot by snapshot in the order given. A leaf that snapshots share and
/// in which nothing is wanted is read once.
///
/// # Errors
/// [`crate::error::ErrorKind::Damaged`] after everything that can be read was told; what `each` returns.
pub fn find(
    access: &Access,
    snapshots: &[Snapshot],
    path: &Key,
    wanted: &Wanted<'_>,
    each: &mut dyn FnMut(&Snapshot, &Entry) -> Result<()>,
) -> Result<()> {
    let reader = ContentReader::new(access.clone());
    let mut barren = HashSet::new();
    let mut damage = None;
    for snapshot in snapshots {
        for root in snapshot.components.iter().filter_map(|component| component.manifest) {
            let mut search = Search { cursor: Cursor::new(&reader, root), barren: &mut barren, leaf: None };
            search.cursor.seek(path);
            loop {
                match search.next_row() {
                    Ok(Some(entry)) if !entry.key.is_within(path) => break,
                    Ok(Some(entry)) if wanted(&entry) => {
                        // Something is wanted in it.
                        search.leaf = None;
                        each(snapshot, &entry)?;
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => drop(damage.get_or_insert(error)),
                }
            }
        }
    }
    damage.map_or(Ok(()), Err)
}

/// A walk through one manifest.
struct Search<'a> {
    cursor: Cursor<Entry, &'a ContentReader>,
    /// Leaves in which nothing is wanted.
    barren: &'a mut HashSet<NodeId>,
    /// The leaf that is being read, as long as nothing in it is wanted.
    leaf: Option<NodeId>,
}

impl Search<'_> {
    fn next_row(&mut self) -> Result<Option<Entry>> {
        let (barren, leaf) = (&mut *self.barren, &mut self.leaf);
        let row = self.cursor.next_row_with(&mut |visit: &NodeVisit<'_>| {
            // The leaf before was read to its end.
            if let Some(done) = leaf.take().filter(|_| barren.len() < BARREN_LEAVES_MAX) {
                barren.insert(done);
            }
            if visit.level != Some(0) {
                return Visit::Enter;
            }
            if barren.contains(&visit.id) {
                return Visit::Skip;
            }
            *leaf = Some(visit.id);
            Visit::Enter
        });
        if row.is_err() {
            self.leaf = None;
        }
        Ok(row?)
    }
}

/// The host and the paths of a snapshot.
type Series<'a> = Option<(&'a [u8], &'a [Vec<u8>])>;

fn series(snapshot: &Snapshot) -> Series<'_> {
    snapshot.origin.as_ref().map(|origin| (origin.host.as_slice(), origin.paths.as_slice()))
}

/// Tells what became of every wanted entry at and below `path` from each snapshot to the next of the same host and paths,
/// in the order given; the first of them is compared with nothing.
///
/// # Errors
/// [`crate::error::ErrorKind::Damaged`], or what `each` returns.
pub fn history(
    access: &Access,
    snapshots: &[Snapshot],
    path: &Key,
    wanted: &Wanted<'_>,
    each: &mut dyn FnMut(&Snapshot, Difference<Entry>) -> Result<()>,
) -> Result<()> {
    let reader = ContentReader::new(access.clone());
    let mut before: HashMap<Series<'_>, &Snapshot> = HashMap::new();
    for snapshot in snapshots {
        let series = series(snapshot);
        let roots = match before.get(&series) {
            Some(before) => pairs(before, snapshot),
            None => snapshot.components.iter().map(|component| (None, component.manifest)).collect(),
        };
        tell(&reader, &roots, path, &mut |difference| {
            let is_wanted = match &difference {
                Difference::First(entry) | Difference::Second(entry) => wanted(entry),
                Difference::Both(one, other) => wanted(one) || wanted(other),
            };
            if is_wanted { each(snapshot, difference) } else { Ok(()) }
        })?;
        before.insert(series, snapshot);
    }
    Ok(())
}
