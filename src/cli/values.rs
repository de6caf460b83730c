//! Values as people write them on a command line: sizes, times, compression.

use crate::profile::parse_duration;
use holdall::{
    CalendarSpan, Compression, CompressionLevel, DrillSample, DumpForm, GroupField, KeepCount, Kind, MaxUnused,
    Overwrite, ParityPercent, Protection, ReadSubset, RehashShare, TEXT_BYTES_MAX, Zone,
};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::cmp::Ordering;
use std::num::NonZeroUsize;

/// Why a value was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ValueError(String);

impl ValueError {
    /// Says what is wrong with a value.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// A number of bytes: `4096`, `64K`, `128MiB`, `2G`; `KB`, `MB`, `GB` and `TB` count by thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

impl std::str::FromStr for ByteSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let factor = unit_bytes(unit.trim_start());
        let size = digits.parse::<u64>().ok().zip(factor).and_then(|(count, factor)| count.checked_mul(factor));
        size.map(Self).ok_or_else(|| ValueError::new("expected a size such as 64K, 128MiB or 2G"))
    }
}

/// A bound for sizes: `4K`, `+10M` for more, `-1G` for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SizeBound(pub(crate) Ordering, pub(crate) u64);

impl SizeBound {
    /// Whether a size keeps to it.
    pub(crate) fn holds(self, size: u64) -> bool {
        size.cmp(&self.1) == self.0
    }
}

impl std::str::FromStr for SizeBound {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (ordering, size) = match text.split_at_checked(1) {
            Some(("+", size)) => (Ordering::Greater, size),
            Some(("-", size)) => (Ordering::Less, size),
            _ => (Ordering::Equal, text),
        };
        size.parse::<ByteSize>().map(|size| Self(ordering, size.0))
    }
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SortBy {
    /// The last name of the path.
    Name,
    /// The size.
    Size,
    /// The time of change.
    Time,
    /// What follows the last dot of the name.
    Extension,
}

/// Reads `--sort`.
pub(crate) fn parse_sort(text: &str) -> Result<SortBy, ValueError> {
    match text {
        "name" => Ok(SortBy::Name),
        "size" => Ok(SortBy::Size),
        "time" | "mtime" => Ok(SortBy::Time),
        "extension" => Ok(SortBy::Extension),
        _ => Err(ValueError::new("expected name, size, time or extension")),
    }
}

/// In what steps growth is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrowthStep {
    /// Each snapshot by itself.
    Snapshot,
    /// Days, as this machine's clock counts them, and so on.
    Day,
    /// Weeks, from Monday on.
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}

impl GrowthStep {
    /// What a time falls into; none where each snapshot is a step of its own.
    pub(crate) fn label(self, time_ns: i64) -> Option<String> {
        let format = match self {
            Self::Snapshot => return None,
            Self::Day => "%Y-%m-%d",
            Self::Week => "%G-W%V",
            Self::Month => "%Y-%m",
            Self::Year => "%Y",
        };
        let timestamp = Timestamp::from_nanosecond(time_ns.into()).unwrap_or_default();
        Some(timestamp.to_zoned(TimeZone::system()).strftime(format).to_string())
    }

    /// What stands above the labels.
    pub(crate) const fn title(self) -> Option<&'static str> {
        match self {
            Self::Snapshot => None,
            Self::Day => Some("Day"),
            Self::Week => Some("Week"),
            Self::Month => Some("Month"),
            Self::Year => Some("Year"),
        }
    }
}

/// Reads `--growth`.
pub(crate) fn parse_growth_step(text: &str) -> Result<GrowthStep, ValueError> {
    match text {
        "snapshot" => Ok(GrowthStep::Snapshot),
        "day" => Ok(GrowthStep::Day),
        "week" => Ok(GrowthStep::Week),
        "month" => Ok(GrowthStep::Month),
        "year" => Ok(GrowthStep::Year),
        _ => Err(ValueError::new("expected snapshot, day, week, month or year")),
    }
}

/// Reads a type of things, by the letters of find(1).
pub(crate) fn parse_kind(text: &str) -> Result<Kind, ValueError> {
    match text {
        "f" | "file" => Ok(Kind::File),
        "d" | "dir" => Ok(Kind::Directory),
        "l" | "symlink" => Ok(Kind::Symlink),
        "p" | "fifo" => Ok(Kind::Fifo),
        "s" | "socket" => Ok(Kind::Socket),
        "b" | "dev" => Ok(Kind::BlockDevice),
        "c" | "chardev" => Ok(Kind::CharDevice),
        _ => Err(ValueError::new("expected f, d, l, p, s, b or c")),
    }
}

