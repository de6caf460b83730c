//! Snapshots that can't be read now, and what is taken for the latest one instead.

use crate::run::{Finished, World};
use std::path::PathBuf;

/// A way in which an object is lost.
pub(crate) type Wound = fn(&std::path::Path);

/// A world with a snapshot of each content, and a copy of the first one's id and the last one's.
struct Doubtful {
    world: World,
    first: String,
    last: String,
}

impl Doubtful {
    fn new() -> Self {
        let world = World::with_repository();
        let back_up = |content: &str| {
            world.file("tree/file", content.as_bytes());
            let saved = world.run(["backup", "--json", "tree"]).succeeded().only("summary");
            saved.get("snapshot_id").and_then(|id| id.as_str()).expect("an id").to_owned()
        };
        let (first, _, last) = (back_up("one"), back_up("two"), back_up("three"));
        Self { world, first, last }
    }

    /// The outcomes, in the order of their numbers.
    fn outcomes(&self) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(self.world.path("repository/outcomes")).expect("a folder");
        let mut outcomes: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
        outcomes.sort();
        outcomes
    }

    /// The outcome of a snapshot, which is named by the hash of its bytes.
    fn outcome_of(&self, snapshot: &str) -> PathBuf {
        let is_it = |path: &PathBuf| {
            let bytes = std::fs::read(path).expect("it is there");
            blake3::hash(&bytes).to_hex().as_str() == snapshot
        };
        self.outcomes().into_iter().find(is_it).expect("a snapshot's outcome")
    }

    /// Loses an outcome and what the cache has kept of it, and damages its second copy.
    fn lose(&self, snapshot: &str, wound: Wound) {
        let path = self.outcome_of(snapshot);
        wound(&path);
        std::fs::create_dir(self.world.path("aside")).expect("a folder");
        let copy = format!("outcomes-{}", path.file_name().and_then(|name| name.to_str()).expect("a name"));
        let second = self.world.path("repository/mirror").join(&copy);
        std::fs::copy(&second, self.world.path("aside").join(copy)).expect("it has a second copy");
        flip(&second);
        let _ = std::fs::remove_dir_all(self.world.path("home/.cache"));
        if !path.exists() {
            let name = path.file_name().expect("a name");
            let _ = std::fs::remove_file(self.world.path("repository/sessions").join(name));
        }
    }

    /// Puts the second copy back as it was.
    fn mend_copy(&self) {
        for copy in std::fs::read_dir(self.world.path("aside")).expect("a folder").flatten() {
            let place = self.world.path("repository/mirror").join(copy.file_name());
            std::fs::rename(copy.path(), place).expect("it can be moved");
        }
    }

    fn restored(&self, finished: &Finished, target: &str) -> String {
        let below = self.world.path("tree/file");
        let below = below.strip_prefix("/").expect("an absolute path");
        let read = std::fs::read_to_string(self.world.path(target).join(below));
        read.unwrap_or_else(|error| panic!("{error}: {}", finished.err))
    }
}

/// Changes a bit in the middle of an object.
pub(crate) fn flip(path: &std::path::Path) {
    let mut bytes = std::fs::read(path).expect("it is there");
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).expect("it has bytes") ^= 1;
    std::fs::remove_file(path).expect("it is there");
    std::fs::write(path, bytes).expect("it can be written");
}

pub(crate) fn remove(path: &std::path::Path) {
    std::fs::remove_file(path).expect("it is there");
}

/// Every reader took the snapshot before it, said nothing, and ended well; a backup said that the store had been set back.
#[test]
fn a_latest_snapshot_that_cant_be_read_is_told_and_what_takes_its_place_ends_with_the_code_for_damage() {
    let wounds: [Wound; 2] = [flip, remove];
    for wound in wounds {
        let doubtful = Doubtful::new();
        let world = &doubtful.world;
        doubtful.lose(&doubtful.last, wound);
        let tells = |finished: &Finished| {
            assert!(finished.err.contains("outcomes/") && finished.err.contains("check --repair"), "{}", finished.err);
        };
        let listed = world.run(["snapshots"]).ended(0);
        assert!(listed.out.contains("2 snapshots"), "{}", listed.out);
        tells(&listed);
        let latest = world.run(["restore", "latest", "--target", "latest"]).ended(5);
        assert_eq!(doubtful.restored(&latest, "latest"), "two");
        tells(&latest);
        for arguments in [&["ls", "latest"][..], &["diff", &doubtful.first, "latest"], &["info", "latest~1"]] {
            tells(&world.run(arguments).ended(5));
        }
        // Who names a snapshot means that one.
        let first = world.run(["restore", &doubtful.first, "--target", "first"]).ended(0);
        assert_eq!(doubtful.restored(&first, "first"), "one");
        tells(&first);
        let lost = world.run(["restore", &doubtful.last, "--target", "lost"]).ended(1);
        assert!(lost.err.contains("no snapshot's id begins with"), "{}", lost.err);
        tells(&lost);
        tells(&world.run(["find", "file"]).ended(0));
        let refused = world.run(["backup", "tree"]).ended(5);
        assert!(refused.err.contains("is damaged") && !refused.err.contains("rolled back"), "{}", refused.err);
        tells(&refused);

        doubtful.mend_copy();
        world.run(["check", "--repair"]).succeeded();
        let healed = world.run(["restore", "latest", "--target", "healed"]).succeeded();
        assert_eq!(doubtful.restored(&healed, "healed"), "three");
        world.run(["backup", "tree"]).succeeded();
    }
}

