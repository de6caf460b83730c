//! One bad sector on a medium that can't be written: everything is read by second copies, and told.

use crate::doubt::{Wound, flip, remove};
use crate::lacking::leave_out;
use crate::run::{Finished, World, contents};
use std::path::PathBuf;
use std::process::Command;

/// A small object that every reader needs, and of which there is a second copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Object {
    Config,
    /// The only slot.
    Slot,
    /// That of the latest snapshot's content.
    Segment,
    /// The latest snapshot.
    Outcome,
    /// That the first snapshot is forgotten.
    Record,
}

const OBJECTS: [Object; 5] = [Object::Config, Object::Slot, Object::Segment, Object::Outcome, Object::Record];

const WOUNDS: [Wound; 2] = [flip, remove];

/// A world with two snapshots, of which the first is forgotten.
struct Spoilt {
    world: World,
    latest: String,
}

impl Spoilt {
    fn new() -> Self {
        let world = World::with_repository();
        let back_up = |content: &str| {
            world.file("tree/file", content.as_bytes());
            let saved = world.run(["backup", "--json", "tree"]).succeeded().only("summary");
            saved.get("snapshot_id").and_then(|id| id.as_str()).expect("an id").to_owned()
        };
        let (first, latest) = (back_up("one"), back_up("two"));
        world.run(["forget", &first]).succeeded();
        Self { world, latest }
    }

    /// The object's path in the repository.
    fn name(&self, object: Object) -> String {
        let files = |folder: &str| {
            let listed = std::fs::read_dir(self.world.path("repository").join(folder)).expect("a folder");
            let mut files: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
            files.sort();
            files
        };
        let is_latest = |path: &PathBuf| {
            let bytes = std::fs::read(path).expect("it is there");
            blake3::hash(&bytes).to_hex().as_str() == self.latest
        };
        let is_newer = |path: &PathBuf| path.metadata().and_then(|status| status.modified()).expect("a time");
        let path = match object {
            Object::Config => files("config").pop(),
            Object::Slot => files("keys").pop(),
            Object::Segment => files("segments").into_iter().max_by_key(is_newer),
            Object::Outcome => files("outcomes").into_iter().find(is_latest),
            Object::Record => files("records").pop(),
        };
        let path = path.expect("there is one");
        path.strip_prefix(self.world.path("repository")).expect("it lies there").to_str().expect("text").to_owned()
    }

    /// Runs the program on a place of the repository as on a machine that has never seen it.
    fn run_at(&self, place: &str, arguments: &[&str]) -> Finished {
        let home = tempfile::tempdir_in(self.world.path("")).expect("a folder");
        let mut command = self.world.command();
        command.env("HOME", home.path()).env("HOLDALL_REPOSITORY", self.world.path(place)).args(arguments);
        Finished::of(&command.output().expect("the program starts"))
    }

    /// Restores the latest snapshot, and returns what the file held.
    fn restored_at(&self, place: &str) -> (Finished, String) {
        let target = tempfile::tempdir_in(self.world.path("")).expect("a folder");
        let done = self.run_at(place, &["restore", "latest", "--target", target.path().to_str().expect("text")]);
        let file = self.world.path("tree/file");
        let below = file.strip_prefix("/").expect("an absolute path");
        let content = std::fs::read_to_string(target.path().join(below));
        let content = content.unwrap_or_else(|error| panic!("{error}: {}", done.err));
        (done.ended(0), content)
    }

    fn file(&self) -> String {
        format!("latest:{}", self.world.path("tree/file").display())
    }
}

