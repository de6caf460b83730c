//! What a machine that holds only a put key can do with a repository, and what it can make others do.

use crate::check::CheckDepth;
use crate::config::Role;
use crate::content::open_pack;
use crate::envelope::testing::sealed_whatever_its_role;
use crate::envelope::{self, Described};
use crate::gc::{self, CondemnedBody};
use crate::id::{ChunkId, ClientId, PackId, SegmentId, SnapshotId};
use crate::key::{KdfCost, Unlock};
use crate::keys::{Grant, NewKeyOptions};
use crate::outcome::{OutcomeKind, SegmentRef};
use crate::progress::Silent;
use crate::prune::{MaxUnused, PruneOptions};
use crate::record::{self, RecordBody, RecordKind};
use crate::repository::*;
use crate::segment::{PackFacts, PackRow, SegmentBuilder, SegmentReader};
use crate::session::{self, Beating, Named, SnapshotFilter, Writer, present_segments, read_segment};
use crate::session_record::SessionKind;
use crate::store::{Created, Folder, Listed, ObjectName};
use crate::wire::{Blob, List};
use std::path::PathBuf;

const OWNER: Unlock<'static> = Unlock::Password(b"owner");
const WEB: Unlock<'static> = Unlock::Password(b"web");

/// A repository with the key of its owner, and a put key for a machine that may only write.
struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let house = Self { folder: tempfile::tempdir().unwrap() };
        Repository::create(&house.store(), OWNER, &CreateOptions::default().kdf(KdfCost::CHEAP)).unwrap();
        let options = NewKeyOptions::new("web").grant(Grant::NewKey(Role::Put)).kdf(KdfCost::CHEAP);
        house.open("owner", OWNER).add_key(WEB, &options).unwrap();
        house
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// Opens it on a machine of that name, with a view and a state of its own.
    fn open(&self, machine: &str, unlock: Unlock<'_>) -> Repository {
        let place = self.folder.path().join(machine);
        let options = OpenOptions::new(place.join("cache"), place.join("state"));
        Repository::open(&self.store(), unlock, options).unwrap()
    }

    /// Backs up a tree with one file that is like no other.
    fn back_up(&self, repository: &Repository, seed: u8) -> BackupReport {
        let tree = self.folder.path().join("tree");
        std::fs::create_dir_all(&tree).unwrap();
        let mut content = vec![0; FILE_BYTES];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut content);
        std::fs::write(tree.join("file"), content).unwrap();
        repository.backup(&BackupOptions::new([tree]), &Silent).unwrap()
    }
}

const FILE_BYTES: usize = 300_000;

fn is_stored_anew(report: &BackupReport) -> bool {
    report.content_raw_bytes == u64::try_from(FILE_BYTES).unwrap()
}

#[test]
fn a_put_key_opens_no_frame_and_no_description_its_own_included() {
    let house = House::new();
    house.back_up(&house.open("owner", OWNER), 1);
    let web = house.open("web", WEB);
    house.back_up(&web, 2);
    let access = &web.access;
    let history = web.history().unwrap();
    let snapshots: Vec<_> =
        history.outcomes.values().filter(|outcome| outcome.body.kind == OutcomeKind::Snapshot).collect();
    assert_eq!(snapshots.len(), 2);
    assert!(snapshots.iter().all(|outcome| matches!(outcome.description, Described::Sealed)));
    let mut packs = Vec::new();
    let mut each = |listed| {
        if let Listed::Object { name: ObjectName::Pack(id), .. } = listed {
            packs.push(id);
        }
    };
    access.store.list(Folder::Packs, &mut each).unwrap();
    assert_eq!(packs.len(), 6, "content, manifest and stat tree of both");
    assert!(packs.iter().all(|id| !open_pack(access, *id).unwrap().opener.opens_frames()));
    for snapshot in web.snapshots(&SnapshotFilter::default()).unwrap() {
        assert!(snapshot.origin.is_none(), "{:?}", snapshot.origin);
    }
}

#[test]
fn what_a_put_key_stored_is_no_hit_for_others_and_what_others_stored_is_one_for_it() {
    let house = House::new();
    let (web, owner) = (house.open("web", WEB), house.open("owner", OWNER));
    assert!(is_stored_anew(&house.back_up(&web, 1)));
    assert!(!is_stored_anew(&house.back_up(&web, 1)), "it counts upon its own");
    assert!(is_stored_anew(&house.back_up(&owner, 1)), "others don't");
    assert!(!is_stored_anew(&house.back_up(&house.open("other", OWNER), 1)));
    assert!(is_stored_anew(&house.back_up(&owner, 2)));
    assert!(!is_stored_anew(&house.back_up(&web, 2)));
}

