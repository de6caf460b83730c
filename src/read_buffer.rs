//! Memory that files and objects are read into.

use std::ops::{Deref, DerefMut};

/// On what it begins: anything but the first bytes behind a multiple of 64 will do.
const ALIGNMENT: usize = 64;

/// Bytes to read into, all zeros at first. It begins at a multiple of 64.
///
/// Where the target of a copy lies 1 to 31 bytes behind its source, modulo 4096, `rep movsb`, by which the kernel copies out
/// of the page cache, takes five times as long on some processors (AMD EPYC under Linux 6.18: 2 GB/s instead of 10). The
/// allocator of glibc begins everything large 16 bytes behind a page, and nearly every reading begins at a multiple of one:
/// with plain vectors every piece would be hit.
#[derive(Debug, Default)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl ReadBuffer {
    /// So many bytes.
    pub fn new(length: usize) -> Self {
        // Zeroed by the allocator, which need not touch fresh pages for it; a vector that is then aligned would.
        let bytes = vec![0; length.saturating_add(ALIGNMENT)];
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        let mut buffer = Self { bytes, start: start.min(ALIGNMENT) };
        buffer.bytes.truncate(buffer.start.saturating_add(length));
        buffer
    }

    /// Makes it at least so long. What it holds stays.
    pub fn grow(&mut self, length: usize) {
        if self.len() < length {
            // Twice as long, so that growing by and by copies each byte but a few times.
            let mut longer = Self::new(length.max(self.len().saturating_mul(2)));
            longer.iter_mut().zip(self.iter()).for_each(|(to, from)| *to = *from);
            *self = longer;
        }
    }
}

impl Deref for ReadBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

impl DerefMut for ReadBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_multiple_of_64_and_keeps_what_it_holds() {
        let mut buffer = ReadBuffer::default();
        assert!(buffer.is_empty());
        for length in [1, 100, 4096, 1 << 20, (1 << 20) + 1] {
            let before = buffer.to_vec();
            buffer.grow(length);
            assert!(buffer.len() >= length);
            assert!(buffer.as_ptr().addr().is_multiple_of(64), "{length}");
            assert_eq!(buffer[..before.len()], before);
            assert!(buffer[before.len()..].iter().all(|byte| *byte == 0));
            buffer.fill(7);
        }
        buffer.grow(10);
        assert!(buffer.len() > 1 << 20);
        assert_eq!(ReadBuffer::new(5).len(), 5);
    }
}
