//! From a stream of file bytes to chunks and zero runs, whatever the sizes in which the bytes arrive.

use super::{BLOCK_BYTES, Cutter, ZERO_RUN_BYTES_MIN};

static ZERO_BLOCK: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
/// Zero blocks and a partial block that may lie behind what is certain to be data.
const UNCERTAIN_BYTES_MAX: usize = ZERO_RUN_BYTES_MIN + BLOCK_BYTES;

const _: () = assert!(ZERO_RUN_BYTES_MIN.is_multiple_of(BLOCK_BYTES));

/// A part of a file. Together, in order, they are the whole of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// One chunk, never empty.
    Data(&'a [u8]),
    /// A zero run of this many bytes: a multiple of 4 KiB, at least 64 KiB, at an offset divisible by 4 KiB, and not
    /// followed by another one.
    Zeros(u64),
}

/// Takes the whole content of a file and hands on its parts, without copying a byte. The parts are those of a
/// [`Chunker`] that gets the same bytes.
pub fn chunk_slice(cutter: &Cutter<'_>, content: &[u8], mut sink: impl FnMut(Piece<'_>)) {
    let mut scan = Scan::default();
    let taken = scan.take(cutter, content, &mut sink);
    scan.end(cutter, content.get(taken..).unwrap_or_default(), &mut sink);
}

/// Cuts files that arrive piecemeal. Holds at most a maximal chunk and a little more for what straddles two reads; a
/// chunk that lies wholly in the caller's bytes is mostly handed on from there. With the default sizes, reads of 128 KiB
/// cost a quarter of the speed of cutting, reads of 1 MiB a tenth, and of 4 MiB next to nothing.
#[derive(Debug)]
pub struct Chunker<'a> {
    cutter: Cutter<'a>,
    scan: Scan,
    /// What was pushed and not handed on: where `scan` stands.
    buffer: Vec<u8>,
}

impl<'a> Chunker<'a> {
    /// Stands at the start of a file.
    pub const fn new(cutter: Cutter<'a>) -> Self {
        Self { cutter, scan: Scan { certain: 0, zeros: 0, run: 0 }, buffer: Vec::new() }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, mut bytes: &[u8], mut sink: impl FnMut(Piece<'_>)) {
        if !self.buffer.is_empty() {
            bytes = self.push_behind_buffer(bytes, &mut sink);
        }
        if self.buffer.is_empty() {
            let taken = self.scan.take(&self.cutter, bytes, &mut sink);
            self.buffer.extend_from_slice(bytes.get(taken..).unwrap_or_default());
        }
    }

    /// Takes a hole of the file: the same as pushing `length` zero bytes, at no cost for a long one.
    pub fn zeros(&mut self, length: u64, mut sink: impl FnMut(Piece<'_>)) {
        let mut left = length;
        while left > 0 {
            if self.scan.run > 0 && self.buffer.is_empty() {
                let blocks = left & !BLOCK_MASK;
                self.scan.run = self.scan.run.saturating_add(blocks);
                left &= BLOCK_MASK;
            }
            // A step ends at a block, so that the run can open as soon as it is long enough.
            let to_block = BLOCK_BYTES.saturating_sub(self.scan.beyond_block(self.buffer.len()));
            let step = usize::try_from(left).map_or(to_block, |left| left.min(to_block));
            self.push(ZERO_BLOCK.get(..step).unwrap_or_default(), &mut sink);
            left = left.saturating_sub(u64::try_from(step).expect("a step is at most a block"));
        }
    }

    /// Ends the file, hands on the rest of it, and stands at the start of the next one.
    pub fn finish(&mut self, mut sink: impl FnMut(Piece<'_>)) {
        self.scan.end(&self.cutter, &self.buffer, &mut sink);
        self.scan = Scan::default();
        self.buffer.clear();
    }

    /// How many bytes were pushed and not handed on.
    #[cfg(test)]
    pub(super) const fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Moves bytes behind those that wait until all of the latter are handed on, and returns the bytes left over.
    fn push_behind_buffer<'b>(&mut self, bytes: &'b [u8], sink: &mut impl FnMut(Piece<'_>)) -> &'b [u8] {
        let waiting = self.buffer.len();
        // After so many more bytes no chunk can start before them and still be undecided.
        let lookahead = self.cutter.max_bytes().saturating_add(UNCERTAIN_BYTES_MAX);
        let (head, tail) = bytes.split_at_checked(lookahead).unwrap_or((bytes, &[]));
        self.buffer.extend_from_slice(head);
        let taken = self.scan.take(&self.cutter, &self.buffer, sink);
        if let Some(beyond) = taken.checked_sub(waiting) {
            self.buffer.clear();
            return bytes.get(beyond..).unwrap_or_default();
        }
        debug_assert!(tail.is_empty(), "the lookahead decides everything that waited");
        self.buffer.drain(..taken);
        tail
    }
}

const BLOCK_MASK: u64 = 4095;
const _: () = assert!(BLOCK_BYTES == 4096);

/// Where the splitting of a stream stands. The bytes not yet handed on, which the caller holds, are `certain` bytes of
/// data, then `zeros` bytes of zero blocks that may be data or the start of a zero run, then less than a block. What
/// follows the first two starts at a block of the file.
#[derive(Debug, Default)]
struct Scan {
    certain: usize,
    /// Below [`ZERO_RUN_BYTES_MIN`].
    zeros: usize,
    /// The zero run that reaches up to the bytes not handed on; while there is one, `certain` and `zeros` are 0.
    run: u64,
}

impl Scan {
    /// Hands on what is decided of `view`, the bytes not handed on, and returns how many bytes that was.
    fn take(&mut self, cutter: &Cutter<'_>, view: &[u8], sink: &mut impl FnMut(Piece<'_>)) -> usize {
        let mut rest = view;
        while let Some(block) = self.next_block(rest) {
            let done =
                if is_zero(block) { self.take_zeros(cutter, rest, sink) } else { self.take_data(cutter, rest, sink) };
            rest = rest.get(done..).unwrap_or_default();
        }
        view.len().saturating_sub(rest.len())
    }

    /// Hands on everything: the file ends with `view`.
    fn end(&mut self, cutter: &Cutter<'_>, view: &[u8], sink: &mut impl FnMut(Piece<'_>)) {
        self.end_run(sink);
        cut_all(cutter, view, sink);
    }

    fn next_block<'v>(&self, view: &'v [u8]) -> Option<&'v [u8; BLOCK_BYTES]> {
        view.get(self.known()..)?.first_chunk()
    }