/// With a program of their own, whoever has the key signs what that key may not.
#[test]
fn nobody_accepts_a_forget_or_a_set_of_a_prune_that_a_put_key_signed() {
    let house = House::new();
    let kept = house.back_up(&house.open("owner", OWNER), 1).snapshot;
    let web = house.open("web", WEB);
    let forget = forgetting(kept);
    let set = CondemnedBody {
        generation: 1,
        session: crate::id::SessionId { client: forget.client, number: 1 },
        packs: List::default(),
        live: List::default(),
    };
    let Access { ring, chain, store, .. } = &web.access;
    assert!(record::seal(&forget, ring, chain).is_err());
    assert!(gc::seal_condemned(&set, ring, chain).is_err());
    let forged = [
        (ObjectName::Condemned { generation: 1 }, envelope::Kind::Condemned, set.encode().unwrap()),
        (ObjectName::Record(forget.client, 1), envelope::Kind::Record, crate::wire::encode(&forget)),
    ];
    for (name, kind, body) in &forged {
        let object = sealed_whatever_its_role(*kind, ring, chain, body);
        assert_eq!(store.create(name, &object).unwrap(), Created::New);
    }
    let owner = house.open("owner", OWNER);
    let history = owner.history().unwrap();
    let told: Vec<ObjectName> = history.troubles.iter().map(|trouble| trouble.object).collect();
    assert_eq!(told, forged.each_ref().map(|(name, ..)| *name));
    assert!(history.records.is_empty() && history.generations.is_empty());
    assert!(owner.snapshots(&SnapshotFilter::default()).unwrap().iter().any(|snapshot| snapshot.id == kept));
}

fn forgetting(snapshot: SnapshotId) -> RecordBody {
    RecordBody {
        client: ClientId::from_bytes([9; 16]),
        number: 1,
        made_at_ns: 1,
        kind: RecordKind::Forget,
        snapshots: List(vec![snapshot]),
        until_ns: None,
        packs: List::default(),
        note: Blob::default(),
    }
}

const READER: Unlock<'static> = Unlock::Password(b"reader");

/// A check of all data that vouches for what it proves.
fn vouching() -> CheckOptions {
    CheckOptions::default().depth(CheckDepth::Data).vouch(Vouch::As(Writer::default()))
}

#[test]
fn segment_18_what_a_put_key_stored_is_a_hit_for_all_once_somebody_who_may_repair_has_proved_it() {
    let house = House::new();
    let (web, owner) = (house.open("web", WEB), house.open("owner", OWNER));
    house.back_up(&web, 1);
    assert!(is_stored_anew(&house.back_up(&house.open("other", OWNER), 1)));
    house.back_up(&web, 2);
    house.back_up(&web, 3);
    let packs_of_web = 9;

    let silent = owner.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap();
    assert_eq!((silent.damage_count, silent.vouched_pack_count), (0, 0), "nobody asked for it");
    let shallow = owner.check(&vouching().depth(CheckDepth::Structure), &Silent).unwrap();
    assert_eq!(shallow.vouched_pack_count, 0, "nothing was read");
    owner.add_key(READER, &NewKeyOptions::new("reader").grant(Grant::NewKey(Role::Read)).kdf(KdfCost::CHEAP)).unwrap();
    // Who had it open before does not know the new key.
    let owner = house.open("owner", OWNER);
    let session_count = owner.history().unwrap().outcomes.len();
    let read = house.open("reader", READER).check(&vouching(), &Silent).unwrap();
    assert_eq!((read.damage_count, read.vouched_pack_count, read.notices.as_slice()), (0, 0, [].as_slice()));
    assert_eq!(owner.history().unwrap().outcomes.len(), session_count, "a key that only reads opens no session");

    let report = owner.check(&vouching(), &Silent).unwrap();
    assert_eq!((report.damage_count, report.vouched_pack_count), (0, packs_of_web));
    assert!(!is_stored_anew(&house.back_up(&house.open("another", OWNER), 2)));
    assert!(!is_stored_anew(&house.back_up(&house.open("other", OWNER), 3)));
    assert!(!is_stored_anew(&house.back_up(&web, 2)), "nor is anything lost to the put key");
    let session_count = owner.history().unwrap().outcomes.len();
    let again = owner.check(&vouching(), &Silent).unwrap();
    // The last backup of the put key has new trees.
    assert!((again.damage_count, again.notices.len()) == (0, 0) && again.vouched_pack_count <= 2, "{again:?}");
    let third = owner.check(&vouching(), &Silent).unwrap();
    assert_eq!((third.damage_count, third.vouched_pack_count), (0, 0));
    assert!(owner.history().unwrap().outcomes.len() <= session_count + 1, "no session where nothing is vouched for");
}