/// An older snapshot was restored without a word where the newest one was partial.
#[test]
fn what_latest_passes_over_is_told() {
    let world = World::with_repository();
    world.file("tree/file", b"content");
    world.run(["backup", "tree"]).succeeded();
    let latest = world.run(["info", "latest"]).succeeded();
    assert!(!latest.err.contains("passed over"), "{}", latest.err);
    world.run(["backup", "tree", "--optional-command", "dump=exit 1"]).ended(3);
    let latest = world.run(["restore", "latest", "--target", "target"]).ended(0);
    assert!(latest.err.contains("is later and was passed over: it is partial"), "{}", latest.err);
}

#[test]
fn an_earlier_snapshot_that_cant_be_read_is_told_and_the_latest_one_is_the_latest() {
    let doubtful = Doubtful::new();
    doubtful.lose(&doubtful.first, flip);
    // Not a restore: what the lost one has stored may be needed for the latest.
    let latest = doubtful.world.run(["info", "latest"]).ended(0);
    assert!(latest.out.contains(&doubtful.last[..8]), "{}", latest.out);
    assert!(latest.err.contains("outcomes/") && latest.err.contains("check --repair"), "{}", latest.err);
    doubtful.world.run(["ls", "latest~1"]).ended(5);
}

#[test]
fn a_copy_of_all_snapshots_without_those_that_cant_be_read_ends_with_the_code_for_damage() {
    let doubtful = Doubtful::new();
    let world = &doubtful.world;
    world.run(["init", "--repo", "other", "--kdf-memory", "64K", "--kdf-passes", "1"]).succeeded();
    let copy = |more: &[&str]| world.run(["copy", "--repo", "other", "--from-repo", "repository"].iter().chain(more));
    doubtful.lose(&doubtful.last, flip);
    copy(&[&doubtful.first]).ended(0);
    copy(&["-n"]).ended(5);
    let copied = copy(&[]).ended(5);
    assert!(copied.err.contains("outcomes/") && copied.err.contains("check --repair"), "{}", copied.err);
    doubtful.mend_copy();
    world.run(["check", "--repair"]).succeeded();
    copy(&[]).succeeded();
    assert!(world.run(["snapshots", "--repo", "other"]).succeeded().out.contains("3 snapshots"));
}

/// Nothing in the repository tells of a client's last outcome once it is gone: what this machine remembers does.
#[test]
fn a_last_outcome_that_is_gone_is_told_on_the_machine_that_has_seen_it_but_not_of_an_older_mirror() {
    let doubtful = Doubtful::new();
    let world = &doubtful.world;
    world.run(["mirror", "mirror"]).succeeded();
    world.file("tree/file", b"four");
    world.run(["backup", "tree"]).succeeded();
    let (kept, lost) = (doubtful.outcomes(), world.path("lost"));
    std::fs::create_dir(&lost).expect("a folder");
    // The main session's, which is committed after those of its checkpoints.
    let old: Vec<PathBuf> = std::fs::read_dir(world.path("mirror/outcomes"))
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let is_new = |path: &&PathBuf| old.iter().all(|old| old.file_name() != path.file_name());
    for path in kept.iter().filter(is_new) {
        let name = path.file_name().expect("a name").to_str().expect("hex digits");
        std::fs::rename(path, lost.join(name)).expect("it can be moved");
        let copy = format!("outcomes-{name}");
        std::fs::rename(world.path("repository/mirror").join(&copy), lost.join(copy)).expect("it can be moved");
        let _ = std::fs::remove_file(world.path("repository/sessions").join(name));
    }
    let tells = |finished: &Finished| {
        assert!((finished.err.clone() + &finished.out).contains("this machine has seen it"), "{}", finished.err);
    };
    tells(&world.run(["snapshots"]).ended(0));
    let latest = world.run(["restore", "latest", "--target", "latest"]).ended(5);
    assert_eq!(doubtful.restored(&latest, "latest"), "three");
    tells(&latest);
    tells(&world.run(["check"]).ended(5));
    for arguments in [&["check"][..], &["restore", "latest", "--target", "mirrored"]] {
        let mirrored = world.run(arguments.iter().chain(&["--repo", "mirror"])).succeeded();
        assert!(!mirrored.err.contains("outcomes/"), "{}", mirrored.err);
    }
    // Another machine knows of nothing.
    let _ = std::fs::rename(world.path("home"), world.path("other-home"));
    world.run(["check"]).succeeded();
}

/// Whoever writes or is interrupted leaves nothing that looks like a loss.
#[test]
fn open_sessions_are_no_reason_for_doubt() {
    let doubtful = Doubtful::new();
    let newest = doubtful.outcomes().pop().expect("an outcome");
    let name = newest.file_name().expect("a name").to_str().expect("text");
    let (client, number) = name.split_once('-').expect("a client and a number");
    let next = u64::from_str_radix(number, 16).expect("hexadecimal") + 1;
    let open = doubtful.world.path("repository/sessions").join(format!("{client}-{next:016x}"));
    std::fs::create_dir_all(open.parent().expect("a folder")).expect("a folder");
    std::fs::write(&open, b"a session").expect("it can be written");
    doubtful.world.run(["ls", "latest"]).succeeded();
}
