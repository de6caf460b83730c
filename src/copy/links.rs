//! Hard-link groups, which bear names under the keys of their repository, and contents that have several names.

use crate::access::Access;
use crate::content::ContentReader;
use crate::copy::{Stopped, of_source};
use crate::error::{Error, ErrorKind, Result};
use crate::id::NodeId;
use crate::index::Scratch;
use crate::manifest::{Body, Content, Cursor, Entry, Item, ItemList, Key, LinkGroup, Row};
use crate::wire::Reader;

/// The groups of one manifest, and what of their contents was stored.
pub(super) struct Links {
    /// The key of the first member of each group, once one was asked for.
    firsts: Option<Box<dyn Scratch>>,
    /// Contents by the lists of their items in the source.
    contents: Box<dyn Scratch>,
}

impl Links {
    pub(super) fn new(to: &Access) -> Self {
        Self { firsts: None, contents: to.scratch() }
    }

    /// The name of a group in the copy: that of its first member, which may be an entry that is not read again.
    pub(super) fn rename(
        &mut self,
        group: &LinkGroup,
        (reader, root): (&ContentReader, NodeId),
        to: &Access,
    ) -> Result<LinkGroup, Stopped> {
        if self.firsts.is_none() {
            self.firsts = Some(first_members(reader, root, to)?);
        }
        let firsts = self.firsts.as_ref().expect("just made");
        let first = firsts.get(group.as_bytes()).map_err(Error::from)?;
        let key = first.and_then(|key| Key::parse(key).ok()).ok_or_else(changed)?;
        Ok(to.naming.hard_links.group(&key))
    }

    /// The content that was stored for a list of items, if it was [kept](Self::keep).
    pub(super) fn content(&self, list: &ItemList) -> Result<Option<Content>> {
        let Some(fields) = self.contents.get(&name(list))? else { return Ok(None) };
        let entry = Entry::decode_fields(Key::root(), &mut Reader::new(&fields)).map_err(|_| changed())?;
        Ok(entry.content().cloned())
    }

    /// Keeps what was stored for a list of items.
    pub(super) fn keep(&mut self, list: &ItemList, content: &Content) -> Result<()> {
        let mut fields = Vec::new();
        Entry::new(Key::root(), Body::File(content.clone())).encode_fields(&mut fields);
        Ok(self.contents.put(&name(list), &fields)?)
    }
}

fn first_members(reader: &ContentReader, root: NodeId, to: &Access) -> Result<Box<dyn Scratch>, Stopped> {
    let mut firsts = to.scratch();
    let mut entries = Cursor::<Entry, _>::new(reader, root);
    while let Some(entry) = entries.next_row().map_err(of_source)? {
        if let Some(group) = &entry.group
            && firsts.get(group.as_bytes()).map_err(Error::from)?.is_none()
        {
            firsts.put(group.as_bytes(), entry.key.as_bytes()).map_err(Error::from)?;
        }
    }
    Ok(firsts)
}

fn changed() -> Error {
    Error::new(ErrorKind::Io, "the temporary table of hard links reads back differently")
}

fn name(list: &ItemList) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    match list {
        ItemList::Few(items) => items.iter().for_each(|item| {
            match item {
                Item::Chunk { id, .. } => hasher.update(b"chunk").update(id.as_bytes()),
                Item::Zeros { bytes } => hasher.update(b"zeros").update(&bytes.to_le_bytes()),
            };
        }),
        ItemList::Tree(tree) => drop(hasher.update(b"tree").update(tree.root.as_bytes())),
    }
    *hasher.finalize().as_bytes()
}
