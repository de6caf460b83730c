//! Objects that lie twice: under their own name, and once more under another one's.

use super::proof::{end_of, misplaced_config};
use super::{Claim, Folder, Listed, ObjectName, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Folders in which a key tells whatever lies under another one's name. A hash names nothing there, so it may be sound.
const SEARCHED: [Folder; 4] = [Folder::Config, Folder::Outcomes, Folder::Records, Folder::Gc];

/// Of these objects those that are another one's bytes, and whose bytes those are: of a configuration that is told by its
/// number, of others by the checksum at their end, which is that of an object that is none of these. Every object differs
/// from every other one. What can't be read is no double. Costs the ends of all such objects.
///
/// # Errors
/// When the store can't be listed.
pub fn doubles(
    store: &dyn Store,
    suspects: &BTreeSet<ObjectName>,
) -> Result<BTreeMap<ObjectName, ObjectName>, StoreError> {
    let end = |name: &ObjectName| end_of(store.open(name).ok()?.as_ref()).ok();
    let mut found = BTreeMap::new();
    let mut ends = BTreeMap::<[u8; 32], Vec<ObjectName>>::new();
    for name in suspects {
        let number = store.open(name).and_then(|object| misplaced_config(name, object.as_ref()));
        if let Ok(Some(number)) = number {
            found.insert(*name, ObjectName::Config(number));
        } else if let Some(end) = end(name).filter(|_| Claim::of(name) == Claim::End) {
            ends.entry(end).or_default().push(*name);
        }
    }
    let mut others = Vec::new();
    for folder in SEARCHED.into_iter().filter(|_| !ends.is_empty()) {
        store.list(folder, &mut |listed| {
            if let Listed::Object { name, .. } = listed {
                others.push(name);
            }
        })?;
    }
    for other in others.iter().filter(|other| !suspects.contains(other)) {
        for name in end(other).and_then(|end| ends.get(&end)).into_iter().flatten() {
            found.entry(*name).or_insert(*other);
        }
    }
    Ok(found)
}
