//! Keys of repositories in memory: who gets in, who may write, and what an interruption leaves.

use super::*;
use crate::backup::BackupOptions;
use crate::check::{CheckDepth, CheckOptions};
use crate::id::SnapshotId;
use crate::key::{KdfCost, Unlock};
use crate::progress::Silent;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::seal::Secret;
use crate::session::SnapshotFilter;
use crate::store::hooked::{Hooked, Step};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const OWNER: Unlock<'static> = Unlock::Password(b"the owner's");
const GUEST: Unlock<'static> = Unlock::Password(b"the guest's");

/// A repository that anybody may try to open, and a tree to back up.
struct House(tempfile::TempDir);

impl House {
    fn new() -> Self {
        let house = Self(tempfile::tempdir().unwrap());
        let options = CreateOptions::default().kdf(KdfCost::CHEAP);
        Repository::create(&house.store(), OWNER, &options).unwrap();
        std::fs::create_dir(house.tree()).unwrap();
        std::fs::write(house.tree().join("file"), "a letter".repeat(1000)).unwrap();
        house
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("repository")
    }

    fn tree(&self) -> PathBuf {
        self.0.path().join("tree")
    }

    fn open(&self, unlock: Unlock<'_>) -> Result<Repository> {
        self.open_as("client", unlock)
    }

    /// Opens the repository on a machine of its own.
    fn open_as(&self, machine: &str, unlock: Unlock<'_>) -> Result<Repository> {
        let place = self.0.path().join(machine);
        Repository::open(&self.store(), unlock, OpenOptions::new(place.join("cache"), place.join("state")))
    }

    fn owner(&self) -> Repository {
        self.open(OWNER).unwrap()
    }

    fn add(&self, unlock: Unlock<'_>, grant: Grant) -> AddedKey {
        self.owner().add_key(unlock, &options(grant)).unwrap()
    }
}

fn options(grant: Grant) -> NewKeyOptions {
    NewKeyOptions::new("guest").kdf(KdfCost::CHEAP).grant(grant)
}

fn backup(repository: &Repository, tree: &Path) -> Result<SnapshotId> {
    repository.backup(&BackupOptions::new([tree.to_owned()]), &Silent).map(|report| report.snapshot)
}

fn refused(house: &House, unlock: Unlock<'_>) -> bool {
    house.open(unlock).err().is_some_and(|error| error.kind() == ErrorKind::WrongPassword)
}

fn config_count(house: &House) -> usize {
    std::fs::read_dir(house.store().join("config")).unwrap().count()
}

#[test]
fn a_second_password_opens_the_same_key() {
    let house = House::new();
    assert!(refused(&house, GUEST));
    let added = house.add(GUEST, Grant::SameKey);
    let guest = house.open(GUEST).unwrap();
    assert_eq!(guest.access().ring.signer(), house.owner().access().ring.signer());
    assert_eq!((added.role, config_count(&house)), (Role::All, 1));
    backup(&guest, &house.tree()).unwrap();
    // It goes without ending the key, by whom it opened too.
    assert_eq!(house.owner().remove_key(&added.id.to_string()).unwrap().revoked, None);
    assert!(refused(&house, GUEST));
    backup(&house.owner(), &house.tree()).unwrap();
}

