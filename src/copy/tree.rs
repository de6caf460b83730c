//! A tree of the copy, from what differs in the source since an earlier copy and from that copy's own tree.

use crate::content::{ContentReader, NodeWriter};
use crate::copy::base::Earlier;
use crate::copy::entry::Entries;
use crate::copy::options::Lacks;
use crate::copy::{Stopped, of_base, of_source};
use crate::error::{Error, ErrorKind, Result};
use crate::id::NodeId;
use crate::manifest::{
    Carry, Difference, Differences, Key, LeafCursor, LeafRef, LeafRows, Row, StatEntry, TreeBuilder,
};
use crate::session::Intake;

/// Where the trees of a component are read.
pub(super) struct Trees<'a> {
    /// The source.
    pub(super) source: &'a ContentReader,
    /// The destination.
    pub(super) copy: &'a ContentReader,
    /// The component in the snapshot that is built upon.
    pub(super) earlier: Option<Earlier>,
}

impl Trees<'_> {
    /// Builds the manifest; none when a part of it can't be read, of which the entries then know.
    ///
    /// # Errors
    /// [`Stopped::Base`]; when the destination fails, or the caller stops.
    pub(super) fn manifest(
        &self,
        root: NodeId,
        entries: &mut Entries<'_>,
        intake: &mut Intake<'_>,
    ) -> Result<Option<NodeId>, Stopped> {
        let naming = &intake.access().naming;
        let builder = TreeBuilder::new(&naming.boundary, naming.manifest_means);
        let earlier = self.earlier.and_then(|earlier| earlier.manifest);
        let built = self.build(
            (root, earlier),
            builder,
            |intake| &mut intake.nodes,
            intake,
            |entry, intake| entries.take(entry, intake),
        );
        readable(built, b"a part of the tree", entries.lacks)
    }

    /// Builds the stat tree; none when a part of it can't be read.
    ///
    /// # Errors
    /// [`Stopped::Base`]; when the destination fails.
    pub(super) fn stat(
        &self,
        root: NodeId,
        lacks: &mut Lacks,
        intake: &mut Intake<'_>,
    ) -> Result<Option<NodeId>, Stopped> {
        let naming = &intake.access().naming;
        let builder = TreeBuilder::new(&naming.boundary, naming.stat_means);
        let earlier = self.earlier.and_then(|earlier| earlier.stat);
        let built = self.build(
            (root, earlier),
            builder,
            |intake| &mut intake.stat_nodes,
            intake,
            |row: StatEntry, _| Ok(Some(row)),
        );
        readable(built, b"a part of the stat tree", lacks)
    }

    /// Builds a tree that says what one of the source does, whose rows `translate` makes rows of the copy.
    fn build<R: Row + PartialEq>(
        &self,
        (root, earlier): (NodeId, Option<(NodeId, NodeId)>),
        builder: TreeBuilder<R>,
        sink: for<'i, 'a> fn(&'i mut Intake<'a>) -> &'i mut NodeWriter,
        intake: &mut Intake<'_>,
        mut translate: impl FnMut(R, &mut Intake<'_>) -> Result<Option<R>>,
    ) -> Result<NodeId, Stopped> {
        if let Some((_, copy)) = earlier.filter(|(source, _)| *source == root) {
            return Ok(copy);
        }
        let mut rebuilt = Rebuilt::new(builder, self.copy, earlier.map(|(_, copy)| copy))?;
        let roots = (earlier.map(|(source, _)| source), Some(root));
        let mut differences = Differences::<R, _>::new(self.source, roots, &Key::root());
        // Which of the two trees can't be read is not known: without the earlier one it shows.
        let unreadable = |error| if earlier.is_some() { of_base(error) } else { of_source(error) };
        while let Some(difference) = differences.next_difference().map_err(unreadable)? {
            rebuilt.make_room(&difference, sink(intake))?;
            let (Difference::Second(row) | Difference::Both(_, row)) = difference else { continue };
            if let Some(row) = translate(row, intake)? {
                rebuilt.push(&row, sink(intake))?;
            }
        }
        rebuilt.finish(sink(intake))
    }
}

