//! A repository in memory, and a writer that takes a backup's steps in one thread: open, read, store what is not there,
//! publish, commit.

use crate::access::testing::Keys;
use crate::access::{Access, Naming};
use crate::config::Parameters;
use crate::content::{Claim, Claims, ContentReader, FrameWriter, NodeWriter, PackStream, RawFrame, StoredTotals};
use crate::error::{Error, Result};
use crate::frame::Compression;
use crate::id::{ClientId, NodeId, SessionId, SnapshotId};
use crate::layout::Class;
use crate::manifest::{Body, Content, Cursor, Entry, Item, ItemList, Key, NodeSink, StatEntry, TreeBuilder};
use crate::outcome::{
    Component, ComponentDescription, ComponentKind, ComponentState, Counts, OutcomeDescription, OutcomeKind,
};
use crate::progress::Silent;
use crate::prune::{self, PruneOptions, PruneReport};
use crate::record::{self, RecordBody, RecordKind};
use crate::session::{self, History, Ledger, RunningSession, Writer};
use crate::session_record::SessionKind;
use crate::store::hooked::{Hooked, Step};
use crate::store::{Folder, Listed, MemoryStore, ObjectName, Store};
use crate::wire::{Blob, List};
use crossbeam_channel::unbounded;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What a snapshot holds: names and contents, each content one chunk.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) struct World {
    pub(crate) keys: Keys,
    pub(crate) store: MemoryStore,
    directory: tempfile::TempDir,
    /// Keeps its view, so that each prune goes by the counts that the one before left.
    collector: OnceLock<Access>,
}

impl World {
    pub(crate) fn new() -> Self {
        // State files are synced; memory is quicker.
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let directory = directory.unwrap();
        Self { keys: keys(), store: MemoryStore::new(), directory, collector: OnceLock::new() }
    }

    /// Another repository with the same contents, to be treated otherwise.
    pub(crate) fn fork(&self) -> Self {
        let fork = Self::new();
        for (name, bytes) in objects(&self.store) {
            fork.store.overwrite(name, &bytes);
        }
        Self { keys: self.keys.clone(), ..fork }
    }

    pub(crate) fn place(&self, client: &str) -> PathBuf {
        self.directory.path().join(client)
    }

    pub(crate) fn client(&self, client: &str) -> Access {
        self.client_on(client, Arc::new(self.store.clone()))
    }

    pub(crate) fn client_on(&self, client: &str, store: Arc<dyn Store>) -> Access {
        let place = self.place(client);
        std::fs::create_dir_all(place.join("state")).unwrap();
        self.keys.open(store, &place)
    }

    pub(crate) fn back_up(&self, client: &str, files: &Files) -> SnapshotId {
        back_up(&self.client(client), files, Inherit::Never).unwrap()
    }

    pub(crate) fn forget(&self, snapshot: SnapshotId) {
        forget(&self.client("owner"), snapshot).unwrap();
    }

    pub(crate) fn prune(&self) -> PruneReport {
        prune(self.collector(), &PruneOptions::default()).unwrap()
    }

    pub(crate) fn collector(&self) -> &Access {
        self.collector.get_or_init(|| self.client("owner"))
    }

    pub(crate) fn pack_count(&self) -> usize {
        objects(&self.store).keys().filter(|name| name.folder() == Folder::Packs).count()
    }

    /// Everything that the live snapshots need is there and whole.
    pub(crate) fn assert_whole(&self) {
        whole(&self.client("reader")).unwrap();
    }
}

fn keys() -> Keys {
    thread_local! {
        static KEYS: Keys = Keys::fixed(parameters());
    }
    KEYS.with(Clone::clone)
}

fn parameters() -> Parameters {
    Parameters { pack_bytes_target: 1 << 20, ..Parameters::default() }
}

pub(crate) fn objects(store: &dyn Store) -> BTreeMap<ObjectName, Vec<u8>> {
    let mut names = Vec::new();
    for folder in Folder::ALL {
        store
            .list(folder, &mut |listed| {
                if let Listed::Object { name, .. } = listed {
                    names.push(name);
                }
            })
            .unwrap();
    }
    names.into_iter().map(|name| (name, store.read(&name, 1 << 30).unwrap())).collect()
}

/// Contents that no compression shrinks, each of its own.
pub(crate) fn files(numbers: impl IntoIterator<Item = u32>, bytes: usize) -> Files {
    let content = |number: u32| {
        let mut content = vec![0; bytes];
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut content);
        content
    };
    numbers.into_iter().map(|number| (format!("{number:04}"), content(number))).collect()
}

pub(crate) fn prune(access: &Access, options: &PruneOptions) -> Result<PruneReport> {
    let plan = prune::plan(access, options, &Silent)?;
    prune::run(access, plan, options, &Silent)
}

