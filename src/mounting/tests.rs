//! A mounted tree beside the tree that was backed up, in process.

use super::*;
use crate::backup::BackupOptions;
use crate::error::{ErrorKind, Result};
use crate::id::PackId;
use crate::key::{KdfCost, Unlock};
use crate::manifest::{Key, Kind};
use crate::progress::Silent;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::session::SnapshotFilter;
use crate::store::{Folder, Listed, LocalStore, ObjectName, Store};
use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: Unlock<'static> = Unlock::Password(b"mount");

/// Content that compresses badly.
fn noise(seed: u32, count: u32) -> Vec<u8> {
    let word = |word: u32| (word ^ seed).wrapping_mul(2_654_435_761).rotate_left(word % 31).to_le_bytes();
    (0..count).flat_map(word).collect()
}

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        Repository::create(&world.path("repository"), PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        std::fs::create_dir(world.tree()).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tree(&self) -> PathBuf {
        self.path("tree")
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.tree().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn open(&self) -> Repository {
        let options = OpenOptions::new(self.path("cache"), self.path("state"));
        Repository::open(&self.path("repository"), PASSWORD, options).unwrap()
    }

    fn backup(&self, tags: &[&str]) {
        let mut tags: Vec<_> = tags.iter().map(|tag| tag.as_bytes().to_vec()).collect();
        tags.sort_unstable();
        let options = BackupOptions::new([self.tree()]).host("web/1").tags(tags);
        self.open().backup(&options, &Silent).unwrap();
    }

    fn all(&self) -> MountedTree {
        let name_time: NameTime = Arc::new(|time_ns| format!("t{time_ns}"));
        let options = MountOptions::all(SnapshotFilter::default(), PathTemplate::usual(), name_time);
        self.open().mounted(options.refresh_every(Duration::ZERO)).unwrap()
    }

    /// The tree that was backed up, at the top.
    fn latest(&self) -> MountedTree {
        self.try_latest().unwrap()
    }

    fn try_latest(&self) -> Result<MountedTree> {
        let repository = self.open();
        let snapshot = repository.resolve(&"latest".parse().unwrap(), &SnapshotFilter::default()).unwrap();
        repository.mounted(MountOptions::one(snapshot, Key::from_path(&self.tree()).unwrap()))
    }

    /// Changes a byte in the middle of every pack of a class.
    fn wound(&self, class: u8) {
        self.wound_at(class, 8);
    }

    /// The same so many sixteenths behind the start of every pack. Done twice it changes nothing.
    fn wound_at(&self, class: u8, sixteenths: usize) {
        let mut packs: Vec<PackId> = Vec::new();
        let store = LocalStore::open(&self.path("repository")).unwrap();
        store
            .list(Folder::Packs, &mut |listed| {
                if let Listed::Object { name: ObjectName::Pack(id), .. } = listed {
                    packs.push(id);
                }
            })
            .unwrap();
        for pack in packs {
            let path = self.path("repository").join(ObjectName::Pack(pack).to_string());
            let mut bytes = std::fs::read(&path).unwrap();
            if bytes[12] == class {
                let place = bytes.len() * sixteenths / 16;
                bytes[place] ^= 1;
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, bytes).unwrap();
            }
        }
    }
}

/// Everything a directory lists, in pages of so many rows.
fn list(tree: &MountedTree, number: FileNumber, page: usize) -> Vec<(String, FileNumber, u64)> {
    let directory = tree.open_directory(number).unwrap();
    let (mut rows, mut from) = (Vec::new(), 0);
    loop {
        let before = rows.len();
        tree.list(&directory, from, &mut |row| {
            if rows.len() - before == page {
                return Taken::Full;
            }
            rows.push((String::from_utf8_lossy(row.name).into_owned(), row.number, row.position));
            from = row.position;
            Taken::Yes
        })
        .unwrap();
        if rows.len() == before {
            return rows;
        }
    }
}

fn names(tree: &MountedTree, number: FileNumber) -> Vec<String> {
    list(tree, number, usize::MAX).into_iter().map(|(name, ..)| name).filter(|name| !name.starts_with('.')).collect()
}

fn at(tree: &MountedTree, path: &str) -> Attributes {
    let start = tree.attributes(FileNumber::ROOT).unwrap();
    path.split('/').fold(start, |above, name| tree.lookup(above.number, name.as_bytes()).unwrap().expect(name))
}

