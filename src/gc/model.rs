//! The protocol of format-spec/10-sessions-and-prune.md as a model in which every interleaving is tried.
//!
//! One chunk, up to three writers and two collectors. A snapshot exists from the start and needs the chunk; so does every
//! snapshot that a writer commits. Any snapshot may be forgotten, and any session aborted, at any time. A process that
//! takes no more steps has crashed or sleeps, and may wake up at any later time. The store is assumed to do what it says:
//! create-if-absent is exclusive, and a listing shows what was acknowledged. Data is lost when a snapshot lives and no
//! pack that is committed holds the chunk any more. A collector may let more stay than it must; what the engine does to a
//! store is held to the model by `trace`.
//!
//! Each rule of the protocol can be taken away alone, and then the search finds a loss: this is what the rule is for.

#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the state of a model is packed into bits, with asserted widths"
)]

pub(crate) mod trace;

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

const WRITERS_MAX: usize = 3;
const COLLECTORS_MAX: usize = 2;
/// Every snapshot, and every pack: the first, then those of the writers.
const EVERYTHING: Set = 0b1111;

/// A set of small numbers.
type Set = u8;

fn has(set: Set, item: usize) -> bool {
    set >> item & 1 == 1
}

fn with(set: Set, item: usize) -> Set {
    set | 1 << item
}

fn items(set: Set) -> impl Iterator<Item = usize> {
    (0..8).filter(move |item| has(set, *item))
}

fn subsets(set: Set) -> impl Iterator<Item = Set> {
    (0..=set).filter(move |some| some & !set == 0)
}

/// What a writer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A backup in one session.
    Backup,
    /// A backup whose content is committed by a checkpoint session before its own.
    Checkpointed,
    /// Copies the chunk into a new pack, in a session that ends in no snapshot: repack and repair.
    Repack,
    /// Takes the forgetting of the first snapshot back.
    Undo,
}

/// A rule that is taken away, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    OpeningFirst,
    ExclusiveOutcomes,
    CondemnedTest,
    ParentTest,
    FreshNames,
    WaitingForSessions,
    CompleteListing,
    SecondLook,
    OtherGenerations,
    KeptOutcomes,
    UndoInSession,
    GenerationOrder,
    MainOpenFirst,
    CommittedCheckpoint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Begin,
    Opened,
    Informed,
    Content,
    Storing,
    Uploaded,
    Ready,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Writer {
    step: Step,
    /// The packs that were condemned when it looked.
    condemned: Set,
    /// The snapshots that every condemned set which it saw counted as live.
    inheritable: Set,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Begin,
    Listed,
    Chosen,
    Published,
    Waiting,
    Decided,
    Looked,
    Deleting,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Collector {
    stage: Stage,
    candidates: Set,
    sessions: Set,
    live: Set,
    /// How many generations it knew when it chose: its own number.
    generation: u8,
    condemned: Option<Set>,
    deleted: Option<Set>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Open,
    Committed,
    Aborted,
}

/// Sessions are numbered: the writers' own, then their checkpoints. Pack 0 is the first snapshot's, pack w + 1 that of
/// writer w.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    packs: Set,
    uploaded: Set,
    first_live: bool,
    forgotten: Set,
    sessions: Set,
    decisions: [Decision; 2 * WRITERS_MAX],
    writers: [Writer; WRITERS_MAX],
    collectors: [Collector; COLLECTORS_MAX],
}

impl State {
    /// All of it in one number, which is small and quick to compare.
    fn packed(&self) -> u128 {
        let mut bits = 0u128;
        let mut put = |value: u8, width: u32| {
            debug_assert!(u32::from(value) < 1 << width, "{value} in {width} bits");
            bits = bits << width | u128::from(value);
        };
        put(self.packs, 4);
        put(self.uploaded, 4);
        put(u8::from(self.first_live), 1);
        put(self.forgotten, 3);
        put(self.sessions, 6);
        self.decisions.iter().for_each(|decision| put(*decision as u8, 2));
        for writer in &self.writers {
            put(writer.step as u8, 3);
            put(writer.condemned, 4);
            put(writer.inheritable, 4);
        }
        // Collectors are alike: which is which does not matter.
        let mut collectors = self.collectors;
        collectors.sort_unstable();
        for collector in &collectors {
            put(collector.stage as u8, 4);
            put(collector.candidates, 4);
            put(collector.sessions, 6);
            put(collector.live, 4);
            put(collector.generation, 2);
            put(collector.condemned.map_or(0, |set| 16 | set), 5);
            put(collector.deleted.map_or(0, |set| 16 | set), 5);
        }
        bits
    }
}

