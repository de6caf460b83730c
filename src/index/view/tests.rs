use super::super::conformance::{
    Answers, Fresh, Step, answers, any_history, apply, body, chunk_id, conforms, follow, pack_row, segment_id, step,
};
use super::super::{CaughtUp, catch_up};
use super::*;
use crate::id::SegmentId;
use crate::segment::PackRow;
use std::collections::{BTreeMap, BTreeSet};

const MEMORY_BYTES: usize = 8 << 20;

fn repository() -> RepositoryId {
    RepositoryId::from_bytes([4; 16])
}

fn open(place: &Path, mode: Mode) -> View {
    open_view(place, repository(), mode, MEMORY_BYTES).unwrap()
}

/// What is committed.
fn truth() -> BTreeMap<SegmentId, Vec<PackRow>> {
    (1..=5u8).map(|n| (segment_id(n), vec![pack_row(n, 1, &[n.into(), 20]), pack_row(n + 10, 1, &[30])])).collect()
}

fn bring_up(index: &dyn Index, truth: &BTreeMap<SegmentId, Vec<PackRow>>) -> CaughtUp {
    let committed: BTreeSet<SegmentId> = truth.keys().copied().collect();
    catch_up(index, &committed, &mut |id| Ok::<_, IndexError>(Some(body(&truth[&id])))).unwrap()
}

fn right() -> Answers {
    let index = super::super::MemoryIndex::new();
    bring_up(&index, &truth());
    answers(&index, 40)
}

mod private {
    use super::*;

    fn fresh() -> Fresh {
        let place = tempfile::tempdir().unwrap();
        let view = open(place.path(), Mode::Reader);
        assert_eq!(view.kind, ViewKind::Private);
        (view.index, Some(place))
    }

    conforms!(fresh);
}

mod overlaid {
    use super::*;

    fn fresh() -> Fresh {
        let place = tempfile::tempdir().unwrap();
        drop(open(place.path(), Mode::Writer));
        let view = open(place.path(), Mode::Reader);
        assert_eq!(view.kind, ViewKind::Overlaid);
        (view.index, Some(place))
    }

    conforms!(fresh);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
    /// A writer follows the history up to a point and closes or stays open; a reader goes on from there, with so
    /// little memory that a private view takes part.
    #[test]
    fn index_5_a_reader_over_a_shared_view_answers_like_the_plain_count(
        history in any_history(), at in 0usize..40, little in proptest::bool::ANY, open_writer in proptest::bool::ANY,
    ) {
        let place = tempfile::tempdir().unwrap();
        let writer = open(place.path(), Mode::Writer);
        let mut applied = BTreeSet::new();
        for one in history.iter().take(at) {
            step(&*writer.index, one);
            match one {
                Step::Apply(number) => _ = applied.insert(*number),
                Step::Together(first) => applied.extend(*first..first + 3),
                Step::Retract(number) => _ = applied.remove(number),
                Step::Exclude(_) | Step::Disturb(_) => {}
            }
        }
        writer.index.flush().unwrap();
        let _open = open_writer.then_some(writer);
        let memory_bytes = if little { 4 } else { MEMORY_BYTES };
        let reader = open_view(place.path(), repository(), Mode::Reader, memory_bytes).unwrap();
        proptest::prop_assert_eq!(reader.kind, ViewKind::Overlaid);
        // Begin as the plain count does: with nothing applied.
        for number in applied {
            reader.index.retract(segment_id(number)).unwrap();
        }
        follow(&history, reader.index, &mut |index, _| index);
    }
}

#[test]
fn index_8_a_view_that_is_gone_truncated_old_or_anothers_still_answers_right() {
    type Wound = fn(&Path);
    let wounds: [(&str, bool, Wound); 9] = [
        ("nothing", false, |_| {}),
        ("deleted", false, |view| std::fs::remove_dir_all(view).unwrap()),
        ("emptied", false, |view| {
            std::fs::remove_dir_all(view).unwrap();
            std::fs::create_dir(view).unwrap();
        }),
        ("no manifest", true, |view| std::fs::remove_file(first(view, "MANIFEST")).unwrap()),
        // Its first half is the manifest of an earlier state, if the tables of that are still there.
        ("half a manifest", false, |view| halve(&first(view, "MANIFEST"))),
        ("no table", true, |view| std::fs::remove_file(first(view, ".sst")).unwrap()),
        ("half a table", true, |view| halve(&first(view, ".sst"))),
        ("no current", true, |view| std::fs::remove_file(view.join("CURRENT")).unwrap()),
        ("nonsense as current", true, |view| std::fs::write(view.join("CURRENT"), "nonsense").unwrap()),
    ];
    for (name, moved, wound) in wounds {
        for mode in [Mode::Writer, Mode::Reader] {
            let place = tempfile::tempdir().unwrap();
            let view = open(place.path(), Mode::Writer);
            bring_up(&*view.index, &truth());
            drop(view);
            wound(&place.path().join("view"));
            let view = open(place.path(), mode);
            bring_up(&*view.index, &truth());
            assert_eq!(answers(&*view.index, 40), right(), "{name} {mode:?}");
            assert_eq!(view.moved_aside.is_some(), moved && mode == Mode::Writer, "{name} {:?}", view.moved_aside);
            if let Some(moved) = &view.moved_aside {
                assert!(moved.to.is_dir() && !moved.reason.is_empty());
            }
            drop(view);
            let view = open(place.path(), Mode::Writer);
            let done = bring_up(&*view.index, &truth());
            assert_eq!(answers(&*view.index, 40), right(), "{name} {mode:?}, opened once more");
            if mode == Mode::Writer {
                assert_eq!(done, CaughtUp::default(), "{name}: what a writer applied is there next time");
            }
        }
    }
}

