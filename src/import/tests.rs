//! Imports of recorded repositories, wounded ones, and ones that restic would not make.

use super::{ImportOptions, ImportPlan, ImportReport, Standing};
use crate::backup::BackupOptions;
use crate::error::{Error, ErrorKind};
use crate::forget::{KeepCount, Period, RetentionOptions, RetentionPolicy};
use crate::id::SnapshotId;
use crate::key::{KdfCost, Unlock};
use crate::look::DumpForm;
use crate::manifest::{Body, Entry, Key, State};
use crate::progress::Silent;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::restic::testing::{Forge, PASSWORD, RECORDED, Restored, copy, escaped, repository, restored};
use crate::restic::{BlobId, BlobKind};
use crate::restore::Below;
use crate::session::{Snapshot, SnapshotFilter};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const UNLOCK: Unlock<'static> = Unlock::Password(b"import");

/// A repository to import into.
struct World {
    place: tempfile::TempDir,
    repository: Repository,
}

impl World {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("repository");
        Repository::create(&path, UNLOCK, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        let options = OpenOptions::new(place.path().join("cache"), place.path().join("state")).threads(2);
        let repository = Repository::open(&path, UNLOCK, options).unwrap();
        Self { place, repository }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn plan(&self, from: &Path) -> ImportPlan {
        self.repository.plan_import(from, PASSWORD, &ImportOptions::default()).unwrap()
    }

    /// Imports whatever is new, oldest first.
    fn import(&self, from: &Path) -> Vec<Result<ImportReport, Error>> {
        let plan = self.plan(from);
        let new = plan.snapshots.iter().filter(|snapshot| snapshot.standing == Standing::New);
        new.map(|snapshot| self.repository.import(&plan, snapshot, &BackupOptions::default(), &Silent)).collect()
    }

    fn snapshot(&self, id: SnapshotId) -> Snapshot {
        let all = self.repository.snapshots(&SnapshotFilter::default()).unwrap();
        all.into_iter().find(|snapshot| snapshot.id == id).unwrap()
    }

    fn entries(&self, id: SnapshotId) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut take = |entry: &Entry| {
            entries.push(entry.clone());
            Ok(Below::Visit)
        };
        self.repository.list(&self.snapshot(id), &Key::root(), &mut take).unwrap();
        entries
    }

    fn content(&self, id: SnapshotId, key: &Key) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.repository.dump(&self.snapshot(id), (key, DumpForm::Content), &mut bytes, &Silent).unwrap();
        bytes
    }

    /// The files of a snapshot with the SHA-256 of their content; none for one that is unreadable.
    fn files(&self, id: SnapshotId) -> BTreeMap<String, Option<String>> {
        let entries = self.entries(id).into_iter().filter(|entry| matches!(entry.body, Body::File(_)));
        entries
            .map(|entry| {
                let path: Vec<u8> = entry.key.components().collect::<Vec<_>>().join(&b'/');
                let stored = entry.state == State::Stored;
                let hash = stored.then(|| BlobId::of(&self.content(id, &entry.key)).to_string());
                (escaped(&path), hash)
            })
            .collect()
    }
}

/// The files that restic restored, with the SHA-256 of their content.
fn files_restored(restored: &Restored) -> BTreeMap<String, Option<String>> {
    let fields = restored.lines.iter().map(|line| line.split('\t').collect::<Vec<_>>());
    fields
        .filter_map(|fields| {
            let hash = fields.iter().find_map(|field| field.strip_prefix("sha256="))?;
            Some((fields[0].to_owned(), Some(hash.to_owned())))
        })
        .collect()
}

fn key(path: &str) -> Key {
    Key::from_path(path.as_ref()).unwrap()
}