#[test]
fn store_13_with_any_small_object_damaged_or_gone_all_is_read_by_its_second_copy_and_told() {
    for (object, wound) in OBJECTS.into_iter().flat_map(|object| WOUNDS.map(|wound| (object, wound))) {
        let spoilt = Spoilt::new();
        let name = spoilt.name(object);
        wound(&spoilt.world.path("repository").join(&name));
        let before = contents(&spoilt.world.path("repository"));
        let tells = |done: &Finished| {
            for part in [&format!("{name}: it is"), "its second copy was read", "failing; `holdall scrub --repair`"] {
                assert!(done.err.contains(part), "{object:?}, {part}: {}", done.err);
            }
        };
        let (restored, content) = spoilt.restored_at("repository");
        assert_eq!(content, "two", "{object:?}");
        tells(&restored);
        let dumped = spoilt.run_at("repository", &["dump", &spoilt.file()]).ended(0);
        assert_eq!(dumped.out, "two");
        tells(&dumped);
        for arguments in [["ls", "latest"].as_slice(), &["diff", "latest", "latest"], &["stats"]] {
            tells(&spoilt.run_at("repository", arguments).ended(0));
        }
        let listed = spoilt.run_at("repository", &["snapshots"]).ended(0);
        assert!(listed.out.contains("1 snapshot") && listed.out.contains(&spoilt.latest[..8]), "{}", listed.out);
        let checked = spoilt.run_at("repository", &["check", "--read-data", "--no-remember"]).ended(5);
        assert!(checked.out.contains(&format!("damaged: {name}\n")), "{object:?}: {}", checked.out);
        assert!(checked.out.contains("checked 1 snapshot,"), "{object:?}: {}", checked.out);
        assert!(checked.out.contains("\n1 damage found"), "what lies behind it is sound: {}", checked.out);
        // What deletes goes by first copies alone.
        let refused = spoilt.run_at("repository", &["prune"]).ended(5);
        assert!(!refused.err.contains("second copy was read"), "{}", refused.err);
        if object != Object::Segment {
            spoilt.run_at("repository", &["forget", &spoilt.latest]).ended(5);
        }
        assert!(contents(&spoilt.world.path("repository")) == before, "{object:?}: nothing was written");

        let is_gone = !spoilt.world.path("repository").join(&name).exists();
        let healed = spoilt.run_at("repository", &["check", "--repair", "--no-remember"]);
        // A segment that is gone may have been removed, so no healing brings it back.
        if object == Object::Segment && is_gone {
            healed.ended(5);
            spoilt.run_at("repository", &["repair", "index"]).ended(0);
        } else {
            assert_eq!(healed.ended(0).err, "");
        }
        assert_eq!(spoilt.restored_at("repository").0.err, "");
    }
}

/// The advice was to heal it, which writes.
#[test]
fn store_13_on_a_medium_that_can_not_be_written_all_is_read_and_the_advice_is_to_copy_it_first() {
    const COPY_FIRST: &str = "copy the repository to a disc that can be written";
    for object in OBJECTS {
        let spoilt = Spoilt::new();
        let name = spoilt.name(object);
        flip(&spoilt.world.path("repository").join(&name));
        let Some(_medium) = ReadOnly::new(&spoilt.world) else { return };
        let (restored, content) = spoilt.restored_at("medium");
        assert_eq!(content, "two", "{object:?}");
        assert!(restored.err.contains(&name) && restored.err.contains(COPY_FIRST), "{}", restored.err);
        for arguments in [["check"].as_slice(), &["check", "--repair"]] {
            let checked = spoilt.run_at("medium", arguments).ended(5);
            assert!(checked.out.contains(&format!("damaged: {name}\n")), "{object:?}: {}", checked.out);
            assert!(checked.err.contains(COPY_FIRST), "{}", checked.err);
        }
        for arguments in [["scrub"].as_slice(), &["scrub", "--repair"]] {
            let scrubbed = spoilt.run_at("medium", arguments).ended(5);
            assert!(scrubbed.err.contains(COPY_FIRST), "{}", scrubbed.err);
        }
        // The advice is followed.
        let copy = spoilt.world.path("copy");
        let copied = Command::new("cp").arg("-a").arg(spoilt.world.path("medium")).arg(&copy).status();
        assert!(copied.expect("cp").success());
        spoilt.run_at("copy", &["scrub", "--repair"]).ended(0);
        spoilt.run_at("copy", &["check", "--no-remember"]).succeeded();
    }
}

