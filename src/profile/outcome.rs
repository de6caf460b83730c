//! How a run ended, and which of two ends is the worse one.

use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// All was done.
    Ok,
    /// All was done except for items that were reported.
    Incomplete,
    /// Something was not done.
    Failed,
    /// Somebody ended it.
    Interrupted,
}

/// Exit codes from the best to the worst: damage is told before all else, and an end by a signal before what that end
/// may have caused.
const BADNESS: [&[u8]; 11] = [&[0], &[3], &[4], &[2], &[1], &[11], &[10], &[12], &[13], &[129, 130, 143], &[5]];

impl Outcome {
    /// How a run ended whose exit code this is.
    pub(crate) const fn of(exit_code: u8) -> Self {
        match exit_code {
            0 => Self::Ok,
            3 => Self::Incomplete,
            129 | 130 | 143 => Self::Interrupted,
            _ => Self::Failed,
        }
    }

    /// As hooks and programs are told.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether what was asked for was done.
    pub(crate) const fn is_done(self) -> bool {
        matches!(self, Self::Ok | Self::Incomplete)
    }
}

/// The worse of two exit codes. One that no command has counts as a failure.
pub(crate) fn worse(one: u8, other: u8) -> u8 {
    if badness(other) > badness(one) { other } else { one }
}

fn badness(code: u8) -> Option<usize> {
    let place = |code: u8| BADNESS.iter().position(|codes| codes.contains(&code));
    place(code).or_else(|| place(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_exit_codes_the_one_that_tells_more_wins() {
        let from_the_best = [0, 3, 4, 2, 1, 11, 10, 12, 13, 130, 5];
        for (place, better) in from_the_best.iter().enumerate() {
            for worst in &from_the_best[place..] {
                assert_eq!(worse(*better, *worst), *worst);
                assert_eq!(worse(*worst, *better), *worst);
            }
        }
        assert_eq!(worse(130, 143), 130, "the first signal is told");
        assert_eq!((worse(77, 0), worse(4, 77)), (77, 77), "an unknown code is a failure");
    }
}
