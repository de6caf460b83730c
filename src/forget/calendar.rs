//! Hours, days, weeks, months and years as the clocks on the wall of one time zone count them.

use crate::error::{Error, ErrorKind, Result};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const NS_PER_SECOND: i128 = 1_000_000_000;

/// The time zone by whose clocks snapshots fall into hours, days, weeks, months and years.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone that this machine is set to.
    pub fn of_this_machine() -> Self {
        Self(TimeZone::system())
    }

    /// The zone with this name, as in `Europe/Berlin`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when this machine knows no such zone.
    pub fn named(name: &str) -> Result<Self> {
        TimeZone::get(name).map(Self).map_err(|_| {
            Error::new(
                ErrorKind::Invalid,
                format!("{name:?} is no time zone that this machine knows; Europe/Berlin is"),
            )
        })
    }

    /// The date and time that the zone's clocks show.
    fn civil(&self, time_ns: i64) -> DateTime {
        // Every i64 of nanoseconds lies between the years 1677 and 2262, and jiff's range is wider.
        let timestamp = Timestamp::from_nanosecond(time_ns.into()).unwrap_or_default();
        self.0.to_datetime(timestamp)
    }

    /// When the zone's clocks show this. A time that they skip or show twice is taken by the rule of the language that
    /// restic is written in, so that both draw the line at the same place: with the offset that held at the moment that
    /// would be right with the offset that holds at that time in UTC.
    fn moment_ns(&self, civil: DateTime) -> Option<i64> {
        let as_utc = TimeZone::UTC.to_timestamp(civil).ok()?;
        let offset_at = |moment: Timestamp| self.0.to_offset(moment).seconds();
        let first = as_utc.checked_sub(i64::from(offset_at(as_utc)).seconds()).ok()?;
        let moment = as_utc.checked_sub(i64::from(offset_at(first)).seconds()).ok()?;
        moment.as_nanosecond().try_into().ok()
    }
}

/// A length of time in the calendar, such as `1y5m7d2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct CalendarSpan {
    /// Years.
    pub years: u32,
    /// Months.
    pub months: u32,
    /// Days.
    pub days: u32,
    /// Hours.
    pub hours: u32,
}

impl CalendarSpan {
    /// Whether it has no length.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// The moment that lies this long before `time_ns`: first the date goes back, with days that a month lacks counted
    /// into the next, then the hours. Before the range of times it is the beginning of that range.
    pub(super) fn before(&self, time_ns: i64, zone: &Zone) -> i64 {
        let moment_ns = self.date_before(zone.civil(time_ns)).and_then(|civil| zone.moment_ns(civil));
        let hours_ns = i128::from(self.hours).saturating_mul(3600 * NS_PER_SECOND);
        let before_ns = moment_ns.map(|moment_ns| i128::from(moment_ns).saturating_sub(hours_ns));
        before_ns.and_then(|before_ns| i64::try_from(before_ns).ok()).unwrap_or(i64::MIN)
    }

    fn date_before(&self, civil: DateTime) -> Option<DateTime> {
        let months = i64::from(civil.year()) * 12 + i64::from(civil.month()) - 1;
        let months = months - i64::from(self.years) * 12 - i64::from(self.months);
        let year = i16::try_from(months.div_euclid(12)).ok()?;
        let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
        let days = i64::from(civil.day()) - 1 - i64::from(self.days);
        let date = Date::new(year, month, 1).ok()?.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
        Some(date.to_datetime(civil.time()))
    }
}

impl std::fmt::Display for CalendarSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [(self.years, 'y'), (self.months, 'm'), (self.days, 'd'), (self.hours, 'h')];
        parts.into_iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

impl std::str::FromStr for CalendarSpan {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut span = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (count, after) = rest.split_at(digits);
            let mut units = after.chars();
            let field = match units.next() {
                Some('y') => &mut span.years,
                Some('m') => &mut span.months,
                Some('d') => &mut span.days,
                Some('h') => &mut span.hours,
                _ => return Err(not_a_span(text)),
            };
            *field = count.parse().map_err(|_| not_a_span(text))?;
            rest = units.as_str();
        }
        Ok(span)
    }
}

fn not_a_span(text: &str) -> Error {
    let message = format!("{text:?} is no length of time; give years, months, days and hours, as in 1y5m7d2h");
    Error::new(ErrorKind::Invalid, message)
}

