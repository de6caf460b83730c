//! The trailer: the last 24 bytes, which say where the footer is.

use super::{FOOTER_BYTES_MAX, FRAME_HEAD, Fault, PackError, TRAILER_BYTES, TRAILER_MAGIC};
use crate::id::PackId;
use crate::layout::{FRAME_COUNT_MAX, HEADER_BYTES_MIN, PACK_BYTES_MAX};
use crate::seal::OVERHEAD_BYTES;
use crate::wire::{Reader, WireError, Write};

/// Where the footer lies. It is not sealed: the footer's own seal and table decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Offset of the footer's head; frames end here.
    pub footer_offset: u32,
    /// Length of the footer, head included.
    pub footer_bytes: u32,
    /// How many frames the pack has.
    pub frame_count: u32,
}

impl Trailer {
    /// The trailer as it is stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(TRAILER_BYTES);
        out.put_u64(self.footer_offset.into());
        out.put_u32(self.footer_bytes);
        out.put_u32(self.frame_count);
        out.put(&TRAILER_MAGIC);
        out
    }

    /// Reads the last 24 bytes of a pack that is `pack_bytes` long.
    ///
    /// # Errors
    /// [`PackError`] when it is not a trailer, or the footer would not lie between header and trailer.
    pub fn parse(pack: Option<PackId>, bytes: &[u8; TRAILER_BYTES], pack_bytes: u64) -> Result<Self, PackError> {
        let start = trailer_offset(pack_bytes);
        let refuse = |field: u64, fault| PackError { pack, offset: start.saturating_add(field), fault };
        if pack_bytes > PACK_BYTES_MAX {
            return Err(PackError { pack, offset: PACK_BYTES_MAX, fault: Fault::Long { bytes: pack_bytes } });
        }
        let (offset, footer_bytes, frame_count, magic) = split(bytes).expect("24 bytes hold all fields");
        if magic != TRAILER_MAGIC {
            return Err(refuse(16, Fault::Magic("a trailer")));
        }
        let misplaced = refuse(0, Fault::FooterPlace { offset, bytes: footer_bytes });
        let smallest = FRAME_HEAD.saturating_add(OVERHEAD_BYTES);
        let Ok(footer_offset) = u32::try_from(offset) else { return Err(misplaced) };
        let fits = footer_offset >= HEADER_BYTES_MIN
            && footer_bytes <= FOOTER_BYTES_MAX
            && u64::from(footer_bytes) >= smallest.try_into().unwrap_or(u64::MAX)
            && offset.checked_add(footer_bytes.into()).is_some_and(|end| end <= start);
        if !fits {
            return Err(misplaced);
        }
        if frame_count == 0 || frame_count > FRAME_COUNT_MAX {
            return Err(refuse(12, Fault::TrailerFrames(frame_count)));
        }
        Ok(Self { footer_offset, footer_bytes, frame_count })
    }
}

/// Where the trailer of a pack of this length starts.
pub(super) fn trailer_offset(pack_bytes: u64) -> u64 {
    pack_bytes.saturating_sub(TRAILER_BYTES.try_into().unwrap_or(u64::MAX))
}

fn split(bytes: &[u8; TRAILER_BYTES]) -> Result<(u64, u32, u32, [u8; 8]), WireError> {
    let mut input = Reader::new(bytes);
    Ok((input.u64()?, input.u32()?, input.u32()?, input.array()?))
}
