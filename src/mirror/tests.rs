//! Mirrors that are cut off, of repositories that are pruned meanwhile or damaged, and mirrors that were written to.

mod mark;

use super::{MirrorDepth, MirrorKeyRemoval, MirrorRemovalPlan, MirrorRemovalReport, MirrorReport};
use crate::backup::BackupOptions;
use crate::check::{CheckDepth, CheckOptions, Remember};
use crate::config::{Parameters, Role};
use crate::content::ContentReader;
use crate::error::{ErrorKind, Result};
use crate::id::SnapshotId;
use crate::key::{KdfCost, Unlock};
use crate::keys::{Grant, NewKeyOptions};
use crate::manifest::{Body, Content, Cursor, Entry, ItemReader};
use crate::parity::Percent;
use crate::progress::{Event, Progress, Silent};
use crate::prune::{MaxUnused, PruneOptions};
use crate::repair::RepairOptions;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::SnapshotFilter;
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::{LocalStore, ObjectName, Protection, Store};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const PASSWORD: Unlock<'static> = Unlock::Password(b"mirrored");

/// A repository, its mirror, and what every snapshot holds.
struct Place {
    folder: tempfile::TempDir,
    held: Mutex<BTreeMap<SnapshotId, blake3::Hash>>,
}

impl Place {
    /// With two snapshots.
    fn new() -> Self {
        Self::with(Protection::Nothing)
    }

    fn with(protection: Protection) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), held: Mutex::default() };
        let parameters = Parameters { pack_bytes_target: 1 << 20, ..Parameters::default() };
        let options = CreateOptions::default().kdf(KdfCost::CHEAP).parameters(parameters).protection(protection);
        Repository::create(&place.path("source"), PASSWORD, &options).unwrap();
        for number in 0..2 {
            place.back_up(number);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, name: &str) -> Result<Repository> {
        let own = self.path(&format!("own of {name}"));
        Repository::open(&self.path(name), PASSWORD, OpenOptions::new(own.join("cache"), own.join("state")))
    }

    /// Backs up a tree that shares much with the one before.
    fn back_up(&self, number: u64) -> SnapshotId {
        self.back_up_into("source", number)
    }

    /// Makes the mirror a repository of its own, as its owner does whose source is gone.
    fn remove_mark(&self) {
        std::fs::remove_file(self.path("mirror/this-is-a-mirror")).unwrap();
    }

    fn back_up_into(&self, name: &str, number: u64) -> SnapshotId {
        let tree = self.path("tree");
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join(format!("{number}")), noise(&format!("file {number}"), 300_000)).unwrap();
        if number >= 2 {
            let _ = std::fs::remove_file(tree.join(format!("{}", number - 2)));
        }
        let repository = self.open(name).unwrap();
        let id = repository.backup(&BackupOptions::new([tree]), &Silent).unwrap().snapshot;
        let digest = digests(&repository)[&id];
        self.held.lock().unwrap().insert(id, digest);
        id
    }

    fn forget_and_prune(&self, ids: &[SnapshotId]) {
        let repository = self.open("source").unwrap();
        let all = repository.snapshots(&SnapshotFilter::default()).unwrap();
        let gone = all.into_iter().filter(|snapshot| ids.contains(&snapshot.id)).collect();
        repository.forget(&repository.plan_forget_snapshots(gone).unwrap()).unwrap();
        let options = PruneOptions::default().max_unused(MaxUnused::Bytes(0));
        let plan = repository.plan_prune(&options, &Silent).unwrap();
        repository.prune(plan, &options, &Silent).unwrap();
    }

    fn mirror(&self, progress: &dyn Progress) -> Result<MirrorReport> {
        Repository::mirror(&self.path("source"), &self.path("mirror"), MirrorDepth::Copy, progress)
    }

    /// Every snapshot that a repository shows restores what was backed up. Returns how many there are.
    fn assert_restores(&self, name: &str) -> usize {
        let digests = digests(&self.open(name).unwrap());
        let held = self.held.lock().unwrap();
        for (id, digest) in &digests {
            assert_eq!(Some(digest), held.get(id), "{id}");
        }
        digests.len()
    }

    fn assert_is_whole(&self, name: &str) {
        let report = self
            .open(name)
            .unwrap()
            .check(&CheckOptions::default().depth(CheckDepth::Data).remember(Remember::Nothing), &Silent)
            .unwrap();
        assert!(report.damage.is_empty(), "{:?}", report.damage);
        assert_eq!(self.assert_restores(name), self.assert_restores("source"));
    }

    /// All packs of a folder by their lengths.
    fn largest_pack(&self, name: &str) -> PathBuf {
        let folders = std::fs::read_dir(self.path(name).join("packs")).unwrap();
        let packs = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
        packs.map(|pack| pack.unwrap().path()).max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap()
    }
}

