use super::*;
use crate::session::testing::{Told, restate, state, tell};

fn snapshots(history: &mut History) -> [SnapshotId; 3] {
    [1, 2, 3].map(|number| tell(history, &Told { number, ..Told::default() }))
}

#[test]
fn record_5_a_restate_cancels_a_forget_for_its_own_snapshots_and_no_others() {
    let mut history = History::default();
    let [a, b, c] = snapshots(&mut history);
    let both = state(&mut history, 1, RecordKind::Forget, &[a, b], 1, None);
    assert_eq!(history.forgotten(), HashSet::from([a, b]));
    restate(&mut history, 1, StatementKind::Undo, &[a], &[both], 2);
    assert_eq!(history.forgotten(), HashSet::from([b]));
    assert_eq!((history.forgets_of(a), history.forgets_of(b)), (vec![], vec![both]));
    // A cancellation is final, and a new forget is another one.
    let again = state(&mut history, 2, RecordKind::Forget, &[a, c], 3, None);
    assert_eq!(history.forgotten(), HashSet::from([a, b, c]));
    restate(&mut history, 2, StatementKind::Undo, &[a], &[both], 4);
    assert_eq!(history.forgets_of(a), [again]);
}

/// What is said, when, and until when.
type Said = (RecordKind, i64, Option<i64>);

#[test]
fn record_6_the_pin_or_unpin_that_was_made_last_decides() {
    use RecordKind::{Pin as Pinned, Unpin};
    let cases: &[(&[Said], Option<Option<i64>>)] = &[
        (&[], None),
        (&[(Pinned, 1, None)], Some(None)),
        (&[(Pinned, 1, None), (Unpin, 2, None)], None),
        (&[(Unpin, 2, None), (Pinned, 1, None)], None),
        (&[(Pinned, 1, None), (Unpin, 2, None), (Pinned, 3, Some(9))], Some(Some(9))),
        // The last pin decides how long, also when that is shorter.
        (&[(Pinned, 1, None), (Pinned, 2, Some(9))], Some(Some(9))),
        // Of statements made at the same time, what protects longest.
        (&[(Unpin, 2, None), (Pinned, 2, Some(9))], Some(Some(9))),
        (&[(Pinned, 2, Some(9)), (Pinned, 2, Some(7)), (Pinned, 2, None)], Some(None)),
    ];
    for (statements, expected) in cases {
        let mut history = History::default();
        let [a, b, _] = snapshots(&mut history);
        for (number, (kind, made_at_ns, until_ns)) in (1..).zip(*statements) {
            state(&mut history, number, *kind, &[a], *made_at_ns, *until_ns);
        }
        let pins = history.pins();
        assert_eq!(pins.get(&a).map(|pin| pin.until_ns), *expected, "{statements:?}");
        assert_eq!(pins.get(&b), None);
    }
    let mut history = History::default();
    let [a, _, _] = snapshots(&mut history);
    let forget = state(&mut history, 1, RecordKind::Forget, &[a], 1, None);
    restate(&mut history, 1, StatementKind::PinForgotten, &[a], &[forget], 5);
    assert_eq!(history.pins().get(&a), Some(&Pin { until_ns: None }));
    state(&mut history, 2, Unpin, &[a], 6, None);
    assert_eq!(history.pins().get(&a), None);
}

#[test]
fn record_6_a_pin_ends_by_the_readers_clock() {
    let pin = Pin { until_ns: Some(10) };
    assert!(pin.holds_at(9) && !pin.holds_at(10));
    assert!(Pin { until_ns: None }.holds_at(i64::MAX));
}

#[test]
fn record_7_a_statement_is_made_later_than_all_that_are_known_about_its_snapshots() {
    let mut history = History::default();
    let [a, b, c] = snapshots(&mut history);
    let year_ns = 31_536_000_000_000_000;
    state(&mut history, 1, RecordKind::Pin, &[a], 10 * year_ns, None);
    restate(&mut history, 1, StatementKind::Undo, &[b], &[], 20 * year_ns);
    assert_eq!(history.statement_time_ns(&[c], 5), 5);
    assert_eq!(history.statement_time_ns(&[a, c], 5), 10 * year_ns + 1);
    assert_eq!(history.statement_time_ns(&[a, b], 5), 20 * year_ns + 1);
    assert_eq!(history.statement_time_ns(&[a], 30 * year_ns), 30 * year_ns);
}
