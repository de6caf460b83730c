//! Restoring over what is there: what of it is left as it was found.

use crate::house::{House, assert_equal};
use crate::in_place::{StopAt, Told, copy, look, noise, options, restore, stamps};
use crate::lacking::leave_out;
use holdall::{Change, Choice, Entry, Extras, Key, Manner, Overwrite, RestoreOptions, RestoreProblemKind, Silent};
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, UNIX_EPOCH};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Something mounted in memory until the end of a test.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// None where nobody may mount.
    pub(crate) fn new(at: &Path, options: &str) -> Option<Self> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(at).output();
        let is_mounted = mount.is_ok_and(|done| done.status.success());
        if !is_mounted {
            leave_out("mount", "this user may not mount");
        }
        is_mounted.then(|| Self(at.to_path_buf()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// A backup that stays on one file system holds an empty folder where another one is mounted. A restore with `--delete` over
/// the same machine once emptied that file system.
#[test]
fn what_is_mounted_where_the_snapshot_holds_a_folder_is_not_emptied() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::create_dir_all(tree.join("mounted/below")).unwrap();
    house.backup(&tree);
    let Some(_mounted) = Mounted::new(&tree.join("mounted"), "size=1m") else { return };
    fs::create_dir(tree.join("mounted/below")).unwrap();
    let kept = [tree.join("mounted/precious"), tree.join("mounted/below/precious")];
    kept.iter().for_each(|path| fs::write(path, "precious").unwrap());
    fs::write(tree.join("extra"), "x").unwrap();
    let told = Told::default();
    let report = house.open().restore(&house.latest(), &options(&tree).extras(Extras::Delete), &told).unwrap();
    assert_eq!((report.problem_count, report.deleted_count), (0, 1), "{report:?}");
    assert!(kept.iter().all(|path| path.exists()) && !tree.join("extra").exists());
    assert_eq!(told.spared.into_inner().unwrap(), [tree.join("mounted")]);

    // The target itself may be mounted: that is what was named.
    let part = Key::from_path(&tree.join("mounted")).unwrap();
    let options = RestoreOptions::new(tree.join("mounted")).path(part).extras(Extras::Delete);
    assert_eq!(restore(&house, &options).deleted_count, 2);
}

#[test]
fn folders_above_what_was_backed_up_keep_what_they_have() {
    let house = House::new();
    let tree = house.tree("above/tree");
    fs::write(tree.join("f"), "x").unwrap();
    set_mode(&house.path("above"), 0o755);
    set_mode(&tree, 0o750);
    house.backup(&tree);
    let target = house.tree("target");
    let above = target.join(house.path("above").strip_prefix("/").unwrap());
    fs::create_dir_all(&above).unwrap();
    for (path, mode) in [(&target, 0o1777), (&above, 0o700)] {
        set_mode(path, mode);
    }
    let long_ago = UNIX_EPOCH + Duration::from_secs(1000);
    fs::create_dir(above.join("tree")).unwrap();
    fs::File::open(&above).unwrap().set_modified(long_ago).unwrap();
    restore(&house, &RestoreOptions::new(&target));
    assert_eq!((mode_of(&target), mode_of(&above), mode_of(&above.join("tree"))), (0o1777, 0o700, 0o750));
    assert_eq!(fs::metadata(&above).unwrap().modified().unwrap(), long_ago);

    // Where they are made they become what they were.
    let fresh = house.path("fresh");
    restore(&house, &RestoreOptions::new(&fresh));
    let above = fresh.join(house.path("above").strip_prefix("/").unwrap());
    assert_eq!((mode_of(&fresh), mode_of(&above)), (mode_of(Path::new("/")), 0o755));
}

#[test]
fn folders_that_an_interrupted_run_made_become_what_they_were() {
    let house = House::new();
    let tree = house.tree("above/tree");
    for number in 0..4 {
        fs::create_dir(tree.join(format!("d{number}"))).unwrap();
        fs::write(tree.join(format!("d{number}/f")), noise(number, 1000)).unwrap();
        set_mode(&tree.join(format!("d{number}")), 0o751);
    }
    set_mode(&house.path("above"), 0o755);
    house.backup(&tree);
    for overwrite in [Overwrite::Always, Overwrite::Never, Overwrite::IfNewer] {
        for step in 0.. {
            let target = house.path(&format!("target {overwrite:?} {step}"));
            let wanted = RestoreOptions::new(&target).overwrite(overwrite);
            let stopping = StopAt { left: AtomicU64::new(step) };
            let stopped = house.open().restore(&house.latest(), &wanted, &stopping);
            restore(&house, &wanted);
            let above = target.join(house.path("above").strip_prefix("/").unwrap());
            assert_eq!(mode_of(&target), mode_of(Path::new("/")), "{overwrite:?}, stopped at {step}");
            assert_eq!(mode_of(&above), 0o755, "{overwrite:?}, stopped at {step}");
            assert!(look(&above.join("tree")) == look(&tree), "{overwrite:?}, stopped at {step}");
            if stopped.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn folders_that_are_there_stay_as_they_are_where_that_is_asked_for() {
    let house = House::new();
    let tree = house.tree("tree");
    for name in ["older", "newer"] {
        fs::create_dir(tree.join(name)).unwrap();
        fs::write(tree.join(name).join("f"), "x").unwrap();
        set_mode(&tree.join(name), 0o755);
    }
    house.backup(&tree);
    let modified = |name: &str| fs::metadata(tree.join(name)).unwrap().modified().unwrap();
    let stored = ["older", "newer"].map(modified);
    let hour = Duration::from_secs(3600);
    let cases =
        [(Overwrite::Always, [0o755, 0o755]), (Overwrite::IfNewer, [0o755, 0o700]), (Overwrite::Never, [0o700; 2])];
    for (overwrite, expected) in cases {
        let times = [("older", stored[0] - hour), ("newer", stored[1] + hour)];
        for (name, time) in times {
            set_mode(&tree.join(name), 0o700);
            fs::File::open(tree.join(name)).unwrap().set_modified(time).unwrap();
        }
        restore(&house, &options(&tree).overwrite(overwrite));
        assert_eq!(times.map(|(name, _)| mode_of(&tree.join(name))), expected, "{overwrite:?}");
        for (((name, before), stored), mode) in times.into_iter().zip(stored).zip(expected) {
            assert_eq!(modified(name), if mode == 0o700 { before } else { stored }, "{overwrite:?}, {name}");
        }
    }
}

/// The start of every program and library.
fn library(seed: u64, length: usize) -> Vec<u8> {
    [&b"\x7fELF"[..], &noise(seed, length)].concat()
}

/// Writing to a library that is mapped changes, and shortening it kills, whatever uses it.
#[test]
fn a_library_that_differs_is_replaced_and_who_uses_the_old_one_sees_nothing() {
    let house = House::new();
    let tree = house.tree("tree");
    // The long one lies in several windows, and only its end differs.
    for (name, length) in [("short.so", 50_000), ("long.so", 90 << 20), ("right.so", 50_000)] {
        fs::write(tree.join(name), library(7, length)).unwrap();
    }
    house.backup(&tree);
    copy(&tree, &house.path("kept"));
    let before = stamps(&tree);
    let mapped = ["short.so", "long.so"].map(|name| {
        let file = fs::File::options().read(true).write(true).open(tree.join(name)).unwrap();
        file.write_all_at(b"another version", file.metadata().unwrap().len() - 20).unwrap();
        (fs::read(tree.join(name)).unwrap(), file)
    });
    restore(&house, &options(&tree));
    assert_equal(&house.path("kept"), &tree);
    for (content, file) in mapped {
        let mut found = vec![0; content.len()];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found == content, "what was open has changed");
    }
    assert_eq!(stamps(&tree)[Path::new("right.so")], before[Path::new("right.so")]);
}

#[test]
fn a_right_file_stays_although_it_has_another_name_elsewhere() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("a"), noise(1, 100_000)).unwrap();
    fs::write(tree.join("b"), "small").unwrap();
    for name in ["c", "d"] {
        fs::write(tree.join(name), "alike").unwrap();
        fs::File::open(tree.join(name)).unwrap().set_modified(UNIX_EPOCH).unwrap();
    }
    house.backup(&tree);
    copy(&tree, &house.path("kept"));
    for name in ["a", "b"] {
        fs::hard_link(tree.join(name), house.path(&format!("outside {name}"))).unwrap();
    }
    for overwrite in [Overwrite::Always, Overwrite::IfChanged] {
        let before = stamps(&tree);
        let told = Told::default();
        house.open().restore(&house.latest(), &options(&tree).overwrite(overwrite), &told).unwrap();
        assert_eq!(stamps(&tree), before, "{overwrite:?}");
        let told = told.entries.into_inner().unwrap();
        assert!(told.values().all(|(change, _)| *change == Change::Unchanged), "{overwrite:?}: {told:?}");
    }
    // Two files of the snapshot are no names of one, however right that is.
    fs::remove_file(tree.join("d")).unwrap();
    fs::hard_link(tree.join("c"), tree.join("d")).unwrap();
    restore(&house, &options(&tree));
    assert_equal(&house.path("kept"), &tree);
    let inode = |name: &str| fs::metadata(tree.join(name)).unwrap().ino();
    assert_ne!(inode("c"), inode("d"));
}

/// A file of one chunk that the disk had no room for once had its final mode, and no later run knew that it was cut off.
#[test]
fn a_file_that_found_no_room_is_completed_by_a_run_that_overwrites_nothing() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("f"), noise(1, 9000)).unwrap();
    house.backup(&tree);
    copy(&tree, &house.path("kept"));
    let target = house.tree("target");
    let Some(_mounted) = Mounted::new(&target, "size=16k,mode=755") else { return };
    fs::write(target.join("in the way"), noise(2, 12 << 10)).unwrap();
    let wanted = RestoreOptions::new(&target).path(Key::from_path(&tree).unwrap());
    let error = house.open().restore(&house.latest(), &wanted, &Silent).unwrap_err();
    assert_eq!(error.kind(), holdall::ErrorKind::NoSpace);
    let place = format!("can't write {}", target.join("f").display());
    assert!(error.to_string().starts_with(&place), "{error}");
    fs::remove_file(target.join("in the way")).unwrap();
    restore(&house, &wanted.overwrite(Overwrite::Never));
    assert_eq!(fs::read(target.join("f")).unwrap(), fs::read(tree.join("f")).unwrap());
    assert_eq!(mode_of(&target.join("f")), mode_of(&tree.join("f")));
}