#[test]
fn every_snapshot_of_every_version_comes_over_whole_and_once() {
    for name in RECORDED {
        let (world, from) = (World::new(), repository(name));
        let reports = world.import(&from);
        let expected = restored(name);
        assert_eq!(reports.len(), expected.len());
        for (report, expected) in reports.into_iter().zip(&expected) {
            let backup = report.unwrap().backup;
            assert_eq!((backup.problems.count(), backup.problems.len()), (0, 0));
            let snapshot = world.snapshot(backup.snapshot);
            let origin = snapshot.origin.unwrap();
            assert_eq!(origin.imported.unwrap().to_string(), format!("restic:{}", expected.id));
            assert_eq!(origin.host, expected.host.as_bytes());
            assert_eq!(origin.user, expected.user.as_bytes());
            assert_eq!(origin.paths.join(&b','), expected.paths.as_bytes());
            let time: jiff::Timestamp = expected.time.parse().unwrap();
            assert_eq!(i128::from(snapshot.time_ns), time.as_nanosecond());
            assert_eq!(world.files(backup.snapshot), files_restored(expected), "{name}");
            assert_eq!(world.entries(backup.snapshot).len(), expected.lines.len() + 1, "{name}: and the root");
        }
        assert!(world.plan(&from).snapshots.iter().all(|snapshot| snapshot.standing == Standing::There));
        assert_eq!(world.import(&from).len(), 0);
        let check = world.repository.check(&crate::check::CheckOptions::default(), &Silent).unwrap();
        assert!(check.damage.is_empty(), "{:?}", check.damage);
    }
}

#[test]
fn what_did_not_change_since_the_snapshot_before_is_not_read_again() {
    let world = World::new();
    let reports = world.import(&repository("restic-0.14-version-2"));
    let backups: Vec<_> = reports.into_iter().map(|report| report.unwrap().backup).collect();
    assert_eq!(backups[0].parent, None);
    assert_eq!(backups[1].parent, Some(backups[0].snapshot));
    let changes = backups[1].changes;
    // One was changed and has two names, one was chmodded, one is new.
    assert_eq!((changes.files_new, changes.files_changed, changes.files_unmodified), (1, 3, 7));
    assert_eq!(backups[2].parent, None, "of another host");
}

#[test]
fn ways_to_what_was_backed_up_are_told_from_trees_that_begin_elsewhere() {
    let world = World::new();
    let reports = world.import(&repository("restic-0.14-version-1"));
    let ids: Vec<_> = reports.into_iter().map(|report| report.unwrap().backup.snapshot).collect();
    let ways = |id| -> Vec<Key> {
        let entries = world.entries(id).into_iter();
        entries.filter(|entry| matches!(entry.body, Body::Ancestor)).map(|entry| entry.key).collect()
    };
    assert_eq!(ways(ids[0]), [Key::root(), key("/tmp"), key("/tmp/holdall-import")]);
    assert_eq!(ways(ids[2]), [Key::root()]);
}

#[test]
fn a_wound_makes_files_unreadable_that_are_named_and_gives_no_other_bytes() {
    let name = "restic-0.19-version-1";
    let expected = files_restored(&restored(name)[0]);
    let place = tempfile::tempdir().unwrap();
    let from = place.path().join("restic");
    copy(name, &from);
    let mut shelves = vec![from.join("data")];
    let mut packs = Vec::new();
    while let Some(shelf) = shelves.pop() {
        for entry in std::fs::read_dir(shelf).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { shelves.push(path) } else { packs.push(path) }
        }
    }
    let mut unreadable_count = 0;
    for pack in packs {
        let sound = std::fs::read(&pack).unwrap();
        for part in 0..4 {
            let mut wounded = sound.clone();
            wounded[(sound.len() - 1) * part / 4] ^= 0x10;
            std::fs::write(&pack, wounded).unwrap();
            let world = World::new();
            let plan = world.plan(&from);
            match world.repository.import(&plan, &plan.snapshots[0], &BackupOptions::default(), &Silent) {
                Ok(report) => {
                    let files = world.files(report.backup.snapshot);
                    let lost: Vec<&String> =
                        files.iter().filter(|(_, hash)| hash.is_none()).map(|(path, _)| path).collect();
                    let named = |path: &str| {
                        report.backup.problems.iter().any(|problem| escaped(&problem.path) == format!("/{path}"))
                    };
                    assert!(lost.iter().all(|path| named(path)), "{lost:?}");
                    let right = |(path, hash): (&String, &Option<String>)| hash.is_none() || expected[path] == *hash;
                    assert!(files.iter().all(right), "never other bytes");
                    assert!(files.len() == expected.len() || report.backup.problems.count() > 0);
                    assert_eq!(report.backup.counts.unreadable > 0, report.backup.problems.count() > 0);
                    unreadable_count += lost.len();
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                    assert!(error.to_string().contains("damaged"), "{error}");
                }
            }
        }
        std::fs::write(&pack, sound).unwrap();
    }
    assert!(unreadable_count > 0, "some wounds hit content");
}