#[test]
fn segment_18_a_damaged_pack_of_a_put_key_is_not_vouched_for_and_the_others_are() {
    let house = House::new();
    let (web, owner) = (house.open("web", WEB), house.open("owner", OWNER));
    house.back_up(&web, 1);
    let mut content = None;
    web.history().unwrap();
    crate::session::bring_up_to_date(&web.access, &web.history().unwrap()).unwrap();
    let mut each = |_, entry: &crate::index::PackEntry| {
        if entry.class == crate::layout::Class::Content {
            content = Some(ObjectName::Pack(entry.id));
        }
    };
    web.access.index.for_each_pack(&mut each).unwrap();
    let path = house.store().join(content.expect("a pack of content").to_string());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let report = owner.check(&vouching(), &Silent).unwrap();
    assert!(report.damage_count > 0);
    assert_eq!(report.vouched_pack_count, 2, "manifest and stat tree");
    assert!(is_stored_anew(&house.back_up(&house.open("other", OWNER), 1)));
}

/// Has a key commit a segment that lists a pack once more, as it was changed. Returns the segment that listed it before.
fn list_again(by: &Repository, change: impl Fn(&mut PackFacts, &mut Vec<ChunkId>)) -> SegmentId {
    let (access, history) = (&by.access, by.history().unwrap());
    let listed = history.segments().into_keys().map(|id| read_segment(access, id).map(|body| (id, body)).unwrap());
    let rows: Vec<(SegmentId, PackRow)> = listed
        .flat_map(|(id, body)| {
            SegmentReader::parse(id, &body).unwrap().packs().map(|row| (id, row)).collect::<Vec<_>>()
        })
        .collect();
    let is_content = |row: &PackRow| row.facts().class == crate::layout::Class::Content;
    let (before, row) = rows.iter().find(|(_, row)| is_content(row)).expect("a pack of content");
    let (mut facts, mut ids) = (*row.facts(), row.ids().to_vec());
    change(&mut facts, &mut ids);
    let mut builder = SegmentBuilder::new();
    builder.push(PackRow::new(facts, row.frames().clone(), ids).unwrap()).unwrap();
    let (pack_count, chunk_count) = (builder.pack_count(), builder.chunk_count());
    let object = envelope::seal(envelope::Kind::Segment, &access.ring, &access.chain, &builder.finish(), None).unwrap();
    let id = SegmentId::of(&object);
    assert_eq!(access.store.create(&ObjectName::Segment(id), &object).unwrap(), Created::New);
    let session = Beating::open(access, &history, SessionKind::Checkpoint, &Writer::default()).unwrap();
    let named = SegmentRef { id, pack_count, chunk_count };
    session.commit(access, OutcomeKind::Checkpoint, Vec::new(), vec![named]).unwrap();
    *before
}

/// The first chunk of what [`House::back_up`] stores for a seed, which a put key can name without storing it.
fn chunk_of(repository: &Repository, seed: u8) -> ChunkId {
    let mut content = vec![0; FILE_BYTES];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut content);
    let naming = &repository.access.naming;
    let length = naming.cutter().cut(&content);
    naming.chunk_ids.id(&content[..length])
}

