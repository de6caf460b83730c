//! The levels of a tree under construction, from the bottom up: what all builders share.

use super::NodeSink;
use super::boundary::Boundary;
use super::error::BuildError;
use super::inspect::{Inspected, inspect};
use super::key::Key;
use super::node::{LEVEL_MAX, NODE_BYTES_MAX, Totals, encode_header, encode_key};
use crate::id::NodeId;

/// What the header of a node takes at most: tree and level, and a count of at most 65536 rows.
const HEADER_BYTES_MAX: usize = 4;

/// One row on its way into a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRow<'a> {
    /// Its key; empty in item trees.
    pub(super) key: &'a [u8],
    /// What decides whether the node ends after it; none when it never does.
    pub(super) mark: Option<&'a [u8]>,
    /// What stands after the key.
    pub(super) fields: &'a [u8],
    pub(super) totals: Totals,
}

/// A finished node, as its parent will name it.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    pub(super) id: NodeId,
    pub(super) level: u8,
    pub(super) last: Vec<u8>,
    pub(super) totals: Totals,
}

/// The node under construction at one level.
#[derive(Debug, Default)]
struct Level {
    rows: Vec<u8>,
    row_count: u64,
    totals: Totals,
    last: Vec<u8>,
    above: Above,
}

/// What a level has handed up. The first node waits, for if it stays alone it is the root and needs no parent.
#[derive(Debug, Default)]
enum Above {
    #[default]
    Nothing,
    Waiting(Finished),
    Several,
}

/// All levels of a tree under construction. Memory: one node a level.
#[derive(Debug)]
pub(super) struct Levels {
    boundary: Boundary,
    levels: Vec<Level>,
    /// A node being put together, kept from call to call.
    node: Vec<u8>,
    /// A row being put together, kept from call to call.
    row: Vec<u8>,
}

impl Levels {
    pub(super) const fn new(boundary: Boundary) -> Self {
        Self { boundary, levels: Vec::new(), node: Vec::new(), row: Vec::new() }
    }

    /// Whether no row has come since the last leaf ended.
    pub(super) fn is_at_leaf_start(&self) -> bool {
        self.levels.first().is_none_or(|leaf| leaf.row_count == 0)
    }

    /// Whether a leaf of `row_count` rows, the last of them with this key, ends there whatever comes next.
    pub(super) fn leaf_ends(&mut self, row_count: u64, last: &[u8]) -> bool {
        self.boundary.is_full(0, row_count) || self.boundary.ends(0, last)
    }

    /// Adds a row at a level, and ends the node there when the row says so.
    pub(super) fn add<K: NodeSink>(
        &mut self,
        level: u8,
        row: NewRow<'_>,
        sink: &mut K,
    ) -> Result<(), BuildError<K::Error>> {
        if level > LEVEL_MAX {
            return Err(BuildError::TooDeep);
        }
        self.encode_row(level, row);
        let occupied = HEADER_BYTES_MAX.saturating_add(self.level(level).rows.len());
        if self.level(level).row_count > 0 && occupied.saturating_add(self.row.len()) > NODE_BYTES_MAX {
            self.end_node(level, sink)?;
            self.encode_row(level, row);
        }
        let keyed = self.boundary.tree().is_keyed();
        let (encoded, place) = self.parts(level);
        place.rows.extend_from_slice(encoded);
        place.row_count = place.row_count.saturating_add(1);
        place.totals.add(row.totals);
        if keyed {
            place.last.clear();
            place.last.extend_from_slice(row.key);
        }
        let row_count = place.row_count;
        if self.boundary.is_full(level, row_count) || row.mark.is_some_and(|mark| self.boundary.ends(level, mark)) {
            self.end_node(level, sink)?;
        }
        Ok(())
    }

    /// Takes a finished node into the level above its own.
    pub(super) fn hand_up<K: NodeSink>(&mut self, node: Finished, sink: &mut K) -> Result<(), BuildError<K::Error>> {
        let place = self.level(node.level);
        match std::mem::replace(&mut place.above, Above::Several) {
            Above::Nothing => place.above = Above::Waiting(node),
            Above::Waiting(first) => {
                self.add_child(&first, sink)?;
                self.add_child(&node, sink)?;
            }
            Above::Several => self.add_child(&node, sink)?,
        }
        Ok(())
    }

