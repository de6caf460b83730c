//! Every row of a manifest lies in a directory of it, also where nodes are passed over because another tree showed
//! them before: of each node is kept what its neighbours must know.

use crate::id::NodeId;
use crate::manifest::{Key, Lineage, LineageError, NodeVisit, Row};

/// What is kept of a node that has to be entered whenever it is met: no honest program writes a row in it.
const ENTER_AGAIN: [u8; 1] = [2];

/// How the last row of a node is kept.
const LAST_IS_DIRECTORY: u8 = 1;

/// The walk of one tree.
#[derive(Default)]
pub(super) struct Lines {
    /// None at the start, and after a part that could not be read: the next row is believed.
    lineage: Option<Lineage>,
    /// Nodes that were entered and have not ended, the root first.
    open: Vec<Open>,
    last_is_directory: bool,
}

struct Open {
    id: NodeId,
    /// None for the root.
    level: Option<u8>,
    first: Option<Key>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Sound,
    /// Some of it could not be read.
    Broken,
    /// A row in it is one that no honest program writes.
    Forged,
}

impl Lines {
    /// Starts before the first row of a tree.
    pub(super) fn new() -> Self {
        Self { lineage: Some(Lineage::new()), ..Self::default() }
    }

    /// The nodes that end before one of this level, or at the end of the tree, with what is to be kept of them.
    pub(super) fn ended(&mut self, level: Option<u8>) -> Vec<(NodeId, Vec<u8>)> {
        let is_ended = |open: &Open| level.is_none() || open.level.is_some() && open.level <= level;
        let at = self.open.iter().position(is_ended).unwrap_or(self.open.len());
        let last_is_directory = self.last_is_directory;
        let ended = self.open.drain(at..).map(|open| (open.id, open.kept(last_is_directory)));
        ended.collect()
    }

    /// Goes into a node.
    pub(super) fn enter(&mut self, visit: &NodeVisit<'_>) {
        self.open.push(Open { id: visit.id, level: visit.level, first: None, state: State::Sound });
    }

    /// Whether a node of which this was kept has to be entered again.
    pub(super) fn is_to_be_entered(kept: &[u8]) -> bool {
        kept == ENTER_AGAIN
    }

    /// Passes over a node of which this was kept.
    ///
    /// # Errors
    /// [`LineageError`] when its first row lies in no directory.
    pub(super) fn pass(&mut self, visit: &NodeVisit<'_>, kept: &[u8]) -> Result<(), LineageError> {
        let known = kept.split_first().and_then(|(last, first)| Some((*last, Key::parse(first.to_vec()).ok()?)));
        let Some((last_is, first)) = known else {
            self.broken();
            return Ok(());
        };
        self.meet(&first);
        self.last_is_directory = last_is == LAST_IS_DIRECTORY;
        // Nothing follows a root, whose last key is not known.
        let directory =
            visit.last.and_then(|last| if self.last_is_directory { Some(last.clone()) } else { last.parent() });
        let before = self.lineage.replace(Lineage::within(directory));
        let told = before.map_or(Ok(()), |mut before| before.descend_to(&first));
        self.note(told)
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// [`LineageError`] when it lies in no directory.
    pub(super) fn row<R: Row>(&mut self, row: &R) -> Result<(), LineageError> {
        self.meet(row.key());
        self.last_is_directory = row.is_directory();
        let told = self.lineage.get_or_insert_with(|| Lineage::within(row.key().parent())).check(row);
        self.note(told)
    }

    /// A part of the tree could not be read.
    pub(super) fn broken(&mut self) {
        self.lineage = None;
        self.open.iter_mut().filter(|open| open.state == State::Sound).for_each(|open| open.state = State::Broken);
    }

    /// Has the nodes that are open entered again whenever they are met: what is wrong in them is told of every snapshot.
    pub(super) fn again(&mut self) {
        self.open.iter_mut().for_each(|open| open.state = State::Forged);
    }

    fn meet(&mut self, key: &Key) {
        self.open.iter_mut().filter(|open| open.first.is_none()).for_each(|open| open.first = Some(key.clone()));
    }

    fn note(&mut self, told: Result<(), LineageError>) -> Result<(), LineageError> {
        if told.is_err() {
            self.again();
        }
        told
    }
}

impl Open {
    fn kept(self, last_is_directory: bool) -> Vec<u8> {
        match (self.state, self.first) {
            (State::Sound, Some(first)) => [&[u8::from(last_is_directory)], first.as_bytes()].concat(),
            (State::Forged, _) => ENTER_AGAIN.to_vec(),
            (State::Broken, _) | (State::Sound, None) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
