//! Targets in which something lies already, and the modes, owners and attributes that are set.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use rustix::fd::OwnedFd;

use super::*;
use crate::fs::{Labelled, as_ordinary_user};

const KINDS: [Kind; 6] = [Kind::Directory, Kind::File, Kind::Symlink, Kind::Fifo, Kind::Socket, Kind::CharDevice];

fn put(destination: &Destination, at: &Key, kind: Kind) -> Result<Made, DestinationError> {
    match kind {
        Kind::Directory => destination.make_directory(at),
        Kind::File => destination.create_file(at, 3, Existing::Reuse).map(|file| file.made()),
        Kind::Symlink => destination.make_symlink(at, b"target", Existing::Reuse),
        Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice | Kind::Unknown => {
            destination.make_special(at, (kind, Device { major: 1, minor: 3 }), Existing::Reuse)
        }
    }
}

fn mode_of(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn what_is_there_is_reused_or_taken_out_of_the_way() {
    let top = tempfile::tempdir().unwrap();
    let destination = Destination::open(top.path()).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let kinds = KINDS.into_iter().filter(|kind| is_root || *kind != Kind::CharDevice);
    for there in kinds.clone() {
        for wanted in kinds.clone() {
            let at = key(&format!("{there:?} {wanted:?}"));
            assert_eq!(put(&destination, &at, there).unwrap(), Made::New);
            let expected = if there == wanted { Made::Reused } else { Made::New };
            assert_eq!(put(&destination, &at, wanted).unwrap(), expected, "{at}");
            assert_eq!(destination.look(&at).unwrap().unwrap().kind, wanted);
        }
    }
    assert_eq!(destination.make_symlink(&key("Symlink Symlink"), b"elsewhere", Existing::Reuse).unwrap(), Made::New);
}

/// It was removed before anybody knew whether something else could be made in its place.
#[test]
fn what_is_there_stays_where_nothing_else_can_be_made() {
    as_ordinary_user("destination::tests::present::what_is_there_stays_where_nothing_else_can_be_made", |top| {
        fs::write(top.join("f"), "precious").unwrap();
        let destination = Destination::open(top).unwrap();
        let refused = put(&destination, &key("f"), Kind::CharDevice).unwrap_err();
        assert_eq!(refused.errno(), Errno::PERM.raw_os_error(), "{refused}");
        assert_eq!(fs::read(top.join("f")).unwrap(), b"precious");
        assert_eq!(fs::read_dir(top).unwrap().count(), 1, "nothing is left beside it");
    });
}

#[test]
fn what_an_interrupted_run_left_beside_its_place_is_replaced() {
    let top = tempfile::tempdir().unwrap();
    for name in ["first", "further"] {
        fs::write(top.path().join(name), name).unwrap();
    }
    fs::write(top.path().join(super::links::name_beside(b"further")), "left").unwrap();
    let destination = Destination::open(top.path()).unwrap();
    for made in [Made::New, Made::Reused] {
        assert_eq!(destination.make_link(&key("first"), &key("further")).unwrap(), made);
    }
    assert_eq!(fs::read(top.path().join("further")).unwrap(), b"first");
    assert_eq!(fs::read_dir(top.path()).unwrap().count(), 2);
}

#[test]
fn a_directory_with_something_in_it_is_kept_and_reported() {
    let top = tempfile::tempdir().unwrap();
    fs::create_dir_all(top.path().join("d/e")).unwrap();
    let destination = Destination::open(top.path()).unwrap();
    for wanted in KINDS.into_iter().skip(1) {
        let refused = put(&destination, &key("d"), wanted).unwrap_err();
        let in_the_way = matches!(refused, DestinationError::InTheWay { .. });
        // An ordinary user is told first that there are no devices for them.
        assert!(in_the_way || (wanted == Kind::CharDevice && refused.errno() == 1), "{wanted:?}: {refused}");
    }
    assert!(top.path().join("d/e").is_dir());
    destination.remove_tree(&key("d")).unwrap();
    assert_eq!(put(&destination, &key("d"), Kind::File).unwrap(), Made::New);
}

#[test]
fn a_file_written_over_has_new_content_length_and_holes() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("f");
    fs::write(&path, vec![1; 100_000]).unwrap();
    set_mode(&path, 0o4755);
    let inode = fs::metadata(&path).unwrap().ino();
    let destination = Destination::open(top.path()).unwrap();
    let file = destination.create_file(&key("f"), 40_960, Existing::Reuse).unwrap();
    assert_eq!((mode_of(&path), file.made()), (0o1600, Made::Reused));
    file.write_at(0, b"new").unwrap();
    file.make_hole(8192, 8192, 40_960).unwrap();
    file.write_zeros(20_480, 10_000).unwrap();
    let mut found = [9; 5];
    assert_eq!(file.read_at(0, &mut found).unwrap(), 5);
    assert_eq!(found, *b"new\x01\x01");
    assert_eq!(file.read_at(40_958, &mut found).unwrap(), 2);
    destination.set_metadata(&key("f"), &metadata(Kind::File, 0o600)).unwrap();
    let mut expected = vec![1; 40_960];
    expected[..3].copy_from_slice(b"new");
    expected[8192..16_384].fill(0);
    expected[20_480..30_480].fill(0);
    assert_eq!(fs::read(&path).unwrap(), expected);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    let open = OwnedFd::from(fs::File::open(&path).unwrap());
    let next = |from| rustix::fs::seek(&open, rustix::fs::SeekFrom::Hole(from)).unwrap();
    assert_eq!((next(0), next(16_384)), (8192, 40_960));
}

