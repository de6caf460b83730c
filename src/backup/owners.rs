//! The table of owners' names that goes with a component.

use crate::backup::assemble::Owners;
use crate::backup::parent::Parent;
use crate::outcome::OwnerName;
use crate::owner;
use crate::wire::{Blob, List};
use std::collections::BTreeMap;

/// The names of all owners and groups: those of entries that were read, and the parent's, for what was carried over.
pub(super) fn names(owners: &Owners, parent: Option<&Parent>) -> (List<OwnerName>, List<OwnerName>) {
    let (old_users, old_groups) =
        parent.map(|parent| (parent.users.clone(), parent.groups.clone())).unwrap_or_default();
    let users = owners.users.iter().filter_map(|uid| Some((*uid, owner::user_name(*uid)?)));
    let groups = owners.groups.iter().filter_map(|gid| Some((*gid, owner::group_name(*gid)?)));
    (table(old_users, users), table(old_groups, groups))
}

fn table(mut table: BTreeMap<u32, Vec<u8>>, new: impl Iterator<Item = (u32, Vec<u8>)>) -> List<OwnerName> {
    table.extend(new);
    List(table.into_iter().map(|(id, name)| OwnerName { id, name: Blob(name) }).collect())
}
