//! The content of a file from any offset.

use super::nodes::NodeCache;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Content, Hole, Item, ItemReader, Placed};
use std::sync::{Arc, Mutex, PoisonError};

/// A file that is read. Memory: the nodes on the way to the item that was read last, and the list of holes.
pub struct OpenFile {
    /// How messages call it.
    pub(super) path: String,
    pub(super) content: Content,
    pub(super) holes: Vec<Hole>,
    /// Where the last reader stands; whoever reads at the same time begins anew.
    pub(super) place: Mutex<Option<ItemPlace>>,
}

/// A place in a list of items.
pub(super) struct ItemPlace {
    reader: ItemReader<Arc<NodeCache>>,
    /// The item that was read last: the next read mostly begins in it.
    last: Option<Placed>,
}

/// What is looked for from an offset on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// Bytes that are no hole.
    Data,
    /// A hole; the end of a file is one.
    Hole,
}

impl OpenFile {
    /// Length in bytes.
    pub fn bytes(&self) -> u64 {
        self.content.bytes()
    }

    /// The first offset from `offset` on at which there is what is looked for; none at or behind the end, or where only
    /// a hole follows.
    pub fn seek(&self, what: Seek, offset: u64) -> Option<u64> {
        let end = self.bytes();
        if offset >= end {
            return None;
        }
        let hole_end = |hole: &Hole| hole.offset.saturating_add(hole.bytes);
        let next = self.holes.get(self.holes.partition_point(|hole| hole_end(hole) <= offset));
        let inside = next.filter(|hole| hole.offset <= offset);
        match (what, inside) {
            (Seek::Data, None) => Some(offset),
            // Holes don't touch each other, so what follows one is data.
            (Seek::Data, Some(hole)) => Some(hole_end(hole)).filter(|data| *data < end),
            (Seek::Hole, Some(_)) => Some(offset),
            (Seek::Hole, None) => Some(next.map_or(end, |hole| hole.offset.min(end))),
        }
    }

    /// The bytes from `offset` on: exactly `length` of them, or as many as there are.
    pub(super) fn read(
        &self,
        (nodes, reader): (&Arc<NodeCache>, &ContentReader),
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>> {
        let left = self.bytes().saturating_sub(offset);
        let length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        let list = match &self.content {
            Content::Inline(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let bytes = bytes.get(start..start.saturating_add(length));
                return Ok(bytes.unwrap_or_default().to_vec());
            }
            Content::Items(list) => list,
        };
        let held = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut place = held.unwrap_or_else(|| {
            let reader = ItemReader::new(Arc::clone(nodes), list.clone());
            ItemPlace { reader, last: None }
        });
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            let placed = place.item_at(at)?;
            append(reader, &placed, at, length, &mut bytes)?;
        }
        // After an error it is not put back: the next reader begins anew and meets the error again.
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        Ok(bytes)
    }
}

impl ItemPlace {
    fn item_at(&mut self, offset: u64) -> Result<Placed> {
        let holds =
            |placed: &Placed| (placed.offset..placed.offset.saturating_add(placed.item.bytes())).contains(&offset);
        if let Some(last) = self.last.filter(holds) {
            return Ok(last);
        }
        self.reader.seek(offset);
        let short = || Error::new(ErrorKind::Damaged, format!("the list of a content has nothing at byte {offset}"));
        let placed = self.reader.next_item()?.filter(holds).ok_or_else(short)?;
        self.last = Some(placed);
        Ok(placed)
    }
}

/// Appends the bytes of an item from `offset` on, until there are `length`.
fn append(reader: &ContentReader, placed: &Placed, offset: u64, length: usize, bytes: &mut Vec<u8>) -> Result<()> {
    let start = usize::try_from(offset.saturating_sub(placed.offset)).unwrap_or(usize::MAX);
    let wanted = length.saturating_sub(bytes.len());
    match placed.item {
        Item::Zeros { bytes: run } => {
            let there = usize::try_from(run).unwrap_or(usize::MAX).saturating_sub(start);
            bytes.resize(bytes.len().saturating_add(there.min(wanted)), 0);
        }
        Item::Chunk { id, bytes: promised } => {
            let chunk = reader.chunk(id)?;
            if u64::try_from(chunk.len()) != Ok(promised) {
                let message = format!("chunk {id} has {} bytes, and the list that names it {promised}", chunk.len());
                return Err(Error::new(ErrorKind::Damaged, message));
            }
            let there = chunk.get(start..).unwrap_or_default();
            bytes.extend_from_slice(there.get(..wanted).unwrap_or(there));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ItemList;

    fn sparse(holes: &[(u64, u64)]) -> OpenFile {
        let content = Content::Items(ItemList::Few(vec![Item::Zeros { bytes: 100_000 }]));
        let holes = holes.iter().map(|(offset, bytes)| Hole { offset: *offset, bytes: *bytes }).collect();
        OpenFile { path: String::new(), content, holes, place: Mutex::default() }
    }

    #[test]
    fn holes_and_data_are_found_from_every_side() {
        let file = sparse(&[(0, 4096), (16_384, 8192), (98_304, 4096)]);
        let cases = [
            (Seek::Data, 0, Some(4096)),
            (Seek::Hole, 0, Some(0)),
            (Seek::Hole, 4096, Some(16_384)),
            (Seek::Data, 20_000, Some(24_576)),
            (Seek::Hole, 24_576, Some(98_304)),
            (Seek::Data, 98_304, None),
            (Seek::Hole, 99_999, Some(99_999)),
            (Seek::Hole, 100_000, None),
            (Seek::Data, 100_000, None),
        ];
        for (what, offset, found) in cases {
            assert_eq!(file.seek(what, offset), found, "{what:?} from {offset}");
        }
        assert_eq!(sparse(&[]).seek(Seek::Hole, 7), Some(100_000), "the end is a hole");
    }

    /// Each question cost as many steps as there were holes before its offset, and a whole file the square of that.
    #[test]
    fn a_file_of_many_holes_is_walked_in_no_time() {
        let count = 200_000;
        let holes: Vec<(u64, u64)> = (0..count).map(|number| (number * 8192, 4096)).collect();
        let content = Content::Items(ItemList::Few(vec![Item::Zeros { bytes: count * 8192 }]));
        let file = OpenFile { content, ..sparse(&holes) };
        let started = std::time::Instant::now();
        let (mut offset, mut found) = (0, 0);
        while let Some(data) = file.seek(Seek::Data, offset) {
            offset = file.seek(Seek::Hole, data).unwrap();
            found += 1;
        }
        assert_eq!(found, count);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
