use super::super::MemoryIndex;
use super::super::conformance::{
    Fresh, any_history, apply, body, chunk_id, conforms, follow, pack_row, segment_id, step,
};
use super::*;
use crate::id::SignerKey;
use crate::segment::PackRow;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

/// What the store knows of segments.
type Committed = Arc<Mutex<BTreeMap<SegmentId, Vec<u8>>>>;

/// An index that rots: it gives so many answers, and after that none, but about packs. What it is asked to apply is
/// committed before.
struct Rotten {
    index: MemoryIndex,
    sound_answers: AtomicUsize,
    committed: Committed,
}

/// An index that rots after so many answers, with another one in reserve.
fn rotting(sound_answers: usize) -> Replaceable {
    let committed = Committed::default();
    let first = Rotten {
        index: MemoryIndex::new(),
        sound_answers: AtomicUsize::new(sound_answers),
        committed: Arc::clone(&committed),
    };
    let rebuild = move || -> Result<Arc<dyn Index>, IndexError> {
        let index = MemoryIndex::new();
        // Later segments first, so that packs get other numbers.
        for (id, body) in committed.lock().unwrap().iter().rev() {
            index.apply(&SegmentReader::parse(*id, body).unwrap()).unwrap();
        }
        Ok(Arc::new(index))
    };
    Replaceable::new(Box::new(first), Box::new(rebuild))
}

impl Rotten {
    fn answer(&self) -> Result<(), IndexError> {
        let used = self.sound_answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        used.map(drop).map_err(|_| IndexError::Damaged { place: "here".into(), reason: "it rots".into() })
    }
}

impl Index for Rotten {
    fn lookup(&self, ids: &[ChunkId], found: &mut Vec<Option<Extent>>) -> Result<(), IndexError> {
        self.answer()?;
        self.index.lookup(ids, found)
    }

    fn copies(&self, id: ChunkId) -> Result<Vec<Extent>, IndexError> {
        self.answer()?;
        self.index.copies(id)
    }

    fn pack(&self, ordinal: PackOrdinal) -> Result<PackEntry, IndexError> {
        self.index.pack(ordinal)
    }

    fn numbers(&self, id: &PackId) -> Result<Vec<PackOrdinal>, IndexError> {
        self.index.numbers(id)
    }

    fn for_each_pack(&self, each: &mut dyn FnMut(PackOrdinal, &PackEntry)) -> Result<(), IndexError> {
        let mut done = Ok(());
        self.index.for_each_pack(&mut |ordinal, entry| {
            done = std::mem::replace(&mut done, Ok(())).and_then(|()| self.answer());
            if done.is_ok() {
                each(ordinal, entry);
            }
        })?;
        done
    }

    fn applied(&self) -> Result<Vec<SegmentId>, IndexError> {
        self.index.applied()
    }

    fn is_applied(&self, id: SegmentId) -> Result<bool, IndexError> {
        self.index.is_applied(id)
    }

    fn apply(&self, segment: &SegmentReader<'_>) -> Result<(), IndexError> {
        let rows: Vec<PackRow> = segment.packs().collect();
        self.committed.lock().unwrap().insert(segment.segment(), body(&rows));
        self.answer()?;
        self.index.apply(segment)
    }

