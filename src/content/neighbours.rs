//! Guesses where the next node lies: trees are written in the order in which they are read, so it is mostly the next
//! chunk of its sort behind the one read before, in a frame that is decoded already.
//!
//! What is guessed is proved by its id like everything else. A look-up in the index for each of ten thousand nodes was a
//! seventh of the time of a backup that finds nothing changed, and to hash every chunk that might be the one a twentieth.

use super::frame_cache::DecodedFrame;
use crate::index::Extent;
use crate::manifest::NodeSort;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// A backup reads two trees, one of them twice, and each of them has some levels.
const PLACES_MAX: usize = 8;
/// How far the next one of a sort is looked for. Between two inner nodes lie the leaves of the second.
const REACH_CHUNKS: usize = 256;

/// The places behind the nodes that were read last.
#[derive(Default)]
pub(super) struct Neighbours(Mutex<VecDeque<Place>>);

#[derive(Clone)]
struct Place {
    sort: NodeSort,
    frame: Arc<DecodedFrame>,
    /// From this chunk on the next one of the sort is likely to be wanted.
    number: usize,
}

impl Neighbours {
    /// What `prove` makes of the first node that it takes, among those of this sort that are likely to be wanted next.
    pub(super) fn find<T>(&self, sort: NodeSort, prove: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        // Others may read meanwhile: hashing takes longer than taking the places along.
        let places: Vec<Place> = self.places().iter().filter(|place| place.sort == sort).cloned().collect();
        places.into_iter().find_map(|place| {
            let (number, node) = place.next()?;
            let found = prove(node)?;
            self.go_on(&place, number.saturating_add(1));
            Some(found)
        })
    }

    /// Remembers where a node was that had to be looked up.
    pub(super) fn remember(&self, frame: &Arc<DecodedFrame>, extent: &Extent, node: &[u8]) {
        let Some(sort) = NodeSort::of(node) else { return };
        self.put(Place { sort, frame: Arc::clone(frame), number: frame.number_behind(extent) });
    }

    /// Moves a place on.
    fn go_on(&self, place: &Place, number: usize) {
        self.places().retain(|held| !held.is(place));
        self.put(Place { number, ..place.clone() });
    }

    /// Holds a place as the first that is tried.
    fn put(&self, place: Place) {
        let mut places = self.places();
        places.push_front(place);
        places.truncate(PLACES_MAX);
    }

    fn places(&self) -> std::sync::MutexGuard<'_, VecDeque<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The next node of the sort, and which chunk it is.
    fn next(&self) -> Option<(usize, &[u8])> {
        let chunks = (self.number..).take(REACH_CHUNKS).map_while(|number| Some((number, self.frame.chunk(number)?)));
        chunks.into_iter().find(|(_, chunk)| NodeSort::of(chunk) == Some(self.sort))
    }

