//! When a backup is to be ended early.

use crate::cli::values::{Moment, Span, ValueError};
use jiff::Zoned;
use jiff::civil::Time;
use std::time::{Duration, Instant};

/// How `--stop-after` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopAfter {
    /// `2h`: so long from the start.
    Span(Duration),
    /// `06:00`: when the local clock shows it next.
    Clock(Time),
}

/// A moment to come, by the clock that was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// Setting the clock does not change it.
    Elapsed(Instant),
    /// A machine that slept until then is late.
    Shown(Moment),
}

impl std::str::FromStr for StopAfter {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let clock = || Time::strptime("%H:%M", text).ok().map(Self::Clock);
        let span = text.parse::<Span>().ok().map(|Span(length)| Self::Span(length));
        span.or_else(clock)
            .ok_or_else(|| ValueError::new("expected a length of time such as 90m or 2h, or a time such as 06:00"))
    }
}

impl StopAfter {
    /// The deadline of a run that starts now.
    pub(crate) fn deadline(self) -> Deadline {
        match self {
            Self::Span(length) => Deadline::Elapsed(Instant::now().checked_add(length).unwrap_or_else(Instant::now)),
            Self::Clock(time) => Deadline::Shown(next(time, &Zoned::now()).unwrap_or_else(Moment::now)),
        }
    }
}

impl Deadline {
    /// Whether it has come.
    pub(crate) fn is_over(self) -> bool {
        match self {
            Self::Elapsed(end) => Instant::now() >= end,
            Self::Shown(end) => Moment::now().time_ns >= end.time_ns,
        }
    }
}

/// When a clock shows a time next, after `now`. A time that it skips in spring comes as much later as it is put forward.
fn next(time: Time, now: &Zoned) -> Option<Moment> {
    let on = |date: jiff::civil::Date| now.time_zone().to_zoned(date.to_datetime(time)).ok();
    let today = on(now.date()).filter(|today| today > now);
    let next = today.or_else(|| on(now.date().tomorrow().ok()?))?;
    Some(Moment { time_ns: next.timestamp().as_nanosecond().try_into().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Zoned {
        text.parse().unwrap()
    }

    #[test]
    fn lengths_and_times_are_told_apart() {
        assert_eq!("2h".parse(), Ok(StopAfter::Span(Duration::from_secs(7200))));
        assert_eq!("06:30".parse(), Ok(StopAfter::Clock(Time::constant(6, 30, 0, 0))));
        for text in ["", "6", "25:00", "06:60", "6am", "-2h", "2026-11-21"] {
            assert!(text.parse::<StopAfter>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_time_is_the_next_one_that_the_clock_shows() {
        let cases = [
            ("2026-11-21T23:00[Europe/Berlin]", "2026-11-22T06:00[Europe/Berlin]"),
            ("2026-11-21T05:59:59[Europe/Berlin]", "2026-11-21T06:00[Europe/Berlin]"),
            ("2026-11-21T06:00[Europe/Berlin]", "2026-11-22T06:00[Europe/Berlin]"),
        ];
        for (now, expected) in cases {
            let expected = i64::try_from(at(expected).timestamp().as_nanosecond()).unwrap();
            assert_eq!(next(Time::constant(6, 0, 0, 0), &at(now)), Some(Moment { time_ns: expected }), "{now}");
        }
        let skipped = next(Time::constant(2, 30, 0, 0), &at("2026-03-29T01:00[Europe/Berlin]")).unwrap();
        let put_forward = at("2026-03-29T03:30[Europe/Berlin]").timestamp().as_nanosecond();
        assert_eq!(i128::from(skipped.time_ns), put_forward);
    }

    #[test]
    fn what_lies_ahead_is_not_over() {
        assert!(!StopAfter::Span(Duration::from_secs(3600)).deadline().is_over());
        assert!(StopAfter::Span(Duration::ZERO).deadline().is_over());
        assert!(Deadline::Shown(Moment { time_ns: 0 }).is_over());
        assert!(!Deadline::Shown(Moment { time_ns: i64::MAX }).is_over());
    }
}
