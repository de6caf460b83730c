//! Sealed JSON documents, index files and snapshots, and in what their parts are wrapped.

use super::error::Fault;
use base64ct::{Base64, Encoding as _};
use std::io::Read as _;

/// Longest document that is read, before and after decompression. restic begins another index file after 50 000 blobs.
pub(super) const DOCUMENT_BYTES_MAX: u64 = 256 << 20;

/// Version 2 marks a compressed document with this byte; one that is not begins with a brace or a bracket.
const COMPRESSED: u8 = 2;

/// The JSON of an opened document.
///
/// # Errors
/// [`Fault::Compression`], [`Fault::TooLong`], or [`Fault::Meaning`] for a mark that is not known.
pub fn unpack(plain: Vec<u8>) -> Result<Vec<u8>, Fault> {
    match plain.split_first() {
        Some((b'{' | b'[', _)) => Ok(plain),
        Some((&COMPRESSED, compressed)) => {
            let json = decompress(compressed, DOCUMENT_BYTES_MAX.saturating_add(1))?;
            let too_long = u64::try_from(json.len()).is_ok_and(|bytes| bytes > DOCUMENT_BYTES_MAX);
            if too_long { Err(Fault::TooLong { max: DOCUMENT_BYTES_MAX }) } else { Ok(json) }
        }
        Some((mark, _)) => Err(Fault::Meaning(format!("its form {mark} is not known"))),
        None => Err(Fault::Short),
    }
}

/// Decompresses the first `bytes_max` bytes at most. What is allocated grows with what really comes out.
pub(super) fn decompress(compressed: &[u8], bytes_max: u64) -> Result<Vec<u8>, Fault> {
    let decoder = zstd::stream::read::Decoder::with_buffer(compressed).map_err(|_| Fault::Compression)?;
    let mut bytes = Vec::new();
    decoder.take(bytes_max).read_to_end(&mut bytes).map_err(|_| Fault::Compression)?;
    Ok(bytes)
}

/// The bytes of a base64 text in a document.
pub(super) fn base64(text: &str) -> Result<Vec<u8>, Fault> {
    Base64::decode_vec(text).map_err(|_| Fault::Meaning("base64 that can't be decoded".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_of_both_versions_are_unpacked_and_others_refused() {
        assert_eq!(unpack(b"{}".to_vec()).unwrap(), b"{}");
        assert_eq!(unpack(b"[]".to_vec()).unwrap(), b"[]");
        let compressed = [&[2][..], &zstd::bulk::compress(b"{\"packs\":[]}", 3).unwrap()].concat();
        assert_eq!(unpack(compressed.clone()).unwrap(), b"{\"packs\":[]}");
        assert_eq!(unpack(compressed[..compressed.len() - 1].to_vec()), Err(Fault::Compression));
        assert_eq!(unpack(Vec::new()), Err(Fault::Short));
        assert!(matches!(unpack(vec![3, 4]), Err(Fault::Meaning(_))));
    }

    #[test]
    fn a_bomb_is_decompressed_no_further_than_is_taken() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        assert!(bomb.len() < 10_000);
        let bytes = decompress(&bomb, 1000).unwrap();
        assert_eq!(bytes.len(), 1000);
        assert!(bytes.capacity() < 1 << 20);
    }
}
