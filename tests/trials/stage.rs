//! A small repository with a short life, which is set back to where a command begins as often as it takes.

use crate::run::{Finished, World, contents};
use crate::tracer::{Watcher, run_watched};
use crate::tree::{Random, assert_sound};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long one run may take, which otherwise takes a tenth of a second.
const WITHIN: Duration = Duration::from_secs(60);

/// A command to which something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    Init,
    First,
    Second,
    Forget,
    Prune,
    Restore,
    Check,
    /// Of a repository that lacks a segment.
    RepairIndex,
    /// Of a repository with a damaged pack.
    RepairPacks,
}

impl Scene {
    /// How many of the things that are done before it, in the order of [`Stage::new`].
    const fn stage(self) -> usize {
        match self {
            Self::Init => 0,
            Self::First => 1,
            Self::Second => 2,
            Self::Forget | Self::Restore | Self::Check | Self::RepairIndex | Self::RepairPacks => 3,
            Self::Prune => 4,
        }
    }

    pub(crate) fn arguments(self, stage: &Stage) -> Vec<String> {
        let words = match self {
            Self::Init => "init -q --kdf-memory 64K --kdf-passes 1".to_owned(),
            Self::First | Self::Second => "backup -q tree".to_owned(),
            Self::Forget => format!("forget -q {}", stage.snapshots[0].id),
            Self::Prune => "prune -q --max-unused 0".to_owned(),
            Self::Restore => format!("restore -q {} --target copy", stage.source(&stage.snapshots[1])),
            Self::Check => "check -q --read-data".to_owned(),
            Self::RepairIndex => "-q repair index".to_owned(),
            Self::RepairPacks => "-q repair packs".to_owned(),
        };
        words.split(' ').map(str::to_owned).collect()
    }
}

/// A snapshot that was acknowledged, and what it must hold.
#[derive(Clone)]
pub(crate) struct Acknowledged {
    pub(crate) id: String,
    holds: Vec<(PathBuf, Vec<u8>)>,
}

/// A small world that is set back to where a command begins as often as it takes.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) snapshots: Vec<Acknowledged>,
}

/// What belongs to a state of the world.
pub(crate) const PARTS: [&str; 3] = ["repository", "home", "tree"];

impl Stage {
    /// Goes through the life of a repository up to a scene, and keeps where that begins.
    pub(crate) fn new(scene: Scene) -> Self {
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
        let mut stage = Self { world: World::within(place), snapshots: Vec::new() };
        let mut random = Random::new(11);
        stage.world.file("tree/gone", &random.noise(200_000));
        stage.world.file("tree/folder/text", &random.text(30_000));
        stage.world.file("tree/folder/small", b"small");
        std::os::unix::fs::symlink("folder/text", stage.world.path("tree/link")).expect("a link");
        if scene.stage() > 0 {
            let init = Scene::Init.arguments(&stage);
            stage.world.run(init).succeeded();
        }
        if scene.stage() > 1 {
            stage.back_up();
            std::fs::remove_file(stage.world.path("tree/gone")).expect("it was there");
            stage.world.file("tree/new", &random.noise(100_000));
            stage.world.file("tree/folder/small", b"other");
        }
        if scene.stage() > 2 {
            stage.back_up();
        }
        if scene.stage() > 3 {
            let forget = Scene::Forget.arguments(&stage);
            stage.world.run(forget).succeeded();
            stage.snapshots.remove(0);
        }
        if scene == Scene::RepairIndex {
            std::fs::remove_file(stage.longest("segments")).expect("it is there");
        } else if scene == Scene::RepairPacks {
            stage.wound_a_pack();
        }
        copy_parts(&stage.world.path(""), &stage.world.path("kept"));
        stage
    }

    /// The longest file below a folder of the repository.
    fn longest(&self, folder: &str) -> PathBuf {
        let folder = self.world.path("repository").join(folder);
        let files = contents(&folder).into_iter();
        let (path, _) = files.max_by_key(|(_, bytes)| bytes.len()).expect("it is not empty");
        folder.join(path)
    }

    /// Flips one bit in the middle of the longest pack, which its parity heals.
    fn wound_a_pack(&self) {
        let pack = self.longest("packs");
        let mut bytes = std::fs::read(&pack).expect("a pack");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(&pack).expect("it is there");
        std::fs::write(pack, bytes).expect("room");
    }

