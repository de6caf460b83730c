//! The way back: from an id to the bytes that hash to it. Every seal, length and id is checked on the way.

use crate::access::Access;
use crate::content::frame_cache::{DecodedFrame, FrameBytes, FrameCache, FrameScratch, PackShelf};
use crate::content::medium::unread;
use crate::content::neighbours::Neighbours;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, NodeId};
use crate::index::Extent;
use crate::manifest::{AttributeValue, Entry, Item, ItemReader, NodeSort, NodeSource};
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes of decoded frames are kept for the next node or chunk.
const CACHE_BYTES_MAX: usize = 16 << 20;

/// Reads chunks and nodes. Shared by threads; memory is bounded by a cache of decoded frames and a shelf of open
/// packs.
pub struct ContentReader {
    access: Access,
    shelf: PackShelf,
    frames: Mutex<FrameCache>,
    scratches: Mutex<Vec<FrameScratch>>,
    neighbours: Neighbours,
}

impl ContentReader {
    /// Starts with nothing cached.
    pub fn new(access: Access) -> Self {
        let shelf = PackShelf::new(access.clone());
        let frames = Mutex::new(FrameCache::new(CACHE_BYTES_MAX));
        Self { access, shelf, frames, scratches: Mutex::default(), neighbours: Neighbours::default() }
    }

    /// The repository that is read.
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// Where a chunk lies.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when no committed pack holds it.
    pub fn locate(&self, id: ChunkId) -> Result<Extent> {
        let mut found = Vec::with_capacity(1);
        self.find(&[id], &mut found)?;
        found.pop().flatten().ok_or_else(|| missing(&id))
    }

    /// Finds a copy of each chunk: one that a backup might count on, else any in a committed pack. Condemned packs, and
    /// those that only a foreign put key vouches for, are no hits for a backup; what lies in them must come back all
    /// the same.
    ///
    /// # Errors
    /// When the index or a pack can't be read.
    pub fn find(&self, ids: &[ChunkId], found: &mut Vec<Option<Extent>>) -> Result<()> {
        self.access.index.lookup(ids, found)?;
        for (id, extent) in ids.iter().zip(found.iter_mut()).filter(|(_, extent)| extent.is_none()) {
            *extent = self.any_copy(*id)?;
        }
        Ok(())
    }

    /// The first copy whose pack is there, else the first.
    fn any_copy(&self, id: ChunkId) -> Result<Option<Extent>> {
        let copies = self.access.index.copies(id)?;
        for extent in &copies {
            match self.shelf.take(extent.pack) {
                Ok(_) => return Ok(Some(*extent)),
                Err(error) if error.is_loss() || error.is_refused() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(copies.first().copied())
    }

    /// Reads, opens and decodes one frame into a thread's own memory, without the cache and without a copy.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when it is missing or wrong in any way, or the medium fails there; the message names the pack
    /// and the place. [`ErrorKind::Io`] when the medium gives nothing any more.
    pub fn read_frame<'s>(&self, extent: &Extent, scratch: &'s mut FrameScratch) -> Result<FrameBytes<'s>> {
        let pack = self.shelf.take(extent.pack)?;
        let FrameScratch { stored, decoder } = scratch;
        stored.resize(usize::try_from(extent.frame_bytes).unwrap_or(usize::MAX), 0);
        let read = pack.object.read_at(u64::from(extent.frame_offset), stored);
        read.map_err(|error| unread(self.access.store.as_ref(), error))?;
        let opened = pack.opener.open_frame(extent.place().frame, stored);
        let plaintext = &*opened.map_err(|cause| pack.damaged(extent, cause))?;
        let frame = decoder.decode(plaintext).map_err(|cause| pack.damaged(extent, cause))?;
        Ok(FrameBytes::new(plaintext, frame))
    }

    /// As [`Self::read_frame`], into memory of the frame's own.
    ///
    /// # Errors
    /// As [`Self::read_frame`].
    pub fn decode_frame(&self, extent: &Extent) -> Result<DecodedFrame> {
        let mut scratch = self.scratches.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let decoded = self.read_frame(extent, &mut scratch).map(|frame| DecodedFrame::copy_of(&frame));
        self.scratches.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        decoded
    }

    /// The decoded frame that holds an extent, from the cache when it is there.
    ///
    /// # Errors
    /// As [`Self::decode_frame`].
    pub fn frame(&self, extent: &Extent) -> Result<Arc<DecodedFrame>> {
        if let Some(frame) = self.cache().get(extent) {
            return Ok(frame);
        }
        let frame = Arc::new(self.decode_frame(extent)?);
        self.cache().put(extent, &frame);
        Ok(frame)
    }

