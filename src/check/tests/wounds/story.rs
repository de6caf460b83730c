//! A small repository with every kind of object, which knows what each of its snapshots held.

use crate::backup::BackupOptions;
use crate::check::{CheckDepth, CheckOptions};
use crate::config::{Parameters, Role};
use crate::id::SnapshotId;
use crate::key::{KdfCost, Slot, Unlock};
use crate::keys::{Grant, NewKeyOptions};
use crate::parity::Percent;
use crate::progress::Silent;
use crate::prune::{MaxUnused, PruneOptions};
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::seal::Secret;
use crate::session::{self, SnapshotFilter, Writer};
use crate::session_record::{self, HeartbeatBody, SessionKind};
use crate::store::{Folder, Listed, LocalStore, MemoryStore, ObjectName, Protection, Store};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) type Objects = BTreeMap<ObjectName, Arc<[u8]>>;

/// Files by path from the root, each with its type, mode, time and content; directories are left out.
pub(super) type Held = BTreeMap<PathBuf, (u32, i64, Vec<u8>)>;

/// A snapshot that is not forgotten.
pub(super) struct Kept {
    pub(super) id: SnapshotId,
    pub(super) outcome: ObjectName,
    pub(super) held: Held,
}

/// A repository at rest, but for one session that is open.
pub(super) struct Story {
    pub(super) secret: Secret,
    /// The slot that it opens.
    pub(super) slot: ObjectName,
    pub(super) objects: Objects,
    pub(super) kept: Vec<Kept>,
}

/// Everything below a directory but the directories.
pub(super) fn held(root: &Path, below: &Path) -> Held {
    let mut held = Held::new();
    let Ok(names) = std::fs::read_dir(below) else { return held };
    for path in names.map(|entry| entry.unwrap().path()) {
        let facts = std::fs::symlink_metadata(&path).unwrap();
        if facts.is_dir() {
            held.extend(self::held(root, &path));
            continue;
        }
        let content = if facts.is_symlink() {
            std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            std::fs::read(&path).unwrap()
        };
        let at = Path::new("/").join(path.strip_prefix(root).unwrap());
        held.insert(at, (facts.mode(), facts.mtime_nsec() + 1_000_000_000 * facts.mtime(), content));
    }
    held
}

/// A directory that costs nothing to write to.
pub(super) fn place() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

pub(super) fn everything(store: &dyn Store) -> Objects {
    let mut names = Vec::new();
    for folder in Folder::ALL {
        let mut each = |listed| match listed {
            Listed::Object { name, .. } => names.push(name),
            Listed::Stranger { path } => panic!("{path} is no object"),
        };
        store.list(folder, &mut each).unwrap();
    }
    names.into_iter().map(|name| (name, store.read(&name, 1 << 30).unwrap().into())).collect()
}

/// Chunks as short as they may be, and trees of several nodes.
fn parameters() -> Parameters {
    Parameters {
        chunk_bytes_min: 4096,
        chunk_bytes_avg: 8192,
        chunk_bytes_max: 8194,
        manifest_leaf_mean: 4,
        stat_leaf_mean: 4,
        inner_mean: 4,
        item_mean: 4,
        ..Parameters::default()
    }
}

/// Text of which nearly nothing is left when it is compressed, each of its own.
fn text(name: &str, bytes: usize) -> Vec<u8> {
    name.bytes().cycle().take(bytes).collect()
}

struct Teller {
    place: tempfile::TempDir,
    owner: Secret,
    web: Secret,
}

impl Teller {
    fn new() -> Self {
        let teller = Self { place: place(), owner: Secret::random(), web: Secret::random() };
        let create = CreateOptions::default().parameters(parameters()).protection(Protection::Parity(Percent::DEFAULT));
        Repository::create(&teller.store(), Unlock::KeyFile(&teller.owner), &create).unwrap();
        let options = NewKeyOptions::new("web").grant(Grant::NewKey(Role::Put)).kdf(KdfCost::CHEAP);
        teller.open("owner", &teller.owner).add_key(Unlock::KeyFile(&teller.web), &options).unwrap();
        teller
    }

    fn store(&self) -> PathBuf {
        self.place.path().join("repository")
    }

    fn open(&self, machine: &str, secret: &Secret) -> Repository {
        let place = self.place.path().join(machine);
        let options = OpenOptions::new(place.join("cache"), place.join("state")).threads(1);
        Repository::open(&self.store(), Unlock::KeyFile(secret), options).unwrap()
    }

