//! What differs between two snapshots.

use super::nothing_there;
use crate::access::Access;
use crate::content::ContentReader;
use crate::error::Result;
use crate::id::NodeId;
use crate::manifest::{Cursor, Difference, Differences, Entry, Key};
use crate::session::Snapshot;

/// Tells every entry at and below `path` that is not the same in both snapshots, in key order, component by component.
///
/// # Errors
/// [`crate::error::ErrorKind::NotFound`] when neither holds anything there, [`crate::error::ErrorKind::Damaged`], or what
/// `each` returns.
pub fn diff(
    access: &Access,
    (first, second): (&Snapshot, &Snapshot),
    path: &Key,
    each: &mut dyn FnMut(Difference<Entry>) -> Result<()>,
) -> Result<()> {
    let reader = ContentReader::new(access.clone());
    let pairs = pairs(first, second);
    let is_there = |root: &NodeId| -> Result<bool> {
        Ok(path.is_root() || Cursor::<Entry, _>::new(&reader, *root).find(path)?.is_some())
    };
    let mut found = false;
    for root in pairs.iter().flat_map(|(one, other)| one.iter().chain(other)) {
        found = found || is_there(root)?;
    }
    if !found {
        return Err(nothing_there(first, path));
    }
    tell(&reader, &pairs, path, each)
}

/// Tells the differences of all pairs of manifests. Each manifest has the root: it comes or goes only with the first of a
/// snapshot, or the last.
pub(super) fn tell(
    reader: &ContentReader,
    pairs: &[(Option<NodeId>, Option<NodeId>)],
    path: &Key,
    each: &mut dyn FnMut(Difference<Entry>) -> Result<()>,
) -> Result<()> {
    let in_both = pairs.iter().any(|pair| pair.0.is_some()) && pairs.iter().any(|pair| pair.1.is_some());
    let mut is_root_told = in_both;
    for roots in pairs {
        let mut differences = Differences::new(reader, *roots, path);
        while let Some(difference) = differences.next_difference()? {
            let is_of_one = !matches!(difference, Difference::Both(..));
            let is_told = is_of_one && difference.key().is_root() && std::mem::replace(&mut is_root_told, true);
            if !is_told {
                each(difference)?;
            }
        }
    }
    Ok(())
}

/// The manifests that are compared: those of components with the same name, or of the only one that each has. What has
/// no partner is compared with nothing.
pub(super) fn pairs(first: &Snapshot, second: &Snapshot) -> Vec<(Option<NodeId>, Option<NodeId>)> {
    let (ones, others) = (&first.components, &second.components);
    if let ([one], [other]) = (ones.as_slice(), others.as_slice()) {
        return vec![(one.manifest, other.manifest)];
    }
    let partner = |name: &[u8]| others.iter().find(|other| other.name == name).and_then(|other| other.manifest);
    let paired = ones.iter().map(|one| (one.manifest, partner(&one.name)));
    let is_alone = |name: &[u8]| !ones.iter().any(|one| one.name == name);
    let alone = others.iter().filter(|other| is_alone(&other.name)).map(|other| (None, other.manifest));
    paired.chain(alone).collect()
}