/// Spreads the bits of a packed state.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a packed state is one number");
    }

    fn write_u128(&mut self, value: u128) {
        let [low, high] = [value as u64, (value >> 64) as u64];
        let mixed = (low ^ high.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (mixed ^ mixed >> 32 ^ high).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.0 ^= self.0 >> 32;
    }
}

struct Model<'a> {
    work: &'a [Work],
    collector_count: usize,
    without: Without,
}

impl Model<'_> {
    fn start() -> State {
        let writer = Writer { step: Step::Begin, condemned: 0, inheritable: 0 };
        let collector = Collector {
            stage: Stage::Begin,
            candidates: 0,
            sessions: 0,
            live: 0,
            generation: 0,
            condemned: None,
            deleted: None,
        };
        State {
            packs: 1,
            uploaded: 1,
            first_live: true,
            forgotten: 0,
            sessions: 0,
            decisions: [Decision::Open; 2 * WRITERS_MAX],
            writers: [writer; WRITERS_MAX],
            collectors: [collector; COLLECTORS_MAX],
        }
    }

    /// The session that publishes the pack of writer `w`.
    fn publisher(&self, w: usize) -> usize {
        if self.work[w] == Work::Checkpointed { WRITERS_MAX + w } else { w }
    }

    fn is_decided(&self, state: &State, pack: usize) -> bool {
        pack == 0 || state.decisions[self.publisher(pack - 1)] != Decision::Open
    }

    fn is_committed(&self, state: &State, pack: usize) -> bool {
        let by_writer =
            || has(state.uploaded, pack) && state.decisions[self.publisher(pack - 1)] == Decision::Committed;
        pack == 0 || by_writer()
    }

    fn committed(&self, state: &State) -> Set {
        (0..=self.work.len()).filter(|pack| self.is_committed(state, *pack)).fold(0, with)
    }

    /// The live snapshots: the first, then that of writer w as w + 1.
    fn live(&self, state: &State) -> Set {
        let first = if state.first_live { 1 } else { 0 };
        let is_live = |w: &usize| {
            let is_snapshot = matches!(self.work[*w], Work::Backup | Work::Checkpointed);
            is_snapshot && state.decisions[*w] == Decision::Committed && !has(state.forgotten, *w)
        };
        (0..self.work.len()).filter(is_live).fold(first, |live, w| with(live, w + 1))
    }

    fn is_lost(&self, state: &State) -> bool {
        self.live(state) != 0 && self.committed(state) & state.packs == 0
    }

    /// What all generations but `own` condemn: their deleted sets, or while there is none their condemned sets.
    fn condemned(&self, state: &State, own: Option<usize>) -> Set {
        let others = state.collectors.iter().enumerate().filter(|(g, _)| Some(*g) != own);
        others.fold(0, |set, (_, other)| set | other.deleted.or(other.condemned).unwrap_or(0))
    }

    /// The snapshots that may be taken over unread: those that every condemned set without a deleted set counted as live.
    fn inheritable(&self, state: &State) -> Set {
        let active = state.collectors.iter().filter(|collector| collector.condemned.is_some());
        active.fold(EVERYTHING, |set, collector| set & collector.live)
    }

    fn generation_count(state: &State) -> u8 {
        let published = state.collectors.iter().filter(|own| own.condemned.is_some() || own.deleted.is_some());
        u8::try_from(published.count()).unwrap()
    }

    fn next(&self, state: &State, sink: &mut Vec<State>) {
        if state.first_live {
            sink.push(State { first_live: false, ..*state });
        }
        for w in 0..self.work.len() {
            if self.work[w] == Work::Undo {
                self.undo(state, w, sink);
            } else {
                self.back_up(state, w, sink);
            }
            sink.extend(reopened(state, w));
            if has(self.live(state), w + 1) {
                sink.push(State { forgotten: with(state.forgotten, w), ..*state });
            }
            let all_pruned = state.collectors[..self.collector_count].iter().all(|c| c.stage == Stage::Done);
            if self.without == Without::KeptOutcomes && all_pruned && state.decisions[w] == Decision::Aborted {
                sink.push(decide(state, w, Decision::Open));
            }
        }
        if self.without == Without::UndoInSession && !state.first_live && self.committed(state) & state.packs != 0 {
            sink.push(State { first_live: true, ..*state });
        }
        // Whoever takes a writer to be silent may be wrong.
        sink.extend(items(state.sessions).map(|session| decide(state, session, Decision::Aborted)));
        for g in 0..self.collector_count {
            self.collect(state, g, sink);
        }
    }

    fn back_up(&self, state: &State, w: usize, sink: &mut Vec<State>) {
        let late = self.work[w] == Work::Checkpointed && self.without == Without::MainOpenFirst;
        match state.writers[w].step {
            Step::Begin if late => sink.push(step(state, w, Step::Content)),
            Step::Begin if self.without == Without::OpeningFirst => sink.push(self.look(state, w, Step::Opened)),
            Step::Begin => sink.push(open(&step(state, w, Step::Opened), w)),
            Step::Opened if self.without == Without::OpeningFirst => {
                sink.push(open(&step(state, w, Step::Informed), w));
            }
            Step::Opened if late => sink.push(open(&step(state, w, Step::Ready), w)),
            Step::Opened => sink.push(self.look(state, w, Step::Informed)),
            Step::Informed if self.work[w] == Work::Repack => sink.push(informed(state, w, Step::Content)),
            Step::Informed => self.choose(state, w, sink),
            Step::Content if self.work[w] == Work::Checkpointed => {
                sink.push(open(&step(state, w, Step::Storing), WRITERS_MAX + w));
            }
            Step::Content | Step::Storing => sink.push(self.upload(state, w)),
            Step::Uploaded => self.commit_checkpoint(state, w, if late { Step::Opened } else { Step::Ready }, sink),
            Step::Ready => sink.push(self.commit(state, w)),
            Step::Done => (),
        }
    }

    fn look(&self, state: &State, w: usize, then: Step) -> State {
        let mut next = step(state, w, then);
        next.writers[w].condemned = self.condemned(state, None);
        next.writers[w].inheritable = self.inheritable(state);
        next
    }

    /// Takes the parent's tree over, or a copy that is committed and not condemned; stores the chunk itself otherwise.
    fn choose(&self, state: &State, w: usize, sink: &mut Vec<State>) {
        let Writer { condemned, inheritable, .. } = state.writers[w];
        let parents = self.live(state) & if self.without == Without::ParentTest { EVERYTHING } else { inheritable };
        let tested = if self.without == Without::CondemnedTest { 0 } else { condemned };
        if parents != 0 || self.committed(state) & !tested != 0 {
            sink.push(informed(state, w, Step::Ready));
        }
        sink.push(informed(state, w, Step::Content));
    }

    fn upload(&self, state: &State, w: usize) -> State {
        let pack = if self.without == Without::FreshNames { 0 } else { w + 1 };
        let then = if self.work[w] == Work::Checkpointed { Step::Uploaded } else { Step::Ready };
        let next = step(state, w, then);
        State { packs: with(next.packs, pack), uploaded: with(next.uploaded, w + 1), ..next }
    }

    /// A checkpoint that somebody else aborted commits nothing: its main session gives up.
    fn commit_checkpoint(&self, state: &State, w: usize, then: Step, sink: &mut Vec<State>) {
        let checkpoint = WRITERS_MAX + w;
        if state.decisions[checkpoint] == Decision::Open {
            sink.push(step(&decide(state, checkpoint, Decision::Committed), w, then));
        } else {
            let goes_on = self.without == Without::CommittedCheckpoint;
            sink.push(step(state, w, if goes_on { then } else { Step::Done }));
        }
    }

    fn commit(&self, state: &State, w: usize) -> State {
        let done = step(state, w, Step::Done);
        let overwrites = self.without == Without::ExclusiveOutcomes && state.decisions[w] == Decision::Aborted;
        if state.decisions[w] == Decision::Open || overwrites { decide(&done, w, Decision::Committed) } else { done }
    }

    fn undo(&self, state: &State, w: usize, sink: &mut Vec<State>) {
        match state.writers[w].step {
            Step::Begin => sink.push(open(&step(state, w, Step::Opened), w)),
            Step::Opened => sink.push(self.look(state, w, Step::Informed)),
            Step::Informed => {
                let sound = self.committed(state) & !state.writers[w].condemned != 0;
                sink.push(informed(state, w, if sound { Step::Ready } else { Step::Done }));
            }
            Step::Ready => {
                let next = self.commit(state, w);
                let undone = state.decisions[w] == Decision::Open && next.decisions[w] == Decision::Committed;
                sink.push(State { first_live: next.first_live || undone, ..next });
            }
            Step::Content | Step::Storing | Step::Uploaded | Step::Done => (),
        }
    }

    fn collect(&self, state: &State, g: usize, sink: &mut Vec<State>) {
        let own = state.collectors[g];
        let put = |own: Collector| {
            let mut next = *state;
            next.collectors[g] = own;
            next
        };
        match own.stage {
            Stage::Begin => {
                let decided = items(state.packs).filter(|pack| self.is_decided(state, *pack)).fold(0, with);
                sink.push(put(Collector { stage: Stage::Listed, candidates: decided, ..own }));
            }
            Stage::Listed => self.choose_candidates(state, g, sink),
            Stage::Chosen
                if own.generation != Self::generation_count(state) && self.without != Without::GenerationOrder =>
            {
                // Its number is taken: another generation was published since it chose.
                let anew = Collector { stage: Stage::Begin, candidates: 0, live: 0, generation: 0, ..own };
                sink.push(put(anew));
            }
            Stage::Chosen => {
                sink.push(put(Collector { stage: Stage::Published, condemned: Some(own.candidates), ..own }));
            }
            Stage::Published => self.list_sessions(state, g, sink),
            Stage::Waiting => {
                if items(own.sessions).all(|session| state.decisions[session] != Decision::Open) {
                    sink.push(put(Collector { stage: Stage::Decided, ..own }));
                }
            }
            Stage::Decided => {
                // More than must stay stays where a collector goes by what it saw before.
                let looked = |candidates| put(Collector { stage: Stage::Looked, candidates, sessions: 0, ..own });
                sink.extend(subsets(own.candidates & !self.rescued(state, g)).map(looked));
            }
            Stage::Looked => {
                let forgets = Collector { live: 0, generation: 0, condemned: None, ..own };
                let deleted = Some(own.candidates);
                sink.push(put(Collector { stage: Stage::Deleting, deleted, ..forgets }));
            }
            Stage::Deleting if own.candidates == 0 => sink.push(put(Collector { stage: Stage::Done, ..own })),
            Stage::Deleting => {
                for pack in items(own.candidates) {
                    let candidates = own.candidates & !(1 << pack);
                    sink.push(State { packs: state.packs & !(1 << pack), ..put(Collector { candidates, ..own }) });
                }
            }
            Stage::Done => (),
        }
    }

    fn others(&self, state: &State, g: usize) -> Set {
        if self.without == Without::OtherGenerations { 0 } else { self.condemned(state, Some(g)) }
    }

    /// Any of the packs may go among which no copy is that must stay. It may take fewer snapshots to be live than are: it
    /// reads records after outcomes, and what was committed in between it misses although it sees what was forgotten.
    fn choose_candidates(&self, state: &State, g: usize, sink: &mut Vec<State>) {
        let own = state.collectors[g];
        let generation = Self::generation_count(state);
        let committed = self.committed(state);
        let kept = own.candidates & committed & !self.others(state, g);
        for live in subsets(self.live(state)) {
            let may_go = |set: &Set| live == 0 || kept & !set != 0 || committed & set == 0;
            sink.extend(subsets(own.candidates).filter(may_go).map(|candidates| {
                let mut next = *state;
                next.collectors[g] = Collector { stage: Stage::Chosen, candidates, live, generation, ..own };
                next
            }));
        }
    }

    fn list_sessions(&self, state: &State, g: usize, sink: &mut Vec<State>) {
        let open = items(state.sessions).filter(|session| state.decisions[*session] == Decision::Open).fold(0, with);
        let mut listed = |sessions| {
            let mut next = *state;
            next.collectors[g] = Collector { stage: Stage::Waiting, sessions, ..state.collectors[g] };
            sink.push(next);
        };
        if self.without == Without::WaitingForSessions {
            listed(0);
        } else if self.without == Without::CompleteListing {
            subsets(open).for_each(listed);
        } else {
            listed(open);
        }
    }

    /// The candidates that must stay after all, because since they were condemned a snapshot came to need them.
    fn rescued(&self, state: &State, g: usize) -> Set {
        if self.live(state) == 0 || self.without == Without::SecondLook {
            return 0;
        }
        let candidates = state.collectors[g].candidates;
        let committed = self.committed(state);
        let elsewhere = committed & state.packs & !candidates & !self.others(state, g);
        if elsewhere == 0 { committed & candidates } else { 0 }
    }

    /// Tries everything, shortest ways first. The number of states, or the way to one in which data is lost.
    fn explore(&self) -> Result<usize, Vec<State>> {
        let mut seen: HashSet<u128, BuildHasherDefault<Mixer>> = HashSet::from_iter([Self::start().packed()]);
        let mut found = vec![(Self::start(), 0)];
        let mut next = Vec::new();
        let mut at = 0;
        while let Some((state, _)) = found.get(at).copied() {
            if self.is_lost(&state) {
                return Err(way_to(&found, at));
            }
            self.next(&state, &mut next);
            found.extend(next.drain(..).filter(|state| seen.insert(state.packed())).map(|state| (state, at)));
            at += 1;
        }
        Ok(found.len())
    }
}

