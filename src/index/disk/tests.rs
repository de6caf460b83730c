use super::super::conformance::{
    Fresh, answers, any_history, apply, body, chunk_id, conforms, follow, pack_row, segment_id,
};
use super::*;

fn repository() -> RepositoryId {
    RepositoryId::from_bytes([4; 16])
}

fn open(path: &Path) -> DiskIndex {
    DiskIndex::open(path, repository(), Role::Primary, 8 << 20, Box::new(())).unwrap()
}

fn fresh() -> Fresh {
    let place = tempfile::tempdir().unwrap();
    (Box::new(open(&place.path().join("view"))), Some(place))
}

conforms!(fresh);

/// With room for a single row, so that applying together goes through files.
fn open_crowded(path: &Path) -> DiskIndex {
    let mut index = open(path);
    index.bulk_bytes = 0;
    index
}

mod crowded {
    use super::*;

    fn fresh() -> Fresh {
        let place = tempfile::tempdir().unwrap();
        (Box::new(open_crowded(&place.path().join("view"))), Some(place))
    }

    conforms!(fresh);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn index_5_the_disk_index_answers_like_the_plain_count(
        history in any_history(), crowded in proptest::bool::ANY,
    ) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("view");
        let open = if crowded { open_crowded } else { open };
        follow(&history, Box::new(open(&path)), &mut |index, how| {
            drop(index);
            let index = open(&path);
            match how {
                0 => index.database.compact(),
                1 => index.flush().unwrap(),
                _ => {}
            }
            Box::new(index)
        });
    }
}

/// What is on disk while an index is open is what a crash leaves: nothing is written ahead.
fn crash(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn index_6_a_crash_leaves_an_earlier_state_and_never_half_a_segment() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("view");
    let index = open(&path);
    apply(&index, 1, &[pack_row(1, 1, &[0, 1])]);
    index.flush().unwrap();
    // A segment whose first piece was flushed and whose end was not: the rows are there, the mark is not.
    let mut batch = index.database.batch();
    index.apply_packs(segment_id(2), [pack_row(2, 1, &[1, 2])].into_iter(), &mut batch).unwrap();
    index.write_piece(&mut batch).unwrap();
    index.flush().unwrap();
    let number = index.standing().next() - 1;
    apply(&index, 3, &[pack_row(3, 1, &[3])]);
    let crashed = place.path().join("crashed");
    crash(&path, &crashed);

    let index = open(&crashed);
    assert_eq!(index.applied().unwrap(), [segment_id(1)]);
    let found = answers(&index, 5);
    index.database.compact();
    assert_eq!(answers(&index, 5), found);
    let value = index.database.get(Table::Chunks, chunk_id(2).as_bytes()).unwrap();
    assert_eq!(value.unwrap_or_default(), [0u8; 0], "what the crash left behind is gone after the table was rewritten");
    apply(&index, 2, &[pack_row(2, 1, &[1, 2])]);
    apply(&index, 3, &[pack_row(3, 1, &[3])]);
    let pack = index.find_pack(&PackId::from_bytes([2; 32])).unwrap().unwrap();
    assert!(pack.0 > number, "a number is never given out twice");

    let fresh = open(&place.path().join("fresh"));
    for (number, chunks) in [(1, &[0u16, 1][..]), (2, &[1, 2]), (3, &[3])] {
        apply(&fresh, number, &[pack_row(number, 1, chunks)]);
    }
    assert_eq!(answers(&index, 5), answers(&fresh, 5));
}

/// Segments that are applied together are durable in three steps: their packs' numbers, their chunks, their marks.
/// After a crash behind the first or the second they don't count, and their numbers go to no other pack.
#[test]
fn index_6_a_crash_leaves_nothing_of_segments_that_are_half_applied_together() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("view");
    let index = open_crowded(&path);
    apply(&index, 1, &[pack_row(1, 1, &[0, 1])]);
    let segment = body(&[pack_row(2, 1, &[1, 2])]);
    let mut bulk = DiskBulk::begin(&index).unwrap();
    bulk.add(&SegmentReader::parse(segment_id(2), &segment).unwrap()).unwrap();
    bulk.ingest_unmarked();
    let crashed = place.path().join("crashed");
    crash(&path, &crashed);
    drop(bulk);

    let number = index.standing().next() - 1;
    let index = open(&crashed);
    assert_eq!(index.applied().unwrap(), [segment_id(1)]);
    let found = answers(&index, 5);
    assert!(index.database.get(Table::Chunks, chunk_id(2).as_bytes()).unwrap().is_some(), "its rows are there");
    index.database.compact();
    let value = index.database.get(Table::Chunks, chunk_id(2).as_bytes()).unwrap();
    assert_eq!(value.unwrap_or_default(), [0u8; 0], "until the table is rewritten");
    assert_eq!(answers(&index, 5), found);
    apply(&index, 2, &[pack_row(2, 1, &[1, 2])]);
    let pack = index.find_pack(&PackId::from_bytes([2; 32])).unwrap().unwrap();
    assert!(pack.0 > number, "a number is never given out twice");
}

/// Retracting a segment and crashing brings back a view in which it counts; its rows must not have been dropped by a
/// compaction meanwhile, or hits of a segment that counts would be lost.
#[test]
fn index_6_a_retraction_undone_by_a_crash_finds_its_rows_again() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("view");
    let index = open(&path);
    apply(&index, 1, &[pack_row(1, 1, &[0, 1])]);
    apply(&index, 2, &[pack_row(2, 1, &[0])]);
    index.flush().unwrap();
    let before = answers(&index, 5);
    index.retract(segment_id(1)).unwrap();
    let crashed = place.path().join("crashed");
    crash(&path, &crashed);
    assert_eq!(answers(&open(&crashed), 5), before);

    index.database.compact();
    drop(index);
    let index = open(&path);
    index.database.compact();
    assert_eq!(index.database.get(Table::Chunks, chunk_id(1).as_bytes()).unwrap(), None);
    assert_eq!(index.copies(chunk_id(0)).unwrap().len(), 1);
}

#[test]
fn index_7_a_view_of_another_repository_or_form_is_not_opened() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("view");
    drop(open(&path));
    let other = RepositoryId::from_bytes([5; 16]);
    let refused = DiskIndex::open(&path, other, Role::Primary, 8 << 20, Box::new(())).err().unwrap();
    assert!(matches!(refused, IndexError::Damaged { .. }), "{refused}");
    let merge: Arc<dyn Merge> = Arc::new(Stale::default());
    let database = Database::open(&path, Role::Primary, 8 << 20, &merge).unwrap();
    let mut batch = database.batch();
    batch.put(Table::Meta, FORM_KEY, &[&2u32.to_le_bytes(), repository().as_bytes().as_slice()].concat());
    batch.write().unwrap();
    drop(database);
    assert!(DiskIndex::open(&path, repository(), Role::Primary, 8 << 20, Box::new(())).is_err());
}
