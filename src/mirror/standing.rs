//! Whether a folder is a mirror of this repository and of nothing else.

use super::inventory::Inventory;
use crate::error::{Error, ErrorKind, Result};
use crate::id::ClientId;
use crate::store::{Folder, ObjectName, Store};
use std::collections::BTreeMap;

/// The longest object that is compared byte by byte.
const COMPARED_BYTES_MAX: u64 = 72 << 20;

/// Fails unless everything that decides in the mirror came from the source. Costs a reading of one object of each client.
///
/// # Errors
/// [`ErrorKind::Occupied`] says what did not come from it; when a store can't be read.
pub(super) fn check((from, here): (&dyn Store, &Inventory), (to, there): (&dyn Store, &Inventory)) -> Result<()> {
    if there.bytes(&ObjectName::Config(0)).is_none() {
        // The first of them is copied first.
        let is_empty = there.iter().all(|(name, _)| name.folder() == Folder::Keys);
        return if is_empty { Ok(()) } else { Err(without_configuration(to)) };
    }
    compare(from, to, &ObjectName::Config(0)).map_err(|error| {
        let is_another = error.kind() == ErrorKind::Occupied;
        if is_another { foreign(to, "it is another repository") } else { error }
    })?;
    let generation_highest = generations(here).max().unwrap_or(0);
    for (name, _) in there.iter() {
        if !is_known(name, here, generation_highest) {
            let what = format!(
                "it holds {name}, which the source does not have: it was written to itself, or the source was set back"
            );
            return Err(foreign(to, &what));
        }
    }
    newest_common(here, there).iter().try_for_each(|name| compare(from, to, name))
}

/// Whether what an object decides can have come from the source.
fn is_known(name: &ObjectName, here: &Inventory, generation_highest: u64) -> bool {
    match (name, here.bytes(name)) {
        (_, Some(_)) => true,
        (ObjectName::Outcome(_) | ObjectName::Record(..) | ObjectName::Config(_), None) => false,
        (ObjectName::Session(id), None) => here.bytes(&ObjectName::Outcome(*id)).is_some(),
        (ObjectName::Condemned { generation } | ObjectName::Deleted { generation }, None) => {
            *generation <= generation_highest
        }
        (_, None) => true,
    }
}

/// Of every series of numbers the highest object that both have: whoever wrote to the mirror itself under a number that
/// the source used later wrote other bytes.
fn newest_common(here: &Inventory, there: &Inventory) -> Vec<ObjectName> {
    let mut newest: BTreeMap<(Folder, Option<ClientId>), (u64, ObjectName)> = BTreeMap::new();
    for name in there.iter().map(|(name, _)| *name).filter(|name| here.bytes(name).is_some()) {
        let Some((client, number)) = series(&name) else { continue };
        let place = newest.entry((name.folder(), client)).or_insert((number, name));
        if number >= place.0 {
            *place = (number, name);
        }
    }
    newest.into_values().map(|(_, name)| name).collect()
}

/// Whose numbers an object of the deciding kinds bears, if they are a client's, and which.
fn series(name: &ObjectName) -> Option<(Option<ClientId>, u64)> {
    if let ObjectName::Outcome(id) = name {
        return Some((Some(id.client), id.number));
    }
    if let ObjectName::Record(client, number) = name {
        return Some((Some(*client), *number));
    }
    if let ObjectName::Config(number) = name {
        return Some((None, u64::from(*number)));
    }
    let (ObjectName::Condemned { generation } | ObjectName::Deleted { generation }) = name else { return None };
    Some((None, *generation))
}

fn generations(inventory: &Inventory) -> impl Iterator<Item = u64> {
    inventory.of(Folder::Gc).filter_map(|name| series(&name)).map(|(_, generation)| generation)
}

/// Fails when both have an object that is whole, and not the same.
fn compare(from: &dyn Store, to: &dyn Store, name: &ObjectName) -> Result<()> {
    let (one, other) = match (from.read(name, COMPARED_BYTES_MAX), to.read(name, COMPARED_BYTES_MAX)) {
        (Ok(one), Ok(other)) => (one, other),
        // It was retired since it was listed.
        (Err(error), _) | (_, Err(error)) if error.is_not_found() => return Ok(()),
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    };
    if one == other || !is_whole(from, name)? || !is_whole(to, name)? {
        return Ok(());
    }
    Err(foreign(to, &format!("its {name} is not that of the source: both were written to")))
}

fn is_whole(store: &dyn Store, name: &ObjectName) -> Result<bool> {
    Ok(crate::store::is_proven(name, store.open(name)?.as_ref())?)
}

/// What it is a mirror of can't be told before it has its configuration again.
fn without_configuration(to: &dyn Store) -> Error {
    let place = to.describe();
    let message = format!(
        "{place} holds objects and lacks its configuration: `holdall scrub --repair {place}` creates that anew from its second \
         copy, and then this can be run again; if it has none, choose another folder"
    );
    Error::new(ErrorKind::Occupied, message)
}

/// The mirror is left as it is.
pub(super) fn foreign(to: &dyn Store, why: &str) -> Error {
    let message = format!("{} can't be made a mirror of this repository: {why}; choose another folder", to.describe());
    Error::new(ErrorKind::Occupied, message)
}
