//! Forgetting, undoing and ending sessions on a real store, with what a prune would leave there written by hand.

use super::*;
use crate::access::Access;
use crate::backup::BackupOptions;
use crate::check::{CheckDepth, CheckOptions};
use crate::config::Role;
use crate::forget::{KeepCount, Period, RetentionPolicy};
use crate::gc::{self, CondemnedBody, DeletedBody};
use crate::id::{ClientId, ObjectHash, PackId};
use crate::key::{KdfCost, Unlock};
use crate::progress::{Event, Silent};
use crate::repository::protection::nothing_over;
use crate::repository::{CreateOptions, OpenOptions};
use crate::restore::RestoreOptions;
use crate::session::{History, SnapshotFilter};
use crate::session_record::SessionKind;
use crate::store::{Created, ObjectName};
use crate::wire::List;
use std::path::PathBuf;
use std::sync::Arc;

const PASSWORD: Unlock<'static> = Unlock::Password(b"correct horse battery staple");

struct House {
    folder: tempfile::TempDir,
    repository: Repository,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("repository");
        Repository::create(&store, PASSWORD, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        let options = OpenOptions::new(folder.path().join("cache"), folder.path().join("state"));
        let repository = Repository::open(&store, PASSWORD, options).unwrap();
        std::fs::create_dir(folder.path().join("tree")).unwrap();
        Self { folder, repository }
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    /// Backs up a tree that holds only this.
    fn backup(&self, content: &str) -> SnapshotId {
        std::fs::write(self.tree().join("file"), content.repeat(50)).unwrap();
        self.repository.backup(&BackupOptions::new([self.tree()]), &Silent).unwrap().snapshot
    }

    fn forget(&self, ids: &[SnapshotId]) -> ForgetReport {
        let plan = self.repository.plan_forget_snapshots(self.snapshots(ids)).unwrap();
        self.repository.forget(&plan).unwrap()
    }

    fn snapshots(&self, ids: &[SnapshotId]) -> Vec<Snapshot> {
        let all = session::all(&self.history());
        ids.iter().map(|id| all.iter().find(|snapshot| snapshot.id == *id).unwrap().clone()).collect()
    }

    fn listed(&self) -> Vec<SnapshotId> {
        let listed = self.repository.snapshots(&SnapshotFilter::default()).unwrap();
        listed.into_iter().map(|snapshot| snapshot.id).collect()
    }

    fn undo(&self, ids: &[SnapshotId]) -> Result<UndoReport> {
        self.repository.undo_forget(ids, &Writer::default(), &Silent)
    }

    fn history(&self) -> History {
        self.repository.history().unwrap()
    }

    fn packs(&self) -> Vec<PackId> {
        session::bring_up_to_date(&self.repository.access, &self.history()).unwrap();
        let mut packs = Vec::new();
        self.repository.access.index.for_each_pack(&mut |_, entry| packs.push(entry.id)).unwrap();
        packs
    }

    /// What a prune publishes before it waits.
    fn condemn(&self, generation: u64, packs: &[PackId], live: &[SnapshotId]) -> ObjectHash {
        let session = crate::id::SessionId { client: ClientId::from_bytes([7; 16]), number: 1 };
        let body = CondemnedBody { generation, session, packs: sorted(packs), live: sorted(live) };
        let Access { ring, chain, .. } = &self.repository.access;
        let bytes = gc::seal_condemned(&body, ring, chain).unwrap();
        self.put(&ObjectName::Condemned { generation }, &bytes)
    }

    /// What a prune publishes before it deletes.
    fn delete(&self, generation: u64, condemned: ObjectHash, packs: &[PackId]) {
        let body = DeletedBody { generation, condemned, packs: sorted(packs) };
        let Access { ring, chain, .. } = &self.repository.access;
        self.put(&ObjectName::Deleted { generation }, &gc::seal_deleted(&body, ring, chain).unwrap());
    }

    fn put(&self, name: &ObjectName, bytes: &[u8]) -> ObjectHash {
        assert_eq!(self.repository.access.store.create(name, bytes).unwrap(), Created::New);
        ObjectHash::of(bytes)
    }

    /// The same repository, opened by a new key with another role.
    fn as_role(&self, role: Role) -> Repository {
        let Access { ring, chain, .. } = &self.repository.access;
        let own = ring.restricted(role).unwrap();
        let mut draft = chain.draft(session::now_ns());
        draft.enlist(own.signer(), role).unwrap();
        let bytes = draft.sign(ring.signing()).unwrap();
        let mut longer = chain.as_ref().clone();
        longer.extend(&bytes).unwrap();
        let access = Access {
            ring: Arc::new(own),
            chain: Arc::new(longer),
            state_dir: self.folder.path().join(format!("state of {role}")),
            ..self.repository.access.clone()
        };
        let protecting = nothing_over(&access);
        Repository {
            access,
            protecting,
            options: self.repository.options.clone(),
            place: None,
            notices: Vec::new(),
            overlooked: std::sync::Mutex::default(),
        }
    }
}

fn sorted<T: Ord + Copy>(items: &[T]) -> List<T> {
    let mut items = items.to_vec();
    items.sort_unstable();
    List(items)
}

#[test]
fn what_is_forgotten_comes_back_by_an_undo() {
    let house = House::new();
    let [one, two, three] = ["one", "two", "three"].map(|content| house.backup(content));
    assert_eq!(house.forget(&[one, two]).forgotten.len(), 2);
    assert_eq!(house.listed(), [three]);
    // Both were forgotten by one record; one of them comes back.
    let report = house.undo(&[one, three]).unwrap();
    assert_eq!((report.restated, report.not_forgotten), (vec![one], vec![three]));
    let mut listed = house.listed();
    listed.sort_unstable();
    assert_eq!(List(listed), sorted(&[one, three]));
    let target = house.folder.path().join("restored");
    let key = crate::manifest::Key::from_path(&house.tree()).unwrap();
    let options = RestoreOptions::new(&target).path(key);
    house.repository.restore(&house.snapshots(&[one])[0], &options, &Silent).unwrap();
    assert_eq!(std::fs::read_to_string(target.join("file")).unwrap(), "one".repeat(50));
    assert!(house.history().open.is_empty());
    assert!(
        house.repository.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap().damage.is_empty()
    );
    // Forgetting again is a statement of its own.
    assert_eq!(house.forget(&[one]).forgotten, [one]);
    assert_eq!(house.listed(), [three]);
    house.undo(&[one, two]).unwrap();
    assert_eq!(house.listed().len(), 3);
}

#[test]
fn prune_11_an_undo_that_needs_a_condemned_pack_fails_and_changes_nothing() {
    let house = House::new();
    let gone = house.backup("gone");
    let needed = house.packs();
    assert!(needed.len() >= 3, "content, manifest and stat: {needed:?}");
    let kept = house.backup("kept");
    house.forget(&[gone]);
    let condemned = house.condemn(1, &needed[..1], &[kept]);
    let sessions_before = house.history().committed().count();
    let refused = house.undo(&[gone]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    for part in ["stays forgotten", "condemned or deleted", &gone.short()] {
        assert!(refused.to_string().contains(part), "{part}: {refused}");
    }
    assert_eq!((house.listed(), house.history().committed().count()), (vec![kept], sessions_before));
    assert!(house.history().open.is_empty(), "its session was aborted");
    assert_eq!(house.repository.forgotten_snapshots().unwrap().len(), 0);
    // What the collector spared at its second look is there again.
    house.delete(1, condemned, &[]);
    assert_eq!(house.repository.forgotten_snapshots().unwrap().len(), 1);
    assert_eq!(house.undo(&[gone]).unwrap().restated, [gone]);
}

#[test]
fn prune_11_each_kind_of_pack_is_tested_and_all_snapshots_or_none_come_back() {
    let house = House::new();
    let whole = house.backup("whole");
    let before = house.packs();
    let torn = house.backup("torn");
    let only_torn: Vec<PackId> = house.packs().into_iter().filter(|pack| !before.contains(pack)).collect();
    assert!(only_torn.len() >= 3, "{only_torn:?}");
    house.forget(&[whole, torn]);
    for (generation, pack) in (1..).zip(&only_torn) {
        let condemned = house.condemn(generation, &[*pack], &[]);
        assert_eq!(house.undo(&[whole, torn]).unwrap_err().kind(), ErrorKind::NotFound, "generation {generation}");
        assert_eq!(house.listed(), []);
        house.delete(generation, condemned, &[]);
    }
    let condemned = house.condemn(99, &only_torn, &[]);
    house.delete(99, condemned, &only_torn);
    assert_eq!(house.undo(&[torn]).unwrap_err().kind(), ErrorKind::NotFound, "published for deletion");
    assert_eq!(house.undo(&[whole]).unwrap().restated, [whole]);
}

#[test]
fn prune_22_what_lies_only_in_a_pack_that_is_gone_lets_nothing_come_back() {
    let house = House::new();
    let gone = house.backup("gone");
    let needed = house.packs();
    let kept = house.backup("kept");
    house.forget(&[gone]);
    assert_eq!(house.repository.forgotten_snapshots().unwrap().len(), 1);
    let store = &house.repository.access.store;
    let content = needed.iter().map(|pack| ObjectName::Pack(*pack)).find(|name| {
        let bytes = store.read(name, 1 << 20).unwrap();
        let header = crate::pack::PackHeader::parse(None, &bytes).unwrap();
        header.class == crate::layout::Class::Content
    });
    store.remove(&content.unwrap()).unwrap();
    let refused = house.undo(&[gone]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    assert!(refused.to_string().contains("packs that are gone"), "{refused}");
    assert_eq!(house.listed(), [kept]);
    assert_eq!(house.repository.forgotten_snapshots().unwrap().len(), 0);
}

#[test]
fn prune_11_a_set_that_cant_be_read_lets_nothing_come_back() {
    let house = House::new();
    let id = house.backup("x");
    house.forget(&[id]);
    house.put(&ObjectName::Condemned { generation: 1 }, b"no envelope");
    let refused = house.undo(&[id]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged, "{refused}");
    assert!(refused.to_string().contains("gc/"), "{refused}");
    assert_eq!(house.listed(), []);
}

/// Publishes a condemned set while the undo looks around.
struct Condemns<'a> {
    house: &'a House,
    packs: Vec<PackId>,
}

impl Progress for Condemns<'_> {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Phase(_)) {
            let open = self.house.history().open;
            assert_eq!(open.len(), 1, "the undo's session is open before it looks: a prune waits for it");
            self.house.condemn(1, &self.packs, &[]);
        }
    }
}