/// It was taken for a configuration that was lost: nobody could read, and once it was healed, nobody could do anything.
#[test]
fn store_12_a_second_copy_of_a_configuration_that_never_was_changes_nothing() {
    let spoilt = Spoilt::new();
    let place = |name: &str| spoilt.world.path("repository").join(name);
    std::fs::copy(place("mirror/config-0"), place("mirror/config-1")).expect("it is there");
    for scrub in [["scrub"].as_slice(), &["scrub", "--repair"]] {
        let told = spoilt.run_at("repository", scrub).ended(5);
        assert!(
            told.out.contains("damaged: mirror/config-1\n") && told.out.contains("1 damaged object"),
            "{}",
            told.out
        );
        assert!(!place("config/1").exists());
        assert_eq!(spoilt.run_at("repository", &["snapshots"]).ended(0).err, "");
    }
    spoilt.world.file("tree/file", b"three");
    spoilt.world.run(["backup", "tree"]).succeeded();
    let told = spoilt.run_at("repository", &["check", "--read-data", "--no-remember"]).ended(5);
    assert!(told.out.contains("damaged: mirror/config-1\n") && told.out.contains("remedy remove it"), "{}", told.out);
    assert!(told.out.contains("\n1 damage found"), "{}", told.out);
    std::fs::remove_file(place("mirror/config-1")).expect("it is there");
    spoilt.run_at("repository", &["check", "--no-remember"]).ended(0);
    spoilt.run_at("repository", &["prune"]).ended(0);
}

/// They were named as not healed, and then no damage was found.
#[test]
fn second_copies_that_were_mixed_up_and_can_not_be_written_are_damage() {
    let spoilt = Spoilt::new();
    let mirror = spoilt.world.path("repository/mirror");
    let listed = std::fs::read_dir(&mirror).expect("a folder").flatten().map(|entry| entry.path());
    let is_outcome = |path: &PathBuf| path.to_string_lossy().contains("/outcomes-");
    let mut copies: Vec<PathBuf> = listed.filter(is_outcome).collect();
    copies.sort();
    let [one, other, ..] = copies.as_slice() else { panic!("{copies:?}") };
    std::fs::rename(one, mirror.join("aside")).expect("it is there");
    std::fs::rename(other, one).expect("it is there");
    std::fs::rename(mirror.join("aside"), other).expect("it is there");
    let Some(_medium) = ReadOnly::new(&spoilt.world) else { return };
    let checked = spoilt.run_at("medium", &["check", "--repair", "--no-remember"]).ended(5);
    assert_eq!(checked.out.matches("damaged: mirror/outcomes-").count(), 2, "{}", checked.out);
    assert!(checked.out.contains("\n2 damages found"), "{}", checked.out);
    let healed = spoilt.run_at("repository", &["check", "--repair", "--no-remember"]).ended(0);
    assert_eq!(healed.out.matches("healed: mirror/outcomes-").count(), 2, "{}", healed.out);
}

/// The repository, on a medium that can't be written; goes with this value.
struct ReadOnly(PathBuf);

impl ReadOnly {
    /// None where nobody may mount.
    fn new(world: &World) -> Option<Self> {
        let medium = Self::sealed(world);
        if medium.is_none() {
            leave_out("mount", "a medium that can't be written is made by mounting");
        }
        medium
    }

    fn sealed(world: &World) -> Option<Self> {
        let place = world.path("medium");
        std::fs::create_dir(&place).expect("a folder");
        let mount = |arguments: &[&str]| Command::new("mount").args(arguments).arg(&place).output();
        let from = world.path("repository");
        let is_bound = mount(&["--bind", from.to_str()?]).is_ok_and(|done| done.status.success());
        let medium = is_bound.then(|| Self(place.clone()))?;
        mount(&["-o", "remount,ro,bind"]).is_ok_and(|done| done.status.success()).then_some(medium)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