#[test]
fn threads_write_many_files_in_parts_and_out_of_order() {
    let top = tempfile::tempdir().unwrap();
    let destination = Destination::open(top.path()).unwrap();
    const PART: usize = 5000;
    // More files than stay open, each in parts that come from different threads.
    let keys: Vec<Key> = (0..500).map(|number| key(&format!("{}/{number}", number % 7))).collect();
    for directory in 0..7 {
        destination.make_directory(&key(&directory.to_string())).unwrap();
    }
    for (number, file) in keys.iter().enumerate() {
        destination.create_file(file, 4 * 5000, Existing::Reuse).unwrap();
        assert!(number < 250 || destination.lock_files().get(keys[0].as_bytes()).is_none(), "few stay open");
    }
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let (keys, destination) = (&keys, &destination);
            scope.spawn(move || {
                for part in 0..4usize {
                    let part = (part + thread) % 4;
                    for (number, file) in keys.iter().enumerate().filter(|(number, _)| (number + part) % 4 == thread) {
                        let bytes = [u8::try_from((number + part) % 251).unwrap(); PART];
                        let file = destination.file(file).unwrap();
                        file.write_at(u64::try_from(part * PART).unwrap(), &bytes).unwrap();
                    }
                }
            });
        }
    });
    for (number, file) in keys.iter().enumerate() {
        assert_eq!(destination.set_metadata(file, &metadata(Kind::File, 0o640)).unwrap().shortfalls.len(), 0);
        let path = top.path().join(file.to_path().strip_prefix("/").unwrap());
        let content = fs::read(&path).unwrap();
        assert_eq!((content.len(), mode_of(&path)), (4 * PART, 0o640));
        for (part, bytes) in content.chunks(PART).enumerate() {
            let expected = u8::try_from((number + part) % 251).unwrap();
            assert!(bytes.iter().all(|byte| *byte == expected), "{file} {part}");
        }
    }
}

