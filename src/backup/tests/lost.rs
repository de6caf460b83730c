//! Backups against a parent of which something is lost: they end well, and what they make is whole.

use super::disc::{Place, key};
use super::noise;
use crate::backup::{BackupOptions, BackupReport, ProblemKind};
use crate::check::CheckOptions;
use crate::content::ContentReader;
use crate::error::ErrorKind;
use crate::id::{PackId, SnapshotId};
use crate::layout::Class;
use crate::manifest::{Cursor, StatEntry};
use crate::outcome::ComponentState;
use crate::progress::Silent;
use crate::prune::PruneOptions;
use crate::prune::tests::world;
use crate::repair::{RepairOptions, plan_packs, plan_snapshots, repair_packs, repair_snapshots};
use crate::session::{self, History};
use crate::store::{ObjectName, Store as _};

impl Place {
    fn run(&self) -> BackupReport {
        self.disc.opened();
        self.back_up(&BackupOptions::default(), &Silent).unwrap()
    }

    fn packs(&self, class: Class) -> Vec<PackId> {
        let objects = world::objects(&self.store);
        let packs = objects.iter().filter(|(_, bytes)| bytes.get(12) == Some(&class.code()));
        packs.filter_map(|(name, _)| if let ObjectName::Pack(id) = name { Some(*id) } else { None }).collect()
    }

    fn lose(&self, pack: PackId) {
        self.store.remove(&ObjectName::Pack(pack)).unwrap();
    }

    /// Flips a bit of a pack, so many bytes behind its start.
    fn flip(&self, pack: PackId, at: usize) {
        let name = ObjectName::Pack(pack);
        let mut bytes = self.store.read(&name, 1 << 30).unwrap();
        bytes[at] ^= 1;
        self.store.overwrite(name, &bytes);
    }

    fn repair_packs(&mut self) {
        self.reopen();
        let plan = plan_packs(&self.access, &Silent).unwrap();
        repair_packs(&self.access, plan, &RepairOptions::default(), &[], &Silent).unwrap();
        self.reopen();
    }

    /// A snapshot holds what is on the disc now, and the next backup can go by it.
    fn assert_holds(&mut self, id: SnapshotId) {
        self.reopen();
        session::bring_up_to_date(&self.access, &History::load(&self.access).unwrap()).unwrap();
        let files = self.disc.files();
        for name in files.keys() {
            assert!(self.content(id, name) == self.disc.bytes(name), "{name}");
        }
        let snapshot = self.snapshot(id);
        let reader = ContentReader::new(self.access.clone());
        let rows = Cursor::<StatEntry, _>::new(&reader, snapshot.components[0].stat.unwrap());
        let rows: Vec<StatEntry> = rows.map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), files.len() + 2);
        assert_eq!(snapshot.counts().files, u64::try_from(files.len()).unwrap());
        assert_eq!(snapshot.counts().bytes, files.values().map(|length| u64::try_from(*length).unwrap()).sum::<u64>());
    }
}

/// One bad byte in the parent's trees once ended every backup with an error, and none was made any more.
#[test]
fn outcome_27_a_backup_goes_on_without_what_is_lost_of_its_parent() {
    for (class, is_gone) in [Class::Stat, Class::Manifest].into_iter().flat_map(|class| [(class, true), (class, false)])
    {
        let mut place = Place::with_files(std::iter::repeat_n(300, 60));
        for pack in place.packs(class) {
            if is_gone { place.lose(pack) } else { place.flip(pack, 200) }
        }
        place.disc.write("new", noise(1000, 300));
        place.reopen();
        let report = place.run();
        assert_eq!((report.problems.count(), report.counts.files), (0, 61), "{class}: {:?}", report.problems);
        assert!(report.notices.iter().any(|notice| notice.contains("was read again")), "{class}: {:?}", report.notices);
        place.assert_holds(report.snapshot);
        place.reopen();
        let next = place.run();
        assert_eq!((place.disc.opened().len(), next.content_chunk_count, next.tree_raw_bytes), (0, 0, 0), "{class}");
        assert_eq!(next.notices.is_empty(), !is_gone, "{class}: {:?}", next.notices);
        place.assert_holds(next.snapshot);
    }
}

/// A folder that stood as in the parent, whose entry is lost there, and that can't be read any more.
#[test]
fn a_folder_that_is_lost_and_can_t_be_read_again_leaves_nothing_that_a_check_minds() {
    for errno in [2, 5] {
        let mut place = Place::new();
        place.disc.write("d/e/f", noise(1, 300));
        place.first();
        place.packs(Class::Manifest).into_iter().for_each(|pack| place.flip(pack, 200));
        place.disc.break_folders(&[key("d"), key("d/e")], (None, Some(errno)));
        place.reopen();
        let report = place.run();
        assert_eq!((report.problems.count(), report.counts.directories), (2, 4), "{:?}", report.problems);
        place.reopen();
        let check = crate::check::run(&place.access, &CheckOptions::default(), &Silent).unwrap();
        let blamed: Vec<_> = check.damage.iter().filter(|damage| damage.snapshots.contains(&report.snapshot)).collect();
        assert!(blamed.is_empty(), "{blamed:?}");
        place.disc.break_folders(&[], (None, None));
        assert_eq!(place.run().problems.count(), 0);
    }
}

