//! What an operation tells while it runs, and how it is asked to stop.

use std::path::Path;

/// Receives the events of a running operation.
///
/// Events come from several threads at once and in no promised order; an implementation must be cheap, since the
/// working threads wait for it.
pub trait Progress: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event<'_>);

    /// Says whether the operation should end early. It is asked between files and between frames; an operation that
    /// stops this way leaves the repository consistent and says that it was stopped.
    fn stopped(&self) -> bool {
        false
    }

    /// Says whether a backup should take nothing more of its trees: what it has by then becomes a partial snapshot, and the
    /// next backup goes on from there. It is asked at each entry and at each mebibyte of a long file.
    fn enough(&self) -> bool {
        false
    }

    /// Says whether [`Event::Entry`] is wanted: naming every entry costs time.
    fn wants_entries(&self) -> bool {
        false
    }
}

/// What an entry is, as far as it matters for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A link, a pipe, a socket, a device.
    Other,
}

/// What became of an entry of a tree that is written, or would become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// It was made, be it in the place of something else.
    Restored,
    /// It was there, and parts of its content were written.
    Updated,
    /// It was there with the right content, and some of its metadata was set.
    Metadata,
    /// It was there and right.
    Unchanged,
    /// Something else is there, and the caller wants that to stay.
    Skipped,
    /// It was there, is not in the snapshot, and was removed.
    Deleted,
}

/// One thing that happened. Counts are increments unless said otherwise, so that a receiver adds them up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A new phase of the operation began; those before it are over. The name is a verb in the present participle
    /// ("reading the index").
    Phase(&'static str),
    /// How much there is to do, replacing earlier estimates.
    Estimated {
        /// Files.
        files: u64,
        /// Bytes of content.
        bytes: u64,
    },
    /// Work on this path began.
    Entered {
        /// The path as the operation found it; any bytes may stand in it.
        path: &'a Path,
    },
    /// Work was done, whether anything had to be read or written for it or not.
    Processed {
        /// Files completed.
        files: u64,
        /// Bytes of content completed.
        bytes: u64,
    },
    /// Content went into the store.
    Stored {
        /// Bytes before compression.
        raw_bytes: u64,
        /// Bytes as they lie in the store.
        stored_bytes: u64,
    },
    /// Something is left out because the selection says so.
    LeftOut {
        /// What it is about.
        path: &'a Path,
        /// How much of it.
        part: LeftOutPart,
        /// The rule: a pattern, say; any bytes may stand in it.
        rule: &'a [u8],
        /// Where the rule was written: an option, or the path of a file.
        origin: &'a str,
        /// The number of its line in that file, from 1.
        line: Option<u64>,
    },
    /// An entry of the tree that is written was dealt with. Told only to those who [want](Progress::wants_entries) it.
    Entry {
        /// Its path in the snapshot; of what is removed, where it lies.
        path: &'a Path,
        /// What it is in the snapshot; of what is removed, what it was.
        kind: EntryKind,
        /// What became of it.
        change: Change,
        /// Bytes of content that were written, or would be; of what is skipped those that were not.
        bytes: u64,
    },
    /// Something was left alone that the caller may have expected to be changed.
    Spared {
        /// Where it lies; its path in the snapshot if nothing of that is restored.
        path: &'a Path,
        /// Why.
        reason: &'a str,
    },
    /// Something went wrong that does not end the operation; the operation's report counts it as well.
    Problem {
        /// What it is about.
        path: &'a Path,
        /// What was being done ("read", "set owner").
        operation: &'static str,
        /// Why it failed.
        message: &'a str,
        /// How grave it is.
        gravity: Gravity,
    },
}

/// How grave a problem is for who is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gravity {
    /// What the repository held of an item can't be had: nobody finds out later which item that was.
    Damage,
    /// Anything else. Of many that say the same the first few tell enough.
    Trouble,
}

/// How much of something is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOutPart {
    /// All of it.
    Whole,
    /// What is in it; the directory itself is taken.
    Contents,
}

/// Tells nobody and never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &Event<'_>) {}
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Event, Progress};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Lets an operation ask so many times whether it is to stop before it is.
    pub(crate) struct Patience(AtomicUsize);

    impl Patience {
        pub(crate) const fn of(questions: usize) -> Self {
            Self(AtomicUsize::new(questions))
        }
    }

    impl Progress for Patience {
        fn event(&self, _: &Event<'_>) {}

        fn stopped(&self) -> bool {
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
        }
    }
}
