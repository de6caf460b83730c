//! Holds every index to the same answers.

use super::*;
use crate::id::ClientId;
use crate::layout::FrameTable;
use crate::segment::{PackFacts, SegmentBuilder};
use std::collections::{BTreeMap, BTreeSet};

/// A pack that is numbered by what is asked for: its chunks are `chunks`, three to a frame.
pub(crate) fn pack_row(number: u8, signer: u8, chunks: &[u16]) -> PackRow {
    let mut frames = FrameTable::new(128).unwrap();
    for frame in chunks.chunks(3) {
        let lengths: Vec<u32> = frame.iter().map(|chunk| 1000 + u32::from(*chunk)).collect();
        frames.push(100 + u32::from(number), &lengths).unwrap();
    }
    let facts = PackFacts {
        pack: PackId::from_bytes([number; 32]),
        class: Class::ALL[usize::from(number % 3)],
        bytes: 1 << 20,
        signer: SignerKey::from_bytes([signer; 32]),
        session: SessionId { client: ClientId::from_bytes([signer; 16]), number: u64::from(number) },
    };
    PackRow::new(facts, frames, chunks.iter().map(|chunk| chunk_id(*chunk)).collect()).unwrap()
}

/// The body of a segment that lists packs.
pub(crate) fn body(packs: &[PackRow]) -> Vec<u8> {
    let mut builder = SegmentBuilder::new();
    for pack in packs {
        builder.push(pack.clone()).unwrap();
    }
    builder.finish()
}

/// Applies a segment of these packs.
pub(crate) fn apply(index: &dyn Index, number: u8, packs: &[PackRow]) {
    index.apply(&SegmentReader::parse(segment_id(number), &body(packs)).unwrap()).unwrap();
}

/// A chunk id that looks like a hash.
pub(crate) fn chunk_id(number: u16) -> ChunkId {
    ChunkId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// A segment id.
pub(crate) fn segment_id(number: u8) -> SegmentId {
    SegmentId::from_bytes([number; 32])
}

/// Every answer of an index, with packs by id instead of number, so that two indexes can be compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answers {
    applied: Vec<SegmentId>,
    packs: BTreeMap<(PackId, SignerKey), (Class, u64, u64, SessionId)>,
    copies: BTreeMap<u16, BTreeSet<(PackId, SignerKey, [u32; 5])>>,
    hits: BTreeSet<u16>,
    totals: Totals,
}

/// Asks everything about the first `chunk_count` chunks, and checks that the answers agree with each other.
pub(crate) fn answers(index: &dyn Index, chunk_count: u16) -> Answers {
    let mut packs = BTreeMap::new();
    index
        .for_each_pack(&mut |_, entry| {
            let known = (entry.class, entry.bytes, entry.chunk_count, entry.session);
            assert_eq!(packs.insert((entry.id, entry.signer), known), None, "no pack is visited twice");
        })
        .unwrap();
    let applied = index.applied().unwrap();
    for (id, _) in packs.keys() {
        let ordinal = index.find_pack(id).unwrap().expect("a visited pack is found");
        let entry = index.pack(ordinal).unwrap();
        assert_eq!(entry.id, *id);
        assert!(applied.contains(&entry.segment));
    }
    let ids: Vec<_> = (0..chunk_count).map(chunk_id).collect();
    let mut found = Vec::new();
    index.lookup(&ids, &mut found).unwrap();
    assert_eq!(found.len(), ids.len());
    let (mut copies, mut hits) = (BTreeMap::new(), BTreeSet::new());
    for ((number, id), hit) in (0..).zip(&ids).zip(&found) {
        let all = index.copies(*id).unwrap();
        if let Some(extent) = hit {
            assert!(all.contains(extent), "a hit is one of the copies");
            hits.insert(number);
        }
        let named = all.iter().map(|extent| {
            let entry = index.pack(extent.pack).unwrap();
            let Extent { frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes, .. } = *extent;
            (entry.id, entry.signer, [frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes])
        });
        let named: BTreeSet<_> = named.collect();
        assert_eq!(named.len(), all.len(), "no copy is given twice");
        copies.insert(number, named);
    }
    let mut sorted = ids;
    sorted.sort_unstable();
    let mut given = Vec::new();
    index.copies_of_sorted(&sorted, &mut |id, copies| given.push((id, copies.iter().copied().collect()))).unwrap();
    // The chunks have an order, the copies of one have none: an index that was replaced in between finds them in another.
    let one_by_one = sorted.iter().map(|id| (*id, index.copies(*id).unwrap().into_iter().collect::<BTreeSet<_>>()));
    assert_eq!(given, one_by_one.collect::<Vec<_>>(), "in order, as one by one");
    Answers { applied, packs, copies, hits, totals: index.totals().unwrap() }
}

