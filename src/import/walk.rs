//! Walks a snapshot of restic, beside the one that it is compared with.

use super::trees::{ResticTrees, Unfit, stored};
use crate::manifest::{Key, Kind};
use crate::restic::{BlobId, Node, Tree};
use crate::source::{Evidence, Operation, Role, SourceError, Step, Walked};
use std::sync::Arc;

/// A walk in the order of keys. Memory: the directories on the way to where it stands.
pub(super) struct ResticWalk {
    trees: Arc<ResticTrees>,
    levels: Vec<Level>,
    begun: bool,
}

/// A directory on the way.
struct Level {
    key: Key,
    tree: Arc<Tree>,
    /// The same directory in the snapshot to compare with; empty if there is none.
    before: Arc<Tree>,
    next: usize,
}

impl ResticWalk {
    pub(super) fn new(trees: Arc<ResticTrees>) -> Self {
        Self { trees, levels: Vec::new(), begun: false }
    }

    fn root(&mut self) -> Step {
        let (tree, before) = (self.trees.snapshot.tree, self.trees.before);
        let mut walked = Walked::new(Key::root(), self.trees.root(), Role::Ancestor);
        self.enter(&mut walked, Some(tree), before);
        Step::Entry(walked)
    }

    /// Goes down into a directory; afterwards its entries come next.
    fn enter(&mut self, walked: &mut Walked, subtree: Option<BlobId>, before: Option<BlobId>) {
        let Some(subtree) = subtree else {
            walked.problem = Some(stored(&walked.key, Operation::List, Unfit("restic has not stored what is in it")));
            return;
        };
        match self.trees.repository.tree(subtree) {
            Err(error) => walked.problem = Some(stored(&walked.key, Operation::List, error)),
            Ok(tree) => {
                let tree = Arc::new(tree);
                let before = match before {
                    Some(before) if before == subtree => Arc::clone(&tree),
                    // What can't be compared with is as good as absent: everything is read.
                    Some(before) => Arc::new(self.trees.repository.tree(before).unwrap_or_default()),
                    None => Arc::default(),
                };
                self.trees.keep(&walked.key, &tree);
                self.levels.push(Level { key: walked.key.clone(), tree, before, next: 0 });
            }
        }
    }

    fn entry(&mut self, directory: &Key, node: &Node, before: Option<&Node>) -> Result<Step, SourceError> {
        let unstorable = |source| SourceError::Unstorable { directory: directory.clone(), source };
        let key = directory.child(&node.name).map_err(unstorable)?;
        if node.kind == Kind::Unknown {
            return Err(stored(&key, Operation::Stat, Unfit("restic does not know what it is")));
        }
        self.trees.meet(node);
        let role = if node.kind == Kind::Directory { self.trees.role(&key) } else { Role::Member };
        let mut walked = Walked::new(key, self.trees.stat_of(node), role);
        if !before.is_some_and(|before| before.is_same_entry(node)) {
            walked.evidence = Evidence::Differs;
        }
        if node.kind == Kind::Directory {
            self.enter(&mut walked, node.subtree, before.and_then(|before| before.subtree));
        }
        Ok(Step::Entry(walked))
    }
}

impl Iterator for ResticWalk {
    type Item = Result<Step, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.begun {
            self.begun = true;
            return Some(Ok(self.root()));
        }
        loop {
            let level = self.levels.last_mut()?;
            let place = level.next;
            level.next = place.saturating_add(1);
            let (tree, before, directory) = (Arc::clone(&level.tree), Arc::clone(&level.before), level.key.clone());
            match tree.nodes().get(place) {
                Some(node) => return Some(self.entry(&directory, node, before.get(&node.name))),
                None => drop(self.levels.pop()),
            }
        }
    }
}
