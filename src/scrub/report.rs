//! What a scrub found.

use crate::excerpt::Excerpt;
use crate::id::PackId;
use crate::progress::{Event, Gravity, Progress};
use crate::store::ObjectName;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many notices are kept.
const NOTICES_KEPT_MAX: usize = 10_000;

/// An object that is not what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubDamage {
    /// Its name in the store.
    pub object: String,
    /// Its length; 0 where it is not known.
    pub bytes: u64,
    /// What is wrong.
    pub wrong: String,
}

/// What a scrub found.
#[derive(Debug, Clone, Default)]
pub struct ScrubReport {
    /// Objects whose bytes are not those that their name or checksum stands for.
    pub damage: Excerpt<ScrubDamage>,
    /// Objects that were damaged or gone and are right now, with what healed them.
    pub healed: Excerpt<ScrubDamage>,
    /// Objects that this user may not read: nothing is known of them.
    pub unread: Excerpt<ScrubDamage>,
    /// Things that are no objects of this version of the format. They are no damage.
    pub unknown: Excerpt<String>,
    /// Files that a writer has begun, or left behind when it was interrupted.
    pub temporary_count: u64,
    /// Things worth knowing that are no damage.
    pub notices: Vec<String>,
    /// Packs that are what their names say.
    pub pack_count: u64,
    /// Other objects that are what their names or checksums say.
    pub small_object_count: u64,
    /// Their bytes, and those of the packs.
    pub proven_bytes: u64,
    /// How long it took.
    pub duration: Duration,
}

impl ScrubReport {
    /// The packs among what is damaged.
    pub fn damaged_packs(&self) -> impl Iterator<Item = PackId> {
        self.damage.iter().filter_map(|damage| {
            let Ok(ObjectName::Pack(id)) = damage.object.parse() else { return None };
            Some(id)
        })
    }
}

/// What was found so far, told by several threads.
pub(super) struct Findings<'a> {
    pub(super) progress: &'a dyn Progress,
    report: Mutex<ScrubReport>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, report: Mutex::default() }
    }

    pub(super) fn sound(&self, name: &ObjectName, bytes: u64) {
        let mut report = self.lock();
        let count =
            if let ObjectName::Pack(_) = name { &mut report.pack_count } else { &mut report.small_object_count };
        *count = count.saturating_add(1);
        report.proven_bytes = report.proven_bytes.saturating_add(bytes);
        drop(report);
        self.progress.event(&Event::Processed { files: 1, bytes: 0 });
    }

    pub(super) fn damage(&self, object: String, bytes: u64, wrong: String) {
        self.problem(&object, &wrong);
        self.lock().damage.push(ScrubDamage { object, bytes, wrong });
    }

    pub(super) fn healed(&self, object: String, bytes: u64, wrong: String) {
        self.lock().healed.push(ScrubDamage { object, bytes, wrong });
    }

    pub(super) fn denied(&self, name: &ObjectName, wrong: String) {
        let object = name.to_string();
        self.problem(&object, &wrong);
        self.lock().unread.push(ScrubDamage { object, bytes: 0, wrong });
    }

    /// A bad reading that a second one did not confirm: the medium or the memory is worth a look.
    pub(super) fn only_twice(&self, name: &ObjectName, wrong: &str) {
        let mut report = self.lock();
        if report.notices.len() < NOTICES_KEPT_MAX {
            report.notices.push(format!("{name} was read right only the second time; the first time {wrong}"));
        }
    }

    pub(super) fn stranger(&self, path: String) {
        self.lock().unknown.push(path);
    }

    pub(super) fn temporaries(&self, count: u64) {
        self.lock().temporary_count = count;
    }

    /// What a scrub that is stopped has changed.
    pub(super) fn changed_by_then(&self) -> String {
        match self.lock().healed.count() {
            0 => "nothing was changed".to_owned(),
            1 => "1 object was healed by then".to_owned(),
            count => format!("{count} objects were healed by then"),
        }
    }

    pub(super) fn into_report(self) -> ScrubReport {
        let mut report = self.report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.damage.sort_by(|one, other| one.object.cmp(&other.object));
        report.healed.sort_by(|one, other| one.object.cmp(&other.object));
        report.unread.sort_by(|one, other| one.object.cmp(&other.object));
        report
    }

    fn problem(&self, object: &str, message: &str) {
        self.progress.event(&Event::Problem {
            path: Path::new(object),
            operation: "scrub",
            message,
            gravity: Gravity::Trouble,
        });
    }

    fn lock(&self) -> MutexGuard<'_, ScrubReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