fn noise(name: &str, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut noise);
    noise
}

/// What the live snapshots hold.
fn digests(repository: &Repository) -> BTreeMap<SnapshotId, blake3::Hash> {
    let access = repository.access();
    crate::session::bring_up_to_date(access, &crate::session::History::load(access).unwrap()).unwrap();
    let reader = ContentReader::new(access.clone());
    let mut found = BTreeMap::new();
    for snapshot in repository.snapshots(&SnapshotFilter::default()).unwrap() {
        let mut hasher = blake3::Hasher::new();
        for entry in Cursor::<Entry, _>::new(&reader, snapshot.components[0].manifest.unwrap()) {
            let entry = entry.unwrap();
            hasher.update(entry.key.as_bytes());
            if let Body::File(Content::Items(list)) = &entry.body {
                let mut items = ItemReader::new(&reader, list.clone());
                while let Some(placed) = items.next_item().unwrap() {
                    let mut bytes = Vec::new();
                    reader.append_item(&placed.item, &mut bytes).unwrap();
                    hasher.update(&bytes);
                }
            }
        }
        found.insert(snapshot.id, hasher.finalize());
    }
    found
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn copy_folder(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let path = to.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn mirror_5_a_mirror_has_the_objects_as_they_are_and_a_second_run_copies_nothing() {
    let place = Place::with(Protection::Parity(Percent::DEFAULT));
    let before = files(&place.path("source"));
    let first = place.mirror(&Silent).unwrap();
    assert!(first.copied_count > 10, "{first:?}");
    place.assert_is_whole("mirror");
    let again = place.mirror(&Silent).unwrap();
    assert_eq!((again.copied_count, again.extra_count, again.damage.count()), (0, 0, 0));
    assert!(files(&place.path("source")) == before);
    let mirrored = files(&place.path("mirror"));
    let is_mirrored = |path: &Path| path.components().count() > 1 && !path.starts_with("verified");
    for (path, bytes) in before.iter().filter(|(path, _)| is_mirrored(path)) {
        assert!(mirrored.get(path) == Some(bytes), "{}", path.display());
    }
}

/// A mirror of the first two snapshots is brought to what the source is after a backup, a prune and another backup, and cut
/// off at every change.
#[test]
fn mirror_1_wherever_a_run_is_cut_off_what_the_mirror_shows_restores() {
    let place = Place::new();
    let first = place.open("source").unwrap().snapshots(&SnapshotFilter::default()).unwrap();
    let mirror = |to: &str, fault: Option<(usize, Fault)>| {
        let source = LocalStore::open(&place.path("source")).unwrap();
        let opened = LocalStore::open(&place.path(to)).or_else(|_| LocalStore::create_mirror(&place.path(to)));
        let inner: Arc<dyn Store> = Arc::new(opened.unwrap());
        let store = match fault {
            Some((at, fault)) => FaultyStore::new(inner, at, fault),
            None => FaultyStore::counting(inner),
        };
        let folder = place.path("source");
        let written = super::written_in(&folder);
        let done = super::run((&source, &written), &store, MirrorDepth::Copy, &Silent);
        (store.change_count(), done)
    };
    let (first_count, done) = mirror("old", None);
    done.unwrap();
    let shown = place.assert_restores("old");
    for at in 1..=first_count {
        let _ = mirror("cut", Some((at, Fault::ALL[at % Fault::ALL.len()])));
        match place.open("cut") {
            Ok(_) => drop(place.assert_restores("cut")),
            Err(error) => assert!(at < 5, "{at}: {error}"),
        }
        mirror("cut", None).1.unwrap();
        assert_eq!(place.assert_restores("cut"), shown);
        std::fs::remove_dir_all(place.path("cut")).unwrap();
    }
    place.back_up(2);
    place.forget_and_prune(&[first[0].id]);
    place.back_up(3);
    std::fs::create_dir(place.path("counted")).unwrap();
    copy_folder(&place.path("old"), &place.path("counted"));
    let (second_count, done) = mirror("counted", None);
    done.unwrap();
    place.assert_is_whole("counted");
    let shown = place.assert_restores("counted");
    for at in 1..=second_count {
        copy_folder(&place.path("old"), &place.path("cut"));
        let _ = mirror("cut", Some((at, Fault::ALL[at % Fault::ALL.len()])));
        assert!(place.assert_restores("cut") >= 1);
        mirror("cut", None).1.unwrap();
        assert_eq!(place.assert_restores("cut"), shown);
        std::fs::remove_dir_all(place.path("cut")).unwrap();
    }
    assert!(first_count > 10 && second_count > 10, "{first_count} {second_count}");
}

/// Does something when a phase begins for the first time.
struct AtPhase<'a>(Mutex<bool>, Box<dyn Fn() + Send + Sync + 'a>);

impl Progress for AtPhase<'_> {
    fn event(&self, event: &Event<'_>) {
        let Event::Phase("copying objects") = event else { return };
        if !std::mem::replace(&mut *self.0.lock().unwrap(), true) {
            (self.1)();
        }
    }
}

