//! Targets with traps, and users without rights.

use crate::lacking::leave_out;
use crate::ordinary::Ordinary;
use crate::run::{World, contents};
use crate::tree::is_root;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

/// What a trap of one kind puts in the place of something that is to be restored.
type Trap = (&'static str, fn(&World, &Path));

#[rustfmt::skip]
const TRAPS: [Trap; 14] = [
    ("a link to a folder", |world, place| lead(place, world.path("outside/folder"))),
    ("a link to a file", |world, place| lead(place, world.path("outside/file"))),
    ("a relative link to a folder", |world, place| lead(place, upwards(world, place).join("outside/folder"))),
    ("a relative link to a file", |world, place| lead(place, upwards(world, place).join("outside/file"))),
    ("a link to nothing yet", |world, place| lead(place, world.path("outside/folder/new"))),
    ("a link to a link to a folder", |world, place| lead(place, world.path("outside/to-folder"))),
    ("a link to a link to a file", |world, place| lead(place, world.path("outside/to-file"))),
    ("a link through /proc to a folder", |_, place| lead(place, "/proc/self/cwd/outside/folder")),
    ("a link through /proc to a file", |_, place| lead(place, "/proc/self/cwd/outside/file")),
    ("another name of a file", |world, place| share(&world.path("outside/file"), place)),
    ("another name of a file that is as it should be", |world, place| share(&world.path("outside/as-it-should-be"), place)),
    ("a link to a pipe", |world, place| lead(place, world.path("outside/pipe"))),
    ("a link to a device", |_, place| lead(place, "/dev/null")),
    ("a link to the root", |_, place| lead(place, "/")),
];

/// Where traps are put: everything in the tree.
const PLACES: [&str; 8] = ["a", "a/b", "a/b/file", "a/b/link", "a/b/twin", "a/b/pipe", "a/b/sub", "plain"];

fn lead(place: &Path, to: impl AsRef<Path>) {
    symlink(to, place).expect("a trap");
}

fn share(file: &Path, place: &Path) {
    std::fs::hard_link(file, place).expect("a trap");
}

/// From the folder of a place in the target to the world's.
fn upwards(world: &World, place: &Path) -> PathBuf {
    let below = place.strip_prefix(world.path("")).expect("it lies in the world");
    below.components().skip(1).map(|_| "..").collect()
}

fn make_pipe(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("a pipe");
}

/// Everything below a folder that a restore could change there. Another name of a file may go: that is no change of it.
fn state_of(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(path) = left.pop() {
        let status = path.symlink_metadata().expect("it is there");
        let content = match status.file_type() {
            kind if kind.is_file() => std::fs::read(&path).expect("its content"),
            kind if kind.is_symlink() => path.read_link().expect("where it leads").as_os_str().as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let times = (status.mtime(), status.mtime_nsec());
        lines.push(format!("{path:?} {:o} {} {} {times:?} {content:?}", status.mode(), status.uid(), status.gid()));
        if status.is_dir() {
            left.extend(std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        }
    }
    lines.sort();
    lines
}

#[test]
fn no_trap_in_a_target_lets_a_restore_touch_anything_outside() {
    let world = World::with_repository();
    let file = world.file("tree/a/b/file", b"restored");
    world.file("tree/a/b/sub/deep", b"restored");
    world.file("tree/plain", b"restored");
    symlink("file", world.path("tree/a/b/link")).expect("a link");
    std::fs::hard_link(&file, world.path("tree/a/b/twin")).expect("another name");
    make_pipe(&world.path("tree/a/b/pipe"));
    world.run(["backup", "-q", "tree"]).succeeded();
    world.file("outside/file", b"mine");
    world.file("outside/folder/file", b"mine");
    make_pipe(&world.path("outside/pipe"));
    symlink("folder", world.path("outside/to-folder")).expect("a link");
    symlink("file", world.path("outside/to-file")).expect("a link");
    let same = world.file("outside/as-it-should-be", b"restored");
    let modified = file.metadata().and_then(|status| status.modified()).expect("its time");
    std::fs::File::options().write(true).open(same).and_then(|same| same.set_modified(modified)).expect("a time");
    let before = state_of(&world.path("outside"));
    let null =
        || std::fs::metadata("/dev/null").map(|status| (status.mode(), status.uid(), status.mtime())).expect("it");
    let (null_before, source) = (null(), format!("latest:{}", world.path("tree").display()));
    for place in PLACES {
        for (trap, set) in TRAPS {
            let target = world.path("target").join(place);
            std::fs::create_dir_all(target.parent().expect("a folder")).expect("folders");
            set(&world, &target);
            let restored = world.run(["restore", "-q", &source, "--target", "target"]);
            assert!(matches!(restored.code, Some(0 | 3)), "{trap} at {place}: {:?} {}", restored.code, restored.err);
            assert_eq!(state_of(&world.path("outside")), before, "{trap} at {place}");
            assert_eq!(null(), null_before, "{trap} at {place}");
            // Either it took the place of the trap, or it says that it could not.
            let is_whole = || state_of(&world.path("target")).len() == state_of(&world.path("tree")).len();
            assert_eq!(restored.code == Some(3), !restored.err.is_empty(), "{trap} at {place}: {}", restored.err);
            assert!(restored.code == Some(3) || is_whole(), "{trap} at {place}");
            std::fs::remove_dir_all(world.path("target")).expect("it was restored");
        }
    }
}

#[test]
fn links_that_lie_in_the_target_lead_nowhere() {
    let world = World::with_repository();
    world.file("tree/folder/file", b"restored");
    world.file("tree/plain", b"restored");
    world.run(["backup", "-q", "tree"]).succeeded();
    world.file("outside/file", b"mine");
    world.file("outside/plain", b"mine");
    world.file("target/unrelated", b"kept");
    symlink(world.path("outside"), world.path("target/folder")).expect("a trap");
    symlink(world.path("outside/plain"), world.path("target/plain")).expect("a trap");
    let before = contents(&world.path("outside"));
    let source = format!("latest:{}", world.path("tree").display());
    let finished = world.run(["restore", "-q", &source, "--target", "target"]);
    assert!(matches!(finished.code, Some(0 | 3)), "{:?} {}", finished.code, finished.err);
    assert_eq!(contents(&world.path("outside")), before, "nothing outside the target was touched");
    if finished.code == Some(0) {
        assert!(!world.path("target/folder").is_symlink() && !world.path("target/plain").is_symlink());
        assert_eq!(std::fs::read(world.path("target/folder/file")).expect("restored"), b"restored");
        assert_eq!(std::fs::read(world.path("target/plain")).expect("restored"), b"restored");
    }
    assert_eq!(std::fs::read(world.path("target/unrelated")).expect("left alone"), b"kept");
}

#[test]
fn an_ordinary_user_gets_what_such_a_user_can_have_and_is_told_the_rest() {
    if !is_root() {
        return leave_out("root", "only root can become another user");
    }
    let world = World::with_repository();
    world.file("tree/file", b"content");
    let node = world.path("tree/null");
    let device = rustix::fs::makedev(1, 3);
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        &node,
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::RWXU,
        device,
    );
    if made.is_err() {
        return leave_out("mknod", "this sandbox lets nobody make a device");
    }
    world.run(["backup", "-q", "tree"]).succeeded();
    let ordinary = Ordinary::new(&world);
    let source = format!("latest:{}", world.path("tree").display());
    let restored = ordinary.run(&world, &["restore", "-q", &source, "--target", "copy"]).ended(3);
    assert!(restored.err.contains("null") && restored.err.contains("owner"), "{}", restored.err);
    assert_eq!(std::fs::read(world.path("nobody/copy/file")).expect("restored"), b"content");
}
