//! What a drill must find, and what it must leave behind: nothing but its record.

use super::{
    Afterwards, Drill, DrillConclusion, DrillFindingKind, DrillOptions, DrillPlace, DrillRestore, Live, Recorded,
    conclude,
};
use crate::backup::{BackupOptions, Need, StreamSource};
use crate::error::{Error, ErrorKind};
use crate::fs::as_ordinary_user;
use crate::key::{KdfCost, Unlock};
use crate::progress::{Event, Progress, Silent};
use crate::record::DrillCommand;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::testing::clock;
use crate::session::{LastDrill, Snapshot, now_ns};
use crate::source::StreamInput;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const PASSWORD: Unlock<'static> = Unlock::Password(b"drill");
const SECOND_NS: i64 = 1_000_000_000;

/// A repository, a tree beside it, and a folder for what is restored.
struct Ground {
    top: PathBuf,
    tree: PathBuf,
    repository: Repository,
}

impl Ground {
    fn new(top: &Path) -> Self {
        Self::of_tree(top, top.join("tree"))
    }

    fn of_tree(top: &Path, tree: PathBuf) -> Self {
        Repository::create(&top.join("repository"), PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        fs::create_dir_all(&tree).unwrap();
        fs::create_dir(top.join("scratch")).unwrap();
        let options = OpenOptions::new(top.join("cache"), top.join("state")).threads(2);
        let repository = Repository::open(&top.join("repository"), PASSWORD, options).unwrap();
        Self { top: top.into(), tree, repository }
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A tree with one of everything that an ordinary user can make.
    fn fill(&self) {
        self.write("small", b"a few bytes");
        self.write("sub/large", &noise(1, 300_000));
        self.write("sub/other", &noise(2, 200_000));
        fs::hard_link(self.write("first", &noise(3, 5000)), self.tree.join("second")).unwrap();
        symlink("small", self.tree.join("link")).unwrap();
        let sparse = fs::File::create(self.tree.join("sparse")).unwrap();
        sparse.write_all_at(b"end", (1 << 40) - 3).unwrap();
        let status = std::process::Command::new("mkfifo").arg(self.tree.join("pipe")).status().unwrap();
        assert!(status.success());
        fs::create_dir(self.tree.join("empty")).unwrap();
        fs::set_permissions(self.tree.join("empty"), fs::Permissions::from_mode(0o500)).unwrap();
    }

    fn backup(&self) -> Snapshot {
        self.backup_with(BackupOptions::new([self.tree.clone()]))
    }

    fn backup_with(&self, options: BackupOptions) -> Snapshot {
        self.repository.backup(&options, &Silent).unwrap();
        self.latest()
    }

    fn latest(&self) -> Snapshot {
        self.repository.snapshots(&Default::default()).unwrap().pop().unwrap()
    }

    fn options(&self) -> DrillOptions {
        DrillOptions::new(DrillPlace::Within(self.top.join("scratch")))
    }

    fn restore(&self, snapshot: &Snapshot, options: &DrillOptions) -> DrillRestore {
        let plan = self.repository.plan_drill(snapshot.clone(), options, &Silent).unwrap();
        self.repository.restore_drill(plan, &Silent).unwrap()
    }

    fn drill(&self, snapshot: &Snapshot, options: &DrillOptions) -> Drill {
        self.repository.compare_drill(self.restore(snapshot, options), &Silent).unwrap()
    }

    fn conclude(&self, drill: Drill) -> DrillConclusion {
        let conclusion = self.repository.conclude_drill(drill, DrillCommand::None);
        assert!(conclusion.leftover.is_none(), "{:?}", conclusion.leftover);
        conclusion
    }

    fn is_clear(&self) -> bool {
        fs::read_dir(self.top.join("scratch")).unwrap().count() == 0
    }

    /// Where something of the tree was restored.
    fn restored(&self, folder: &Path, name: &str) -> PathBuf {
        folder.join(self.tree.strip_prefix("/").unwrap()).join(name)
    }
}

/// Content that compresses badly.
fn noise(seed: u32, bytes: u32) -> Vec<u8> {
    (0..bytes / 4)
        .flat_map(|word| (word ^ seed).wrapping_mul(2_654_435_761).rotate_left(word % 31).to_le_bytes())
        .collect()
}

fn found(drill: &Drill) -> Vec<(DrillFindingKind, PathBuf)> {
    drill.report().findings.iter().map(|finding| (finding.kind, finding.path.clone())).collect()
}

#[test]
fn what_is_whole_passes_and_leaves_nothing_but_a_record_that_the_snapshot_shows() {
    let top = tempfile::tempdir().unwrap();
    let ground = Ground::new(top.path());
    ground.fill();
    let snapshot = ground.backup();
    assert_eq!(snapshot.drill, None);
    let began_ns = now_ns();
    let drill = ground.drill(&snapshot, &ground.options());
    assert_eq!(found(&drill), []);
    assert!(drill.folder().exists());
    let conclusion = ground.conclude(drill);
    assert!(matches!(conclusion.recorded, Recorded::Stated) && ground.is_clear());
    let result = conclusion.report.result;
    assert_eq!((result.file_count, result.left_count, result.seed, result.share_millionths), (6, 0, 0, 1_000_000));
    // What the hard link's second name holds was read once; the hole was compared and not read.
    assert_eq!(result.bytes, 11 + 300_000 + 200_000 + 5000 + (1 << 40));
    let LastDrill { made_at_ns, result: shown } = ground.latest().drill.unwrap();
    assert!(shown == Some(result) && result.has_passed() && made_at_ns >= began_ns && result.began_at_ns >= began_ns);
}

type Hand = fn(&Path, &dyn Fn(&str) -> PathBuf);

/// What a hand does between restore and comparison, what is found then, and where.
const HANDS: &[(&str, DrillFindingKind, Hand)] = &[
    ("sub/large", DrillFindingKind::Content, |_, at| {
        let path = at("sub/large");
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let file = fs::File::options().read(true).write(true).open(&path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 250_000).unwrap();
        file.write_all_at(&[byte[0] ^ 1], 250_000).unwrap();
        file.set_modified(before).unwrap();
    }),
    ("small", DrillFindingKind::Content, |_, at| fs::write(at("small"), b"a few bytez").unwrap()),
    ("sub/other", DrillFindingKind::Content, |_, at| {
        fs::File::options().write(true).open(at("sub/other")).unwrap().set_len(199_999).unwrap();
    }),
    ("sparse", DrillFindingKind::Content, |_, at| {
        fs::File::options().write(true).open(at("sparse")).unwrap().write_all_at(b"x", 1 << 39).unwrap();
    }),
    ("link", DrillFindingKind::Content, |_, at| {
        fs::remove_file(at("link")).unwrap();
        symlink("first", at("link")).unwrap();
    }),
    ("second", DrillFindingKind::Content, |_, at| {
        let content = fs::read(at("second")).unwrap();
        fs::remove_file(at("second")).unwrap();
        fs::write(at("second"), content).unwrap();
    }),
    ("pipe", DrillFindingKind::Missing, |_, at| fs::remove_file(at("pipe")).unwrap()),
    ("small", DrillFindingKind::Missing, |_, at| {
        fs::remove_file(at("small")).unwrap();
        fs::create_dir(at("small")).unwrap();
    }),
    ("small", DrillFindingKind::Metadata, |_, at| {
        fs::set_permissions(at("small"), fs::Permissions::from_mode(0o640)).unwrap();
    }),
    ("empty", DrillFindingKind::Metadata, |_, at| {
        fs::File::open(at("empty")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }),
];

#[test]
fn record_15_what_a_hand_changes_between_restore_and_comparison_is_found_and_stated() {
    let top = tempfile::tempdir().unwrap();
    let ground = Ground::new(top.path());
    ground.fill();
    let snapshot = ground.backup();
    for (name, kind, hand) in HANDS {
        let restored = ground.restore(&snapshot, &ground.options());
        let folder = restored.folder().to_path_buf();
        assert_eq!(restored.report().problem_count, 0);
        hand(&folder, &|name| ground.restored(&folder, name));
        let drill = ground.repository.compare_drill(restored, &Silent).unwrap();
        let of_the_item: Vec<_> =
            found(&drill).into_iter().filter(|(_, path)| *path == ground.tree.join(name)).collect();
        assert_eq!(of_the_item, [(*kind, ground.tree.join(name))], "{name}: {:?}", drill.report().findings);
        // A directory in which something was made or removed has another time of change, and nothing else is found.
        let others = found(&drill).into_iter().filter(|(_, path)| *path != ground.tree.join(name));
        let others: Vec<_> = others.collect();
        assert!(others.iter().all(|other| *other == (DrillFindingKind::Metadata, ground.tree.clone())), "{others:?}");
        let count = drill.report().result.differing_count;
        assert_eq!(count, 1 + u64::try_from(others.len()).unwrap());
        ground.conclude(drill);
        let shown = ground.latest().drill.unwrap().result.unwrap();
        assert!(!shown.has_passed() && shown.differing_count == count, "{shown:?}");
    }
}

/// Loses everything but the head of each pack of a class.
fn wound(ground: &Ground, class: u8) {
    let mut folders = vec![ground.top.join("repository/packs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let mut bytes = fs::read(&entry).unwrap();
            if bytes[12] == class {
                bytes[160..].fill(0);
                fs::remove_file(&entry).unwrap();
                fs::write(&entry, bytes).unwrap();
            }
        }
    }
}

#[test]
fn a_wound_in_a_pack_is_found_and_the_file_named_once() {
    let top = tempfile::tempdir().unwrap();
    let ground = Ground::new(top.path());
    ground.write("large", &noise(1, 400_000));
    ground.write("small", b"kept in the manifest");
    let snapshot = ground.backup();
    wound(&ground, 1);
    let drill = ground.drill(&snapshot, &ground.options());
    assert_eq!(found(&drill), [(DrillFindingKind::Lost, ground.tree.join("large"))], "{:?}", drill.report().findings);
    assert!(drill.report().findings[0].message.contains("pack"), "{:?}", drill.report().findings);
    assert_eq!(drill.report().result.differing_count, 1);
    let shown = ground.conclude(drill).report.result;
    assert!(!shown.has_passed() && ground.is_clear());
}

#[test]
fn a_wound_in_the_manifest_is_found() {
    let top = tempfile::tempdir().unwrap();
    let ground = Ground::new(top.path());
    ground.write("small", b"kept in the manifest");
    let snapshot = ground.backup();
    wound(&ground, 2);
    let reopened = OpenOptions::new(top.path().join("cache-2"), top.path().join("state"));
    let repository = Repository::open(&top.path().join("repository"), PASSWORD, reopened).unwrap();
    let plan = repository.plan_drill(snapshot, &ground.options(), &Silent).unwrap();
    let drill = repository.compare_drill(repository.restore_drill(plan, &Silent).unwrap(), &Silent).unwrap();
    assert_eq!(found(&drill), [(DrillFindingKind::Lost, PathBuf::from("/"))], "{:?}", drill.report().findings);
}

/// Changes a byte of a file in a file system that notes no time for what is written through memory.
#[expect(unsafe_code, reason = "a file that rots without a trace can't be made otherwise; nobody else has it open")]
fn rot(path: &Path) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut map = unsafe { memmap2::MmapMut::map_mut(&file).unwrap() };
    // A page that is read first may be written to then; one that is written to first would give the file a new time.
    let byte = std::hint::black_box(map[1000]);
    map[1000] = byte ^ 1;
    map.flush().unwrap();
}

#[test]
fn a_live_file_that_rotted_under_its_stat_is_found_and_one_that_was_changed_is_counted() {
    let top = tempfile::tempdir().unwrap();
    let live = tempfile::tempdir_in("/dev/shm").unwrap();
    let ground = Ground::of_tree(top.path(), live.path().join("tree"));
    for name in ["rotten", "sound", "changed", "gone"] {
        ground.write(name, &noise(7, 100_000));
    }
    // Files must have been quiet for a while before a walk for their times to say that they are as they were.
    clock::pretend(now_ns() + 60 * SECOND_NS);
    let snapshot = ground.backup();
    let before = fs::metadata(ground.tree.join("rotten")).unwrap();
    rot(&ground.tree.join("rotten"));
    let after = fs::metadata(ground.tree.join("rotten")).unwrap();
    let times = |stat: &fs::Metadata| (stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec());
    assert_eq!(times(&before), times(&after), "else nothing is tested here");
    ground.write("changed", &noise(8, 100_000));
    fs::remove_file(ground.tree.join("gone")).unwrap();

    let drill = ground.drill(&snapshot, &ground.options().live(Live::Compare));
    assert_eq!(found(&drill), [(DrillFindingKind::Live, ground.tree.join("rotten"))]);
    let report = drill.report().clone();
    assert_eq!((report.result.live_file_count, report.live_passed_over_count), (2, 2));
    assert_eq!((report.result.live_differing_count, report.result.differing_count), (1, 0));
    assert!(!ground.conclude(drill).report.result.has_passed());

    let drill = ground.drill(&snapshot, &ground.options());
    assert_eq!((found(&drill), drill.report().result.live_file_count), (vec![], 0), "unless it is not wanted");
}

#[test]
fn a_sample_restores_what_it_picked_and_no_more_and_a_seed_brings_the_same_again() {
    let top = tempfile::tempdir().unwrap();
    let ground = Ground::new(top.path());
    for number in 0..200u32 {
        ground.write(&format!("{}/{number}", number % 10), &noise(number, 8000));
    }
    let snapshot = ground.backup();
    let sample = |text: &str, seed| ground.options().sample(text.parse().unwrap()).seed(seed);
    let picked = |options: &DrillOptions| -> BTreeSet<PathBuf> {
        let plan = ground.repository.plan_drill(snapshot.clone(), options, &Silent).unwrap();
        let (files, bytes, needed) = (plan.file_count, plan.bytes, plan.needed_bytes);
        assert_eq!(bytes, files * 8000);
        let restored = ground.repository.restore_drill(plan, &Silent).unwrap();
        assert!(restored.report().written_bytes == bytes && bytes <= needed, "{:?}", restored.report());
        let tree = ground.restored(restored.folder(), "");
        let folders = fs::read_dir(&tree).unwrap().map(|folder| folder.unwrap().path());
        let names = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
        let names: BTreeSet<PathBuf> = names.map(|path| path.strip_prefix(&tree).unwrap().into()).collect();
        assert_eq!(u64::try_from(names.len()).unwrap(), files);
        let drill = ground.repository.compare_drill(restored, &Silent).unwrap();
        assert_eq!((found(&drill), drill.report().result.file_count), (vec![], files));
        ground.conclude(drill);
        names
    };
    let first = picked(&sample("10%", 1));
    assert!((5..45).contains(&first.len()), "{}", first.len());
    assert_eq!(picked(&sample("10%", 1)), first);
    assert_ne!(picked(&sample("10%", 2)), first);
    assert_eq!(picked(&sample("0.0001%", 3)).len(), 1, "a sample of nothing would prove nothing");
    let shown = ground.latest().drill.unwrap().result.unwrap();
    assert_eq!((shown.share_millionths, shown.seed), (1, 3));
}

#[test]
fn names_of_one_file_are_picked_together() {
    let top = tempfile::tempdir().unwrap();
    let ground = Ground::new(top.path());
    let first = ground.write("0", &noise(1, 4000));
    for name in 1..20 {
        fs::hard_link(&first, ground.tree.join(name.to_string())).unwrap();
    }
    let snapshot = ground.backup();
    let mut counts = BTreeSet::new();
    for seed in 0..20 {
        let options = ground.options().sample("50%".parse().unwrap()).seed(seed);
        let plan = ground.repository.plan_drill(snapshot.clone(), &options, &Silent).unwrap();
        assert_eq!(plan.bytes, 4000);
        counts.insert(plan.file_count);
    }
    // Where the share picks none, all of the only file are.
    assert_eq!(counts, BTreeSet::from([20]));
}

/// Stops at the n-th event.
struct StopAt {
    left: AtomicU64,
    stop_after: u64,
}

impl Progress for StopAt {
    fn event(&self, _: &Event<'_>) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.left.load(Ordering::Relaxed) >= self.stop_after
    }
}

#[test]
fn wherever_a_drill_is_stopped_nothing_is_left_of_it_and_nothing_is_stated() {
    let top = tempfile::tempdir().unwrap();
    let ground = Ground::new(top.path());
    ground.fill();
    let snapshot = ground.backup();
    let mut stops = 0;
    for stop_after in 1.. {
        let progress = StopAt { left: AtomicU64::new(0), stop_after };
        let plan = ground.repository.plan_drill(snapshot.clone(), &ground.options(), &Silent).unwrap();
        let restored = ground.repository.restore_drill(plan, &progress);
        let ended = restored.and_then(|restored| ground.repository.compare_drill(restored, &progress));
        match ended {
            Err(error) => {
                let said = "stopped as asked; nothing is stated about this drill";
                assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Interrupted, said));
            }
            Ok(drill) => {
                drop(drill);
                break;
            }
        }
        stops += 1;
        assert!(ground.is_clear(), "stopped at event {stop_after}");
    }
    assert!(stops > 10 && ground.is_clear() && ground.latest().drill.is_none());
}