    fn back_up(&mut self) {
        let summary = self.world.run(["backup", "--json", "tree"]).succeeded().only("summary");
        let id = summary["snapshot_id"].as_str().expect("an id").to_owned();
        self.snapshots.push(Acknowledged { id, holds: self.tree() });
    }

    fn tree(&self) -> Vec<(PathBuf, Vec<u8>)> {
        contents(&self.world.path("tree"))
    }

    /// How the command line names the tree in a snapshot.
    fn source(&self, snapshot: &Acknowledged) -> String {
        format!("{}:{}", snapshot.id, self.world.path("tree").display())
    }

    pub(crate) fn set_back(&self) {
        for part in PARTS.into_iter().chain(["copy"]) {
            let _ = std::fs::remove_dir_all(self.world.path(part));
        }
        copy_parts(&self.world.path("kept"), &self.world.path(""));
    }

    /// Runs a scene from its beginning.
    pub(crate) fn run(&self, scene: Scene, watcher: &mut dyn Watcher) -> Finished {
        self.set_back();
        self.go_on(&scene.arguments(self), watcher)
    }

    /// Runs a command as things stand.
    pub(crate) fn go_on(&self, arguments: &[String], watcher: &mut dyn Watcher) -> Finished {
        let mut command = self.world.command();
        command.args(arguments);
        run_watched(&command, &self.world.path(""), WITHIN, watcher)
    }

    fn restores(&self, snapshot: &Acknowledged, target: &str) {
        let source = self.source(snapshot);
        self.world.run(["restore", "-q", &source, "--target", target]).succeeded();
        assert!(contents(&self.world.path(target)) == snapshot.holds, "{source} differs");
        std::fs::remove_dir_all(self.world.path(target)).expect("it was restored");
    }

    fn listed(&self) -> Vec<String> {
        let json = self.world.run(["snapshots", "--json"]).succeeded().json();
        let ids = json[0].as_array().expect("an array").iter();
        ids.map(|snapshot| snapshot["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// What must hold whatever happened, and whatever was promised by the exit code.
    pub(crate) fn is_sound(&self, scene: Scene, code: Option<i32>) {
        let done = code == Some(0);
        if scene == Scene::Init && self.world.run(["snapshots", "-q"]).code == Some(10) {
            assert!(!done, "init said that it made a repository");
            let again = scene.arguments(self);
            self.world.run(again).succeeded();
        }
        if matches!(scene, Scene::RepairIndex | Scene::RepairPacks) && !done {
            // What was begun is finished by the next one.
            self.world.run(scene.arguments(self)).succeeded();
        }
        assert_sound(&self.world.run(["check", "-q", "--read-data"]));
        let listed = self.listed();
        for snapshot in &self.snapshots {
            if scene != Scene::Forget || listed.contains(&snapshot.id) {
                self.restores(snapshot, "restored");
            }
        }
        match scene {
            Scene::First | Scene::Second => {
                let more = listed.len() - self.snapshots.len();
                assert!(more == 1 || (more == 0 && !matches!(code, Some(0 | 3))), "{listed:?}");
                // A snapshot that some items are missing from was called that.
                for id in listed.into_iter().skip(self.snapshots.len()).filter(|_| code != Some(3)) {
                    self.restores(&Acknowledged { id, holds: self.tree() }, "restored");
                }
            }
            Scene::Forget => assert!(!done || listed.len() == 1, "{listed:?}"),
            Scene::Restore => {
                let wanted = &self.snapshots[1];
                assert!(!done || contents(&self.world.path("copy")) == wanted.holds, "a wrong restore");
                self.restores(wanted, "copy");
            }
            Scene::Prune => {
                let again = scene.arguments(self);
                self.world.run(again).succeeded();
                assert_sound(&self.world.run(["check", "-q", "--read-data"]));
            }
            Scene::Init | Scene::Check | Scene::RepairIndex | Scene::RepairPacks => {}
        }
        self.goes_on();
    }

    /// The next backup succeeds.
    fn goes_on(&self) {
        let next = self.world.run(["backup", "--json", "tree"]).succeeded().only("summary");
        let id = next["snapshot_id"].as_str().expect("an id").to_owned();
        self.restores(&Acknowledged { id, holds: self.tree() }, "restored");
    }
}

fn copy_parts(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    let there: Vec<PathBuf> = PARTS.iter().map(|part| from.join(part)).filter(|path| path.exists()).collect();
    let done = Command::new("cp").arg("-a").args(there).arg(to).status().expect("cp");
    assert!(done.success());
}
