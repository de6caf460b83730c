//! What a check must find in a repository with a wound, whatever index it works with.

mod verified;
mod wounds;

use super::{CheckDepth, CheckOptions, CheckReport, Remember};
use crate::backup::BackupOptions;
use crate::error::ErrorKind;
use crate::heal::ProtectOptions;
use crate::id::PackId;
use crate::index::MemoryIndex;
use crate::key::{KdfCost, Unlock};
use crate::needed::KeptCounts;
use crate::progress::{Event, Progress, Silent};
use crate::prune::PruneOptions;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::{self, History};
use crate::store::hooked::Hooked;
use crate::store::moody::{Mood, MoodyStore};
use crate::store::{Folder, Listed, LocalStore, ObjectName, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const PASSWORD: Unlock<'static> = Unlock::Password(b"check");

/// Enough for an index of the check's own, and too little for one.
const MEMORIES_BYTES: [u64; 2] = [128 << 20, 1 << 10];

/// Content that compresses badly.
fn noise(seed: u32) -> Vec<u8> {
    (0..150_000u32)
        .flat_map(|word| (word ^ seed).wrapping_mul(2_654_435_761).rotate_left(word % 31).to_le_bytes())
        .collect()
}

struct Patient {
    directory: tempfile::TempDir,
}

impl Patient {
    /// A repository with one snapshot of a few files, `a` with content of its own pack.
    fn new() -> Self {
        let patient = Self { directory: tempfile::tempdir().unwrap() };
        Repository::create(&patient.store(), PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        let tree = patient.path("tree");
        std::fs::create_dir_all(tree.join("sub")).unwrap();
        std::fs::write(tree.join("a"), noise(1)).unwrap();
        patient.backup();
        std::fs::write(tree.join("sub/b"), noise(2)).unwrap();
        patient.backup();
        patient
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("repository")
    }

    fn options(&self) -> OpenOptions {
        OpenOptions::new(self.path("cache"), self.path("state")).threads(3)
    }

    fn backup(&self) {
        let repository = Repository::open(&self.store(), PASSWORD, self.options()).unwrap();
        repository.backup(&BackupOptions::new([self.path("tree")]), &Silent).unwrap();
    }

    fn check(&self, depth: CheckDepth, memory_bytes: u64) -> CheckReport {
        let options = self.options().reading().memory_bytes(memory_bytes);
        let repository = Repository::open(&self.store(), PASSWORD, options).unwrap();
        repository.check(&CheckOptions::default().depth(depth), &Silent).unwrap()
    }

    /// Packs of a class, the longest first.
    fn packs(&self, class: u8) -> Vec<PackId> {
        let mut found = Vec::new();
        LocalStore::open(&self.store())
            .unwrap()
            .list(Folder::Packs, &mut |listed| {
                if let Listed::Object { name: ObjectName::Pack(id), bytes } = listed {
                    found.push((bytes, id));
                }
            })
            .unwrap();
        found.sort();
        let is_of_class = |id: &PackId| std::fs::read(self.file(*id)).unwrap()[12] == class;
        found.into_iter().rev().map(|(_, id)| id).filter(is_of_class).collect()
    }

    fn file(&self, pack: PackId) -> PathBuf {
        self.store().join(ObjectName::Pack(pack).to_string())
    }

    fn change(&self, pack: PackId, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let path = self.file(pack);
        let before = std::fs::read(&path).unwrap();
        let mut bytes = before.clone();
        change(&mut bytes);
        replace(&path, &bytes);
        before
    }
}

fn replace(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Where the footer of a pack begins.
fn footer(bytes: &[u8]) -> usize {
    let trailer = &bytes[bytes.len() - 24..];
    usize::try_from(u64::from_le_bytes(trailer[..8].try_into().unwrap())).unwrap()
}

#[test]
fn a_sound_repository_is_found_sound_and_all_of_it_is_read() {
    let patient = Patient::new();
    let packs = || (1..=3).flat_map(|class| patient.packs(class));
    let pack_bytes: u64 = packs().map(|pack| std::fs::metadata(patient.file(pack)).unwrap().len()).sum();
    for memory_bytes in MEMORIES_BYTES {
        let report = patient.check(CheckDepth::Data, memory_bytes);
        assert_eq!((&report.damage[..], &report.notices[..]), (&[][..], &[][..]));
        assert_eq!(report.read_bytes, pack_bytes);
        assert_eq!(usize::try_from(report.pack_count), Ok(packs().count()));
        assert!(report.node_count > 0 && report.chunk_reference_count > 0, "{report:?}");
    }
}

/// What is done to a pack's bytes, and the place that is then named.
type Wound = (fn(&mut Vec<u8>), &'static str);

#[test]
fn every_part_of_a_pack_that_rots_is_named_once() {
    let patient = Patient::new();
    let wounds: [Wound; 5] = [
        (|bytes| bytes[30] ^= 1, "header"),
        (|bytes| bytes[128 + 5000] ^= 1, "frame 0 at byte 128"),
        (|bytes| bytes[129] ^= 1, "frame 0 at byte 128"),
        (
            |bytes| {
                let at = footer(bytes);
                bytes[at + 20] ^= 1
            },
            "footer",
        ),
        (|bytes| *bytes.last_mut().unwrap() ^= 1, "footer"),
    ];
    for memory_bytes in MEMORIES_BYTES {
        for (wound, place) in wounds {
            let pack = patient.packs(1)[0];
            let before = patient.change(pack, wound);
            let report = patient.check(CheckDepth::Data, memory_bytes);
            let told: Vec<_> = report.damage.iter().map(|damage| (&damage.object[..], &damage.place[..])).collect();
            assert_eq!(told, [(&ObjectName::Pack(pack).to_string()[..], place)], "{report:?}");
            assert_eq!(
                !report.damage[0].files.is_empty(),
                matches!(place.as_bytes()[0], b'h' | b'f') && place != "footer"
            );
            replace(&patient.file(pack), &before);
        }
    }
}

#[test]
fn trees_in_a_pack_whose_header_rots_are_damage_and_end_no_check() {
    let patient = Patient::new();
    for pack in patient.packs(2).into_iter().chain(patient.packs(3)) {
        for at in [5, 16, 30] {
            let before = patient.change(pack, |bytes| bytes[at] ^= 1);
            for depth in [CheckDepth::Structure, CheckDepth::Data] {
                assert_ne!(patient.check(depth, MEMORIES_BYTES[0]).damage, [], "{pack} at {at}");
            }
            replace(&patient.file(pack), &before);
        }
    }
}

#[test]
fn exactly_the_files_that_need_a_lost_pack_are_named() {
    let patient = Patient::new();
    let packs = patient.packs(1);
    assert_eq!(packs.len(), 2);
    let mut touched = Vec::new();
    for pack in packs {
        let aside = patient.path("aside");
        std::fs::rename(patient.file(pack), &aside).unwrap();
        for depth in [CheckDepth::Structure, CheckDepth::Data] {
            for memory_bytes in MEMORIES_BYTES {
                let report = patient.check(depth, memory_bytes);
                assert_eq!(report.damage_count, 1, "{report:?}");
                assert_eq!(report.damage[0].wrong, "it is gone");
                touched.extend(report.damage[0].files.iter().map(|file| file.file_name().unwrap().to_owned()));
            }
        }
        std::fs::rename(&aside, patient.file(pack)).unwrap();
    }
    touched.dedup();
    touched.sort();
    assert_eq!(touched, ["a", "b"]);
}

/// A nightly check that passed over what was verified lately named none of them.
#[test]
fn of_a_pack_that_was_cut_short_the_files_are_named_that_lack_something_and_it_is_read_whenever_packs_are() {
    let patient = Patient::new();
    let lately = CheckOptions::default().depth(CheckDepth::Data).age_max(Duration::from_secs(86_400));
    let check = |options: &CheckOptions| {
        let repository = Repository::open(&patient.store(), PASSWORD, patient.options()).unwrap();
        repository.check(options, &Silent).unwrap()
    };
    assert_eq!(check(&lately).damage, []);
    let pack = patient.packs(1)[0];
    let end = footer(&std::fs::read(patient.file(pack)).unwrap());
    for (length, touched_count) in [(0, 1), (1000, 1), (end, 0)] {
        let before = patient.change(pack, |bytes| bytes.truncate(length));
        for memory_bytes in MEMORIES_BYTES {
            let report = patient.check(CheckDepth::Structure, memory_bytes);
            assert_eq!((report.damage_count, report.read_pack_count), (1, 0), "{length}: {report:?}");
            assert_eq!(report.damage[0].files.len(), touched_count, "{length}: {report:?}");
            assert!(report.damage[0].wrong.starts_with(&format!("it has {length} bytes instead of ")), "{report:?}");
        }
        let report = check(&lately.clone().remember(Remember::Nothing));
        assert_eq!((report.read_pack_count, report.damage[0].files.len()), (1, touched_count), "{length}: {report:?}");
        replace(&patient.file(pack), &before);
    }
}

/// The configuration asks for none, so nobody was told of the packs that came later.
#[test]
fn what_has_no_parity_is_told_where_some_was_added() {
    let patient = Patient::new();
    assert_eq!(patient.check(CheckDepth::Structure, MEMORIES_BYTES[0]).notices, Vec::<String>::new());
    Repository::protect(&patient.store(), &ProtectOptions::default(), &Silent).unwrap();
    assert_eq!(patient.check(CheckDepth::Structure, MEMORIES_BYTES[0]).notices, Vec::<String>::new());
    std::fs::write(patient.path("tree/a"), noise(3)).unwrap();
    patient.backup();
    let told = patient.check(CheckDepth::Structure, MEMORIES_BYTES[0]).notices;
    assert!(told.iter().any(|notice| notice.starts_with("packs without parity: ")), "{told:?}");
}

#[test]
fn what_is_read_wrong_once_is_worth_a_notice_and_no_damage() {
    let patient = Patient::new();
    let local: Arc<dyn Store> = Arc::new(LocalStore::open(&patient.store()).unwrap());
    for pack in [patient.packs(1)[0], patient.packs(2)[0]] {
        for mood in [Mood::WrongOnce, Mood::FailsOnce, Mood::Fails] {
            let store = Arc::new(MoodyStore::new(Arc::clone(&local), ObjectName::Pack(pack), mood));
            let options = patient.options().reading();
            let repository = Repository::open_store(store, PASSWORD, options).unwrap();
            let report = repository.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap();
            assert_eq!(report.damage_count > 0, mood == Mood::Fails, "{mood:?}: {report:?}");
        }
    }
}

fn listed(store: &dyn Store, folder: Folder) -> Vec<ObjectName> {
    let mut names = Vec::new();
    let mut each = |listed| {
        if let Listed::Object { name, .. } = listed {
            names.push(name);
        }
    };
    store.list(folder, &mut each).unwrap();
    names
}

/// Where few files may be open, a check found dozens of damages in a sound repository and had its owner repair it.
#[test]
fn that_too_many_files_are_open_is_no_damage_of_what_can_t_be_opened() {
    let patient = Patient::new();
    let local: Arc<dyn Store> = Arc::new(LocalStore::open(&patient.store()).unwrap());
    let mut ended_count = 0;
    for name in Folder::ALL.into_iter().flat_map(|folder| listed(local.as_ref(), folder)) {
        for (depth, memory_bytes) in [CheckDepth::Data, CheckDepth::Structure].into_iter().zip(MEMORIES_BYTES) {
            let moody = MoodyStore::new(Arc::clone(&local), name, Mood::Unaffordable);
            let options = patient.options().reading().memory_bytes(memory_bytes);
            let checked = Repository::open_store(Arc::new(moody), PASSWORD, options)
                .and_then(|repository| repository.check(&CheckOptions::default().depth(depth), &Silent));
            match checked {
                Ok(report) => assert_eq!(report.damage, [], "{name}"),
                Err(error) => {
                    assert!(!matches!(error.kind(), ErrorKind::Damaged | ErrorKind::RolledBack), "{name}: {error}");
                    ended_count += usize::from(error.kind() == ErrorKind::Exhausted);
                }
            }
        }
    }
    assert!(ended_count > 10, "{ended_count}");
}

/// Nor is it a sign for those who write that the repository was set back.
#[test]
fn that_too_many_files_are_open_takes_no_outcome_from_whoever_writes() {
    let patient = Patient::new();
    let mut access = Repository::open(&patient.store(), PASSWORD, patient.options()).unwrap().access().clone();
    let state = session::load(&access).unwrap();
    let last = ObjectName::Outcome(state.last().unwrap());
    // The view keeps what was read of it.
    access.index = Arc::new(MemoryIndex::new());
    access.store = Arc::new(MoodyStore::new(Arc::clone(&access.store), last, Mood::Unaffordable));
    let refused = session::check_rollback(&access, &History::load(&access).unwrap(), &state).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Exhausted, "{refused}");
}

/// A check of all data ended at the first of them, with advice for whoever may not write.
#[test]
fn a_pack_that_this_user_may_not_read_is_told_and_all_others_are_read() {
    let patient = Patient::new();
    let local: Arc<dyn Store> = Arc::new(LocalStore::open(&patient.store()).unwrap());
    let packs: Vec<PackId> = (1..4).flat_map(|class| patient.packs(class)).collect();
    let pack_count = u64::try_from(packs.len()).unwrap();
    let mut told_as_node = 0;
    for pack in packs {
        let store: Arc<dyn Store> = Arc::new(MoodyStore::new(Arc::clone(&local), ObjectName::Pack(pack), Mood::Denied));
        for (depth, memory_bytes) in [CheckDepth::Data, CheckDepth::Structure].into_iter().zip(MEMORIES_BYTES) {
            let options = patient.options().reading().memory_bytes(memory_bytes);
            let repository = Repository::open_store(Arc::clone(&store), PASSWORD, options).unwrap();
            let report = repository.check(&CheckOptions::default().depth(depth), &Silent).unwrap();
            for damage in &report.damage {
                assert!(damage.wrong.contains("permission denied"), "{damage:?}");
                assert!(damage.remedy.contains("let a user who may read it run this"), "{damage:?}");
            }
            match depth {
                CheckDepth::Data => {
                    let [damage] = report.damage.as_slice() else { panic!("{report:?}") };
                    assert_eq!(damage.object, ObjectName::Pack(pack).to_string());
                    assert!(damage.wrong.contains("may not be read by this user"), "{damage:?}");
                    assert_eq!(report.read_pack_count, pack_count);
                }
                CheckDepth::Structure => told_as_node += usize::from(report.damage_count > 0),
            }
        }
    }
    assert!(told_as_node > 0, "trees are read by every check");
}

#[test]
fn a_rotten_segment_is_named() {
    let patient = Patient::new();
    let local: Arc<dyn Store> = Arc::new(LocalStore::open(&patient.store()).unwrap());
    let mut segments = Vec::new();
    local
        .list(Folder::Segments, &mut |listed| {
            if let Listed::Object { name, .. } = listed {
                segments.push(name);
            }
        })
        .unwrap();
    for name in segments {
        let bytes = std::fs::read(patient.store().join(name.to_string())).unwrap();
        let mut rotten = bytes.clone();
        rotten[200] ^= 1;
        replace(&patient.store().join(name.to_string()), &rotten);
        let report = patient.check(CheckDepth::Structure, MEMORIES_BYTES[0]);
        assert!(report.damage.iter().any(|damage| damage.object == name.to_string()), "{report:?}");
        replace(&patient.store().join(name.to_string()), &bytes);
    }
}

/// Removes the row of one counted chunk.
fn miscount(repository: &Repository) {
    let index = &repository.access().index;
    let table = index.side_table().unwrap().expect("this process writes the view");
    let mut first = None;
    table.scan(b"c", &mut |key, _| _ = first.get_or_insert(key.to_vec())).unwrap();
    table.write(&[(first.expect("something is counted"), None)]).unwrap();
}

fn prune(repository: &Repository) {
    let options = PruneOptions::default();
    let plan = repository.plan_prune(&options, &Silent).unwrap();
    repository.prune(plan, &options, &Silent).unwrap();
}

#[test]
fn index_15_a_check_finds_counts_that_are_wrong_and_no_prune_goes_by_them() {
    let patient = Patient::new();
    let repository = Repository::open(&patient.store(), PASSWORD, patient.options()).unwrap();
    let check = || repository.check(&CheckOptions::default(), &Silent).unwrap();
    assert_eq!(check().damage, [], "there are none yet");
    prune(&repository);
    assert_eq!(check().damage, [], "they are right");
    miscount(&repository);
    let found = check();
    let [damage] = found.damage.as_slice() else { panic!("{found:?}") };
    assert_eq!((found.damage_count, damage.place.as_str()), (1, "reference counts"));
    assert!(damage.wrong.starts_with("of 1 chunks and nodes it counts fewer"), "{damage:?}");
    assert!(damage.remedy.contains("prune"), "{damage:?}");
    assert!(KeptCounts::open(repository.access()).unwrap().is_none(), "a prune would make a full mark");
    assert_eq!(check().damage, []);
    prune(&repository);
    assert!(KeptCounts::open(repository.access()).unwrap().is_some());
    assert_eq!(check().damage, []);
}

/// Where another process, or another opening, may write the view, a reader sees its rows as they were at one moment.
#[cfg(feature = "rocksdb")]
#[test]
fn index_15_a_check_beside_a_writer_finds_counts_that_are_wrong_and_has_the_view_made_anew() {
    let patient = Patient::new();
    let writer = Repository::open(&patient.store(), PASSWORD, patient.options()).unwrap();
    prune(&writer);
    writer.access().index.flush().unwrap();
    assert_eq!(patient.check(CheckDepth::Structure, 128 << 20).damage, [], "they are right");
    miscount(&writer);
    assert_eq!(patient.check(CheckDepth::Structure, 128 << 20).damage, [], "what is not flushed is not there yet");
    writer.access().index.flush().unwrap();
    for memory_bytes in MEMORIES_BYTES {
        let found = patient.check(CheckDepth::Structure, memory_bytes);
        assert_eq!(found.damage.len(), usize::from(memory_bytes == MEMORIES_BYTES[0]), "{found:?}");
    }
    assert!(writer.access().index.side_table().unwrap().is_none(), "who has it open goes by it no more");
    drop(writer);
    let writer = Repository::open(&patient.store(), PASSWORD, patient.options()).unwrap();
    assert!(KeptCounts::open(writer.access()).unwrap().is_none(), "it is made anew, without counts");
    prune(&writer);
    assert_eq!(writer.check(&CheckOptions::default(), &Silent).unwrap().damage, []);
}

/// How much was read of packs, and whether packs are being read.
#[derive(Default)]
struct Reading {
    bytes: AtomicU64,
    has_begun: Arc<AtomicBool>,
}

impl Progress for Reading {
    fn event(&self, event: &Event<'_>) {
        if let Event::Processed { bytes, .. } = event {
            self.bytes.fetch_add(*bytes, Ordering::Relaxed);
        }
        self.has_begun.fetch_or(matches!(event, Event::Phase("checking trees and data")), Ordering::Relaxed);
    }
}

/// Once all that the others could read was read before it was told.
#[test]
fn where_one_of_several_readers_fails_the_others_end_and_its_failure_is_told() {
    let patient = Patient::new();
    for seed in 3..9 {
        std::fs::write(patient.path("tree/sub/b"), noise(seed)).unwrap();
        patient.backup();
    }
    let local: Arc<dyn Store> = Arc::new(LocalStore::open(&patient.store()).unwrap());
    let all_bytes = patient.check(CheckDepth::Data, MEMORIES_BYTES[0]).read_bytes;
    let read_bytes = patient.packs(1).into_iter().map(|pack| {
        let reading = Reading::default();
        let begun = Arc::clone(&reading.has_begun);
        let store = MoodyStore::new(Arc::clone(&local), ObjectName::Pack(pack), Mood::Unusable);
        // So that no reader is done with its first pack before another one has failed.
        let store = Hooked::new(Arc::new(store), move |_| {
            if begun.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let options = patient.options().reading().threads(17);
        let repository = Repository::open_store(Arc::new(store), PASSWORD, options).unwrap();
        let error = repository.check(&CheckOptions::default().depth(CheckDepth::Data), &reading).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        reading.bytes.into_inner()
    });
    // That of the packs which comes first is not known.
    assert!(read_bytes.min().unwrap() < all_bytes / 2);
}
