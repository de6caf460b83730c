use super::*;
use crate::backup::BackupOptions;
use crate::destination::cloning_testing::pretend;
use crate::destination::{Metadata, Owner};
use crate::id::{ChunkId, SnapshotId};
use crate::key::{KdfCost, Unlock};
use crate::lacking::leave_out;
use crate::manifest::{Item, Kind};
use crate::progress::Silent;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::restore::{RestoreOptions, RestoreReport};
use crate::session::SnapshotFilter;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

const PASSWORD: Unlock<'static> = Unlock::Password(b"twins");

struct House {
    place: tempfile::TempDir,
    repository: Repository,
    snapshot: SnapshotId,
}

fn noise(seed: u8, bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut content);
    content
}

impl House {
    /// A tree in which a file of 5 MiB lies four times, once with other metadata, one with a hole twice, and some that
    /// only look alike.
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        fs::create_dir_all(tree.join("below")).unwrap();
        for name in ["a", "b", "below/c", "z"] {
            fs::write(tree.join(name), noise(1, (5 << 20) + 123)).unwrap();
        }
        fs::set_permissions(tree.join("b"), fs::Permissions::from_mode(0o4711)).unwrap();
        fs::File::open(tree.join("below/c")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        for name in ["hole", "hole again"] {
            let file = fs::File::create(tree.join(name)).unwrap();
            file.set_len(3 << 20).unwrap();
            file.write_all_at(&noise(2, 100_000), 2 << 20).unwrap();
        }
        // The same bytes without a hole, the same beginning, and what is too short.
        fs::write(tree.join("no hole"), fs::read(tree.join("hole")).unwrap()).unwrap();
        fs::write(tree.join("longer"), noise(1, (5 << 20) + 124)).unwrap();
        fs::write(tree.join("short"), noise(3, 9000)).unwrap();
        fs::write(tree.join("short again"), noise(3, 9000)).unwrap();
        let store = place.path().join("repository");
        Repository::create(&store, PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        let options = OpenOptions::new(place.path().join("cache"), place.path().join("state"));
        let repository = Repository::open(&store, PASSWORD, options).unwrap();
        let snapshot = repository.backup(&BackupOptions::new([tree]), &Silent).unwrap().snapshot;
        Self { place, repository, snapshot }
    }

    fn tree(&self) -> PathBuf {
        self.place.path().join("tree")
    }

    fn restore(&self, target: &Path) -> RestoreReport {
        let spec = self.snapshot.to_string().parse().unwrap();
        let snapshot = self.repository.resolve(&spec, &SnapshotFilter::default()).unwrap();
        let options = RestoreOptions::new(target).path(Key::from_path(&self.tree()).unwrap());
        let report = self.repository.restore(&snapshot, &options, &Silent).unwrap();
        assert_eq!(report.problem_count, 0, "{:?}", report.problems);
        assert_same(&self.tree(), target);
        report
    }
}

/// Content, modes, times and names of both trees.
fn assert_same(one: &Path, other: &Path) {
    let names = |place: &Path| {
        let mut names: Vec<_> = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(one), names(other));
    for name in names(one) {
        let (one, other) = (one.join(&name), other.join(&name));
        let [is, shall] = [&other, &one].map(|path| fs::metadata(path).unwrap());
        assert_eq!((is.mode(), is.mtime(), is.mtime_nsec()), (shall.mode(), shall.mtime(), shall.mtime_nsec()));
        if shall.is_dir() {
            assert_same(&one, &other);
        } else {
            assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap(), "{name:?}");
        }
    }
}

/// A file system in a file, mounted for as long as this lives.
struct Mount(PathBuf);

impl Mount {
    fn new(place: &Path, make: &[&str]) -> Option<Self> {
        let (image, mounted) = (place.join("image"), place.join("mounted"));
        fs::File::create(&image).unwrap().set_len(400 << 20).unwrap();
        fs::create_dir_all(&mounted).unwrap();
        let (program, options) = make.split_first().unwrap();
        let does = |command: &mut Command| command.output().is_ok_and(|done| done.status.success());
        let is_mounted = does(Command::new(program).args(options).arg(&image))
            && does(Command::new("mount").args(["-o", "loop"]).args([&image, &mounted]));
        is_mounted.then_some(Self(mounted))
    }

