//! Reading a pack from wherever its bytes are.

use super::trailer::trailer_offset;
use super::{Fault, PackError, PackHeader, PackKeys, PackOpener, TRAILER_BYTES, Trailer};
use crate::id::PackId;
use crate::layout::{FRAME_HEAD_BYTES, FramePlace, FrameTable, HEADER_BYTES_MAX, PACK_BYTES_MAX, SEALED_BYTES_MAX};
use std::io;

/// The bytes of one pack, read by range. Stores and byte slices are such sources.
pub trait PackSource {
    /// What can go wrong while reading.
    type Error;

    /// The length of the pack.
    fn bytes(&self) -> u64;

    /// Fills `buffer` from `offset`; called only for ranges within [`Self::bytes`].
    ///
    /// # Errors
    /// Whatever the source meets.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;
}

impl PackSource for [u8] {
    type Error = io::Error;

    fn bytes(&self) -> u64 {
        self.len().try_into().unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), io::Error> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = start..start.saturating_add(buffer.len());
        let bytes = self.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// Why a pack could not be read: the source failed, or the bytes are refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E> {
    /// The source failed.
    #[error(transparent)]
    Source(E),
    /// The bytes are refused.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// Reads a pack's header.
///
/// # Errors
/// [`ReadError`] when the source fails or there is no header.
pub fn read_header<S: PackSource + ?Sized>(pack: PackId, source: &S) -> Result<PackHeader, ReadError<S::Error>> {
    Ok(PackHeader::parse(Some(pack), &first_bytes(pack, source)?)?)
}

/// Reads a pack's header and makes an opener from it.
///
/// # Errors
/// [`ReadError`] as [`PackOpener::open`], or when the source fails.
pub fn read_opener<S: PackSource + ?Sized>(
    pack: PackId,
    source: &S,
    keys: &dyn PackKeys,
) -> Result<PackOpener, ReadError<S::Error>> {
    Ok(PackOpener::open(pack, &first_bytes(pack, source)?, keys)?)
}

/// Reads a stored frame into `buffer` and opens it there; the plaintext is returned.
///
/// # Errors
/// [`ReadError`] as [`PackOpener::open_frame`], when the frame is not within the pack, or when the source fails.
pub fn read_frame<'b, S: PackSource + ?Sized>(
    opener: &PackOpener,
    source: &S,
    place: FramePlace,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b mut [u8], ReadError<S::Error>> {
    let end = u64::from(place.offset).saturating_add(place.stored_bytes.into());
    if end > source.bytes() {
        let bytes = source.bytes().saturating_sub(place.offset.into());
        let fault = Fault::Short { part: "the frame", bytes };
        return Err(PackError { pack: opener.pack(), offset: place.offset.into(), fault }.into());
    }
    if place.stored_bytes > SEALED_BYTES_MAX.saturating_add(FRAME_HEAD_BYTES) {
        let found = u64::from(place.stored_bytes).saturating_sub(FRAME_HEAD_BYTES.into());
        let fault = Fault::SealedBytes { part: "the frame", expected: SEALED_BYTES_MAX.into(), found };
        return Err(PackError { pack: opener.pack(), offset: place.offset.into(), fault }.into());
    }
    buffer.resize(usize::try_from(place.stored_bytes).unwrap_or(usize::MAX), 0);
    source.read_at(place.offset.into(), buffer).map_err(ReadError::Source)?;
    Ok(opener.open_frame(place, buffer)?)
}

impl PackOpener {
    /// Reads trailer and footer from the end of the pack.
    ///
    /// # Errors
    /// [`ReadError`] as [`Trailer::parse`] and [`Self::open_footer`], or when the source fails.
    pub fn read_footer<S: PackSource + ?Sized>(&self, source: &S) -> Result<FrameTable, ReadError<S::Error>> {
        let pack_bytes = source.bytes();
        let start = trailer_offset(pack_bytes);
        let mut bytes = [0; TRAILER_BYTES];
        if pack_bytes < u64::from(self.header().bytes()).saturating_add(24) {
            let fault = Fault::Short { part: "the pack", bytes: pack_bytes };
            return Err(PackError { pack: self.pack(), offset: 0, fault }.into());
        }
        source.read_at(start, &mut bytes).map_err(ReadError::Source)?;
        let trailer = Trailer::parse(self.pack(), &bytes, pack_bytes)?;
        let mut footer = vec![0; usize::try_from(trailer.footer_bytes).unwrap_or(usize::MAX)];
        source.read_at(trailer.footer_offset.into(), &mut footer).map_err(ReadError::Source)?;
        Ok(self.open_footer(&trailer, &mut footer)?)
    }
}

fn first_bytes<S: PackSource + ?Sized>(pack: PackId, source: &S) -> Result<Vec<u8>, ReadError<S::Error>> {
    let bytes = source.bytes();
    if bytes > PACK_BYTES_MAX {
        let fault = Fault::Long { bytes };
        return Err(PackError { pack: Some(pack), offset: PACK_BYTES_MAX, fault }.into());
    }
    let length = bytes.min(HEADER_BYTES_MAX.into());
    let mut header = vec![0; usize::try_from(length).unwrap_or(0)];
    source.read_at(0, &mut header).map_err(ReadError::Source)?;
    Ok(header)
}