/// Compares a directory with the one that was stored, and what is below.
fn compare(tree: &MountedTree, number: FileNumber, path: &Path, inodes: &mut BTreeMap<u64, u64>) {
    let mut stored: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    stored.sort();
    assert_eq!(names(tree, number), stored.iter().map(|name| name.to_string_lossy()).collect::<Vec<_>>());
    for name in stored {
        let (path, status) = (path.join(&name), path.join(&name).symlink_metadata().unwrap());
        let found = tree.lookup(number, name.as_encoded_bytes()).unwrap().unwrap();
        assert_eq!(tree.attributes(found.number).unwrap(), found, "{name:?}");
        assert_eq!(u32::from(found.mode), status.mode() & 0o7777, "{name:?}");
        assert_eq!((found.uid, found.gid), (Some(status.uid()), Some(status.gid())), "{name:?}");
        let time = (found.mtime.seconds(), i64::from(found.mtime.nanoseconds()));
        assert_eq!(time, (status.mtime(), status.mtime_nsec()), "{name:?}");
        if status.is_dir() {
            assert_eq!(found.kind, Kind::Directory);
            compare(tree, found.number, &path, inodes);
            continue;
        }
        assert_eq!(u64::from(found.link_count), status.nlink(), "{name:?}");
        assert_eq!(*inodes.entry(status.ino()).or_insert(found.inode), found.inode, "{name:?}");
        assert_eq!(found.bytes, status.len(), "{name:?}");
        if status.is_symlink() {
            assert_eq!(
                tree.link_target(found.number).unwrap(),
                std::fs::read_link(&path).unwrap().as_os_str().as_encoded_bytes()
            );
        } else {
            let file = tree.open_file(found.number).unwrap();
            assert_eq!(tree.read(&file, 0, usize::MAX).unwrap(), std::fs::read(&path).unwrap(), "{name:?}");
        }
    }
}

#[test]
fn a_mounted_tree_is_the_tree_that_was_stored() {
    let world = World::new();
    world.file("a/deep/er/file", b"small");
    world.file("a.b", b"sorts between a and what is in it for some");
    world.file("a/big", &noise(1, 500_000));
    let first = world.file("links/one", &noise(2, 40_000));
    std::fs::hard_link(&first, world.tree().join("links/two")).unwrap();
    std::fs::hard_link(&first, world.tree().join("a/three")).unwrap();
    std::os::unix::fs::symlink("../links/one", world.tree().join("a/leads")).unwrap();
    std::fs::create_dir(world.tree().join("empty")).unwrap();
    world.file("void", b"");
    world.backup(&[]);
    let tree = world.latest();
    let mut inodes = BTreeMap::new();
    compare(&tree, FileNumber::ROOT, &world.tree(), &mut inodes);
    let distinct: std::collections::BTreeSet<_> = inodes.values().collect();
    assert_eq!(distinct.len(), inodes.len(), "different files have different numbers");
    // Nothing is remembered of what was seen: another mount knows the numbers of this one.
    let (number, other) = (at(&tree, "a/deep/er/file").number, world.latest());
    assert_eq!(other.attributes(number).unwrap(), tree.attributes(number).unwrap());
    assert_eq!(tree.lookup(FileNumber::ROOT, b"none").unwrap(), None);
    assert_eq!(tree.attributes(FileNumber::from_raw(u64::MAX)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(tree.open_directory(number).err().unwrap().kind(), ErrorKind::Invalid);
}

#[test]
fn a_file_is_read_from_any_offset() {
    let world = World::new();
    let mut content = noise(3, 300_000);
    content[400_000..900_000].fill(0);
    let path = world.file("file", &content);
    let sparse = std::fs::File::create(world.tree().join("sparse")).unwrap();
    sparse.write_all_at(&noise(4, 20_000), 1 << 20).unwrap();
    sparse.set_len(3 << 20).unwrap();
    world.backup(&[]);
    let tree = world.latest();
    let file = tree.open_file(at(&tree, "file").number).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), content);
    let mut place = 12_345u64;
    for turn in 0..400usize {
        place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let offset = usize::try_from(place >> 33).unwrap() % (content.len() + 10_000);
        let length = [1, 4096, 131_072, 700_000][turn % 4];
        let expected = content.get(offset..).unwrap_or(&[]);
        let expected = expected.get(..length).unwrap_or(expected);
        let read = tree.read(&file, u64::try_from(offset).unwrap(), length).unwrap();
        assert!(read == expected, "{length} bytes from {offset}");
    }
    let (found, status) = (at(&tree, "sparse"), world.tree().join("sparse").metadata().unwrap());
    assert_eq!(found.bytes, 3 << 20);
    let holes = status.blocks() * 512 < status.len();
    assert_eq!(found.allocated_bytes < found.bytes, holes, "holes are no blocks");
    let sparse = tree.open_file(found.number).unwrap();
    assert_eq!(sparse.seek(Seek::Data, 0), Some(if holes { 1 << 20 } else { 0 }));
}

