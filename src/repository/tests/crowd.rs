//! More clients than an outcome can list: what had been seen of them lies in a node, and everybody can live with that.

use crate::access::testing::Keys;
use crate::check::CheckDepth;
use crate::content::ContentReader;
use crate::id::{ClientId, NodeId, SessionId, SnapshotId};
use crate::outcome::{OutcomeKind, SEEN_COUNT_MAX};
use crate::progress::Silent;
use crate::prune::MaxUnused;
use crate::repository::*;
use crate::session::{SnapshotFilter, Writer};
use crate::session_record::SessionKind;
use crate::store::MemoryStore;

const CLIENTS: u16 = 310;

struct Crowd {
    keys: Keys,
    store: MemoryStore,
    directory: tempfile::TempDir,
}

impl Crowd {
    fn new() -> Self {
        let keys = Keys::new(Parameters::default());
        let crowd = Self { keys, store: MemoryStore::new(), directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(crowd.directory.path().join("tree")).unwrap();
        crowd.moves();
        crowd
    }

    /// Every client of the crowd commits something.
    fn moves(&self) {
        let repository = self.open("crowd");
        let history = repository.history().unwrap();
        for number in 0..CLIENTS {
            let mut id = [0xC0; 16];
            id[..2].copy_from_slice(&number.to_be_bytes());
            let client = ClientId::from_bytes(id);
            let number = history.next_number(client);
            let kind = SessionKind::Checkpoint;
            let session = session::open(&repository.access, client, number, kind, &Writer::default()).unwrap();
            let body = session.outcome(OutcomeKind::Checkpoint, Vec::new(), Vec::new());
            session.commit(&repository.access, &body, None).unwrap();
        }
    }

    fn open(&self, client: &str) -> Repository {
        let place = self.directory.path().join(client);
        let access = self.keys.open(Arc::new(self.store.clone()), &place);
        let protecting = protection::nothing_over(&access);
        Repository {
            access,
            protecting,
            options: OpenOptions::new(&place, &place),
            place: None,
            notices: Vec::new(),
            overlooked: std::sync::Mutex::default(),
        }
    }

    fn back_up(&self, client: &str, content: &str) -> SnapshotId {
        let tree = self.directory.path().join("tree");
        std::fs::write(tree.join("file"), content.repeat(400)).unwrap();
        self.open(client).backup(&BackupOptions::new([tree]), &Silent).unwrap().snapshot
    }

    fn forget(&self, client: &str, snapshots: &[SnapshotId]) {
        let repository = self.open(client);
        let all = session::all(&repository.history().unwrap());
        let chosen = all.into_iter().filter(|snapshot| snapshots.contains(&snapshot.id)).collect();
        repository.forget(&repository.plan_forget_snapshots(chosen).unwrap()).unwrap();
    }

    fn prune(&self, client: &str) -> Result<PruneReport> {
        let repository = self.open(client);
        let options = PruneOptions::default().max_unused(MaxUnused::Bytes(0));
        let plan = repository.plan_prune(&options, &Silent)?;
        repository.prune(plan, &options, &Silent)
    }

    /// Nothing is wrong, and of all packs there is none that nobody counts.
    fn assert_sound(&self) {
        let report = self.open("checker").check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap();
        assert_eq!((&report.damage[..], &report.notices[..]), (&[][..], &[][..]));
        assert_eq!(report.unlisted_pack_count, 0);
    }

    /// The outcomes whose lists lie in nodes, with how long the lists are.
    fn long_lists(&self) -> Vec<(OutcomeKind, NodeId, usize)> {
        let repository = self.open("looker");
        let history = repository.history().unwrap();
        session::bring_up_to_date(&repository.access, &history).unwrap();
        let reader = ContentReader::new(repository.access.clone());
        let read = |held: &crate::outcome::Outcome| {
            let node = held.body.seen.overflow?;
            let seen = session::read_seen(&reader, held).unwrap();
            assert!(seen.len() > SEEN_COUNT_MAX);
            Some((held.body.kind, node, seen.len()))
        };
        history.committed().filter_map(|(_, held)| read(held)).collect()
    }

    fn kinds_with_long_lists(&self) -> Vec<OutcomeKind> {
        let mut kinds: Vec<_> = self.long_lists().into_iter().map(|(kind, ..)| kind).collect();
        kinds.sort_by_key(|kind| kind.to_string());
        kinds
    }
}

#[test]
fn outcome_14_what_was_seen_of_very_many_clients_lies_in_a_node() {
    let crowd = Crowd::new();
    crowd.back_up("ann", "one");
    assert_eq!(crowd.long_lists().iter().map(|(.., count)| *count).collect::<Vec<_>>(), [usize::from(CLIENTS)]);
    // Only what moved is told again.
    crowd.back_up("ann", "two");
    assert_eq!(crowd.long_lists().len(), 1);
    let history = crowd.open("looker").history().unwrap();
    let of_ann: Vec<(&SessionId, usize)> = history
        .committed()
        .filter(|(_, held)| held.body.kind == OutcomeKind::Snapshot)
        .map(|(id, held)| (id, held.body.seen.entries.0.len()))
        .collect();
    assert!(matches!(of_ann[..], [(_, 0), (_, 1)]), "{of_ann:?}");
    crowd.assert_sound();
}

#[test]
fn outcome_14_backups_undos_and_prunes_tell_of_very_many_clients() {
    let crowd = Crowd::new();
    let first = crowd.back_up("ann", "one");
    crowd.moves();
    crowd.forget("ann", &[first]);
    crowd.open("ann").undo_forget(&[first], &Writer::default(), &Silent).unwrap();
    assert_eq!(crowd.kinds_with_long_lists(), [OutcomeKind::Restate, OutcomeKind::Snapshot]);
    crowd.assert_sound();
    crowd.back_up("bob", "two");
    crowd.forget("bob", &[first]);
    crowd.moves();
    assert!(crowd.prune("owner").unwrap().deleted.pack_count > 0);
    // What a prune committed beside its own copying lies in packs that were not there when it looked.
    let kinds = crowd.kinds_with_long_lists();
    assert!(kinds.contains(&OutcomeKind::Repack), "{kinds:?}");
    crowd.assert_sound();
}

#[test]
fn outcome_14_a_prune_keeps_the_lists_of_outcomes_whose_snapshots_are_forgotten() {
    let crowd = Crowd::new();
    let first = crowd.back_up("ann", "one");
    let lists = crowd.long_lists();
    crowd.forget("ann", &[first]);
    let kept = crowd.back_up("ann", "something else");
    // Whatever is packed anew and thrown away, from one prune to the next and for other clients' views.
    for client in ["owner", "owner", "another", "owner"] {
        crowd.prune(client).unwrap();
        assert!(lists.iter().all(|list| crowd.long_lists().contains(list)), "{client}");
        crowd.assert_sound();
    }
    let listed = crowd.open("looker").snapshots(&SnapshotFilter::default()).unwrap();
    assert_eq!(listed.iter().map(|snapshot| snapshot.id).collect::<Vec<_>>(), [kept]);
}

#[test]
fn outcome_5_a_list_that_is_gone_is_found_by_a_check_and_stops_a_prune() {
    let crowd = Crowd::new();
    let first = crowd.back_up("ann", "one");
    let node = crowd.long_lists()[0].1;
    crowd.back_up("ann", "two");
    crowd.forget("ann", &[first]);
    let looker = crowd.open("looker");
    session::bring_up_to_date(&looker.access, &looker.history().unwrap()).unwrap();
    let extent = looker.access.index.copies(node.as_chunk()).unwrap()[0];
    let pack = looker.access.index.pack(extent.pack).unwrap().id;
    crowd.store.remove(&ObjectName::Pack(pack)).unwrap();
    let report = crowd.open("checker").check(&CheckOptions::default(), &Silent).unwrap();
    let found = report.damage.iter().find(|damage| damage.place == format!("node {node}")).unwrap();
    assert!(found.object.starts_with("outcomes/") && found.wrong.contains("list of what it had seen"), "{found:?}");
    assert_eq!(crowd.prune("owner").unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn a_check_misses_what_others_had_seen_and_what_was_put_in_its_place() {
    let crowd = Crowd::new();
    crowd.back_up("ann", "one");
    crowd.back_up("bob", "two");
    let looker = crowd.open("looker");
    let (access, history) = (&looker.access, looker.history().unwrap());
    let ann = session::load(&crowd.open("ann").access).unwrap().client;
    let last = *history.outcomes.keys().filter(|id| id.client == ann).max().unwrap();
    let told = || -> Vec<(String, String)> {
        let report = crowd.open("checker").check(&CheckOptions::default(), &Silent).unwrap();
        report.damage.into_iter().map(|damage| (damage.object, damage.wrong)).collect()
    };
    assert_eq!(told(), []);

    let name = ObjectName::Outcome(last);
    let bytes = access.store.read(&name, 1 << 20).unwrap();
    let mut other = crate::outcome::open(last, &access.ring, &access.chain, &bytes).unwrap();
    other.body.time_ns += 1;
    let other = crate::outcome::seal(&other.body, other.description.as_open(), &access.ring, &access.chain).unwrap();
    access.store.remove(&name).unwrap();
    assert_eq!(access.store.create(&name, &other).unwrap(), Created::New);
    let [(object, wrong)] = &told()[..] else { panic!("{:?}", told()) };
    assert!(*object == name.to_string() && wrong.starts_with("it is not the one that was there when"), "{wrong}");

    // It leaves no gap: its client never used a higher number.
    access.store.remove(&name).unwrap();
    let is_missed = |(object, wrong): &(String, String)| {
        *object == name.to_string() && wrong.starts_with("it is gone: it was there when outcomes/")
    };
    assert!(told().iter().any(is_missed), "{:?}", told());
}
