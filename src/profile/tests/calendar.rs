//! Calendars by the clocks of zones that skip hours and show them twice.

use crate::profile::calendar::Calendar;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

fn calendar(text: &str) -> Calendar {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("this machine knows Berlin")
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_calendar_has_a_last_and_a_next_moment() {
    // 2026-11-28 is a Saturday; Berlin is one hour ahead.
    let now = at("2026-11-28T12:00:00Z");
    let cases = [
        ("hourly", "2026-11-28T12:00:00Z", "2026-11-28T13:00:00Z"),
        ("hourly :15", "2026-11-28T11:15:00Z", "2026-11-28T12:15:00Z"),
        ("daily", "2026-11-27T23:00:00Z", "2026-11-28T23:00:00Z"),
        ("daily 02:30", "2026-11-28T01:30:00Z", "2026-11-29T01:30:00Z"),
        ("daily 13:00", "2026-11-28T12:00:00Z", "2026-11-29T12:00:00Z"),
        ("daily 13:01", "2026-11-27T12:01:00Z", "2026-11-28T12:01:00Z"),
        ("daily 22:00,06:00", "2026-11-28T05:00:00Z", "2026-11-28T21:00:00Z"),
        ("weekly", "2026-11-22T23:00:00Z", "2026-11-29T23:00:00Z"),
        ("weekly sat 13:30", "2026-11-21T12:30:00Z", "2026-11-28T12:30:00Z"),
        ("weekly mon,thu 02:30", "2026-11-26T01:30:00Z", "2026-11-30T01:30:00Z"),
        ("monthly", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"),
        ("monthly 28 20:00", "2026-10-28T19:00:00Z", "2026-11-28T19:00:00Z"),
    ];
    for (text, last, next) in cases {
        let calendar = calendar(text);
        assert_eq!(calendar.last(now, &berlin()), Some(at(last)), "{text}");
        assert_eq!(calendar.next(now, &berlin()), Some(at(next)), "{text}");
    }
}

#[test]
fn what_is_no_calendar_is_refused() {
    let texts = [
        "",
        "nightly",
        "daily 2:30",
        "daily 24:00",
        "daily 02:60",
        "daily 02:30 14:30",
        "hourly 15",
        "hourly :60",
        "weekly sunday",
        "weekly 02:30",
        "monthly 29",
        "monthly 0 02:30",
        "Daily",
        "systemd:",
        "systemd:\n",
        "daily +1:30",
    ];
    for text in texts {
        assert!(text.parse::<Calendar>().is_err(), "{text:?}");
    }
}

/// All moments of a calendar between two, counted by its next ones, with its last ones agreeing.
fn moments(text: &str, from: &str, to: &str) -> Vec<Timestamp> {
    let (calendar, zone, to) = (calendar(text), berlin(), at(to));
    let mut found = Vec::new();
    let mut now = at(from);
    while let Some(next) = calendar.next(now, &zone).filter(|next| *next < to) {
        let just_before = next.checked_sub(SignedDuration::from_secs(1)).expect("in range");
        assert_eq!(calendar.last(next, &zone), Some(next));
        assert_eq!(calendar.last(just_before, &zone), found.last().copied().or(calendar.last(now, &zone)));
        found.push(next);
        now = next;
    }
    found
}

#[test]
fn a_time_that_the_clocks_skip_comes_once_and_later() {
    // In Berlin 2026-03-29 has no time between 02:00 and 03:00.
    let found = moments("daily 02:30", "2026-03-28T12:00:00Z", "2026-03-31T00:00:00Z");
    assert_eq!(found, [at("2026-03-29T01:30:00Z"), at("2026-03-30T00:30:00Z")], "03:30 and 02:30 in summer");
}

#[test]
fn a_time_that_the_clocks_show_twice_comes_once() {
    // In Berlin 2026-10-25 has the hour from 02:00 twice.
    let found = moments("daily 02:30", "2026-10-24T12:00:00Z", "2026-10-27T00:00:00Z");
    assert_eq!(found, [at("2026-10-25T00:30:00Z"), at("2026-10-26T01:30:00Z")]);
}

#[test]
fn every_hour_that_passes_has_its_moment_when_clocks_change() {
    for day in ["2026-03-29", "2026-10-25"] {
        let (from, to) = (format!("{day}T00:10:00Z"), format!("{day}T06:10:00Z"));
        let found = moments("hourly :15", &from, &to);
        assert_eq!(found.len(), 6, "{day}");
        assert!(found.windows(2).all(|pair| pair[1].duration_since(pair[0]) == SignedDuration::from_hours(1)));
    }
}

#[test]
fn a_calendar_of_systemd_is_for_systemd() {
    let calendar = calendar("systemd: Mon..Fri *-*-* 02:30");
    assert_eq!(calendar, Calendar::Systemd("Mon..Fri *-*-* 02:30".to_owned()));
    assert_eq!(calendar.last(at("2026-11-28T12:00:00Z"), &berlin()), None);
    assert_eq!(calendar.next(at("2026-11-28T12:00:00Z"), &berlin()), None);
}

#[test]
fn systemd_is_told_the_same_calendar() {
    let cases: [(&str, &[&str]); 6] = [
        ("hourly :05", &["*-*-* *:05:00"]),
        ("daily 02:30", &["*-*-* 02:30:00"]),
        ("daily 14:30,02:30", &["*-*-* 02:30:00", "*-*-* 14:30:00"]),
        ("weekly sun,wed 02:30", &["wed,sun *-*-* 02:30:00"]),
        ("monthly 5 00:10", &["*-*-05 00:10:00"]),
        ("systemd: Mon..Fri *-*-* 02:30", &["Mon..Fri *-*-* 02:30"]),
    ];
    for (text, lines) in cases {
        assert_eq!(calendar(text).for_systemd(), lines, "{text}");
    }
}
