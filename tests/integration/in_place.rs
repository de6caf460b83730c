//! Restoring over what is there: only what differs is written, the rest is left alone, and whatever interrupts a run, the
//! next one completes it.

use crate::found_there::Mounted;
use crate::house::{House, assert_equal};
use crate::lacking::leave_out;
use holdall::{
    Change, Event, Extras, Key, Manner, Overwrite, Ownership, Progress, RestoreOptions, RestoreReport, Silent,
};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that look like nothing else.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

pub(crate) fn options(tree: &Path) -> RestoreOptions {
    RestoreOptions::new(tree).path(Key::from_path(tree).unwrap())
}

pub(crate) fn restore(house: &House, options: &RestoreOptions) -> RestoreReport {
    let report = house.open().restore(&house.latest(), options, &Silent).unwrap();
    assert_eq!(report.problem_count, 0, "{report:?}");
    report
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

/// What a quick look tells of two trees that should be alike: names, links, modes, times and content.
pub(crate) fn look(tree: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, i64, Vec<u8>)> {
    let look = |path: &PathBuf| {
        let found = tree.join(path).symlink_metadata().unwrap();
        let content = if found.is_file() { fs::read(tree.join(path)).unwrap() } else { Vec::new() };
        let target = fs::read_link(tree.join(path)).map(|to| to.into_os_string().into_encoded_bytes());
        let links = if found.is_dir() { 0 } else { found.nlink() };
        (path.clone(), (found.mode(), links, found.mtime(), found.mtime_nsec(), target.unwrap_or(content)))
    };
    stamps(tree).keys().map(look).collect()
}

/// What must not change about an entry that is left alone.
pub(crate) type Stamps = BTreeMap<PathBuf, (u64, u32, i64, i64, i64, i64)>;

pub(crate) fn stamps(tree: &Path) -> Stamps {
    let mut found = Stamps::new();
    let mut left = vec![tree.to_path_buf()];
    while let Some(path) = left.pop() {
        let at = path.symlink_metadata().unwrap();
        if at.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let stamp = (at.ino(), at.mode(), at.mtime(), at.mtime_nsec(), at.ctime(), at.ctime_nsec());
        found.insert(path.strip_prefix(tree).unwrap().to_path_buf(), stamp);
    }
    found
}

/// A tree with something of everything; `scale` files of different lengths, one long file, links, holes, modes.
fn grow(tree: &Path, scale: usize) {
    for number in 0..scale {
        let directory = tree.join(format!("d{}", number % 13));
        fs::create_dir_all(&directory).unwrap();
        let content = noise(number.try_into().unwrap(), number * 7919 % 40_000);
        fs::write(directory.join(format!("f{number}")), content).unwrap();
    }
    fs::write(tree.join("long"), noise(1 << 40, 3 << 20)).unwrap();
    fs::write(tree.join("empty"), "").unwrap();
    symlink("long", tree.join("symlink")).unwrap();
    fs::write(tree.join("one"), noise(1 << 41, 50_000)).unwrap();
    fs::hard_link(tree.join("one"), tree.join("d1/two")).unwrap();
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, &noise(1 << 42, 9000), 300_000).unwrap();
    sparse.set_len(1 << 20).unwrap();
    fs::create_dir_all(tree.join("closed/inner")).unwrap();
    fs::write(tree.join("closed/inner/f"), "inside").unwrap();
    fs::set_permissions(tree.join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    assert!(Command::new("mkfifo").arg(tree.join("pipe")).status().unwrap().success());
}

/// Does to a tree what may have happened to it since the backup: about one file in a hundred, and one of each kind.
fn spoil(tree: &Path, scale: usize) {
    for number in (0..scale).step_by(100) {
        fs::write(tree.join(format!("d{}/f{number}", number % 13)), "spoiled").unwrap();
    }
    let long = fs::File::options().write(true).open(tree.join("long")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&long, b"spoiled", 1_500_000).unwrap();
    fs::remove_file(tree.join("symlink")).unwrap();
    symlink("elsewhere", tree.join("symlink")).unwrap();
    fs::remove_file(tree.join("d1/two")).unwrap();
    fs::write(tree.join("d1/two"), "no link any more").unwrap();
    let sparse = fs::File::options().write(true).open(tree.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, &[0; 8192], 500_000 / 4096 * 4096).unwrap();
    fs::remove_file(tree.join("pipe")).unwrap();
    fs::create_dir_all(tree.join("pipe/was/replaced")).unwrap();
    fs::write(tree.join("pipe/was/f"), "x").unwrap();
    fs::remove_dir_all(tree.join("d2")).unwrap();
    fs::write(tree.join("d2"), "was a directory").unwrap();
    fs::write(tree.join("d3/extra"), "x").unwrap();
    fs::create_dir_all(tree.join("extra/deep")).unwrap();
    fs::write(tree.join("extra/deep/f"), "x").unwrap();
    fs::set_permissions(tree.join("d4"), fs::Permissions::from_mode(0o711)).unwrap();
}

#[test]
fn of_a_tree_with_one_percent_changed_about_that_is_written_and_the_rest_is_left_alone() {
    let house = House::new();
    let tree = house.tree("tree");
    grow(&tree, 1000);
    house.backup(&tree);
    copy(&tree, &house.path("kept"));
    let whole = restore(&house, &RestoreOptions::new(house.path("elsewhere")).path(Key::from_path(&tree).unwrap()));
    assert_eq!((whole.unchanged_count, whole.written_bytes), (0, whole.bytes));

    let changed = 10;
    for number in (0..1000).step_by(100) {
        let file = fs::File::options().write(true).open(tree.join(format!("d{}/f{number}", number % 13))).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"spoiled", 0).unwrap();
    }
    let before = stamps(&tree);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let report = restore(&house, &options(&tree));
    assert_equal(&house.path("kept"), &tree);
    assert!(report.written_bytes > 0 && report.written_bytes <= whole.bytes / 50, "{report:?}");
    let after = stamps(&tree);
    let touched: Vec<&PathBuf> = before.keys().filter(|path| before.get(*path) != after.get(*path)).collect();
    assert_eq!(touched.len(), changed, "{touched:?}");
    assert!(
        touched.iter().all(|path| before[*path].0 == after[*path].0),
        "the changed files are written where they lie"
    );
    let entries = u64::try_from(before.len()).unwrap();
    // One of them is a further name of a file.
    assert_eq!(report.unchanged_count + u64::try_from(changed).unwrap(), entries, "{report:?}");
}

