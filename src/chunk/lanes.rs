//! BLAKE3's compression function for many inputs side by side: one in each lane of AVX-512 or AVX2.

#[macro_use]
mod kernel;
mod avx2;
mod avx512;

use super::short::Hash;
use zeroize::Zeroizing;

/// What the function takes at a time.
const BLOCK_BYTES: usize = 64;

// Flags of the specification, 2.1.
const CHUNK_START: u32 = 1 << 0;
const CHUNK_END: u32 = 1 << 1;
const PARENT: u32 = 1 << 2;
const ROOT: u32 = 1 << 3;
const KEYED_HASH: u32 = 1 << 4;

/// A leaf of a message's tree, or a joint of two values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    /// Which leaf of its message it is.
    number: u32,
    /// What its first block, every block, and its last block carry.
    flags: [u32; 3],
}

impl<'a> Input<'a> {
    /// For a lane that has nothing to do.
    pub(super) const NONE: Self = Self { bytes: &[], number: 0, flags: [0; 3] };

    /// A leaf of at most 1 KiB; alone in its message, it is the root.
    pub(super) const fn leaf(bytes: &'a [u8], number: u32, is_root: bool) -> Self {
        let end = if is_root { CHUNK_END | ROOT } else { CHUNK_END };
        Self { bytes, number, flags: [CHUNK_START, KEYED_HASH, end] }
    }

    /// A joint of the two values that stand in `pair`.
    pub(super) const fn joint(pair: &'a [u8; BLOCK_BYTES], is_root: bool) -> Self {
        let root = if is_root { ROOT } else { 0 };
        Self { bytes: pair, number: 0, flags: [0, KEYED_HASH | PARENT | root, 0] }
    }

    /// An empty leaf has a block as well.
    pub(super) fn block_count(&self) -> usize {
        self.bytes.len().div_ceil(BLOCK_BYTES).max(1)
    }

    /// A block with zeros behind the end of the input, how much of it is the input's, and its flags. Behind the last block
    /// there are empty ones.
    fn block(&self, number: usize) -> ([u8; BLOCK_BYTES], u32, u32) {
        let [first_flags, flags, last_flags] = self.flags;
        let first_flags = if number == 0 { first_flags } else { 0 };
        let last_flags = if number + 1 == self.block_count() { last_flags } else { 0 };
        let flags = first_flags | flags | last_flags;
        let rest = self.bytes.get(number * BLOCK_BYTES..).unwrap_or_default();
        if let Some(whole) = rest.first_chunk() {
            return (*whole, 64, flags);
        }
        let mut block = [0; BLOCK_BYTES];
        block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        (block, u32::try_from(rest.len()).unwrap_or(64), flags)
    }
}

/// What this processor hashes with, and the key that all inputs are hashed with.
pub(super) struct Lanes {
    processor: Processor,
    key: Zeroizing<[u32; 8]>,
}

#[derive(Debug, Clone, Copy)]
enum Processor {
    Avx512,
    Avx2,
}

impl Lanes {
    /// The widest that this processor has; none where it has too few for this to be worth while.
    pub(super) fn with_key(key: &[u8; 32]) -> Option<Self> {
        Self::all_with_key(key).next()
    }

    /// All that this processor has, the widest first.
    pub(super) fn all_with_key(key: &[u8; 32]) -> impl Iterator<Item = Self> {
        let (words, _) = key.as_chunks::<4>();
        let mut read = words.iter().map(|word| u32::from_le_bytes(*word));
        let key = Zeroizing::new(std::array::from_fn(|_| read.next().unwrap_or_default()));
        Processor::all().map(move |processor| Self { processor, key: key.clone() })
    }

    /// From here on the crate is as fast, a message at a time: its leaves fill the lanes as well. With eight lanes it hashes
    /// messages of 17,000 bytes 1.2 to 1.4 times as fast as this does.
    pub(super) const fn long_bytes(&self) -> usize {
        match self.processor {
            Processor::Avx512 => 128 << 10,
            Processor::Avx2 => 16 << 10,
        }
    }

    /// Hands over the value of each input, in their order. Those with more blocks come first: lanes that are done wait for
    /// the longest, and are known by their place.
    #[expect(unsafe_code, reason = "the processor was asked before this was made")]
    pub(super) fn hash<'a>(&self, inputs: impl Iterator<Item = Input<'a>>, take: impl FnMut(Hash)) {
        match self.processor {
            Processor::Avx512 => groups(inputs, |group| unsafe { avx512::hash(&self.key, group) }, take),
            Processor::Avx2 => groups(inputs, |group| unsafe { avx2::hash(&self.key, group) }, take),
        }
    }
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lanes({:?})", self.processor)
    }
}

impl Processor {
    fn all() -> impl Iterator<Item = Self> {
        let wide = is_x86_feature_detected!("avx512f").then_some(Self::Avx512);
        let narrow = is_x86_feature_detected!("avx2").then_some(Self::Avx2);
        wide.into_iter().chain(narrow)
    }
}

/// Hashes inputs in groups of as many as there are lanes.
fn groups<'a, const LANES: usize>(
    mut inputs: impl Iterator<Item = Input<'a>>,
    hash: impl Fn(&[Input<'a>; LANES]) -> [Hash; LANES],
    mut take: impl FnMut(Hash),
) {
    loop {
        let mut group = [Input::NONE; LANES];
        let mut count = 0;
        for (lane, input) in group.iter_mut().zip(inputs.by_ref()) {
            *lane = input;
            count += 1;
        }
        if count == 0 {
            return;
        }
        debug_assert!(group.is_sorted_by(|one, next| one.block_count() >= next.block_count()), "the longest first");
        hash(&group).into_iter().take(count).for_each(&mut take);
    }
}
