//! What a machine that holds only a put key can do with a repository, and what it can make others do.

use super::*;
use crate::config::Role;
use crate::content::open_pack;
use crate::envelope::testing::sealed_whatever_its_role;
use crate::envelope::{self, Described};
use crate::gc::{self, CondemnedBody};
use crate::id::{ClientId, SnapshotId};
use crate::key::{KdfCost, Unlock};
use crate::keys::{Grant, NewKeyOptions};
use crate::outcome::OutcomeKind;
use crate::progress::Silent;
use crate::record::{self, RecordBody, RecordKind};
use crate::session::SnapshotFilter;
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
    let told: Vec<&str> = history.troubles.iter().map(|trouble| trouble.object.as_str()).collect();
    assert_eq!(told, forged.each_ref().map(|(name, ..)| name.to_string()));
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