    /// Backs up a tree with what this round alone holds.
    fn back_up(&self, machine: &str, secret: &Secret, round: &str) -> Kept {
        let root = self.place.path().join("root");
        let tree = root.join(machine);
        std::fs::create_dir_all(tree.join("sub")).unwrap();
        let write = |name: &str, content: Vec<u8>| std::fs::write(tree.join(name), content).unwrap();
        for shared in ["a shared", "b shared", "sub/c shared", "sub/d shared"] {
            if !tree.join(shared).exists() {
                write(shared, text(&format!("{machine} {shared}"), 300));
            }
        }
        write(&format!("{round} own"), text(&format!("{round} of {machine}"), 400));
        write("inline", text(round, 20));
        write("sub/changed", text(&format!("changed in {round}"), 500));
        // More chunks than an entry takes, each of its own.
        let long = (0..5u8).flat_map(|part| text(&format!("{part} {machine}"), 8194));
        write("long", long.collect());
        if !tree.join("link").exists() {
            std::os::unix::fs::symlink("a shared", tree.join("link")).unwrap();
            std::fs::File::create(tree.join("hole")).unwrap().set_len(70_000).unwrap();
        }
        let repository = self.open(machine, secret);
        let report = repository.backup(&BackupOptions::new([tree]), &Silent).unwrap();
        assert_eq!((report.protected.failure_count, report.problems.count()), (0, 0));
        let id = report.snapshot;
        let history = session::History::load(repository.access()).unwrap();
        let (session, _) = history.committed().find(|(_, outcome)| outcome.snapshot_id() == id).unwrap();
        let held = held(Path::new("/"), &root.join(machine));
        std::fs::remove_file(self.place.path().join(format!("root/{machine}/{round} own"))).unwrap();
        Kept { id, outcome: ObjectName::Outcome(*session), held }
    }

    fn forget(&self, snapshot: SnapshotId) {
        let owner = self.open("owner", &self.owner);
        let all = owner.snapshots(&SnapshotFilter::default()).unwrap();
        let unwanted = all.into_iter().filter(|known| known.id == snapshot).collect();
        owner.forget(&owner.plan_forget_snapshots(unwanted).unwrap()).unwrap();
    }

    fn prune(&self) {
        let owner = self.open("owner", &self.owner);
        let options = PruneOptions::default().max_unused(MaxUnused::Bytes(0));
        let plan = owner.plan_prune(&options, &Silent).unwrap();
        owner.prune(plan, &options, &Silent).unwrap();
    }

    /// A session that goes on, with a sign of life.
    fn leave_open(&self) {
        let repository = self.open("web", &self.web);
        let access = repository.access();
        let client = session::load(access).unwrap().client;
        let number = session::History::load(access).unwrap().next_number(client);
        let running = session::open(access, client, number, SessionKind::Backup, &Writer::default()).unwrap();
        let beat = HeartbeatBody { id: running.id, beat: 1 };
        let bytes = session_record::seal_heartbeat(&beat, &access.ring, &access.chain).unwrap();
        let _ = access.store.create(&ObjectName::Heartbeat(beat.id, beat.beat), &bytes).unwrap();
    }
}

impl Story {
    pub(super) fn new() -> Self {
        let teller = Teller::new();
        let owner = || teller.open("owner", &teller.owner);
        let forgotten = teller.back_up("owner", &teller.owner, "first");
        let undone = teller.back_up("owner", &teller.owner, "second");
        let encapsulated = teller.back_up("web", &teller.web, "first");
        teller.forget(forgotten.id);
        teller.forget(undone.id);
        owner().undo_forget(&[undone.id], &Writer::default(), &Silent).unwrap();
        teller.prune();
        let last = teller.back_up("owner", &teller.owner, "third");
        let check = CheckOptions::default().depth(CheckDepth::Data);
        assert_eq!(owner().check(&check, &Silent).unwrap().damage, []);
        teller.leave_open();
        let objects = everything(&LocalStore::open(&teller.store()).unwrap());
        let opens = |name: &ObjectName, bytes: &[u8]| {
            let ObjectName::Key(hash) = name else { return false };
            Slot::parse(hash, bytes).unwrap().open(Unlock::KeyFile(&teller.owner)).is_ok()
        };
        let (slot, _) = objects.iter().find(|(name, bytes)| opens(name, bytes)).unwrap();
        Self { secret: teller.owner, slot: *slot, objects, kept: vec![undone, encapsulated, last] }
    }

    pub(super) fn store(&self) -> MemoryStore {
        let store = MemoryStore::new();
        self.objects.iter().for_each(|(name, bytes)| store.overwrite(*name, bytes));
        store
    }

    /// The repository with some objects changed, or gone.
    pub(super) fn wounded(&self, changed: &[(ObjectName, Option<Vec<u8>>)]) -> MemoryStore {
        let store = self.store();
        for (name, bytes) in changed {
            match bytes {
                Some(bytes) => store.overwrite(*name, bytes),
                None => store.remove(name).unwrap(),
            }
        }
        store
    }

    /// What an object is: its folder, and of packs their class and how their keys are found.
    pub(super) fn kind(name: &ObjectName, bytes: &[u8]) -> (&'static str, Vec<u8>) {
        let more = if matches!(name, ObjectName::Pack(_)) { bytes[12..14].to_vec() } else { Vec::new() };
        (name.folder().as_str(), more)
    }

    /// Configurations, and the slot of the key that opens the repository.
    pub(super) fn is_needed_to_open(&self, name: &ObjectName) -> bool {
        *name == self.slot || matches!(name, ObjectName::Config(_))
    }
}
