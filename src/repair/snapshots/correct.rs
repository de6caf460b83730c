//! One component's trees without what is lost.

use super::{OfClass, TreeSink, nothing_of};
use crate::access::Access;
use crate::content::ContentReader;
use crate::error::{Error, Result, check_stopped};
use crate::id::NodeId;
use crate::index::Scratch;
use crate::layout::Class;
use crate::manifest::{
    AttributeValue, Attributes, Body, Content, Cursor, Entry, Key, Kind, StatEntry, State, TreeBuilder,
};
use crate::outcome::{Component, ComponentKind, ComponentState, Counts};
use crate::progress::Progress;
use crate::repair::missing::Missing;
use crate::repair::wanted::{Wanted, lacks};
use crate::session::SnapshotComponent;

/// What an entry says whose content is lost: an input/output error, as a medium gives it that can't be read.
const EIO: u32 = 5;
/// The mode of a directory of which only the name is known.
const UNKNOWN_DIRECTORY_MODE: u16 = 0o700;

/// A component of a corrected snapshot, and what is missing in it.
pub(super) struct Corrected {
    pub(super) component: Component,
    pub(super) missing: Missing,
}

/// What a correction goes by.
pub(super) struct Correction<'a> {
    pub(super) access: &'a Access,
    pub(super) reader: &'a ContentReader,
    pub(super) wanted: &'a Wanted,
    pub(super) progress: &'a dyn Progress,
}

