//! The metadata that an item should have come back with.

use crate::drill::restored::ownership;
use crate::manifest::{Entry, Kind, Timestamp, Xattr};
use crate::owner::OwnerMap;
use crate::restore::Ownership;
use crate::session::SnapshotComponent;
use crate::source::Stat;

/// Setuid and setgid, which are not restored for another owner than the one who lent them.
const LENDING_BITS: u16 = 0o6000;
const NS_PER_SECOND: u32 = 1_000_000_000;

/// Whom restored items should belong to.
pub(super) enum Owners {
    /// Those of the snapshot, as this machine knows them.
    Stored(OwnerMap),
    /// Whoever restored them.
    Restorer,
}

impl Owners {
    pub(super) fn of(component: &SnapshotComponent) -> Self {
        match ownership() {
            Ownership::ByName => Self::Stored(OwnerMap::new(&component.users, &component.groups)),
            Ownership::ByNumber | Ownership::Restorer => Self::Restorer,
        }
    }

    /// An extended attribute as it should have come back.
    pub(super) fn restored(&self, mut xattr: Xattr) -> Xattr {
        if let Self::Stored(map) = self {
            map.map_list(&xattr.name, &mut xattr.value);
        }
        xattr
    }

    /// What of an item's metadata is other than it should be, in words; nothing if it is as it should be.
    pub(super) fn differences(&self, entry: &Entry, found: &Stat) -> Vec<String> {
        let mut differences = Vec::new();
        let mode = match self {
            Self::Stored(map) => {
                let (uid, gid) = (map.uid(entry.uid), map.gid(entry.gid));
                if (found.uid, found.gid) != (uid, gid) {
                    differences.push(format!("owner {}:{} instead of {uid}:{gid}", found.uid, found.gid));
                }
                entry.mode
            }
            Self::Restorer => entry.mode & !LENDING_BITS,
        };
        if entry.kind() != Kind::Symlink && found.mode != mode {
            differences.push(format!("mode {:04o} instead of {mode:04o}", found.mode));
        }
        if !is_kept(entry.mtime, found.mtime) {
            let (found, wanted) = (found.mtime.to_ns(), entry.mtime.to_ns());
            differences.push(format!("time of change {found} instead of {wanted} ns since 1970"));
        }
        differences
    }
}

/// Whether a time is the one that was set, as the file system keeps it: some know only even seconds, others whole ones,
/// microseconds or tenths of them, and round down.
fn is_kept(wanted: Timestamp, found: Timestamp) -> bool {
    let (seconds, nanoseconds) = (wanted.seconds(), wanted.nanoseconds());
    let rounded = [1, 100, 1000, NS_PER_SECOND].map(|grain| (seconds, nanoseconds / grain * grain));
    let even = (seconds.div_euclid(2).saturating_mul(2), 0);
    rounded.into_iter().chain([even]).any(|time| time == (found.seconds(), found.nanoseconds()))
}

/// What of an item's extended attributes is other than it should be. Those by which the system labels everything by
/// itself are its own affair.
pub(super) fn attribute_differences(wanted: &[Xattr], found: &[Xattr]) -> Vec<String> {
    let value = |list: &[Xattr], name: &[u8]| list.iter().find(|one| one.name == name).map(|one| one.value.clone());
    let is_label = |name: &[u8]| name.starts_with(b"security.") && name != b"security.capability";
    let lacking = wanted.iter().filter_map(|one| match value(found, &one.name) {
        None => Some(format!("extended attribute {} is not there", one.name.escape_ascii())),
        Some(other) if other != one.value => {
            Some(format!("extended attribute {} has another value", one.name.escape_ascii()))
        }
        Some(_) => None,
    });
    let more = found.iter().filter(|one| !is_label(&one.name) && value(wanted, &one.name).is_none());
    let more = more.map(|one| format!("extended attribute {} is there as well", one.name.escape_ascii()));
    lacking.chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_kept_when_a_file_system_rounds_it_down_and_not_else() {
        let time = |seconds, nanoseconds| Timestamp::new(seconds, nanoseconds).unwrap();
        let wanted = time(1001, 123_456_789);
        for found in [(1001, 123_456_789), (1001, 123_456_700), (1001, 123_456_000), (1001, 0), (1000, 0)] {
            assert!(is_kept(wanted, time(found.0, found.1)), "{found:?}");
        }
        for found in [(1001, 123_456_788), (1001, 123_457_000), (1002, 0), (999, 0), (1000, 123_456_789)] {
            assert!(!is_kept(wanted, time(found.0, found.1)), "{found:?}");
        }
        assert!(is_kept(time(-3, 5), time(-4, 0)) && !is_kept(time(-3, 5), time(-2, 0)));
    }

    #[test]
    fn attributes_are_the_same_but_for_labels_of_the_system() {
        let xattr = |name: &str, value: &str| Xattr { name: name.into(), value: value.into() };
        let wanted = [xattr("user.a", "1"), xattr("user.b", "2")];
        let labelled = [xattr("security.selinux", "x"), xattr("user.a", "1"), xattr("user.b", "2")];
        assert_eq!(attribute_differences(&wanted, &labelled), Vec::<String>::new());
        let other = [xattr("user.a", "9"), xattr("user.c", "3"), xattr("security.capability", "x")];
        let found = attribute_differences(&wanted, &other).join("; ");
        let expected = "extended attribute user.a has another value; extended attribute user.b is not there; extended \
                        attribute user.c is there as well; extended attribute security.capability is there as well";
        assert_eq!(found, expected);
    }
}
