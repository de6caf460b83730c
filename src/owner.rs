//! Names of users and groups, by which ownership survives a move to a machine that numbers them differently.

mod acl;

pub use acl::{Named, list_text, named};

use nix::unistd::{Gid, Group, Uid, User};
use std::collections::HashMap;

/// The name of a user on this machine; none when nobody has the id.
pub fn user_name(uid: u32) -> Option<Vec<u8>> {
    // A name service that fails knows nobody: the number stands for itself.
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name.into_bytes())
}

/// The name of a group on this machine; none when none has the id.
pub fn group_name(gid: u32) -> Option<Vec<u8>> {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name.into_bytes())
}

/// A user, or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerKind {
    /// A user.
    User,
    /// A group.
    Group,
}

/// From the ids in a snapshot to those of this machine: by name where both know it, else the same number.
#[derive(Debug, Clone, Default)]
pub struct OwnerMap {
    users: HashMap<u32, Known>,
    groups: HashMap<u32, Known>,
}

/// Somebody whom this machine knows by name.
#[derive(Debug, Clone)]
struct Known {
    name: Vec<u8>,
    id: u32,
}

impl OwnerMap {
    /// Looks up every name once.
    pub fn new(users: &[(u32, Vec<u8>)], groups: &[(u32, Vec<u8>)]) -> Self {
        let users = users.iter().filter_map(|(uid, name)| Some((*uid, Known::new(name, user_id)?)));
        let groups = groups.iter().filter_map(|(gid, name)| Some((*gid, Known::new(name, group_id)?)));
        Self { users: users.collect(), groups: groups.collect() }
    }

    /// The user id to restore.
    pub fn uid(&self, stored: u32) -> u32 {
        self.users.get(&stored).map_or(stored, |known| known.id)
    }

    /// The group id to restore.
    pub fn gid(&self, stored: u32) -> u32 {
        self.groups.get(&stored).map_or(stored, |known| known.id)
    }

    /// The name and the number here of an owner who has another one in the snapshot.
    pub fn renumbered(&self, owner: OwnerKind, stored: u32) -> Option<(&[u8], u32)> {
        let known = match owner {
            OwnerKind::User => self.users.get(&stored),
            OwnerKind::Group => self.groups.get(&stored),
        };
        known.filter(|known| known.id != stored).map(|known| (known.name.as_slice(), known.id))
    }
}

impl Known {
    fn new(name: &[u8], id: impl Fn(&[u8]) -> Option<u32>) -> Option<Self> {
        id(name).map(|id| Self { name: name.to_vec(), id })
    }
}

fn user_id(name: &[u8]) -> Option<u32> {
    let name = std::str::from_utf8(name).ok()?;
    User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}

fn group_id(name: &[u8]) -> Option<u32> {
    let name = std::str::from_utf8(name).ok()?;
    Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_decides_and_an_unknown_one_leaves_the_number() {
        let root = user_name(0).expect("uid 0 has a name");
        let map = OwnerMap::new(&[(4711, root), (4712, b"nobody knows this one".to_vec())], &[]);
        assert_eq!((map.uid(4711), map.uid(4712), map.uid(5), map.gid(7)), (0, 4712, 5, 7));
        let renumbered = [4711, 4712, 5].map(|uid| map.renumbered(OwnerKind::User, uid).map(|(_, here)| here));
        assert_eq!(renumbered, [Some(0), None, None]);
    }
}