#[test]
fn a_folder_with_something_in_it_is_refused_and_one_that_is_to_stay_stays() {
    let top = tempfile::tempdir().unwrap();
    let ground = Ground::new(top.path());
    ground.write("small", b"x");
    let snapshot = ground.backup();
    let place = top.path().join("mine");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("letter"), "y").unwrap();
    let options = DrillOptions::new(DrillPlace::At(place.clone())).afterwards(Afterwards::Keep);
    let plan = || ground.repository.plan_drill(snapshot.clone(), &options, &Silent).unwrap();
    let refused = ground.repository.restore_drill(plan(), &Silent).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Occupied);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
    fs::remove_file(place.join("letter")).unwrap();
    let restored = ground.repository.restore_drill(plan(), &Silent).unwrap();
    let conclusion = ground.conclude(ground.repository.compare_drill(restored, &Silent).unwrap());
    assert!(conclusion.kept);
    assert_eq!(fs::read(ground.restored(&place, "small")).unwrap(), b"x");
}

#[test]
fn what_can_not_be_stated_is_drilled_all_the_same() {
    let top = tempfile::tempdir().unwrap();
    let ground = Ground::new(top.path());
    ground.write("small", b"x");
    let snapshot = ground.backup();
    let drill = ground.drill(&snapshot, &ground.options());
    let refused = Error::new(ErrorKind::ReadOnly, "the store can't be written to");
    let conclusion = conclude(ground.repository.access(), Err(refused), drill, DrillCommand::Failed);
    assert!(matches!(&conclusion.recorded, Recorded::Not(error) if error.kind() == ErrorKind::ReadOnly));
    assert_eq!(conclusion.report.result.command, DrillCommand::Failed);
    assert!(ground.is_clear() && ground.latest().drill.is_none());
}