#[test]
fn mirror_1_what_a_prune_moves_while_it_is_copied_is_found_where_it_is_then() {
    let place = Place::new();
    let ids: Vec<SnapshotId> =
        place.open("source").unwrap().snapshots(&SnapshotFilter::default()).unwrap().iter().map(|one| one.id).collect();
    place.back_up(2);
    let progress = AtPhase(Mutex::new(false), Box::new(|| place.forget_and_prune(&ids)));
    place.mirror(&progress).unwrap();
    place.assert_is_whole("mirror");
    assert_eq!(place.assert_restores("mirror"), 1);
}

#[test]
fn mirror_2_what_is_damaged_in_the_source_is_named_and_not_copied() {
    let place = Place::new();
    let pack = place.largest_pack("source");
    let sound = std::fs::read(&pack).unwrap();
    let mut bytes = sound.clone();
    bytes[1000] ^= 1;
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, bytes).unwrap();
    let report = place.mirror(&Silent).unwrap();
    assert_eq!(report.damage.count(), 1);
    assert!(report.damage[0].object.ends_with(pack.file_name().unwrap().to_str().unwrap()), "{report:?}");
    let below = pack.strip_prefix(place.path("source")).unwrap();
    assert!(!place.path("mirror").join(below).exists());
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, sound).unwrap();
    assert_eq!(place.mirror(&Silent).unwrap().copied_count, 1);
    place.assert_is_whole("mirror");
}

#[test]
fn mirror_4_only_bytes_that_are_wrong_are_replaced() {
    let place = Place::new();
    place.mirror(&Silent).unwrap();
    let [here, there] = ["source", "mirror"].map(|name| place.largest_pack(name));
    let sound = std::fs::read(&here).unwrap();
    let shorten = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, &sound[..sound.len() / 2]).unwrap();
    };
    shorten(&there);
    assert_eq!(place.mirror(&Silent).unwrap().healed_count, 1);
    assert!(std::fs::read(&there).unwrap() == sound);
    shorten(&here);
    let report = place.mirror(&Silent).unwrap();
    assert_eq!((report.healed_count, report.damage.count()), (0, 1), "{report:?}");
    assert!(std::fs::read(&there).unwrap() == sound);
}

fn assert_left_alone(place: &Place) {
    let before = files(&place.path("mirror"));
    let error = place.mirror(&Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Occupied, "{error}");
    assert!(files(&place.path("mirror")) == before);
}

#[test]
fn mirror_3_a_mirror_that_was_written_to_is_left_alone() {
    let place = Place::new();
    place.mirror(&Silent).unwrap();
    place.remove_mark();
    place.back_up_into("mirror", 5);
    assert_left_alone(&place);
}

/// Both go on from the same number of the same client.
#[test]
fn mirror_3_one_name_with_other_bytes_gives_it_away() {
    let place = Place::new();
    place.mirror(&Silent).unwrap();
    let own = ["source", "mirror"].map(|name| place.path(&format!("own of {name}")));
    let _ = std::fs::remove_dir_all(&own[1]);
    copy_folder(&own[0], &own[1]);
    place.remove_mark();
    place.back_up_into("mirror", 5);
    for number in 6..9 {
        place.back_up(number);
    }
    assert_left_alone(&place);
}

