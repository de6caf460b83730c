//! What a check found.

use crate::access::Access;
use crate::error::Error;
use crate::id::{ChunkId, SnapshotId};
use crate::index::{IndexError, Scratch};
use crate::progress::{Event, Progress};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many damages are kept apart; all are counted.
const DAMAGE_KEPT_MAX: usize = 10_000;
/// How many files are named for one damage; all are counted.
const FILES_KEPT_MAX: usize = 1_000;
/// How many files and snapshots are named for all damages together; those of each are counted all the same.
const TOUCHED_KEPT_MAX: usize = 200_000;
/// How many notices are kept.
const NOTICES_KEPT_MAX: usize = 10_000;

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
    /// The first files that it touches: at most a thousand, and fewer when there are very many damages.
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

/// What was found so far, told by several threads.
pub(super) struct Findings<'a> {
    pub(super) progress: &'a dyn Progress,
    state: Mutex<State>,
}

struct State {
    report: CheckReport,
    lost: Lost,
    /// Damage by object and place, so that the same is told once.
    known: BTreeMap<(String, String), usize>,
    /// How many files and snapshots are named.
    touched_kept: usize,
}

/// Which damage a lost chunk or node belongs to; in files when there are many.
struct Lost {
    table: Box<dyn Scratch>,
    count: u64,
    /// Why the table could not be kept: what is touched is not known then.
    failure: Option<IndexError>,
}

impl Lost {
    fn add(&mut self, id: ChunkId, place: usize) {
        if self.failure.is_none() && self.place(id).is_none() {
            let place = u64::try_from(place).unwrap_or(u64::MAX).to_le_bytes();
            self.failure = self.table.put(id.as_bytes(), &place).err();
            self.count = self.count.saturating_add(1);
        }
    }

    fn place(&self, id: ChunkId) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        let place = self.table.get(id.as_bytes()).ok()??;
        usize::try_from(u64::from_le_bytes(*place.first_chunk()?)).ok()
    }
}

impl<'a> Findings<'a> {
    pub(super) fn new(access: &Access, progress: &'a dyn Progress) -> Self {
        let lost = Lost { table: access.scratch(), count: 0, failure: None };
        let (report, known) = <(CheckReport, BTreeMap<_, _>)>::default();
        Self { progress, state: Mutex::new(State { report, lost, known, touched_kept: 0 }) }
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
        lost.into_iter().for_each(|id| state.lost.add(id, place));
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
        let notices = &mut self.lock().report.notices;
        if notices.len() < NOTICES_KEPT_MAX {
            notices.push(notice);
        }
    }

    /// A bad reading that a second one did not confirm: the medium or the memory is worth a look.
    pub(super) fn only_twice(&self, what: &str, first: &str) {
        self.notice(format!("{what} was read right only the second time; the first time: {first}"));
    }

    pub(super) fn read(&self, bytes: u64) {
        let mut state = self.lock();
        state.report.read_bytes = state.report.read_bytes.saturating_add(bytes);
        drop(state);
        self.progress.event(&Event::Processed { files: 0, bytes });
    }

    pub(super) fn has_lost(&self) -> bool {
        self.lock().lost.count > 0
    }

    pub(super) fn is_lost(&self, id: ChunkId) -> bool {
        self.lock().lost.place(id).is_some()
    }

    /// Says that a lost chunk or node is part of a file of a snapshot.
    pub(super) fn touches(&self, id: ChunkId, snapshot: SnapshotId, file: PathBuf) {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(place) = state.lost.place(id) else { return };
        let Some(damage) = state.report.damage.get_mut(place) else { return };
        damage.file_count = damage.file_count.saturating_add(1);
        if state.touched_kept >= TOUCHED_KEPT_MAX {
            return;
        }
        let is_new_snapshot = damage.snapshots.insert(snapshot);
        let is_new_file = damage.files.len() < FILES_KEPT_MAX && damage.files.insert(file);
        let new = usize::from(is_new_snapshot).saturating_add(usize::from(is_new_file));
        state.touched_kept = state.touched_kept.saturating_add(new);
    }

    pub(super) fn into_report(self) -> CheckReport {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut report = state.report;
        if let Some(error) = state.lost.failure {
            report.notices.push(format!("not everything that is touched is named: {error}"));
        }
        report
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
