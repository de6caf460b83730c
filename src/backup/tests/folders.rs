//! Folders that can't be read in full, or are gone before they were.

use super::disc::{Place, key};
use super::noise;
use crate::backup::{BackupOptions, BackupReport};
use crate::check::{CheckOptions, CheckReport};
use crate::content::ContentReader;
use crate::id::SnapshotId;
use crate::manifest::{Cursor, Entry, Key, Row, StatEntry, State, Xattr};
use crate::progress::Silent;

const ENOENT: i32 = 2;
const EIO: i32 = 5;
const E2BIG: i32 = 7;

/// Whatever keeps a folder from being read in full.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Its listing ends early, with this number.
    Unlisted(i32),
    /// What it is labelled with can't be read, with this number.
    Unlabelled(i32),
    /// Neither: it is gone.
    Gone,
    /// One of its labels can't be read.
    LabelUnread,
    /// Its labels can't be stored.
    LabelsUnfit,
}

impl Fate {
    const ALL: [Self; 8] = [
        Self::Unlisted(EIO),
        Self::Unlisted(ENOENT),
        Self::Unlabelled(EIO),
        Self::Unlabelled(ENOENT),
        Self::Unlabelled(E2BIG),
        Self::Gone,
        Self::LabelUnread,
        Self::LabelsUnfit,
    ];

    const fn is_unlisted(self) -> bool {
        matches!(self, Self::Unlisted(_) | Self::Gone)
    }
}

impl Place {
    fn with_folders() -> Self {
        let place = Self::new();
        for (seed, name) in (0u64..).zip(["a", "d/e/f/1", "d/e/f/2", "d/e/1", "d/1", "g/1", "z"]) {
            place.disc.write(name, noise(seed, 300));
        }
        place
    }

    fn suffer(&self, folders: &[Key], fate: Fate) {
        self.disc.break_folders(folders, (None, None));
        let name =
            |folder: &Key| folder.relative_to(&key("x").parent().unwrap()).map(|path| path.display().to_string());
        for name in folders.iter().filter_map(name) {
            self.disc.label(&name, Some(Vec::new()));
            match fate {
                Fate::LabelUnread => self.disc.label_unread(&name, b"security.capability"),
                Fate::LabelsUnfit => self.disc.label(&name, Some(vec![Xattr { name: Vec::new(), value: Vec::new() }])),
                Fate::Unlisted(_) | Fate::Unlabelled(_) | Fate::Gone => {}
            }
        }
        match fate {
            Fate::Unlisted(errno) => self.disc.break_folders(folders, (Some(errno), None)),
            Fate::Unlabelled(errno) => self.disc.break_folders(folders, (None, Some(errno))),
            Fate::Gone => self.disc.break_folders(folders, (Some(ENOENT), Some(ENOENT))),
            Fate::LabelUnread | Fate::LabelsUnfit => {}
        }
    }

    fn recover(&self, folders: &[Key]) {
        self.suffer(folders, Fate::Unlabelled(EIO));
        self.disc.break_folders(folders, (None, None));
    }

    fn back_up_plainly(&self) -> BackupReport {
        self.back_up(&BackupOptions::default(), &Silent).unwrap()
    }

    fn check(&self) -> CheckReport {
        crate::check::run(&self.access, &CheckOptions::default(), &Silent).unwrap()
    }

    fn rows<R: Row>(&self, root: crate::id::NodeId) -> Vec<R> {
        let reader = ContentReader::new(self.access.clone());
        Cursor::<R, _>::new(&reader, root).map(|row| row.unwrap()).collect()
    }

    fn trees(&self, id: SnapshotId) -> (Vec<Entry>, Vec<StatEntry>) {
        let component = self.snapshot(id).components.remove(0);
        (self.rows(component.manifest.unwrap()), self.rows(component.stat.unwrap()))
    }
}

/// Such a snapshot is sound, says of each of the folders what is the matter with it, and no more of any other.
fn assert_honest(place: &Place, report: &BackupReport, folders: &[Key], fate: Fate, about: &str) {
    assert_eq!(place.check().damage, [], "{about}");
    let told: Vec<Vec<u8>> = report.problems.iter().map(|problem| problem.path.clone()).collect();
    let paths: Vec<Vec<u8>> = folders.iter().map(|key| key.to_path().into_os_string().into_encoded_bytes()).collect();
    assert_eq!(told, paths, "{about}: {:?}", report.problems);
    let (entries, rows) = place.trees(report.snapshot);
    assert_eq!(entries.len(), 13, "{about}");
    for entry in entries {
        let is_hit = folders.contains(&entry.key);
        let is_unreadable = matches!(entry.state, State::Unreadable { .. });
        assert_eq!(is_unreadable, is_hit && fate.is_unlisted(), "{about}: {}", entry.key);
        if let Some(row) = rows.iter().find(|row| row.key == entry.key) {
            assert_eq!((row.kind, row.settled), (entry.kind(), !is_hit), "{about}: {}", entry.key);
        }
    }
    let unreadable_count = if fate.is_unlisted() { folders.len() } else { 0 };
    assert_eq!(report.counts.unreadable, u64::try_from(unreadable_count).unwrap(), "{about}");
}

/// Of such a folder there was no row among the rows of what lies in it: a check took the snapshot for forged, every night,
/// and told its owner to forget it.
#[test]
fn manifest_39_a_folder_that_is_not_read_in_full_has_a_row_that_nobody_relies_upon() {
    let top = key("x").parent().unwrap();
    let all = [Key::root(), top, key("d"), key("d/e"), key("d/e/f"), key("g")];
    let each = all.iter().map(std::slice::from_ref);
    for (folders, fate) in each.chain([&all[..]]).flat_map(|folders| Fate::ALL.map(|fate| (folders, fate))) {
        // Labels of the root are no business of what lies in /t.
        if folders.contains(&Key::root()) && matches!(fate, Fate::LabelUnread | Fate::LabelsUnfit) {
            continue;
        }
        let about = format!("{folders:?} {fate:?}");
        let place = Place::with_folders();
        place.suffer(folders, fate);
        for about in [format!("{about}, first"), format!("{about}, again")] {
            let report = place.back_up_plainly();
            assert_honest(&place, &report, folders, fate, &about);
            assert_eq!(place.trees(report.snapshot).1.len(), 13, "{about}");
        }
        place.recover(folders);
        let whole = place.back_up_plainly();
        assert_honest(&place, &whole, &[], fate, &format!("{about}, recovered"));
        // It suffers what stands in the parent as well.
        place.suffer(folders, fate);
        let report = place.back_up_plainly();
        let is_known = fate.is_unlisted();
        assert_honest(&place, &report, if is_known { folders } else { &[] }, fate, &format!("{about}, later"));
    }
}