/// Whether a writer takes over the whole tree of the snapshot before, if it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inherit {
    Never,
    WhenAllowed,
}

/// Makes a snapshot as a backup does.
pub(crate) fn back_up(access: &Access, files: &Files, inherit: Inherit) -> Result<SnapshotId> {
    let state = session::load(access)?;
    let history = History::load(access)?;
    let number = history.next_number(state.client);
    let main = session::open(access, state.client, number, SessionKind::Backup, &Writer::default())?;
    let made = write(access, main, files, inherit);
    if made.is_err() {
        main.abort(access);
    }
    made
}

fn write(access: &Access, main: RunningSession, files: &Files, inherit: Inherit) -> Result<SnapshotId> {
    let history = History::load(access)?;
    session::bring_up_to_date(access, &history)?;
    let fits = |snapshot: &session::Snapshot| !snapshot.forgotten && history.may_inherit(snapshot.id);
    let parent = session::all(&history).into_iter().rfind(fits);
    let parent = parent.filter(|_| inherit == Inherit::WhenAllowed);
    if let Some(parent) = parent {
        let component = &parent.components[0];
        return commit(access, main, Ledger::default(), component.manifest, component.stat);
    }
    let claims = Arc::new(Claims::new(Arc::clone(&access.index)));
    let checkpoint = store_content(access, &claims, main.id, files)?;
    let (manifest, stat, ledger) = store_trees(access, &claims, main.id, files)?;
    if let Some((session, mut ledger)) = checkpoint {
        let published = ledger.publish(access)?;
        let body = session.outcome(OutcomeKind::Checkpoint, ledger.pack_ids(), published.references());
        if let Err(error) = session.commit(access, &body, None) {
            session.abort(access);
            return Err(error);
        }
    }
    commit(access, main, ledger, Some(manifest), Some(stat))
}

fn commit(
    access: &Access,
    main: RunningSession,
    mut ledger: Ledger,
    manifest: Option<NodeId>,
    stat: Option<NodeId>,
) -> Result<SnapshotId> {
    let published = ledger.publish(access)?;
    let mut body = main.outcome(OutcomeKind::Snapshot, ledger.pack_ids(), published.references());
    let (kind, state) = (ComponentKind::Tree, ComponentState::Complete);
    body.components = List(vec![Component { kind, required: true, state, manifest, stat, counts: Counts::default() }]);
    let description = OutcomeDescription {
        paths: List(vec![Blob(b"/tree".to_vec())]),
        components: List(vec![ComponentDescription::default()]),
        ..OutcomeDescription::default()
    };
    let hash = main.commit(access, &body, Some(&description))?;
    Ok(SnapshotId::from(hash))
}

fn writer(stream: &Arc<PackStream>) -> FrameWriter {
    FrameWriter::new(Arc::clone(stream), Arc::new(StoredTotals::default()), Compression::Off)
}

/// Stores what is new under a checkpoint session, opened when there is something.
fn store_content(
    access: &Access,
    claims: &Claims,
    main: SessionId,
    files: &Files,
) -> Result<Option<(RunningSession, Ledger)>> {
    let mut new = Vec::new();
    for content in files.values() {
        let id = access.naming.chunk_ids.id(content);
        if claims.claim_one(id)? == Claim::New {
            new.push((id, content));
        }
    }
    if new.is_empty() {
        return Ok(None);
    }
    let number = main.number + 1;
    let session = session::open(access, main.client, number, SessionKind::Checkpoint, &Writer::default())?;
    let store = || -> Result<Ledger> {
        let (sender, closed) = unbounded();
        let id = session.id;
        let stream = Arc::new(PackStream::new(access.clone(), Class::Content, Box::new(move || Ok(id)), sender));
        let mut writer = writer(&stream);
        let mut raw = RawFrame::default();
        for (id, content) in new {
            raw.chunks.push(content);
            raw.ids.push(id);
            if raw.ids.len() == 2 {
                writer.store(&mut raw)?;
            }
        }
        writer.store(&mut raw)?;
        stream.end()?;
        let mut ledger = Ledger::default();
        for pack in closed.try_iter() {
            ledger.add(pack.finish(access)?);
        }
        Ok(ledger)
    };
    let stored = store();
    if stored.is_err() {
        session.abort(access);
    }
    Ok(Some((session, stored?)))
}

