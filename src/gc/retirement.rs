//! How a generation ends, as a model in which every interleaving is tried: format-spec/10-sessions-and-prune.md, (e) to
//! (h), with two collectors that both took the generation over, a writer, and a session that compacts segments.
//!
//! One chunk. Its pack is condemned; a snapshot that came to need it since may be forgotten at any time. A writer may
//! count on the pack, or store the chunk anew. The model of [`super::model`] says why waiting, looking again and numbers
//! are needed; this one, what must hold before the sets may go. A higher generation exists, so they may.

use std::collections::HashSet;

/// A rule that is taken away, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    /// [PRUNE-18]: sessions that were open when the packs were deleted.
    WaitingToRetire,
    /// [PRUNE-18]: segments that name the packs.
    UnnamedPacks,
    /// [PRUNE-19]: the look whether the condemned set is still there.
    CondemnedLook,
    /// [PRUNE-19]: the condemned set goes first.
    Order,
}

/// Where the second snapshot has its chunk from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum From {
    Condemned,
    Anew,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Writer {
    Begin,
    Opened,
    Ready(From),
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Compactor {
    Begin,
    Opened,
    /// Whether what it will publish names the pack.
    Ready(bool),
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Collector {
    Begin,
    /// Whether the pack is to be deleted.
    Looked(bool),
    /// The same, and whether this collector's set was the first.
    Published(bool, bool),
    Deleting(bool),
    Compacting(bool),
    Retiring,
    HalfRetired,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    /// The pack is in the store.
    present: bool,
    condemned: bool,
    /// The deleted set, and whether it lists the pack.
    deleted: Option<bool>,
    /// The snapshot that came to need the pack lives.
    first: bool,
    /// The writer's snapshot lives.
    second: Option<From>,
    /// The writer's own pack is committed; nobody condemns it.
    copied: bool,
    /// A segment that counts and is there names the pack.
    named: bool,
    writer: Writer,
    compactor: Compactor,
    /// The compacting session was open after the deleted set was published.
    awaited: bool,
    collectors: [Collector; 2],
}

const START: State = State {
    present: true,
    condemned: true,
    deleted: None,
    first: true,
    second: None,
    copied: false,
    named: true,
    writer: Writer::Begin,
    compactor: Compactor::Begin,
    awaited: false,
    collectors: [Collector::Begin; 2],
};

impl State {
    fn is_lost(&self) -> bool {
        let readable = self.present && self.named;
        (self.first || self.second == Some(From::Condemned)) && !readable && !self.copied
    }

    fn compacting(&self) -> bool {
        matches!(self.compactor, Compactor::Opened | Compactor::Ready(_))
    }

    /// What anybody who reads the sets must not count on.
    fn is_condemned(&self) -> bool {
        self.deleted.unwrap_or(self.condemned)
    }

    fn next(&self, without: Without, sink: &mut Vec<Self>) {
        if self.first {
            sink.push(Self { first: false, ..*self });
        }
        if self.second.is_some() {
            sink.push(Self { second: None, ..*self });
        }
        self.write(sink);
        self.compact(sink);
        for number in 0..self.collectors.len() {
            self.collect(number, without, sink);
        }
    }

    fn write(&self, sink: &mut Vec<Self>) {
        match self.writer {
            Writer::Begin => sink.push(Self { writer: Writer::Opened, ..*self }),
            Writer::Opened => {
                let hit = self.named && !self.is_condemned();
                let from = if hit { From::Condemned } else { From::Anew };
                sink.push(Self { writer: Writer::Ready(from), ..*self });
            }
            Writer::Ready(from) => {
                let copied = from == From::Anew;
                sink.push(Self { writer: Writer::Done, second: Some(from), copied, ..*self });
            }
            Writer::Done => {}
        }
    }

    /// Reads the sets and the segments, and publishes what is left of them; or is ended as silent.
    fn compact(&self, sink: &mut Vec<Self>) {
        match self.compactor {
            Compactor::Begin => sink.push(Self { compactor: Compactor::Opened, ..*self }),
            Compactor::Opened => {
                let names = self.named && self.deleted != Some(true);
                sink.push(Self { compactor: Compactor::Ready(names), ..*self });
            }
            Compactor::Ready(names) => {
                // A segment that named the pack and was replaced meanwhile is not replaced again.
                sink.push(Self { compactor: Compactor::Done, named: self.named || names, ..*self });
            }
            Compactor::Done => {}
        }
        if self.compacting() {
            sink.push(Self { compactor: Compactor::Done, ..*self });
        }
    }

    fn collect(&self, number: usize, without: Without, sink: &mut Vec<Self>) {
        let mut to = |collector, changed: Self| {
            let mut next = changed;
            next.collectors[number] = collector;
            sink.push(next);
        };
        match self.collectors[number] {
            Collector::Begin => {
                let needed = (self.first || self.second == Some(From::Condemned)) && !self.copied;
                to(Collector::Looked(!needed), *self);
            }
            Collector::Looked(lists) => match self.deleted {
                None => {
                    let published = Self { deleted: Some(lists), awaited: self.compacting(), ..*self };
                    to(Collector::Published(lists, true), published);
                }
                Some(lists) => to(Collector::Published(lists, false), *self),
            },
            Collector::Published(lists, _) if self.condemned || without == Without::CondemnedLook => {
                to(Collector::Deleting(lists), *self);
            }
            Collector::Published(_, true) => to(Collector::Done, Self { deleted: None, ..*self }),
            Collector::Published(_, false) => to(Collector::Done, *self),
            Collector::Deleting(lists) => {
                to(Collector::Compacting(lists), Self { present: self.present && !lists, ..*self });
            }
            Collector::Compacting(lists) => to(Collector::Retiring, Self { named: self.named && !lists, ..*self }),
            Collector::Retiring => {
                let waits = self.awaited && self.compacting() && without != Without::WaitingToRetire;
                let is_named = self.deleted == Some(true) && self.named && without != Without::UnnamedPacks;
                if self.deleted.is_some() && !waits && !is_named {
                    let half = if without == Without::Order {
                        Self { deleted: None, ..*self }
                    } else {
                        Self { condemned: false, ..*self }
                    };
                    to(Collector::HalfRetired, half);
                }
            }
            Collector::HalfRetired => {
                to(Collector::Done, Self { condemned: false, deleted: None, awaited: false, ..*self });
            }
            Collector::Done => {}
        }
    }
}

/// Tries everything; the number of states, or one in which data is lost.
fn explore(without: Without) -> Result<usize, State> {
    let mut seen = HashSet::from([START]);
    let mut waiting = vec![START];
    let mut next = Vec::new();
    while let Some(state) = waiting.pop() {
        if state.is_lost() {
            return Err(state);
        }
        state.next(without, &mut next);
        waiting.extend(next.drain(..).filter(|state| seen.insert(*state)));
    }
    Ok(seen.len())
}

#[test]
fn a_generation_that_two_collectors_end_loses_nothing() {
    let count = explore(Without::Nothing).unwrap();
    assert!(count > 1000, "only {count} states were tried");
}

#[test]
fn prune_18_sets_that_go_while_a_compacting_session_is_open_lose_data() {
    assert!(explore(Without::WaitingToRetire).is_err());
}

#[test]
fn prune_18_sets_that_go_while_a_segment_names_the_pack_lose_data() {
    assert!(explore(Without::UnnamedPacks).is_err());
}

#[test]
fn prune_19_a_set_that_comes_after_its_generation_was_retired_loses_data() {
    assert!(explore(Without::CondemnedLook).is_err());
}

#[test]
fn prune_19_a_condemned_set_that_outlives_its_deleted_set_loses_data() {
    assert!(explore(Without::Order).is_err());
}
