use super::conformance::{Fresh, answers, any_history, body, conforms, follow, pack_row, segment_id};
use super::*;
use std::collections::{BTreeMap, BTreeSet};

fn fresh() -> Fresh {
    (Box::new(MemoryIndex::new()), None)
}

conforms!(fresh);

proptest::proptest! {
    #[test]
    fn index_5_the_memory_index_answers_like_the_plain_count(history in any_history()) {
        follow(&history, Box::new(MemoryIndex::new()), &mut |index, _| index);
    }
}

#[test]
fn index_1_catching_up_leaves_exactly_the_committed_segments() {
    let segments = BTreeMap::from([
        (segment_id(1), vec![pack_row(1, 1, &[0, 1]), pack_row(2, 1, &[2])]),
        (segment_id(2), vec![pack_row(3, 1, &[3])]),
        (segment_id(3), vec![pack_row(2, 1, &[2]), pack_row(4, 1, &[4])]),
    ]);
    let mut fetch = |id| -> Result<Option<Vec<u8>>, IndexError> { Ok(Some(body(&segments[&id]))) };
    let index = MemoryIndex::new();
    let first = BTreeSet::from([segment_id(1), segment_id(2)]);
    let done = catch_up(&index, &first, &mut fetch).unwrap();
    assert_eq!(done, CaughtUp { applied_count: 2, retracted_count: 0 });
    let second = BTreeSet::from([segment_id(2), segment_id(3)]);
    let done = catch_up(&index, &second, &mut fetch).unwrap();
    assert_eq!(done, CaughtUp { applied_count: 1, retracted_count: 1 });
    assert_eq!(catch_up(&index, &second, &mut fetch).unwrap(), CaughtUp::default());

    let fresh = MemoryIndex::new();
    catch_up(&fresh, &second, &mut fetch).unwrap();
    assert_eq!(answers(&index, 6), answers(&fresh, 6));
}
