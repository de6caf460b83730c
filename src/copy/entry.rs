//! One entry of the source as an entry of the copy: the same in everything but the names of chunks, nodes and groups.

use crate::access::Access;
use crate::chunk::{Chunker, Piece};
use crate::content::{Claim, ContentReader};
use crate::copy::links::Links;
use crate::copy::options::Lacks;
use crate::copy::plan::Way;
use crate::copy::{Stopped, Told, of_source};
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::NodeId;
use crate::manifest::{
    Attribute, AttributeValue, Attributes, Body, Content, Entry, Item, ItemList, ItemReader, ItemTreeBuilder,
};
use crate::session::Intake;
use std::os::unix::ffi::OsStrExt;

/// Takes the entries of one component in key order. Memory: a chunk, and what the tables of hard links spill to disk.
pub(super) struct Entries<'a> {
    reader: &'a ContentReader,
    root: Option<NodeId>,
    to: &'a Access,
    way: Way,
    links: Links,
    /// What can't be read.
    pub(super) lacks: &'a mut Lacks,
    told: &'a Told<'a>,
    /// The bytes of one item.
    buffer: Vec<u8>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(
        (reader, root): (&'a ContentReader, Option<NodeId>),
        to: &'a Access,
        way: Way,
        lacks: &'a mut Lacks,
        told: &'a Told<'a>,
    ) -> Self {
        Self { reader, root, to, way, links: Links::new(to), lacks, told, buffer: Vec::new() }
    }

    /// The entry as it stands in the copy, with its content stored; none when a part of it can't be read.
    ///
    /// # Errors
    /// When the destination fails, or the caller stops.
    pub(super) fn take(&mut self, entry: Entry, intake: &mut Intake<'_>) -> Result<Option<Entry>> {
        check_stopped(self.told.progress)?;
        let path = entry.key.to_path();
        match self.translated(entry, intake) {
            Ok(entry) => {
                if let Some(content) = entry.content() {
                    self.told.file(content.bytes());
                }
                Ok(Some(entry))
            }
            Err(Stopped::Base(error) | Stopped::Run(error)) => Err(error),
            Err(Stopped::Source(error)) => {
                self.told.problem(&path, &error);
                self.lacks.add(path.as_os_str().as_bytes().to_vec(), &error);
                Ok(None)
            }
        }
    }

    fn translated(&mut self, mut entry: Entry, intake: &mut Intake<'_>) -> Result<Entry, Stopped> {
        entry.attributes = self.attributes(&entry, intake)?;
        let is_linked = entry.group.is_some();
        if let (Some(group), Some(root), Way::CutAnew) = (entry.group, self.root, self.way) {
            entry.group = Some(self.links.rename(&group, (self.reader, root), self.to)?);
        }
        if let Body::File(content) = &entry.body {
            let content = match (content, is_linked) {
                (Content::Items(list), true) => self.linked(list, intake)?,
                (content, _) => self.content(content, intake)?,
            };
            entry.body = Body::File(content);
        }
        Ok(entry)
    }

    /// The content of a file with several names is read under the first of them.
    fn linked(&mut self, list: &ItemList, intake: &mut Intake<'_>) -> Result<Content, Stopped> {
        if let Some(content) = self.links.content(list)? {
            return Ok(content);
        }
        let content = self.content(&Content::Items(list.clone()), intake)?;
        self.links.keep(list, &content)?;
        Ok(content)
    }

    fn content(&mut self, content: &Content, intake: &mut Intake<'_>) -> Result<Content, Stopped> {
        let is_short = content.bytes() <= self.to.config().parameters.inline_bytes_max.into();
        Ok(match content {
            Content::Inline(_) if is_short => content.clone(),
            Content::Inline(bytes) => Content::of_items(self.cut(intake, |cutting| cutting.push(bytes))?),
            Content::Items(list) if is_short => Content::Inline(self.read(list)?),
            Content::Items(list) => Content::Items(self.items(list, intake)?),
        })
    }

    /// Values that lie in chunks are carried over or cut as contents are.
    fn attributes(&mut self, entry: &Entry, intake: &mut Intake<'_>) -> Result<Attributes, Stopped> {
        let mut attributes = Attributes::none();
        for attribute in entry.attributes.iter() {
            let value = match &attribute.value {
                AttributeValue::Inline(value) => AttributeValue::Inline(value.clone()),
                AttributeValue::OutOfLine(list) => AttributeValue::OutOfLine(self.items(list, intake)?),
            };
            attributes.insert(Attribute { value, ..attribute.clone() });
        }
        Ok(attributes)
    }

    fn items(&mut self, list: &ItemList, intake: &mut Intake<'_>) -> Result<ItemList, Stopped> {
        let stored = match self.way {
            Way::CarryOver => self.carry(list, intake)?,
            Way::CutAnew => self.cut_anew(list, intake)?,
        };
        let emptied = || Error::new(ErrorKind::Damaged, "a list of items holds none");
        stored.ok_or_else(|| Stopped::Source(emptied()))
    }

    /// Lists the same chunks, and reads those that the destination lacks.
    fn carry(&mut self, list: &ItemList, intake: &mut Intake<'_>) -> Result<Option<ItemList>, Stopped> {
        let mut carried = self.to.naming.item_list();
        let mut items = ItemReader::new(self.reader, list.clone());
        while let Some(placed) = items.next_item().map_err(of_source)? {
            check_stopped(self.told.progress)?;
            if let Item::Chunk { id, .. } = &placed.item
                && intake.claim(*id)? == Claim::New
            {
                self.buffer.clear();
                self.reader.append_item(&placed.item, &mut self.buffer).map_err(of_source)?;
                intake.add(*id, &self.buffer)?;
            }
            carried.push(placed.item, &mut intake.nodes).map_err(Error::from)?;
        }
        Ok(carried.finish(&mut intake.nodes).map_err(Error::from)?)
    }

    fn cut_anew(&mut self, list: &ItemList, intake: &mut Intake<'_>) -> Result<Option<ItemList>, Stopped> {
        let (reader, progress) = (self.reader, self.told.progress);
        let mut buffer = std::mem::take(&mut self.buffer);
        let stored = self.cut(intake, |cutting| {
            let mut items = ItemReader::new(reader, list.clone());
            while let Some(placed) = items.next_item().map_err(of_source)? {
                check_stopped(progress)?;
                match &placed.item {
                    Item::Zeros { bytes } => cutting.zeros(*bytes)?,
                    Item::Chunk { .. } => {
                        buffer.clear();
                        reader.append_item(&placed.item, &mut buffer).map_err(of_source)?;
                        cutting.push(&buffer)?;
                    }
                }
            }
            Ok(())
        });
        self.buffer = buffer;
        stored
    }

    /// Cuts what `feed` pushes, and stores the chunks that are new.
    fn cut(
        &self,
        intake: &mut Intake<'_>,
        feed: impl FnOnce(&mut Cutting<'_, '_, '_>) -> Result<(), Stopped>,
    ) -> Result<Option<ItemList>, Stopped> {
        let naming = &self.to.naming;
        let (chunker, list) = (Chunker::new(naming.cutter()), naming.item_list());
        let mut cutting = Cutting { chunker, taking: Taking { to: self.to, intake, list } };
        feed(&mut cutting)?;
        cutting.end()
    }

    fn read(&self, list: &ItemList) -> Result<Vec<u8>, Stopped> {
        let mut bytes = Vec::new();
        let mut items = ItemReader::new(self.reader, list.clone());
        while let Some(placed) = items.next_item().map_err(of_source)? {
            self.reader.append_item(&placed.item, &mut bytes).map_err(of_source)?;
        }
        Ok(bytes)
    }
}

/// One content on its way through the cutter.
struct Cutting<'c, 'i, 'a> {
    chunker: Chunker<'c>,
    taking: Taking<'c, 'i, 'a>,
}

