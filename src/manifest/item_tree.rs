//! Item trees: the content of files too long to be listed in their entries.

use super::boundary::{Boundary, BoundaryKey, Means};
use super::descent::{NodeVisit, Visit};
use super::error::{BuildError, NodeError, ReadError, Span};
use super::item::{CONTENT_BYTES_MAX, ITEM_COUNT_MAX, Item, ItemList, ItemTree};
use super::leaf::check_totals;
use super::levels::{Levels, NewRow};
use super::node::{NodeRows, Place, Totals, Tree, check_zeros, leaf_totals};
use super::row::RowError;
use super::{NodeSink, NodeSource};
use crate::id::NodeId;

/// Builds the list of a content from its items in order, in memory for one node a level.
///
/// Up to [`ITEM_COUNT_MAX`] items make no node at all. Runs of zeros that follow each other become one.
#[derive(Debug)]
pub struct ItemTreeBuilder {
    levels: Levels,
    /// The first items, while they may be all there are.
    few: Vec<Item>,
    /// The last item, which a run of zeros may still make longer.
    held: Option<Item>,
    /// Of all items, the one held included.
    totals: Totals,
    /// An item being put together, kept from call to call.
    fields: Vec<u8>,
    spilled: bool,
}

impl ItemTreeBuilder {
    /// Starts a list.
    pub fn new(key: &BoundaryKey, means: Means) -> Self {
        let levels = Levels::new(Boundary::new(key.clone(), Tree::Items, means));
        let (few, fields) = (Vec::new(), Vec::new());
        Self { levels, few, held: None, totals: Totals::default(), fields, spilled: false }
    }

    /// Adds the next item.
    ///
    /// # Errors
    /// [`BuildError::Item`] for an item or a content that is too long, [`BuildError::Sink`], [`BuildError::TooDeep`].
    pub fn push<K: NodeSink>(&mut self, item: Item, sink: &mut K) -> Result<(), BuildError<K::Error>> {
        let broken = |rule| BuildError::Item { item: self.totals.rows, rule };
        item.check().map_err(broken)?;
        let bytes = self.totals.bytes.checked_add(item.bytes()).filter(|bytes| *bytes <= CONTENT_BYTES_MAX);
        let bytes = bytes.ok_or_else(|| broken(RowError::ContentLength))?;
        match (&mut self.held, item) {
            (Some(Item::Zeros { bytes: run }), Item::Zeros { bytes: more }) => *run = run.saturating_add(more),
            (held, item) => {
                let before = held.replace(item);
                self.totals.rows = self.totals.rows.saturating_add(1);
                before.map_or(Ok(()), |before| self.place(before, sink))?;
            }
        }
        self.totals.bytes = bytes;
        Ok(())
    }

    /// Ends the list; none when there were no items.
    ///
    /// # Errors
    /// [`BuildError::Sink`] and [`BuildError::TooDeep`].
    pub fn finish<K: NodeSink>(mut self, sink: &mut K) -> Result<Option<ItemList>, BuildError<K::Error>> {
        if let Some(last) = self.held.take() {
            self.place(last, sink)?;
        }
        if !self.spilled {
            return Ok(if self.few.is_empty() { None } else { Some(ItemList::Few(self.few)) });
        }
        let root = self.levels.finish(sink)?;
        let Totals { rows: item_count, bytes } = self.totals;
        Ok(Some(ItemList::Tree(ItemTree { root: root.id, level: root.level, item_count, bytes })))
    }

    fn place<K: NodeSink>(&mut self, item: Item, sink: &mut K) -> Result<(), BuildError<K::Error>> {
        if !self.spilled && self.few.len() < ITEM_COUNT_MAX {
            self.few.push(item);
            return Ok(());
        }
        self.spilled = true;
        for first in std::mem::take(&mut self.few) {
            self.add(first, sink)?;
        }
        self.add(item, sink)
    }

    fn add<K: NodeSink>(&mut self, item: Item, sink: &mut K) -> Result<(), BuildError<K::Error>> {
        self.fields.clear();
        item.encode(&mut self.fields);
        let mark = match &item {
            Item::Chunk { id, .. } => Some(id.as_bytes().as_slice()),
            Item::Zeros { .. } => None,
        };
        let row = NewRow { key: &[], mark, fields: &self.fields, totals: leaf_totals(item.bytes()) };
        self.levels.add(0, row, sink)
    }
}

/// An item and where it stands in the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The offset of its first byte.
    pub offset: u64,
    /// The item.
    pub item: Item,
}

/// The items of a list in order. Memory: the nodes on the way from the root to the item.
///
/// An error stands for the range of bytes of one node ([`ReadError::span`]); the next call goes on after that range.
#[derive(Debug)]
pub struct ItemReader<S: NodeSource> {
    source: S,
    list: ItemList,
    stack: Vec<ItemFrame>,
    /// Where the next item of a short list stands in it.
    next_few: usize,
    /// The offset of the next item or node.
    offset: u64,
    /// Items that end at or before it are passed over.
    bound: u64,
    started: bool,
    zeros_before: bool,
}

/// A node of an item tree as its parent, or the entry, names it.
#[derive(Debug, Clone, Copy)]
struct ItemChild {
    id: NodeId,
    place: Place,
    start: u64,
    promised: Totals,
}

#[derive(Debug)]
struct ItemFrame {
    child: ItemChild,
    rows: NodeRows,
    seen: Totals,
}

/// What a row of an item tree is.
enum ItemRow {
    Item(Item),
    Child(ItemChild),
}