fn way_to(found: &[(State, usize)], mut at: usize) -> Vec<State> {
    let mut way = vec![found[at].0];
    while at > 0 {
        at = found[at].1;
        way.push(found[at].0);
    }
    way.reverse();
    way
}

fn step(state: &State, w: usize, step: Step) -> State {
    let mut next = *state;
    next.writers[w].step = step;
    next
}

/// A step after which it no longer matters what the writer had seen.
fn informed(state: &State, w: usize, then: Step) -> State {
    let mut next = step(state, w, then);
    next.writers[w] = Writer { condemned: 0, inheritable: 0, ..next.writers[w] };
    next
}

fn open(state: &State, session: usize) -> State {
    State { sessions: with(state.sessions, session), ..*state }
}

/// A writer whose session was ended before it did anything in it may open another in its place. The collectors that wait
/// for the one do not wait for the other.
fn reopened(state: &State, w: usize) -> Option<State> {
    let session = match state.writers[w].step {
        Step::Opened => w,
        Step::Storing => WRITERS_MAX + w,
        Step::Begin | Step::Informed | Step::Content | Step::Uploaded | Step::Ready | Step::Done => return None,
    };
    let mut next = open(state, session);
    next.decisions[session] = Decision::Open;
    next.collectors.iter_mut().for_each(|collector| collector.sessions &= !(1 << session));
    (state.decisions[session] == Decision::Aborted).then_some(next)
}

