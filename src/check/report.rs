//! What a check found.

use crate::error::Error;
use crate::id::{ChunkId, SnapshotId};
use crate::progress::{Event, Progress};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many damages are kept apart; all are counted.
const DAMAGE_KEPT_MAX: usize = 10_000;
/// How many files are named for one damage; all are counted.
const FILES_KEPT_MAX: usize = 1_000;
/// For how many lost chunks the touched files are looked for. A store that has lost more has lost more than a list helps.
const LOST_MAX: usize = 1 << 20;

/// One thing that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// The object, by its name in the store.
    pub object: String,
    /// Where in it.
    pub place: String,
    /// What is wrong.
    pub wrong: String,
    /// The snapshots that it touches.
    pub snapshots: BTreeSet<SnapshotId>,
    /// The first thousand files that it touches.
    pub files: BTreeSet<PathBuf>,
    /// How many times a file of a snapshot is touched.
    pub file_count: u64,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// The first ten thousand damages.
    pub damage: Vec<Damage>,
    /// How many there are.
    pub damage_count: u64,
    /// Things that are not damage, but worth knowing.
    pub notices: Vec<String>,
    /// Snapshots that were walked.
    pub snapshot_count: usize,
    /// Packs that committed sessions name.
    pub pack_count: u64,
    /// Packs that no committed session names: being written now, or garbage.
    pub unlisted_pack_count: u64,
    /// Distinct tree nodes that were read.
    pub node_count: u64,
    /// Chunks that those nodes name.
    pub chunk_reference_count: u64,
    /// Bytes of packs that were read and hashed.
    pub read_bytes: u64,
    /// How long it took.
    pub duration: Duration,
}

/// Which damage a lost chunk or node belongs to.
type Lost = HashMap<ChunkId, usize>;

/// What was found so far, told by several threads.
pub(super) struct Findings<'a> {
    pub(super) progress: &'a dyn Progress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    report: CheckReport,
    lost: Lost,
    /// Damage by object and place, so that the same is told once.
    known: BTreeMap<(String, String), usize>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, state: Mutex::default() }
    }

    /// Adds damage, and the chunks or nodes that are lost with it.
    pub(super) fn damage(&self, damage: Damage, lost: impl IntoIterator<Item = ChunkId>) {
        let mut state = self.lock();
        let name = (damage.object.clone(), damage.place.clone());
        let place = match state.known.get(&name) {
            Some(place) => *place,
            None => {
                self.progress.event(&Event::Problem {
                    path: Path::new(&damage.object),
                    operation: "check",
                    message: &damage.wrong,
                });
                state.report.damage_count = state.report.damage_count.saturating_add(1);
                if state.report.damage.len() >= DAMAGE_KEPT_MAX {
                    return;
                }
                let place = state.report.damage.len();
                state.report.damage.push(damage);
                state.known.insert(name, place);
                place
            }
        };
        for id in lost {
            if state.lost.len() < LOST_MAX {
                state.lost.entry(id).or_insert(place);
            }
        }
    }

    pub(super) fn control_error(&self, object: &str, error: &Error) {
        let damage = Damage {
            object: object.to_owned(),
            wrong: error.to_string(),
            remedy: "put the object back from a second copy of the store",
            ..Damage::default()
        };
        self.damage(damage, []);
    }

    pub(super) fn notice(&self, notice: String) {
        self.lock().report.notices.push(notice);
    }

    pub(super) fn read(&self, bytes: u64) {
        let mut state = self.lock();
        state.report.read_bytes = state.report.read_bytes.saturating_add(bytes);
        drop(state);
        self.progress.event(&Event::Processed { files: 0, bytes });
    }

    pub(super) fn has_lost(&self) -> bool {
        !self.lock().lost.is_empty()
    }

    pub(super) fn is_lost(&self, id: ChunkId) -> bool {
        self.lock().lost.contains_key(&id)
    }

    /// Says that a lost chunk or node is part of a file of a snapshot.
    pub(super) fn touches(&self, id: ChunkId, snapshot: SnapshotId, file: PathBuf) {
        let mut state = self.lock();
        let Some(place) = state.lost.get(&id).copied() else { return };
        let Some(damage) = state.report.damage.get_mut(place) else { return };
        damage.snapshots.insert(snapshot);
        damage.file_count = damage.file_count.saturating_add(1);
        if damage.files.len() < FILES_KEPT_MAX {
            damage.files.insert(file);
        }
    }

    pub(super) fn into_report(self) -> CheckReport {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).report
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
