//! When a set runs, by the clocks on the wall.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::str::FromStr;

/// A calendar: an endless series of moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Calendar {
    /// Every hour, so many minutes past it.
    Hourly { minute: i8 },
    /// On some days, at some times.
    Days { days: Days, times: Vec<Time> },
    /// As only systemd knows it.
    Systemd(String),
}

/// Some days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Days {
    All,
    /// At least one.
    Week(Vec<Weekday>),
    /// A day that every month has: 1 to 28.
    Month(i8),
}

/// A calendar that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected hourly, hourly :15, daily 02:30, daily 02:30,14:30, weekly sun 02:30, weekly mon,thu 02:30, \
     monthly 15 02:30, or systemd: and a calendar of systemd"
)]
pub(crate) struct CalendarError;

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// No two moments of a calendar lie farther apart: a month of 31 days, and a zone's change.
const DAYS_APART_MAX: i32 = 33;

impl FromStr for Calendar {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        if let Some(calendar) = text.strip_prefix("systemd:") {
            let calendar = calendar.trim();
            let fits = !calendar.is_empty() && calendar.chars().all(|c| c.is_ascii_graphic() || c == ' ');
            return fits.then(|| Self::Systemd(calendar.to_owned())).ok_or(CalendarError);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let midnight = || vec![Time::midnight()];
        Ok(match *words.as_slice() {
            ["hourly"] => Self::Hourly { minute: 0 },
            ["hourly", minute] => {
                let minute = minute.strip_prefix(':').ok_or(CalendarError)?;
                Self::Hourly { minute: two_digits(minute, 59)? }
            }
            ["daily"] => Self::Days { days: Days::All, times: midnight() },
            ["daily", at] => Self::Days { days: Days::All, times: times(at)? },
            ["weekly"] => Self::Days { days: Days::Week(vec![Weekday::Monday]), times: midnight() },
            ["weekly", on] => Self::Days { days: weekdays(on)?, times: midnight() },
            ["weekly", on, at] => Self::Days { days: weekdays(on)?, times: times(at)? },
            ["monthly"] => Self::Days { days: Days::Month(1), times: midnight() },
            ["monthly", on] => Self::Days { days: day_of_month(on)?, times: midnight() },
            ["monthly", on, at] => Self::Days { days: day_of_month(on)?, times: times(at)? },
            _ => return Err(CalendarError),
        })
    }
}

fn two_digits(text: &str, max: i8) -> Result<i8, CalendarError> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<i8>().ok().filter(|number| digits && *number <= max);
    number.ok_or(CalendarError)
}

fn times(text: &str) -> Result<Vec<Time>, CalendarError> {
    let time = |text: &str| {
        let (hour, minute) = text.split_once(':').ok_or(CalendarError)?;
        Time::new(two_digits(hour, 23)?, two_digits(minute, 59)?, 0, 0).map_err(|_| CalendarError)
    };
    let mut times: Vec<Time> = text.split(',').map(time).collect::<Result<_, _>>()?;
    times.sort_unstable();
    times.dedup();
    Ok(times)
}

fn weekdays(text: &str) -> Result<Days, CalendarError> {
    let day = |name: &str| WEEKDAYS.iter().find(|(known, _)| *known == name).map(|(_, day)| *day).ok_or(CalendarError);
    Ok(Days::Week(text.split(',').map(day).collect::<Result<_, _>>()?))
}

fn day_of_month(text: &str) -> Result<Days, CalendarError> {
    let day = text.parse::<i8>().ok().filter(|day| (1..=28).contains(day));
    day.map(Days::Month).ok_or(CalendarError)
}

impl Calendar {
    /// The last moment of the calendar that is not after `now`; `None` if only systemd knows it.
    ///
    /// A time that a zone's clocks skip is taken as much later as they skip, one that they show twice is taken once, the
    /// first time.
    pub(crate) fn last(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Systemd(_) => None,
            Self::Hourly { minute } => last_of_an_hour(*minute, now, zone),
            Self::Days { .. } => self.around(now, zone, -DAYS_APART_MAX, 1).into_iter().rfind(|moment| *moment <= now),
        }
    }

    /// The first moment of the calendar after `now`; `None` if only systemd knows it.
    pub(crate) fn next(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Systemd(_) => None,
            Self::Hourly { minute } => {
                last_of_an_hour(*minute, now.checked_add(SignedDuration::from_hours(1)).ok()?, zone)
            }
            Self::Days { .. } => self.around(now, zone, -1, DAYS_APART_MAX).into_iter().find(|moment| *moment > now),
        }
    }

    /// The moments on the days around a moment, in order.
    fn around(&self, now: Timestamp, zone: &TimeZone, from_day: i32, to_day: i32) -> Vec<Timestamp> {
        let Self::Days { days, times } = self else { return Vec::new() };
        let today = zone.to_datetime(now).date();
        let near = (from_day..=to_day).filter_map(|day| today.checked_add(day.days()).ok());
        let on = near.filter(|date| days.hold(*date));
        let at = on.flat_map(|date| times.iter().map(move |time| date.to_datetime(*time)));
        let mut moments: Vec<Timestamp> =
            at.filter_map(|civil| zone.to_ambiguous_timestamp(civil).compatible().ok()).collect();
        moments.sort_unstable();
        moments
    }

    /// As `OnCalendar=` of systemd takes it; several are several lines.
    pub(crate) fn for_systemd(&self) -> Vec<String> {
        match self {
            Self::Systemd(calendar) => vec![calendar.clone()],
            Self::Hourly { minute } => vec![format!("*-*-* *:{minute:02}:00")],
            Self::Days { days, times } => {
                let date = match days {
                    Days::All => "*-*-*".to_owned(),
                    Days::Month(day) => format!("*-*-{day:02}"),
                    Days::Week(week) => {
                        let named = WEEKDAYS.iter().filter(|(_, day)| week.contains(day)).map(|(name, _)| *name);
                        format!("{} *-*-*", named.collect::<Vec<_>>().join(","))
                    }
                };
                let line = |time: &Time| format!("{date} {:02}:{:02}:00", time.hour(), time.minute());
                times.iter().map(line).collect()
            }
        }
    }
}

/// Every hour that passes has one, also where the clocks show an hour twice.
fn last_of_an_hour(minute: i8, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let clock = zone.to_datetime(now).time();
    let past = i64::from(clock.minute()) * 60 + i64::from(clock.second());
    let since = (past - i64::from(minute) * 60).rem_euclid(3600);
    let whole_second = Timestamp::from_second(now.as_second()).ok()?;
    whole_second.checked_sub(SignedDuration::from_secs(since)).ok()
}

impl Days {
    fn hold(&self, date: Date) -> bool {
        match self {
            Self::All => true,
            Self::Week(week) => week.contains(&date.weekday()),
            Self::Month(day) => date.day() == *day,
        }
    }
}
