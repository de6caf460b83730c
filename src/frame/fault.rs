//! A defective encoder on purpose. It lets the very program that people run show that it notices.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Spoils one encoded frame in so many, as failing memory might. Clones count together.
#[derive(Debug, Clone)]
pub struct EncoderFault {
    every: NonZeroU64,
    encoded: Arc<AtomicU64>,
}

impl EncoderFault {
    /// Spoils every `every`th frame.
    pub fn one_in(every: NonZeroU64) -> Self {
        Self { every, encoded: Arc::default() }
    }

    /// Takes note of a frame that was just encoded and, when it is its turn, changes a byte in its middle.
    pub fn pass(&self, plaintext: &mut [u8]) {
        let nth = self.encoded.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if nth.is_multiple_of(self.every.get())
            && let Some(byte) = plaintext.get_mut(plaintext.len() / 2)
        {
            *byte = !*byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Compression, FrameBuffer, FrameDecoder, FrameEncoder};

    #[test]
    fn every_third_frame_no_longer_decodes_to_what_went_in() {
        let fault = EncoderFault::one_in(NonZeroU64::new(3).expect("not zero"));
        let mut chunks = FrameBuffer::new();
        chunks.push(&b"the quick brown fox and the lazy dog ".repeat(400));
        for compression in [Compression::AUTO, Compression::Off] {
            let spoilt: Vec<bool> = (0..6)
                .map(|_| {
                    let mut plaintext = Vec::new();
                    FrameEncoder::new().encode(&chunks, compression, &mut plaintext);
                    fault.pass(&mut plaintext);
                    let mut decoder = FrameDecoder::new();
                    !decoder.decode(&plaintext).is_ok_and(|frame| chunks.equals(&frame))
                })
                .collect();
            assert_eq!(spoilt, [false, false, true, false, false, true], "{compression:?}");
        }
    }
}
