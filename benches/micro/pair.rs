//! Timing an operation in turn with its floor.

use std::hint::black_box;
use std::time::Instant;

/// How often each of the two runs. On a machine that others use, a ratio of neighbours holds where a time does not:
/// that is what keeps this from being left to a harness that times one thing after the other.
const ROUNDS: usize = 15;

/// An operation beside what it can't be faster than.
pub(crate) struct Pair {
    pub(crate) name: &'static str,
    pub(crate) floor: &'static str,
    /// What the throughput is counted in, and how many of it a run deals with.
    pub(crate) unit: Unit,
    pub(crate) count: usize,
    own_seconds: f64,
    floor_seconds: f64,
    ratio: f64,
}

#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    /// Rows, chunks, and the like.
    Items,
}

impl Pair {
    /// Runs both in turn and keeps the medians.
    pub(crate) fn measure<A, B>(
        (name, floor): (&'static str, &'static str),
        (unit, count): (Unit, usize),
        mut own: impl FnMut() -> A,
        mut alone: impl FnMut() -> B,
    ) -> Self {
        let (mut owns, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        black_box((own(), alone()));
        for _ in 0..ROUNDS {
            let started = Instant::now();
            black_box(own());
            let own_seconds = started.elapsed().as_secs_f64();
            let started = Instant::now();
            black_box(alone());
            let floor_seconds = started.elapsed().as_secs_f64();
            owns.push(own_seconds);
            floors.push(floor_seconds);
            ratios.push(own_seconds / floor_seconds);
        }
        let (own_seconds, floor_seconds, ratio) = (median(owns), median(floors), median(ratios));
        Self { name, floor, unit, count, own_seconds, floor_seconds, ratio }
    }
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = f64::from(u32::try_from(self.count).unwrap_or(u32::MAX));
        let speed = |seconds: f64| match self.unit {
            Unit::Bytes => format!("{:.2} GB/s", count / seconds / 1e9),
            Unit::Items => format!("{:.2} M/s", count / seconds / 1e6),
        };
        let (own, floor) = (speed(self.own_seconds), speed(self.floor_seconds));
        write!(f, "| {} | {own} | {} | {floor} | {:.2} |", self.name, self.floor, self.ratio)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
