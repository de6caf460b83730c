//! A store for reading: where a small object's first copy is damaged, gone or can't be read, and its second one proves itself,
//! that is read in its place, and kept in mind. Nothing is written. format-spec/01-store.md.

use super::forward::forward;
use super::proof::Bytes;
use super::{Folder, Listed, ObjectName, Store, StoreError, doubles, is_proven};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A small object that was read from its second copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedCopy {
    /// The object, by its name in the store.
    pub object: String,
    /// What is wrong with its first copy.
    pub wrong: String,
    /// What comes before healing it, for advice to people: nothing where it can be healed where it lies.
    pub before_healing: &'static str,
}

/// Which second copies were read so far.
#[derive(Debug, Default)]
pub struct UsedCopies {
    used: Mutex<BTreeMap<ObjectName, UsedCopy>>,
    /// Those of them by which the repository was opened.
    opening: OnceLock<Vec<ObjectName>>,
}

impl UsedCopies {
    /// All of them, by name.
    pub fn all(&self) -> Vec<UsedCopy> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether the second copy of an object was read.
    pub fn contain(&self, name: &ObjectName) -> bool {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    /// Keeps in mind by which second copies the repository was opened: all configurations, and this key slot.
    pub(crate) fn end_opening(&self, slot: Option<&ObjectName>) {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let opens = |name: &&ObjectName| matches!(name, ObjectName::Config(_)) || Some(*name) == slot;
        let _ = self.opening.set(used.keys().filter(opens).copied().collect());
    }

    /// The first of the objects that the repository was opened by and whose second copies were read.
    pub fn of_opening(&self) -> Option<ObjectName> {
        self.opening.get().and_then(|names| names.first()).copied()
    }

    fn note(&self, name: &ObjectName, used: UsedCopy) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(*name, used);
    }
}

/// What is said once of all damage in a store in which nothing can be written.
pub const NOTHING_HEALS_HERE: &str = "nothing can be written there, and whatever heals or repairs writes: copy the \
                                      repository to a disc that can be written, and run that on the copy";

/// What comes before healing in a folder, for advice to people: nothing where objects can be made there.
pub fn before_healing(store: &dyn Store, folder: Folder) -> &'static str {
    if store.is_writable(folder) {
        ""
    } else {
        "nothing can be written there: copy the repository to a disc that can be written, and there "
    }
}

/// Reads from another store, and second copies where the first ones fail. What is written goes there as it is.
pub struct SecondCopies {
    inner: Arc<dyn Store>,
    used: Arc<UsedCopies>,
}

impl SecondCopies {
    /// Reads from `inner`, and tells `used` of which objects it took the second copy.
    pub fn over(inner: Arc<dyn Store>, used: Arc<UsedCopies>) -> Self {
        Self { inner, used }
    }

    /// The second copy of an object, if it proves itself.
    fn second(&self, name: &ObjectName, limit_bytes: u64) -> Option<Vec<u8>> {
        let bytes = self.inner.read(&name.mirror()?, limit_bytes).ok()?;
        fits(name, &bytes).then_some(bytes)
    }

    /// Whether an object that is not there can't have been removed by anybody, or is not needed if it was: of segments only
    /// such count as outcomes name and no other one takes the place of. Of key slots never all are removed.
    fn is_lost(&self, name: &ObjectName) -> Result<bool, StoreError> {
        match name.folder() {
            Folder::Config | Folder::Segments | Folder::Outcomes | Folder::Records => Ok(true),
            Folder::Keys => {
                let mut is_locked = true;
                self.inner.list(Folder::Keys, &mut |listed| is_locked &= !matches!(listed, Listed::Object { .. }))?;
                Ok(is_locked)
            }
            Folder::Packs
            | Folder::Sessions
            | Folder::Heartbeats
            | Folder::Verified
            | Folder::Gc
            | Folder::Parity
            | Folder::Mirror => Ok(false),
        }
    }

    /// The objects of a folder that have second copies, with the lengths of these.
    fn copied(&self, folder: Folder) -> Result<BTreeMap<ObjectName, u64>, StoreError> {
        let mut copied = BTreeMap::new();
        self.inner.list(Folder::Mirror, &mut |listed| {
            if let Listed::Object { name: ObjectName::Mirror(copy), bytes } = listed
                && copy.first().folder() == folder
            {
                copied.insert(copy.first(), bytes);
            }
        })?;
        Ok(copied)
    }
}

/// Whether bytes are those that an object's name stands for, as far as anybody can tell.
fn fits(name: &ObjectName, bytes: &[u8]) -> bool {
    is_proven(name, &Bytes { name: *name, bytes }).unwrap_or(false)
}

