//! Whether a set is due. A clock only decides when work is done, never what is safe.

use super::calendar::Calendar;
use super::record::Record;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How far a clock may be set back without anything being run twice.
const AHEAD_SECONDS_MAX: i64 = 900;

/// How a set stands to its calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A moment of the calendar has come and no run has settled it.
    Due,
    /// Nothing is to be done before this.
    Later(Timestamp),
    /// Only systemd knows.
    Unknown,
}

/// Up to which moment of the calendar a run that begins now settles all: many missed ones are caught up by one run.
pub(crate) fn settled_by(calendar: &Calendar, now: Timestamp, zone: &TimeZone) -> Option<i64> {
    calendar.last(now, zone).map(Timestamp::as_second)
}

impl Standing {
    /// How a set with this record stands.
    ///
    /// A record may say more than can be: a clock that was ahead is set back. The coming moment is believed to be settled
    /// if it is near, since a clock may be set back by a little just after it; anything beyond that is not, or nothing
    /// would run until the wrong time has come.
    pub(crate) fn of(record: &Record, calendar: &Calendar, now: Timestamp, zone: &TimeZone) -> Self {
        let (Some(last), Some(next)) = (calendar.last(now, zone), calendar.next(now, zone)) else {
            return Self::Unknown;
        };
        let (last_s, now_s, next_s) = (last.as_second(), now.as_second(), next.as_second());
        match record.settled_s {
            Some(settled_s) if (last_s..next_s).contains(&settled_s) => Self::Later(next),
            Some(settled_s) if settled_s == next_s && next_s.saturating_sub(now_s) <= AHEAD_SECONDS_MAX => {
                Self::Later(calendar.next(next, zone).unwrap_or(next))
            }
            _ => Self::Due,
        }
    }
}