#[test]
fn forbidding_directories_do_not_stop_an_ordinary_user() {
    as_ordinary_user("destination::tests::present::forbidding_directories_do_not_stop_an_ordinary_user", |top| {
        let destination = Destination::open(top).unwrap();
        // One run makes them, the next finds them closed; one that gets no metadata is closed again at the end.
        for made in [Made::New, Made::Reused] {
            for path in ["a", "a/b", "a/b/c"] {
                assert_eq!(destination.make_directory(&key(path)).unwrap(), made);
            }
            let file = destination.create_file(&key("a/b/c/f"), 3, Existing::Reuse).unwrap();
            assert_eq!(file.made(), made);
            file.write_at(0, b"new").unwrap();
            assert_eq!(
                destination.set_metadata(&key("a/b/c/f"), &metadata(Kind::File, 0o000)).unwrap().shortfalls.len(),
                0
            );
            for (path, mode) in [("a/b/c", 0o000), ("a/b", 0o500), ("a", 0o400)] {
                if made == Made::New || path != "a/b" {
                    let done =
                        destination.set_metadata(&key(path), &metadata(Kind::Directory, mode)).unwrap().shortfalls;
                    assert_eq!(done.len(), 0, "{done:?}");
                }
            }
            if made == Made::Reused {
                // `a` is closed by now; what was opened up below it is reached all the same.
                destination.settle().unwrap();
            }
        }
        set_mode(&top.join("a"), 0o700);
        assert_eq!(mode_of(&top.join("a/b")), 0o500);
        assert_eq!(mode_of(&top.join("a/b/c")), 0o000);
        let fresh = Destination::open(top).unwrap();
        fresh.remove_tree(&key("a")).unwrap();
        assert_eq!(fs::read_dir(top).unwrap().count(), 0);
    });
}

#[test]
fn links_lead_into_directories_that_are_closed_again_already() {
    as_ordinary_user("destination::tests::present::links_lead_into_directories_that_are_closed_again_already", |top| {
        let destination = Destination::open(top).unwrap();
        for path in ["a", "a/b", "c"] {
            destination.make_directory(&key(path)).unwrap();
        }
        destination.create_file(&key("a/b/f"), 0, Existing::Reuse).unwrap();
        for path in ["a/b", "a"] {
            destination.set_metadata(&key(path), &metadata(Kind::Directory, 0o000)).unwrap();
        }
        for made in [Made::New, Made::Reused] {
            assert_eq!(destination.make_link(&key("a/b/f"), &key("c/f")).unwrap(), made);
        }
        assert_eq!(fs::metadata(top.join("c/f")).unwrap().nlink(), 2);
        assert_eq!(mode_of(&top.join("a")), 0);
        set_mode(&top.join("a"), 0o700);
        assert_eq!(mode_of(&top.join("a/b")), 0);
        set_mode(&top.join("a/b"), 0o700);
    });
}

#[test]
fn what_an_ordinary_user_may_not_set_is_returned_and_lends_nothing() {
    as_ordinary_user(
        "destination::tests::present::what_an_ordinary_user_may_not_set_is_returned_and_lends_nothing",
        |top| {
            let destination = Destination::open(top).unwrap();
            destination.create_file(&key("f"), 0, Existing::Reuse).unwrap();
            let xattrs = [(&b"trusted.a"[..], &b"1"[..]), (b"user.a", b"2")];
            let xattrs = xattrs.map(|(name, value)| Xattr { name: name.to_vec(), value: value.to_vec() });
            let owner = Owner::Ids { uid: 0, gid: 0 };
            let wanted = Metadata { owner, mode: 0o6755, xattrs: xattrs.to_vec(), ..metadata(Kind::File, 0) };
            let shortfalls = destination.set_metadata(&key("f"), &wanted).unwrap().shortfalls;
            let aspects: Vec<&Aspect> = shortfalls.iter().map(|shortfall| &shortfall.aspect).collect();
            let trusted = Aspect::Xattr(b"trusted.a".to_vec());
            assert_eq!(aspects, [&Aspect::Owner, &Aspect::Group, &Aspect::LendingBits, &trusted]);
            assert_eq!(mode_of(&top.join("f")), 0o755);
            let found = fs::metadata(top.join("f")).unwrap();
            assert_eq!((found.mtime(), found.mtime_nsec()), (-5, 7), "the rest is set all the same");

            // One's own ids can be set, and the bits with them.
            let owner = Owner::Ids { uid: found.uid(), gid: found.gid() };
            let own = Metadata { owner, mode: 0o6755, ..metadata(Kind::File, 0) };
            assert_eq!(destination.set_metadata(&key("f"), &own).unwrap().shortfalls.len(), 0);
            assert_eq!(mode_of(&top.join("f")), 0o6755);
            let nobody = Metadata { owner: Owner::Restorer, ..own };
            assert_eq!(destination.set_metadata(&key("f"), &nobody).unwrap().shortfalls.len(), 0);
            assert_eq!(mode_of(&top.join("f")), 0o755);

            let device = destination.make_special(
                &key("null"),
                (Kind::CharDevice, Device { major: 1, minor: 3 }),
                Existing::Reuse,
            );
            assert_eq!(device.unwrap_err().errno(), 1);
        },
    );
}

