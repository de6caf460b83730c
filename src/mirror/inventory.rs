//! The objects of a store by their names.

use crate::error::{Error, ErrorKind, Result};
use crate::store::{Folder, Listed, ObjectName, Store};

/// How often a store is listed to find a moment in which no session is decided.
const LISTINGS_MAX: u32 = 100;

/// Every folder but those of which a mirror has no use: signs of life, and what was verified on another medium. The order
/// matters: see [`Inventory::of_quiet`].
const FOLDERS: [Folder; 9] = [
    Folder::Packs,
    Folder::Segments,
    Folder::Sessions,
    Folder::Parity,
    Folder::Mirror,
    Folder::Gc,
    Folder::Keys,
    Folder::Config,
    Folder::Records,
];

const _: () = assert!(size_of::<(ObjectName, u64)>() == 48, "what an object costs is documented");

/// Names and lengths, sorted by name.
pub(super) struct Inventory(Vec<(ObjectName, u64)>);

impl Inventory {
    /// Lists a store that nobody else writes to.
    ///
    /// # Errors
    /// When it can't be listed.
    pub(super) fn of_all(store: &dyn Store) -> Result<Self> {
        let mut all = outcomes(store)?;
        for folder in FOLDERS {
            add(store, folder, &mut all)?;
        }
        Ok(Self::sorted(all))
    }

    /// Lists a store that is in use so that everything is in the list that the outcomes in it need: no session was decided
    /// while it was made. What a collector had removed by then was replaced by an outcome in the list, or named in a set or
    /// a record that is listed after what it names.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when sessions are decided faster than the store can be listed; when it can't be listed.
    pub(super) fn of_quiet(store: &dyn Store) -> Result<Self> {
        let mut before = outcomes(store)?;
        for _ in 0..LISTINGS_MAX {
            let mut others = Vec::new();
            for folder in FOLDERS {
                add(store, folder, &mut others)?;
            }
            let after = outcomes(store)?;
            if before == after {
                others.extend(after);
                return Ok(Self::sorted(others));
            }
            before = after;
        }
        let message = "sessions end faster than the repository can be listed; run it again";
        Err(Error::new(ErrorKind::Busy, message))
    }

    fn sorted(mut all: Vec<(ObjectName, u64)>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The length of an object; none when it is not there.
    pub(super) fn bytes(&self, name: &ObjectName) -> Option<u64> {
        let place = self.0.binary_search_by_key(name, |(name, _)| *name).ok()?;
        self.0.get(place).map(|(_, bytes)| *bytes)
    }

    /// All of them, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(ObjectName, u64)> {
        self.0.iter()
    }

    /// Those of one folder.
    pub(super) fn of(&self, folder: Folder) -> impl Iterator<Item = ObjectName> {
        self.0.iter().map(|(name, _)| *name).filter(move |name| name.folder() == folder)
    }
}

fn outcomes(store: &dyn Store) -> Result<Vec<(ObjectName, u64)>> {
    let mut found = Vec::new();
    add(store, Folder::Outcomes, &mut found)?;
    found.sort_unstable();
    Ok(found)
}

fn add(store: &dyn Store, folder: Folder, found: &mut Vec<(ObjectName, u64)>) -> Result<()> {
    store.list(folder, &mut |listed| {
        if let Listed::Object { name, bytes } = listed {
            found.push((name, bytes));
        }
    })?;
    Ok(())
}
