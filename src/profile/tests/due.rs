//! When something is due, whatever was missed and whatever clocks do.

use crate::profile::calendar::Calendar;
use crate::profile::{Outcome, Record, Run, Standing, settled_by};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn nightly() -> Calendar {
    "daily 02:30".parse().expect("a calendar")
}

fn standing(record: &Record, now: &str) -> Standing {
    Standing::of(record, &nightly(), at(now), &TimeZone::UTC)
}

/// A record after a run that began then.
fn after_a_run(began: &str) -> Record {
    Record { settled_s: settled_by(&nightly(), at(began), &TimeZone::UTC), ..Record::default() }
}

#[test]
fn a_run_settles_the_moments_up_to_its_beginning() {
    let record = after_a_run("2026-11-28T02:30:00Z");
    assert_eq!(standing(&record, "2026-11-28T02:31:00Z"), Standing::Later(at("2026-11-29T02:30:00Z")));
    assert_eq!(standing(&record, "2026-11-29T02:29:59Z"), Standing::Later(at("2026-11-29T02:30:00Z")));
    assert_eq!(standing(&record, "2026-11-29T02:30:00Z"), Standing::Due);
}

#[test]
fn what_never_ran_is_due() {
    assert_eq!(standing(&Record::default(), "2026-11-28T12:00:00Z"), Standing::Due);
}

#[test]
fn missed_moments_are_caught_up_exactly_once() {
    // Asked every five minutes; the machine sleeps for three days and a bit, over three moments.
    let mut record = after_a_run("2026-11-20T02:30:00Z");
    let sleeps = at("2026-11-21T01:00:00Z")..at("2026-11-24T09:00:00Z");
    let mut runs = Vec::new();
    let mut now = at("2026-11-20T02:35:00Z");
    while now < at("2026-11-26T12:00:00Z") {
        if !sleeps.contains(&now) && Standing::of(&record, &nightly(), now, &TimeZone::UTC) == Standing::Due {
            runs.push(now);
            record.settled_s = settled_by(&nightly(), now, &TimeZone::UTC);
        }
        now = now.checked_add(SignedDuration::from_mins(5)).expect("in range");
    }
    assert_eq!(runs, ["2026-11-24T09:00:00Z", "2026-11-25T02:30:00Z", "2026-11-26T02:30:00Z"].map(at));
}

#[test]
fn a_run_that_was_killed_settles_nothing() {
    let mut record = after_a_run("2026-11-27T02:30:00Z");
    record.run = Some(Run {
        began_s: at("2026-11-28T02:30:00Z").as_second(),
        ended_s: None,
        outcome: None,
        exit_code: None,
        message: None,
    });
    assert_eq!(standing(&record, "2026-11-28T02:35:00Z"), Standing::Due);
}

#[test]
fn a_clock_that_is_set_back_a_little_repeats_nothing() {
    let record = after_a_run("2026-11-28T02:30:01Z");
    assert_eq!(standing(&record, "2026-11-28T02:29:30Z"), Standing::Later(at("2026-11-29T02:30:00Z")));
}

#[test]
fn a_clock_that_was_far_ahead_keeps_nothing_from_running() {
    let record = after_a_run("2031-01-01T02:30:00Z");
    assert_eq!(standing(&record, "2026-11-28T12:00:00Z"), Standing::Due);
    let then = after_a_run("2026-11-28T12:00:00Z");
    assert_eq!(standing(&then, "2026-11-28T12:05:00Z"), Standing::Later(at("2026-11-29T02:30:00Z")), "and only once");
}

#[test]
fn a_clock_that_was_ahead_by_less_than_a_moment_keeps_nothing_from_running_either() {
    let monthly: Calendar = "monthly 1 02:30".parse().expect("a calendar");
    let ahead =
        Record { settled_s: settled_by(&monthly, at("2026-12-01T02:30:00Z"), &TimeZone::UTC), ..Record::default() };
    let standing = |now: &str| Standing::of(&ahead, &monthly, at(now), &TimeZone::UTC);
    assert_eq!(standing("2026-11-03T12:00:00Z"), Standing::Due);
    assert_eq!(standing("2026-12-01T02:29:59Z"), Standing::Later(at("2027-01-01T02:30:00Z")));
}

#[test]
fn only_systemd_knows_its_own_calendars() {
    let calendar: Calendar = "systemd: daily".parse().expect("a calendar");
    let now = at("2026-11-28T12:00:00Z");
    assert_eq!(Standing::of(&Record::default(), &calendar, now, &TimeZone::UTC), Standing::Unknown);
}

#[test]
fn a_record_comes_back_as_it_was_kept_and_a_torn_one_counts_as_none() {
    let run = Run {
        began_s: 1,
        ended_s: Some(2),
        outcome: Some(Outcome::Interrupted),
        exit_code: Some(143),
        message: Some("\"\n".to_owned()),
    };
    let record = Record { settled_s: Some(-5), run: Some(run), backup: None };
    let text = record.to_text();
    assert_eq!(Record::parse(&text), record);
    assert_eq!(Record::parse(&text[..text.len() / 2]), Record::default());
    assert_eq!(Record::parse(b"{\"later\": 1}"), Record::default(), "one of a newer version");
}