#[test]
fn mirror_3_another_repository_and_a_folder_of_something_else_are_left_alone() {
    let place = Place::new();
    Repository::create(&place.path("mirror"), PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
    assert_left_alone(&place);
    std::fs::remove_dir_all(place.path("mirror")).unwrap();
    std::fs::create_dir(place.path("mirror")).unwrap();
    std::fs::write(place.path("mirror/letter"), b"Dear Ada,").unwrap();
    assert_left_alone(&place);
}

impl Place {
    fn plan(&self) -> Result<MirrorRemovalPlan> {
        self.open("source").unwrap().plan_mirror_removal(&self.path("mirror"), MirrorKeyRemoval::Ended, &Silent)
    }

    fn remove(&self, plan: &MirrorRemovalPlan) -> Result<MirrorRemovalReport> {
        self.open("source").unwrap().remove_from_mirror(&self.path("mirror"), plan, &Silent)
    }

    fn live(&self) -> Vec<SnapshotId> {
        let live = self.open("source").unwrap().snapshots(&SnapshotFilter::default()).unwrap();
        live.iter().map(|snapshot| snapshot.id).collect()
    }

    /// With a mirror that holds what a prune deleted from the source.
    fn with_a_full_mirror() -> Self {
        let place = Self::with(Protection::Parity(Percent::DEFAULT));
        place.mirror(&Silent).unwrap();
        place.back_up(2);
        place.forget_and_prune(&place.live()[..2]);
        place.back_up(3);
        assert!(place.mirror(&Silent).unwrap().extra_count > 0);
        place
    }

    /// Nothing is planned, nothing is gone, and the reason is told.
    fn assert_refused(&self, kind: ErrorKind) {
        let before = files(&self.path("mirror"));
        let error = self.plan().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(files(&self.path("mirror")) == before);
    }
}

#[test]
fn mirror_6_what_a_prune_deleted_goes_and_the_mirror_is_then_the_same_as_the_source() {
    let place = Place::with_a_full_mirror();
    let before = files(&place.path("source"));
    let plan = place.plan().unwrap();
    let mut extra = files(&place.path("mirror"));
    extra.retain(|path, _| !before.contains_key(path) && path != Path::new("this-is-a-mirror"));
    let bytes = extra.values().map(|bytes| u64::try_from(bytes.len()).unwrap()).sum();
    let count = u64::try_from(extra.len()).unwrap();
    assert_eq!((plan.object_count, plan.bytes, plan.lacking_count), (count, bytes, 0), "{:?}", plan.folders);
    assert!(plan.folders.keys().any(|folder| folder == "packs") && plan.folders.contains_key("parity"));
    assert_eq!(place.remove(&plan).unwrap().object_count, count);
    assert!(files(&place.path("source")) == before);
    let is_mirrored = |path: &Path| path.components().count() > 1 && !path.starts_with("verified");
    let here: Vec<_> = before.keys().filter(|path| is_mirrored(path)).collect();
    let there = files(&place.path("mirror"));
    assert_eq!(there.keys().filter(|path| is_mirrored(path)).collect::<Vec<_>>(), here);
    place.assert_is_whole("mirror");
    assert_eq!(place.plan().unwrap(), MirrorRemovalPlan::default());
    assert_eq!(place.mirror(&Silent).unwrap().extra_count, 0);
    place.back_up(4);
    place.mirror(&Silent).unwrap();
    place.assert_is_whole("mirror");
}

#[test]
fn mirror_7_nothing_goes_while_the_source_lacks_a_pack_that_it_counts_upon() {
    let place = Place::with_a_full_mirror();
    let pack = place.largest_pack("source");
    std::fs::remove_file(&pack).unwrap();
    place.assert_refused(ErrorKind::Damaged);
    // All of them, as where a medium is not there.
    for (path, _) in files(&place.path("source/packs")) {
        std::fs::remove_file(place.path("source/packs").join(path)).unwrap();
    }
    place.assert_refused(ErrorKind::Damaged);
}

#[test]
fn mirror_7_nothing_goes_while_the_source_lacks_segments_or_sets_that_say_what_is_needed() {
    for folder in ["segments", "gc"] {
        let place = Place::with_a_full_mirror();
        let lost = files(&place.path("source").join(folder));
        assert!(!lost.is_empty() || folder == "gc");
        for path in lost.keys() {
            std::fs::remove_file(place.path("source").join(folder).join(path)).unwrap();
        }
        // Without the sets nothing may count upon what is gone; then nothing of it was needed.
        match place.plan() {
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Occupied), "{error}"),
            Ok(plan) => {
                assert_eq!(folder, "gc");
                place.remove(&plan).unwrap();
                place.assert_restores("mirror");
            }
        }
    }
}