#[test]
fn prune_4_an_undo_opens_its_session_before_it_looks() {
    let house = House::new();
    let id = house.backup("x");
    house.forget(&[id]);
    let condemns = Condemns { house: &house, packs: house.packs() };
    // It commits on what it read: the prune finds it decided at its second look, and spares what it needs.
    let report = house.repository.undo_forget(&[id], &Writer::default(), &condemns).unwrap();
    assert_eq!(report.restated, [id]);
    assert_eq!(house.history().forgotten().len(), 0);
}

/// A pin whose record is damaged or gone looks like none, and the snapshot was forgotten, and then pruned.
#[test]
fn record_17_nothing_is_forgotten_while_a_pin_may_be_lost() {
    let house = House::new();
    let [old, _] = ["old", "new"].map(|content| house.backup(content));
    let policy = RetentionPolicy::default().keep(Period::Last, KeepCount::AtMost(1));
    let by_policy = || house.repository.plan_forget(&RetentionOptions::new(policy.clone()));
    let early = by_policy().unwrap();
    let pin = |ids: &[SnapshotId]| house.repository.pin(&house.snapshots(ids), None, &Writer::default(), &Silent);
    pin(&[old]).unwrap();
    pin(&[old]).unwrap();
    let named = house.snapshots(&[old]);
    let by_name = || house.repository.plan_forget_snapshots(named.clone());

    let store = &house.repository.access.store;
    let client = session::load(&house.repository.access).unwrap().client;
    let records = [1, 2].map(|number| ObjectName::Record(client, number));
    let outcome = ObjectName::Outcome(*house.history().outcomes.keys().next().unwrap());
    let sound = [records[0], records[1], outcome].map(|name| (name, store.read(&name, 1 << 20).unwrap()));
    let refuses = |wound: &str| {
        for refused in [by_policy().err(), by_name().err(), house.repository.forget(&early).err()] {
            let refused = refused.unwrap_or_else(|| panic!("{wound}: it is forgotten"));
            assert_eq!(refused.kind(), ErrorKind::Damaged, "{wound}: {refused}");
            assert!(refused.to_string().starts_with("nothing is forgotten while "), "{wound}: {refused}");
        }
        assert_eq!(house.history().forgotten().len(), 0, "{wound}");
    };
    let put_back = || {
        for (name, bytes) in &sound {
            let _ = store.remove(name);
            house.put(name, bytes);
            let _ = store.remove(&name.mirror().unwrap());
        }
    };
    for (name, bytes) in &sound {
        store.remove(name).unwrap();
        house.put(&name.mirror().unwrap(), bytes);
        refuses(&format!("{name} is there only as its second copy"));
        put_back();
    }
    store.remove(&records[0]).unwrap();
    refuses("the first record is missing below the second one");
    put_back();
    store.remove(&records[1]).unwrap();
    house.put(&records[1], b"no record");
    refuses("a record can't be believed");
    put_back();

    // What is ordinary keeps nobody from forgetting: open sessions, and the sets of prunes.
    let access = &house.repository.access;
    let number = house.history().next_number(client);
    session::open(access, client, number, SessionKind::Backup, &Writer::default()).unwrap();
    session::open(access, ClientId::from_bytes([8; 16]), 1, SessionKind::Checkpoint, &Writer::default()).unwrap();
    house.put(&ObjectName::Condemned { generation: 1 }, b"no envelope");
    assert_eq!(by_policy().unwrap().goes().count(), 0, "it is pinned");
    assert_eq!(by_name().unwrap_err().kind(), ErrorKind::Pinned);
    assert_eq!(house.repository.forget(&early).unwrap().pinned, [old]);
    house.repository.unpin(&[old]).unwrap();
    assert_eq!(house.repository.forget(&by_policy().unwrap()).unwrap().forgotten, [old]);
}

