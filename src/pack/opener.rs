//! Opening frames and footers.

use super::{
    FOOTER_MAGIC, FOOTER_PART, FRAME_HEAD, FRAME_MAGIC, Fault, KeyField, PackError, PackHeader, Trailer,
    footer_binding, frame_binding, parse_head,
};
use crate::id::{PackId, RepositoryId};
use crate::layout::{Class, FramePlace, FrameTable};
use crate::seal::{Binding, ObjectKey, RootSecret, SealError};
use crate::wire::Reader;

/// The secrets that a reader holds.
pub trait PackKeys {
    /// The repository to which they belong.
    fn repository(&self) -> RepositoryId;

    /// The root of a class in an epoch; none when the role does not hold it or the epoch is unknown.
    fn class_root(&self, class: Class, epoch: u32) -> Option<&RootSecret>;

    /// The index root of an epoch; none when the epoch is unknown.
    fn index_root(&self, epoch: u32) -> Option<&RootSecret>;
}

/// Everything needed to open the parts of one pack. Shared by all threads that read it.
#[derive(Debug, Clone)]
pub struct PackOpener {
    pack: Option<PackId>,
    header: PackHeader,
    header_hash: blake3::Hash,
    /// None for a role that may write the class but not read it.
    key: Option<ObjectKey>,
    footer_key: ObjectKey,
}

impl PackOpener {
    /// Makes an opener from the first bytes of a pack (at least its header; at most 160 are looked at).
    ///
    /// A role without the class's root gets an opener that opens footers and refuses frames.
    ///
    /// # Errors
    /// [`PackError`] when the header is malformed, belongs to another repository, or its key is not at hand or does
    /// not match its commitment.
    pub fn open(pack: PackId, header_bytes: &[u8], keys: &dyn PackKeys) -> Result<Self, PackError> {
        let pack = Some(pack);
        let header = PackHeader::parse(pack, header_bytes)?;
        if header.repository != keys.repository() {
            return Err(PackError { pack, offset: 24, fault: Fault::Repository(header.repository) });
        }
        let epoch = Fault::Epoch(header.key_epoch);
        let index = keys.index_root(header.key_epoch).ok_or(PackError { pack, offset: 16, fault: epoch })?;
        let key = match keys.class_root(header.class, header.key_epoch) {
            Some(root) => Some(class_key(root, &header).map_err(|source| PackError {
                pack,
                offset: 96,
                fault: Fault::Key(source),
            })?),
            None => None,
        };
        let footer_key = index.part_object_key(FOOTER_PART, &header.salt);
        Ok(Self { pack, header_hash: blake3::hash(&header.encode()), header, key, footer_key })
    }

    pub(super) fn for_writer(header: PackHeader, key: ObjectKey, footer_key: ObjectKey) -> Self {
        Self { pack: None, header_hash: blake3::hash(&header.encode()), header, key: Some(key), footer_key }
    }

    /// The header's fields.
    pub const fn header(&self) -> &PackHeader {
        &self.header
    }

    /// The pack, unless it is still being written.
    pub const fn pack(&self) -> Option<PackId> {
        self.pack
    }

    /// Whether the keys at hand open frames; footers always open.
    pub const fn opens_frames(&self) -> bool {
        self.key.is_some()
    }

    /// Opens a stored frame in place. `buffer` is exactly the frame as it lies at `place`; the plaintext returned
    /// lies inside it. The buffer's content is unspecified after an error.
    ///
    /// # Errors
    /// [`PackError`] when the head is not that of this frame, the seal does not open, or the class's key is withheld.
    pub fn open_frame<'b>(&self, place: FramePlace, buffer: &'b mut [u8]) -> Result<&'b mut [u8], PackError> {
        let refuse = |fault| PackError { pack: self.pack, offset: place.offset.into(), fault };
        let key = self.key.as_ref().ok_or_else(|| refuse(Fault::Withheld(self.header.class)))?;
        let frame = Part { name: "the frame", magic: FRAME_MAGIC, stored_bytes: place.stored_bytes };
        let (number, sealed) = split_part(&frame, buffer).map_err(refuse)?;
        if number != place.number {
            return Err(refuse(Fault::FrameNumber { expected: place.number, found: number }));
        }
        key.open_in_place(&frame_binding(&self.header, number), sealed)
            .map_err(|source| refuse(Fault::Frame { frame: number, source }))
    }

    /// Opens the footer in place and returns the frame table. `buffer` is exactly the footer as the trailer gives it.
    ///
    /// # Errors
    /// [`PackError`] when the footer does not open, was made for another header, contradicts the trailer, or its
    /// frames don't fill the pack exactly from the header to the footer.
    pub fn open_footer(&self, trailer: &Trailer, buffer: &mut [u8]) -> Result<FrameTable, PackError> {
        let refuse = |fault| PackError { pack: self.pack, offset: trailer.footer_offset.into(), fault };
        let footer = Part { name: "the footer", magic: FOOTER_MAGIC, stored_bytes: trailer.footer_bytes };
        let (count, sealed) = split_part(&footer, buffer).map_err(refuse)?;
        if count != trailer.frame_count {
            return Err(refuse(Fault::FrameCount { expected: trailer.frame_count, found: count }));
        }
        let binding = footer_binding(&self.header, count);
        let table = self.read_table(&binding, sealed).map_err(refuse)?;
        if table.frame_count() != count {
            return Err(refuse(Fault::FrameCount { expected: count, found: table.frame_count() }));
        }
        if table.end_offset() != trailer.footer_offset {
            return Err(refuse(Fault::FramesEnd { end: table.end_offset() }));
        }
        Ok(table)
    }

    fn read_table(&self, binding: &Binding, sealed: &mut [u8]) -> Result<FrameTable, Fault> {
        let plaintext = self.footer_key.open_in_place(binding, sealed).map_err(Fault::Footer)?;
        let mut input = Reader::new(plaintext);
        let header_hash = input.array().map_err(|error| Fault::Table(error.into()))?;
        if blake3::Hash::from_bytes(header_hash) != self.header_hash {
            return Err(Fault::FooterHeader);
        }
        let table = FrameTable::read(&mut input, self.header.bytes()).map_err(Fault::Table)?;
        input.finish().map_err(|error| Fault::Table(error.into()))?;
        Ok(table)
    }
}

struct Part {
    name: &'static str,
    magic: [u8; 4],
    stored_bytes: u32,
}

/// Checks the head in front of sealed bytes and gives its number and the sealed bytes.
fn split_part<'b>(part: &Part, buffer: &'b mut [u8]) -> Result<(u32, &'b mut [u8]), Fault> {
    let bytes = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
    let short = Fault::Short { part: part.name, bytes };
    if bytes < part.stored_bytes.into() {
        return Err(short);
    }
    let (head, sealed) = buffer.split_first_chunk_mut::<FRAME_HEAD>().ok_or(short)?;
    let (number, claimed) = parse_head(head, part.magic).ok_or(Fault::Magic(part.name))?;
    let expected = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
    if u64::from(claimed) != expected {
        return Err(Fault::SealedBytes { part: part.name, expected, found: claimed.into() });
    }
    Ok((number, sealed))
}

/// The key of the frames, from the class's root by way of the header's key field.
fn class_key(root: &RootSecret, header: &PackHeader) -> Result<ObjectKey, SealError> {
    let key = match &header.key_field {
        KeyField::Symmetric => root.object_key(&header.salt),
        KeyField::Encapsulated(field) => root.decapsulate(field, &header.salt)?,
    };
    key.check(&header.commitment)?;
    Ok(key)
}