/// Where its pieces go.
struct Taking<'c, 'i, 'a> {
    to: &'c Access,
    intake: &'i mut Intake<'a>,
    list: ItemTreeBuilder,
}

impl Cutting<'_, '_, '_> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        let mut taken = Ok(());
        self.chunker.push(bytes, |piece| self.taking.take(&piece, &mut taken));
        Ok(taken?)
    }

    fn zeros(&mut self, bytes: u64) -> Result<(), Stopped> {
        let mut taken = Ok(());
        self.chunker.zeros(bytes, |piece| self.taking.take(&piece, &mut taken));
        Ok(taken?)
    }

    fn end(mut self) -> Result<Option<ItemList>, Stopped> {
        let mut taken = Ok(());
        self.chunker.finish(|piece| self.taking.take(&piece, &mut taken));
        taken?;
        Ok(self.taking.list.finish(&mut self.taking.intake.nodes).map_err(Error::from)?)
    }
}

impl Taking<'_, '_, '_> {
    fn take(&mut self, piece: &Piece<'_>, taken: &mut Result<()>) {
        if taken.is_ok() {
            *taken = self.piece(piece);
        }
    }

    fn piece(&mut self, piece: &Piece<'_>) -> Result<()> {
        let item = match piece {
            Piece::Zeros(bytes) => Item::Zeros { bytes: *bytes },
            Piece::Data(chunk) => {
                let id = self.to.naming.chunk_ids.id(chunk);
                if self.intake.claim(id)? == Claim::New {
                    self.intake.add(id, chunk)?;
                }
                Item::Chunk { id, bytes: u64::try_from(chunk.len()).unwrap_or(u64::MAX) }
            }
        };
        Ok(self.list.push(item, &mut self.intake.nodes)?)
    }
}
