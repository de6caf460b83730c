//! Making, changing and ending keys.

use super::{
    AddedKey, ChangedKey, Grant, KeySlot, KeyStanding, NewKeyOptions, RemovedKey, SameSecret, SlotOwner, limit_bytes,
    list, names, no_slot,
};
use crate::access::Access;
use crate::config::{Config, ConfigChain, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ObjectHash, SignerKey};
use crate::key::{KdfCost, KeyRing, LABEL_BYTES_MAX, Slot, Unlock, seal_slot};
use crate::store::{Created, Folder, Listed, ObjectName, Store};

/// How often a configuration is drafted anew because somebody else's came first.
const ATTEMPTS_MAX: usize = 16;

/// Makes a slot that `unlock` opens, and the key for it if it is to have one of its own. Costs a try of every slot.
///
/// # Errors
/// [`ErrorKind::Denied`] when the key at hand may not make another one; [`ErrorKind::Invalid`] for an empty password, one
/// that opens a slot already, or a label that is too long; or when the store can't be written to.
pub fn add(access: &Access, unlock: Unlock<'_>, options: &NewKeyOptions, now_ns: i64) -> Result<AddedKey> {
    refuse_known(access, unlock, None)?;
    match options.grant {
        Grant::SameKey => store_slot(access, &access.ring, unlock, options, now_ns),
        Grant::NewKey(role) => {
            require_all(access, "make keys")?;
            let ring = access.ring.restricted(role)?;
            // Sealed before anything is changed: a password that can't be used leaves no key behind.
            seal(&ring, unlock, options, now_ns)?;
            change_config(access, now_ns, |config| Ok(config.enlist(ring.signer(), role)?))?;
            store_slot(access, &ring, unlock, options, now_ns)
        }
    }
}

