//! What a check remembers, and what it makes of what others remember.

use super::{MEMORIES_BYTES, PASSWORD, Patient, replace};
use crate::access::Access;
use crate::check::options::{CheckDepth, CheckOptions, ReadSubset, Remember};
use crate::check::packs;
use crate::check::plan::{Need, Plan};
use crate::check::remember::{Recorder, make, tidy};
use crate::check::report::CheckReport;
use crate::check::report::Findings;
use crate::check::verified::{Verified, read};
use crate::check::view;
use crate::config::Role;
use crate::id::{ClientId, PackId};
use crate::progress::{Event, Progress, Silent};
use crate::record::{self, RecordBody, RecordKind};
use crate::repository::Repository;
use crate::session::{self, History, RecordDraft, now_ns};
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::moody::{Mood, MoodyStore};
use crate::store::{Created, LocalStore, ObjectName, Store};
use crate::wire::{Blob, List};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

fn data() -> CheckOptions {
    CheckOptions::default().depth(CheckDepth::Data)
}

impl Patient {
    fn open(&self) -> Repository {
        Repository::open(&self.store(), PASSWORD, self.options().reading()).unwrap()
    }

    fn check_with(&self, options: &CheckOptions) -> CheckReport {
        self.open().check(options, &Silent).unwrap()
    }

    fn every_pack(&self) -> BTreeSet<PackId> {
        (1..=3).flat_map(|class| self.packs(class)).collect()
    }

    /// All verified records.
    fn records(&self) -> Vec<RecordBody> {
        records(self.open().access())
    }

    /// What is remembered of each pack.
    fn remembered(&self) -> BTreeMap<PackId, i64> {
        let mut remembered = BTreeMap::new();
        for body in self.records() {
            for pack in body.packs.0 {
                let at_ns = remembered.entry(pack).or_insert(body.made_at_ns);
                *at_ns = body.made_at_ns.max(*at_ns);
            }
        }
        remembered
    }
}

fn records(access: &Access) -> Vec<RecordBody> {
    let known = Verified::load(access).unwrap().records;
    known.iter().map(|known| read(access, known.client, known.number).unwrap().unwrap()).collect()
}

fn put(access: &Access, name: ObjectName, body: &RecordBody) {
    let bytes = record::seal(body, &access.ring, &access.chain).unwrap();
    assert_eq!(access.store.create(&name, &bytes).unwrap(), Created::New);
}

fn some_packs(count: u32) -> Vec<PackId> {
    (0..count).map(|number| PackId::of(&number.to_le_bytes())).collect()
}

