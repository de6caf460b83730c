//! The mark of a mirror: when it is made, what it holds off, and what goes on all the same.

use super::*;
use crate::check::Vouch;
use crate::drill::{DrillOptions, DrillPlace, Recorded};
use crate::keys::SameSecret;
use crate::record::DrillCommand;
use crate::restore::RestoreOptions;
use crate::scrub::{Remedy, ScrubOptions};
use crate::session::{SessionSpec, Writer};
use crate::store::{Folder, MemoryStore};

const PUT: Unlock<'static> = Unlock::Password(b"put");
const MARK: &str = "this-is-a-mirror";

impl Place {
    /// With a put key, which made the newest snapshot, and a mirror.
    fn with_a_put_key() -> Self {
        let place = Self::new();
        let put = NewKeyOptions::new("put").grant(Grant::NewKey(Role::Put)).kdf(KdfCost::CHEAP);
        place.open("source").unwrap().add_key(PUT, &put).unwrap();
        let own = place.path("own of put");
        let options = OpenOptions::new(own.join("cache"), own.join("state"));
        let repository = Repository::open(&place.path("source"), PUT, options).unwrap();
        repository.backup(&BackupOptions::new([place.path("tree")]), &Silent).unwrap();
        place.mirror(&Silent).unwrap();
        place
    }

    fn mirror_to(&self, from: &str, to: &str) -> MirrorReport {
        Repository::mirror(&self.path(from), &self.path(to), MirrorDepth::Copy, &Silent).unwrap()
    }

    fn is_marked(&self, name: &str) -> bool {
        self.path(name).join(MARK).exists()
    }

    /// What lies in the mirror but what was verified there, and its second copies.
    fn kept(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut kept = files(&self.path("mirror"));
        kept.retain(|path, _| !path.starts_with("verified") && !path.starts_with("mirror"));
        kept
    }
}

fn vouching() -> CheckOptions {
    CheckOptions::default().depth(CheckDepth::Data).vouch(Vouch::As(Writer::default()))
}

fn object_count(store: &dyn Store) -> usize {
    let mut count = 0;
    for folder in Folder::ALL {
        store.list(folder, &mut |_| count += 1).unwrap();
    }
    count
}

#[test]
fn mirror_10_a_mirror_is_marked_before_anything_is_in_it_and_an_older_one_at_the_next_run() {
    let place = Place::new();
    let source = LocalStore::open(&place.path("source")).unwrap();
    let written = |_: &ObjectName| std::time::SystemTime::UNIX_EPOCH;
    let mut met = 0;
    for at in 1..8 {
        let there = MemoryStore::new();
        let store = FaultyStore::new(Arc::new(there.clone()), at, Fault::CrashBefore);
        super::super::run((&source, &written), &store, MirrorDepth::Copy, &Silent).unwrap_err();
        assert!(there.is_mirror().unwrap() || object_count(&there) == 0, "{at}");
        met += object_count(&there);
    }
    assert!(met > 0);
    let there = MemoryStore::new();
    super::super::run((&source, &written), &there, MirrorDepth::Compare, &Silent).unwrap();
    assert!(!there.is_mirror().unwrap(), "a plan changes nothing");

    place.mirror(&Silent).unwrap();
    assert!(place.is_marked("mirror") && !place.is_marked("source"));
    place.remove_mark();
    place.mirror(&Silent).unwrap();
    assert!(place.is_marked("mirror"));
}

/// Whoever lost packs at the source may bring them back with a run from the mirror, and goes on backing up to the source.
#[test]
fn mirror_10_a_repository_to_which_its_mirror_is_brought_back_is_not_marked() {
    let place = Place::new();
    place.mirror(&Silent).unwrap();
    std::fs::remove_file(place.largest_pack("source")).unwrap();
    assert_eq!(place.mirror_to("mirror", "source").copied_count, 1);
    assert!(!place.is_marked("source"));
    place.back_up(2);
    place.mirror_to("mirror", "another");
    assert!(place.is_marked("another"), "a mirror of a mirror is one");
    place.mirror_to("mirror", "another");
    assert!(place.is_marked("another"));
}

/// Somebody who checks the mirror every night was left with one that no run would touch again.
#[test]
fn mirror_11_a_mirror_that_is_checked_and_drilled_is_one_ever_after() {
    let place = Place::with_a_put_key();
    let before = place.kept();
    let mirror = place.open("mirror").unwrap();
    let shallow = mirror.check(&vouching().depth(CheckDepth::Structure), &Silent).unwrap();
    assert!(shallow.notices.is_empty(), "nothing could be vouched for: {:?}", shallow.notices);
    let report = mirror.check(&vouching(), &Silent).unwrap();
    assert_eq!((report.damage_count, report.vouched_pack_count), (0, 0));
    assert!(report.remembered_pack_count > 0, "what was read on this medium is said on it");
    let said = "packs of put keys are not vouched for: ";
    assert!(matches!(report.notices.as_slice(), [one] if one.starts_with(said)), "{:?}", report.notices);
    assert_eq!(mirror.heal_control(&Silent).unwrap().healed.len(), 0);

    let snapshot = mirror.snapshots(&SnapshotFilter::default()).unwrap().pop().unwrap();
    let scratch = place.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let plan = mirror.plan_drill(snapshot, &DrillOptions::new(DrillPlace::Within(scratch)), &Silent).unwrap();
    let restored = mirror.restore_drill(plan, &Silent).unwrap();
    let drill = mirror.compare_drill(restored, &Silent).unwrap();
    let conclusion = mirror.conclude_drill(drill, DrillCommand::None);
    assert!(conclusion.report.result.has_passed());
    assert!(matches!(&conclusion.recorded, Recorded::Not(error) if error.kind() == ErrorKind::Occupied));

    assert!(place.kept() == before);
    let again = place.mirror(&Silent).unwrap();
    assert_eq!((again.copied_count, again.extra_count), (0, 0), "{again:?}");
    place.back_up(7);
    assert!(place.mirror(&Silent).unwrap().copied_count > 0);
    let vouched = place.open("source").unwrap().check(&vouching(), &Silent).unwrap().vouched_pack_count;
    assert!(vouched > 0, "the source vouches as ever");
}