fn unit_bytes(unit: &str) -> Option<u64> {
    let (letter, rest) = unit.split_at(unit.char_indices().nth(1).map_or(unit.len(), |(at, _)| at));
    let power = match letter.to_ascii_uppercase().as_str() {
        "" | "B" => return rest.is_empty().then_some(1),
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return None,
    };
    match rest {
        "" | "iB" => Some(1024u64.pow(power)),
        "B" => Some(1000u64.pow(power)),
        _ => None,
    }
}

/// A file that marks the folder in which it stands: `NAME`, or `NAME:HEADER` for one that begins so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) name: String,
    pub(crate) header: String,
}

impl std::str::FromStr for Mark {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (name, header) = text.split_once(':').unwrap_or((text, ""));
        if matches!(name, "" | "." | "..") || name.contains('/') {
            return Err(ValueError::new("expected the name of a file, without a path, such as .nobackup"));
        }
        Ok(Self { name: name.to_owned(), header: header.to_owned() })
    }
}

/// Reads the name of a host, or a tag.
pub(crate) fn parse_name(text: &str) -> Result<String, ValueError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ValueError::new(format!("expected at most {TEXT_BYTES_MAX} bytes, not {}", text.len())));
    }
    Ok(text.to_owned())
}

/// Reads how new content is compressed: `auto`, `off`, or a level of zstd.
pub(crate) fn parse_compression(text: &str) -> Result<Compression, ValueError> {
    let compression = match text {
        "auto" => Some(Compression::AUTO),
        "off" => Some(Compression::Off),
        _ => text.parse().ok().and_then(CompressionLevel::parse).map(Compression::Level),
    };
    compression.ok_or_else(|| ValueError::new("expected auto, off, or a level from 1 to 19"))
}

/// How many files may be read at once: each of them takes some mebibytes of memory.
const READ_CONCURRENCY_MAX: usize = 64;

/// Reads how many files are read at once.
pub(crate) fn parse_read_concurrency(text: &str) -> Result<NonZeroUsize, ValueError> {
    let readers = text.parse().ok().filter(|readers: &NonZeroUsize| readers.get() <= READ_CONCURRENCY_MAX);
    readers.ok_or_else(|| ValueError::new(format!("expected a number from 1 to {READ_CONCURRENCY_MAX}")))
}

/// Reads how much parity packs get.
pub(crate) fn parse_parity_percent(text: &str) -> Result<ParityPercent, ValueError> {
    let percent = text.trim_end_matches('%').parse().ok().and_then(ParityPercent::parse);
    percent.ok_or_else(|| ValueError::new(format!("expected a number from 1 to {}", ParityPercent::MAX)))
}

/// Reads how much parity new packs get, 0 being none.
pub(crate) fn parse_protection(text: &str) -> Result<Protection, ValueError> {
    match text.trim_end_matches('%') {
        "0" => Ok(Protection::Nothing),
        _ => parse_parity_percent(text).map(Protection::Parity),
    }
}

/// Reads how much may stay unused: `5%`, `unlimited`, or a size.
pub(crate) fn parse_max_unused(text: &str) -> Result<MaxUnused, ValueError> {
    let expected = || ValueError::new("expected a share such as 5%, a size such as 2GiB, or unlimited");
    match text.parse::<MaxUnused>() {
        Ok(limit) => Ok(limit),
        Err(_) if text.ends_with('%') => Err(expected()),
        Err(_) => text.parse::<ByteSize>().map(|size| MaxUnused::Bytes(size.0)).map_err(|_| expected()),
    }
}

/// Reads how much is restored for a test: `5%`.
pub(crate) fn parse_sample(text: &str) -> Result<DrillSample, ValueError> {
    text.parse().map_err(|_| ValueError::new("expected a share such as 5% or 0.25%"))
}

/// Reads which packs are read: `2/5`, `2.5%`, or a size.
pub(crate) fn parse_read_subset(text: &str) -> Result<ReadSubset, ValueError> {
    let size = || text.parse::<ByteSize>().ok().filter(|size| size.0 > 0).map(|size| ReadSubset::Bytes(size.0));
    let subset = text.parse::<ReadSubset>().ok().or_else(size);
    subset.ok_or_else(|| ValueError::new("expected a part such as 2/5, a share such as 2.5%, or a size such as 10GiB"))
}