#[test]
fn a_directory_goes_on_from_every_place_in_it() {
    let world = World::new();
    for number in 0..400 {
        world.file(&format!("many/f{number:04}"), &[]);
    }
    for number in 0..60 {
        world.file(&format!("many/d{number:04}/x/y{number}"), &[]);
        std::fs::create_dir_all(world.tree().join(format!("many/e{number:04}"))).unwrap();
    }
    world.backup(&[]);
    let tree = world.latest();
    let many = at(&tree, "many").number;
    let whole = list(&tree, many, usize::MAX);
    assert_eq!(whole.len(), 520 + 2);
    for page in [1, 2, 7, 100] {
        assert_eq!(list(&tree, many, page), whole, "pages of {page}");
    }
    // A listing that was never there before goes on behind every row.
    for (place, (_, number, position)) in whole.iter().enumerate() {
        let (directory, mut next) = (tree.open_directory(many).unwrap(), None);
        tree.list(&directory, *position, &mut |row| {
            next = Some(row.number);
            Taken::Full
        })
        .unwrap();
        assert_eq!(next, whole.get(place + 1).map(|(_, number, _)| *number));
        let found = tree.attributes(*number).unwrap();
        assert_eq!(found.number, *number);
    }
    let above: Vec<_> = whole[..2].iter().map(|(name, number, _)| (name.as_str(), *number)).collect();
    assert_eq!(above, [(".", many), ("..", FileNumber::ROOT)]);
}

#[test]
fn snapshots_are_shown_where_templates_say_and_come_while_it_is_mounted() {
    let world = World::new();
    world.file("file", b"first");
    world.backup(&["daily", "a/b"]);
    let tree = world.all();
    assert_eq!(names(&tree, FileNumber::ROOT), ["hosts", "ids", "snapshots", "tags"]);
    assert_eq!(names(&tree, at(&tree, "hosts").number), ["web_1"]);
    assert_eq!(names(&tree, at(&tree, "tags").number), ["a_b", "daily"]);
    let first = names(&tree, at(&tree, "ids").number);
    assert_eq!(first.len(), 2, "one snapshot and latest: {first:?}");
    let old = at(&tree, &format!("ids/{}", first[0]));
    world.file("file", b"second");
    world.backup(&[]);
    assert_eq!(names(&tree, at(&tree, "ids").number).len(), 3);
    assert_eq!(names(&tree, at(&tree, "tags/daily").number).len(), 2, "the second has no tag");
    let inside = world.tree().display().to_string();
    for (folder, content) in
        [("hosts/web_1", b"second".to_vec()), ("snapshots", b"second".to_vec()), ("tags/daily", b"first".to_vec())]
    {
        let latest = at(&tree, &format!("{folder}/latest"));
        assert_eq!(latest.kind, Kind::Symlink);
        let target = String::from_utf8(tree.link_target(latest.number).unwrap()).unwrap();
        assert_eq!(latest.bytes, u64::try_from(target.len()).unwrap());
        let found = at(&tree, &format!("{folder}/{target}{inside}/file"));
        let file = tree.open_file(found.number).unwrap();
        assert_eq!(tree.read(&file, 0, 100).unwrap(), content, "{folder}");
    }
    assert_eq!(tree.attributes(old.number).unwrap(), old, "numbers stay");
    let above = tree.open_directory(old.number).unwrap();
    assert_eq!(above.above, at(&tree, "ids").number);
    let elsewhere = at(&tree, &format!("snapshots/{}", names(&tree, at(&tree, "snapshots").number)[1]));
    assert_ne!(elsewhere.number, old.number, "a folder has one place");
}