    const fn known(&self) -> usize {
        self.certain.saturating_add(self.zeros)
    }

    /// How many of `waiting` bytes lie behind the last whole block.
    const fn beyond_block(&self, waiting: usize) -> usize {
        waiting.saturating_sub(self.known())
    }

    /// Takes a zero block.
    fn take_zeros(&mut self, cutter: &Cutter<'_>, view: &[u8], sink: &mut impl FnMut(Piece<'_>)) -> usize {
        if self.run > 0 {
            self.run = self.run.saturating_add(BLOCK_MASK + 1);
            return BLOCK_BYTES;
        }
        self.zeros = self.zeros.saturating_add(BLOCK_BYTES);
        if self.zeros < ZERO_RUN_BYTES_MIN {
            return 0;
        }
        cut_all(cutter, view.get(..self.certain).unwrap_or_default(), sink);
        let done = self.known();
        self.run = u64::try_from(self.zeros).expect("a new run is short");
        self.certain = 0;
        self.zeros = 0;
        done
    }

    /// Takes a block with data in it. Cuts only where a whole maximal chunk is certain: what comes later can't move
    /// such a cut, so it is the one that would be made with the whole file at hand.
    fn take_data(&mut self, cutter: &Cutter<'_>, view: &[u8], sink: &mut impl FnMut(Piece<'_>)) -> usize {
        self.end_run(sink);
        self.certain = self.known().saturating_add(BLOCK_BYTES);
        self.zeros = 0;
        let mut data = view.get(..self.certain).unwrap_or_default();
        while data.len() >= cutter.max_bytes() {
            let (chunk, rest) = data.split_at(cutter.cut(data));
            sink(Piece::Data(chunk));
            data = rest;
        }
        let done = self.certain.saturating_sub(data.len());
        self.certain = data.len();
        done
    }

    fn end_run(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        if self.run > 0 {
            sink(Piece::Zeros(self.run));
            self.run = 0;
        }
    }
}

/// Cuts all of `data`, which reaches to the end of its piece.
fn cut_all(cutter: &Cutter<'_>, mut data: &[u8], sink: &mut impl FnMut(Piece<'_>)) {
    while !data.is_empty() {
        let (chunk, rest) = data.split_at(cutter.cut(data));
        sink(Piece::Data(chunk));
        data = rest;
    }
}

/// Looks at one word first: blocks of data nearly always end there.
fn is_zero(block: &[u8; BLOCK_BYTES]) -> bool {
    block.first_chunk() == Some(&[0; 8]) && block == &ZERO_BLOCK
}