    /// The bytes of one chunk, proved against its id. One that was moved by a collector since the index was brought up
    /// to date is looked for anew; of one that is damaged every other copy is tried.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when no whole copy is there.
    pub fn chunk(&self, id: ChunkId) -> Result<Vec<u8>> {
        let naming = &self.access.naming.chunk_ids;
        let proved = |bytes: &[u8]| (naming.id(bytes) == id).then(|| bytes.to_vec());
        self.any_whole(id, |frame, extent| frame.slice(extent).and_then(proved))
    }

    /// The first copy that `prove` takes: writers that ran at the same time may have stored the same twice.
    fn any_whole<T>(&self, id: ChunkId, prove: impl Fn(&Arc<DecodedFrame>, &Extent) -> Option<T>) -> Result<T> {
        let from = |extent: &Extent| -> Result<T> { prove(&self.frame(extent)?, extent).ok_or_else(|| wrong(&id)) };
        let damage = match self.steadily(|| from(&self.locate(id)?)) {
            Err(error) if error.is_loss() || error.is_refused() => error,
            found => return found,
        };
        for extent in self.access.index.copies(id)? {
            match from(&extent) {
                Err(error) if error.is_loss() || error.is_refused() => {}
                found => return found,
            }
        }
        Err(damage)
    }

    /// The bytes of a node that lies at a place, proved against its id.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when it is missing or wrong.
    fn node_at(&self, extent: &Extent, id: NodeId) -> Result<Arc<[u8]>> {
        let frame = self.frame(extent)?;
        self.proved_node(frame.slice(extent), id).map(Arc::from)
    }

    /// What lies in the place of a node, if it is the node.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when it is something else, or nothing.
    pub fn proved_node<'b>(&self, bytes: Option<&'b [u8]>, id: NodeId) -> Result<&'b [u8]> {
        bytes.filter(|bytes| self.access.naming.node_ids.id(bytes) == id).ok_or_else(|| wrong(&id))
    }

    /// The bytes of a node as they lie where the index finds it first, whatever other copies there are: who looks for
    /// damage wants to see it.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when it is missing or wrong there.
    pub fn first_copy(&self, id: NodeId) -> Result<Arc<[u8]>> {
        self.steadily(|| self.node_at(&self.locate(id.as_chunk())?, id))
    }

    /// Appends what an item stands for: the bytes of its chunk, or its zeros.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub fn append_item(&self, item: &Item, out: &mut Vec<u8>) -> Result<()> {
        match item {
            Item::Chunk { id, bytes } => {
                let chunk = self.chunk(*id)?;
                if u64::try_from(chunk.len()) != Ok(*bytes) {
                    let message = format!("chunk {id} has {} bytes, and the list that names it {bytes}", chunk.len());
                    return Err(Error::new(ErrorKind::Damaged, message));
                }
                out.extend_from_slice(&chunk);
            }
            Item::Zeros { bytes } => {
                let length = usize::try_from(*bytes).unwrap_or(usize::MAX);
                out.resize(out.len().saturating_add(length), 0);
            }
        }
        Ok(())
    }

    /// The value of an attribute, wherever it lies; none if the entry has no such attribute.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] when it lies elsewhere and can't be had.
    pub fn attribute(&self, entry: &Entry, id: u32) -> Result<Option<Vec<u8>>> {
        let list = match entry.attributes.get(id) {
            None => return Ok(None),
            Some(AttributeValue::Inline(value)) => return Ok(Some(value.clone())),
            Some(AttributeValue::OutOfLine(list)) => list.clone(),
        };
        let mut value = Vec::new();
        let mut items = ItemReader::new(self, list);
        while let Some(placed) = items.next_item()? {
            self.append_item(&placed.item, &mut value)?;
        }
        Ok(Some(value))
    }

    /// Reads again, from an index that knows what is committed now, what could not be read.
    fn steadily<T>(&self, read: impl Fn() -> Result<T>) -> Result<T> {
        match (read(), &self.access.catch_up) {
            (Err(error), Some(catch_up)) if error.kind() == ErrorKind::Damaged => {
                catch_up(&self.access)?;
                read()
            }
            (outcome, _) => outcome,
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, FrameCache> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeSource for ContentReader {
    type Error = Error;

    fn node(&self, id: NodeId) -> Result<Arc<[u8]>> {
        self.any_whole(id.as_chunk(), |frame, extent| {
            let bytes = self.proved_node(frame.slice(extent), id).ok()?;
            self.neighbours.remember(frame, extent, bytes);
            Some(Arc::from(bytes))
        })
    }

    fn node_of(&self, sort: NodeSort, id: NodeId) -> Result<Arc<[u8]>> {
        let guessed = self.neighbours.find(sort, |bytes| self.proved_node(Some(bytes), id).ok().map(Arc::from));
        guessed.map_or_else(|| self.node(id), Ok)
    }
}

fn missing(id: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Damaged, format!("{id} is in no committed pack; run check to see what it touches"))
}

fn wrong(id: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Damaged, format!("{id} is stored with other bytes; run check to see what it touches"))
}
