//! What a check found.

use crate::access::Access;
use crate::check::feed::Feed;
use crate::check::remedy;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ChunkId, NodeId, PackId, SnapshotId};
use crate::index::{IndexError, Scratch};
use crate::progress::{Event, Gravity, Progress};
use crate::store::ObjectName;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// How many files it touches. Of those that are not named each counts once for every snapshot that holds it.
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
    /// Packs that were read.
    pub read_pack_count: u64,
    /// Bytes of packs that were read and hashed.
    pub read_bytes: u64,
    /// Packs that were passed over because an earlier check had verified them lately.
    pub recent_pack_count: u64,
    /// Packs that were to be read and were not: the time was up.
    pub left_pack_count: u64,
    /// Packs of which the repository now says that they were verified.
    pub remembered_pack_count: u64,
    /// Packs of put keys that count for everybody from now on.
    pub vouched_pack_count: u64,
    /// Names of packs that a repair has set aside: whatever they hold, nothing counts on it.
    pub set_aside: BTreeSet<String>,
    /// How long it took.
    pub duration: Duration,
}

impl CheckReport {
    /// The packs that are damaged or gone, as far as the damages are kept.
    pub(super) fn damaged_packs(&self) -> impl Iterator<Item = PackId> {
        self.damage.iter().filter_map(|damage| {
            let Ok(ObjectName::Pack(id)) = damage.object.parse() else { return None };
            Some(id)
        })
    }
}

/// Of the errors of two threads one that says more than that the thread was to end.
pub(super) fn the_more_telling(one: Error, other: Error) -> Error {
    if one.kind() == ErrorKind::Interrupted { other } else { one }
}

/// What was found so far, told by several threads.
pub(super) struct Findings<'a> {
    pub(super) progress: &'a dyn Progress,
    /// Whether a thread failed, so that what the others find is told to nobody.
    is_given_up: AtomicBool,
    state: Mutex<State>,
}

struct State {
    report: CheckReport,
    lost: Lost,
    /// Damage by object and place, so that the same is told once.
    known: BTreeMap<(String, String), usize>,
    /// Damage that says no more than that a node can't be read. It goes where the pack's own damage is told as well.
    of_nodes: BTreeMap<usize, ChunkId>,
    unlisted: Option<Unlisted>,
    /// How many files and snapshots are named.
    touched_kept: usize,
    /// The file that each damage touched last. What a file has lost is told without another file in between.
    touched_last: BTreeMap<usize, (SnapshotId, PathBuf)>,
}

/// Chunks that snapshots name and no segment lists: one damage, since a lost segment has very many of them.
struct Unlisted {
    /// Its place in the report.
    place: usize,
    first: ChunkId,
    count: u64,
}

impl Unlisted {
    fn wrong(&self) -> String {
        match self.count {
            0 | 1 => format!("none lists chunk {}, which snapshots name", self.first),
            count => format!("none lists {count} chunks that snapshots name, {} the first of them", self.first),
        }
    }
}

/// Which damage a lost chunk or node belongs to; in files when there are many.
struct Lost {
    table: Box<dyn Scratch>,
    count: u64,
    /// Why the table could not be kept or read: what is touched is not known then.
    failure: Option<IndexError>,
}

impl Lost {
    fn put(&mut self, id: ChunkId, place: usize) {
        if self.failure.is_none() {
            let place = u64::try_from(place).unwrap_or(u64::MAX).to_le_bytes();
            self.failure = self.table.put(id.as_bytes(), &place).err();
            self.count = self.count.saturating_add(1);
        }
    }

    fn place(&mut self, id: ChunkId) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        match self.table.get(id.as_bytes()) {
            Ok(place) => usize::try_from(u64::from_le_bytes(*place?.first_chunk()?)).ok(),
            Err(error) => {
                self.failure.get_or_insert(error);
                None
            }
        }
    }
}