    /// Ends what is unfinished at every level and gives the root.
    pub(super) fn finish<K: NodeSink>(mut self, sink: &mut K) -> Result<Finished, BuildError<K::Error>> {
        let mut level = 0;
        loop {
            let place = self.level(level);
            let is_empty_tree = level == 0 && matches!(place.above, Above::Nothing);
            if place.row_count > 0 || is_empty_tree {
                self.end_node(level, sink)?;
            }
            if let Above::Waiting(root) = std::mem::take(&mut self.level(level).above) {
                return Ok(root);
            }
            // Several nodes at this level: the one above has rows, or has ended nodes of its own.
            level = level.saturating_add(1);
        }
    }

    fn add_child<K: NodeSink>(&mut self, child: &Finished, sink: &mut K) -> Result<(), BuildError<K::Error>> {
        let mut fields = Vec::with_capacity(52);
        fields.extend_from_slice(child.id.as_bytes());
        child.totals.encode(&mut fields);
        let mark = if self.boundary.tree().is_keyed() { child.last.as_slice() } else { child.id.as_bytes() };
        let row = NewRow { key: &child.last, mark: Some(mark), fields: &fields, totals: child.totals };
        self.add(child.level.saturating_add(1), row, sink)
    }

    fn end_node<K: NodeSink>(&mut self, level: u8, sink: &mut K) -> Result<(), BuildError<K::Error>> {
        self.node.clear();
        let tree = self.boundary.tree();
        let row_count = self.level(level).row_count;
        encode_header(tree, level, row_count, &mut self.node);
        let rows = std::mem::take(&mut self.level(level).rows);
        self.node.extend_from_slice(&rows);
        let place = self.level(level);
        place.rows = rows;
        place.rows.clear();
        place.row_count = 0;
        let totals = std::mem::take(&mut place.totals);
        let last = std::mem::take(&mut place.last);
        self.check_node(level, row_count, totals, &last)?;
        let id = sink.put(&self.node).map_err(BuildError::Sink)?;
        self.hand_up(Finished { id, level, last, totals }, sink)
    }

    /// Reads the node back before it leaves memory: what is stored wrong once is never seen again until it is needed.
    fn check_node<E: std::error::Error + 'static>(
        &self,
        level: u8,
        node_rows: u64,
        totals: Totals,
        last: &[u8],
    ) -> Result<(), BuildError<E>> {
        let tree = self.boundary.tree();
        let Totals { rows: row_count, bytes: byte_total } = totals;
        let last = if tree.is_keyed() && node_rows > 0 { Key::parse(last.to_vec()).ok() } else { None };
        let expected = Inspected { tree, level, node_rows, row_count, byte_total, last };
        if inspect(&self.node, &mut |_| {}) == Ok(expected) { Ok(()) } else { Err(BuildError::ReadBack) }
    }

    fn encode_row(&mut self, level: u8, row: NewRow<'_>) {
        self.level(level);
        let keyed = self.boundary.tree().is_keyed();
        self.row.clear();
        if keyed && let Some(place) = self.levels.get(usize::from(level)) {
            // The first row of a node has nothing before it: `last` is taken when a node ends.
            encode_key(&place.last, row.key, &mut self.row);
        }
        self.row.extend_from_slice(row.fields);
    }

    /// The memory that nodes under construction take.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let levels = self.levels.iter().map(|level| level.rows.capacity() + level.last.capacity());
        levels.sum::<usize>() + self.node.capacity() + self.row.capacity()
    }

    fn parts(&mut self, level: u8) -> (&[u8], &mut Level) {
        let place = self.levels.get_mut(usize::from(level)).expect("the level was made when the row was encoded");
        (&self.row, place)
    }

    fn level(&mut self, level: u8) -> &mut Level {
        let at = usize::from(level);
        if self.levels.len() <= at {
            self.levels.resize_with(at.saturating_add(1), Level::default);
        }
        self.levels.get_mut(at).expect("just made")
    }
}