fn store_trees(
    access: &Access,
    claims: &Arc<Claims>,
    main: SessionId,
    files: &Files,
) -> Result<(NodeId, NodeId, Ledger)> {
    let (sender, closed) = unbounded();
    let stream = |class| Arc::new(PackStream::new(access.clone(), class, Box::new(move || Ok(main)), sender.clone()));
    let (manifests, stats) = (stream(Class::Manifest), stream(Class::Stat));
    let mut nodes = NodeWriter::new(access.clone(), Arc::clone(claims), writer(&manifests));
    let manifest = manifest_of(&access.naming, files, &mut nodes)?;
    nodes.flush()?;
    let mut nodes = NodeWriter::new(access.clone(), Arc::clone(claims), writer(&stats));
    let stat = stat_of(&access.naming, &mut nodes)?;
    nodes.flush()?;
    manifests.end()?;
    stats.end()?;
    let mut ledger = Ledger::default();
    for pack in closed.try_iter() {
        ledger.add(pack.finish(access)?);
    }
    Ok((manifest, stat, ledger))
}

/// Builds the manifest of a snapshot.
pub(crate) fn manifest_of(naming: &Naming, files: &Files, nodes: &mut impl NodeSink<Error = Error>) -> Result<NodeId> {
    let mut manifest = TreeBuilder::<Entry>::new(&naming.boundary, naming.manifest_means);
    manifest.push(&Entry::new(Key::root(), Body::Directory), nodes)?;
    for (name, content) in files {
        let id = naming.chunk_ids.id(content);
        let bytes = content.len().try_into().unwrap();
        let body = Body::File(Content::Items(ItemList::Few(vec![Item::Chunk { id, bytes }])));
        manifest.push(&Entry::new(Key::root().child(name.as_bytes()).unwrap(), body), nodes)?;
    }
    Ok(manifest.finish(nodes)?)
}

/// Builds the stat tree of a snapshot, which is empty.
pub(crate) fn stat_of(naming: &Naming, nodes: &mut impl NodeSink<Error = Error>) -> Result<NodeId> {
    Ok(TreeBuilder::<StatEntry>::new(&naming.boundary, naming.stat_means).finish(nodes)?)
}

/// Makes a record that forgets a snapshot.
pub(crate) fn forget(access: &Access, snapshot: SnapshotId) -> Result<()> {
    let client = session::load(access)?.client;
    let history = History::load(access)?;
    let own = history.records.keys().filter(|(other, _)| *other == client).map(|(_, number)| *number).max();
    let number = own.unwrap_or(0) + 1;
    let bytes = record::seal(&forgetting(client, number, snapshot), &access.ring, &access.chain)?;
    let _ = access.store.create(&ObjectName::Record(client, number), &bytes)?;
    Ok(())
}

fn forgetting(client: ClientId, number: u64, snapshot: SnapshotId) -> RecordBody {
    RecordBody {
        client,
        number,
        made_at_ns: session::now_ns(),
        kind: RecordKind::Forget,
        snapshots: List(vec![snapshot]),
        until_ns: None,
        packs: List::default(),
        note: Blob::default(),
    }
}

/// Reads everything that live snapshots need, with eyes of its own.
pub(crate) fn whole(access: &Access) -> Result<()> {
    let history = History::load(access)?;
    assert!(history.troubles.is_empty(), "{:?}", history.troubles);
    let lost = session::bring_up_to_date(access, &history)?;
    assert_eq!(lost, [], "segments are lost");
    let reader = ContentReader::new(access.clone());
    for snapshot in session::all(&history).iter().filter(|snapshot| !snapshot.forgotten) {
        let component = &snapshot.components[0];
        let mut entries = Cursor::<Entry, _>::new(&reader, component.manifest.unwrap());
        while let Some(entry) = entries.next_row()? {
            for list in entry.item_lists() {
                let ItemList::Few(items) = list else { panic!("each file is one chunk") };
                for item in items {
                    let Item::Chunk { id, .. } = item else { panic!("no file has zeros") };
                    reader.chunk(*id)?;
                }
            }
        }
        assert!(Cursor::<StatEntry, _>::new(&reader, component.stat.unwrap()).next_row()?.is_none());
    }
    Ok(())
}

/// A session of another machine, where nobody can look for its process.
pub(crate) fn open_session(world: &World, client: &str) -> RunningSession {
    session::move_to_machine(1);
    let access = world.client(client);
    let client = session::load(&access).unwrap().client;
    let number = History::load(&access).unwrap().next_number(client);
    let open = session::open(&access, client, number, SessionKind::Backup, &Writer::default()).unwrap();
    session::move_to_machine(2);
    open
}

/// Prunes while another prune is at work, which meddles before each change to the store until it has done so.
pub(crate) fn prune_beside(world: &World, meddle: impl Fn(&Access) -> bool + Send + Sync + 'static) -> PruneReport {
    let (other, is_done) = (world.client("other"), AtomicBool::new(false));
    let before = move |step: Step| {
        if step == Step::Change && !is_done.load(Ordering::Relaxed) && meddle(&other) {
            is_done.store(true, Ordering::Relaxed);
        }
    };
    let access = world.client_on("owner", Arc::new(Hooked::new(Arc::new(world.store.clone()), before)));
    prune(&access, &PruneOptions::default()).unwrap()
}
