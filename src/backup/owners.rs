//! The table of owners' names that goes with a component.

use crate::backup::assemble::Owners;
use crate::backup::parent::Parent;
use crate::outcome::OwnerName;
use crate::owner;
use crate::wire::{Blob, List};
use std::collections::BTreeMap;

/// Who knows the names of owners.
pub trait OwnerNames: Sync {
    /// The name of a user; none when it is not known.
    fn user(&self, uid: u32) -> Option<Vec<u8>>;

    /// The name of a group; none when it is not known.
    fn group(&self, gid: u32) -> Option<Vec<u8>>;
}

/// This machine knows its own.
pub(super) struct ThisMachine;

impl OwnerNames for ThisMachine {
    fn user(&self, uid: u32) -> Option<Vec<u8>> {
        owner::user_name(uid)
    }

    fn group(&self, gid: u32) -> Option<Vec<u8>> {
        owner::group_name(gid)
    }
}

/// The names of users, and those of groups.
pub(super) type Tables = (List<OwnerName>, List<OwnerName>);

/// The names of all owners and groups: those of entries that were read, and the parent's, for what was carried over.
pub(super) fn names(owners: &Owners, known: &dyn OwnerNames, parent: Option<&Parent>) -> Tables {
    let (old_users, old_groups) =
        parent.map(|parent| (parent.users.clone(), parent.groups.clone())).unwrap_or_default();
    let users = owners.users.iter().filter_map(|uid| Some((*uid, known.user(*uid)?)));
    let groups = owners.groups.iter().filter_map(|gid| Some((*gid, known.group(*gid)?)));
    (table(old_users, users), table(old_groups, groups))
}

fn table(mut table: BTreeMap<u32, Vec<u8>>, new: impl Iterator<Item = (u32, Vec<u8>)>) -> List<OwnerName> {
    table.extend(new);
    List(table.into_iter().map(|(id, name)| OwnerName { id, name: Blob(name) }).collect())
}