/// What is wrong with a first copy; nothing when it is sound.
fn wrong(name: &ObjectName, read: &Result<Vec<u8>, StoreError>) -> Option<String> {
    match read {
        Ok(bytes) if fits(name, bytes) => None,
        Ok(_) => Some("it is damaged".to_owned()),
        Err(error) if error.is_not_found() => Some("it is gone".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

impl Store for SecondCopies {
    fn read(&self, name: &ObjectName, limit_bytes: u64) -> Result<Vec<u8>, StoreError> {
        let first = self.inner.read(name, limit_bytes);
        if name.mirror().is_none() || wrong(name, &first).is_none() {
            return first;
        }
        // A bad reading is no damage yet.
        let first = self.inner.read(name, limit_bytes);
        let Some(wrong) = wrong(name, &first) else { return first };
        if first.as_ref().is_err_and(StoreError::is_not_found) && !self.is_lost(name)? {
            return first;
        }
        let Some(bytes) = self.second(name, limit_bytes) else { return first };
        let before_healing = before_healing(self.inner.as_ref(), name.folder());
        self.used.note(name, UsedCopy { object: name.to_string(), wrong, before_healing });
        Ok(bytes)
    }

    /// Shows also what is gone and has a second copy of its own, if nobody removes it or it is not needed if somebody
    /// did.
    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        if !matches!(folder, Folder::Config | Folder::Keys | Folder::Segments | Folder::Outcomes | Folder::Records) {
            return self.inner.list(folder, each);
        }
        // What is created meanwhile is there before its copy is.
        let mut lost = self.copied(folder)?;
        let mut is_locked = true;
        self.inner.list(folder, &mut |listed| {
            if let Listed::Object { name, .. } = &listed {
                is_locked = false;
                lost.remove(name);
            }
            each(listed);
        })?;
        // One key slot may be gone because it was removed, but not all.
        lost.retain(|_, _| is_locked || folder != Folder::Keys);
        // What is another one's second copy tells of no object that was lost.
        let copies = lost.keys().filter_map(ObjectName::mirror).collect();
        let doubled = doubles(self.inner.as_ref(), &copies)?;
        lost.retain(|name, _| name.mirror().is_none_or(|copy| !doubled.contains_key(&copy)));
        lost.into_iter().for_each(|(name, bytes)| each(Listed::Object { name, bytes }));
        Ok(())
    }

    forward!(
        inner: create, spool, mend, open, remove_all, sweep_temporaries, keep_reserve, give_up_reserve, free_bytes,
        is_writable, is_mirror, mark_mirror, facts, describe
    );
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{Fresh, conforms};
    use super::super::moody::{Mood, MoodyStore};
    use super::super::{Created, MemoryStore};
    use super::*;
    use crate::config;
    use crate::id::{ClientId, ObjectHash, SegmentId, SessionId};

    fn fresh() -> Fresh {
        (Box::new(SecondCopies::over(Arc::new(MemoryStore::new()), Arc::default())), None)
    }

    conforms!(fresh);

    const LIMIT_BYTES: u64 = 1 << 20;

    fn session() -> SessionId {
        SessionId { client: ClientId::from_bytes([7; 16]), number: 1 }
    }

    /// An object of every kind that has a second copy, with its bytes.
    fn objects() -> Vec<(ObjectName, Vec<u8>)> {
        let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
        let checksummed = |body: &[u8]| [body, &hash(body)].concat();
        vec![
            (ObjectName::Config(0), checksummed(&config::beginning_of(0))),
            (ObjectName::Key(ObjectHash::from_bytes(hash(b"slot"))), b"slot".to_vec()),
            (ObjectName::Segment(SegmentId::from_bytes(hash(b"segment"))), b"segment".to_vec()),
            (ObjectName::Outcome(session()), checksummed(b"outcome")),
            (ObjectName::Record(session().client, 1), checksummed(b"record")),
            (ObjectName::Verified(session().client, 1), checksummed(b"verified")),
            (ObjectName::Condemned { generation: 1 }, checksummed(b"condemned")),
            (ObjectName::Deleted { generation: 1 }, checksummed(b"deleted")),
        ]
    }

    fn put(store: &MemoryStore, name: &ObjectName, bytes: &[u8]) {
        assert_eq!(store.create(name, bytes).unwrap(), Created::New);
    }

    fn over(store: &MemoryStore) -> (SecondCopies, Arc<UsedCopies>) {
        let used = Arc::<UsedCopies>::default();
        (SecondCopies::over(Arc::new(store.clone()), Arc::clone(&used)), used)
    }

    fn is_listed(store: &dyn Store, name: &ObjectName) -> bool {
        let mut count = 0;
        store
            .list(name.folder(), &mut |listed| {
                count += usize::from(matches!(listed, Listed::Object { name: found, .. } if found == *name));
            })
            .unwrap();
        assert!(count <= 1, "{name} is listed {count} times");
        count == 1
    }

    #[test]
    fn store_13_a_second_copy_is_read_where_the_first_is_damaged_and_is_told() {
        for (name, right) in objects() {
            let wrong = [&right[..right.len() - 1], b"!"].concat();
            for (first, second, read) in [(&right, &wrong, &right), (&wrong, &right, &right), (&wrong, &wrong, &wrong)]
            {
                let inner = MemoryStore::new();
                put(&inner, &name, first);
                put(&inner, &name.mirror().unwrap(), second);
                let (store, used) = over(&inner);
                assert_eq!(store.read(&name, LIMIT_BYTES).unwrap(), *read, "{name}");
                let told: Vec<_> = used.all().into_iter().map(|one| (one.object, one.wrong)).collect();
                let is_told = first == &wrong && second == &right;
                let expected = is_told.then(|| (name.to_string(), "it is damaged".to_owned()));
                assert_eq!(told, Vec::from_iter(expected));
                assert_eq!(inner.read(&name, LIMIT_BYTES).unwrap(), *first, "nothing is written");
            }
        }
    }

    #[test]
    fn store_13_the_second_copy_is_read_where_another_configuration_lies_in_its_place() {
        let config = |number| {
            let body = config::beginning_of(number);
            [&body[..], blake3::hash(&body).as_bytes()].concat()
        };
        let inner = MemoryStore::new();
        put(&inner, &ObjectName::Config(1), &config(0));
        put(&inner, &ObjectName::Config(1).mirror().unwrap(), &config(1));
        let (store, used) = over(&inner);
        assert_eq!(store.read(&ObjectName::Config(1), LIMIT_BYTES).unwrap(), config(1));
        assert!(used.contain(&ObjectName::Config(1)));
    }

    #[test]
    fn store_13_a_second_copy_is_read_where_the_first_can_not_be() {
        let (name, right) = objects().remove(3);
        let inner = MemoryStore::new();
        put(&inner, &name, &right);
        put(&inner, &name.mirror().unwrap(), &right);
        let used = Arc::<UsedCopies>::default();
        let failing = |mood| {
            let moody = MoodyStore::new(Arc::new(inner.clone()), name, mood);
            SecondCopies::over(Arc::new(moody), Arc::clone(&used)).read(&name, LIMIT_BYTES)
        };
        for once in [Mood::WrongOnce, Mood::FailsOnce] {
            assert_eq!(failing(once).unwrap(), right);
            assert_eq!(used.all(), [], "{once:?}: what is read badly once is no damage");
        }
        assert_eq!(failing(Mood::Fails).unwrap(), right);
        assert!(used.contain(&name));
        inner.remove(&name.mirror().unwrap()).unwrap();
        assert!(failing(Mood::Fails).is_err());
    }

    #[test]
    fn store_13_what_is_gone_is_read_only_where_nobody_removes_it_or_nothing_follows() {
        for (name, right) in objects() {
            let inner = MemoryStore::new();
            put(&inner, &name.mirror().unwrap(), &right);
            let (store, used) = over(&inner);
            let is_shown = !matches!(name.folder(), Folder::Verified | Folder::Gc);
            assert_eq!(is_listed(&store, &name), is_shown, "{name}");
            assert_eq!(store.read(&name, LIMIT_BYTES).is_ok(), is_shown, "{name}");
            assert_eq!(used.contain(&name), is_shown, "{name}");
        }
    }

    /// One more configuration, which never was, kept every reader out; one more outcome was damage that nothing heals.
    #[test]
    fn store_13_a_second_copy_of_another_object_shows_none_that_is_gone() {
        for (at, under) in [
            (0, ObjectName::Config(1)),
            (3, ObjectName::Outcome(SessionId { number: 2, ..session() })),
            (4, ObjectName::Record(session().client, 2)),
        ] {
            let (name, bytes) = objects().remove(at);
            let inner = MemoryStore::new();
            put(&inner, &name, &bytes);
            put(&inner, &under.mirror().unwrap(), &bytes);
            let (store, _) = over(&inner);
            assert!(is_listed(&store, &name) && !is_listed(&store, &under), "{under}");
        }
    }

    /// Whoever removed it has taken somebody's way in.
    #[test]
    fn store_13_a_key_slot_that_is_gone_is_read_only_when_none_is_left() {
        let (name, right) = objects().remove(1);
        let inner = MemoryStore::new();
        put(&inner, &name.mirror().unwrap(), &right);
        put(&inner, &ObjectName::Key(ObjectHash::from_bytes([1; 32])), b"another one");
        let (store, used) = over(&inner);
        assert!(!is_listed(&store, &name) && store.read(&name, LIMIT_BYTES).is_err_and(|error| error.is_not_found()));
        assert_eq!(used.all(), []);
    }

    #[test]
    fn what_is_sound_is_listed_once_and_read_as_it_is() {
        for (name, right) in objects() {
            let inner = MemoryStore::new();
            put(&inner, &name, &right);
            put(&inner, &name.mirror().unwrap(), &right);
            let (store, used) = over(&inner);
            assert!(is_listed(&store, &name) && store.read(&name, LIMIT_BYTES).unwrap() == right);
            assert_eq!(used.all(), []);
        }
    }
}
