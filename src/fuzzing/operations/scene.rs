//! One program at work: the stores, what is expected of them, and who looks whether it holds.

use super::expected::{Expected, Known, Soundness, Standing};
use super::ground::{self, GROUND, Objects, Place, Scratch};
use super::program::{Client, Damage, Each, Step, Trouble, Work, Wound};
use super::tree::{self, Tree};
use crate::error::Result;
use crate::id::{SessionId, SnapshotId};
use crate::outcome::SeenEntry;
use crate::progress::Silent;
use crate::repository::{AcceptRollback, Repository};
use crate::restore::RestoreOptions;
use crate::session::{History, Snapshot, SnapshotFilter, move_to_machine};
use crate::store::faulty::FaultyStore;
use crate::store::{Folder, MemoryStore, ObjectName, Store};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The machine of whoever looks, and no client's.
const AUDITOR: u8 = 99;

/// What changes while a program runs.
#[derive(Default)]
pub(super) struct State {
    pub(super) home: Expected,
    pub(super) copies: Expected,
    pub(super) trees: Each<Tree>,
    /// Stores whose last change may still be on its way, and the snapshot that it is about.
    pub(super) late: Vec<(FaultyStore, Option<SnapshotId>)>,
    saved: Option<(Objects, Expected)>,
    /// Who was told of something since the store was saved, and after a rollback, who must notice that it is gone.
    pub(super) told: Each<bool>,
    pub(super) must_notice: Each<bool>,
    /// Who has noticed, and goes on all the same.
    pub(super) accepts: Each<bool>,
}

impl State {
    pub(super) const fn at(&mut self, place: Place) -> &mut Expected {
        match place {
            Place::Home => &mut self.home,
            Place::Copies => &mut self.copies,
        }
    }
}

pub(super) struct Scene {
    pub(super) scratch: Scratch,
    pub(super) home: MemoryStore,
    pub(super) copies: MemoryStore,
    pub(super) mirror: MemoryStore,
    state: Mutex<State>,
    restore_count: AtomicU64,
}

/// What was found of a snapshot.
enum Found {
    /// All of it, and nobody said that anything is wrong.
    Whole(Tree),
    /// Some of it, or it can't be said.
    Lacking,
}

impl Scene {
    pub(super) fn new() -> Arc<Self> {
        let scene = Self {
            scratch: Scratch::new(),
            home: MemoryStore::new(),
            copies: MemoryStore::new(),
            mirror: MemoryStore::new(),
            state: Mutex::default(),
            restore_count: AtomicU64::new(0),
        };
        ground::fill(&scene.home, &GROUND.home);
        ground::fill(&scene.copies, &GROUND.copies);
        for client in Client::ALL {
            std::fs::create_dir(scene.folder_of(client)).expect("a new folder takes a folder");
        }
        Arc::new(scene)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn folder_of(&self, client: Client) -> PathBuf {
        self.scratch.path(&format!("tree-{}", client.number()))
    }

    /// Opens the repository of a store as a client does whose process has just begun.
    pub(super) fn open(&self, client: Client, place: Place, store: Arc<dyn Store>) -> Result<Repository> {
        let accept = if self.state().accepts[client] { AcceptRollback::Accept } else { AcceptRollback::Refuse };
        ground::open(&self.scratch, (place, store), (client, &client.number().to_string()), accept)
    }

    /// Runs a program, and sees that what must be true is true.
    pub(super) fn run(self: &Arc<Self>, steps: &[Step]) {
        for step in steps {
            let late = self.take_late();
            match step {
                Step::Act(client, work, trouble) => {
                    self.act(*client, work, trouble);
                    if matches!(work, Work::Prune | Work::Repair) {
                        self.audit(Place::Home, Soundness::Whole);
                    }
                }
                Step::Damage(damage) => self.damage(*damage),
                Step::Save => {
                    let objects = ground::objects(&self.home).expect("a store in memory is read");
                    let mut state = self.state();
                    state.saved = Some((objects, state.home.clone()));
                    state.told = Each::of(false);
                }
                Step::RollBack => self.roll_back(),
            }
            // It arrives after the next one has done something.
            self.arrive(&late);
        }
        let late = self.take_late();
        self.arrive(&late);
        self.settle();
    }

    fn take_late(&self) -> Vec<(FaultyStore, Option<SnapshotId>)> {
        std::mem::take(&mut self.state().late)
    }

    fn arrive(&self, late: &[(FaultyStore, Option<SnapshotId>)]) {
        for (store, about) in late {
            let _ = store.judge_elsewhere();
            self.state().home.stand(about.as_slice(), Standing::Unsure);
        }
    }

    /// When everybody has gone home, nothing is left half done.
    fn settle(self: &Arc<Self>) {
        let touched = self.state().home.is_touched;
        if !touched {
            for work in [Work::Abort, Work::Prune, Work::Prune] {
                self.act(Client::Owner, &work, &Trouble::Nothing);
            }
        }
        self.act(Client::OtherOwner, &Work::Check(crate::check::CheckDepth::Data), &Trouble::Nothing);
        self.audit(Place::Home, Soundness::Whole);
        self.audit(Place::Copies, Soundness::Whole);
    }

    fn damage(&self, damage: Damage) {
        let folder = *Folder::ALL.iter().cycle().nth(damage.folder.into()).expect("there are folders");
        let names = ground::names(&self.home, folder).expect("a store in memory is listed");
        let Some(name) = names.iter().cycle().nth(damage.object.into()) else { return };
        let mut bytes = self.home.read(name, u64::MAX).expect("it was listed");
        let at = bytes.len() * usize::from(damage.place) / 256;
        match damage.wound {
            Wound::Gone => {
                if let ObjectName::Outcome(id) = name {
                    self.expect_unmissed(*id);
                }
                self.home.remove_all(&[*name]).expect("a store in memory removes");
            }
            Wound::CutShort => bytes.truncate(at),
            Wound::Flipped => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << damage.bit),
            Wound::Zeroed => bytes.iter_mut().skip(at).for_each(|byte| *byte = 0),
            Wound::Swapped => {
                let other = names.iter().cycle().nth(usize::from(damage.place)).expect("there is one");
                bytes = self.home.read(other, u64::MAX).expect("it was listed");
            }
        }
        if !matches!(damage.wound, Wound::Gone) {
            self.home.overwrite(*name, &bytes);
        }
        self.state().home.is_touched = true;
        self.audit(Place::Home, Soundness::Untold);
    }