/// A fresh index, and what has to be kept as long as it is used.
pub(crate) type Fresh = (Box<dyn Index>, Option<tempfile::TempDir>);

/// Makes every claim a test of the indexes that a function makes.
macro_rules! conforms {
    ($make:expr) => {
        #[test]
        fn an_empty_index_knows_nothing() {
            let fresh = $make();
            $crate::index::conformance::an_empty_index_knows_nothing(&*fresh.0);
        }

        #[test]
        fn an_extent_is_where_the_rows_put_it() {
            let fresh = $make();
            $crate::index::conformance::an_extent_is_where_the_rows_put_it(&*fresh.0);
        }

        #[test]
        fn index_2_a_hit_counts_only_while_its_segment_is_applied() {
            let fresh = $make();
            $crate::index::conformance::a_hit_counts_only_while_its_segment_is_applied(&*fresh.0);
        }

        #[test]
        fn index_2_an_excluded_pack_is_no_hit_before_and_after_it_is_applied() {
            let fresh = $make();
            $crate::index::conformance::an_excluded_pack_is_no_hit_before_and_after_it_is_applied(&*fresh.0);
        }

        #[test]
        fn index_3_a_pack_that_moves_to_another_segment_stays() {
            let fresh = $make();
            $crate::index::conformance::a_pack_that_moves_to_another_segment_stays(&*fresh.0);
        }

        #[test]
        fn index_4_what_one_key_vouches_for_is_not_anothers_word() {
            let fresh = $make();
            $crate::index::conformance::what_one_key_vouches_for_is_not_anothers_word(&*fresh.0);
        }

        #[test]
        fn what_is_remembered_is_recalled() {
            let fresh = $make();
            $crate::index::conformance::what_is_remembered_is_recalled(&*fresh.0);
        }

        #[test]
        fn index_5_segments_applied_together_answer_like_one_after_the_other() {
            let fresh = $make();
            $crate::index::conformance::segments_applied_together_answer_like_one_after_the_other(&*fresh.0);
        }

        #[test]
        fn a_side_table_keeps_its_rows_apart() {
            let fresh = $make();
            $crate::index::conformance::a_side_table_keeps_its_rows_apart(&*fresh.0);
        }

        #[test]
        fn ids_may_repeat_in_a_lookup() {
            let fresh = $make();
            $crate::index::conformance::ids_may_repeat_in_a_lookup(&*fresh.0);
        }
    };
}
pub(crate) use conforms;

pub(crate) fn an_empty_index_knows_nothing(index: &dyn Index) {
    let answers = answers(index, 5);
    assert!(answers.applied.is_empty() && answers.packs.is_empty() && answers.hits.is_empty());
    assert_eq!(answers.totals, Totals::default());
    let ordinal = PackOrdinal(0);
    assert!(matches!(index.pack(ordinal), Err(IndexError::UnknownPack { .. })));
    assert_eq!(index.find_pack(&PackId::from_bytes([1; 32])).unwrap(), None);
    index.retract(segment_id(1)).unwrap();
}

pub(crate) fn an_extent_is_where_the_rows_put_it(index: &dyn Index) {
    apply(index, 1, &[pack_row(1, 1, &[0, 1, 2, 3, 4])]);
    let copies = index.copies(chunk_id(4)).unwrap();
    let pack = index.find_pack(&PackId::from_bytes([1; 32])).unwrap().unwrap();
    let expected =
        Extent { pack, frame: 1, frame_offset: 128 + 113, frame_bytes: 113, chunk_offset: 1003, chunk_bytes: 1004 };
    assert_eq!(copies, [expected]);
}