#[test]
fn of_a_long_file_only_the_pieces_that_differ_are_written_into_the_same_inode() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("long"), noise(7, 12 << 20)).unwrap();
    house.backup(&tree);
    copy(&tree, &house.path("kept"));
    let inode = fs::metadata(tree.join("long")).unwrap().ino();
    let file = fs::File::options().write(true).open(tree.join("long")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"spoiled", 5 << 20).unwrap();
    file.set_len(13 << 20).unwrap();
    let report = restore(&house, &options(&tree));
    assert_equal(&house.path("kept"), &tree);
    assert_eq!(fs::metadata(tree.join("long")).unwrap().ino(), inode);
    assert!(report.written_bytes > 0 && report.written_bytes <= 512 << 10, "{report:?}");
    let again = restore(&house, &options(&tree));
    assert_eq!((again.written_bytes, again.unchanged_count), (0, 2), "{again:?}");
}

/// Stops at the n-th question.
pub(crate) struct StopAt {
    pub(crate) left: AtomicU64,
}

impl Progress for StopAt {
    fn event(&self, _: &Event<'_>) {}

    fn stopped(&self) -> bool {
        let less = |left: u64| Some(left.saturating_sub(1));
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).unwrap() == 0
    }
}

#[test]
fn a_run_that_was_stopped_anywhere_is_completed_by_the_next() {
    let house = House::new();
    let tree = house.tree("tree");
    grow(&tree, 26);
    house.backup(&tree);
    copy(&tree, &house.path("kept"));
    let expected = look(&tree);
    spoil(&tree, 26);
    copy(&tree, &house.path("spoiled"));
    let mut stop_count = 0;
    for step in 0.. {
        fs::remove_dir_all(&tree).unwrap();
        // From what is spoiled, and every other time from nothing.
        if step % 2 == 0 {
            copy(&house.path("spoiled"), &tree);
        }
        let wanted = options(&tree).extras(Extras::Delete);
        let stopping = StopAt { left: AtomicU64::new(step) };
        let stopped = house.open().restore(&house.latest(), &wanted, &stopping);
        let is_stopped = stopped.as_ref().is_err_and(|error| error.kind() == holdall::ErrorKind::Interrupted);
        assert!(is_stopped || stopped.as_ref().is_ok_and(|report| report.problem_count == 0), "{step}: {stopped:?}");
        let second = if step % 3 == 0 { wanted.clone().overwrite(Overwrite::IfChanged) } else { wanted.clone() };
        restore(&house, &second);
        assert!(look(&tree) == expected, "stopped at {step}");
        let third = restore(&house, &wanted);
        assert_eq!((third.written_bytes, third.deleted_count), (0, 0), "{step}");
        stop_count += u64::from(is_stopped);
        if !is_stopped && step > 10 {
            break;
        }
    }
    assert_equal(&house.path("kept"), &tree);
    assert!(stop_count > 50, "only {stop_count} places to stop at");
}

