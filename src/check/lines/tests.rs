use super::*;
use crate::id::NodeId;
use crate::manifest::{
    Body, BoundaryKey, Content, Cursor, Entry, Means, NodeIdKey, NodeSink, NodeSource, TreeBuilder, Visit,
};
use crate::seal::Secret;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

struct Shelf {
    ids: NodeIdKey,
    boundary: BoundaryKey,
    nodes: HashMap<NodeId, Arc<[u8]>>,
}

impl NodeSink for Shelf {
    type Error = Infallible;

    fn put(&mut self, bytes: &[u8]) -> Result<NodeId, Infallible> {
        let id = self.ids.id(bytes);
        self.nodes.insert(id, bytes.into());
        Ok(id)
    }
}

impl NodeSource for &Shelf {
    type Error = Infallible;

    fn node(&self, id: NodeId) -> Result<Arc<[u8]>, Infallible> {
        Ok(Arc::clone(&self.nodes[&id]))
    }
}

impl Shelf {
    fn new() -> Self {
        let key = || Secret::from_bytes([3; 32]);
        Self { ids: NodeIdKey::new(key()), boundary: BoundaryKey::new(key()), nodes: HashMap::new() }
    }

    fn build(&mut self, rows: &BTreeMap<Vec<u8>, bool>) -> NodeId {
        let boundary = self.boundary.clone();
        let mut builder = TreeBuilder::<Entry>::new(&boundary, Means::parse(4, 4).unwrap());
        for (key, is_directory) in rows {
            builder.push(&entry(key, *is_directory), self).unwrap();
        }
        builder.finish(self).unwrap()
    }

    /// Walks a tree as a check does; gives the rows that were found astray.
    fn walk(&self, root: NodeId, seen: &mut HashMap<NodeId, Vec<u8>>) -> Vec<Key> {
        let (mut lines, mut stray) = (Lines::new(), Vec::new());
        let mut cursor: Cursor<Entry, _> = Cursor::new(self, root);
        loop {
            let next = cursor.next_row_with(&mut |visit| {
                seen.extend(lines.ended(visit.level));
                if let Some(kept) = seen.get(&visit.id).filter(|kept| !Lines::is_to_be_entered(kept)) {
                    stray.extend(lines.pass(visit, kept).err().map(|error| error.key));
                    return Visit::Skip;
                }
                lines.enter(visit);
                Visit::Enter
            });
            let Some(row) = next.unwrap() else { break };
            stray.extend(lines.row(&row).err().map(|error| error.key));
        }
        seen.extend(lines.ended(None));
        stray
    }
}

fn entry(key: &[u8], is_directory: bool) -> Entry {
    let body = if is_directory { Body::Directory } else { Body::File(Content::Inline(Vec::new())) };
    Entry::new(Key::parse(key.to_vec()).unwrap(), body)
}

fn plainly_astray(rows: &BTreeMap<Vec<u8>, bool>) -> Vec<Key> {
    let mut lineage = Lineage::new();
    let lost = rows.iter().filter_map(|(key, is_directory)| lineage.check(&entry(key, *is_directory)).err());
    lost.map(|error| error.key).collect()
}

/// A tree in which every row lies in a directory.
fn sound() -> impl Strategy<Value = BTreeMap<Vec<u8>, bool>> {
    let path = prop::collection::vec(0u8..5, 1..4);
    prop::collection::vec((path, any::<bool>()), 5..120).prop_map(|paths| {
        let mut rows = BTreeMap::from([(Vec::new(), true)]);
        for (path, is_directory) in paths {
            let names: Vec<String> = path.iter().map(|name| format!("n{name}")).collect();
            let above = (1..names.len()).map(|depth| names[..depth].join("\0").into_bytes());
            above.for_each(|directory| _ = rows.insert(directory, true));
            rows.entry(names.join("\0").into_bytes()).or_insert(is_directory);
        }
        rows
    })
}

proptest! {
    /// A row that lies in no directory is found in each tree, whatever nodes it shares with trees before; and nothing is
    /// found in trees without one.
    #[test]
    fn manifest_22_rows_astray_are_found_in_trees_that_share_nodes(
        rows in sound(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..4),
    ) {
        let mut changed = vec![rows.clone()];
        for (which, gone) in changes {
            let mut next = changed.last().unwrap().clone();
            let key = which.get(&next.keys().cloned().collect::<Vec<_>>()).clone();
            if gone { next.remove(&key) } else { next.insert(key, false) };
            changed.push(next);
        }
        // Sound ones again at the end: what was found in others is not theirs.
        changed.push(rows);
        let (mut shelf, mut seen) = (Shelf::new(), HashMap::new());
        for rows in changed {
            let root = shelf.build(&rows);
            let (found, expected) = (shelf.walk(root, &mut seen), plainly_astray(&rows));
            prop_assert_eq!(found.is_empty(), expected.is_empty());
            prop_assert!(found.iter().all(|key| expected.contains(key)), "{:?} {:?}", found, expected);
        }
    }
}
