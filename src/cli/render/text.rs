//! Numbers, times and names as people read them.

use holdall::Timestamp as FileTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `1.4 GiB`; below 1024 bytes exact.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // In tenths of the unit, so that no floating point rounds 1023.96 KiB to "1024.0 KiB".
    let mut tenths = u128::from(count) * 10 / 1024;
    let mut units = UNITS.iter().peekable();
    while tenths >= 10_240 && units.len() > 1 {
        tenths /= 1024;
        units.next();
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units.next().unwrap_or(&"B"))
}

/// `12,345,678`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `2 files`, `12,345 files`
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `0:07`, `12:34`, `1:02:03`
pub(crate) fn duration(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}

/// `104.2 MiB/s`
pub(crate) fn rate(count: u64, elapsed: std::time::Duration) -> String {
    format!("{}/s", bytes(per_second(count, elapsed)))
}

/// How many a second.
pub(crate) fn per_second(count: u64, elapsed: std::time::Duration) -> u64 {
    let milliseconds = elapsed.as_millis().max(1);
    u64::try_from(u128::from(count) * 1000 / milliseconds).unwrap_or(u64::MAX)
}

/// `2026-11-21 04:10:00` in local time.
pub(crate) fn time(time_ns: i64) -> String {
    file_time(FileTime::from_ns(time_ns))
}

/// The same of a file, whose time may lie beyond what 64 bits of nanoseconds can tell.
pub(crate) fn file_time(time: FileTime) -> String {
    formatted(time, &TimeZone::system(), "%Y-%m-%d %H:%M:%S")
}

/// The day on which a time lies, in the local time zone.
pub(crate) fn day(time_ns: i64) -> String {
    formatted(FileTime::from_ns(time_ns), &TimeZone::system(), "%Y-%m-%d")
}

/// The same of seconds since 1970.
pub(crate) fn time_s(time_s: i64) -> String {
    time(time_s.saturating_mul(1_000_000_000))
}

/// `2026-11-21T04:10:00.123456789+01:00` in local time.
pub(crate) fn precise_time(time_ns: i64) -> String {
    precise_file_time(FileTime::from_ns(time_ns))
}

/// The same of a file.
pub(crate) fn precise_file_time(time: FileTime) -> String {
    formatted(time, &TimeZone::system(), "%Y-%m-%dT%H:%M:%S%.f%:z")
}

fn formatted(time: FileTime, zone: &TimeZone, format: &str) -> String {
    let nanoseconds = i32::try_from(time.nanoseconds()).unwrap_or(0);
    match Timestamp::new(time.seconds(), nanoseconds) {
        Ok(timestamp) => timestamp.to_zoned(zone.clone()).strftime(format).to_string(),
        // Beyond the year 9999, as `date` takes it.
        Err(_) => format!("@{}", time.seconds()),
    }
}

/// A name of any bytes with everything escaped that would move a terminal's cursor or is no UTF-8.
pub(crate) fn printable(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for part in name.utf8_chunks() {
        for c in part.valid().chars() {
            match c {
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                c if c.is_control() => escape(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => text.push(c),
            }
        }
        escape(&mut text, part.invalid());
    }
    text
}

/// The end of a text that fits so many columns of a terminal, with a mark for what does not.
pub(crate) fn end_of(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let kept = text.char_indices().rev().take_while(|(_, c)| {
        let fits = c.width().unwrap_or(0) <= room;
        room = room.saturating_sub(c.width().unwrap_or(0));
        fits
    });
    let start = kept.last().map_or(text.len(), |(start, _)| start);
    format!("…{}", text.get(start..).unwrap_or_default())
}

/// A message of several lines, each made [`printable`].
pub(crate) fn printable_lines(message: &str) -> String {
    let lines: Vec<String> = message.lines().map(|line| printable(line.as_bytes())).collect();
    lines.join("\n")
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "\\x{byte:02x}").expect("a string takes all text");
    }
}

/// Which side of its column a cell keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Names and words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a header, with columns as wide as their widest cell and two spaces between them.
pub(crate) fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let width = |column: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([title.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(column, (title, _))| width(column, title)).collect();
    let titles = columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>();
    let line = |cells: &[String]| {
        let mut text = String::new();
        for ((cell, width), (_, align)) in cells.iter().zip(&widths).zip(columns) {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let parts = if *align == Align::Left { [cell.as_str(), &padding] } else { [&padding, cell.as_str()] };
            text.extend(parts);
            text.push_str("  ");
        }
        format!("{}\n", text.trim_end())
    };
    let rule: String = widths.iter().map(|width| format!("{}  ", "-".repeat(*width))).collect();
    let mut text = line(&titles);
    text.push_str(rule.trim_end());
    text.push('\n');
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}

/// Names with what there is to say of each, below each other.
pub(crate) fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_fits_whatever_its_characters_are() {
        assert_eq!(end_of("/srv/a", 6), "/srv/a");
        assert_eq!(end_of("/srv/a", 5), "…rv/a");
        assert_eq!(end_of("/漢字", 4), "…字", "the third column can't hold half of one");
        assert_eq!(end_of("/漢字", 5), "/漢字");
        assert_eq!(end_of("abc", 1), "…");
        assert_eq!(end_of("", 0), "");
    }

    use std::time::Duration;

    #[test]
    fn sizes_have_one_decimal_and_never_round_up_to_the_next_unit() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1_048_575, "1023.9 KiB"),
            (1_048_576, "1.0 MiB"),
            (5_000_000_000, "4.6 GiB"),
            (u64::MAX, "15.9 EiB"),
        ];
        for (size, text) in cases {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "file", "files"), "1 file");
        assert_eq!(counted(0, "file", "files"), "0 files");
    }

    #[test]
    fn durations_and_rates() {
        assert_eq!(duration(7), "0:07");
        assert_eq!(duration(754), "12:34");
        assert_eq!(duration(3723), "1:02:03");
        assert_eq!(rate(10 << 20, Duration::from_millis(500)), "20.0 MiB/s");
        assert_eq!(per_second(5, Duration::ZERO), 5000);
    }

    #[test]
    fn times_carry_their_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let precise = |time| formatted(time, &zone, "%Y-%m-%dT%H:%M:%S%.f%:z");
        let of_ns = |time_ns| precise(FileTime::from_ns(time_ns));
        assert_eq!(of_ns(1_795_230_600_123_456_789), "2026-11-21T04:10:00.123456789+01:00");
        assert_eq!(of_ns(-1), "1970-01-01T00:59:59.999999999+01:00");
        assert_eq!(of_ns(i64::MIN), "1677-09-21T01:12:43.145224192+01:00");
        let of = |seconds| precise(FileTime::new(seconds, 5).unwrap());
        assert_eq!(of(15_032_385_535), "2446-05-10T23:38:55.000000005+01:00");
        assert_eq!((of(i64::MIN), of(i64::MAX)), (format!("@{}", i64::MIN), format!("@{}", i64::MAX)));
    }

    #[test]
    fn nothing_in_a_name_moves_the_cursor() {
        assert_eq!(printable("a\n\u{1b}[2J\u{85}é\u{7f}".as_bytes()), "a\\n\\x1b[2J\\xc2\\x85é\\x7f");
        assert_eq!(printable(b"\xff\xc3("), "\\xff\\xc3(");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![vec!["a".to_owned(), "10".to_owned()], vec!["long".to_owned(), "9".to_owned()]];
        let text = table(&[("Name", Align::Left), ("N", Align::Right)], &rows);
        assert_eq!(text, "Name   N\n----  --\na     10\nlong   9\n");
    }
}