/// A pin, which nothing else tells of.
#[test]
fn mirror_7_nothing_goes_while_a_record_is_missing_of_which_later_ones_tell() {
    let place = Place::with_a_full_mirror();
    let before = files(&place.path("source/records"));
    let source = place.open("source").unwrap();
    let pinned = source.snapshots(&SnapshotFilter::default()).unwrap().split_off(1);
    source.pin(&pinned, None, &crate::session::Writer::default(), &Silent).unwrap();
    let pin = files(&place.path("source/records")).into_keys().find(|path| !before.contains_key(path)).unwrap();
    source.unpin(&[pinned[0].id]).unwrap();
    place.mirror(&Silent).unwrap();
    assert!(place.plan().unwrap().object_count > 0);
    for side in ["source", "mirror"] {
        std::fs::remove_file(place.path(side).join("records").join(&pin)).unwrap();
        std::fs::remove_file(place.path(side).join(format!("mirror/records-{}", pin.display()))).unwrap();
    }
    place.assert_refused(ErrorKind::Damaged);
}

#[test]
fn mirror_3_nothing_goes_when_the_source_was_set_back_or_emptied() {
    let place = Place::new();
    copy_folder(&place.path("source"), &place.path("earlier"));
    place.back_up(2);
    place.mirror(&Silent).unwrap();
    std::fs::rename(place.path("source"), place.path("later")).unwrap();
    std::fs::rename(place.path("earlier"), place.path("source")).unwrap();
    place.assert_refused(ErrorKind::Occupied);
    for (path, _) in files(&place.path("source/outcomes")) {
        std::fs::remove_file(place.path("source/outcomes").join(path)).unwrap();
    }
    place.assert_refused(ErrorKind::Occupied);
}

#[test]
fn mirror_6_nothing_goes_before_the_mirror_has_what_took_its_place() {
    let place = Place::with(Protection::Nothing);
    place.mirror(&Silent).unwrap();
    place.back_up(2);
    place.forget_and_prune(&place.live()[..2]);
    let plan = place.plan().unwrap();
    assert!(plan.lacking_count > 0 && plan.object_count > 0);
    let before = files(&place.path("mirror"));
    assert_eq!(place.remove(&plan).unwrap_err().kind(), ErrorKind::Busy);
    assert!(files(&place.path("mirror")) == before);
}

/// The listing of some network file systems is late.
#[test]
fn mirror_6_what_a_listing_does_not_show_and_is_there_does_not_go() {
    let place = Place::with_a_full_mirror();
    let plan = place.plan().unwrap();
    let pack = files(&place.path("mirror/packs"))
        .into_iter()
        .find(|(path, _)| !place.path("source/packs").join(path).exists());
    let (path, bytes) = pack.expect("a pack that a prune deleted");
    let back = place.path("source/packs").join(path);
    std::fs::create_dir_all(back.parent().unwrap()).unwrap();
    std::fs::write(&back, bytes).unwrap();
    let before = files(&place.path("mirror"));
    assert_eq!(place.remove(&plan).unwrap_err().kind(), ErrorKind::Damaged);
    assert_eq!(place.plan().unwrap().object_count, plan.object_count - 2, "neither the pack nor its parity");
    assert!(files(&place.path("mirror")) == before);
}

impl Place {
    fn repair_packs(&self, from: &[&Repository]) -> crate::repair::PackRepairReport {
        let repository = self.open("source").unwrap();
        let plan = repository.plan_repair_packs(&Silent).unwrap();
        repository.repair_packs(plan, &RepairOptions::default(), from, &Silent).unwrap()
    }