impl<S: NodeSource> ItemReader<S> {
    /// Starts before the first item. Nothing is read yet.
    pub const fn new(source: S, list: ItemList) -> Self {
        Self { source, list, stack: Vec::new(), next_few: 0, offset: 0, bound: 0, started: false, zeros_before: false }
    }

    /// The next item; none at the end.
    ///
    /// # Errors
    /// [`ReadError`] for a node that can't be read.
    pub fn next_item(&mut self) -> Result<Option<Placed>, ReadError<S::Error>> {
        self.next_item_with(&mut |_| Visit::Enter)
    }

    /// The next item, asking before each node whether to enter it.
    ///
    /// # Errors
    /// [`ReadError`] for a node that can't be read.
    pub fn next_item_with(
        &mut self,
        enter: &mut dyn FnMut(&NodeVisit<'_>) -> Visit,
    ) -> Result<Option<Placed>, ReadError<S::Error>> {
        let tree = match &self.list {
            ItemList::Few(_) => return Ok(self.next_of_few()),
            ItemList::Tree(tree) => *tree,
        };
        if !self.started {
            self.started = true;
            let promised = Totals { rows: tree.item_count, bytes: tree.bytes };
            let root = ItemChild { id: tree.root, place: Place::RootAt(tree.level), start: 0, promised };
            self.enter(root, tree.level, enter)?;
        }
        while let Some(frame) = self.stack.last_mut() {
            let level = frame.rows.level().saturating_sub(1);
            let start = self.offset;
            match frame.next_row(start, &mut self.zeros_before) {
                Ok(Some(ItemRow::Item(item))) => {
                    self.offset = start.saturating_add(item.bytes());
                    if self.offset > self.bound {
                        return Ok(Some(Placed { offset: start, item }));
                    }
                }
                Ok(Some(ItemRow::Child(child))) => self.enter(child, level, enter)?,
                Ok(None) => {
                    self.stack.pop();
                }
                Err(rule) => return Err(self.abandon(rule)),
            }
        }
        Ok(None)
    }

    /// Goes on at the item that holds the byte at `offset`, forwards or backwards.
    pub fn seek(&mut self, offset: u64) {
        if offset < self.offset {
            self.stack.clear();
            (self.started, self.next_few, self.offset) = (false, 0, 0);
        }
        self.zeros_before = false;
        self.bound = offset;
    }

    fn next_of_few(&mut self) -> Option<Placed> {
        let ItemList::Few(items) = &self.list else { return None };
        loop {
            let item = *items.get(self.next_few)?;
            let offset = self.offset;
            self.next_few = self.next_few.saturating_add(1);
            self.offset = offset.saturating_add(item.bytes());
            if self.offset > self.bound {
                return Some(Placed { offset, item });
            }
        }
    }

    fn enter(
        &mut self,
        child: ItemChild,
        level: u8,
        enter: &mut dyn FnMut(&NodeVisit<'_>) -> Visit,
    ) -> Result<(), ReadError<S::Error>> {
        let visit = NodeVisit { id: child.id, level: Some(level), after: None, last: None };
        if child.end() <= self.bound || enter(&visit) == Visit::Skip {
            self.offset = child.end();
            self.zeros_before = false;
            return Ok(());
        }
        let result = match child.place.fetch(Tree::Items, child.id, &self.source) {
            Ok(bytes) => NodeRows::open(bytes, Tree::Items, child.place).map_err(|rule| child.broken(rule)),
            Err(source) => Err(ReadError::Source { node: child.id, span: child.span(), source }),
        };
        match result {
            Ok(rows) => self.stack.push(ItemFrame { child, rows, seen: Totals::default() }),
            Err(error) => {
                self.offset = child.end();
                self.zeros_before = false;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Gives up the node on top and goes on where it was to end.
    fn abandon(&mut self, rule: NodeError) -> ReadError<S::Error> {
        let frame = self.stack.pop().expect("a frame was just read");
        self.offset = frame.child.end();
        self.zeros_before = false;
        frame.child.broken(rule)
    }
}

impl<S: NodeSource> Iterator for ItemReader<S> {
    type Item = Result<Placed, ReadError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_item().transpose()
    }
}

impl ItemChild {
    const fn end(&self) -> u64 {
        self.start.saturating_add(self.promised.bytes)
    }

    fn span(&self) -> Box<Span> {
        Box::new(Span::Bytes { start: self.start, end: self.end() })
    }

    fn broken<E: std::error::Error + 'static>(&self, rule: NodeError) -> ReadError<E> {
        ReadError::Node { node: self.id, span: self.span(), rule: Box::new(rule) }
    }
}

impl ItemFrame {
    /// The next row, which starts at `offset` of the content.
    fn next_row(&mut self, offset: u64, zeros_before: &mut bool) -> Result<Option<ItemRow>, NodeError> {
        let row = match self.rows.level().checked_sub(1) {
            None => self.rows.item()?.map(|item| (ItemRow::Item(item), leaf_totals(item.bytes()))),
            Some(below) => self.rows.inner_row()?.map(|row| {
                let (id, promised) = (row.child, row.totals);
                (ItemRow::Child(ItemChild { id, place: Place::Level(below), start: offset, promised }), promised)
            }),
        };
        let Some((row, totals)) = row else {
            check_totals(self.child.promised, self.seen)?;
            return Ok(None);
        };
        if let ItemRow::Item(item) = &row {
            check_zeros(zeros_before, item, self.rows.row())?;
        }
        self.seen.add(totals);
        // What lies beyond the promised end is never given out: it would be written past the end of a file.
        if self.seen.bytes > self.child.promised.bytes || self.seen.rows > self.child.promised.rows {
            check_totals(self.child.promised, self.seen)?;
        }
        Ok(Some(row))
    }
}
