//! Lengths of time as people write them.

use std::time::Duration;

/// A length of time that was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a length of time such as 90s, 30m, 6h or 2d")]
pub(crate) struct DurationError;

/// Reads `90s`, `30m`, `6h` or `2d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(DurationError),
    };
    let count: u64 = digits.parse().map_err(|_| DurationError)?;
    count.checked_mul(seconds).map(Duration::from_secs).ok_or(DurationError)
}