    fn flip(path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[20_000] ^= 1;
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// After a repair no segment lists the pack that is gone, and the next run brings the mirror to that: its own snapshots
/// don't restore any more, and all that is left is the pack that nothing there counts on.
#[test]
fn mirror_7_no_pack_goes_that_a_repair_gave_up_and_the_mirror_brings_back_what_it_held() {
    let place = Place::new();
    place.mirror(&Silent).unwrap();
    let pack = place.largest_pack("source");
    std::fs::remove_file(&pack).unwrap();
    place.assert_refused(ErrorKind::Damaged);
    assert!(place.repair_packs(&[]).lost_chunk_count > 0);
    place.assert_refused(ErrorKind::Damaged);
    place.mirror(&Silent).unwrap();
    place.assert_refused(ErrorKind::Damaged);

    assert_eq!(place.repair_packs(&[&place.open("mirror").unwrap()]).lost_chunk_count, 0);
    place.mirror(&Silent).unwrap();
    place.assert_is_whole("mirror");
    let plan = place.plan().unwrap();
    assert!(plan.folders.contains_key("packs"), "{plan:?}");
    place.remove(&plan).unwrap();
    place.assert_is_whole("mirror");
}

#[test]
fn mirror_8_a_pack_that_was_set_aside_stays_and_brings_back_what_is_lost() {
    let place = Place::new();
    place.mirror(&Silent).unwrap();
    let pack = place.largest_pack("source");
    let kept = place.path("mirror").join(pack.strip_prefix(place.path("source")).unwrap());
    Place::flip(&pack);
    assert!(place.repair_packs(&[]).lost_chunk_count > 0);
    place.mirror(&Silent).unwrap();
    std::fs::remove_file(&pack).unwrap();
    let plan = place.plan().unwrap();
    assert_eq!((plan.staying_pack_count, plan.folders.get("packs")), (1, None), "{plan:?}");
    if plan.object_count > 0 {
        place.remove(&plan).unwrap();
    }
    assert!(kept.exists());

    assert_eq!(place.repair_packs(&[&place.open("mirror").unwrap()]).lost_chunk_count, 0);
    place.mirror(&Silent).unwrap();
    place.assert_is_whole("mirror");
}

#[test]
fn mirror_9_a_key_slot_goes_when_its_key_was_ended_or_when_slots_are_asked_for_and_the_source_has_no_copy() {
    let place = Place::with(Protection::Parity(Percent::DEFAULT));
    let owner = place.open("source").unwrap();
    let add = |secret: &[u8], grant| {
        let options = NewKeyOptions::new("another").kdf(KdfCost::CHEAP).grant(grant);
        owner.add_key(Unlock::Password(secret), &options).unwrap().id
    };
    let [same, guest] = [add(b"same", Grant::SameKey), add(b"guest", Grant::NewKey(Role::Read))];
    place.mirror(&Silent).unwrap();
    let plan = |keys| owner.plan_mirror_removal(&place.path("mirror"), keys, &Silent).unwrap();
    let lose = |name: ObjectName| std::fs::remove_file(place.path("source").join(name.to_string())).unwrap();

    // Of both the second copies are there.
    [same, guest].into_iter().for_each(|slot| lose(ObjectName::Key(slot)));
    for keys in [MirrorKeyRemoval::Ended, MirrorKeyRemoval::All] {
        let plan = plan(keys);
        assert_eq!((plan.object_count, plan.staying_key_count), (0, 2), "{keys:?}");
    }
    // They are gone too: still nobody has ended a key.
    [same, guest].into_iter().for_each(|slot| lose(ObjectName::Key(slot).mirror().unwrap()));
    let kept = plan(MirrorKeyRemoval::Ended);
    assert_eq!((kept.object_count, kept.staying_key_count), (0, 2));
    let asked = plan(MirrorKeyRemoval::All);
    assert_eq!((asked.object_count, asked.staying_key_count), (4, 0), "the slots and their second copies");

    // One comes back from the mirror, and is removed by whoever may.
    let slot = std::fs::read(place.path("mirror").join(ObjectName::Key(guest).to_string())).unwrap();
    assert_eq!(Repository::import_key(&place.path("source"), &slot).unwrap(), guest);
    let removed = place.open("source").unwrap().remove_key(&guest.to_string()).unwrap();
    assert!(removed.revoked.is_some(), "{removed:?}");
    place.mirror(&Silent).unwrap();
    let owner = place.open("source").unwrap();
    let ended = owner.plan_mirror_removal(&place.path("mirror"), MirrorKeyRemoval::Ended, &Silent).unwrap();
    assert_eq!((ended.object_count, ended.staying_key_count), (2, 1), "{ended:?}");
    place.remove(&ended).unwrap();
    let there = |slot| place.path("mirror").join(ObjectName::Key(slot).to_string()).exists();
    assert!(there(same) && !there(guest));
}