    fn is(&self, other: &Self) -> bool {
        self.sort == other.sort && self.number == other.number && Arc::ptr_eq(&self.frame, &other.frame)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame_cache::FrameBytes;
    use super::*;
    use crate::frame::{Compression, FrameBuffer, FrameDecoder, FrameEncoder};
    use crate::index::PackOrdinal;
    use std::cell::Cell;

    /// A frame of chunks of these bytes, each repeated as often as its own value says.
    fn frame(chunks: &[u8]) -> Arc<DecodedFrame> {
        let mut buffer = FrameBuffer::new();
        chunks.iter().for_each(|byte| buffer.push(&vec![*byte; usize::from(*byte)]));
        let mut encoded = Vec::new();
        FrameEncoder::new().encode(&buffer, Compression::Off, &mut encoded);
        let mut decoder = FrameDecoder::new();
        Arc::new(DecodedFrame::copy_of(&FrameBytes::new(&encoded, decoder.decode(&encoded).unwrap())))
    }

    fn extent(chunk_offset: u32, chunk_bytes: u32) -> Extent {
        let pack = PackOrdinal(0);
        Extent { pack, frame: 0, frame_offset: 0, frame_bytes: 0, chunk_offset, chunk_bytes }
    }

    /// A chunk of this value: its first byte, which is all of its bytes, is its sort as well.
    fn is(byte: u8) -> impl Fn(&[u8]) -> Option<usize> {
        move |chunk| (chunk == vec![byte; usize::from(byte)]).then_some(chunk.len())
    }

    fn sort(byte: u8) -> NodeSort {
        NodeSort::of(&[byte]).unwrap()
    }

    /// What `prove` takes of the chunks of a sort that are guessed, and how many were tried.
    fn found(neighbours: &Neighbours, sorted: u8, prove: impl Fn(&[u8]) -> Option<usize>) -> (Option<usize>, usize) {
        let tried = Cell::new(0);
        let found = neighbours.find(sort(sorted), |chunk| {
            tried.set(tried.get() + 1);
            prove(chunk)
        });
        (found, tried.get())
    }

    #[test]
    fn what_follows_is_found_and_what_does_not_is_left_to_the_index() {
        let neighbours = Neighbours::default();
        assert_eq!(found(&neighbours, 3, is(3)), (None, 0));
        let frame = frame(&[3, 1, 1, 3, 1, 3]);
        neighbours.remember(&frame, &extent(0, 3), &[3; 3]);
        assert_eq!(found(&neighbours, 1, is(1)), (None, 0), "none of its sort was read");
        assert_eq!(found(&neighbours, 3, |_| None), (None, 1), "another one was wanted");
        assert_eq!(found(&neighbours, 3, is(3)), (Some(3), 1), "those of other sorts are passed over without a hash");
        assert_eq!(found(&neighbours, 3, is(3)), (Some(3), 1));
        assert_eq!(found(&neighbours, 3, is(3)), (None, 0), "the frame has ended");
    }

    #[test]
    fn trees_and_levels_that_are_read_in_turn_don_t_push_each_other_out() {
        let neighbours = Neighbours::default();
        let (stats, manifest) = (frame(&[1, 2, 1, 1, 1, 2]), frame(&[11, 11, 12, 11, 11, 12]));
        neighbours.remember(&stats, &extent(0, 1), &[1]);
        neighbours.remember(&stats, &extent(1, 2), &[2]);
        neighbours.remember(&manifest, &extent(0, 11), &[11]);
        for wanted in [1, 11, 1, 11, 2, 1, 11] {
            assert_eq!(found(&neighbours, wanted, is(wanted)), (Some(wanted.into()), 1), "{wanted}");
        }
    }

    #[test]
    fn two_readers_of_a_tree_are_guessed_apart() {
        let neighbours = Neighbours::default();
        let (one, other) = (frame(&[1, 1, 1]), frame(&[1, 1, 1]));
        let is_in = |frame: &Arc<DecodedFrame>| {
            let range = frame.raw().as_ptr_range();
            move |chunk: &[u8]| range.contains(&chunk.as_ptr()).then_some(1)
        };
        neighbours.remember(&one, &extent(0, 1), &[1]);
        neighbours.remember(&other, &extent(0, 1), &[1]);
        assert_eq!(found(&neighbours, 1, is_in(&one)), (Some(1), 2));
        assert_eq!(found(&neighbours, 1, is_in(&one)), (Some(1), 1), "the one that was right is tried first");
        assert_eq!(found(&neighbours, 1, is_in(&other)), (Some(1), 1), "the first one's frame has ended");
    }

    #[test]
    fn a_guess_costs_a_few_hashes_at_most() {
        let neighbours = Neighbours::default();
        let frame = frame(&[1; 40]);
        (0..20).for_each(|at| neighbours.remember(&frame, &extent(at, 1), &[1]));
        assert_eq!(found(&neighbours, 1, |_| None), (None, PLACES_MAX));
    }

    #[test]
    fn a_guess_reaches_no_further_than_two_inner_nodes_lie_apart() {
        for (apart, expected) in [(REACH_CHUNKS - 1, (Some(2), 1)), (REACH_CHUNKS, (None, 0))] {
            let neighbours = Neighbours::default();
            let chunks = [&[2][..], &vec![1; apart], &[2]].concat();
            neighbours.remember(&frame(&chunks), &extent(0, 2), &[2; 2]);
            assert_eq!(found(&neighbours, 2, is(2)), expected, "{apart}");
        }
    }
}
