//! Frames: no bytes harm the decoder, and what was encoded decodes.

use crate::frame::{Compression, Encoding, FrameBuffer, FrameDecoder, FrameEncoder};

/// Decodes the input as the plaintext of a frame; what decodes must survive being encoded again.
pub fn fuzz_frame(data: &[u8]) {
    let mut decoder = FrameDecoder::new();
    let Ok(frame) = decoder.decode(data) else { return };
    let mut buffer = FrameBuffer::new();
    frame.chunks().for_each(|chunk| buffer.push(chunk));
    assert!(buffer.equals(&frame), "the chunks are the frame");
    let mut out = Vec::new();
    assert_eq!(FrameEncoder::new().encode(&buffer, Compression::Off, &mut out), Encoding::Raw);
    let raw = decoder.decode(&out).expect("a raw frame decodes");
    assert!(buffer.equals(&raw), "a raw frame holds its chunks");
}

/// Takes the input as chunks and encodes them; the frame must decode to them, whatever the encoder did before.
pub fn fuzz_frame_encode(data: &[u8]) {
    let Some((&[step], content)) = data.split_first_chunk::<1>() else { return };
    let mut buffer = FrameBuffer::new();
    for chunk in content.chunks(usize::from(step).saturating_mul(16).max(1)) {
        if buffer.fits(chunk.len()) {
            buffer.push(chunk);
        }
    }
    if buffer.is_empty() {
        return;
    }
    let (mut encoder, mut decoder) = (FrameEncoder::new(), FrameDecoder::new());
    for compression in [Compression::AUTO, Compression::Off, Compression::AUTO] {
        let mut out = vec![0xaa; 3];
        encoder.encode(&buffer, compression, &mut out);
        let plaintext = out.get(3..).unwrap_or_default();
        assert!(buffer.equals(&decoder.decode(plaintext).expect("an encoded frame decodes")));
    }
}
