use super::*;

fn buffer(chunks: &[&[u8]]) -> FrameBuffer {
    let mut buffer = FrameBuffer::new();
    chunks.iter().for_each(|chunk| buffer.push(chunk));
    buffer
}

#[test]
fn a_frame_decodes_to_its_chunks() {
    let (mut encoder, mut decoder) = (FrameEncoder::new(), FrameDecoder::new());
    let buffer = buffer(&[b"one", &[7; 5000], b"three"]);
    for (compression, encoding) in [(Compression::AUTO, Encoding::Zstd), (Compression::Off, Encoding::Raw)] {
        let mut out = b"before".to_vec();
        assert_eq!(encoder.encode(&buffer, compression, &mut out), encoding);
        let frame = decoder.decode(&out[6..]).unwrap();
        assert!(buffer.equals(&frame));
        assert_eq!(frame.chunks().collect::<Vec<_>>(), [&b"one"[..], &[7; 5000], b"three"]);
    }
}