#[test]
fn record_18_the_number_of_a_record_that_is_lost_is_not_used_again() {
    let house = House::new();
    let id = house.backup("x");
    let client = session::load(&house.repository.access).unwrap().client;
    let pin = || house.repository.pin(&house.snapshots(&[id]), None, &Writer::default(), &Silent).unwrap();
    let numbers = || house.history().records.keys().map(|(_, number)| *number).collect::<Vec<_>>();
    pin();
    pin();
    assert_eq!(numbers(), [1, 2]);
    let store = &house.repository.access.store;
    let [first, second] = [1, 2].map(|number| ObjectName::Record(client, number));
    // Of the second one a copy is left, of the first one nothing.
    let bytes = store.read(&second, 1 << 20).unwrap();
    store.remove(&first).unwrap();
    store.remove(&second).unwrap();
    house.put(&second.mirror().unwrap(), &bytes);
    pin();
    assert_eq!(numbers(), [3]);
    // Another client's numbers are its own, and what can't be believed has used its number up.
    house.put(&ObjectName::Record(ClientId::from_bytes([8; 16]), 70), b"no record");
    house.put(&ObjectName::Record(client, 5), b"no record");
    pin();
    assert_eq!(numbers(), [3, 6]);
}

#[test]
fn a_pin_protects_brings_back_and_is_lifted() {
    let house = House::new();
    let [old, new] = ["old", "new"].map(|content| house.backup(content));
    let pin = |ids: &[SnapshotId], until_ns| {
        house.repository.pin(&house.snapshots(ids), until_ns, &Writer::default(), &Silent).unwrap()
    };
    assert_eq!(pin(&[old], None).brought_back, []);
    let policy = RetentionPolicy::default().keep(Period::Last, KeepCount::AtMost(1));
    let plan = |policy: &RetentionPolicy| house.repository.plan_forget(&RetentionOptions::new(policy.clone())).unwrap();
    assert_eq!(plan(&policy).goes().count(), 0);
    assert_eq!(house.repository.plan_forget_snapshots(house.snapshots(&[old])).unwrap_err().kind(), ErrorKind::Pinned);
    assert_eq!(house.repository.unpin(&[old, new]).unwrap(), [old]);
    let unpinned = plan(&policy);
    assert_eq!(unpinned.goes().map(|snapshot| snapshot.id).collect::<Vec<_>>(), [old]);
    // A pin that comes after the plan still counts.
    let until_ns = session::now_ns() + 1_000_000_000_000;
    pin(&[old], Some(until_ns));
    let report = house.repository.forget(&unpinned).unwrap();
    assert_eq!((report.forgotten, report.pinned), (vec![], vec![old]));
    house.repository.unpin(&[old]).unwrap();
    house.repository.forget(&unpinned).unwrap();
    assert_eq!(house.listed(), [new]);
    // A pin of a forgotten snapshot goes through a session, with and without an end.
    assert_eq!(pin(&[old, new], Some(until_ns)).brought_back, [old]);
    assert!(house.snapshots(&[old, new]).iter().all(|one| one.pin.unwrap().until_ns == Some(until_ns)));
    house.repository.unpin(&[old]).unwrap();
    house.forget(&[old]);
    assert_eq!(pin(&[old], None).brought_back, [old]);
    assert_eq!(house.snapshots(&[old])[0].pin.unwrap().until_ns, None);
    let kinds: Vec<_> = house.history().committed().map(|(_, held)| held.body.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == crate::outcome::OutcomeKind::Restate).count(), 2);
}