    fn used_bytes(&self) -> u64 {
        rustix::fs::syncfs(fs::File::open(&self.0).unwrap()).unwrap();
        let found = rustix::fs::statvfs(&self.0).unwrap();
        (found.f_blocks - found.f_bfree) * found.f_frsize
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn files_with_the_same_content_share_their_blocks_where_the_file_system_can() {
    let house = House::new();
    let makes: [(&str, &[&str]); 2] =
        [("xfs", &["mkfs.xfs", "-q", "-m", "reflink=1"]), ("btrfs", &["mkfs.btrfs", "-q"])];
    for (name, make) in makes {
        let place = tempfile::tempdir().unwrap();
        let Some(mount) = Mount::new(place.path(), make) else {
            leave_out(name, "its mkfs is missing, or this user or sandbox may not mount");
            continue;
        };
        let before = mount.used_bytes();
        let report = house.restore(&mount.0.join("restored"));
        let taken = mount.used_bytes() - before;
        let cloned = 3 * ((5 << 20) + 123) + (3 << 20);
        assert_eq!(report.cloned_bytes, cloned, "{name}");
        // Two long files, one with zeros instead of a hole, and what is small.
        assert!(taken < (14 << 20) + (1 << 20), "{name}: {taken}");
        let blocks = |name: &str| fs::metadata(mount.0.join("restored").join(name)).unwrap().blocks() * 512;
        assert_eq!(blocks("hole again"), blocks("hole"));
        assert!(blocks("hole again") < 1 << 20, "the hole is one here too");
        // What is there already is compared, and nothing is written.
        assert_eq!(house.restore(&mount.0.join("restored")).written_bytes, 0);
    }
}

#[test]
fn what_cannot_be_cloned_after_all_is_written() {
    let house = House::new();
    let plain = house.restore(&house.place.path().join("plain"));
    pretend();
    // On a file system that clones this is a second trial of that.
    let pretended = house.restore(&house.place.path().join("pretended"));
    assert_eq!(pretended.written_bytes, plain.written_bytes);
    assert_eq!(pretended.file_count, plain.file_count);
}

fn work(name: &str, bytes: u64) -> FileWork {
    let key = Key::from_path(Path::new(name)).unwrap();
    let metadata = Metadata {
        kind: Kind::File,
        owner: Owner::Ids { uid: 0, gid: 0 },
        mode: 0o600,
        mtime: Timestamp::default(),
        xattrs: Vec::new(),
    };
    FileWork::new(key.clone(), key, metadata, bytes, Vec::new())
}

fn content(number: u32, bytes: u64) -> Content {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_le_bytes());
    Content::Items(ItemList::Few(vec![Item::Chunk { id: ChunkId::from_bytes(id), bytes }]))
}

#[test]
fn so_many_contents_are_remembered_and_no_more_and_those_that_come_again_stay() {
    let mut twins = Twins::default();
    let bytes = BYTES_MIN;
    for number in 0..u32::try_from(3 * REMEMBERED).unwrap() {
        assert!(matches!(twins.meet(&work("/a", bytes), &content(number, bytes), || true), Met::First(_)));
        assert!(matches!(twins.meet(&work("/b", bytes), &content(0, bytes), || true), Met::Again(_)), "{number}");
        assert!(twins.young.len() <= REMEMBERED && twins.old.len() <= REMEMBERED);
    }
    assert!(matches!(twins.meet(&work("/c", bytes), &content(1, bytes), || true), Met::First(_)), "it is long ago");
    assert!(matches!(twins.meet(&work("/d", bytes), &content(1, bytes), || false), Met::Nothing));
    assert!(matches!(twins.meet(&work("/e", bytes - 1), &content(2, bytes - 1), || true), Met::Nothing));
    let long = format!("/{}", "n/".repeat(300));
    assert!(matches!(twins.meet(&work(&long, bytes), &content(3, bytes), || true), Met::Nothing));
}