/// Anybody can name a chunk without storing it. A put key that could do so under the owner's name would have the owner
/// store nothing, and find that out at a restore.
#[test]
fn segment_17_a_put_key_that_lists_packs_under_another_key_is_believed_by_nobody() {
    let house = House::new();
    let (web, owner) = (house.open("web", WEB), house.open("owner", OWNER));
    house.back_up(&web, 1);
    let lie = |by: &Repository, seed| {
        let (wanted, pack) = (chunk_of(&owner, seed), PackId::from_bytes([seed; 32]));
        // What lies in packs that are gone is no hit, whoever lists it.
        let place = house.store().join(ObjectName::Pack(pack).to_string());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, b"there").unwrap();
        list_again(by, |facts, ids| {
            (facts.pack, facts.signer) = (pack, owner.access.ring.signer());
            ids[0] = wanted;
        });
    };
    lie(&owner, 8);
    assert!(!is_stored_anew(&house.back_up(&owner, 8)), "the owner may say what it likes");
    lie(&web, 7);
    let report = house.back_up(&owner, 7);
    assert!(is_stored_anew(&report), "{} of {FILE_BYTES} bytes", report.content_raw_bytes);
    let check = owner.check(&vouching(), &Silent).unwrap();
    assert!(check.damage.iter().any(|damage| damage.wrong.contains("lists packs under another key")), "{check:?}");
}

/// Names every segment that an outcome names once more, with other counts, in a session of a client that is new.
fn misname(by: &Repository, client: u8) {
    let (access, history) = (&by.access, by.history().unwrap());
    let client = ClientId::from_bytes([client; 16]);
    let session = session::open(access, client, 1, SessionKind::Checkpoint, &Writer::default()).unwrap();
    let other = |named: &Named| {
        let SegmentRef { id, pack_count, chunk_count } = *named.largest();
        SegmentRef { id, pack_count: pack_count + 1, chunk_count: chunk_count + 1 }
    };
    let segments = history.segments().values().map(other).collect();
    let body = session.outcome(OutcomeKind::Checkpoint, Vec::new(), segments);
    session.commit(access, &body, None).unwrap();
}

/// Every key reads how outcomes name segments, and an outcome is there for ever: by a few of them a put key could have kept
/// everybody else's checks and prunes from ever ending well.
#[test]
fn segment_19_a_put_key_that_names_segments_with_other_counts_hinders_nobody() {
    // Clients that sort before all others, and behind.
    for clients in [[0x00, 0x01], [0xff, 0xfe]] {
        let house = House::new();
        let (web, owner) = (house.open("web", WEB), house.open("owner", OWNER));
        let gone = house.back_up(&owner, 1).snapshot;
        house.back_up(&owner, 2);
        // Segments that are there; and then, segments that others have taken the place of, and that are gone.
        for client in clients {
            misname(&web, client);
            let report = owner.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap();
            assert_eq!(report.damage, [], "{client:x}");
            let told = report.notices.iter().any(|notice| notice.contains("other counts than it has"));
            assert!(told, "{client:x}: {:?}", report.notices);
            let plan = owner.plan_repair_index(&Silent).unwrap();
            assert!(plan.lost_segments.is_empty(), "{client:x}: {:?}", plan.lost_segments);
            let snapshots = owner.snapshots(&SnapshotFilter::default()).unwrap();
            let gone = snapshots.into_iter().filter(|snapshot| snapshot.id == gone).collect();
            owner.forget(&owner.plan_forget_snapshots(gone).unwrap()).unwrap();
            let before = present_segments(&owner.access).unwrap();
            let options = PruneOptions::default().max_unused(MaxUnused::Bytes(0));
            owner.prune(owner.plan_prune(&options, &Silent).unwrap(), &options, &Silent).unwrap();
            assert_eq!(present_segments(&owner.access).unwrap() != before, client == clients[0], "compacted once");
        }
        let report = owner.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap();
        assert_eq!(report.damage, []);
    }
}

/// The prune whose set it is may have seen that no session was open when it published it, and go on once it is healed.
#[test]
fn prune_20_while_a_set_can_not_be_read_nothing_that_is_stored_is_counted_on() {
    let house = House::new();
    let owner = house.open("owner", OWNER);
    let first = house.back_up(&owner, 1);
    let set = house.store().join(ObjectName::Condemned { generation: 1 }.to_string());
    std::fs::create_dir_all(set.parent().unwrap()).unwrap();
    std::fs::write(&set, b"rotten").unwrap();
    for machine in ["owner", "other"] {
        let report = house.back_up(&house.open(machine, OWNER), 1);
        assert!(is_stored_anew(&report) && report.parent.is_none(), "{machine}: {report:?}");
        assert!(report.notices.iter().any(|notice| notice.contains("gc/")), "{:?}", report.notices);
    }
    std::fs::remove_file(&set).unwrap();
    let report = house.back_up(&house.open("other", OWNER), 1);
    assert!(!is_stored_anew(&report) && report.notices.is_empty() && report.parent.is_some(), "{report:?}");
    assert_ne!(report.snapshot, first.snapshot);
}