#[test]
fn a_pin_of_a_forgotten_snapshot_whose_data_is_going_changes_nothing() {
    let house = House::new();
    let id = house.backup("x");
    house.forget(&[id]);
    house.condemn(1, &house.packs(), &[]);
    let snapshots = house.snapshots(&[id]);
    let refused = house.repository.pin(&snapshots, None, &Writer::default(), &Silent).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
    assert!(house.history().pins().is_empty() && house.listed().is_empty());
}

#[test]
fn keys_that_put_or_read_are_refused_and_leave_nothing() {
    let house = House::new();
    let id = house.backup("x");
    for role in [Role::Put, Role::Read] {
        let weak = house.as_role(role);
        let snapshots = house.snapshots(&[id]);
        let plan = weak.plan_forget_snapshots(snapshots.clone()).unwrap();
        let errors = [
            weak.forget(&plan).unwrap_err(),
            weak.pin(&snapshots, None, &Writer::default(), &Silent).unwrap_err(),
            weak.unpin(&[id]).unwrap_err(),
            weak.undo_forget(&[id], &Writer::default(), &Silent).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
            assert!(error.to_string().contains(&format!("the role {role}")), "{error}");
        }
    }
    assert!(house.history().records.is_empty() && house.history().open.is_empty());
    let strong = house.as_role(Role::Prune);
    strong.forget(&strong.plan_forget_snapshots(house.snapshots(&[id])).unwrap()).unwrap();
    assert_eq!(strong.history().unwrap().forgotten().len(), 1);
    assert_eq!(strong.undo_forget(&[id], &Writer::default(), &Silent).unwrap().restated, [id]);
}