/// Of what a rule keeps one snapshot each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// No period: every snapshot stands for itself.
    Last,
    /// From :00 to :59.
    Hourly,
    /// From midnight to midnight.
    Daily,
    /// From Monday to Sunday; ISO 8601 says to which year a week belongs.
    Weekly,
    /// A month of the calendar.
    Monthly,
    /// A year of the calendar.
    Yearly,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 6] = [Self::Last, Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];

    /// Which of its kind a moment falls into: two moments get the same number if and only if they share it. `place` is
    /// that of the snapshot in its list.
    pub(super) fn bucket(self, time_ns: i64, place: usize, zone: &Zone) -> i64 {
        let civil = zone.civil(time_ns);
        let [year, month, day, hour] =
            [i64::from(civil.year()), civil.month().into(), civil.day().into(), civil.hour().into()];
        match self {
            Self::Last => i64::try_from(place).unwrap_or(i64::MAX),
            Self::Hourly => year * 1_000_000 + month * 10_000 + day * 100 + hour,
            Self::Daily => year * 10_000 + month * 100 + day,
            Self::Weekly => {
                let week = civil.date().iso_week_date();
                i64::from(week.year()) * 100 + i64::from(week.week())
            }
            Self::Monthly => year * 100 + month,
            Self::Yearly => year,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_nanosecond().try_into().unwrap()
    }

    #[test]
    fn spans_are_read_and_written_as_restic_does() {
        for (text, span) in [
            ("1y5m7d2h", CalendarSpan { years: 1, months: 5, days: 7, hours: 2 }),
            ("7d", CalendarSpan { days: 7, ..CalendarSpan::default() }),
            ("36h", CalendarSpan { hours: 36, ..CalendarSpan::default() }),
        ] {
            assert_eq!(text.parse::<CalendarSpan>().unwrap(), span);
            assert_eq!(span.to_string(), text);
        }
        for text in ["7", "d", "7w", "-7d", "7 d", "7d!", "99999999999d"] {
            assert_eq!(text.parse::<CalendarSpan>().unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
        assert!("".parse::<CalendarSpan>().unwrap().is_zero());
    }

    #[test]
    fn a_span_goes_back_by_the_calendar() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let cases = [
            // Days that a month lacks run into the next one.
            ("2025-03-31T10:00:00Z", "1m", "2025-03-03T11:00:00Z"),
            ("2024-02-29T12:00:00Z", "1y", "2023-03-01T12:00:00Z"),
            // A day back over the change to summer time is 23 hours, and 24 hours are 24 hours.
            ("2025-03-30T10:00:00Z", "1d", "2025-03-29T11:00:00Z"),
            ("2025-03-30T10:00:00Z", "24h", "2025-03-29T10:00:00Z"),
            ("2025-10-26T10:00:00Z", "1d", "2025-10-25T09:00:00Z"),
        ];
        for (from, span, expected) in cases {
            let before = span.parse::<CalendarSpan>().unwrap().before(ns(from), &berlin);
            assert_eq!(before, ns(expected), "{from} - {span}");
        }
        let ages = CalendarSpan { years: u32::MAX, ..CalendarSpan::default() };
        assert_eq!(ages.before(0, &Zone::UTC), i64::MIN);
        assert_eq!(CalendarSpan { hours: u32::MAX, ..CalendarSpan::default() }.before(0, &Zone::UTC), i64::MIN);
    }

    #[test]
    fn every_time_falls_into_some_bucket() {
        for time_ns in [i64::MIN, 0, i64::MAX] {
            for period in Period::ALL {
                period.bucket(time_ns, 0, &Zone::UTC);
            }
        }
    }

    #[test]
    fn an_hour_that_comes_twice_is_one_and_a_week_belongs_to_the_year_of_its_thursday() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let [first, second] = ["2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z"].map(ns);
        assert_eq!(Period::Hourly.bucket(first, 0, &berlin), Period::Hourly.bucket(second, 1, &berlin));
        assert_eq!(Period::Weekly.bucket(ns("2024-12-30T12:00:00Z"), 0, &berlin), 202_501);
        assert_eq!(Period::Daily.bucket(ns("2024-12-30T23:30:00Z"), 0, &berlin), 20_241_231);
    }
}
