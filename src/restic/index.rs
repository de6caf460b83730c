//! Where each blob lies. In memory: 48 bytes a blob and 32 a pack; while it is being built, for a moment twice as much.
//! restic's pieces of files are 1 MiB on average, so a repository of 1 TiB in large files takes some 50 MB; each file
//! that is shorter is a blob of its own.

use super::blob::{BlobKind, Lengths};
use super::error::Fault;
use super::id::{BlobId, FileId};
use super::pack_header::PackedBlob;
use serde::Deserialize;
use std::collections::HashMap;

/// Marks the pack number of a tree.
const TREE: u32 = 1 << 31;

/// An index file.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    packs: Vec<PackDocument>,
}

#[derive(Deserialize)]
struct PackDocument {
    id: FileId,
    #[serde(default)]
    blobs: Vec<BlobDocument>,
}

#[derive(Deserialize)]
struct BlobDocument {
    id: BlobId,
    #[serde(rename = "type")]
    kind: BlobKind,
    offset: u64,
    length: u64,
    #[serde(default)]
    uncompressed_length: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    id: BlobId,
    /// Number of the pack, and whether it is a tree.
    pack: u32,
    offset: u32,
    sealed: u32,
    raw: u32,
}

const _: () = assert!(size_of::<Row>() == 48, "what a blob costs is documented");

/// Where a copy of a blob lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// In which pack.
    pub pack: FileId,
    /// Where it starts there, in bytes.
    pub offset: u32,
    /// How long it is.
    pub lengths: Lengths,
}

/// Where every blob lies.
#[derive(Default)]
pub struct Index {
    /// Sorted once everything is in.
    rows: Vec<Row>,
    packs: Vec<FileId>,
    numbers: HashMap<FileId, u32>,
}

impl Index {
    /// Adds what an index file says; all of it or, when something is wrong with it, nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add_document(&mut self, json: &[u8]) -> Result<(), Fault> {
        let document: Document = serde_json::from_slice(json).map_err(|error| Fault::Meaning(error.to_string()))?;
        let mut packs = Vec::with_capacity(document.packs.len());
        for pack in document.packs {
            packs.push((pack.id, pack.blobs.iter().map(BlobDocument::parse).collect::<Result<Vec<_>, _>>()?));
        }
        packs.iter().try_for_each(|(pack, blobs)| self.add_pack(*pack, blobs))
    }

    /// Adds what a pack holds.
    ///
    /// # Errors
    /// [`Fault::TooLong`] for more packs than can be numbered.
    pub fn add_pack(&mut self, pack: FileId, blobs: &[PackedBlob]) -> Result<(), Fault> {
        let next = u32::try_from(self.packs.len()).ok().filter(|number| number & TREE == 0);
        let next = next.ok_or(Fault::TooLong { max: TREE.into() })?;
        let number = *self.numbers.entry(pack).or_insert(next);
        if number == next {
            self.packs.push(pack);
        }
        self.rows.extend(blobs.iter().map(|blob| Row {
            id: blob.id,
            pack: number | if blob.kind == BlobKind::Tree { TREE } else { 0 },
            offset: blob.offset,
            sealed: blob.lengths.sealed(),
            raw: blob.lengths.raw(),
        }));
        Ok(())
    }

    /// Whether a pack was added.
    pub fn knows(&self, pack: FileId) -> bool {
        self.numbers.contains_key(&pack)
    }

    /// Ends the building: what was added can be found from here on.
    pub fn finish(&mut self) {
        self.rows.sort_unstable();
        self.rows.dedup();
        self.rows.shrink_to_fit();
        self.numbers = HashMap::new();
    }

    /// Where a blob lies; several places if there are several copies, none if there is none.
    pub fn places(&self, kind: BlobKind, id: BlobId) -> impl Iterator<Item = Place> + '_ {
        let first = self.rows.partition_point(|row| row.id < id);
        let rows = self.rows.get(first..).unwrap_or_default().iter().take_while(move |row| row.id == id);
        let of_kind = rows.filter(move |row| (row.pack & TREE != 0) == (kind == BlobKind::Tree));
        of_kind.filter_map(|row| {
            let pack = *self.packs.get(usize::try_from(row.pack & !TREE).ok()?)?;
            Some(Place { pack, offset: row.offset, lengths: Lengths::of(row.sealed, row.raw) })
        })
    }
}

impl BlobDocument {
    fn parse(&self) -> Result<PackedBlob, Fault> {
        PackedBlob::parse(self.kind, self.id, self.offset, (self.length, self.uncompressed_length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> BlobId {
        BlobId::from_bytes([byte; 32])
    }

    fn document(pack: u8, blobs: &[(u8, &str, u64, u64)]) -> String {
        let blobs = blobs.iter().map(|(blob, kind, offset, length)| {
            format!(r#"{{"id":"{}","type":"{kind}","offset":{offset},"length":{length}}}"#, id(*blob))
        });
        let blobs = blobs.collect::<Vec<_>>().join(",");
        format!(r#"{{"packs":[{{"id":"{}","blobs":[{blobs}]}}]}}"#, id(pack))
    }

    #[test]
    fn every_copy_of_a_blob_is_found_once_and_by_its_kind() {
        let mut index = Index::default();
        index.add_document(document(1, &[(9, "data", 0, 40), (8, "tree", 40, 50)]).as_bytes()).unwrap();
        index.add_document(document(2, &[(9, "data", 7, 40)]).as_bytes()).unwrap();
        index.add_document(document(1, &[(9, "data", 0, 40)]).as_bytes()).unwrap();
        assert!(index.knows(FileId::from_bytes([2; 32])) && !index.knows(FileId::from_bytes([3; 32])));
        index.finish();
        let found = |kind, blob| -> Vec<(u8, u32)> {
            index.places(kind, id(blob)).map(|place| (place.pack.as_bytes()[0], place.offset)).collect()
        };
        assert_eq!(found(BlobKind::Data, 9), [(1, 0), (2, 7)]);
        assert_eq!(found(BlobKind::Tree, 9), []);
        assert_eq!(found(BlobKind::Tree, 8), [(1, 40)]);
        assert_eq!(found(BlobKind::Data, 7), []);
    }

    #[test]
    fn nothing_is_taken_of_an_index_file_that_is_wrong_somewhere() {
        let mut index = Index::default();
        let good = (9, "data", 0, 40);
        for bad in [(8, "data", 0, 10), (8, "data", u64::MAX, 40), (8, "data", 0, u64::MAX), (8, "other", 0, 40)] {
            assert!(index.add_document(document(1, &[good, bad]).as_bytes()).is_err(), "{bad:?}");
        }
        assert!(index.add_document(b"{\"packs\":[").is_err());
        index.finish();
        assert_eq!(index.places(BlobKind::Data, id(9)).count(), 0);
    }
}