#[test]
fn files_that_an_interrupted_run_left_are_completed_also_by_one_that_overwrites_nothing() {
    let house = House::new();
    let tree = house.tree("tree");
    for number in 0..12 {
        fs::write(tree.join(format!("f{number}")), noise(number, 100_000)).unwrap();
    }
    house.backup(&tree);
    let expected = look(&tree);
    let leaving = [Overwrite::Never, Overwrite::IfNewer];
    for (first, then) in leaving.into_iter().flat_map(|leaving| [(leaving, leaving), (Overwrite::Always, leaving)]) {
        for step in 0.. {
            fs::remove_dir_all(&tree).unwrap();
            let (first, then) = (options(&tree).overwrite(first), options(&tree).overwrite(then));
            let stopped = house.open().restore(&house.latest(), &first, &StopAt { left: AtomicU64::new(step) });
            restore(&house, &then);
            assert!(look(&tree) == expected, "{first:?}, {then:?}, stopped at {step}");
            if stopped.is_ok() {
                assert!(step > 10);
                break;
            }
        }
    }
}

/// Its name was there, so whoever overwrites nothing passed over it.
#[test]
fn a_pipe_that_an_interrupted_run_left_is_completed_also_by_one_that_overwrites_nothing() {
    let house = House::new();
    let tree = house.tree("tree");
    let pipe = tree.join("pipe");
    let make = |mode: u32| {
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        fs::set_permissions(&pipe, fs::Permissions::from_mode(mode)).unwrap();
    };
    make(0o640);
    house.backup(&tree);
    let facts = || fs::metadata(&pipe).map(|found| (found.mode() & 0o7777, found.mtime(), found.mtime_nsec())).unwrap();
    let expected = facts();
    for overwrite in [Overwrite::Never, Overwrite::IfNewer] {
        for (mode, is_completed) in [(0o1600, true), (0o600, false)] {
            fs::remove_file(&pipe).unwrap();
            make(mode);
            restore(&house, &options(&tree).overwrite(overwrite));
            assert_eq!(facts() == expected, is_completed, "{overwrite:?}, {mode:o}");
        }
    }
}