    fn bulk(&self) -> Result<Box<dyn Bulk + '_>, IndexError> {
        self.answer()?;
        Ok(Box::new(super::super::OneByOne(self)))
    }

    fn retract(&self, id: SegmentId) -> Result<(), IndexError> {
        self.committed.lock().unwrap().remove(&id);
        self.answer()?;
        self.index.retract(id)
    }

    fn exclude(&self, what: &[Excluded]) -> Result<(), IndexError> {
        self.answer()?;
        self.index.exclude(what)
    }

    fn remember(&self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        self.index.remember(key, value)
    }

    fn recall(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.index.recall(key)
    }

    fn side_table(&self) -> Result<Option<&dyn SideTable>, IndexError> {
        self.index.side_table()
    }

    fn side_rows(&self) -> Result<Option<&dyn SideRows>, IndexError> {
        self.index.side_rows()
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

mod sound {
    use super::*;

    fn fresh() -> Fresh {
        (Box::new(rotting(usize::MAX)), None)
    }

    conforms!(fresh);
}

mod rotten_from_the_start {
    use super::*;

    fn fresh() -> Fresh {
        (Box::new(rotting(0)), None)
    }

    conforms!(fresh);
}

mod rotten_after_a_while {
    use super::*;

    fn fresh() -> Fresh {
        (Box::new(rotting(3)), None)
    }

    conforms!(fresh);
}

proptest::proptest! {
    #[test]
    fn index_8_an_index_that_rots_answers_like_the_plain_count(history in any_history(), sound in 0usize..200) {
        follow(&history, Box::new(rotting(sound)), &mut |index, _| index);
    }

    /// Whatever the index is replaced by: a number that was given out means the same pack until the end.
    #[test]
    fn index_8_packs_keep_their_numbers_when_an_index_is_replaced(history in any_history(), sound in 0usize..60) {
        let index = rotting(sound);
        let mut known: BTreeMap<PackOrdinal, (PackId, SignerKey)> = BTreeMap::new();
        for one in &history {
            step(&index, one);
            for chunk in 0..20 {
                for extent in index.copies(chunk_id(chunk)).unwrap() {
                    let entry = index.pack(extent.pack).unwrap();
                    let pack = (entry.id, entry.signer);
                    proptest::prop_assert_eq!(*known.entry(extent.pack).or_insert(pack), pack);
                    proptest::prop_assert!(index.numbers(&entry.id).unwrap().contains(&extent.pack));
                }
            }
            // A pack that is not there any more has no other one behind its number.
            for (number, pack) in &known {
                if let Ok(entry) = index.pack(*number) {
                    proptest::prop_assert_eq!((entry.id, entry.signer), *pack);
                }
            }
        }
    }
}

#[test]
fn index_8_a_visit_that_is_interrupted_by_rot_goes_on_where_it_was() {
    for sound in 0..12 {
        let index = rotting(sound);
        apply(&index, 1, &[pack_row(1, 1, &[0, 1]), pack_row(2, 1, &[2])]);
        apply(&index, 2, &[pack_row(3, 1, &[3, 0]), pack_row(4, 1, &[4])]);
        let (mut packs, mut numbers) = (Vec::new(), Vec::new());
        index
            .for_each_pack(&mut |number, entry| {
                packs.push(entry.id);
                numbers.push(number);
            })
            .unwrap();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{sound}: {numbers:?}");
        packs.sort_unstable();
        assert_eq!(packs, [1, 2, 3, 4].map(|number| PackId::from_bytes([number; 32])), "{sound}");
        let mut ids: Vec<ChunkId> = (0..5).map(chunk_id).collect();
        ids.sort_unstable();
        let mut given = Vec::new();
        index.copies_of_sorted(&ids, &mut |id, _| given.push(id)).unwrap();
        assert_eq!(given, ids, "{sound}");
    }
}

/// The rows that a room above keeps are part of what rots, and are not built again.
#[test]
fn index_11_a_side_table_is_not_given_out_again_after_rot() {
    let index = rotting(1);
    assert!(index.side_table().unwrap().is_some());
    apply(&index, 1, &[pack_row(1, 1, &[0])]);
    assert!(index.side_table().unwrap().is_some());
    index.retract(segment_id(1)).unwrap();
    assert!(index.side_table().unwrap().is_none());
}

#[test]
fn index_8_what_can_not_be_built_anew_is_said() {
    let first =
        Rotten { index: MemoryIndex::new(), sound_answers: AtomicUsize::new(0), committed: Committed::default() };
    let rebuild = || Err(IndexError::NoSpace { place: "there".into() });
    let index = Replaceable::new(Box::new(first), Box::new(rebuild));
    assert!(matches!(index.copies(chunk_id(0)), Err(IndexError::NoSpace { .. })));
}
