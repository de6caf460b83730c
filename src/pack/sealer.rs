//! Sealing frames and the end of a pack.

use super::{
    FOOTER_MAGIC, FOOTER_PART, FRAME_HEAD, FRAME_MAGIC, FRAME_PREFIX_BYTES, KeyField, PackHeader, PackOpener,
    TRAILER_BYTES, Trailer, encode_head, footer_binding, frame_binding, padded_bytes,
};
use crate::id::{RepositoryId, SessionId};
use crate::layout::{Class, FRAME_COUNT_MAX, FrameTable, SEALED_BYTES_MAX};
use crate::seal::{HASH_BYTES, OVERHEAD_BYTES, ObjectKey, RootPublic, RootSecret, SealError, encapsulate, random};

/// Whose pack it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackIdentity {
    /// What its frames will hold.
    pub class: Class,
    /// The epoch of the roots given with it.
    pub key_epoch: u32,
    /// The repository.
    pub repository: RepositoryId,
    /// The session that will publish it.
    pub session: SessionId,
}

/// What a writer holds of the class's root.
#[derive(Debug, Clone, Copy)]
pub enum WriteKey<'a> {
    /// The secret: the writer may read as well.
    Symmetric(&'a RootSecret),
    /// The public half: the writer can't read what others wrote, nor its own packs of earlier runs.
    Public(&'a RootPublic),
}

/// Everything needed to seal into one pack. Shared by all threads that fill it; the caller numbers the frames.
#[derive(Debug, Clone)]
pub struct PackSealer {
    header: PackHeader,
    key: ObjectKey,
    footer_key: ObjectKey,
}

/// How long a pack would be if it were closed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Header, frames, footer and trailer.
    pub unpadded_bytes: u64,
    /// The same, with padding: the length of the object.
    pub padded_bytes: u64,
}

/// When a pack is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// In any case.
    Always,
    /// Where it takes less than 0.2 % of the pack.
    WhereCheap,
}

impl Closing {
    /// Whether padding would cost less than 0.2 % (1/512).
    pub const fn is_tight(&self) -> bool {
        self.padded_bytes.saturating_sub(self.unpadded_bytes) < self.unpadded_bytes >> 9
    }
}

impl PackSealer {
    /// Begins a pack with a fresh salt.
    ///
    /// # Errors
    /// [`SealError::Encapsulation`] when the public key is not usable.
    pub fn create(identity: &PackIdentity, key: WriteKey<'_>, index: &RootSecret) -> Result<Self, SealError> {
        Self::with_salt(identity, key, index, random())
    }

    /// [`Self::create`] with a given salt, for vectors. Two packs with one salt would share a name's worth of keys.
    pub(super) fn with_salt(
        identity: &PackIdentity,
        key: WriteKey<'_>,
        index: &RootSecret,
        salt: [u8; 32],
    ) -> Result<Self, SealError> {
        let (key_field, key) = match key {
            WriteKey::Symmetric(root) => (KeyField::Symmetric, root.object_key(&salt)),
            WriteKey::Public(root) => {
                let (field, key) = encapsulate(root, &salt)?;
                (KeyField::Encapsulated(field), key)
            }
        };
        let header = PackHeader {
            class: identity.class,
            key_epoch: identity.key_epoch,
            repository: identity.repository,
            session: identity.session,
            salt,
            commitment: key.commitment(),
            key_field,
        };
        assert_eq!(PackHeader::parse(None, &header.encode()).as_ref(), Ok(&header), "a header reads back");
        Ok(Self { footer_key: index.part_object_key(FOOTER_PART, &salt), header, key })
    }

    /// The header's fields.
    pub const fn header(&self) -> &PackHeader {
        &self.header
    }

    /// The header as it is stored: the first bytes of the pack.
    pub fn header_bytes(&self) -> Vec<u8> {
        self.header.encode()
    }

    /// An empty table whose frames start behind this header.
    ///
    /// # Panics
    /// Never: a header has one of the two lengths that a table takes.
    pub fn table(&self) -> FrameTable {
        FrameTable::new(self.header.bytes()).expect("a header is 128 or 160 bytes long")
    }

