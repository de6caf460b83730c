//! Whether what the store shows of real writers and collectors is a run of the model.
//!
//! Only changes of the store are looked at. What a process read, chose and waited for in between is not told: the model
//! may have done any of it at any moment before the change, so a change is refused only if no order of such steps allows
//! it. This is trace validation by sets of states, as for a nondeterministic automaton.

use super::{COLLECTORS_MAX, Decision, Mixer, Model, Set, State, WRITERS_MAX, Without, Work, has};
use std::collections::HashSet;
use std::hash::BuildHasherDefault;

/// What the store shows. Packs and snapshots are numbered as in the model: the first, then those of the writers; and so
/// are sessions: those of the writers, then their checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The packs with the chunk that are there.
    pub(crate) packs: Set,
    /// The snapshots that live.
    pub(crate) live: Set,
    /// The sessions that are open.
    pub(crate) open: Set,
    /// The sessions that were committed.
    pub(crate) committed: Set,
    /// The sessions that were aborted.
    pub(crate) aborted: Set,
    /// What generations condemn until they say what they delete, in the order of [`Generation`]'s values.
    pub(crate) generations: [Generation; COLLECTORS_MAX],
}

/// What the store shows of a generation, as far as it touches packs with the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Generation {
    /// Nothing yet.
    Unborn,
    /// These are condemned.
    Condemned(Set),
    /// These are deleted.
    Deleted(Set),
}

impl Shown {
    /// What is there before anything happens.
    pub(crate) const START: Self = Self {
        packs: 1,
        live: 1,
        open: 0,
        committed: 0,
        aborted: 0,
        generations: [Generation::Unborn; COLLECTORS_MAX],
    };
}

/// Follows a run: knows every state in which the model may be.
pub(crate) struct Follower {
    work: Vec<Work>,
    collector_count: usize,
    states: Vec<State>,
    shown: Shown,
}

impl Follower {
    /// Before anything happens. There is one writer for each work.
    pub(crate) fn new(work: Vec<Work>, collector_count: usize) -> Self {
        Self { work, collector_count, states: vec![Model::start()], shown: Shown::START }
    }

    /// The first session of checkpoints.
    pub(crate) const CHECKPOINTS: usize = WRITERS_MAX;

    /// Takes one change of the store. Costs a search of what can be done without changing it.
    ///
    /// # Errors
    /// When the model allows no such change, whatever was done unseen.
    pub(crate) fn follow(&mut self, shown: Shown) -> Result<(), String> {
        if shown == self.shown {
            return Ok(());
        }
        let model = Model { work: &self.work, collector_count: self.collector_count, without: Without::Nothing };
        let mut unseen: HashSet<u128, BuildHasherDefault<Mixer>> = self.states.iter().map(State::packed).collect();
        let mut reached: HashSet<u128, BuildHasherDefault<Mixer>> = HashSet::default();
        let (mut then, mut next) = (Vec::new(), Vec::new());
        let mut rest = std::mem::take(&mut self.states);
        while let Some(state) = rest.pop() {
            model.next(&state, &mut next);
            for state in next.drain(..) {
                let shows = model.shown(&state);
                if shows == shown && reached.insert(state.packed()) {
                    then.push(state);
                } else if shows == self.shown && unseen.insert(state.packed()) {
                    rest.push(state);
                }
            }
        }
        if then.is_empty() {
            return Err(format!("the model does not go from {:?}\nto {shown:?}", self.shown));
        }
        (self.states, self.shown) = (then, shown);
        Ok(())
    }
}

impl Model<'_> {
    fn shown(&self, state: &State) -> Shown {
        let decided = |decision: Decision| {
            let all = state.decisions.iter().enumerate().filter(|(_, made)| **made == decision);
            all.fold(0, |set: Set, (session, _)| set | 1 << session)
        };
        let mut generations = state.collectors.map(|collector| match (collector.deleted, collector.condemned) {
            (Some(packs), _) => Generation::Deleted(packs),
            (None, Some(packs)) => Generation::Condemned(packs),
            (None, None) => Generation::Unborn,
        });
        generations.sort_unstable();
        Shown {
            packs: state.packs,
            live: self.live(state),
            open: state.sessions,
            committed: decided(Decision::Committed),
            aborted: decided(Decision::Aborted),
            generations,
        }
    }
}

/// A run of one writer and one collector, told change by change.
fn told(changes: impl IntoIterator<Item = Shown>) -> Result<(), String> {
    let mut follower = Follower::new(vec![Work::Checkpointed, Work::Backup], 1);
    changes.into_iter().try_for_each(|shown| follower.follow(shown))
}

const OPENED: Shown = Shown { open: 0b1, ..Shown::START };
const CONDEMNED: Shown = Shown { live: 0, generations: [Generation::Unborn, Generation::Condemned(0b1)], ..OPENED };

#[test]
fn a_run_of_the_protocol_is_one_of_the_model() {
    let committed = Shown { open: 0, committed: 0b1, live: 0b10, ..OPENED };
    let deleted = Shown { generations: [Generation::Unborn, Generation::Deleted(0)], live: 0b10, ..committed };
    let forgotten = Shown { live: 0, ..OPENED };
    told([OPENED, forgotten, CONDEMNED, Shown { generations: CONDEMNED.generations, ..committed }, deleted])
        .expect("it found the chunk before its pack was condemned, which the collector saw when it looked again");
}

#[test]
fn a_deletion_under_a_session_that_was_open_is_none_of_the_model() {
    let deleted = Shown { generations: [Generation::Unborn, Generation::Deleted(0b1)], ..CONDEMNED };
    let aborted = Shown { open: 0, aborted: 0b1, ..CONDEMNED };
    let forgotten = Shown { live: 0, ..OPENED };
    told([OPENED, forgotten, CONDEMNED, deleted]).expect_err("the session is open");
    let then = Shown { generations: deleted.generations, ..aborted };
    told([OPENED, forgotten, CONDEMNED, aborted, then, Shown { packs: 0, ..then }]).expect("the session was aborted");
    assert!(has(aborted.aborted, 0));
}