#[test]
fn a_partial_snapshot_is_drilled_as_far_as_it_goes_with_what_a_command_wrote() {
    let top = tempfile::tempdir().unwrap();
    let ground = Ground::new(top.path());
    ground.write("small", b"x");
    let command = |words: &[&str]| StreamInput::Command(words.iter().map(Into::into).collect());
    let said = StreamSource::new("said", command(&["echo", "hello"])).need(Need::Optional);
    let failed = StreamSource::new("failed", command(&["false"])).need(Need::Optional);
    let snapshot = ground.backup_with(BackupOptions::new([ground.tree.clone()]).stream(said).stream(failed));
    assert!(snapshot.is_partial());
    let drill = ground.drill(&snapshot, &ground.options());
    let result = drill.report().result;
    assert_eq!((found(&drill), result.file_count, result.left_count), (vec![], 2, 1), "{result:?}");
    drop(drill);
    let restored = ground.restore(&snapshot, &ground.options());
    fs::write(restored.folder().join("said"), "hullo\n").unwrap();
    let drill = ground.repository.compare_drill(restored, &Silent).unwrap();
    assert_eq!(found(&drill), [(DrillFindingKind::Content, PathBuf::from("/said"))]);
}

#[test]
fn an_ordinary_user_drills_and_what_only_others_may_have_is_no_finding() {
    as_ordinary_user("drill::tests::an_ordinary_user_drills_and_what_only_others_may_have_is_no_finding", |top| {
        let ground = Ground::new(top);
        ground.fill();
        let lending = ground.write("lending", b"#!/bin/sh");
        fs::set_permissions(lending, fs::Permissions::from_mode(0o4755)).unwrap();
        let snapshot = ground.backup();
        let drill = ground.drill(&snapshot, &ground.options());
        let result = drill.report().result;
        assert_eq!((found(&drill), result.file_count, result.left_count), (vec![], 7, 0), "{result:?}");
        let shut = ground.restored(drill.folder(), "sub");
        fs::set_permissions(shut, fs::Permissions::from_mode(0o0)).unwrap();
        ground.conclude(drill);
        assert!(ground.is_clear());
    });
}