/// Reads a share of what did not change: `2%`, `0.25%`.
pub(crate) fn parse_rehash_share(text: &str) -> Result<RehashShare, ValueError> {
    let share = match text.parse() {
        Ok(ReadSubset::Share(ten_thousandths)) => RehashShare::parse(ten_thousandths),
        _ => None,
    };
    share.ok_or_else(|| ValueError::new("expected a share from 0.01% to 100%, such as 2%"))
}

/// A length of time: `90s`, `30m`, `6h`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) std::time::Duration);

impl std::str::FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        parse_duration(text).map(Self).map_err(|error| ValueError::new(error.to_string()))
    }
}

/// How many snapshots a rule keeps: a number, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CountToKeep(pub(crate) KeepCount);

impl std::str::FromStr for CountToKeep {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "unlimited" | "-1" => Ok(Self(KeepCount::Unlimited)),
            _ => {
                let count = text.parse().map_err(|_| ValueError::new("expected a number, or unlimited"))?;
                Ok(Self(KeepCount::AtMost(count)))
            }
        }
    }
}

/// What snapshots are grouped by: `host`, `paths` and `tags`, with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupBy(pub(crate) Vec<GroupField>);

impl std::str::FromStr for GroupBy {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let field = |word: &str| match word {
            "host" | "hosts" => Ok(GroupField::Host),
            "path" | "paths" => Ok(GroupField::Paths),
            "tag" | "tags" => Ok(GroupField::Tags),
            _ => Err(ValueError::new("expected host, paths or tags, with commas between them")),
        };
        text.split(',').filter(|word| !word.is_empty()).map(field).collect::<Result<_, _>>().map(Self)
    }
}

/// Reads a length of time such as `1y5m7d2h`.
pub(crate) fn parse_span(text: &str) -> Result<CalendarSpan, ValueError> {
    text.parse().map_err(|error: holdall::Error| ValueError::new(error.to_string()))
}

/// Reads the name of a time zone.
pub(crate) fn parse_zone(text: &str) -> Result<Zone, ValueError> {
    Zone::named(text).map_err(|error| ValueError::new(error.to_string()))
}

/// A moment, in nanoseconds since 1970: `2026-11-21`, `2026-11-21 04:10:00` (local time),
/// `2026-11-21T04:10:00+01:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Nanoseconds since 1970.
    pub(crate) time_ns: i64,
}

impl Moment {
    /// The present.
    pub(crate) fn now() -> Self {
        Self::from_timestamp(Timestamp::now()).unwrap_or(Self { time_ns: 0 })
    }

    fn from_timestamp(timestamp: Timestamp) -> Option<Self> {
        Some(Self { time_ns: timestamp.as_nanosecond().try_into().ok()? })
    }

    fn parse_in(text: &str, zone: &TimeZone) -> Option<Self> {
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Self::from_timestamp(timestamp);
        }
        if let Ok(zoned) = text.parse::<Zoned>() {
            return Self::from_timestamp(zoned.timestamp());
        }
        let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0))).ok()?;
        Self::from_timestamp(zone.to_timestamp(civil).ok()?)
    }
}

impl std::str::FromStr for Moment {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::parse_in(text, &TimeZone::system())
            .ok_or_else(|| ValueError::new("expected a time such as 2026-11-21 04:10:00 or 2026-11-21T04:10:00Z"))
    }
}

/// Reads `--overwrite`.
pub(crate) fn parse_overwrite(text: &str) -> Result<Overwrite, ValueError> {
    match text {
        "always" => Ok(Overwrite::Always),
        "if-changed" => Ok(Overwrite::IfChanged),
        "if-newer" => Ok(Overwrite::IfNewer),
        "never" => Ok(Overwrite::Never),
        _ => Err(ValueError::new("expected always, if-changed, if-newer or never")),
    }
}