#[test]
fn a_put_keys_snapshot_comes_back_by_its_own_packs() {
    let house = House::new();
    let putter = house.as_role(Role::Put);
    std::fs::write(house.tree().join("file"), "put").unwrap();
    let id = putter.backup(&BackupOptions::new([house.tree()]), &Silent).unwrap().snapshot;
    let Access { chain, .. } = putter.access.clone();
    let access = Access { chain, ..house.repository.access.clone() };
    let protecting = nothing_over(&access);
    let reader = Repository {
        access,
        protecting,
        options: house.repository.options.clone(),
        place: None,
        notices: Vec::new(),
        overlooked: std::sync::Mutex::default(),
    };
    let snapshots = session::all(&reader.history().unwrap());
    reader.forget(&reader.plan_forget_snapshots(snapshots).unwrap()).unwrap();
    assert_eq!(reader.undo_forget(&[id], &Writer::default(), &Silent).unwrap().restated, [id]);
}

#[test]
fn an_aborted_session_never_commits_and_its_writer_is_told() {
    let house = House::new();
    let access = &house.repository.access;
    let client = ClientId::from_bytes([3; 16]);
    let running = session::open(access, client, 1, SessionKind::Restate, &Writer::default()).unwrap();
    let [open] = &house.repository.open_sessions().unwrap()[..] else { panic!("one is open") };
    assert_eq!((open.id, open.kind, open.beat_count), (running.id, SessionKind::Restate, 0));
    assert_eq!(open.process, session::WriterProcess::Running { pid: std::process::id() });
    let spec = SessionSpec::short(open.id);
    for role in [Role::Put, Role::Read] {
        assert_eq!(house.as_role(role).abort_session(&spec).unwrap_err().kind(), ErrorKind::Denied);
    }
    assert_eq!(house.repository.abort_session(&spec).unwrap(), (running.id, AbortOutcome::Aborted));
    assert!(house.repository.open_sessions().unwrap().is_empty());
    let body = running.outcome(crate::outcome::OutcomeKind::Abort, Vec::new(), Vec::new());
    let told = running.commit(access, &body, None).unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Aborted);
    assert!(told.to_string().contains("run again"), "{told}");
    assert_eq!(house.repository.abort_session(&spec).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn prune_5_an_abort_that_comes_after_the_commit_changes_nothing_and_says_so() {
    let house = House::new();
    let access = &house.repository.access;
    let client = ClientId::from_bytes([3; 16]);
    let running = session::open(access, client, 1, SessionKind::Checkpoint, &Writer::default()).unwrap();
    let bytes = access.store.read(&ObjectName::Session(running.id), 1 << 20).unwrap();
    let body = running.outcome(crate::outcome::OutcomeKind::Checkpoint, Vec::new(), Vec::new());
    running.commit(access, &body, None).unwrap();
    // As if the session object had been read before it was tidied away.
    house.put(&ObjectName::Session(running.id), &bytes);
    let outcome = session::abort_open(access, running.id).unwrap();
    assert_eq!(outcome, AbortOutcome::TooLate(crate::outcome::OutcomeKind::Checkpoint));
    assert_eq!(house.history().committed().count(), 1);
}

#[test]
fn records_of_one_client_never_share_a_number() {
    let house = House::new();
    let ids: Vec<SnapshotId> = (0..4).map(|number| house.backup(&format!("{number}"))).collect();
    std::thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| house.forget(&[*id]));
        }
    });
    let numbers: Vec<u64> = house.history().records.keys().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(house.listed(), []);
}

#[test]
fn a_forgotten_snapshot_whose_packs_were_deleted_is_not_offered() {
    let house = House::new();
    let gone = house.backup("gone");
    house.backup("kept");
    house.forget(&[gone]);
    assert_eq!(house.repository.forgotten_snapshots().unwrap().len(), 1);
    let options = crate::prune::PruneOptions::default();
    let plan = house.repository.plan_prune(&options, &Silent).unwrap();
    let report = house.repository.prune(plan, &options, &Silent).unwrap();
    assert!(report.deleted.pack_count > 0, "{report:?}");
    assert_eq!(house.repository.forgotten_snapshots().unwrap().len(), 0);
}