/// A POSIX ACL as the kernel keeps it: tag, rights, id of each entry.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let entry = |(tag, rights, id): &(u16, u16, u32)| {
        [&tag.to_le_bytes()[..], &rights.to_le_bytes()[..], &id.to_le_bytes()[..]].concat()
    };
    [2u32.to_le_bytes().to_vec(), entries.iter().flat_map(entry).collect()].concat()
}

#[test]
fn attributes_that_are_not_wanted_go_also_inherited_ones() {
    let top = tempfile::tempdir().unwrap();
    let nobody = u32::MAX;
    let default = acl(&[(1, 7, nobody), (2, 7, 1234), (4, 5, nobody), (16, 7, nobody), (32, 0, nobody)]);
    let directory = OwnedFd::from(fs::File::open(top.path()).unwrap());
    Labelled::held(&directory).set(b"system.posix_acl_default", &default).unwrap();
    let destination = Destination::open(top.path()).unwrap();
    destination.make_directory(&key("d")).unwrap();
    destination.create_file(&key("f"), 0, Existing::Reuse).unwrap();
    let names = |path: &str| {
        let names = Labelled::named(&directory, path.as_bytes()).names().unwrap();
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!((names("d").len(), names("f").len()), (2, 1), "inherited");
    let mut wanted = metadata(Kind::File, 0o640);
    wanted.xattrs.push(Xattr { name: b"user.old".to_vec(), value: b"1".to_vec() });
    assert_eq!(destination.set_metadata(&key("f"), &wanted).unwrap().shortfalls.len(), 0);
    assert_eq!(destination.set_metadata(&key("d"), &metadata(Kind::Directory, 0o750)).unwrap().shortfalls.len(), 0);
    assert_eq!((names("d").len(), names("f")), (0, ["user.old".to_owned()].into()));
    assert_eq!(destination.set_metadata(&key("f"), &metadata(Kind::File, 0o640)).unwrap().shortfalls.len(), 0);
    assert_eq!(names("f").len(), 0);
    assert_eq!((mode_of(&top.path().join("d")), mode_of(&top.path().join("f"))), (0o750, 0o640));
}

/// Attributes of users were refused where a list of rights that was set before them let nobody write, and where the mode of
/// what was there did.
#[test]
fn an_ordinary_user_sets_attributes_on_what_its_owner_may_not_write() {
    let name = "destination::tests::present::an_ordinary_user_sets_attributes_on_what_its_owner_may_not_write";
    as_ordinary_user(name, |top| {
        let destination = Destination::open(top).unwrap();
        let xattr = |name: &str, value: &[u8]| Xattr { name: name.into(), value: value.to_vec() };
        let list = acl(&[(1, 5, u32::MAX), (2, 5, 1000), (4, 0, u32::MAX), (0x10, 5, u32::MAX), (0x20, 0, u32::MAX)]);
        let listed = vec![xattr("system.posix_acl_access", &list), xattr("user.z", b"1")];
        for (kind, name) in [(Kind::File, "f"), (Kind::Directory, "d")] {
            put(&destination, &key(name), kind).unwrap();
            let set = |mode, xattrs| {
                let wanted = Metadata { xattrs, ..metadata(kind, mode) };
                let set = destination.set_metadata(&key(name), &wanted).unwrap();
                assert!(set.changed && set.shortfalls.is_empty(), "{name}: {set:?}");
                assert!(!destination.metadata_differs(&key(name), &wanted).unwrap(), "{name}");
                assert_eq!(u32::from(mode), mode_of(&top.join(name)));
            };
            set(0o550, listed.clone());
            set(0o444, vec![xattr("user.y", b"2"), xattr("user.z", b"2")]);
            set(0o444, vec![xattr("user.z", b"3")]);
            set(0o550, listed.clone());
        }
    });
}

#[test]
fn an_acl_that_can_not_be_set_gives_the_group_no_more_than_it_had() {
    let top = tempfile::tempdir().unwrap();
    let destination = Destination::open(top.path()).unwrap();
    destination.create_file(&key("f"), 0, Existing::Reuse).unwrap();
    // The owning group may read; the mask, which the mode shows, lets others named here write. The version is unknown.
    let mut broken = acl(&[(1, 6, 0), (4, 4, 0), (16, 7, 0), (32, 0, 0)]);
    broken[0] = 77;
    let mut wanted = metadata(Kind::File, 0o670);
    wanted.xattrs.push(Xattr { name: b"system.posix_acl_access".to_vec(), value: broken });
    let shortfalls = destination.set_metadata(&key("f"), &wanted).unwrap().shortfalls;
    assert_eq!(shortfalls.len(), 1, "{shortfalls:?}");
    assert_eq!(mode_of(&top.path().join("f")), 0o640);
}

#[test]
fn trees_are_removed_with_links_not_followed_and_closed_directories_opened() {
    let top = tempfile::tempdir().unwrap();
    let (target, outside) = (top.path().join("target"), top.path().join("outside"));
    fs::create_dir_all(target.join("d/closed/inner")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "").unwrap();
    fs::write(target.join("d/closed/inner/f"), "").unwrap();
    symlink(&outside, target.join("d/link")).unwrap();
    symlink(&outside, target.join("link")).unwrap();
    set_mode(&target.join("d/closed"), 0o000);
    let destination = Destination::open(&target).unwrap();
    assert_eq!(destination.names(&Key::root()).unwrap().iter().collect::<Vec<_>>(), [&b"d"[..], b"link"]);
    for name in ["d", "link", "none"] {
        destination.remove_tree(&key(name)).unwrap();
    }
    assert_eq!(destination.names(&Key::root()).unwrap().count(), 0);
    assert!(outside.join("kept").exists());
    // What comes to lie there is another directory, although handles were open.
    destination.make_directory(&key("d")).unwrap();
    destination.create_file(&key("d/f"), 0, Existing::Reuse).unwrap();
    assert!(target.join("d/f").exists());
}

#[test]
fn links_to_one_inode_are_made_of_every_kind_and_replace_what_is_there() {
    let top = tempfile::tempdir().unwrap();
    let destination = Destination::open(top.path()).unwrap();
    for kind in [Kind::File, Kind::Symlink, Kind::Fifo, Kind::Socket] {
        let (first, further) = (key(&format!("{kind:?}")), key(&format!("{kind:?} 2")));
        put(&destination, &first, kind).unwrap();
        fs::write(top.path().join(format!("{kind:?} 2")), "in the way").unwrap();
        assert_eq!(destination.make_link(&first, &further).unwrap(), Made::New);
        assert_eq!(destination.make_link(&first, &further).unwrap(), Made::Reused);
        let look = |at| destination.look(at).unwrap().unwrap();
        assert_eq!((look(&first).inode, look(&first).links), (look(&further).inode, 2));
    }
    assert_eq!(destination.make_link(&key("none"), &key("other")).unwrap_err().errno(), 2);
}

#[test]
fn a_full_disk_is_told_apart() {
    let full = DestinationError::refused(&key("f"), Operation::Write, Errno::NOSPC);
    assert!(full.is_full() && !DestinationError::refused(&key("f"), Operation::Write, Errno::IO).is_full());
}

#[test]
fn a_target_that_is_no_directory_or_whose_parent_is_missing_is_refused() {
    let top = tempfile::tempdir().unwrap();
    fs::write(top.path().join("f"), "").unwrap();
    for (name, errno) in [("f", 20), ("none/d", 2)] {
        let error = Destination::open(&top.path().join(name)).unwrap_err();
        assert_eq!(error.errno(), errno, "{error}");
    }
    let file = fs::File::options().write(true).open(top.path().join("f")).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    assert!(Arc::new(Destination::open(top.path()).unwrap()).sync().is_ok());
}

/// What must not change about an entry that is left alone.
fn stamps(path: &Path) -> (u64, u32, i64, i64, i64, i64) {
    let found = path.symlink_metadata().unwrap();
    (found.ino(), found.mode(), found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec())
}

#[test]
fn metadata_that_is_as_wanted_is_not_set_again() {
    let top = tempfile::tempdir().unwrap();
    let destination = Destination::open(top.path()).unwrap();
    for kind in [Kind::Directory, Kind::File, Kind::Symlink, Kind::Fifo] {
        let at = key(&format!("{kind:?}"));
        put(&destination, &at, kind).unwrap();
        let mut wanted = metadata(kind, if kind == Kind::Symlink { 0o777 } else { 0o640 });
        if matches!(kind, Kind::Directory | Kind::File) {
            wanted.xattrs.push(Xattr { name: b"user.a".to_vec(), value: b"b".to_vec() });
        }
        assert!(destination.metadata_differs(&at, &wanted).unwrap(), "{kind:?}");
        assert!(destination.set_metadata(&at, &wanted).unwrap().changed, "{kind:?}");
        let path = top.path().join(format!("{kind:?}"));
        let before = stamps(&path);
        std::thread::sleep(std::time::Duration::from_millis(15));
        assert!(!destination.metadata_differs(&at, &wanted).unwrap(), "{kind:?}");
        assert!(!destination.set_metadata(&at, &wanted).unwrap().changed, "{kind:?}");
        assert_eq!(stamps(&path), before, "{kind:?}");
        if let Some(xattr) = wanted.xattrs.first_mut() {
            xattr.value = b"c".to_vec();
            assert!(destination.metadata_differs(&at, &wanted).unwrap(), "{kind:?}");
            assert!(destination.set_metadata(&at, &wanted).unwrap().changed, "{kind:?}");
            wanted.xattrs.clear();
            assert!(destination.metadata_differs(&at, &wanted).unwrap(), "{kind:?}");
        }
    }
}

#[test]
fn a_closed_directory_in_which_nothing_changes_stays_closed() {
    as_ordinary_user("destination::tests::present::a_closed_directory_in_which_nothing_changes_stays_closed", |top| {
        let destination = Destination::open(top).unwrap();
        destination.make_directory(&key("d")).unwrap();
        destination.make_symlink(&key("d/s"), b"x", Existing::Reuse).unwrap();
        destination.set_metadata(&key("d"), &metadata(Kind::Directory, 0o555)).unwrap();
        let before = stamps(&top.join("d"));
        std::thread::sleep(std::time::Duration::from_millis(15));
        let again = Destination::open(top).unwrap();
        assert_eq!(again.make_directory(&key("d")).unwrap(), Made::Reused);
        assert_eq!(again.make_symlink(&key("d/s"), b"x", Existing::Reuse).unwrap(), Made::Reused);
        assert!(!again.set_metadata(&key("d"), &metadata(Kind::Directory, 0o555)).unwrap().changed);
        again.settle().unwrap();
        assert_eq!(stamps(&top.join("d")), before);
        // What does change something gets in all the same, and closes the door behind it.
        again.make_symlink(&key("d/s"), b"y", Existing::Reuse).unwrap();
        again.create_file(&key("d/f"), 0, Existing::Reuse).unwrap();
        again.settle().unwrap();
        assert_eq!(mode_of(&top.join("d")), 0o555);
        again.remove_tree(&key("d")).unwrap();
    });
}

#[test]
fn a_file_is_compared_without_a_trace_and_taken_over_where_it_lies() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("f");
    fs::write(&path, vec![7; 100_000]).unwrap();
    let before = stamps(&path);
    let destination = Destination::open(top.path()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(15));
    let existing = destination.open_existing(&key("f")).unwrap().unwrap();
    let mut bytes = [0; 10];
    assert_eq!((existing.read_at(99_995, &mut bytes).unwrap(), bytes[0]), (5, 7));
    assert!(existing.has_holes(0, 100_000, &[]).unwrap());
    assert!(!existing.has_holes(0, 100_000, &[Hole { offset: 4096, bytes: 4096 }]).unwrap());
    assert!(existing.has_holes(8192, 4096, &[Hole { offset: 4096, bytes: 4096 }]).unwrap(), "it lies elsewhere");
    assert_eq!(stamps(&path), before);
    let file = destination.take_over(existing, 50_000).unwrap().unwrap();
    file.punch(4096, 8192).unwrap();
    assert_eq!((mode_of(&path), fs::metadata(&path).unwrap().len()), (0o1600, 50_000));
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.0);
    let existing = destination.open_existing(&key("f")).unwrap().unwrap();
    let hole = [Hole { offset: 4096, bytes: 8192 }];
    assert!(existing.has_holes(0, 50_000, &hole).unwrap());
    assert!(existing.has_holes(5000, 100, &hole).unwrap(), "a part may begin and end within a hole");
    assert!(!existing.has_holes(0, 50_000, &[]).unwrap());
    for name in ["none", "d", "s"] {
        match name {
            "d" => fs::create_dir(top.path().join(name)).unwrap(),
            "s" => symlink(&path, top.path().join(name)).unwrap(),
            _ => {}
        }
        assert!(destination.open_existing(&key(name)).unwrap().is_none(), "{name}");
    }
}

