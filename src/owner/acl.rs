//! The users and groups that POSIX access control lists name: the form in which Linux hands a list out as an extended
//! attribute (acl(5), `linux/posix_acl_xattr.h`).

use super::OwnerMap;

/// The attributes that hold lists.
const NAMES: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];
const VERSION: [u8; 4] = 2u32.to_le_bytes();
/// Tag and rights, two bytes each, and an id.
const ENTRY_BYTES: usize = 8;
const USER_OBJ: [u8; 2] = 1u16.to_le_bytes();
const USER: [u8; 2] = 2u16.to_le_bytes();
const GROUP_OBJ: [u8; 2] = 4u16.to_le_bytes();
const GROUP: [u8; 2] = 8u16.to_le_bytes();
const MASK: [u8; 2] = 16u16.to_le_bytes();
const OTHER: [u8; 2] = 32u16.to_le_bytes();

/// Whom an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// A user.
    User(u32),
    /// A group.
    Group(u32),
}

/// Whom the list in an extended attribute names. Nobody, if it is another attribute, or not what Linux hands out.
pub fn named<'v>(name: &[u8], value: &'v [u8]) -> impl Iterator<Item = Named> + use<'v> {
    entries(name, value).unwrap_or_default().iter().filter_map(|[t0, t1, _, _, id @ ..]| {
        let id = u32::from_le_bytes(*id);
        match [*t0, *t1] {
            USER => Some(Named::User(id)),
            GROUP => Some(Named::Group(id)),
            _ => None,
        }
    })
}

/// The list in an extended attribute as acl(5) writes it in short, with numbers, and commas between its entries; before
/// it, which list it is, `access` or `default`. None, if it is another attribute, or not what Linux hands out.
pub fn list_text(name: &[u8], value: &[u8]) -> Option<(&'static str, String)> {
    let which = if name == NAMES[0] { "access" } else { "default" };
    let texts = entries(name, value)?.iter().map(|[t0, t1, rights, _, id @ ..]| {
        let id = u32::from_le_bytes(*id);
        let whom = match [*t0, *t1] {
            USER_OBJ => "user:".to_owned(),
            USER => format!("user:{id}"),
            GROUP_OBJ => "group:".to_owned(),
            GROUP => format!("group:{id}"),
            MASK => "mask:".to_owned(),
            OTHER => "other:".to_owned(),
            _ => return None,
        };
        let right = |bit: u8, letter| if rights & bit == 0 { '-' } else { letter };
        Some(format!("{whom}:{}{}{}", right(4, 'r'), right(2, 'w'), right(1, 'x')))
    });
    Some((which, texts.collect::<Option<Vec<_>>>()?.join(",")))
}

impl OwnerMap {
    /// Puts the ids of this machine into the list in an extended attribute; any other attribute stays as it is.
    pub fn map_list(&self, name: &[u8], value: &mut [u8]) {
        if entries(name, value).is_none() {
            return;
        }
        let (_, rest) = value.split_at_mut(VERSION.len());
        for [t0, t1, _, _, id @ ..] in rest.as_chunks_mut::<ENTRY_BYTES>().0 {
            let stored = u32::from_le_bytes(*id);
            *id = match [*t0, *t1] {
                USER => self.uid(stored),
                GROUP => self.gid(stored),
                _ => stored,
            }
            .to_le_bytes();
        }
    }
}

fn entries<'v>(name: &[u8], value: &'v [u8]) -> Option<&'v [[u8; ENTRY_BYTES]]> {
    let (entries, rest) = value.strip_prefix(&VERSION)?.as_chunks();
    (NAMES.contains(&name) && rest.is_empty()).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::*;
    use proptest::prelude::*;

    const ACCESS: &[u8] = NAMES[0];

    fn list(entries: &[(u16, u32)]) -> Vec<u8> {
        let entry = |(tag, id): &(u16, u32)| [&tag.to_le_bytes()[..], &[6, 0], &id.to_le_bytes()].concat();
        [VERSION.to_vec(), entries.iter().flat_map(entry).collect()].concat()
    }

    /// The owner, two users, the group, another one, the mask, all others.
    fn usual(users: [u32; 2], group: u32) -> Vec<u8> {
        let nobody = u32::MAX;
        let [one, other] = users.map(|user| (2, user));
        list(&[(1, nobody), one, other, (4, nobody), (8, group), (16, nobody), (32, nobody)])
    }

    fn map() -> OwnerMap {
        let known = |(stored, id)| (stored, Known { name: Vec::new(), id });
        OwnerMap {
            users: [(1001, 1005), (u32::MAX, 3)].map(known).into(),
            groups: [(50, 60), (1002, 7)].map(known).into(),
        }
    }

    #[test]
    fn users_and_groups_are_named_and_mapped_and_nobody_else() {
        let mut value = usual([1001, 1002], 50);
        let found: Vec<Named> = named(ACCESS, &value).collect();
        assert_eq!(found, [Named::User(1001), Named::User(1002), Named::Group(50)]);
        map().map_list(NAMES[1], &mut value);
        assert_eq!(value, usual([1005, 1002], 60));
    }

    #[test]
    fn a_list_is_written_as_getfacl_does_in_one_line() {
        let mut value = usual([1001, 1002], 50);
        value[VERSION.len() + 2] = 5;
        let text = "user::r-x,user:1001:rw-,user:1002:rw-,group::rw-,group:50:rw-,mask::rw-,other::rw-";
        assert_eq!(list_text(NAMES[1], &value), Some(("default", text.to_owned())));
        value[VERSION.len()] = 3;
        assert_eq!((list_text(ACCESS, &value), list_text(b"user.acl", &value)), (None, None));
    }

    #[test]
    fn what_is_no_list_stays_as_it_is() {
        let value = usual([1001, 1001], 50);
        let later = [&3u32.to_le_bytes(), &value[4..]].concat();
        for (name, value) in [(&b"user.acl"[..], &value[..]), (ACCESS, &value[..value.len() - 1]), (ACCESS, &later)] {
            let mut mapped = value.to_vec();
            map().map_list(name, &mut mapped);
            assert_eq!((mapped.as_slice(), named(name, value).count()), (value, 0));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(mut value: Vec<u8>) {
            let before = value.len();
            let _ = (named(ACCESS, &value).count(), list_text(ACCESS, &value));
            map().map_list(ACCESS, &mut value);
            prop_assert_eq!(value.len(), before);
        }
    }
}