impl Correction<'_> {
    /// Builds a component anew. One that misses nothing is taken over as it is, but for a stat tree that lacks something; of
    /// a stream, which is of no use in part, nothing is left.
    ///
    /// # Errors
    /// When the sink can't take a node, or the caller stops.
    pub(super) fn component(&self, component: &SnapshotComponent, sink: &mut dyn TreeSink) -> Result<Corrected> {
        let Some(root) = component.manifest else {
            return Ok(Corrected { component: nothing_of(component), missing: Missing::default() });
        };
        let mut rebuilt = Rebuilt::new(self.access);
        let mut manifest = OfClass { sink, class: Class::Manifest };
        let mut entries = Cursor::<Entry, _>::new(self.reader, root);
        loop {
            check_stopped(self.progress)?;
            match entries.next_row() {
                Ok(None) => break,
                Ok(Some(entry)) => {
                    let entry = self.without_loss(entry, &mut rebuilt.missing)?;
                    rebuilt.push(&entry, &mut manifest)?;
                }
                Err(error) => {
                    let span = error.span().to_string();
                    let error = Error::from(error);
                    if !error.is_loss() {
                        return Err(error);
                    }
                    rebuilt.missing.add_range(span);
                }
            }
        }
        if rebuilt.missing.is_empty() {
            return self.with_stat(component, rebuilt.missing, sink);
        }
        if component.kind == ComponentKind::Stream || rebuilt.counts == Counts::default() {
            return Ok(Corrected { component: nothing_of(component), missing: rebuilt.missing });
        }
        rebuilt.finish(self.access, sink)
    }

    /// A component whose content is whole: as it is, but for a stat tree that lacks something.
    fn with_stat(
        &self,
        component: &SnapshotComponent,
        mut missing: Missing,
        sink: &mut dyn TreeSink,
    ) -> Result<Corrected> {
        let mut stat = component.stat;
        if let Some(root) = stat
            && self.lacks_rows(root)?
        {
            missing.stat_tree_count = missing.stat_tree_count.saturating_add(1);
            stat = Some(no_rows(self.access, sink)?);
        }
        let component = Component {
            kind: component.kind,
            required: false,
            state: component.state,
            manifest: component.manifest,
            stat,
            counts: component.counts,
        };
        Ok(Corrected { component, missing })
    }

    /// Whether something of a stat tree is lost.
    fn lacks_rows(&self, root: NodeId) -> Result<bool> {
        let mut rows = Cursor::<StatEntry, _>::new(self.reader, root);
        loop {
            check_stopped(self.progress)?;
            match rows.next_row().map_err(Error::from) {
                Ok(None) => return Ok(false),
                Ok(Some(_)) => {}
                Err(error) if error.is_loss() => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    /// The entry without the content or attributes that are lost.
    fn without_loss(&self, mut entry: Entry, missing: &mut Missing) -> Result<Entry> {
        let is_lost = match entry.content() {
            Some(Content::Items(list)) => lacks(self.reader, self.wanted, list)?,
            Some(Content::Inline(_)) | None => false,
        };
        if is_lost {
            missing.add_file(entry.key.to_path());
            entry.body = Body::File(Content::empty());
            entry.state = State::Unreadable { errno: EIO };
            entry.attributes = Attributes::none();
            return Ok(entry);
        }
        let mut kept = Attributes::none();
        for attribute in entry.attributes.iter() {
            match &attribute.value {
                AttributeValue::OutOfLine(list) if lacks(self.reader, self.wanted, list)? => {
                    missing.add_attributes(entry.key.to_path());
                }
                AttributeValue::OutOfLine(_) | AttributeValue::Inline(_) => kept.insert(attribute.clone()),
            }
        }
        entry.attributes = kept;
        Ok(entry)
    }
}

/// A stat tree without rows: the next backup reads everything.
fn no_rows(access: &Access, sink: &mut dyn TreeSink) -> Result<NodeId> {
    let stat = TreeBuilder::<StatEntry>::new(&access.naming.boundary, access.naming.stat_means);
    Ok(stat.finish(&mut OfClass { sink, class: Class::Stat })?)
}

/// A manifest on its way.
struct Rebuilt {
    tree: TreeBuilder<Entry>,
    /// The deepest directory that the last entry is or lies in.
    directory: Option<Key>,
    /// The hard-link groups that were met.
    groups: Box<dyn Scratch>,
    counts: Counts,
    missing: Missing,
}

impl Rebuilt {
    fn new(access: &Access) -> Self {
        Self {
            tree: TreeBuilder::new(&access.naming.boundary, access.naming.manifest_means),
            directory: None,
            groups: access.scratch(),
            counts: Counts::default(),
            missing: Missing::default(),
        }
    }

    fn push(&mut self, entry: &Entry, sink: &mut OfClass<'_>) -> Result<()> {
        self.enter(&entry.key, sink)?;
        if entry.kind() == Kind::Directory {
            self.directory = Some(entry.key.clone());
        }
        self.count(entry)?;
        Ok(self.tree.push(entry, sink)?)
    }

    /// Goes to where a key stands: directories above it that are lost get entries that say no more than that.
    fn enter(&mut self, key: &Key, sink: &mut OfClass<'_>) -> Result<()> {
        while let Some(directory) = &self.directory
            && !key.is_within(directory)
        {
            self.directory = directory.parent();
        }
        let mut lost = Vec::new();
        let mut above = key.parent();
        while above != self.directory
            && let Some(directory) = above
        {
            above = directory.parent();
            lost.push(directory);
        }
        for directory in lost.into_iter().rev() {
            let mut entry = Entry::new(directory, Body::Directory);
            entry.state = State::Unreadable { errno: EIO };
            entry.mode = UNKNOWN_DIRECTORY_MODE;
            self.count(&entry)?;
            self.tree.push(&entry, sink)?;
            self.directory = Some(entry.key);
        }
        Ok(())
    }

    fn count(&mut self, entry: &Entry) -> Result<()> {
        let counts = &mut self.counts;
        match entry.state {
            State::Unreadable { .. } => counts.unreadable = counts.unreadable.saturating_add(1),
            State::Inconsistent => counts.inconsistent = counts.inconsistent.saturating_add(1),
            State::Stored => {}
        }
        if let Some(group) = entry.group {
            if self.groups.get(group.as_bytes())?.is_some() {
                counts.hard_links = counts.hard_links.saturating_add(1);
            }
            self.groups.put(group.as_bytes(), &[])?;
        }
        let count = match entry.kind() {
            Kind::File => {
                counts.bytes = counts.bytes.saturating_add(entry.content().map_or(0, Content::bytes));
                &mut counts.files
            }
            Kind::Directory => &mut counts.directories,
            Kind::Symlink => &mut counts.symlinks,
            Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice | Kind::Unknown => &mut counts.others,
        };
        *count = count.saturating_add(1);
        Ok(())
    }

    /// Ends the manifest. The stat tree has no rows.
    fn finish(self, access: &Access, sink: &mut dyn TreeSink) -> Result<Corrected> {
        let manifest = self.tree.finish(&mut OfClass { sink, class: Class::Manifest })?;
        let stat = no_rows(access, sink)?;
        let component = Component {
            kind: ComponentKind::Tree,
            required: false,
            state: ComponentState::Partial,
            manifest: Some(manifest),
            stat: Some(stat),
            counts: self.counts,
        };
        Ok(Corrected { component, missing: self.missing })
    }
}
