//! Snapshots as people name them: by id, by prefix, or the latest that fits.

use crate::error::{Error, ErrorKind, Result};
use crate::session::history::History;
use crate::session::snapshots::{Snapshot, SnapshotFilter, all};
use std::fmt;

/// How a user names a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotSpec {
    /// The latest, or the one so many places before it.
    Latest {
        /// 0 is the latest itself.
        back: usize,
    },
    /// The one whose id begins with these 4 to 64 hexadecimal digits.
    Prefix(String),
}

impl std::str::FromStr for SnapshotSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix("latest") {
            let back =
                if rest.is_empty() { Some(0) } else { rest.strip_prefix('~').and_then(|back| back.parse().ok()) };
            if let Some(back) = back {
                return Ok(Self::Latest { back });
            }
        }
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits && (4..=64).contains(&text.len()) {
            return Ok(Self::Prefix(text.to_owned()));
        }
        let message =
            format!("{text:?} names no snapshot: give 4 to 64 hexadecimal digits of its id, latest, or latest~N");
        Err(Error::new(ErrorKind::Invalid, message))
    }
}

impl fmt::Display for SnapshotSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest { back: 0 } => f.write_str("latest"),
            Self::Latest { back } => write!(f, "latest~{back}"),
            Self::Prefix(digits) => f.write_str(digits),
        }
    }
}

/// The snapshot that was named.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NamedSnapshot {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Those that fit `latest` as well and are later, but partial, or committed ahead of the clock; oldest first.
    pub passed_over: Vec<Snapshot>,
}

/// Finds the snapshot that a user names. Prefixes are searched among all snapshots, forgotten ones too; `latest`
/// among the unforgotten that pass the filter. Of these, partial ones are passed over while a complete one fits, and
/// ones committed ahead of the clock while a complete one fits that is not.
///
/// # Errors
/// [`ErrorKind::NotFound`], or [`ErrorKind::Ambiguous`] with the list of what fits.
pub fn resolve(history: &History, spec: &SnapshotSpec, filter: &SnapshotFilter, now_ns: i64) -> Result<NamedSnapshot> {
    let snapshots = all(history);
    match spec {
        SnapshotSpec::Latest { back } => latest(snapshots, *back, filter, now_ns),
        SnapshotSpec::Prefix(digits) => by_prefix(snapshots, digits),
    }
}

fn latest(mut snapshots: Vec<Snapshot>, back: usize, filter: &SnapshotFilter, now_ns: i64) -> Result<NamedSnapshot> {
    snapshots.retain(|snapshot| !snapshot.forgotten && filter.passes(snapshot));
    let fitting_count = snapshots.len();
    let is_complete = |snapshot: &Snapshot| !snapshot.is_partial();
    let is_sound = |snapshot: &Snapshot| is_complete(snapshot) && snapshot.committed_at_ns <= now_ns;
    // Where all were committed ahead of the clock it is the clock that is wrong, and no reason to prefer a partial one.
    let is_preferred: &dyn Fn(&Snapshot) -> bool = if snapshots.iter().any(is_sound) {
        &is_sound
    } else if snapshots.iter().any(is_complete) {
        &is_complete
    } else {
        &|_| true
    };
    let mut latest_first = (0..fitting_count).rev().filter(|place| snapshots.get(*place).is_some_and(is_preferred));
    let Some(place) = latest_first.nth(back) else {
        let message = format!("no snapshot fits latest~{back}: {fitting_count} fit the filter");
        return Err(Error::new(ErrorKind::NotFound, message));
    };
    let mut later = snapshots.split_off(place).into_iter();
    let snapshot = later.next().expect("the split is before it");
    Ok(NamedSnapshot { snapshot, passed_over: later.filter(|snapshot| !is_preferred(snapshot)).collect() })
}

fn by_prefix(snapshots: Vec<Snapshot>, digits: &str) -> Result<NamedSnapshot> {
    let mut fitting = snapshots.into_iter().filter(|snapshot| snapshot.id.to_string().starts_with(digits));
    let Some(first) = fitting.next() else {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("no snapshot's id begins with {digits}; list them with snapshots"),
        ));
    };
    let others: Vec<String> = fitting.map(|snapshot| snapshot.id.to_string()).collect();
    if others.is_empty() {
        return Ok(NamedSnapshot { snapshot: first, passed_over: Vec::new() });
    }
    let message = format!("{digits} fits several snapshots: {}, {}; give more digits", first.id, others.join(", "));
    Err(Error::new(ErrorKind::Ambiguous, message))
}