/// A file that lay where a folder had to be that only lies on the way to what was chosen was deleted, and nobody was told.
#[test]
fn what_lies_in_the_place_of_a_folder_on_the_way_stays_where_that_is_asked_for() {
    let house = House::new();
    let tree = house.tree("tree");
    for name in ["b/deep/g", "b/deep/f", "b/g", "c/g", "d/f"] {
        fs::create_dir_all(tree.join(name).parent().unwrap()).unwrap();
        fs::write(tree.join(name), name).unwrap();
    }
    house.backup(&tree);
    let only_g = |entry: &Entry| if entry.key.name() == b"g" { Choice::Take } else { Choice::Pass };
    let top = Key::from_path(&tree).unwrap();
    let chosen = |target: &Path| RestoreOptions::new(target).path(top.clone()).select(Arc::new(only_g));
    let parts = |target: &Path| {
        let parts = ["b/deep/g", "b/g", "c/g"].map(|name| Key::from_path(&tree.join(name)).unwrap());
        RestoreOptions::new(target).parts(parts)
    };
    for (case, overwrite) in [Overwrite::Never, Overwrite::IfNewer].into_iter().enumerate() {
        let targets = [house.tree(&format!("chosen {case}")), house.tree(&format!("parts {case}"))];
        let below = targets[1].join(tree.strip_prefix("/").unwrap());
        for (wanted, place) in [(chosen(&targets[0]), &targets[0]), (parts(&targets[1]), &below)] {
            fs::create_dir_all(place).unwrap();
            fs::write(place.join("b"), "precious").unwrap();
            // Nothing below it is chosen.
            symlink("precious", place.join("d")).unwrap();
            for manner in [Manner::Rehearse, Manner::Perform] {
                let wanted = wanted.clone().overwrite(overwrite).manner(manner);
                let report = house.open().restore(&house.latest(), &wanted, &Silent).unwrap();
                assert_eq!((report.problem_count, report.file_count), (1, 1), "{overwrite:?}, {manner:?}: {report:?}");
                let [problem] = &report.problems[..] else { panic!("{report:?}") };
                assert_eq!((&problem.path, problem.kind), (&tree.join("b"), RestoreProblemKind::Refused));
                assert_eq!(fs::read(place.join("b")).unwrap(), b"precious");
                assert_eq!(fs::read_link(place.join("d")).unwrap(), Path::new("precious"));
            }
            assert_eq!(fs::read(place.join("c/g")).unwrap(), b"c/g");
            restore(&house, &wanted);
            assert_eq!(fs::read(place.join("b/deep/g")).unwrap(), b"b/deep/g");
        }
    }
}