impl<'a> Findings<'a> {
    pub(super) fn new(access: &Access, progress: &'a dyn Progress) -> Self {
        let lost = Lost { table: access.scratch(), count: 0, failure: None };
        let (report, known, of_nodes) = <(CheckReport, BTreeMap<_, _>, BTreeMap<_, _>)>::default();
        Self {
            progress,
            is_given_up: AtomicBool::new(false),
            state: Mutex::new(State {
                report,
                lost,
                known,
                of_nodes,
                unlisted: None,
                touched_kept: 0,
                touched_last: BTreeMap::new(),
            }),
        }
    }

    /// A pack that a repair has set aside, which is no damage.
    pub(super) fn set_aside(&self, id: PackId) {
        let object = ObjectName::Pack(id).to_string();
        self.notice(format!("{object} was damaged and is set aside: nothing counts on it, and a prune deletes it"));
        self.lock().report.set_aside.insert(object);
    }

    /// Has every thread of the check end.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    /// Whether to end early: the caller stops, or another thread has failed and says why.
    pub(super) fn is_over(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed) || self.progress.stopped()
    }

    /// Adds damage, and the chunks or nodes that are lost with it.
    pub(super) fn damage(&self, damage: Damage, lost: impl IntoIterator<Item = ChunkId>) {
        let mut state = self.lock();
        let Some(place) = self.place(&mut state, damage) else { return };
        for id in lost {
            if state.lost.place(id).is_none_or(|known| state.of_nodes.contains_key(&known)) {
                state.lost.put(id, place);
            }
        }
    }

    /// Adds a node that can't be read, unless it is known to be lost with something else.
    pub(super) fn node_damage(&self, damage: Damage, node: NodeId) {
        let mut state = self.lock();
        if state.lost.place(node.as_chunk()).is_some() {
            return;
        }
        let Some(place) = self.place(&mut state, damage) else { return };
        state.lost.put(node.as_chunk(), place);
        state.of_nodes.insert(place, node.as_chunk());
    }

    /// Adds a chunk that a snapshot names and no segment lists.
    pub(super) fn unlisted(&self, id: ChunkId) {
        let mut state = self.lock();
        if state.lost.place(id).is_some() {
            return;
        }
        if state.unlisted.is_none() {
            let unlisted = Unlisted { place: state.report.damage.len(), first: id, count: 0 };
            let (object, wrong) = ("segments".to_owned(), unlisted.wrong());
            let damage = Damage { object, wrong, remedy: remedy::UNLISTED, ..Damage::default() };
            state.unlisted = self.place(&mut state, damage).map(|place| Unlisted { place, ..unlisted });
        }
        let Some(unlisted) = &mut state.unlisted else { return };
        unlisted.first = unlisted.first.min(id);
        unlisted.count = unlisted.count.saturating_add(1);
        let place = unlisted.place;
        state.lost.put(id, place);
    }

    /// Where damage stands in the report; none where it has no room.
    fn place(&self, state: &mut State, damage: Damage) -> Option<usize> {
        let name = (damage.object.clone(), damage.place.clone());
        if let Some(place) = state.known.get(&name) {
            return Some(*place);
        }
        let path = Path::new(&damage.object);
        let gravity = Gravity::Trouble;
        self.progress.event(&Event::Problem { path, operation: "check", message: &damage.wrong, gravity });
        state.report.damage_count = state.report.damage_count.saturating_add(1);
        let place = state.report.damage.len();
        if place >= DAMAGE_KEPT_MAX {
            return None;
        }
        state.report.damage.push(damage);
        state.known.insert(name, place);
        Some(place)
    }

    /// Tells of a small object that can't be read, or not be believed.
    ///
    /// # Errors
    /// The error, where it says nothing about the object.
    pub(super) fn control_error(&self, object: &str, error: Error) -> Result<()> {
        let error = error.found()?;
        let remedy = if error.is_refused() { remedy::UNREAD } else { remedy::OBJECT };
        self.damage(Damage { object: object.to_owned(), wrong: error.to_string(), remedy, ..Damage::default() }, []);
        Ok(())
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

    /// Says how far a plan was carried out.
    pub(super) fn was_read(&self, feed: &Feed<'_>, remembered_count: u64) {
        let report = &mut self.lock().report;
        report.read_pack_count = feed.given_count;
        let left = feed.plan.chosen.pack_count.saturating_sub(feed.given_count);
        report.left_pack_count = if feed.is_late { left } else { 0 };
        report.recent_pack_count = feed.plan.recent.pack_count;
        report.remembered_pack_count = remembered_count;
    }

    /// The packs that are damaged or gone.
    pub(super) fn damaged_packs(&self) -> BTreeSet<PackId> {
        self.lock().report.damaged_packs().collect()
    }

    pub(super) fn has_damage(&self) -> bool {
        self.lock().report.damage_count > 0
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
        let touched = (snapshot, file);
        if state.touched_last.get(&place) == Some(&touched) {
            return;
        }
        let has_room = state.touched_kept < TOUCHED_KEPT_MAX;
        let is_new_snapshot = has_room && damage.snapshots.insert(snapshot);
        let is_named = damage.files.contains(&touched.1);
        let is_new_file = !is_named && has_room && damage.files.len() < FILES_KEPT_MAX;
        if is_new_file {
            damage.files.insert(touched.1.clone());
        }
        damage.file_count = damage.file_count.saturating_add(u64::from(!is_named));
        let new = usize::from(is_new_snapshot).saturating_add(usize::from(is_new_file));
        state.touched_kept = state.touched_kept.saturating_add(new);
        state.touched_last.insert(place, touched);
    }

    /// The report, in an order that does not depend on which thread found what first.
    pub(super) fn into_report(self) -> CheckReport {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(unlisted) = &state.unlisted
            && let Some(damage) = state.report.damage.get_mut(unlisted.place)
        {
            damage.wrong = unlisted.wrong();
        }
        let lost = &mut state.lost;
        let mut is_told = |place: usize, node: ChunkId| lost.place(node).is_some_and(|known| known != place);
        let told = state.of_nodes.iter().filter(|(place, node)| is_told(**place, **node));
        let told: BTreeSet<usize> = told.map(|(place, _)| *place).collect();
        let mut places = 0usize..;
        state.report.damage.retain(|_| places.next().is_none_or(|place| !told.contains(&place)));
        let mut report = state.report;
        report.damage_count = report.damage_count.saturating_sub(u64::try_from(told.len()).unwrap_or(0));
        report.damage.sort_by(|a, b| (&a.object, &a.place).cmp(&(&b.object, &b.place)));
        report.notices.sort();
        if let Some(error) = state.lost.failure {
            report.notices.push(format!("not everything that is touched is named: {error}"));
        }
        report
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::testing::Keys;
    use crate::config::Parameters;
    use crate::progress::Silent;
    use crate::store::MemoryStore;
    use std::sync::Arc;

    /// A table on a medium that gives nothing back.
    struct Mute;

    impl Scratch for Mute {
        fn put(&mut self, _: &[u8], _: &[u8]) -> Result<(), IndexError> {
            Ok(())
        }

        fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
            Err(IndexError::Io { operation: "reading", place: "/cache".to_owned(), reason: "it fails".to_owned() })
        }
    }

    /// Files that a damage touches were once left out without a word.
    #[test]
    fn where_what_is_lost_can_not_be_looked_up_the_report_says_that_not_everything_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let access = Keys::new(Parameters::default()).open(Arc::new(MemoryStore::new()), directory.path());
        let findings = Findings::new(&access, &Silent);
        findings.lock().lost.table = Box::new(Mute);
        let chunk = ChunkId::from_bytes([1; 32]);
        findings.damage(Damage { object: "packs/it".to_owned(), ..Damage::default() }, [chunk]);
        findings.touches(chunk, SnapshotId::from_bytes([2; 32]), "/file".into());
        let report = findings.into_report();
        assert_eq!((report.damage_count, report.damage[0].file_count), (1, 0));
        let [notice] = report.notices.as_slice() else { panic!("{:?}", report.notices) };
        assert!(notice.contains("not everything that is touched is named") && notice.contains("it fails"), "{notice}");
    }
}