/// Each set of a prune is damaged once it has deleted everything, but for a pack that it failed to remove and will when its
/// sets are healed.
#[test]
fn prune_20_what_one_set_of_a_generation_tells_is_no_hit_while_the_other_can_not_be_read() {
    let [condemned, deleted] =
        [ObjectName::Condemned { generation: 1 }, ObjectName::Deleted { generation: 1 }].map(|name| name.to_string());
    for (rotten, is_known) in [(vec![&condemned], true), (vec![&deleted], true), (vec![&condemned, &deleted], false)] {
        let house = House::new();
        let owner = house.open("owner", OWNER);
        let gone = house.back_up(&owner, 1).snapshot;
        let packs = copied(&house.store().join("packs"));
        let kept = house.back_up(&owner, 2).snapshot;
        let is_gone = |snapshot: &Snapshot| snapshot.id == gone;
        let snapshots = owner.snapshots(&SnapshotFilter::default()).unwrap().into_iter().filter(is_gone).collect();
        owner.forget(&owner.plan_forget_snapshots(snapshots).unwrap()).unwrap();
        let options = PruneOptions::default();
        owner.prune(owner.plan_prune(&options, &Silent).unwrap(), &options, &Silent).unwrap();
        for (place, bytes) in &packs {
            std::fs::write(place, bytes).unwrap();
        }
        std::fs::remove_dir_all(house.store().join("mirror")).unwrap();
        for set in &rotten {
            let place = house.store().join(set);
            let mut bytes = std::fs::read(&place).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&place, bytes).unwrap();
        }
        let report = house.back_up(&house.open("other", OWNER), 2);
        assert_eq!(is_stored_anew(&report), !is_known, "{rotten:?}: {report:?}");
        assert_eq!(report.parent, is_known.then_some(kept), "{rotten:?}: {report:?}");
        assert!(report.notices.iter().any(|notice| notice.contains(rotten[0])), "{rotten:?}: {:?}", report.notices);
        assert!(report.notices.iter().all(|notice| !notice.contains("check --repair")), "{:?}", report.notices);
        assert!(is_stored_anew(&house.back_up(&house.open("other", OWNER), 1)), "{rotten:?}: it may be deleted");
        assert_eq!(owner.plan_prune(&options, &Silent).err().map(|error| error.kind()), Some(ErrorKind::Damaged));
    }
}

/// The files below a folder.
fn copied(folder: &std::path::Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files.extend(copied(&entry.path()));
        } else {
            files.push((entry.path(), std::fs::read(entry.path()).unwrap()));
        }
    }
    files
}

/// What it says of others' packs is no hit either, and takes nothing away from what they say.
#[test]
fn a_put_key_that_lists_the_packs_of_others_under_its_own_does_not_keep_them_from_being_hits() {
    let house = House::new();
    let (web, owner) = (house.open("web", WEB), house.open("owner", OWNER));
    house.back_up(&owner, 1);
    let wanted = chunk_of(&owner, 7);
    list_again(&web, |facts, ids| {
        facts.signer = web.access.ring.signer();
        ids[0] = wanted;
    });
    assert!(!is_stored_anew(&house.back_up(&house.open("other", OWNER), 1)));
    assert!(!is_stored_anew(&house.back_up(&owner, 1)));
    assert!(is_stored_anew(&house.back_up(&owner, 7)));
}

#[test]
fn segment_18_a_row_that_lies_is_not_vouched_for() {
    let house = House::new();
    let (web, owner) = (house.open("web", WEB), house.open("owner", OWNER));
    house.back_up(&web, 1);
    let wanted = chunk_of(&owner, 7);
    let honest = list_again(&web, |_, ids| ids[0] = wanted);
    // So that the lie is all that is said of the pack.
    std::fs::remove_file(house.store().join(ObjectName::Segment(honest).to_string())).unwrap();
    let check = owner.check(&vouching(), &Silent).unwrap();
    assert!(check.damage.iter().any(|damage| damage.wrong.contains("where the index says")), "{check:?}");
    assert_eq!(check.vouched_pack_count, 2, "manifest and stat tree, of which the truth is told");
    let report = house.back_up(&house.open("other", OWNER), 7);
    assert!(is_stored_anew(&report), "{} of {FILE_BYTES} bytes", report.content_raw_bytes);
}