/// Where a path that leads through a link was backed up, as one below the /lib of many systems, the snapshot knows that link
/// as a folder. A restore to where it came from once put a folder there with nothing in it but what was backed up.
#[test]
fn a_link_in_the_place_of_a_folder_above_what_is_restored_is_never_replaced() {
    let house = House::new();
    fs::write(house.tree("system/usr/lib/mod").join("f"), "f").unwrap();
    symlink("usr/lib", house.path("system/lib")).unwrap();
    house.backup(&house.path("system/lib/mod"));
    let target = house.tree("target");
    let system = target.join(house.path("system").strip_prefix("/").unwrap());
    fs::create_dir_all(system.join("usr/lib")).unwrap();
    fs::write(system.join("usr/lib/other"), "other").unwrap();
    symlink("usr/lib", system.join("lib")).unwrap();
    let before = stamps(&target);

    let link = Key::from_path(&house.path("system/lib")).unwrap();
    let module = Key::from_path(&house.path("system/lib/mod")).unwrap();
    let chosen = Arc::new(|entry: &Entry| if entry.key.name() == b"f" { Choice::Take } else { Choice::Pass });
    let whole = RestoreOptions::new(&target);
    for wanted in [whole.clone().parts([module.clone()]), whole.clone().select(chosen), whole] {
        for overwrite in [Overwrite::Always, Overwrite::IfChanged, Overwrite::IfNewer, Overwrite::Never] {
            for manner in [Manner::Rehearse, Manner::Perform] {
                let wanted = wanted.clone().overwrite(overwrite).manner(manner);
                let report = house.open().restore(&house.latest(), &wanted, &Silent).unwrap();
                assert_eq!((report.problem_count, report.file_count), (1, 0), "{overwrite:?}, {manner:?}: {report:?}");
                let [problem] = &report.problems[..] else { panic!("{report:?}") };
                assert_eq!((&problem.path, problem.kind), (&link.to_path(), RestoreProblemKind::Refused));
                assert!(stamps(&target) == before, "{overwrite:?}, {manner:?}");
            }
        }
    }
    restore(&house, &RestoreOptions::new(system.join("usr/lib/mod")).path(module));
    assert_eq!(fs::read(system.join("lib/mod/f")).unwrap(), b"f");
}
