//! The way into a repository: the key slot that a secret opens, and the configurations that it vouches for.

use super::{limit_bytes, names, read_configs};
use crate::config::ConfigChain;
use crate::error::{Error, ErrorKind, Result};
use crate::id::ObjectHash;
use crate::key::{KeyError, KeyRing, Slot, Unlock};
use crate::store::{Folder, Listed, Mirrored, ObjectName, Store, before_healing};
use std::collections::BTreeSet;

/// Finds the key slot that opens and verifies the configurations by it.
///
/// # Errors
/// [`ErrorKind::NoRepository`] where an init ended before it was done; [`ErrorKind::WrongPassword`]; what is wrong with
/// the configurations.
pub fn unlock(store: &dyn Store, unlock: Unlock<'_>) -> Result<(KeyRing, ConfigChain)> {
    let configs = read_configs(store)?;
    if configs.is_empty() && is_unfinished(store)? {
        let message = format!(
            "{} is not a repository yet: an init ended there before it was done; run it again",
            store.describe()
        );
        return Err(Error::new(ErrorKind::NoRepository, message));
    }
    let zero = configs.iter().find(|(number, _)| *number == 0);
    let zero = zero.map(|(_, bytes)| ObjectHash::of(bytes));
    let ring = unlock_ring(store, unlock, zero)?;
    let chain = ConfigChain::load(&configs, ring.config_zero())?;
    ring.confirm(&chain)?;
    Ok((ring, chain))
}

/// Whether there is nothing that a repository without configurations could have lost.
fn is_unfinished(store: &dyn Store) -> Result<bool> {
    let mut found = false;
    for folder in Folder::ALL.into_iter().filter(|folder| *folder != Folder::Keys) {
        store.list(folder, &mut |_| found = true)?;
    }
    Ok(!found)
}

