//! What is known of snapshots that were restored for a test.

use crate::id::SnapshotId;
use crate::record::{DrillResult, RecordKind};
use crate::session::history::History;
use std::collections::HashMap;

/// The drill of a snapshot that was made last, be it good or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastDrill {
    /// When its record was made, in nanoseconds since the epoch.
    pub made_at_ns: i64,
    /// What came of it; none where the record says nothing that is understood.
    pub result: Option<DrillResult>,
}

impl LastDrill {
    /// The later one goes before; of drills made at the same time one that did not pass.
    fn precedence(&self) -> (i64, bool) {
        (self.made_at_ns, self.result.is_some_and(|result| !result.has_passed()))
    }
}

impl History {
    /// The last drill of each snapshot that had one.
    pub fn last_drills(&self) -> HashMap<SnapshotId, LastDrill> {
        let mut last: HashMap<SnapshotId, LastDrill> = HashMap::new();
        for record in self.records.values().filter(|record| record.body.kind == RecordKind::Drill) {
            let result = DrillResult::of_note(&record.body.note);
            let drill = LastDrill { made_at_ns: record.body.made_at_ns, result };
            for snapshot in &record.body.snapshots.0 {
                let kept = last.entry(*snapshot).or_insert(drill);
                if kept.precedence() < drill.precedence() {
                    *kept = drill;
                }
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{Told, state, tell};
    use crate::wire::Blob;

    fn drill(history: &mut History, number: u64, snapshot: SnapshotId, (made_at_ns, note): (i64, Blob)) {
        state(history, number, RecordKind::Drill, &[snapshot], made_at_ns, None);
        let record = history.records.values_mut().find(|record| record.body.number == number).unwrap();
        record.body.note = note;
    }

    #[test]
    fn record_16_the_drill_that_was_made_last_is_shown_whether_it_passed_or_not() {
        let mut history = History::default();
        let one = tell(&mut history, &Told { number: 1, ..Told::default() });
        let other = tell(&mut history, &Told { number: 2, ..Told::default() });
        assert!(history.last_drills().is_empty());
        let good = DrillResult::sample();
        let bad = DrillResult { differing_count: 1, ..good };
        assert!(good.has_passed() && !bad.has_passed());

        drill(&mut history, 1, one, (10, good.to_note()));
        drill(&mut history, 2, one, (30, bad.to_note()));
        drill(&mut history, 3, one, (20, good.to_note()));
        drill(&mut history, 4, other, (30, bad.to_note()));
        drill(&mut history, 5, other, (30, good.to_note()));
        state(&mut history, 6, RecordKind::Pin, &[other], 90, None);
        let last = |history: &History, id| history.last_drills().get(&id).copied();
        assert_eq!(last(&history, one), Some(LastDrill { made_at_ns: 30, result: Some(bad) }));
        assert_eq!(last(&history, other), Some(LastDrill { made_at_ns: 30, result: Some(bad) }), "at the same time");

        drill(&mut history, 7, one, (40, Blob::from("by hand")));
        assert_eq!(last(&history, one), Some(LastDrill { made_at_ns: 40, result: None }), "one that says nothing");
        let shown = crate::session::all(&history);
        assert!(shown.iter().all(|snapshot| snapshot.drill == last(&history, snapshot.id)));
    }
}
