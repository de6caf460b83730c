//! Which of very many wounds a run tries: `HOLDALL_WOUNDS=<part>/<parts>` says so, and all parts together are all of them.
//! Otherwise a few are tried, the same ones each time.

use super::judge::{Judge, Judgement};
use super::story::Story;
use crate::store::ObjectName;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// In how many parts what there is to try falls, where nobody says otherwise.
const PARTS: usize = 400;
/// How many failures are shown.
const SHOWN_MAX: usize = 40;

#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    part: usize,
    parts: usize,
}

impl Share {
    pub(super) fn asked_for() -> Self {
        let text = std::env::var("HOLDALL_WOUNDS").ok();
        let asked = text.as_ref().map(|text| {
            let (part, parts) = text.split_once('/').expect("HOLDALL_WOUNDS=<part>/<parts>");
            Self { part: part.parse().unwrap(), parts: parts.parse().unwrap() }
        });
        let share = asked.unwrap_or(Self { part: 0, parts: PARTS });
        assert!(share.part < share.parts, "{share:?}");
        share
    }

    pub(super) fn takes(&self, number: usize) -> bool {
        number % self.parts == self.part
    }
}

/// A repository with one wound: what it is called, the objects that have other bytes than they had, none where they are
/// gone.
pub(super) struct Case {
    pub(super) wound: String,
    pub(super) changed: Vec<(ObjectName, Option<Vec<u8>>)>,
}

/// Tries all cases on all cores. `check` says what is not as it should be.
pub(super) fn try_all(
    story: &Story,
    cases: &[Case],
    check: &(dyn Fn(&Case, &Judgement, &Judge<'_>) -> Vec<String> + Sync),
) {
    let started = std::time::Instant::now();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        let judge = Judge::new(story);
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let judgement = judge.judge(&story.wounded(&case.changed));
                check(case, &judgement, &judge)
            }));
            let wrong = judged.unwrap_or_else(|_| vec!["panicked".to_owned()]);
            let wrong = wrong.into_iter().map(|wrong| format!("{}: {wrong}", case.wound));
            failures.lock().unwrap().extend(wrong);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    println!("{} wounds, {:.1} s", cases.len(), started.elapsed().as_secs_f64());
    let failures = failures.into_inner().unwrap();
    let shown = failures.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} failures:\n{shown}", failures.len());
}