/// Each piece of a file once had its holes looked for anew. Over one whose end was missing, with nothing but data before that,
/// a restore took time with the square of its length where a file system goes from page to page.
#[test]
fn the_next_hole_of_a_file_that_is_compared_is_looked_for_once() {
    let top = tempfile::tempdir().unwrap();
    fs::write(top.path().join("f"), vec![7; 100_000]).unwrap();
    fs::File::options().write(true).open(top.path().join("f")).unwrap().set_len(200_000).unwrap();
    let destination = Destination::open(top.path()).unwrap();
    let existing = destination.open_existing(&key("f")).unwrap().unwrap();
    assert!(existing.has_holes(16_384, 8192, &[]).unwrap());
    // Whoever looked again would find the second of these.
    for offset in [8192, 40_960] {
        destination.file(&key("f")).unwrap().punch(offset, 8192).unwrap();
    }
    assert!(existing.has_holes(24_576, 40_960, &[]).unwrap());
    assert!(!existing.has_holes(90_112, 40_960, &[]).unwrap(), "there is the one that was found");
    assert!(!existing.has_holes(0, 16_384, &[]).unwrap(), "before that it was not looked for");
}

#[test]
fn a_running_program_is_compared_and_not_taken_over() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("f");
    fs::copy("/bin/sleep", &path).unwrap();
    let mut running = std::process::Command::new(&path).arg("60").spawn().unwrap();
    let mode = mode_of(&path);
    let destination = Destination::open(top.path()).unwrap();
    let existing = destination.open_existing(&key("f")).unwrap().unwrap();
    assert!(!existing.is_writable());
    assert!(destination.take_over(existing, 5).unwrap().is_none());
    assert_eq!(mode_of(&path), mode);
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn a_file_that_nobody_may_write_is_taken_over_by_its_owner() {
    as_ordinary_user("destination::tests::present::a_file_that_nobody_may_write_is_taken_over_by_its_owner", |top| {
        fs::write(top.join("f"), "old").unwrap();
        set_mode(&top.join("f"), 0o444);
        let destination = Destination::open(top).unwrap();
        let existing = destination.open_existing(&key("f")).unwrap().unwrap();
        assert!(!existing.is_writable() && !destination.is_unfinished(&existing.present()));
        destination.take_over(existing, 3).unwrap().unwrap().write_at(0, b"new").unwrap();
        assert!(destination.is_unfinished(&destination.look(&key("f")).unwrap().unwrap()));
        destination.set_metadata(&key("f"), &metadata(Kind::File, 0o444)).unwrap();
        assert!(!destination.is_unfinished(&destination.look(&key("f")).unwrap().unwrap()));
        assert_eq!(fs::read(top.join("f")).unwrap(), b"new");
    });
}