    /// An outcome that is about to go and that no other has seen is missed by nobody but its client: to others its session
    /// looks as if it had never been decided. What it said of snapshots is as unsure then.
    fn expect_unmissed(&self, lost: SessionId) {
        let whose = format!("auditor-{}", self.restore_count.fetch_add(1, Ordering::Relaxed));
        let store = Arc::new(self.home.clone());
        let opened = ground::open(&self.scratch, (Place::Home, store), (Client::Owner, &whose), AcceptRollback::Refuse);
        let Ok(history) = opened.and_then(|auditor| History::load(auditor.access())) else { return };
        let has_seen = |entry: &SeenEntry| entry.client == lost.client && entry.number >= lost.number;
        let is_missed = history.outcomes.values().any(|held| held.body.seen.entries.0.iter().any(has_seen));
        let Some(held) = history.outcomes.get(&lost).filter(|_| !is_missed) else { return };
        let mut state = self.state();
        state.home.stand(&[held.snapshot_id()], Standing::Unsure);
        if let Some(statement) = &held.body.statement {
            state.home.stand(&statement.snapshots.0, Standing::Unsure);
        }
    }

    fn roll_back(&self) {
        let Some((objects, expected)) = self.state().saved.clone() else { return };
        for (name, _) in ground::objects(&self.home).expect("a store in memory is read") {
            self.home.remove_all(&[name]).expect("a store in memory removes");
        }
        ground::fill(&self.home, &objects);
        let mut state = self.state();
        let attempts = std::mem::take(&mut state.home.attempts);
        state.home = Expected { is_touched: true, ..expected };
        state.home.attempts.extend(attempts);
        for client in Client::ALL {
            let told = state.told[client];
            state.must_notice[client] |= told;
        }
        state.told = Each::of(false);
    }

