//! What is written as a stream is what was backed up, for other people's programs.

use crate::house::{House, assert_equal};
use holdall::source::StreamInput;
use holdall::{BackupOptions, DumpForm, DumpReport, Key, Need, Silent, StreamSource};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::Command;

fn dump(house: &House, path: &Path, form: DumpForm) -> (Vec<u8>, DumpReport) {
    let (mut bytes, key) = (Vec::new(), Key::from_path(path).unwrap());
    let report = house.open().dump(&house.latest(), (&key, form), &mut bytes, &Silent).unwrap();
    (bytes, report)
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn grow(tree: &Path) {
    fs::create_dir_all(tree.join("a/b")).unwrap();
    fs::write(tree.join("a/small"), "small").unwrap();
    fs::write(tree.join("a/b/long"), noise(1, 3_000_000)).unwrap();
    fs::write(tree.join("empty"), "").unwrap();
    symlink("a/small", tree.join("link")).unwrap();
    symlink("x".repeat(150), tree.join("a/long link")).unwrap();
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    sparse.write_all_at(&noise(2, 10_000), 1 << 20).unwrap();
    sparse.write_all_at(&[0; 200_000], 2 << 20).unwrap();
    sparse.set_len(5 << 20).unwrap();
}

#[test]
fn a_tar_archive_brings_back_everything() {
    let house = House::new();
    let tree = house.tree("tree");
    grow(&tree);
    fs::create_dir_all(tree.join("d".repeat(120)).join("e".repeat(120))).unwrap();
    fs::write(tree.join("d".repeat(120)).join("e".repeat(120)).join("f".repeat(90)), "deep").unwrap();
    fs::write(tree.join(OsStr::from_bytes(b"\xff\n")), "odd").unwrap();
    fs::write(tree.join(OsStr::from_bytes(&[b'\xfe'; 200])), "odd and long").unwrap();
    fs::hard_link(tree.join("a/b/long"), tree.join("again")).unwrap();
    fs::hard_link(tree.join("link"), tree.join("link again")).unwrap();
    assert!(Command::new("mkfifo").arg(tree.join("pipe")).status().unwrap().success());
    let labelled = rustix::fs::setxattr(tree.join("a/small"), "user.a", b"\0=\n", rustix::fs::XattrFlags::empty());
    labelled.unwrap();
    let old = std::time::UNIX_EPOCH - std::time::Duration::from_nanos(4_999_999_993);
    fs::File::open(tree.join("empty")).unwrap().set_modified(old).unwrap();
    house.backup(&tree);

    let (bytes, report) = dump(&house, &tree, DumpForm::Tar);
    assert_eq!((report.problem_count, report.file_count), (0, 8), "{report:?}");
    assert!(bytes.len() < 4_500_000, "holes take no room: {}", bytes.len());
    let archive = house.path("archive.tar");
    fs::write(&archive, bytes).unwrap();
    let copy = house.tree("copy");
    let arguments = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-p", "-xf"];
    let done = Command::new("tar").args(arguments).arg(&archive).arg("-C").arg(&copy).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_equal(&tree, &copy);
}

/// Tar takes access lists from records of their own: those that were only attributes got lost.
#[test]
fn a_tar_archive_brings_back_access_lists() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::create_dir(tree.join("folder")).unwrap();
    fs::write(tree.join("file"), "content").unwrap();
    // The owner, somebody else, the group, the mask, all others; as Linux hands a list out.
    let entries = [(1u16, 6u16, u32::MAX), (2, 4, 4711), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)];
    let entries =
        entries.map(|(tag, rights, id)| [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat());
    let list = [&2u32.to_le_bytes()[..], &entries.concat()].concat();
    let lists = [("file", "system.posix_acl_access"), ("folder", "system.posix_acl_default")];
    for (name, which) in lists {
        rustix::fs::setxattr(tree.join(name), which, &list, rustix::fs::XattrFlags::empty()).unwrap();
    }
    house.backup(&tree);
    let archive = house.path("archive.tar");
    fs::write(&archive, dump(&house, &tree, DumpForm::Tar).0).unwrap();
    let copy = house.tree("copy");
    let done = Command::new("tar").args(["--acls", "-pxf"]).arg(&archive).arg("-C").arg(&copy).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for (name, which) in lists {
        let mut found = [0; 100];
        let found_bytes = rustix::fs::getxattr(copy.join(name), which, &mut found).unwrap();
        assert_eq!(found[..found_bytes], list, "{name}");
    }
}