/// The mode of a file that its maker is going to own, as it is before its metadata is set.
fn first_mode(destination: &Destination, at: &str, filling: Filling) -> u32 {
    let (uid, gid) = destination.maker;
    let wanted = Metadata { owner: Owner::Ids { uid, gid }, ..metadata(Kind::File, 0o640) };
    let file = destination.create_whole_file(&key(at), 1, Existing::Reuse, (&wanted, filling)).unwrap();
    look_through(&file.file).map(|found| u32::from(found.stx_mode & 0o7777)).unwrap()
}

#[test]
fn a_file_has_its_final_mode_from_the_start_only_where_that_shows_it_to_nobody_and_one_write_completes_it() {
    let top = tempfile::tempdir().unwrap();
    let open = || Destination::open(top.path()).unwrap();
    assert_eq!(first_mode(&open(), "a", Filling::AtOnce), 0o640);
    assert_eq!(first_mode(&open(), "b", Filling::InParts), 0o1600);
    assert_eq!(first_mode(&open().marking_unfinished(), "c", Filling::AtOnce), 0o1600);
    // A directory that gives its group to what is made in it, or a list of rights.
    fs::create_dir(top.path().join("group")).unwrap();
    set_mode(&top.path().join("group"), 0o2770);
    let destination = open();
    destination.make_directory(&key("group")).unwrap();
    assert_eq!(first_mode(&destination, "group/f", Filling::AtOnce), 0o1600);
    assert_eq!(first_mode(&Destination::open(&top.path().join("group")).unwrap(), "g", Filling::AtOnce), 0o1600);
    let nobody = u32::MAX;
    let default = acl(&[(1, 7, nobody), (2, 7, 1234), (4, 5, nobody), (16, 7, nobody), (32, 0, nobody)]);
    fs::create_dir(top.path().join("acl")).unwrap();
    let directory = OwnedFd::from(fs::File::open(top.path().join("acl")).unwrap());
    Labelled::held(&directory).set(b"system.posix_acl_default", &default).unwrap();
    let destination = open();
    destination.make_directory(&key("acl")).unwrap();
    assert_eq!(first_mode(&destination, "acl/f", Filling::AtOnce), 0o1600);
}