/// Tries every key slot; a slot that is damaged does not keep another one from opening, nor does one that an init left
/// which ended before it was done, and which vouches for another configuration.
fn unlock_ring(store: &dyn Store, unlock: Unlock<'_>, config_zero: Option<ObjectHash>) -> Result<KeyRing> {
    let names = names(store)?;
    if names.is_empty() {
        let message = format!(
            "no key slot is left in {}, and nothing opens without one; {}`holdall scrub --repair` brings slots back from \
             their second copies, `holdall key import` one that was exported",
            store.describe(),
            before_healing(store, Folder::Keys)
        );
        return Err(Error::new(ErrorKind::Damaged, message));
    }
    let (mut damaged, mut foreign) = (None, None);
    let mut tried = 0usize;
    for name in &names {
        let opened = || -> Result<Option<KeyRing>> {
            let bytes = store.read(&ObjectName::Key(*name), limit_bytes())?;
            match Slot::parse(name, &bytes)?.open(unlock) {
                Ok(ring) => Ok(Some(ring)),
                Err(KeyError::WrongSecret | KeyError::OtherKind { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        match opened() {
            Ok(Some(ring)) if Some(*ring.config_zero()) == config_zero => return Ok(ring),
            Ok(Some(ring)) => foreign = Some(ring),
            Ok(None) => tried = tried.saturating_add(1),
            Err(error) => damaged = Some(error.while_doing(format!("key slot {name}"))),
        }
    }
    match (foreign, damaged) {
        // What is wrong is then the configuration, or its absence.
        (Some(ring), _) => Ok(ring),
        (None, Some(error)) if tried == 0 => Err(error),
        _ => {
            let place = store.describe();
            let message = format!(
                "the password or key file opens none of the {} key slots in {place}{}",
                names.len(),
                lost(store, &names)
            );
            Err(Error::new(ErrorKind::WrongPassword, message))
        }
    }
}

/// What there is to say of slots that are gone and have a second copy: whoever removes a slot removes the copy first. One of
/// them may be the one that was to open.
fn lost(store: &dyn Store, names: &[ObjectHash]) -> String {
    let mut copies = BTreeSet::new();
    let listed = store.list(Folder::Mirror, &mut |listed| {
        if let Listed::Object { name: ObjectName::Mirror(Mirrored::Key(slot)), .. } = listed {
            copies.insert(slot);
        }
    });
    copies.retain(|slot| !names.contains(slot));
    // Whether the secret is right is not known by what could not be listed.
    let Some(first) = copies.first().filter(|_| listed.is_ok()) else { return String::new() };
    let copy = ObjectName::Mirror(Mirrored::Key(*first));
    let (gone, others) = match copies.len() {
        1 => ("another slot is", String::new()),
        count => ("other slots are", format!(", and so for the {} others", count.saturating_sub(1))),
    };
    format!(
        "; {gone} gone, whose second copy is there: if nobody removed it, {}`holdall key import {}/{copy}` puts it back{others}",
        before_healing(store, Folder::Keys),
        store.describe()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Parameters;
    use crate::key::{KdfCost, seal_slot};
    use crate::store::MemoryStore;

    const SECRET: Unlock<'_> = Unlock::Password(b"a secret");

    /// Does what an init does, in two steps: the slot, and what is still to be written.
    fn begin(store: &MemoryStore) -> (ObjectHash, Vec<u8>) {
        let (ring, config) = KeyRing::create(Parameters::default(), 0).unwrap();
        let slot = seal_slot(&ring, SECRET, KdfCost::CHEAP, b"first", 0).unwrap();
        let name = ObjectHash::of(&slot);
        let _ = store.create(&ObjectName::Key(name), &slot).unwrap();
        (name, config)
    }

    #[test]
    fn key_6_a_slot_that_an_unfinished_init_left_keeps_nobody_out() {
        let store = MemoryStore::new();
        let (left, _) = begin(&store);
        let refused = unlock(&store, SECRET).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::NoRepository, "{refused}");
        // Slots are tried in the order of their names: the one that was left comes first.
        let (name, config) = loop {
            let (name, config) = begin(&store);
            if left < name {
                break (name, config);
            }
            store.remove(&ObjectName::Key(name)).unwrap();
        };
        let _ = store.create(&ObjectName::Config(0), &config).unwrap();
        let (ring, chain) = unlock(&store, SECRET).unwrap();
        assert_eq!(chain.first_hash(), *ring.config_zero());
        store.remove(&ObjectName::Key(name)).unwrap();
        assert_eq!(unlock(&store, SECRET).err().unwrap().kind(), ErrorKind::Damaged);
    }

    #[test]
    fn a_repository_without_a_key_slot_is_damaged_and_no_password_is_called_wrong() {
        let store = MemoryStore::new();
        let (name, config) = begin(&store);
        let _ = store.create(&ObjectName::Config(0), &config).unwrap();
        store.remove(&ObjectName::Key(name)).unwrap();
        let refused = unlock(&store, SECRET).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Damaged, "{refused}");
    }

    #[test]
    fn where_no_slot_opens_and_one_is_gone_whose_second_copy_is_there_that_is_said() {
        let store = MemoryStore::new();
        let (own, config) = begin(&store);
        let _ = store.create(&ObjectName::Config(0), &config).unwrap();
        let slot = store.read(&ObjectName::Key(own), 1 << 20).unwrap();
        let (other, _) = begin(&store);
        let wrong = Unlock::Password(b"another one");
        let refusal = |store: &MemoryStore| {
            let refused = unlock(store, wrong).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::WrongPassword, "{refused}");
            refused.to_string()
        };
        for name in [own, other] {
            let copy = ObjectName::Mirror(Mirrored::Key(name));
            let _ = store.create(&copy, &slot).unwrap();
        }
        assert!(!refusal(&store).contains("gone"), "{}", refusal(&store));
        store.remove(&ObjectName::Key(own)).unwrap();
        let told = format!("`holdall key import {}/mirror/keys-{own}`", store.describe());
        assert!(refusal(&store).contains(&told), "{}", refusal(&store));
    }

    #[test]
    fn a_repository_whose_configuration_is_lost_is_damaged_and_no_unfinished_init() {
        let store = MemoryStore::new();
        let _ = begin(&store);
        let _ = store.create(&ObjectName::Pack(crate::id::PackId::from_bytes([1; 32])), b"x").unwrap();
        assert_eq!(unlock(&store, SECRET).err().unwrap().kind(), ErrorKind::Damaged);
    }
}