/// The second name was a link to the first, which was not there: tar stopped with an error.
#[test]
fn a_tar_archive_leaves_out_all_names_of_a_socket() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("file"), "content").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
    fs::hard_link(tree.join("socket"), tree.join("socket again")).unwrap();
    house.backup(&tree);
    let (bytes, report) = dump(&house, &tree, DumpForm::Tar);
    assert_eq!((report.problem_count, report.file_count), (2, 1), "{report:?}");
    let archive = house.path("archive.tar");
    fs::write(&archive, bytes).unwrap();
    let copy = house.tree("copy");
    let done = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&copy).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(copy.join("file").exists() && !copy.join("socket again").exists());
}

#[test]
fn a_zip_archive_brings_back_names_and_content() {
    let house = House::new();
    let tree = house.tree("tree");
    grow(&tree);
    fs::write(tree.join("\u{e4}"), "umlaut").unwrap();
    assert!(Command::new("mkfifo").arg(tree.join("pipe")).status().unwrap().success());
    house.backup(&tree);
    let (bytes, report) = dump(&house, &tree, DumpForm::Zip);
    assert_eq!((report.problem_count, report.file_count, report.other_count), (1, 5, 4), "{report:?}");
    let archive = house.path("archive.zip");
    fs::write(&archive, bytes).unwrap();
    let copy = house.tree("copy");
    let script = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
    let done = Command::new("python3").arg("-c").arg(script).arg(&archive).arg(&copy).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for name in ["a/small", "a/b/long", "empty", "sparse", "\u{e4}"] {
        assert!(fs::read(copy.join(name)).unwrap() == fs::read(tree.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_file_is_written_as_it_is() {
    let house = House::new();
    let tree = house.tree("tree");
    grow(&tree);
    house.backup(&tree);
    for name in ["a/small", "a/b/long", "empty", "sparse"] {
        let (bytes, report) = dump(&house, &tree.join(name), DumpForm::Content);
        assert!(bytes == fs::read(tree.join(name)).unwrap(), "{name}");
        assert_eq!((report.file_count, report.bytes), (1, u64::try_from(bytes.len()).unwrap()));
    }
    let key = |name: &str| Key::from_path(&tree.join(name)).unwrap();
    let refused = |name: &str, form| {
        let dumped = house.open().dump(&house.latest(), (&key(name), form), &mut Vec::new(), &Silent);
        dumped.unwrap_err().kind()
    };
    assert_eq!(refused("a", DumpForm::Content), holdall::ErrorKind::Invalid);
    assert_eq!(refused("none", DumpForm::Content), holdall::ErrorKind::NotFound);
    assert_eq!(refused("none", DumpForm::Tar), holdall::ErrorKind::NotFound);
}

/// A restore of the same told that something is not there.
#[test]
fn an_archive_of_all_that_a_snapshot_should_hold_tells_the_component_that_it_lacks() {
    let house = House::new();
    let tree = house.tree("tree");
    fs::write(tree.join("file"), "content").unwrap();
    let lacking = StreamSource::new("database", StreamInput::Command(vec!["false".into()])).need(Need::Optional);
    house.open().backup(&BackupOptions::new([tree.clone()]).stream(lacking), &Silent).unwrap();
    for form in [DumpForm::Tar, DumpForm::Zip] {
        let (_, report) = dump(&house, Path::new("/"), form);
        assert_eq!((report.problem_count, report.damaged_count, report.file_count), (1, 0, 1), "{report:?}");
        let (_, report) = dump(&house, &tree, form);
        assert_eq!((report.problem_count, report.file_count), (0, 1), "{report:?}");
    }
}