/// Removes a slot, and ends its key if it was the last one of it.
///
/// # Errors
/// [`ErrorKind::Invalid`] for the slot with which the repository was opened; [`ErrorKind::NotFound`] when that one is not
/// there any more: two that remove each other would leave no way in; [`ErrorKind::Denied`] when the key at hand may not end
/// another one; or when the store can't be written to.
pub fn remove(access: &Access, slot: &KeySlot, now_ns: i64) -> Result<RemovedKey> {
    if slot.is_current {
        let message =
            "this is the key slot with which the repository was opened: open it with another one to remove it";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    if !is_own_there(access)? {
        return Err(locked_out("nothing was removed"));
    }
    let own = access.ring.signer();
    let (ended, remaining_count) = match &slot.owner {
        SlotOwner::Known { signer, standing, .. } => {
            if *signer != own {
                require_all(access, "remove others' keys")?;
            }
            let remaining_count = other_slot_count(access, slot.id, signer)?;
            let is_ended = *signer != own && *standing == KeyStanding::Valid && remaining_count == 0;
            (is_ended.then_some(*signer), Some(remaining_count))
        }
        SlotOwner::Unknown(_) => {
            require_all(access, "remove others' keys")?;
            (None, None)
        }
    };
    if let Some(signer) = &ended {
        revoke(access, signer, now_ns)?;
    }
    take_away(access, slot.id)?;
    Ok(RemovedKey { id: Some(slot.id), revoked: ended, remaining_count })
}

/// Ends a key of which the store has no slot, so that there is none to remove.
///
/// # Errors
/// [`ErrorKind::Invalid`] for the key at hand; [`ErrorKind::Denied`] when that may not end another one; or when the store
/// can't be written to.
pub fn end(access: &Access, signer: &SignerKey, now_ns: i64) -> Result<RemovedKey> {
    require_all(access, "end others' keys")?;
    if *signer == access.ring.signer() {
        let message = "this is the key with which the repository was opened: open it with another one to end it";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    revoke(access, signer, now_ns)?;
    Ok(RemovedKey { id: None, revoked: Some(*signer), remaining_count: Some(0) })
}

fn revoke(access: &Access, signer: &SignerKey, now_ns: i64) -> Result<()> {
    change_config(access, now_ns, |config| match config.revoke(signer) {
        Ok(()) => Ok(()),
        Err(error) => Err(Error::from(error).while_doing(format!("ending the key {signer}"))),
    })
}

/// Removes a slot, and puts it back if the one with which the repository was opened is gone by then. Of two that remove each
/// other the later one finds its own gone, so that one of them stays.
fn take_away(access: &Access, id: ObjectHash) -> Result<()> {
    let name = ObjectName::Key(id);
    let bytes = access.store.read(&name, limit_bytes());
    access.store.remove_all(&[name])?;
    let is_own_there = is_own_there(access);
    if matches!(is_own_there, Ok(true)) {
        return Ok(());
    }
    // What could not be read could not be opened either.
    if let Ok(bytes) = bytes {
        let _ = access.store.create(&name, &bytes)?;
    }
    Err(is_own_there.err().unwrap_or_else(|| locked_out("the other one was put back")))
}

/// Whether the slot is there with which the repository was opened.
fn is_own_there(access: &Access) -> Result<bool> {
    let Some(facts) = access.ring.slot() else { return Ok(true) };
    Ok(access.store.exists(&ObjectName::Key(facts.name))?)
}

fn locked_out(what: &str) -> Error {
    let message = format!(
        "the key slot with which the repository was opened was removed by somebody else meanwhile: {what}, so that there is a \
         way in"
    );
    Error::new(ErrorKind::NotFound, message)
}

/// Makes a new slot in place of the one with which the repository was opened, with the same key and label.
///
/// # Errors
/// As [`add`]; [`ErrorKind::Invalid`] for the secret that opens the old one, unless it may be the same. The old slot is
/// removed only when the new one is there.
pub fn replace(
    access: &Access,
    unlock: Unlock<'_>,
    (kdf, same): (KdfCost, SameSecret),
    now_ns: i64,
) -> Result<ChangedKey> {
    let facts = access.ring.slot().ok_or_else(no_slot)?;
    refuse_known(access, unlock, Some(facts.name))?;
    let is_same_secret = opens(access, facts.name, unlock);
    if is_same_secret && same == SameSecret::Refuse {
        let message = "this is the password or key file that opens the key already: nothing was changed";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let options = NewKeyOptions::new(facts.label.clone()).kdf(kdf);
    let added = store_slot(access, &access.ring, unlock, &options, now_ns)?;
    access.store.remove_all(&[ObjectName::Key(facts.name)])?;
    Ok(ChangedKey { key: added, is_same_secret })
}

/// Puts an exported slot back into a store that has lost it. Needs no key: the slot must hash to its name, be whole, and
/// name the repository of the store's configurations. Returns its name.
///
/// # Errors
/// [`ErrorKind::Invalid`] when the bytes are no slot of this repository; or when the store can't be written to.
pub fn import(store: &dyn Store, configs: &[(u32, Vec<u8>)], bytes: &[u8]) -> Result<ObjectHash> {
    let refused = |why: String| Error::new(ErrorKind::Invalid, why);
    let id = ObjectHash::of(bytes);
    let slot = Slot::parse(&id, bytes).map_err(|error| refused(error.to_string()))?;
    let signed = configs.iter().find(|(number, _)| *number == 0);
    let signed = signed.ok_or_else(|| Error::new(ErrorKind::NoRepository, "the repository has no configuration"))?;
    let first = crate::config::SignedConfig::parse(&signed.1)?;
    if first.config.repository != slot.repository {
        return Err(refused(format!("the key slot belongs to the repository {}", slot.repository)));
    }
    match store.create(&ObjectName::Key(id), bytes)? {
        Created::New | Created::Exists => Ok(id),
    }
}

/// Refuses a secret that opens a slot other than `own`: which of the two it would open is chance, and so would be what its
/// holder may do. Slots that can't be tried don't count.
fn refuse_known(access: &Access, unlock: Unlock<'_>, own: Option<ObjectHash>) -> Result<()> {
    for name in names(access.store.as_ref())?.into_iter().filter(|name| Some(*name) != own) {
        if opens(access, name, unlock) {
            let message = format!(
                "this password or key file opens the key slot {name} already, so it can't be that of another one; take \
                 another, or remove that slot first"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
    }
    Ok(())
}

/// Whether a secret opens a slot that can be read.
fn opens(access: &Access, name: ObjectHash, unlock: Unlock<'_>) -> bool {
    let bytes = access.store.read(&ObjectName::Key(name), limit_bytes());
    bytes.is_ok_and(|bytes| Slot::parse(&name, &bytes).is_ok_and(|slot| slot.open(unlock).is_ok()))
}

fn require_all(access: &Access, what: &str) -> Result<()> {
    let role = access.config().role_of(&access.ring.signer());
    match role {
        Some(Role::All) => Ok(()),
        Some(role) => Err(Error::new(ErrorKind::Denied, format!("a key with the role {role} may not {what}"))),
        None => Err(Error::new(ErrorKind::Denied, format!("a key that was revoked may not {what}"))),
    }
}

/// How many other slots say, signed, that they are of the same key. One that says nothing does not count: whoever can write
/// to the store could put it there, and the key would never end.
fn other_slot_count(access: &Access, id: ObjectHash, signer: &SignerKey) -> Result<usize> {
    let others = list(access)?.into_iter().filter(|slot| slot.id != id && slot.signer() == Some(*signer));
    Ok(others.count())
}

fn seal(ring: &KeyRing, unlock: Unlock<'_>, options: &NewKeyOptions, now_ns: i64) -> Result<Vec<u8>> {
    if options.label.len() > LABEL_BYTES_MAX {
        let message = format!("the label of a key has at most {LABEL_BYTES_MAX} bytes, not {}", options.label.len());
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(seal_slot(ring, unlock, options.kdf, &options.label, now_ns)?)
}

/// Seals a slot, opens it again to prove it, and stores it.
fn store_slot(
    access: &Access,
    ring: &KeyRing,
    unlock: Unlock<'_>,
    options: &NewKeyOptions,
    now_ns: i64,
) -> Result<AddedKey> {
    let bytes = seal(ring, unlock, options, now_ns)?;
    let id = ObjectHash::of(&bytes);
    let opened = Slot::parse(&id, &bytes)?.open(unlock)?;
    if opened.signer() != ring.signer() {
        return Err(Error::new(ErrorKind::Unreliable, "a key slot that was just sealed opens to another key"));
    }
    let name = ObjectName::Key(id);
    let stored = match access.store.create(&name, &bytes)? {
        Created::New => access.store.read(&name, limit_bytes())? == bytes,
        Created::Exists => false,
    };
    if !stored {
        return Err(Error::new(ErrorKind::Unreliable, format!("key slot {id} does not read back as it was written")));
    }
    Ok(AddedKey { id, signer: ring.signer(), role: ring.role() })
}

/// Makes the next configuration. Where somebody else makes one at the same time, the change is made to his.
fn change_config(access: &Access, now_ns: i64, change: impl Fn(&mut Config) -> Result<()>) -> Result<()> {
    for _ in 0..ATTEMPTS_MAX {
        let chain = ConfigChain::load(&read_configs(access.store.as_ref())?, access.ring.config_zero())?;
        let mut draft = chain.draft(now_ns);
        change(&mut draft)?;
        let bytes = draft.sign(access.ring.signing())?;
        // Never stored unless every reader takes it.
        chain.clone().extend(&bytes)?;
        if access.store.create(&ObjectName::Config(draft.number), &bytes)? == Created::New {
            return Ok(());
        }
    }
    Err(Error::new(ErrorKind::Busy, "somebody else changes the configuration all the time; try again"))
}

/// The objects of the `config` folder, by number.
///
/// # Errors
/// When the store can't be read.
pub fn read_configs(store: &dyn Store) -> Result<Vec<(u32, Vec<u8>)>> {
    let mut numbers = Vec::new();
    store.list(Folder::Config, &mut |listed| {
        if let Listed::Object { name: ObjectName::Config(number), .. } = listed {
            numbers.push(number);
        }
    })?;
    let limit_bytes = u64::try_from(crate::config::CONFIG_BYTES_MAX).unwrap_or(u64::MAX);
    let read = |number| Ok((number, store.read(&ObjectName::Config(number), limit_bytes)?));
    numbers.into_iter().map(read).collect()
}