    /// The sealed length of a frame with this much plaintext, for the frame table.
    ///
    /// # Panics
    /// When the plaintext is above what a frame may hold, which is a defect in the caller.
    pub fn sealed_bytes(plaintext_bytes: usize) -> u32 {
        let sealed = plaintext_bytes.saturating_add(OVERHEAD_BYTES);
        let sealed = u32::try_from(sealed).ok().filter(|sealed| *sealed <= SEALED_BYTES_MAX);
        sealed.expect("the frame room keeps frames below their cap")
    }

    /// Seals a frame in place. `buffer` holds [`FRAME_PREFIX_BYTES`] free bytes and then the plaintext; afterwards it
    /// is the whole stored frame. With 16 bytes of spare capacity nothing is moved.
    ///
    /// # Panics
    /// When the prefix is missing, the plaintext too long or the number above the cap: defects in the caller.
    pub fn seal_frame(&self, number: u32, buffer: &mut Vec<u8>) {
        assert!(number < FRAME_COUNT_MAX, "frame numbers come from a frame table");
        let plaintext = buffer.len().checked_sub(FRAME_PREFIX_BYTES).expect("the caller leaves room for the prefix");
        let head = encode_head(FRAME_MAGIC, number, Self::sealed_bytes(plaintext));
        buffer.get_mut(..FRAME_HEAD).expect("checked above").copy_from_slice(&head);
        self.key.seal_in_place(&frame_binding(&self.header, number), buffer, FRAME_PREFIX_BYTES);
    }

    /// Seals everything behind the last frame: footer, padding and trailer. The pack is complete with these bytes.
    /// Without padding where `padding` spares what is not tight.
    ///
    /// The footer is opened and compared again before it is returned.
    ///
    /// # Panics
    /// When the table is empty or not of this pack: defects in the caller.
    pub fn seal_end(&self, table: &FrameTable, padding: Padding) -> Vec<u8> {
        let end = self.closing(table);
        let is_padded = padding == Padding::Always || end.is_tight();
        let mut out = self.seal_footer(table);
        let footer_bytes = u32::try_from(out.len()).expect("a table is below 4 MiB");
        let trailer = Trailer { footer_offset: table.end_offset(), footer_bytes, frame_count: table.frame_count() };
        let reread = self.opener().open_footer(&trailer, &mut out.clone());
        assert_eq!(reread.as_ref(), Ok(table), "a footer reads back");
        if is_padded {
            let padding = usize::try_from(end.padded_bytes.saturating_sub(end.unpadded_bytes)).expect("below a pack");
            out.resize(out.len().saturating_add(padding), 0);
        }
        out.extend_from_slice(&trailer.encode());
        out
    }

    /// How long the pack would be if it ended with the frames of `table`.
    pub fn closing(&self, table: &FrameTable) -> Closing {
        let footer = FRAME_HEAD
            .saturating_add(OVERHEAD_BYTES)
            .saturating_add(HASH_BYTES)
            .saturating_add(table.written_bytes())
            .saturating_add(TRAILER_BYTES);
        let unpadded_bytes = u64::from(table.end_offset()).saturating_add(footer.try_into().unwrap_or(u64::MAX));
        Closing { unpadded_bytes, padded_bytes: padded_bytes(unpadded_bytes) }
    }

    /// An opener for what was sealed, so that a writer can verify frames before the pack is published.
    pub fn opener(&self) -> PackOpener {
        PackOpener::for_writer(self.header.clone(), self.key.clone(), self.footer_key.clone())
    }

    fn seal_footer(&self, table: &FrameTable) -> Vec<u8> {
        assert_eq!(table.header_bytes(), self.header.bytes(), "the table was made for this header");
        let mut out = vec![0; FRAME_PREFIX_BYTES];
        out.extend_from_slice(blake3::hash(&self.header.encode()).as_bytes());
        table.write(&mut out);
        let plaintext = out.len().saturating_sub(FRAME_PREFIX_BYTES);
        let head = encode_head(FOOTER_MAGIC, table.frame_count(), Self::sealed_bytes(plaintext));
        out.get_mut(..FRAME_HEAD).expect("the prefix is there").copy_from_slice(&head);
        self.footer_key.seal_in_place(&footer_binding(&self.header, table.frame_count()), &mut out, FRAME_PREFIX_BYTES);
        out
    }
}