#[test]
fn damaged_bytes_are_errors_and_never_other_bytes() {
    let world = World::new();
    let content = noise(5, 2_000_000);
    world.file("file", &content);
    world.backup(&[]);
    let tree = world.latest();
    let number = at(&tree, "file").number;
    world.wound(crate::layout::Class::Content.code());
    let file = tree.open_file(number).unwrap();
    let mut failed = 0;
    for offset in (0..content.len()).step_by(4096) {
        let expected = &content[offset..(offset + 4096).min(content.len())];
        match tree.read(&file, u64::try_from(offset).unwrap(), 4096) {
            Ok(bytes) => assert!(bytes == expected, "{offset}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged);
                assert!(error.to_string().contains("/file, byte"), "{error}");
                failed += 1;
            }
        }
    }
    assert!((1..1000).contains(&failed), "{failed} of {} reads", content.len() / 4096);
}

/// One lost leaf once hid everything behind it.
#[test]
fn a_directory_is_listed_behind_what_is_lost_and_says_so_at_its_end() {
    let world = World::new();
    // Entries that take a dozen frames of their trees' pack, whose bounds differ with the folder's name.
    for number in 0..9000 {
        let tail: String = noise(number, 25).iter().map(|byte| format!("{byte:02x}")).collect();
        world.file(&format!("many/{number:04}{tail}"), &noise(number, 30));
    }
    world.file("zoo/file", b"behind");
    world.backup(&[]);
    // One of them is lost: none that holds a node on the way to the first or the last entries.
    let manifest = crate::layout::Class::Manifest.code();
    let leads_to = |tree: &MountedTree, path: &str| {
        let mut number = FileNumber::ROOT;
        path.split('/').all(|name| {
            let found = tree.lookup(number, name.as_bytes()).ok().flatten();
            found.is_some_and(|found| {
                number = found.number;
                true
            })
        })
    };
    let wounded = |sixteenths: usize| {
        world.wound_at(manifest, sixteenths);
        let tree = world.try_latest().ok().filter(|tree| leads_to(tree, "many") && leads_to(tree, "zoo/file"));
        if tree.is_none() {
            world.wound_at(manifest, sixteenths);
        }
        tree
    };
    let tree = (4..14).find_map(wounded).expect("a frame with nothing but leaves between");
    let many = at(&tree, "many").number;
    let mut listings = Vec::new();
    for page in [1, 100, usize::MAX] {
        let directory = tree.open_directory(many).unwrap();
        let (mut names, mut from, mut failed) = (Vec::new(), 0, 0);
        // The kernel asks until there are no more rows; what is wrong is to be told then, as often as it asks.
        while failed < 2 {
            let before = names.len();
            let listed = tree.list(&directory, from, &mut |row| {
                if names.len() - before == page {
                    return Taken::Full;
                }
                names.push(String::from_utf8_lossy(row.name).into_owned());
                from = row.position;
                Taken::Yes
            });
            match listed {
                Ok(()) => assert!(names.len() > before, "it ends without a word, with {} names", names.len()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Damaged);
                    failed += 1;
                }
            }
        }
        assert!(names.is_sorted() && names.len() < 9002, "{}", names.len());
        listings.push(names);
    }
    assert!(listings.iter().all(|names| *names == listings[0]));
    let has = |start: &str| listings[0].iter().any(|name| name.starts_with(start));
    assert!(has("0000") && has("8999") && listings[0].len() > 500, "{}", listings[0].len());
    assert_eq!(names(&tree, at(&tree, "zoo").number), ["file"], "what lies behind is no part of it");
}

#[test]
fn only_a_directory_that_is_there_can_be_mounted() {
    let world = World::new();
    world.file("file", b"x");
    world.backup(&[]);
    let repository = world.open();
    let snapshot = repository.resolve(&"latest".parse().unwrap(), &SnapshotFilter::default()).unwrap();
    let mount = |path: &Path| {
        let options = MountOptions::one(snapshot.clone(), Key::from_path(path).unwrap());
        repository.mounted(options).map(drop).map_err(|error| error.kind())
    };
    assert_eq!(mount(&world.tree().join("file")), Err(ErrorKind::Invalid));
    assert_eq!(mount(&world.tree().join("none")), Err(ErrorKind::NotFound));
    assert_eq!(mount(Path::new("/")), Ok(()));
}