#[test]
fn what_is_there_stays_or_yields_as_asked() {
    let cases = [
        (Overwrite::Always, [true, true, true]),
        (Overwrite::IfChanged, [false, true, true]),
        (Overwrite::IfNewer, [false, true, false]),
        (Overwrite::Never, [false, false, false]),
    ];
    let house = House::new();
    let tree = house.tree("tree");
    let names = ["same stamp", "older here", "newer here"];
    names.iter().for_each(|name| fs::write(tree.join(name), "snapshot").unwrap());
    fs::write(tree.join("gone"), "snapshot").unwrap();
    house.backup(&tree);
    let time = fs::metadata(tree.join("same stamp")).unwrap().modified().unwrap();
    for (overwrite, expected) in cases {
        let hour = std::time::Duration::from_secs(3600);
        for (name, time) in names.iter().zip([time, time - hour, time + hour]) {
            let mut file = fs::File::create(tree.join(name)).unwrap();
            std::io::Write::write_all(&mut file, b"not that").unwrap();
            file.set_modified(time).unwrap();
        }
        fs::remove_file(tree.join("gone")).unwrap();
        let report = restore(&house, &options(&tree).overwrite(overwrite));
        let found = names.map(|name| fs::read(tree.join(name)).unwrap() == b"snapshot");
        assert_eq!(found, expected, "{overwrite:?}");
        assert_eq!(fs::read(tree.join("gone")).unwrap(), b"snapshot");
        let left = expected.iter().filter(|overwritten| !**overwritten).count();
        let files = if overwrite == Overwrite::IfChanged { 0 } else { u64::try_from(left).unwrap() };
        // The folder, from which something was removed, stays as well, with its time.
        let folders = u64::from(matches!(overwrite, Overwrite::IfNewer | Overwrite::Never));
        assert_eq!((report.skipped_count, report.skipped_bytes), (files + folders, files * 8), "{overwrite:?}");
    }
}

#[test]
fn what_the_snapshot_does_not_hold_goes_only_where_it_was_asked_for() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::create_dir_all(tree.join("a/b")).unwrap();
    fs::write(tree.join("a/b/kept.txt"), "x").unwrap();
    house.backup(&tree);
    for name in ["a/extra.txt", "a/b/extra.log", "a/b/zz.txt"] {
        fs::write(tree.join(name), "x").unwrap();
    }
    fs::create_dir_all(tree.join("more/inner")).unwrap();
    fs::write(tree.join("more/inner/x.log"), "x").unwrap();
    fs::write(tree.join("more/y.txt"), "x").unwrap();
    symlink("/etc", tree.join("more/link.txt")).unwrap();
    let beside = house.path("beside");
    fs::write(&beside, "x").unwrap();

    assert_eq!(restore(&house, &options(&tree)).deleted_count, 0);
    let texts = |entry: &holdall::Entry| {
        if entry.key.name().ends_with(b".txt") { holdall::Choice::Take } else { holdall::Choice::Pass }
    };
    let only_texts = options(&tree).extras(Extras::Delete).select(std::sync::Arc::new(texts));
    assert_eq!(restore(&house, &only_texts).deleted_count, 4);
    assert!(tree.join("more/inner/x.log").exists() && tree.join("a/b/extra.log").exists());
    assert!(!tree.join("a/extra.txt").exists() && !tree.join("more/y.txt").exists() && Path::new("/etc").exists());

    // The directories above the backed up one are in the snapshot, but what else they hold was never asked for.
    let top = RestoreOptions::new("/").extras(Extras::Delete).manner(Manner::Rehearse);
    let told = Told::default();
    house.open().restore(&house.latest(), &top, &told).unwrap();
    let deleted = told.entries.into_inner().unwrap();
    let deleted: Vec<_> = deleted.iter().filter(|(_, (change, _))| *change == Change::Deleted).collect();
    assert_eq!(deleted.len(), 4, "{deleted:?}");
    assert!(deleted.iter().all(|(path, _)| path.starts_with(&tree)), "{deleted:?}");

    assert_eq!(restore(&house, &options(&tree).extras(Extras::Delete)).deleted_count, 4);
    assert!(!tree.join("more").exists() && tree.join("a/b/kept.txt").exists() && beside.exists());
}

