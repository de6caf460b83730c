//! Trees written into temporary directories, with things already lying there.

mod copy;
mod hostile;
mod present;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::manifest::{Device, Hole, Xattr};

fn key(path: &str) -> Key {
    Key::parse(path.replace('/', "\0").into_bytes()).unwrap()
}

fn metadata(kind: Kind, mode: u16) -> Metadata {
    let mtime = Timestamp::new(-5, 7).unwrap();
    Metadata { kind, owner: Owner::Restorer, mode, mtime, xattrs: Vec::new() }
}

#[test]
fn a_file_is_written_in_parts_and_gets_its_metadata_at_the_end() {
    let top = tempfile::tempdir().unwrap();
    let destination = Destination::open(&top.path().join("new")).unwrap();
    assert_eq!(destination.make_directory(&key("d")).unwrap(), Made::New);
    let file = destination.create_file(&key("d/f"), 10, Existing::Reuse).unwrap();
    file.write_at(8, b"89").unwrap();
    destination.file(&key("d/f")).unwrap().write_at(0, b"0").unwrap();
    let path = top.path().join("new/d/f");
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o1600);
    let mut wanted = metadata(Kind::File, 0o444);
    wanted.xattrs.push(Xattr { name: b"user.a".to_vec(), value: b"b".to_vec() });
    assert_eq!(destination.set_metadata(&key("d/f"), &wanted).unwrap().shortfalls.len(), 0);
    assert_eq!(std::fs::read(&path).unwrap(), b"0\0\0\0\0\0\0\089");
    let found = destination.look(&key("d/f")).unwrap().unwrap();
    assert_eq!((found.mode, found.mtime), (0o444, wanted.mtime));
}

#[test]
fn links_in_the_target_are_replaced_not_followed() {
    let top = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("f"), "kept").unwrap();
    for name in ["d", "f"] {
        symlink(outside.path().join(if name == "f" { "f" } else { "" }), top.path().join(name)).unwrap();
    }
    let destination = Destination::open(top.path()).unwrap();
    let through = destination.create_file(&key("d/f"), 1, Existing::Reuse);
    assert!(matches!(through, Err(DestinationError::Refused { .. })), "{through:?}");
    assert_eq!(destination.make_directory(&key("d")).unwrap(), Made::New);
    let file = destination.create_file(&key("f"), 1, Existing::Reuse).unwrap();
    file.write_at(0, b"x").unwrap();
    destination.create_file(&key("d/f"), 1, Existing::Reuse).unwrap();
    assert_eq!(std::fs::read(outside.path().join("f")).unwrap(), b"kept");
    assert!(top.path().join("d/f").is_file());
}

#[test]
fn other_kinds_are_made_and_reused() {
    let top = tempfile::tempdir().unwrap();
    let destination = Destination::open(top.path()).unwrap();
    for made in [Made::New, Made::Reused] {
        assert_eq!(destination.make_symlink(&key("s"), b"/nowhere", Existing::ReuseShared).unwrap(), made);
        assert_eq!(
            destination
                .make_special(&key("p"), (Kind::Fifo, Device { major: 0, minor: 0 }), Existing::ReuseShared)
                .unwrap(),
            made
        );
        assert_eq!(destination.make_link(&key("p"), &key("p2")).unwrap(), made);
        let shortfalls = destination.set_metadata(&key("s"), &metadata(Kind::Symlink, 0o777)).unwrap().shortfalls;
        assert_eq!(shortfalls.len(), 0);
        assert_eq!(destination.set_metadata(&key("p"), &metadata(Kind::Fifo, 0o640)).unwrap().shortfalls.len(), 0);
    }
    let link = top.path().join("s").symlink_metadata().unwrap();
    assert_eq!((link.mtime(), link.mtime_nsec()), (-5, 7));
    let pipe = top.path().join("p2").symlink_metadata().unwrap();
    assert_eq!((pipe.permissions().mode() & 0o7777, pipe.nlink()), (0o640, 2));
}