fn first(view: &Path, part: &str) -> PathBuf {
    let mut found: Vec<_> = std::fs::read_dir(view).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().contains(part));
    found.sort();
    found.remove(0)
}

fn halve(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}

#[test]
fn index_8_a_view_of_an_earlier_day_and_of_another_repository_answers_right() {
    let place = tempfile::tempdir().unwrap();
    let earlier = open(place.path(), Mode::Writer);
    apply(&*earlier.index, 1, &truth()[&segment_id(1)]);
    apply(&*earlier.index, 9, &[pack_row(9, 1, &[35])]);
    drop(earlier);
    let view = open(place.path(), Mode::Writer);
    assert_eq!(bring_up(&*view.index, &truth()), CaughtUp { applied_count: 4, retracted_count: 1 });
    assert_eq!(answers(&*view.index, 40), right());
    drop(view);
    let other = open_view(place.path(), RepositoryId::from_bytes([5; 16]), Mode::Writer, MEMORY_BYTES).unwrap();
    assert!(other.moved_aside.is_some());
    assert!(other.index.applied().unwrap().is_empty());
}

/// A block of a table rots: the tables open, but reading a row fails. Whoever meets that says so and leaves a mark;
/// the next writer builds the view again.
#[test]
fn index_8_damage_found_while_reading_has_the_view_built_again() {
    let place = tempfile::tempdir().unwrap();
    let view = open(place.path(), Mode::Writer);
    bring_up(&*view.index, &truth());
    drop(view);
    for path in tables(&place.path().join("view")) {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..40].fill(0x55);
        std::fs::write(path, bytes).unwrap();
    }
    let opened = open_view(place.path(), repository(), Mode::Writer, MEMORY_BYTES).unwrap();
    if opened.moved_aside.is_none() {
        let asked = opened.index.copies(chunk_id(1));
        assert!(matches!(asked, Err(IndexError::Damaged { .. })), "{asked:?}");
    }
    drop(opened);
    let view = open(place.path(), Mode::Writer);
    bring_up(&*view.index, &truth());
    assert_eq!(answers(&*view.index, 40), right());
}

fn tables(view: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(view).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "sst")).collect()
}

#[test]
fn index_9_a_second_process_neither_waits_nor_fails() {
    let place = tempfile::tempdir().unwrap();
    let first = open(place.path(), Mode::Writer);
    assert_eq!(first.kind, ViewKind::Shared);
    apply(&*first.index, 1, &truth()[&segment_id(1)]);
    // The first has flushed nothing yet but that the view is there.
    let second = open(place.path(), Mode::Writer);
    assert_eq!(second.kind, ViewKind::Overlaid);
    assert_eq!(bring_up(&*second.index, &truth()).applied_count, 5);
    first.index.flush().unwrap();
    let third = open(place.path(), Mode::Reader);
    assert_eq!(bring_up(&*third.index, &truth()).applied_count, 4);
    assert_eq!(bring_up(&*first.index, &truth()).applied_count, 4);
    for view in [&first, &second, &third] {
        assert_eq!(answers(&*view.index, 40), right());
    }
    drop((first, second, third));
    assert_eq!(entries(place.path()), ["CACHEDIR.TAG", "lock", "view"], "nothing stays behind");
    let next = open(place.path(), Mode::Writer);
    assert_eq!(next.kind, ViewKind::Shared);
    assert_eq!(bring_up(&*next.index, &truth()), CaughtUp::default());
}

#[test]
fn index_9_a_reader_never_takes_the_lock() {
    let place = tempfile::tempdir().unwrap();
    let reader = open(place.path(), Mode::Reader);
    assert_eq!(reader.kind, ViewKind::Private);
    assert_eq!(open(place.path(), Mode::Writer).kind, ViewKind::Shared);
    let reader_over = open(place.path(), Mode::Reader);
    assert_eq!(reader_over.kind, ViewKind::Overlaid);
    assert_eq!(open(place.path(), Mode::Writer).kind, ViewKind::Shared);
    drop((reader, reader_over));
    assert_eq!(entries(place.path()), ["CACHEDIR.TAG", "lock", "view"]);
}

#[test]
fn what_a_reader_built_where_nothing_was_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let reader = open(place.path(), Mode::Reader);
    assert_eq!(bring_up(&*reader.index, &truth()).applied_count, 5);
    drop(reader);
    let next = open(place.path(), Mode::Reader);
    assert_eq!(next.kind, ViewKind::Overlaid);
    assert_eq!(bring_up(&*next.index, &truth()), CaughtUp::default());
    assert_eq!(answers(&*next.index, 40), right());
}

fn entries(place: &Path) -> Vec<String> {
    let names = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Tables that the writer replaces while a reader has them open stay readable.
#[test]
fn a_reader_keeps_reading_what_the_writer_rewrites() {
    let place = tempfile::tempdir().unwrap();
    let writer = open(place.path(), Mode::Writer);
    for number in 1..=5 {
        apply(&*writer.index, number, &truth()[&segment_id(number)]);
        writer.index.flush().unwrap();
    }
    let reader = open(place.path(), Mode::Reader);
    let before = answers(&*reader.index, 40);
    for round in 0..40u8 {
        apply(&*writer.index, 100 + round, &[pack_row(100 + round, 1, &[u16::from(round)])]);
        writer.index.flush().unwrap();
    }
    drop(writer);
    assert_eq!(answers(&*reader.index, 40), before);
}