#[test]
fn record_9_what_was_read_and_found_sound_is_remembered_and_nothing_else() {
    let patient = Patient::new();
    assert_eq!(patient.check(CheckDepth::Structure, MEMORIES_BYTES[0]).remembered_pack_count, 0);
    assert_eq!(patient.remembered(), BTreeMap::new(), "nothing was read");
    let spoilt = patient.packs(1)[0];
    let before = patient.change(spoilt, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let began_ns = now_ns();
    let report = patient.check_with(&data());
    let all = patient.every_pack();
    let sound: BTreeSet<PackId> = all.iter().copied().filter(|pack| *pack != spoilt).collect();
    let remembered = patient.remembered();
    assert_eq!(remembered.keys().copied().collect::<BTreeSet<_>>(), sound);
    assert_eq!(usize::try_from(report.remembered_pack_count), Ok(sound.len()));
    assert!(remembered.values().all(|at_ns| (began_ns..=now_ns()).contains(at_ns)));
    replace(&patient.file(spoilt), &before);
    patient.check_with(&data());
    assert_eq!(patient.remembered().into_keys().collect::<BTreeSet<_>>(), all);
}

#[test]
fn record_9_a_pack_that_was_read_right_only_the_second_time_is_not_remembered() {
    let patient = Patient::new();
    let local: Arc<dyn Store> = Arc::new(LocalStore::open(&patient.store()).unwrap());
    let pack = patient.packs(1)[0];
    let store = Arc::new(MoodyStore::new(local, ObjectName::Pack(pack), Mood::WrongOnce));
    let repository = Repository::open_store(store, PASSWORD, patient.options().reading()).unwrap();
    assert_eq!(repository.check(&data(), &Silent).unwrap().damage_count, 0);
    let remembered: BTreeSet<PackId> = patient.remembered().into_keys().collect();
    assert_eq!(patient.every_pack().difference(&remembered).copied().collect::<Vec<_>>(), [pack]);
}

#[test]
fn record_9_a_pack_with_more_bytes_than_its_own_is_not_remembered() {
    let patient = Patient::new();
    let pack = patient.packs(1)[0];
    patient.change(pack, |bytes| bytes.push(0));
    assert_eq!(patient.check_with(&data()).damage_count, 1);
    assert!(!patient.remembered().contains_key(&pack));
}

#[test]
fn who_wants_nothing_written_gets_nothing_written() {
    let patient = Patient::new();
    let report = patient.check_with(&data().remember(Remember::Nothing));
    assert_eq!((report.remembered_pack_count, report.notices), (0, Vec::new()));
    assert_eq!(patient.remembered(), BTreeMap::new());
}

#[test]
fn what_was_verified_lately_is_passed_over_and_all_is_read_without_an_age() {
    let patient = Patient::new();
    let all = patient.every_pack();
    let count = u64::try_from(all.len()).unwrap();
    assert_eq!(patient.check_with(&data().age_max(DAY)).read_pack_count, count);
    let again = patient.check_with(&data().age_max(DAY));
    assert_eq!((again.read_pack_count, again.recent_pack_count, again.read_bytes), (0, count, 0));
    std::fs::write(patient.path("tree/c"), [7; 5000]).unwrap();
    patient.backup();
    let new = u64::try_from(patient.every_pack().len()).unwrap() - count;
    let after = patient.check_with(&data().age_max(DAY));
    assert_eq!((after.read_pack_count, after.recent_pack_count), (new, count));
    assert!(new > 0);
    assert_eq!(patient.check_with(&data()).read_pack_count, count + new);
}

#[test]
fn a_subset_is_read_and_the_parts_together_are_everything() {
    let patient = Patient::new();
    let count = u64::try_from(patient.every_pack().len()).unwrap();
    let read = |subset| patient.check_with(&data().subset(subset).remember(Remember::Nothing)).read_pack_count;
    assert_eq!((1..=3).map(|part| read(ReadSubset::Part { part, parts: 3 })).sum::<u64>(), count);
    assert_eq!(read(ReadSubset::Share(1)), 1);
    assert_eq!(read(ReadSubset::Share(10_000)), count);
    assert_eq!(read(ReadSubset::Bytes(1)), 1);
}

#[test]
fn what_is_verified_never_or_long_ago_comes_first() {
    let patient = Patient::new();
    for byte in 0..4u8 {
        std::fs::write(patient.path("tree/more"), [byte; 3000]).unwrap();
        patient.backup();
    }
    let repository = patient.open();
    let access = repository.access();
    let all: Vec<PackId> = patient.every_pack().into_iter().collect();
    assert!(all.len() > 10, "several batches");
    let now_ns = now_ns();
    let ages_h = [30, 10, 20];
    for (place, age) in ages_h.into_iter().enumerate() {
        let packs = all.iter().copied().skip(place).step_by(4).collect();
        make(access, now_ns - age * HOUR_NS, packs).unwrap();
    }
    let expected_age = |pack: &PackId| {
        let place = all.iter().position(|known| known == pack).unwrap() % 4;
        ages_h.get(place).copied()
    };
    let history = History::load(access).unwrap();
    let findings = Findings::new(access, &Silent);
    let access = &view::open(access, &history, &findings).unwrap();
    let listing = packs::check(access, &history, &findings).unwrap();
    let verified = Verified::load(access).unwrap();
    let suspect = all[0];
    let suspects = BTreeSet::from([suspect]);
    let options = data().age_max(Duration::from_secs(15 * 3600));
    let plan = Plan::new(access, &listing.present, &verified, &suspects, &options).unwrap();
    let (mut order, mut last) = (Vec::new(), None);
    loop {
        let batch = plan.next_batch(last).unwrap();
        let Some(end) = batch.last() else { break };
        last = Some(*end);
        order.extend(batch.iter().map(|turn| (turn.need, access.index.pack(turn.ordinal).unwrap().id)));
    }
    assert_eq!(order[0], (Need::Suspect, suspect));
    let ages: Vec<_> = order[1..].iter().map(|(_, pack)| expected_age(pack)).collect();
    let mut sorted = ages.clone();
    sorted.sort_by_key(|age| age.map_or(i64::MIN, |age| -age));
    assert_eq!(ages, sorted);
    assert_eq!(order.iter().map(|(_, pack)| *pack).collect::<BTreeSet<_>>().len(), order.len(), "each once");
    let recent = all.iter().filter(|pack| expected_age(pack) == Some(10)).count();
    assert_eq!(order.len(), all.len() - recent);
    assert_eq!(usize::try_from(plan.chosen.pack_count), Ok(order.len()));
    assert_eq!(usize::try_from(plan.recent.pack_count), Ok(recent));
}

#[test]
fn when_the_time_is_up_no_further_pack_is_begun_and_that_is_no_damage() {
    let patient = Patient::new();
    let report = patient.check_with(&data().duration_max(Duration::ZERO));
    assert_eq!((report.read_pack_count, report.damage_count), (0, 0));
    assert_eq!(report.left_pack_count, report.pack_count);
    assert!(report.node_count > 0, "everything else is checked in full");
    let report = patient.check_with(&data().duration_max(DAY));
    assert_eq!((report.read_pack_count, report.left_pack_count), (report.pack_count, 0));
}

/// Stops once so many bytes were processed.
struct StopsAfter {
    bytes: u64,
    processed: AtomicU64,
}

impl Progress for StopsAfter {
    fn event(&self, event: &Event<'_>) {
        if let Event::Processed { bytes, .. } = event {
            self.processed.fetch_add(*bytes, Ordering::SeqCst);
        }
    }

    fn stopped(&self) -> bool {
        self.processed.load(Ordering::SeqCst) >= self.bytes
    }
}

#[test]
fn what_was_verified_before_a_check_is_stopped_is_remembered() {
    let patient = Patient::new();
    // More than the readers are ahead of the decoders.
    for seed in 3..11 {
        std::fs::write(patient.path("tree/more"), super::noise(seed)).unwrap();
        patient.backup();
    }
    let all = patient.every_pack();
    let bytes = all.iter().map(|pack| std::fs::metadata(patient.file(*pack)).unwrap().len()).sum::<u64>();
    let progress = StopsAfter { bytes: bytes / 2, processed: AtomicU64::new(0) };
    let options = patient.options().reading().threads(1);
    let repository = Repository::open(&patient.store(), PASSWORD, options).unwrap();
    let stopped = repository.check(&data(), &progress).unwrap_err();
    assert_eq!(stopped.kind(), crate::ErrorKind::Interrupted);
    let remembered = patient.remembered();
    assert!(!remembered.is_empty() && remembered.len() < all.len(), "{} of {}", remembered.len(), all.len());
}

#[test]
fn record_10_what_can_not_be_believed_stops_nobody_and_says_nothing() {
    let patient = Patient::new();
    let repository = patient.open();
    let access = repository.access();
    let all: Vec<PackId> = patient.every_pack().into_iter().collect();
    make(access, now_ns() + HOUR_NS, all.clone()).unwrap();
    let sample = |client: u8, kind| RecordBody {
        client: ClientId::from_bytes([client; 16]),
        number: 1,
        made_at_ns: 1,
        kind,
        snapshots: List::default(),
        until_ns: None,
        packs: List::default(),
        note: Blob::default(),
    };
    let snapshot = session::all(&History::load(access).unwrap())[0].id;
    let pin = RecordBody { snapshots: List(vec![snapshot]), ..sample(1, RecordKind::Pin) };
    put(access, ObjectName::Verified(pin.client, 1), &pin);
    let elsewhere = RecordBody { packs: List(all.clone()), ..sample(2, RecordKind::Verified) };
    put(access, ObjectName::Record(elsewhere.client, 1), &elsewhere);
    let garbage = ObjectName::Verified(ClientId::from_bytes([3; 16]), 1);
    assert_eq!(access.store.create(&garbage, &[0x33; 400]).unwrap(), Created::New);

    let report = patient.check_with(&data().age_max(DAY).remember(Remember::Nothing));
    assert_eq!((report.recent_pack_count, report.read_pack_count), (0, report.pack_count));
    let told: BTreeSet<String> = report.damage.iter().map(|damage| damage.object.clone()).collect();
    assert_eq!(told, BTreeSet::from([ObjectName::Verified(pin.client, 1).to_string(), garbage.to_string()]));
    assert!(report.notices.iter().any(|notice| notice.contains("ahead of the clock")), "{:?}", report.notices);
    assert!(repository.snapshots(&Default::default()).unwrap().iter().all(|found| found.pin.is_none()));
    assert!(History::load(access).unwrap().troubles.is_empty());
    drop(repository);
    patient.backup();
    let writer = Repository::open(&patient.store(), PASSWORD, patient.options()).unwrap();
    let plan = writer.plan_prune(&Default::default(), &Silent).unwrap();
    writer.prune(plan, &Default::default(), &Silent).unwrap();
}

#[test]
fn record_11_every_record_has_a_client_id_of_its_own() {
    let patient = Patient::new();
    let repository = patient.open();
    for _ in 0..3 {
        make(repository.access(), 1, some_packs(2)).unwrap();
    }
    let own = session::load(repository.access()).unwrap().client;
    let records = patient.records();
    let clients: BTreeSet<ClientId> = records.iter().map(|body| body.client).collect();
    assert_eq!((clients.len(), clients.contains(&own)), (3, false));
    assert!(records.iter().all(|body| body.number == 1));
}

/// The check that came after the one that had found the damage passed over the pack, and ended well.
#[test]
fn record_19_a_pack_that_was_found_damaged_is_not_passed_over_by_what_was_said_of_it_before() {
    let patient = Patient::new();
    let recent = data().age_max(DAY);
    patient.check_with(&data());
    let all = patient.every_pack();
    // It is named by two records, and not alone in either.
    let spoilt = patient.packs(1)[0];
    make(patient.open().access(), now_ns(), all.iter().copied().collect()).unwrap();
    patient.change(spoilt, |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(patient.check_with(&recent).damage_count, 0, "nobody has looked at it since");
    assert_eq!(patient.check_with(&data().remember(Remember::Nothing)).damage_count, 1);
    assert!(patient.remembered().contains_key(&spoilt), "nothing was to be written");

    assert_eq!(patient.check_with(&data()).damage_count, 1);
    let sound: BTreeSet<PackId> = all.into_iter().filter(|pack| *pack != spoilt).collect();
    assert_eq!(patient.remembered().into_keys().collect::<BTreeSet<_>>(), sound);
    for _ in 0..2 {
        let report = patient.check_with(&recent);
        assert_eq!((report.damage_count, report.read_pack_count), (1, 1), "{:?}", report.damage);
    }
}

#[test]
fn record_12_records_do_not_pile_up_and_what_they_said_stays_said() {
    let patient = Patient::new();
    let all: Vec<PackId> = patient.every_pack().into_iter().collect();
    let repository = patient.open();
    let access = &view::open(
        repository.access(),
        &History::load(repository.access()).unwrap(),
        &Findings::new(repository.access(), &Silent),
    )
    .unwrap();
    let now_ns = now_ns();
    // Many runs of one pack each, some of them of packs that are gone, and a run long ago.
    make(access, now_ns - 2000 * HOUR_NS, all.clone()).unwrap();
    for (place, pack) in all.iter().enumerate().skip(1).chain(all.iter().enumerate().skip(1)) {
        let minutes = i64::try_from(place).unwrap();
        make(access, now_ns - 30 * HOUR_NS + minutes * HOUR_NS / 60, vec![*pack]).unwrap();
        make(access, now_ns - HOUR_NS, some_packs(3)).unwrap();
    }
    let before = patient.remembered();
    tidy(access, &BTreeSet::new()).unwrap();
    let records = records(access);
    let told: Vec<_> = records.iter().map(|body| (body.made_at_ns, body.packs.0.len())).collect();
    let merged_ns = now_ns - 30 * HOUR_NS + HOUR_NS / 60;
    assert_eq!(told, [(now_ns - 2000 * HOUR_NS, 1), (merged_ns, all.len() - 1)]);
    let after = patient.remembered();
    assert_eq!(after.keys().collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
    assert!(after.iter().all(|(pack, at_ns)| *at_ns <= before[pack] && *at_ns >= now_ns - 2000 * HOUR_NS));
    tidy(access, &BTreeSet::new()).unwrap();
    assert_eq!(self::records(access), records, "what is in order is left as it is");
}

#[test]
fn record_12_a_tidying_that_fails_anywhere_loses_nothing() {
    let patient = Patient::new();
    let all: Vec<PackId> = patient.every_pack().into_iter().collect();
    let history = History::load(patient.open().access()).unwrap();
    for at in 1.. {
        let repository = patient.open();
        let findings = Findings::new(repository.access(), &Silent);
        let access = view::open(repository.access(), &history, &findings).unwrap();
        for pack in &all {
            make(&access, now_ns() - HOUR_NS, vec![*pack]).unwrap();
        }
        let store = Arc::new(FaultyStore::new(Arc::clone(&access.store), at, Fault::CrashBefore));
        let is_done = tidy(&Access { store, ..access.clone() }, &BTreeSet::new()).is_ok();
        assert_eq!(patient.remembered().into_keys().collect::<Vec<_>>(), all, "change {at}");
        if is_done {
            assert!(at > 2, "the record that comes and those that go");
            return;
        }
    }
}

#[test]
fn record_13_a_statement_that_is_gone_is_missed() {
    let patient = Patient::new();
    let repository = patient.open();
    let access = repository.access();
    let snapshots: Vec<_> = repository.snapshots(&Default::default()).unwrap().iter().map(|found| found.id).collect();
    let client = ClientId::from_bytes([9; 16]);
    for _ in 0..3 {
        let draft = RecordDraft { kind: RecordKind::Pin, snapshots: &snapshots, until_ns: None, note: &[] };
        session::make_records(access, &History::load(access).unwrap(), client, &draft).unwrap();
    }
    assert_eq!(patient.check(CheckDepth::Structure, MEMORIES_BYTES[0]).damage, []);
    access.store.remove(&ObjectName::Record(client, 2)).unwrap();
    let report = patient.check(CheckDepth::Structure, MEMORIES_BYTES[0]);
    let told: Vec<_> = report.damage.iter().map(|damage| (&*damage.object, &*damage.place, &*damage.wrong)).collect();
    assert_eq!(told, [(&*format!("records/{client}"), "numbers 2", "1 records of this client are gone")]);
}

#[test]
fn where_nothing_can_be_remembered_the_check_works_and_says_so() {
    let patient = Patient::new();
    let local: Arc<dyn Store> = Arc::new(LocalStore::open(&patient.store()).unwrap());
    let store = Arc::new(FaultyStore::new(local, 1, Fault::Full));
    let repository = Repository::open_store(store, PASSWORD, patient.options().reading()).unwrap();
    let report = repository.check(&data(), &Silent).unwrap();
    assert_eq!((report.read_pack_count, report.damage_count, report.remembered_pack_count), (report.pack_count, 0, 0));
    let [notice] = &report.notices[..] else { panic!("{:?}", report.notices) };
    assert!(notice.starts_with("it can't be kept in the repository which packs were verified:"), "{notice}");
}

#[test]
fn a_key_that_may_only_write_says_nothing_about_what_was_verified() {
    let patient = Patient::new();
    let repository = patient.open();
    let all = repository.access();
    for (role, may) in [(Role::Put, false), (Role::Read, true), (Role::Prune, true)] {
        let ring = all.ring.restricted(role).unwrap();
        let mut chain = (*all.chain).clone();
        let mut draft = chain.draft(now_ns());
        draft.enlist(ring.signer(), role).unwrap();
        chain.extend(&draft.sign(all.ring.signing()).unwrap()).unwrap();
        let access = Access { ring: Arc::new(ring), chain: Arc::new(chain), ..all.clone() };
        let recorder = Recorder::new(&access, Remember::Verified);
        recorder.verified(some_packs(1)[0]);
        let told = recorder.finish(&BTreeSet::new());
        assert_eq!((told.pack_count, told.failure.is_none()), (u64::from(may), may), "{role}: {:?}", told.failure);
    }
}
