//! Guesses where the next node lies: trees are written in the order in which they are read, so it is mostly the chunk
//! behind the one read before, in a frame that is decoded already.
//!
//! What is guessed is proved by its id like everything else. A look-up in the index for each of ten thousand nodes was a
//! seventh of the time of a backup that finds nothing changed.

use super::frame_cache::DecodedFrame;
use crate::index::Extent;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// A backup reads leaves and inner nodes of two trees at the same time.
const PLACES_MAX: usize = 4;
/// An inner node lies between two leaves where the first one ends it.
const STEPS_MAX: usize = 2;

/// The places behind the nodes that were read last.
#[derive(Default)]
pub(super) struct Neighbours(Mutex<VecDeque<Place>>);

#[derive(Clone)]
struct Place {
    frame: Arc<DecodedFrame>,
    /// The chunk that is likely to be wanted next.
    number: usize,
}

impl Neighbours {
    /// What `prove` makes of the first chunk that it takes, among those that are likely to be wanted next.
    pub(super) fn find<T>(&self, prove: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        // Others may read meanwhile: hashing takes longer than taking the places along.
        let places: Vec<Place> = self.places().iter().cloned().collect();
        for step in 0..STEPS_MAX {
            for place in &places {
                let number = place.number.saturating_add(step);
                if let Some(found) = place.frame.chunk(number).and_then(&prove) {
                    self.went_on(place, number.saturating_add(1));
                    return Some(found);
                }
            }
        }
        None
    }

    /// Remembers where a node was that had to be looked up.
    pub(super) fn remember(&self, frame: &Arc<DecodedFrame>, extent: &Extent) {
        let number = frame.number_behind(extent);
        let mut places = self.places();
        places.push_front(Place { frame: Arc::clone(frame), number });
        places.truncate(PLACES_MAX);
    }

    /// Moves a place on, and tries it first the next time.
    fn went_on(&self, place: &Place, number: usize) {
        let mut places = self.places();
        places.retain(|held| !(Arc::ptr_eq(&held.frame, &place.frame) && held.number == place.number));
        places.push_front(Place { frame: Arc::clone(&place.frame), number });
        places.truncate(PLACES_MAX);
    }

    fn places(&self) -> std::sync::MutexGuard<'_, VecDeque<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn is(byte: u8) -> impl Fn(&[u8]) -> Option<usize> {
        move |chunk| (chunk == vec![byte; usize::from(byte)]).then_some(chunk.len())
    }

    #[test]
    fn what_follows_is_found_and_what_does_not_is_left_to_the_index() {
        let neighbours = Neighbours::default();
        assert_eq!(neighbours.find(is(3)), None);
        let frame = frame(&[1, 2, 3, 4, 5, 6]);
        neighbours.remember(&frame, &extent(1, 2));
        assert_eq!(neighbours.find(is(3)), Some(3));
        // One is passed over, as an inner node between two leaves is.
        assert_eq!(neighbours.find(is(5)), Some(5));
        assert_eq!(neighbours.find(is(4)), None, "it lies before the last one");
        assert_eq!(neighbours.find(is(6)), Some(6));
        assert_eq!(neighbours.find(is(1)), None, "the frame has ended");
    }

    #[test]
    fn trees_that_are_read_in_turn_don_t_push_each_other_out() {
        let neighbours = Neighbours::default();
        let (stats, manifest) = (frame(&[1, 2, 3, 4, 5]), frame(&[11, 12, 13, 14, 15]));
        neighbours.remember(&stats, &extent(0, 1));
        neighbours.remember(&manifest, &extent(0, 11));
        for (stat, entry) in [(2, 12), (3, 13), (4, 14), (5, 15)] {
            assert_eq!(neighbours.find(is(stat)), Some(usize::from(stat)));
            assert_eq!(neighbours.find(is(entry)), Some(usize::from(entry)));
        }
    }

    #[test]
    fn a_guess_costs_a_few_hashes_at_most() {
        let neighbours = Neighbours::default();
        let frame = frame(&(1..=40).collect::<Vec<u8>>());
        (0..20u32).for_each(|at| neighbours.remember(&frame, &extent((1..=at).sum(), at + 1)));
        let tried = Cell::new(0);
        let refuse = |_: &[u8]| -> Option<()> {
            tried.set(tried.get() + 1);
            None
        };
        assert_eq!(neighbours.find(refuse), None);
        assert_eq!(tried.get(), PLACES_MAX * STEPS_MAX);
    }
}