pub(crate) fn a_hit_counts_only_while_its_segment_is_applied(index: &dyn Index) {
    apply(index, 1, &[pack_row(1, 1, &[0, 1]), pack_row(2, 1, &[1, 2])]);
    apply(index, 2, &[pack_row(3, 1, &[2, 3])]);
    assert_eq!(answers(index, 5).hits, BTreeSet::from([0, 1, 2, 3]));
    assert_eq!(index.copies(chunk_id(1)).unwrap().len(), 2);
    index.retract(segment_id(1)).unwrap();
    assert_eq!(answers(index, 5).hits, BTreeSet::from([2, 3]));
    assert_eq!(index.totals().unwrap(), Totals { pack_count: 1, chunk_count: 2, pack_bytes: 1 << 20 });
    apply(index, 1, &[pack_row(1, 1, &[0, 1]), pack_row(2, 1, &[1, 2])]);
    assert_eq!(answers(index, 5).hits, BTreeSet::from([0, 1, 2, 3]));
}

pub(crate) fn an_excluded_pack_is_no_hit_before_and_after_it_is_applied(index: &dyn Index) {
    let packs = [1, 3].map(pack);
    apply(index, 1, &[pack_row(1, 1, &[0, 1]), pack_row(2, 1, &[1, 2])]);
    index.exclude(&packs).unwrap();
    apply(index, 2, &[pack_row(3, 1, &[2, 3])]);
    let answers = answers(index, 5);
    assert_eq!(answers.hits, BTreeSet::from([1, 2]));
    assert_eq!(answers.packs.len(), 3, "an excluded pack still counts as being there");
    assert_eq!(index.copies(chunk_id(3)).unwrap().len(), 1);
}

pub(crate) fn a_pack_that_moves_to_another_segment_stays(index: &dyn Index) {
    let moved = pack_row(1, 1, &[0, 1, 2]);
    apply(index, 1, &[moved.clone(), pack_row(2, 1, &[3])]);
    let before = index.find_pack(&moved.facts().pack).unwrap();
    apply(index, 2, std::slice::from_ref(&moved));
    assert_eq!(index.copies(chunk_id(0)).unwrap().len(), 1, "identical rows collapse");
    index.retract(segment_id(1)).unwrap();
    assert_eq!(answers(index, 5).hits, BTreeSet::from([0, 1, 2]));
    assert_eq!(index.find_pack(&moved.facts().pack).unwrap(), before);
    assert_eq!(index.pack(before.unwrap()).unwrap().segment, segment_id(2));
    index.retract(segment_id(2)).unwrap();
    assert!(answers(index, 5).hits.is_empty());
    apply(index, 1, &[moved]);
    assert_eq!(answers(index, 5).hits, BTreeSet::from([0, 1, 2]));
}

pub(crate) fn what_one_key_vouches_for_is_not_anothers_word(index: &dyn Index) {
    apply(index, 1, &[pack_row(1, 1, &[0])]);
    apply(index, 2, &[pack_row(1, 2, &[0, 9])]);
    let liar = SignerKey::from_bytes([2; 32]);
    for extent in index.copies(chunk_id(9)).unwrap() {
        assert_eq!(index.pack(extent.pack).unwrap().signer, liar);
    }
    assert_eq!(index.copies(chunk_id(0)).unwrap().len(), 2);
    index.exclude(&[signer(2)]).unwrap();
    assert_eq!(answers(index, 12).hits, BTreeSet::from([0]), "what another key says of the pack stands");
    apply(index, 3, &[pack_row(3, 2, &[4])]);
    apply(index, 4, &[pack_row(3, 1, &[5])]);
    assert_eq!(answers(index, 12).hits, BTreeSet::from([0, 5]), "also of packs that come later");
    index.exclude(&[1, 3].map(pack)).unwrap();
    assert!(answers(index, 12).hits.is_empty(), "all that goes by the pack's name is excluded");
}

pub(crate) fn what_is_remembered_is_recalled(index: &dyn Index) {
    assert_eq!(index.recall(b"key").unwrap(), None);
    index.remember(b"key", b"first").unwrap();
    index.remember(b"key", b"second").unwrap();
    index.remember(b"", &[0; 100_000]).unwrap();
    assert_eq!(index.recall(b"key").unwrap().unwrap(), b"second");
    assert_eq!(index.recall(b"").unwrap().unwrap().len(), 100_000);
}

/// Applies segments of the pool together.
pub(crate) fn apply_together(index: &dyn Index, numbers: &[u8]) {
    let mut bulk = index.bulk().unwrap();
    for number in numbers {
        let body = body(&pool(*number));
        bulk.add(&SegmentReader::parse(segment_id(*number), &body).unwrap()).unwrap();
    }
    bulk.finish().unwrap();
}