fn decide(state: &State, session: usize, decision: Decision) -> State {
    let mut next = *state;
    next.decisions[session] = decision;
    // Only open sessions are ever listed.
    next.sessions &= !(1 << session);
    next
}

use Work::{Backup, Checkpointed, Repack, Undo};

fn explore(work: &[Work], collector_count: usize, without: Without) -> Result<usize, Vec<State>> {
    Model { work, collector_count, without }.explore()
}

fn assert_safe(work: &[Work], collector_count: usize) {
    match explore(work, collector_count, Without::Nothing) {
        Ok(count) => assert!(count > 500, "{work:?} with {collector_count}: only {count} states were tried"),
        Err(way) => panic!("{work:?} with {collector_count} lose data:\n{way:#?}"),
    }
}

fn assert_lost(work: &[Work], collector_count: usize, without: Without) {
    let lost = explore(work, collector_count, without);
    assert!(lost.is_err(), "{work:?} with {collector_count} lose nothing without {without:?}");
}

#[test]
fn the_protocol_loses_nothing_with_one_collector() {
    assert_safe(&[Backup], 1);
    assert_safe(&[Backup, Backup], 1);
    assert_safe(&[Backup, Repack, Undo], 1);
    assert_safe(&[Checkpointed, Repack], 1);
    assert_safe(&[Backup, Checkpointed], 1);
    assert_safe(&[Checkpointed, Checkpointed], 1);
    assert_safe(&[Backup, Undo], 1);
    assert_safe(&[Checkpointed, Undo], 1);
    assert_safe(&[Backup, Backup, Backup], 1);
}