#[test]
fn a_key_of_its_own_may_do_what_its_role_says_and_no_more() {
    for role in Role::EVERY {
        let house = House::new();
        let first = backup(&house.owner(), &house.tree()).unwrap();
        house.add(GUEST, Grant::NewKey(role));
        let guest = house.open_as("guest", GUEST).unwrap();
        assert_ne!(guest.access().ring.signer(), house.owner().access().ring.signer());
        let second = backup(&guest, &house.tree()).unwrap();
        let listed = house.owner().snapshots(&SnapshotFilter::default()).unwrap();
        assert_eq!(listed.iter().map(|snapshot| snapshot.id).collect::<Vec<_>>(), [first, second], "{role}");

        let snapshot = listed.into_iter().next().unwrap();
        let forgets = guest.forget(&guest.plan_forget_snapshots(vec![snapshot.clone()]).unwrap());
        assert_eq!(forgets.is_ok(), role >= Role::Prune, "{role}: {forgets:?}");
        let reads = guest.list(&snapshot, &crate::manifest::Key::root(), &mut |_| Ok(crate::restore::Below::Visit));
        assert_eq!(reads.is_ok(), role >= Role::Read, "{role}: {reads:?}");
        let checks = guest.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent);
        assert_eq!(checks.is_ok_and(|report| report.damage.is_empty()), role >= Role::Read, "{role}");
        let adds = guest.add_key(Unlock::Password(b"another"), &options(Grant::NewKey(Role::Put)));
        assert_eq!(adds.is_ok(), role == Role::All, "{role}: {adds:?}");
        if let Err(error) = adds {
            assert_eq!(error.kind(), ErrorKind::Denied, "{role}");
        }
    }
}