pub(crate) fn segments_applied_together_answer_like_one_after_the_other(index: &dyn Index) {
    apply(index, 2, &pool(2));
    index.exclude(&[pack(1)]).unwrap();
    apply_together(index, &[0, 1, 2, 3, 9, 1]);
    let excluded = BTreeSet::from([pack(1)]);
    assert_eq!(answers(index, POOL_CHUNK_COUNT), expected(&BTreeSet::from([0, 1, 2, 3, 9]), &excluded));
    index.retract(segment_id(0)).unwrap();
    apply_together(index, &[4, 5, 0]);
    assert_eq!(answers(index, POOL_CHUNK_COUNT), expected(&BTreeSet::from([0, 1, 2, 3, 4, 5, 9]), &excluded));
    apply_together(index, &[]);
    assert_eq!(answers(index, POOL_CHUNK_COUNT), expected(&BTreeSet::from([0, 1, 2, 3, 4, 5, 9]), &excluded));
}

pub(crate) fn a_side_table_keeps_its_rows_apart(index: &dyn Index) {
    let Some(table) = index.side_table().unwrap() else { return };
    let row = |key: &str, value: &str| (key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
    index.remember(b"b1", b"elsewhere").unwrap();
    table.write(&[row("b2", "two"), row("a", "one"), row("b1", "one"), row("c", "one")]).unwrap();
    table.write(&[row("b1", "new"), (b"c".to_vec(), None)]).unwrap();
    let mut found = Vec::new();
    table.get_sorted(&[b"a", b"b0", b"b1", b"c"], &mut |at, value| found.push((at, value.to_vec()))).unwrap();
    assert_eq!(found, [(0, b"one".to_vec()), (2, b"new".to_vec())]);
    let mut keys = Vec::new();
    table.scan(b"b", &mut |key, _| keys.push(key.to_vec())).unwrap();
    assert_eq!(keys, [b"b1", b"b2"]);
    table.replace(&[row("b9", "last")]).unwrap();
    keys.clear();
    table.scan(b"", &mut |key, _| keys.push(key.to_vec())).unwrap();
    assert_eq!(keys, [b"b9"]);
    assert_eq!(index.recall(b"b1").unwrap().unwrap(), b"elsewhere");
    let claim = table.claim().unwrap();
    assert!(table.claim().is_none(), "one holder at a time");
    drop(claim);
    assert!(table.claim().is_some());
}

pub(crate) fn ids_may_repeat_in_a_lookup(index: &dyn Index) {
    apply(index, 1, &[pack_row(1, 1, &[0, 1])]);
    let mut found = vec![None; 7];
    index.lookup(&[chunk_id(1), chunk_id(5), chunk_id(1), chunk_id(0), chunk_id(5)], &mut found).unwrap();
    let lengths: Vec<_> = found.iter().map(|hit| hit.map(|extent| extent.chunk_bytes)).collect();
    assert_eq!(lengths, [Some(1001), None, Some(1001), Some(1000), None]);
    index.lookup(&[], &mut found).unwrap();
    assert!(found.is_empty());
}

/// One step of a random history.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Apply the segment of this number.
    Apply(u8),
    /// Apply the segment of this number together with the two after it.
    Together(u8),
    /// Retract it.
    Retract(u8),
    /// Exclude a pack, or all that a key vouches for.
    Exclude(Excluded),
    /// Close and open, flush, compact: whatever an index has that must not change its answers.
    Disturb(u8),
}

/// How many chunks the pool of segments knows.
pub(crate) const POOL_CHUNK_COUNT: u16 = 40;

/// The packs of a segment of the pool. Packs and chunks of different segments overlap in many ways; segment 9 belongs
/// to another key and speaks of packs that are not its own.
pub(crate) fn pool(segment: u8) -> Vec<PackRow> {
    let signer = if segment == 9 { 9 } else { 1 };
    let first = segment / 2;
    (first..first + 1 + segment % 3)
        .map(|pack| {
            let chunks: Vec<u16> =
                (0..u16::from(pack % 4) * 2 + 1).map(|n| (u16::from(pack) * 3 + n * 5) % 40).collect();
            pack_row(pack, signer, &chunks)
        })
        .collect()
}