/// Reads `--archive`.
pub(crate) fn parse_archive(text: &str) -> Result<DumpForm, ValueError> {
    match text {
        "tar" => Ok(DumpForm::Tar),
        "zip" => Ok(DumpForm::Zip),
        _ => Err(ValueError::new("expected tar or zip")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let cases = [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("12B", Some(12)),
            ("64K", Some(65536)),
            ("64k", Some(65536)),
            ("128MiB", Some(134_217_728)),
            ("128 MiB", Some(134_217_728)),
            ("2G", Some(2_147_483_648)),
            ("2GB", Some(2_000_000_000)),
            ("16777215T", Some(16_777_215 << 40)),
            ("16777216T", None),
            ("", None),
            ("K", None),
            ("1.5G", None),
            ("-1", None),
            ("1Kib", None),
            ("1Q", None),
            ("1é", None),
            ("1BB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse::<ByteSize>().ok(), bytes.map(ByteSize), "{text:?}");
        }
    }

    #[test]
    fn lengths_of_time_are_read_with_their_unit_and_limits_as_shares_or_sizes() {
        let cases = [("90s", Some(90)), ("30m", Some(1800)), ("6h", Some(21_600)), ("2d", Some(172_800))];
        let refused = ["", "6", "h", "6H", "-1h", "1.5h", "18446744073709551615d"].map(|text| (text, None));
        for (text, seconds) in cases.into_iter().chain(refused) {
            let span = seconds.map(|seconds| Span(std::time::Duration::from_secs(seconds)));
            assert_eq!(text.parse::<Span>().ok(), span, "{text:?}");
        }
        assert_eq!(parse_max_unused("2GiB").ok(), Some(MaxUnused::Bytes(2 << 30)));
        assert_eq!(parse_max_unused("5%").ok(), Some(MaxUnused::Share(500)));
        assert!(parse_max_unused("5 %").is_err() && parse_max_unused("much").is_err());
        assert_eq!(parse_read_subset("10M").ok(), Some(ReadSubset::Bytes(10 << 20)));
        assert_eq!(parse_read_subset("2/5").ok(), Some(ReadSubset::Part { part: 2, parts: 5 }));
        assert!(["0K", "5/2", "0%", "many"].iter().all(|text| parse_read_subset(text).is_err()));
        assert_eq!(parse_rehash_share("2%").map(RehashShare::run_count).ok(), Some(50));
        assert_eq!(parse_rehash_share("0.01%").map(RehashShare::run_count).ok(), Some(10_000));
        assert_eq!(parse_rehash_share("100%").ok(), Some(RehashShare::ALL));
        assert!(["0%", "101%", "2", "1/50", "2K", "%"].iter().all(|text| parse_rehash_share(text).is_err()));
    }

    #[test]
    fn compression_is_auto_off_or_a_level_in_range() {
        assert_eq!(parse_compression("auto"), Ok(Compression::AUTO));
        assert_eq!(parse_compression("off"), Ok(Compression::Off));
        assert_eq!(parse_compression("19").ok(), CompressionLevel::parse(19).map(Compression::Level));
        for text in ["0", "20", "-1", "max", ""] {
            assert!(parse_compression(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn counts_and_groups_are_read_as_restic_reads_them() {
        assert_eq!("7".parse(), Ok(CountToKeep(KeepCount::AtMost(7))));
        for text in ["unlimited", "-1"] {
            assert_eq!(text.parse(), Ok(CountToKeep(KeepCount::Unlimited)));
        }
        for text in ["", "-2", "all", "7.5"] {
            assert!(text.parse::<CountToKeep>().is_err(), "{text:?}");
        }
        assert_eq!("host,paths".parse(), Ok(GroupBy(vec![GroupField::Host, GroupField::Paths])));
        assert_eq!("".parse(), Ok(GroupBy(Vec::new())));
        assert!("host,size".parse::<GroupBy>().is_err());
    }

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let noon = 1_795_258_800_000_000_000;
        for text in ["2026-11-21T11:00:00Z", "2026-11-21T12:00:00+01:00", "2026-11-21 12:00:00", "2026-11-21T12:00"] {
            assert_eq!(Moment::parse_in(text, &zone), Some(Moment { time_ns: noon }), "{text}");
        }
        let midnight = Some(Moment { time_ns: noon - 12 * 3_600_000_000_000 });
        assert_eq!(Moment::parse_in("2026-11-21", &zone), midnight);
        assert_eq!(Moment::parse_in("1969-12-31T23:59:59.5Z", &zone), Some(Moment { time_ns: -500_000_000 }));
        for text in ["", "yesterday", "2026-13-01", "2026-11-21 25:00:00"] {
            assert_eq!(Moment::parse_in(text, &zone), None, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_bounded_from_either_side() {
        let holds = |bound: &str, size| bound.parse::<SizeBound>().expect(bound).holds(size);
        assert!(holds("+1K", 1025) && !holds("+1K", 1024) && holds("-1K", 1023) && !holds("-1K", 1024));
        assert!(holds("1K", 1024) && !holds("1K", 1025));
        assert!("".parse::<SizeBound>().is_err() && "~1".parse::<SizeBound>().is_err());
    }
}
