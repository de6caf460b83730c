//! What earlier checks of data left behind, for those who only ask.

use super::verified::Verified;
use crate::access::Access;
use crate::error::Result;
use crate::store::{Folder, Listed, ObjectName};

/// Which of the packs that are there were read and found sound by checks, and when: as the repository remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verification {
    /// Packs in the store.
    pub pack_count: u64,
    /// Those that some check verified.
    pub verified_count: u64,
    /// Those that some check verified at or after the time that was asked about.
    pub verified_since_count: u64,
    /// When the one was verified that was verified longest ago, in nanoseconds since the epoch.
    pub oldest_at_ns: Option<i64>,
    /// When one was verified last.
    pub newest_at_ns: Option<i64>,
    /// Records of checks that can't be believed, or lie ahead of the clock.
    pub disbelieved_count: u64,
}

impl Verification {
    fn count(&mut self, at_ns: Option<i64>, since_ns: i64) {
        self.pack_count = self.pack_count.saturating_add(1);
        let Some(at_ns) = at_ns else { return };
        self.verified_count = self.verified_count.saturating_add(1);
        if at_ns >= since_ns {
            self.verified_since_count = self.verified_since_count.saturating_add(1);
        }
        self.oldest_at_ns = Some(self.oldest_at_ns.map_or(at_ns, |oldest| oldest.min(at_ns)));
        self.newest_at_ns = Some(self.newest_at_ns.map_or(at_ns, |newest| newest.max(at_ns)));
    }
}

/// Reads the records of verified packs and holds them against the packs that are there. Costs a listing of the packs and
/// the records; memory as a check takes for them.
///
/// # Errors
/// When a folder can't be listed, or the table of the packs not be written.
pub(crate) fn verification(access: &Access, since_ns: i64) -> Result<Verification> {
    let verified = Verified::load(access)?;
    let refused = u64::try_from(verified.refused.len()).unwrap_or(u64::MAX);
    let mut found =
        Verification { disbelieved_count: verified.ahead_count.saturating_add(refused), ..Verification::default() };
    let mut failure = Ok(());
    access.store.list(Folder::Packs, &mut |listed| {
        if let (Listed::Object { name: ObjectName::Pack(pack), .. }, Ok(())) = (listed, &failure) {
            failure = verified.at_ns(pack).map(|at_ns| found.count(at_ns, since_ns));
        }
    })?;
    failure.map(|()| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_verified_is_counted_from_a_time_on_and_the_ends_are_kept() {
        let mut found = Verification::default();
        for at_ns in [Some(30), None, Some(10), Some(20)] {
            found.count(at_ns, 20);
        }
        let expected = Verification {
            pack_count: 4,
            verified_count: 3,
            verified_since_count: 2,
            oldest_at_ns: Some(10),
            newest_at_ns: Some(30),
            disbelieved_count: 0,
        };
        assert_eq!(found, expected);
    }
}