/// Leaves of the manifest that have to be read, in a frame that is lost, beside others that are whole.
#[test]
fn what_lay_in_a_lost_leaf_is_read_again_and_no_leaf_of_its_pack_is_taken_over_unread() {
    let mut place = Place::with_files(std::iter::repeat_n(120, 2000));
    let [pack] = place.packs(Class::Manifest)[..] else { panic!("one pack") };
    place.flip(pack, 1000);
    place.disc.write("000", noise(5000, 120));
    place.reopen();
    place.disc.fail("001", true);
    let report = place.run();
    let opened = place.disc.opened();
    let kinds: Vec<ProblemKind> = report.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!((kinds.as_slice(), report.counts.unreadable), (&[ProblemKind::Unreadable][..], 1));
    assert_eq!(report.changes.files_new, 0, "{:?}", report.changes);
    assert!((17..2000).contains(&opened.len()), "{}", opened.len());
    let [notice] = report.notices.as_slice() else { panic!("{:?}", report.notices) };
    assert!(notice.contains("unchanged items were read again"), "{notice}");
    // What could not be read then has no row that would keep it from being read now. Its leaf may be what it was in the pack
    // that is damaged, which only a repair tells those that read nothing of it.
    place.disc.fail("001", false);
    place.repair_packs();
    let next = place.run();
    assert!(place.disc.opened().contains(&"001".to_owned()));
    assert_eq!((next.problems.count(), next.notices.as_slice()), (0, &[][..]));
    place.assert_holds(next.snapshot);
}

/// A snapshot was once made of lost content, and nobody was told: the file was there and was not read.
#[test]
fn prune_22_what_lay_in_a_pack_that_is_gone_or_was_given_up_is_read_and_stored_again() {
    for is_repaired in [false, true] {
        let mut place = Place::with_files(std::iter::repeat_n(300_000, 24));
        let packs = place.packs(Class::Content);
        assert!(packs.len() > 1, "{packs:?}");
        place.lose(packs[0]);
        place.reopen();
        if is_repaired {
            place.repair_packs();
        }
        let report = place.run();
        let opened = place.disc.opened();
        assert!((1..24).contains(&opened.len()), "only what was lost is read: {opened:?}");
        assert_eq!((report.problems.count(), report.changes.files_unmodified), (0, 24));
        let told = report.notices.iter().any(|notice| notice.contains("read again, for what was stored of"));
        assert!(told, "{:?}", report.notices);
        assert!(report.content_chunk_count > 0);
        let next = place.run();
        assert_eq!((place.disc.opened().len(), next.content_chunk_count), (0, 0), "once is enough");
        assert_eq!(next.notices.is_empty(), is_repaired, "{:?}", next.notices);
        place.assert_holds(report.snapshot);
    }
}

/// No repair once helped against a lost stat tree, and no prune went on.
#[test]
fn outcome_26_a_corrected_snapshot_goes_without_a_stat_tree_that_is_lost() {
    let mut place = Place::with_files(std::iter::repeat_n(300, 60));
    let damaged = place.snapshot(place.first());
    place.packs(Class::Stat).into_iter().for_each(|pack| place.lose(pack));
    place.reopen();
    let refused = world::prune(&place.access, &PruneOptions::default()).expect_err("it does not know what is needed");
    assert_eq!(refused.kind(), ErrorKind::Damaged);
    place.reopen();
    let planned = plan_snapshots(&place.access, &Silent).unwrap();
    let report = repair_snapshots(&place.access, &RepairOptions::default(), &Silent).unwrap();
    assert_eq!((planned.damaged.len(), report.made.len()), (2, 2), "{report:?}");
    let again = repair_snapshots(&place.access, &RepairOptions::default(), &Silent).unwrap();
    assert_eq!((again.made.len(), again.repaired.len()), (0, 2));
    for repair in report.made {
        assert!(repair.missing.is_empty() && repair.missing.stat_tree_count == 1, "{:?}", repair.missing);
        let corrected = place.snapshot(repair.corrected.unwrap());
        assert_eq!(corrected.components[0].manifest, damaged.components[0].manifest);
        assert_eq!(corrected.components[0].state, ComponentState::Complete);
        world::forget(&place.access, repair.damaged).unwrap();
    }
    place.reopen();
    world::prune(&place.access, &PruneOptions::default()).unwrap();
    let next = place.run();
    assert_eq!((next.problems.count(), next.content_chunk_count), (0, 0));
    place.assert_holds(next.snapshot);
}