fn pack(number: u8) -> Excluded {
    Excluded::Pack(PackId::from_bytes([number; 32]))
}

fn signer(number: u8) -> Excluded {
    Excluded::Signer(SignerKey::from_bytes([number; 32]))
}

/// Random histories over the pool.
pub(crate) fn any_history() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    use proptest::prelude::*;
    let step = prop_oneof![
        5 => (0u8..12).prop_map(Step::Apply),
        2 => (0u8..10).prop_map(Step::Together),
        3 => (0u8..12).prop_map(Step::Retract),
        2 => prop_oneof![(0u8..8).prop_map(pack), Just(signer(1)), Just(signer(9))].prop_map(Step::Exclude),
        1 => (0u8..4).prop_map(Step::Disturb),
    ];
    prop::collection::vec(step, 1..40)
}

/// Takes a step, if it is one that every index has.
pub(crate) fn step(index: &dyn Index, step: &Step) {
    match step {
        Step::Apply(number) => apply(index, *number, &pool(*number)),
        Step::Together(first) => apply_together(index, &[*first, first + 1, first + 2]),
        Step::Retract(number) => index.retract(segment_id(*number)).unwrap(),
        Step::Exclude(what) => index.exclude(&[*what]).unwrap(),
        Step::Disturb(_) => {}
    }
}

/// What an index of exactly these segments must answer, computed the plain way.
pub(crate) fn expected(applied: &BTreeSet<u8>, excluded: &BTreeSet<Excluded>) -> Answers {
    let rows: Vec<PackRow> = applied.iter().flat_map(|segment| pool(*segment)).collect();
    let mut answers = Answers {
        applied: applied.iter().map(|segment| segment_id(*segment)).collect(),
        packs: BTreeMap::new(),
        copies: (0..POOL_CHUNK_COUNT).map(|chunk| (chunk, BTreeSet::new())).collect(),
        hits: BTreeSet::new(),
        totals: Totals::default(),
    };
    for row in &rows {
        let facts = row.facts();
        let chunk_count = u64::try_from(row.ids().len()).unwrap();
        answers.packs.insert((facts.pack, facts.signer), (facts.class, facts.bytes, chunk_count, facts.session));
        for (id, place) in row.chunks() {
            let chunk = (0..POOL_CHUNK_COUNT).find(|chunk| chunk_id(*chunk) == id).unwrap();
            let Extent { frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes, .. } =
                Extent::new(PackOrdinal(0), place);
            let copy = (facts.pack, facts.signer, [frame, frame_offset, frame_bytes, chunk_offset, chunk_bytes]);
            answers.copies.get_mut(&chunk).unwrap().insert(copy);
            if ![Excluded::Pack(facts.pack), Excluded::Signer(facts.signer)].iter().any(|what| excluded.contains(what))
            {
                answers.hits.insert(chunk);
            }
        }
    }
    for (_, bytes, chunk_count, _) in answers.packs.values() {
        answers.totals.pack_count += 1;
        answers.totals.chunk_count += chunk_count;
        answers.totals.pack_bytes += bytes;
    }
    answers
}

/// Follows a history with an index that `disturb` may replace, and compares all answers with the plain ones after
/// every step that is not another application.
pub(crate) fn follow(
    history: &[Step],
    mut index: Box<dyn Index>,
    disturb: &mut dyn FnMut(Box<dyn Index>, u8) -> Box<dyn Index>,
) {
    let (mut applied, mut excluded) = (BTreeSet::new(), BTreeSet::new());
    for one in history {
        step(&*index, one);
        match one {
            Step::Apply(number) => _ = applied.insert(*number),
            Step::Together(first) => applied.extend(*first..first + 3),
            Step::Retract(number) => _ = applied.remove(number),
            Step::Exclude(what) => _ = excluded.insert(*what),
            Step::Disturb(how) => {
                index = disturb(index, *how);
                index.exclude(&excluded.iter().copied().collect::<Vec<_>>()).unwrap();
            }
        }
        if !matches!(one, Step::Apply(_)) {
            assert_eq!(answers(&*index, POOL_CHUNK_COUNT), expected(&applied, &excluded), "after {one:?}");
        }
    }
    assert_eq!(answers(&*index, POOL_CHUNK_COUNT), expected(&applied, &excluded));
}