/// What was built; none, and a note of it, when a part of the source can't be read.
fn readable(built: Result<NodeId, Stopped>, part: &[u8], lacks: &mut Lacks) -> Result<Option<NodeId>, Stopped> {
    match built {
        Ok(root) => Ok(Some(root)),
        Err(stopped @ (Stopped::Base(_) | Stopped::Run(_))) => Err(stopped),
        Err(Stopped::Source(error)) => {
            lacks.add(part.to_vec(), &error);
            Ok(None)
        }
    }
}

/// A tree on its way: rows of the earlier copy up to the next difference, then the difference.
struct Rebuilt<'a, R: Row> {
    builder: TreeBuilder<R>,
    old: Option<OldRows<'a, R>>,
}

/// What is left of the earlier copy's tree.
struct OldRows<'a, R: Row> {
    leaves: LeafCursor<R, &'a ContentReader>,
    /// The next leaf that was not opened.
    leaf: Option<LeafRef<R>>,
    /// The rows of the leaf before it that were not taken yet.
    rows: Option<LeafRows<R, Error>>,
    /// The first of them.
    ahead: Option<R>,
}

impl<'a, R: Row> Rebuilt<'a, R> {
    fn new(builder: TreeBuilder<R>, reader: &'a ContentReader, old: Option<NodeId>) -> Result<Self, Stopped> {
        let old = old.map(|root| OldRows::new(LeafCursor::new(reader, root))).transpose()?;
        Ok(Self { builder, old })
    }

    /// Takes over everything before a difference, and drops the row that it replaces or ends.
    fn make_room(&mut self, difference: &Difference<R>, sink: &mut NodeWriter) -> Result<(), Stopped> {
        let key = difference.key();
        self.carry_before(Some(key), sink)?;
        if matches!(difference, Difference::Second(_)) {
            return Ok(());
        }
        let ahead = self.old.as_mut().and_then(|old| old.ahead.take());
        if ahead.is_some_and(|row| row.key() == key) {
            return Ok(());
        }
        let message = format!("it lacks {key}, which it should have");
        Err(of_base(Error::new(ErrorKind::Damaged, message)))
    }

    fn push(&mut self, row: &R, sink: &mut NodeWriter) -> Result<(), Stopped> {
        Ok(self.builder.push(row, sink).map_err(Error::from)?)
    }

    fn finish(mut self, sink: &mut NodeWriter) -> Result<NodeId, Stopped> {
        self.carry_before(None, sink)?;
        Ok(self.builder.finish(sink).map_err(Error::from)?)
    }

    /// Takes over all rows of the old tree below `bound`, or all that are left: leaf by leaf where that is possible.
    fn carry_before(&mut self, bound: Option<&Key>, sink: &mut NodeWriter) -> Result<(), Stopped> {
        let Some(old) = &mut self.old else { return Ok(()) };
        loop {
            while let Some(row) = old.next()? {
                if bound.is_some_and(|bound| row.key() >= bound) {
                    old.ahead = Some(row);
                    return Ok(());
                }
                self.builder.push(&row, sink).map_err(Error::from)?;
            }
            let Some(leaf) = old.leaf.take() else { return Ok(()) };
            let is_whole = bound.is_none_or(|bound| leaf.last() < bound);
            if !is_whole || self.builder.carry(&leaf, sink).map_err(Error::from)? == Carry::MustRead {
                old.rows = Some(old.leaves.read(&leaf).map_err(of_base)?);
            }
            old.leaf = old.leaves.next_leaf().map_err(of_base)?;
        }
    }
}

impl<'a, R: Row> OldRows<'a, R> {
    fn new(mut leaves: LeafCursor<R, &'a ContentReader>) -> Result<Self, Stopped> {
        let leaf = leaves.next_leaf().map_err(of_base)?;
        Ok(Self { leaves, leaf, rows: None, ahead: None })
    }

    /// The next row of the leaf that is open; none at its end.
    fn next(&mut self) -> Result<Option<R>, Stopped> {
        if let Some(row) = self.ahead.take() {
            return Ok(Some(row));
        }
        match &mut self.rows {
            None => Ok(None),
            Some(rows) => rows.next_row().map_err(of_base),
        }
    }
}