#[test]
fn the_repository_and_what_is_mounted_are_never_removed() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("f"), "x").unwrap();
    house.backup(&tree);
    fs::create_dir_all(tree.join("backups/deep")).unwrap();
    fs::rename(house.store(), tree.join("backups/deep/repository")).unwrap();
    symlink(tree.join("backups/deep/repository"), house.store()).unwrap();
    let mounted = tree.join("mounted");
    fs::create_dir(&mounted).unwrap();
    let Some(_mounted) = Mounted::new(&mounted, "size=1m") else { return };
    fs::write(mounted.join("x"), "x").unwrap();
    let told = Told::default();
    let report = house.open().restore(&house.latest(), &options(&tree).extras(Extras::Delete), &told);
    assert_eq!(report.unwrap().problem_count, 0);
    assert!(mounted.join("x").exists());
    assert_eq!(told.spared.into_inner().unwrap().len(), 2);
    house.assert_clean();
}

/// Notes what is told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) entries: Mutex<BTreeMap<PathBuf, (Change, u64)>>,
    pub(crate) spared: Mutex<Vec<PathBuf>>,
}

impl Progress for Told {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Entry { path, change, bytes, .. } => {
                let before = self.entries.lock().unwrap().insert(path.to_path_buf(), (*change, *bytes));
                assert_eq!(before, None, "{path:?} is told twice");
            }
            Event::Spared { path, .. } => self.spared.lock().unwrap().push(path.to_path_buf()),
            Event::Phase(_)
            | Event::Estimated { .. }
            | Event::Entered { .. }
            | Event::Processed { .. }
            | Event::Stored { .. }
            | Event::LeftOut { .. }
            | Event::Problem { .. }
            | _ => {}
        }
    }

    fn wants_entries(&self) -> bool {
        true
    }
}

#[test]
fn a_rehearsal_tells_what_the_run_then_does_and_changes_nothing() {
    let house = House::new();
    let tree = house.tree("tree");
    grow(&tree, 60);
    house.backup(&tree);
    copy(&tree, &house.path("kept"));
    spoil(&tree, 60);
    let before = stamps(&tree);
    let wanted = options(&tree).extras(Extras::Delete);
    let run = |options: &RestoreOptions| {
        let told = Told::default();
        let report = house.open().restore(&house.latest(), options, &told).unwrap();
        assert_eq!(report.problem_count, 0, "{report:?}");
        (told.entries.into_inner().unwrap(), report)
    };
    let (foretold, rehearsal) = run(&wanted.clone().manner(Manner::Rehearse));
    assert_eq!(stamps(&tree), before);
    let (told, report) = run(&wanted);
    for (path, change) in &told {
        // Making and removing changes the times of the directories around, which the rehearsal can't see.
        let is_around = matches!(change.0, Change::Metadata) && tree.join(path).is_dir();
        assert!(is_around || foretold.get(path) == Some(change), "{path:?}: {:?}, {change:?}", foretold.get(path));
    }
    assert_eq!(told.len(), foretold.len());
    assert_eq!((rehearsal.written_bytes, rehearsal.deleted_count), (report.written_bytes, report.deleted_count));
    assert_equal(&house.path("kept"), &tree);

    let elsewhere = RestoreOptions::new(house.path("none")).path(Key::from_path(&tree).unwrap());
    let (foretold, rehearsal) = run(&elsewhere.clone().manner(Manner::Rehearse));
    assert!(!house.path("none").exists());
    let (told, report) = run(&elsewhere);
    // The target itself is made before anything else, and is there by then.
    let below = |told: BTreeMap<PathBuf, (Change, u64)>| told.into_iter().skip(1).collect::<Vec<_>>();
    assert!(below(foretold) == below(told));
    assert_eq!(rehearsal.written_bytes, report.written_bytes);
}