fn file(content: BlobId, more: &str) -> String {
    format!(
        r#"{{"name":"f","type":"file","mode":420,"mtime":"2001-01-01T00:00:00Z","ctime":"2001-01-01T00:00:00Z","inode":7,"links":1,"size":3,"content":["{content}"]{more}}}"#
    )
}

#[test]
fn what_restic_tells_apart_is_read_though_its_stat_is_the_same() {
    let world = World::new();
    let forge = Forge::new(&world.path("restic"));
    let (one, two) = (forge.blob(BlobKind::Data, b"one"), forge.blob(BlobKind::Data, b"two"));
    let trees = [file(one, ""), file(two, ""), file(two, ""), file(two, r#","uid":9"#)].map(|node| forge.tree(&[node]));
    (2010..).zip(trees).for_each(|(year, tree)| {
        let _ = forge.snapshot(year, tree, r#","paths":["/f"]"#);
    });
    let backups: Vec<_> =
        world.import(&world.path("restic")).into_iter().map(|report| report.unwrap().backup).collect();
    let contents: Vec<_> = backups.iter().map(|backup| world.content(backup.snapshot, &key("/f"))).collect();
    assert_eq!(contents, [b"one", b"two", b"two", b"two"]);
    let unmodified: Vec<_> = backups.iter().map(|backup| backup.changes.files_unmodified).collect();
    assert_eq!(unmodified, [0, 0, 1, 0]);
    let owner = world.entries(backups[3].snapshot).pop().unwrap().uid;
    assert_eq!(owner, 9, "and so is what only its owner tells");
}

#[test]
fn what_has_no_place_here_is_a_problem_of_its_own_and_the_rest_comes_over() {
    let world = World::new();
    let forge = Forge::new(&world.path("restic"));
    let lost = BlobId::of(b"nowhere");
    let tree = forge.tree(&[
        r#"{"name":"a","type":"irregular"}"#.to_owned(),
        r#"{"name":"b","type":"dir"}"#.to_owned(),
        format!(r#"{{"name":"c","type":"dir","subtree":"{lost}"}}"#),
        r#"{"name":"d","type":"symlink"}"#.to_owned(),
        r#"{"name":"e","type":"fifo","extended_attributes":[{"name":""}]}"#.to_owned(),
        file(lost, ""),
        r#"{"name":"g","type":"fifo","generic_attributes":{"windows.creation_time":"x"}}"#.to_owned(),
    ]);
    forge.snapshot(2020, tree, "");
    let report = world.import(&world.path("restic")).pop().unwrap().unwrap();
    let problems: Vec<_> = report.backup.problems.iter().map(|problem| escaped(&problem.path)).collect();
    assert_eq!(problems.len(), 6, "{:?}", report.backup.problems);
    assert!(["/a", "/b", "/c", "/d", "/e", "/f"].iter().all(|path| problems.contains(&(*path).to_owned())));
    let message = |path: &str| {
        let mut problems = report.backup.problems.iter();
        problems.find(|problem| problem.path == path.as_bytes()).unwrap().message.clone()
    };
    assert!(message("/f").contains(&format!("the data blob {lost} is in no pack")), "{}", message("/f"));
    assert!(message("/c").contains("restic repair index"), "{}", message("/c"));
    let there: Vec<Key> = world.entries(report.backup.snapshot).into_iter().map(|entry| entry.key).collect();
    assert_eq!(there, [Key::root(), key("/b"), key("/c"), key("/d"), key("/e"), key("/f"), key("/g")]);
    assert_eq!(report.foreign_attribute_count, 1);
}

#[test]
fn names_that_no_snapshot_can_bear_are_refused_before_anything_is_stored() {
    let world = World::new();
    let forge = Forge::new(&world.path("restic"));
    let tree = forge.tree(&[]);
    forge.snapshot(2020, tree, &format!(r#","tags":["{}"]"#, "x".repeat(2000)));
    forge.snapshot(2021, tree, "");
    let reports = world.import(&world.path("restic"));
    assert_eq!(reports[0].as_ref().unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(reports[1].as_ref().unwrap().backup.counts.files, 0, "an empty snapshot is one all the same");
}

#[test]
fn what_somebody_else_carried_over_meanwhile_is_not_carried_over_twice() {
    let world = World::new();
    let plan = world.plan(&repository("restic-0.14-version-1"));
    let import = || world.repository.import(&plan, &plan.snapshots[2], &BackupOptions::default(), &Silent);
    assert!(import().is_ok());
    assert_eq!(import().unwrap_err().kind(), ErrorKind::Occupied);
}

#[test]
fn snapshots_are_chosen_by_id_host_tag_and_path() {
    let world = World::new();
    let from = repository("restic-0.14-version-1");
    let expected = restored("restic-0.14-version-1");
    let chosen = |options: ImportOptions| -> Result<Vec<String>, ErrorKind> {
        let plan = world.repository.plan_import(&from, PASSWORD, &options).map_err(|error| error.kind())?;
        Ok(plan.snapshots.iter().map(|snapshot| snapshot.snapshot.id.to_string()).collect())
    };
    let id = |place: usize| expected[place].id.clone();
    let options = ImportOptions::default;
    assert_eq!(chosen(options().snapshots([id(1)[..8].to_owned()])), Ok(vec![id(1)]));
    assert_eq!(chosen(options().snapshots([String::new()])), Err(ErrorKind::Ambiguous));
    assert_eq!(chosen(options().snapshots(["zz".to_owned()])), Err(ErrorKind::NotFound));
    let host = SnapshotFilter { hosts: vec![b"first-host".to_vec()], ..SnapshotFilter::default() };
    assert_eq!(chosen(options().filter(host.clone())), Ok(vec![id(0), id(1)]));
    let tag = SnapshotFilter { tags: vec![vec![b"blue".to_vec()]], ..host };
    assert_eq!(chosen(options().filter(tag)), Ok(vec![id(0)]));
    let path = SnapshotFilter { paths: vec!["/tmp/holdall-import/data/grüße".into()], ..SnapshotFilter::default() };
    assert_eq!(chosen(options().filter(path)), Ok(vec![id(2)]));
}

#[test]
fn what_could_not_be_read_is_told_of_until_it_is_asked_for_again_and_so_is_what_was_forgotten() {
    let world = World::new();
    let from = world.path("restic");
    let forge = Forge::new(&from);
    let lost = BlobId::of(b"found again");
    let (sound, other) = (forge.blob(BlobKind::Data, b"sound"), file(lost, ""));
    let tree = forge.tree(&[file(sound, "").replace(r#""name":"f""#, r#""name":"a""#), other]);
    forge.snapshot(2020, tree, "");
    let first = world.import(&from).pop().unwrap().unwrap().backup;
    assert_eq!(first.problems.count(), 1);
    let plan = |named: bool| {
        let options = ImportOptions::default();
        let options = if named { options.snapshots([first_id(&world, &from)]) } else { options };
        world.repository.plan_import(&from, PASSWORD, &options).unwrap()
    };
    let told = |named| {
        let found = plan(named).snapshots.remove(0);
        (found.standing, found.known_as, found.problem_count)
    };
    assert_eq!(told(false), (Standing::There, Some(first.snapshot), 1));
    assert_eq!(told(true), (Standing::New, Some(first.snapshot), 1));

    assert_eq!(forge.blob(BlobKind::Data, b"found again"), lost);
    let again = plan(true);
    let import = || world.repository.import(&again, &again.snapshots[0], &BackupOptions::default(), &Silent);
    let ImportReport { backup: second, outdone, .. } = import().unwrap();
    assert_eq!((second.problems.count(), world.content(second.snapshot, &key("/f"))), (0, b"found again".to_vec()));
    assert_eq!(outdone, Some(first.snapshot));
    assert_eq!(import().unwrap_err().kind(), ErrorKind::Occupied);
    for named in [false, true] {
        assert_eq!(told(named), (Standing::There, Some(second.snapshot), 0));
    }

    let all = world.repository.snapshots(&SnapshotFilter::default()).unwrap();
    assert_eq!(all.len(), 2);
    world.repository.forget(&world.repository.plan_forget_snapshots(all).unwrap()).unwrap();
    assert_eq!(told(false).0, Standing::Forgotten);
    assert_eq!(told(true).0, Standing::New);
}

/// Both have the time of restic's: the id decided, and a policy kept the damaged one of them and gave up the whole one.
#[test]
fn what_was_carried_over_again_is_newer_than_what_lacks_something_of_it() {
    // Both ids are random: each of them is the larger one in half of all cases.
    for number in 0..12 {
        let world = World::new();
        let from = world.path("restic");
        let forge = Forge::new(&from);
        let bytes = format!("found again {number}").into_bytes();
        let tree = forge.tree(&[file(BlobId::of(&bytes), "")]);
        forge.snapshot(2020, tree, "");
        let lacking = world.import(&from).pop().unwrap().unwrap().backup.snapshot;
        forge.blob(BlobKind::Data, &bytes);
        let options = ImportOptions::default().snapshots([first_id(&world, &from)]);
        let plan = world.repository.plan_import(&from, PASSWORD, &options).unwrap();
        let again = world.repository.import(&plan, &plan.snapshots[0], &BackupOptions::default(), &Silent);
        let whole = again.unwrap().backup.snapshot;

        let latest = world.repository.resolve(&"latest".parse().unwrap(), &SnapshotFilter::default());
        assert_eq!(latest.unwrap().id, whole);
        let policy = RetentionPolicy::default().keep(Period::Last, KeepCount::AtMost(1));
        let plan = world.repository.plan_forget(&RetentionOptions::new(policy)).unwrap();
        assert_eq!(plan.goes().map(|snapshot| snapshot.id).collect::<Vec<_>>(), [lacking]);
    }
}

fn first_id(world: &World, from: &Path) -> String {
    world.plan(from).snapshots[0].snapshot.id.to_string()
}

#[test]
fn attributes_that_are_too_long_take_no_content_with_them() {
    let world = World::new();
    let forge = Forge::new(&world.path("restic"));
    // "x", 66,000 times, as restic has it.
    let value = "eHh4".repeat(22_000);
    let more = format!(r#","extended_attributes":[{{"name":"user.long","value":"{value}"}}]"#);
    let tree = forge.tree(&[file(forge.blob(BlobKind::Data, b"one"), &more)]);
    forge.snapshot(2020, tree, "");
    let backup = world.import(&world.path("restic")).pop().unwrap().unwrap().backup;
    let problems: Vec<_> = backup.problems.iter().map(|problem| escaped(&problem.path)).collect();
    assert_eq!(problems, ["/f"], "{:?}", backup.problems);
    assert_eq!(world.content(backup.snapshot, &key("/f")), b"one");
}