#[test]
fn the_protocol_loses_nothing_with_two_collectors() {
    assert_safe(&[Checkpointed], 2);
    assert_safe(&[Repack], 2);
    assert_safe(&[Backup, Undo], 2);
    assert_safe(&[Backup, Repack], 2);
    assert_safe(&[Backup, Backup], 2);
    assert_safe(&[Backup, Checkpointed], 2);
}

#[test]
fn prune_4_a_writer_that_looks_before_it_opens_its_session_loses_data() {
    assert_lost(&[Backup], 1, Without::OpeningFirst);
}

#[test]
fn prune_5_an_outcome_that_replaces_an_abort_loses_data() {
    assert_lost(&[Backup], 1, Without::ExclusiveOutcomes);
}

#[test]
fn prune_6_a_hit_in_a_condemned_pack_loses_data() {
    assert_lost(&[Backup], 1, Without::CondemnedTest);
}

#[test]
fn prune_7_a_parent_taken_over_unread_although_a_condemned_set_did_not_count_it_loses_data() {
    assert_lost(&[Backup, Backup], 1, Without::ParentTest);
}

#[test]
fn prune_8_a_pack_name_that_comes_back_loses_data() {
    assert_lost(&[Backup, Backup], 1, Without::FreshNames);
}

#[test]
fn prune_9_a_snapshot_on_an_aborted_checkpoint_loses_data() {
    assert_lost(&[Checkpointed], 2, Without::CommittedCheckpoint);
}