#[test]
fn a_file_with_other_names_is_left_alone_or_replaced_never_changed() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("a"), "group").unwrap();
    fs::hard_link(tree.join("a"), tree.join("b")).unwrap();
    fs::write(tree.join("c"), "alone").unwrap();
    house.backup(&tree);
    copy(&tree, &house.path("kept"));

    let before = stamps(&tree);
    restore(&house, &options(&tree));
    assert_eq!(stamps(&tree), before, "a group that is right is left alone");

    // Another name outside sees nothing of what is written, nor of what is set.
    fs::hard_link(tree.join("c"), house.path("outside c")).unwrap();
    fs::hard_link(tree.join("a"), house.path("outside a")).unwrap();
    fs::write(tree.join("a"), "spoiled").unwrap();
    fs::set_permissions(tree.join("c"), fs::Permissions::from_mode(0o600)).unwrap();
    restore(&house, &options(&tree));
    assert_equal(&house.path("kept"), &tree);
    assert_eq!(fs::read(house.path("outside a")).unwrap(), b"spoiled");
    assert_eq!(fs::metadata(house.path("outside c")).unwrap().mode() & 0o777, 0o600);

    // Names of one file here that are two in the snapshot.
    fs::remove_file(tree.join("c")).unwrap();
    fs::hard_link(tree.join("a"), tree.join("c")).unwrap();
    restore(&house, &options(&tree));
    assert_equal(&house.path("kept"), &tree);
}

/// A link or a pipe that was there was taken for what it should be, with whatever other names it had: owner, mode and time
/// were set on all of them, also on those outside of the target.
#[test]
fn links_and_pipes_with_other_names_are_left_alone_or_replaced_never_changed() {
    let house = House::new();
    let tree = house.tree("tree");
    let run = |program: &str, arguments: &[&str]| {
        assert!(Command::new(program).args(arguments).current_dir(&tree).status().unwrap().success());
    };
    run("mkfifo", &["-m", "600", "p1", "g1"]);
    run("mkfifo", &["-m", "644", "p2"]);
    run("ln", &["g1", "g2"]);
    ["l1", "l2"].iter().for_each(|name| symlink("x", tree.join(name)).unwrap());
    run("touch", &["-h", "-d", "2001-01-01", "l1"]);
    house.backup(&tree);
    copy(&tree, &house.path("kept"));

    // Also with a name outside, where nothing is to be set.
    fs::hard_link(tree.join("p1"), house.path("outside right")).unwrap();
    fs::hard_link(tree.join("l1"), house.path("outside link")).unwrap();
    let before = stamps(&tree);
    restore(&house, &options(&tree));
    assert_eq!(stamps(&tree), before);

    ["p1", "p2", "g1", "l2"].iter().for_each(|name| fs::remove_file(tree.join(name)).unwrap());
    run("mkfifo", &["-m", "640", "../outside"]);
    ["p1", "p2", "g1"].iter().for_each(|name| fs::hard_link(house.path("outside"), tree.join(name)).unwrap());
    fs::hard_link(tree.join("l1"), tree.join("l2")).unwrap();
    let rehearsed = restore(&house, &options(&tree).manner(Manner::Rehearse));
    let performed = restore(&house, &options(&tree));
    assert_equal(&house.path("kept"), &tree);
    let outside = fs::metadata(house.path("outside")).unwrap();
    assert_eq!((outside.mode() & 0o777, outside.nlink()), (0o640, 1));
    assert_eq!(rehearsed.unchanged_count, performed.unchanged_count);
    let before = stamps(&tree);
    restore(&house, &options(&tree));
    assert_eq!(stamps(&tree), before);
}