#[test]
fn mirror_11_whatever_would_write_to_a_mirror_refuses_and_says_what_to_do() {
    let place = Place::with_a_put_key();
    // Without a mark, all but the last of these write to it, or find nothing to do.
    let mut mirror = place.open("mirror").unwrap();
    let snapshots = mirror.snapshots(&SnapshotFilter::default()).unwrap();
    let ids: Vec<SnapshotId> = snapshots.iter().map(|snapshot| snapshot.id).collect();
    let (writer, new) = (Writer::default(), NewKeyOptions::new("new").kdf(KdfCost::CHEAP));
    let put_slot = mirror.keys().unwrap().into_iter().find(|slot| !slot.is_current).unwrap();
    let forgetting = mirror.plan_forget_snapshots(vec![snapshots[0].clone()]).unwrap();
    let pruning = PruneOptions::default();
    let packs = mirror.plan_repair_packs(&Silent).unwrap();
    let other = place.open("source").unwrap();
    let before = place.kept();
    let unlock = Unlock::Password(b"new");
    let refusals = [
        mirror.backup(&BackupOptions::new([place.path("tree")]), &Silent).err(),
        mirror.forget(&forgetting).err(),
        mirror.undo_forget(&ids, &writer, &Silent).err(),
        mirror.pin(&snapshots, None, &writer, &Silent).err(),
        mirror.unpin(&ids).err(),
        mirror.prune(mirror.plan_prune(&pruning, &Silent).unwrap(), &pruning, &Silent).err(),
        mirror.repair_index(&RepairOptions::default(), &Silent).err(),
        mirror.repair_packs(packs, &RepairOptions::default(), &[&other], &Silent).err(),
        mirror.repair_snapshots(&RepairOptions::default(), &Silent).err(),
        mirror.add_key(unlock, &new).err(),
        mirror.remove_key(&put_slot.id.to_string()).err(),
        mirror.change_key(unlock, KdfCost::CHEAP, SameSecret::Refuse).err(),
        mirror.abort_session(&"ffffffff-1".parse::<SessionSpec>().unwrap()).err(),
    ];
    for (number, refusal) in refusals.iter().enumerate() {
        let Some(error) = refusal else { panic!("{number} was done") };
        let place = place.path("mirror").display().to_string();
        let text = error.to_string();
        assert!(
            error.kind() == ErrorKind::Occupied && text.contains(&place) && text.contains(MARK),
            "{number}: {text}"
        );
    }
    assert!(place.kept() == before);
    let refused = Repository::refuse_mirror(&place.path("mirror")).unwrap_err();
    assert_eq!(refused.to_string(), refusals[0].as_ref().unwrap().to_string());
    Repository::refuse_mirror(&place.path("source")).unwrap();
}

#[test]
fn mirror_11_a_mirror_without_its_mark_is_a_repository_of_its_own() {
    let place = Place::new();
    place.mirror(&Silent).unwrap();
    std::fs::remove_dir_all(place.path("source")).unwrap();
    place.remove_mark();
    place.back_up_into("mirror", 5);
    assert_eq!(place.assert_restores("mirror"), 3);
}

/// Healing writes what is there already, or was.
#[test]
fn mirror_11_a_mirror_is_healed_and_takes_an_exported_key() {
    let place = Place::with(Protection::Parity(Percent::DEFAULT));
    place.mirror(&Silent).unwrap();
    let before = place.kept();
    Place::flip(&place.largest_pack("mirror"));
    let slot = place.open("mirror").unwrap().export_key().unwrap();
    let slots = std::fs::read_dir(place.path("mirror/keys")).unwrap();
    slots.for_each(|slot| std::fs::remove_file(slot.unwrap().path()).unwrap());
    Repository::import_key(&place.path("mirror"), &slot).unwrap();
    let healed =
        Repository::scrub(&place.path("mirror"), &ScrubOptions::default().remedy(Remedy::Heal), &Silent).unwrap();
    assert_eq!((healed.damage.count(), healed.unknown.count()), (0, 0), "{healed:?}");
    assert!(place.kept() == before);
}

#[test]
fn mirror_12_who_only_reads_finds_in_a_marked_mirror_what_is_in_one_without_a_mark() {
    let place = Place::with_a_put_key();
    let read = |into: &str| {
        let mirror = place.open("mirror").unwrap();
        let snapshots = mirror.snapshots(&SnapshotFilter::default()).unwrap();
        let options = RestoreOptions::new(place.path(into));
        let report = mirror.restore(snapshots.last().unwrap(), &options, &Silent).unwrap();
        let check = mirror.check(&CheckOptions::default().remember(Remember::Nothing), &Silent).unwrap();
        let told = (check.damage_count, check.notices, report.problem_count);
        (snapshots.len(), digests(&mirror), files(&place.path(into)), told)
    };
    let marked = read("restored with the mark");
    assert_eq!(marked.3, (0, Vec::new(), 0));
    place.remove_mark();
    assert!(read("restored without the mark") == marked);
}
