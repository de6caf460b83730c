//! A bad place of a medium, told from a medium that is gone.

use crate::error::{Error, ErrorKind};
use crate::store::{Folder, Listed, ObjectName, Store, StoreError};

/// What is told of a part of a pack that could not be read. Where the medium still gives other objects that part is as good
/// as damaged, and whoever reads much goes on without it. A medium that gives nothing any more ends what reads: all that
/// follows would pass for lost, and a restore put holes in its place.
pub(super) fn unread(store: &dyn Store, error: StoreError) -> Error {
    let is_bad_place = matches!(error, StoreError::Io { .. }) && gives_others(store);
    if is_bad_place { Error::new(ErrorKind::Damaged, "the medium fails there").because(error) } else { error.into() }
}

/// Whether something else can be read from the medium itself: a configuration or a key slot.
fn gives_others(store: &dyn Store) -> bool {
    [Folder::Config, Folder::Keys].into_iter().any(|folder| {
        let mut names = Vec::new();
        let listed = store.list(folder, &mut |listed| {
            if let Listed::Object { name, .. } = listed {
                names.push(name);
            }
        });
        listed.is_ok() && names.iter().any(|name| gives(store, name))
    })
}

fn gives(store: &dyn Store, name: &ObjectName) -> bool {
    store.open(name).is_ok_and(|object| {
        object.forget_cached();
        object.read_at(0, &mut [0]).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectHash;
    use crate::store::MemoryStore;
    use crate::store::moody::{Mood, MoodyStore};
    use rustix::io::Errno;
    use std::sync::Arc;

    fn failed(errno: Errno) -> StoreError {
        StoreError::from_io("reading", "a pack", errno.into())
    }

    #[test]
    fn a_place_that_fails_is_damage_only_while_the_medium_gives_something_else() {
        let store = MemoryStore::new();
        let names = [ObjectName::Config(0), ObjectName::Key(ObjectHash::from_bytes([1; 32]))];
        names.iter().for_each(|name| assert!(store.create(name, b"bytes").is_ok()));
        let kind = |store: &dyn Store, errno| unread(store, failed(errno)).kind();
        assert_eq!(kind(&store, Errno::IO), ErrorKind::Damaged);
        assert_eq!(kind(&store, Errno::ACCESS), ErrorKind::ReadOnly, "that says nothing about the medium");
        let mut failing: Arc<dyn Store> = Arc::new(store);
        for (name, expected) in names.into_iter().zip([ErrorKind::Damaged, ErrorKind::Io]) {
            failing = Arc::new(MoodyStore::new(failing, name, Mood::Fails));
            assert_eq!(kind(failing.as_ref(), Errno::IO), expected, "{name}");
        }
    }
}