#[test]
fn removing_the_last_way_in_ends_a_key() {
    let house = House::new();
    let first = house.add(GUEST, Grant::NewKey(Role::Read));
    let guest = house.open_as("guest", GUEST).unwrap();
    let second = guest.add_key(Unlock::None, &options(Grant::SameKey)).unwrap();
    assert_eq!(second.signer, first.signer);
    assert_eq!(house.owner().remove_key(&first.id.to_string()).unwrap().revoked, None);
    backup(&house.open_as("guest", Unlock::None).unwrap(), &house.tree()).unwrap();
    assert_eq!(house.owner().remove_key(&second.id.to_string()).unwrap().revoked, Some(first.signer));
    assert!(refused(&house, GUEST) && refused(&house, Unlock::None));
    // Who had it open goes on until he looks; the next session of the key is nothing to anybody.
    let slots = house.owner().keys().unwrap();
    assert!(slots.len() == 1 && slots[0].is_current, "{slots:?}");
    let error = house.owner().remove_key(&slots[0].id.to_string()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    // An earlier snapshot of the key still counts.
    assert_eq!(house.owner().snapshots(&SnapshotFilter::default()).unwrap().len(), 1);
}

#[test]
fn a_key_that_was_ended_signs_nothing_even_with_a_copy_of_its_slot() {
    let house = House::new();
    let added = house.add(GUEST, Grant::NewKey(Role::Prune));
    let slot = house.open(GUEST).unwrap().export_key().unwrap();
    house.owner().remove_key(&added.id.to_string()).unwrap();
    Repository::import_key(&house.store(), &slot).unwrap();
    let guest = house.open_as("guest", GUEST).unwrap();
    assert!(backup(&guest, &house.tree()).is_err());
    assert!(house.owner().snapshots(&SnapshotFilter::default()).unwrap().is_empty());
    let standing = house.owner().keys().unwrap().into_iter().find(|slot| slot.id == added.id).unwrap();
    assert!(matches!(standing.owner, SlotOwner::Known { standing: KeyStanding::Revoked, role: Role::Prune, .. }));
    // Removing it once more needs no further configuration.
    assert_eq!(house.owner().remove_key(&added.id.to_string()).unwrap().revoked, None);
}

#[test]
fn nobody_removes_keys_of_others_without_the_role_all() {
    let house = House::new();
    house.add(GUEST, Grant::NewKey(Role::Prune));
    let guest = house.open(GUEST).unwrap();
    for slot in guest.keys().unwrap().iter().filter(|slot| !slot.is_current) {
        assert_eq!(guest.remove_key(&slot.id.to_string()).unwrap_err().kind(), ErrorKind::Denied);
    }
    assert!(house.open(OWNER).is_ok());
}

#[test]
fn a_new_password_takes_the_place_of_the_old_one() {
    let house = House::new();
    let before = house.owner().access().ring.signer();
    let file = Secret::random();
    house.owner().change_key(Unlock::KeyFile(&file), KdfCost::CHEAP, SameSecret::Refuse).unwrap();
    assert!(refused(&house, OWNER));
    let repository = house.open(Unlock::KeyFile(&file)).unwrap();
    assert_eq!((repository.access().ring.signer(), config_count(&house)), (before, 1));
    backup(&repository, &house.tree()).unwrap();
    let slots = repository.keys().unwrap();
    assert!(matches!(&slots[..], [KeySlot { owner: SlotOwner::Known { label, .. }, .. }] if label == b"first"));
}

#[test]
fn a_password_that_cannot_be_used_leaves_no_trace() {
    let house = House::new();
    let empty = house.owner().add_key(Unlock::Password(b""), &options(Grant::NewKey(Role::Put))).unwrap_err();
    let long = NewKeyOptions::new(vec![b'x'; 1025]).grant(Grant::NewKey(Role::Put));
    let long = house.owner().add_key(GUEST, &long).unwrap_err();
    assert_eq!((empty.kind(), long.kind()), (ErrorKind::Invalid, ErrorKind::Invalid));
    assert_eq!((config_count(&house), house.owner().keys().unwrap().len()), (1, 1));
}

#[test]
fn keys_that_are_made_at_the_same_time_are_all_made() {
    let house = House::new();
    std::thread::scope(|scope| {
        for number in 0..6u8 {
            let house = &house;
            scope.spawn(move || {
                let owner = house.open_as(&number.to_string(), OWNER).unwrap();
                owner.add_key(Unlock::Password(&[b'a' + number]), &options(Grant::NewKey(Role::Put))).unwrap();
            });
        }
    });
    assert_eq!((config_count(&house), house.owner().keys().unwrap().len()), (7, 7));
    for number in 0..6u8 {
        let guest = house.open(Unlock::Password(&[b'a' + number])).unwrap();
        backup(&guest, &house.tree()).unwrap();
    }
}

#[test]
fn key_11_a_slot_that_claims_another_ones_key_ends_nobody() {
    let house = House::new();
    let added = house.add(GUEST, Grant::NewKey(Role::Read));
    let guest = house.open(GUEST).unwrap();
    // The guest makes a slot whose note is the owner's: taken from the owner's own slot, where it is signed for another salt.
    let owners = house.owner().export_key().unwrap();
    let mine = guest.export_key().unwrap();
    let end = |bytes: &[u8]| 112 + usize::try_from(u32::from_le_bytes(bytes[76..80].try_into().unwrap())).unwrap();
    let forged = [&mine[..end(&mine)], &owners[end(&owners)..]].concat();
    let id = Repository::import_key(&house.store(), &forged).unwrap();
    let slot = house.owner().keys().unwrap().into_iter().find(|slot| slot.id == id).unwrap();
    assert!(matches!(slot.owner, SlotOwner::Unknown(_)), "{slot:?}");
    assert_eq!(house.owner().remove_key(&id.to_string()).unwrap().revoked, None);
    assert!(house.open(OWNER).is_ok() && house.open(GUEST).is_ok());
    assert_eq!(house.owner().remove_key(&added.id.to_string()).unwrap().revoked, Some(added.signer));
}

#[test]
fn a_slot_is_named_by_the_start_of_its_name() {
    let house = House::new();
    let added = house.add(GUEST, Grant::SameKey);
    let owner = house.owner();
    assert_eq!(find(owner.access(), &added.id.to_string()[..12]).unwrap().id, added.id);
    assert_eq!(find(owner.access(), &added.id.to_string()[..3]).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(find(owner.access(), "wxyz").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_exported_key_opens_a_repository_that_lost_its_slots() {
    let house = House::new();
    backup(&house.owner(), &house.tree()).unwrap();
    let slot = house.owner().export_key().unwrap();
    std::fs::remove_dir_all(house.store().join("keys")).unwrap();
    assert!(house.open(OWNER).is_err());
    Repository::import_key(&house.store(), &slot).unwrap();
    assert_eq!(house.owner().snapshots(&SnapshotFilter::default()).unwrap().len(), 1);
    let stranger = House::new();
    assert_eq!(Repository::import_key(&stranger.store(), &slot).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(Repository::import_key(&house.store(), &slot[1..]).unwrap_err().kind(), ErrorKind::Invalid);
}

/// Two holders of the same key, each of whom takes the other for a thief: nobody could open the repository any more.
#[test]
fn of_two_slots_that_remove_each_other_one_stays() {
    let house = House::new();
    let added = house.add(GUEST, Grant::SameKey);
    let [owner, guest] = [OWNER, GUEST].map(|unlock| house.open(unlock).unwrap());
    let slots = owner.keys().unwrap();
    let (own, theirs) =
        (slots.iter().find(|slot| slot.is_current).unwrap(), find(owner.access(), &added.id.to_string()));
    let theirs = theirs.unwrap();

    // The guest is through when the owner is about to remove his slot.
    let (access, is_done) = (guest.access().clone(), AtomicBool::new(false));
    let victim = KeySlot { is_current: false, ..own.clone() };
    let before = move |step| {
        if step == Step::Change && !is_done.swap(true, Ordering::SeqCst) {
            remove(&access, &victim, 0).unwrap();
        }
    };
    let hooked =
        Access { store: Arc::new(Hooked::new(Arc::clone(&owner.access().store), before)), ..owner.access().clone() };
    let error = remove(&hooked, &theirs, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(refused(&house, OWNER) && house.open(GUEST).is_ok());

    // Whoever comes later still removes nothing.
    let error = remove(owner.access(), &theirs, 0).unwrap_err();
    assert!(error.to_string().contains("nothing was removed"), "{error}");
    assert!(house.open(GUEST).is_ok());
}

#[test]
fn a_secret_takes_its_own_place_only_where_that_is_accepted() {
    let house = House::new();
    let before = house.owner().keys().unwrap();
    let change = |unlock, same| house.owner().change_key(unlock, KdfCost::CHEAP, same);
    assert_eq!(change(OWNER, SameSecret::Refuse).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(house.owner().keys().unwrap(), before);
    let accepted = change(OWNER, SameSecret::Accept).unwrap();
    assert!(accepted.is_same_secret && accepted.key.id != before[0].id);
    assert!(!change(GUEST, SameSecret::Accept).unwrap().is_same_secret);
    assert!(refused(&house, OWNER) && house.open(GUEST).is_ok());
}

/// Somebody who stole a key gives himself another slot, or takes the slot away that shows whose it is.
#[test]
fn a_key_is_ended_however_many_slots_it_has_left() {
    let house = House::new();
    let added = house.add(GUEST, Grant::NewKey(Role::Prune));
    let guest = house.open_as("guest", GUEST).unwrap();
    let second = guest.add_key(Unlock::None, &options(Grant::SameKey)).unwrap();
    let removed = house.owner().remove_key(&added.id.to_string()).unwrap();
    assert_eq!((removed.revoked, removed.remaining_count), (None, Some(1)));
    assert_eq!(house.owner().slotless_keys().unwrap(), []);

    std::fs::remove_file(house.store().join(ObjectName::Key(second.id).to_string())).unwrap();
    let key = SlotlessKey { signer: added.signer, role: Role::Prune };
    assert_eq!(house.owner().slotless_keys().unwrap(), [key]);
    let prefix = &added.signer.to_string()[..8];
    assert_eq!(guest.remove_key(prefix).unwrap_err().kind(), ErrorKind::Denied);
    let ended = house.owner().remove_key(prefix).unwrap();
    assert_eq!((ended.id, ended.revoked), (None, Some(added.signer)));
    assert_eq!(house.owner().slotless_keys().unwrap(), []);
    assert_eq!(house.owner().remove_key(prefix).unwrap_err().kind(), ErrorKind::NotFound);
}