#[test]
fn why_a_target_could_not_be_made_is_told_and_not_that_it_is_missing() {
    as_ordinary_user(
        "destination::tests::present::why_a_target_could_not_be_made_is_told_and_not_that_it_is_missing",
        |top| {
            fs::create_dir(top.join("closed")).unwrap();
            set_mode(&top.join("closed"), 0o555);
            let error = Destination::open(&top.join("closed/new")).unwrap_err();
            assert_eq!(error.errno(), Errno::ACCESS.raw_os_error(), "{error}");
        },
    );
}

#[test]
fn errors_name_what_they_are_about_by_where_it_lies() {
    for (target, path, expected) in [("/t", "a/b", "/t/a/b"), ("/", "a", "/a"), ("/t", "", "/t"), ("/", "", "/")] {
        let at = if path.is_empty() { Key::root() } else { key(path) };
        let error = DestinationError::InTheWay { place: (&at).into() }.within(Path::new(target));
        assert!(error.to_string().starts_with(&format!("{expected} is a directory")), "{error}");
    }
}

/// `mknod` made another device of it and said nothing.
#[test]
fn a_device_with_numbers_that_linux_has_no_room_for_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let destination = Destination::open(directory.path()).unwrap();
    for (major, minor) in [(1 << 12, 0), (0, 1 << 20), (u32::MAX, u32::MAX)] {
        let device = (Kind::CharDevice, Device { major, minor });
        let refused = destination.make_special(&key("d"), device, Existing::Refuse).unwrap_err();
        assert_eq!(refused.errno(), Errno::OVERFLOW.raw_os_error(), "{refused}");
        assert!(!directory.path().join("d").exists());
    }
}