#[test]
fn prune_10_a_main_session_that_opens_after_its_checkpoints_loses_data() {
    assert_lost(&[Checkpointed], 1, Without::MainOpenFirst);
}

#[test]
fn prune_11_an_undo_outside_a_session_loses_data() {
    assert_lost(&[Backup], 1, Without::UndoInSession);
}

#[test]
fn prune_12_two_generations_that_chose_without_knowing_each_other_lose_data() {
    assert_lost(&[Backup, Backup], 2, Without::GenerationOrder);
}

#[test]
fn prune_13_a_copy_that_another_generation_condemns_is_none() {
    assert_lost(&[Backup], 2, Without::OtherGenerations);
}

#[test]
fn prune_14_a_generation_that_does_not_wait_for_open_sessions_loses_data() {
    assert_lost(&[Backup], 1, Without::WaitingForSessions);
}

#[test]
fn prune_15_a_listing_that_misses_a_session_loses_data() {
    assert_lost(&[Backup], 1, Without::CompleteListing);
}

#[test]
fn prune_16_a_generation_that_does_not_look_again_loses_data() {
    assert_lost(&[Backup], 1, Without::SecondLook);
}

#[test]
fn prune_17_an_outcome_that_is_deleted_loses_data() {
    assert_lost(&[Backup], 1, Without::KeptOutcomes);
}