    /// Looks at a repository with eyes that never saw it, and finds whether what must be there is there. `before` says
    /// what is known of snapshots: after damage nothing is.
    pub(super) fn audit(&self, place: Place, before: Soundness) {
        move_to_machine(AUDITOR);
        let store = match place {
            Place::Home => self.home.clone(),
            Place::Copies => self.copies.clone(),
        };
        let number = self.restore_count.fetch_add(1, Ordering::Relaxed);
        let whose = format!("auditor-{number}");
        let opened =
            ground::open(&self.scratch, (place, Arc::new(store)), (Client::Owner, &whose), AcceptRollback::Refuse);
        let looked = opened.and_then(|auditor| {
            let listed = auditor.snapshots(&SnapshotFilter::default())?;
            Ok(listed.into_iter().map(|snapshot| (self.look(&auditor, &snapshot), snapshot)).collect::<Vec<_>>())
        });
        let mut state = self.state();
        let expected = state.at(place);
        let found = looked.unwrap_or_else(|error| {
            assert!(expected.is_touched, "{place:?} can't be read: {error}");
            Vec::new()
        });
        for (found, snapshot) in &found {
            judge(expected, found, snapshot);
        }
        for known in &mut expected.known {
            let seen = found.iter().find(|(_, snapshot)| snapshot.id == known.id);
            let is_whole = seen.is_some_and(|(found, _)| matches!(found, Found::Whole(_)));
            note(known, is_whole, before, seen.is_some());
        }
    }

    /// Restores a snapshot.
    fn look(&self, repository: &Repository, snapshot: &Snapshot) -> Found {
        self.restore(repository, snapshot).ok().flatten().map_or(Found::Lacking, Found::Whole)
    }

    /// Restores a snapshot, and gives what came; none when the report says that something did not.
    pub(super) fn restore(&self, repository: &Repository, snapshot: &Snapshot) -> Result<Option<Tree>> {
        let number = self.restore_count.fetch_add(1, Ordering::Relaxed);
        let target = self.scratch.path(&format!("restored-{number}"));
        let report = repository.restore(snapshot, &RestoreOptions::new(&target), &Silent);
        let came = tree::read(&target).unwrap_or_default();
        let _ = std::fs::remove_dir_all(&target);
        Ok((report?.problem_count == 0).then(|| self.below_trees(came)))
    }

    /// Entries lie at their absolute paths; those of trees are told by the paths below them.
    fn below_trees(&self, came: Tree) -> Tree {
        let prefixes = Client::ALL.map(|client| format!("{}/", self.folder_of(client).display()));
        let strip = |path: String| {
            let below = prefixes.iter().find_map(|prefix| path.strip_prefix(prefix.trim_start_matches('/')));
            below.map_or_else(|| path.clone(), str::to_owned)
        };
        came.into_iter().map(|(path, node)| (strip(path), node)).collect()
    }

    /// The snapshot of this id, forgotten or not.
    pub(super) fn find(repository: &Repository, id: SnapshotId) -> Result<Option<Snapshot>> {
        let ever = repository.snapshots_ever(&SnapshotFilter::default())?;
        Ok(ever.into_iter().find(|snapshot| snapshot.id == id))
    }
}

/// What must be true of a snapshot that is listed.
fn judge(expected: &mut Expected, found: &Found, snapshot: &Snapshot) {
    let id = snapshot.id;
    assert!(expected.is_touched || matches!(found, Found::Whole(_)), "{id} is listed and can't be restored");
    let stands = expected.get(id).is_none_or(|known| known.standing != Standing::Forgotten);
    assert!(expected.is_touched || stands, "{id} is listed, and was forgotten");
    let Found::Whole(tree) = found else { return };
    if let Some(known) = expected.get(id) {
        let differs = tree::difference(tree, &known.tree);
        assert!(differs.is_none(), "{id} comes back otherwise at {differs:?}, and nobody says so");
    } else if let Some(damaged) = snapshot.repairs {
        let whole = expected.get(damaged).map(|known| known.tree.clone()).unwrap_or_default();
        let other = tree.iter().find(|(path, node)| whole.get(*path) != Some(*node));
        assert!(other.is_none() || whole.is_empty(), "{id} repairs {damaged} with {other:?}");
    } else {
        assert!(expected.was_attempted(tree), "{id} is what nobody meant to store");
        expected.acknowledge(id, tree.clone());
    }
}

/// What must be true of a snapshot that somebody was told of.
fn note(known: &mut Known, is_whole: bool, before: Soundness, is_listed: bool) {
    let id = known.id;
    if known.standing != Standing::Live {
        return;
    }
    assert!(
        is_whole || before != Soundness::Whole || known.soundness != Soundness::Whole,
        "{id} was whole and is {}",
        if is_listed { "damaged" } else { "gone" }
    );
    known.soundness = if is_whole { Soundness::Whole } else { Soundness::Damaged };
}