/// The block in which a file ends kept its space where a hole was made of the part of it that the file has, and each restore
/// made that hole again.
#[test]
fn a_hole_that_ends_with_the_file_within_a_block_comes_back_at_once() {
    let house = House::new();
    let (tree, target) = (house.tree("tree"), house.tree("target"));
    let lengths = [66_084, 266_084];
    for length in lengths {
        let sparse = fs::File::create(tree.join(length.to_string())).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, &noise(1, 4096), 0).unwrap();
        sparse.set_len(length.try_into().unwrap()).unwrap();
        fs::write(target.join(length.to_string()), noise(2, length)).unwrap();
    }
    house.backup(&tree);
    let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap());
    restore(&house, &wanted);
    let blocks = |tree: &Path| lengths.map(|length| fs::metadata(tree.join(length.to_string())).unwrap().blocks());
    assert_eq!(blocks(&target), blocks(&tree));
    assert_equal(&tree, &target);
    let again = restore(&house, &wanted);
    assert_eq!((again.written_bytes, again.unchanged_count), (0, 3), "{again:?}");
}

#[test]
fn two_groups_that_became_one_file_are_two_again() {
    let house = House::new();
    let tree = house.tree("tree");
    for (first, further) in [("a", "b"), ("c", "d")] {
        fs::write(tree.join(first), "alike").unwrap();
        fs::hard_link(tree.join(first), tree.join(further)).unwrap();
        fs::File::open(tree.join(first)).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    house.backup(&tree);
    copy(&tree, &house.path("kept"));
    for name in ["c", "d"] {
        fs::remove_file(tree.join(name)).unwrap();
        fs::hard_link(tree.join("a"), tree.join(name)).unwrap();
    }
    restore(&house, &options(&tree));
    assert_equal(&house.path("kept"), &tree);
}

#[test]
fn a_running_program_is_replaced_and_goes_on_running() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("program"), noise(3, 300_000)).unwrap();
    house.backup(&tree);
    copy(&tree, &house.path("kept"));
    fs::remove_file(tree.join("program")).unwrap();
    fs::copy("/bin/sleep", tree.join("program")).unwrap();
    let mut running = Command::new(tree.join("program")).arg("60").spawn().unwrap();
    restore(&house, &options(&tree));
    assert_equal(&house.path("kept"), &tree);
    assert!(running.try_wait().unwrap().is_none());
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn several_parts_come_back_at_their_own_paths_and_nothing_else_does() {
    let house = House::new();
    let tree = house.tree("tree");
    for name in ["a/x/f", "a/y/f", "b/f", "c"] {
        fs::create_dir_all(tree.join(name).parent().unwrap()).unwrap();
        fs::write(tree.join(name), name).unwrap();
    }
    house.backup(&tree);
    let target = house.path("target");
    let parts = ["a/x", "c", "b"].map(|name| Key::from_path(&tree.join(name)).unwrap());
    let report = restore(&house, &RestoreOptions::new(&target).parts(parts));
    assert_eq!(report.file_count, 3);
    let below = target.join(tree.strip_prefix("/").unwrap());
    assert_eq!(fs::read(below.join("a/x/f")).unwrap(), b"a/x/f");
    assert!(below.join("b/f").exists() && below.join("c").exists() && !below.join("a/y").exists());
    let nothing = RestoreOptions::new(&target).parts([Key::from_path(&tree.join("d")).unwrap()]);
    let error = house.open().restore(&house.latest(), &nothing, &Silent).unwrap_err();
    assert_eq!(error.kind(), holdall::ErrorKind::NotFound);
}

#[test]
fn owners_are_set_by_number_or_not_at_all_when_asked() {
    if !rustix::process::geteuid().is_root() {
        return leave_out("root", "only root gives files to others");
    }
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("f"), "x").unwrap();
    std::os::unix::fs::chown(tree.join("f"), Some(4711), Some(4712)).unwrap();
    fs::set_permissions(tree.join("f"), fs::Permissions::from_mode(0o4755)).unwrap();
    house.backup(&tree);
    for (ownership, expected) in [(Ownership::ByNumber, (4711, 0o4755)), (Ownership::Restorer, (0, 0o755))] {
        let target = house.path(&format!("{ownership:?}"));
        let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap()).ownership(ownership);
        restore(&house, &wanted);
        let found = fs::metadata(target.join("f")).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o7777), expected, "{ownership:?}");
    }
}
