//! A medium without a free byte.

use super::world::{Files, World, files, forget, objects, prune};
use crate::access::Access;
use crate::error::{ErrorKind, Result};
use crate::id::SnapshotId;
use crate::lacking::leave_out;
use crate::prune::{MaxUnused, PruneOptions, PruneReport};
use crate::session::{self, AbortOutcome, History, Writer, move_to_machine};
use crate::session_record::SessionKind;
use crate::store::{Folder, LocalStore, Store};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A mount that goes with this value.
struct Mount(PathBuf);

impl Mount {
    fn new(place: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let size = format!("size={megabytes}m");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(place).output().ok()?;
        done.status.success().then(|| Self(place.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A repository on a medium without a free byte, but for the reserve; none where this user or sandbox may not mount.
struct FullMedium {
    /// Goes first: what is mounted can't be removed, and the world's folder would stay.
    _mount: Mount,
    world: World,
    place: PathBuf,
    store: Arc<dyn Store>,
}

impl FullMedium {
    /// One of its two snapshots is forgotten. Some of its packs nobody needs any more; of the others so much is needed
    /// that the reserve could not take it.
    fn new() -> Option<Self> {
        Self::sized(64, 100_000)
    }

    fn sized(megabytes: u32, file_bytes: usize) -> Option<Self> {
        Self::keeping((70..100).step_by(2).chain(100..120), megabytes, file_bytes)
    }

    /// Its second snapshot holds other files.
    fn keeping(kept: impl IntoIterator<Item = u32>, megabytes: u32, file_bytes: usize) -> Option<Self> {
        let world = World::new();
        let place = world.place("medium");
        let Some(mount) = Mount::new(&place, megabytes) else {
            leave_out("mount", "this user or sandbox may not mount");
            return None;
        };
        let store: Arc<dyn Store> = Arc::new(LocalStore::create(&place.join("repository")).unwrap());
        store.facts().unwrap();
        store.keep_reserve().unwrap();
        let medium = Self { _mount: mount, world, place, store };
        assert_eq!(medium.reserve_bytes(), Some(1 << 20));
        let first = medium.back_up(&files(0..100, file_bytes)).unwrap();
        medium.back_up(&files(kept, file_bytes)).unwrap();
        forget(&medium.owner(), first).unwrap();
        medium.fill();
        let full = medium.back_up(&files(200..210, 100_000)).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::NoSpace, "{full}");
        Some(medium)
    }

    fn fill(&self) {
        let filler = std::fs::File::options().create(true).append(true).open(self.place.join("filler"));
        let mut filler = filler.unwrap();
        while std::io::Write::write_all(&mut filler, &[1; 4096]).is_ok() {}
    }

    fn owner(&self) -> Access {
        self.world.client_on("owner", Arc::clone(&self.store))
    }

    /// Another process: it has to prove the store anew, which takes from the reserve.
    fn opened_anew(&self) -> Access {
        self.world.client_on("owner", Arc::new(self.store()))
    }

    fn back_up(&self, files: &Files) -> Result<SnapshotId> {
        super::world::back_up(&self.owner(), files, super::world::Inherit::Never)
    }

    fn reserve_bytes(&self) -> Option<u64> {
        std::fs::metadata(self.place.join("repository/reserve")).map(|status| status.len()).ok()
    }

    fn store(&self) -> LocalStore {
        LocalStore::open(&self.place.join("repository")).unwrap()
    }

    fn pack_bytes(&self) -> usize {
        let packs = objects(&self.store()).into_iter().filter(|(name, _)| name.folder() == Folder::Packs);
        packs.map(|(_, bytes)| bytes.len()).sum()
    }

    /// As little is left unused as is asked for, and the next time the medium may be full again.
    fn assert_repacked(&self, report: &PruneReport) {
        assert_eq!((report.unroomed.pack_count, report.damaged_frame_count), (0, 0), "{report:?}");
        assert!(report.slack_bytes < 1 << 20 && report.notices.is_empty(), "{report:?}");
        assert_eq!(self.reserve_bytes(), Some(1 << 20), "it is kept again");
        super::world::whole(&self.world.client_on("reader", Arc::clone(&self.store))).unwrap();
    }

    fn assert_pruned(&self, report: &PruneReport) {
        assert!(report.deleted.bytes > 5 << 20, "{report:?}");
        super::world::whole(&self.world.client_on("reader", Arc::clone(&self.store))).unwrap();
    }
}

#[test]
fn a_prune_works_without_a_free_byte_and_puts_its_reserve_back() {
    for opened_anew in [false, true] {
        let Some(medium) = FullMedium::new() else { return };
        let access = if opened_anew { medium.opened_anew() } else { medium.owner() };
        let report = prune(&access, &PruneOptions::default()).unwrap();
        medium.assert_pruned(&report);
        medium.assert_repacked(&report);
    }
}

/// All packs are needed in part: more must be copied than the reserve holds before anything may be deleted.
#[test]
fn a_full_medium_gets_free_in_steps_each_of_which_makes_room_for_the_next() {
    let Some(medium) = FullMedium::keeping((0..100).step_by(2), 64, 100_000) else { return };
    let report = prune(&medium.opened_anew(), &PruneOptions::default()).unwrap();
    assert!(report.deleted.bytes > 9 << 20 && report.written.bytes > 4 << 20, "{report:?}");
    medium.assert_repacked(&report);
}

/// Once it had none, the prunes of a medium that nobody else makes room on could never begin again.
#[test]
fn where_there_is_no_room_for_a_single_pack_a_prune_says_so_and_keeps_what_it_can_of_its_reserve() {
    let Some(medium) = FullMedium::keeping((0..100).filter(|number| number % 10 != 3), 64, 100_000) else { return };
    for _ in 0..3 {
        let report = prune(&medium.opened_anew(), &PruneOptions::default()).unwrap();
        assert!(report.unroomed.pack_count >= 5, "{report:?}");
        let told = report.notices.iter().filter(|notice| notice.contains("too little room")).count();
        assert_eq!(told, 1, "{report:?}");
        assert!(medium.reserve_bytes() >= Some(256 << 10), "{:?}", medium.reserve_bytes());
    }
    let filler = std::fs::File::options().write(true).open(medium.place.join("filler")).unwrap();
    filler.set_len(filler.metadata().unwrap().len() - (2 << 20)).unwrap();
    let report = prune(&medium.opened_anew(), &PruneOptions::default()).unwrap();
    medium.assert_repacked(&report);
}

#[test]
fn a_prune_that_would_not_repack_anyway_takes_from_the_reserve_as_well() {
    let options = PruneOptions::default().max_unused(MaxUnused::Unlimited);
    for opened_anew in [false, true] {
        let Some(medium) = FullMedium::new() else { return };
        let access = if opened_anew { medium.opened_anew() } else { medium.owner() };
        let report = prune(&access, &options).unwrap();
        medium.assert_pruned(&report);
        assert!(report.notices.is_empty(), "{report:?}");
    }
}

/// For the dead session of another machine a prune may wait.
#[test]
fn to_end_a_session_takes_from_the_reserve_as_well() {
    let Some(medium) = FullMedium::new() else { return };
    let access = medium.owner();
    let filler = medium.place.join("filler");
    let bytes = std::fs::metadata(&filler).unwrap().len();
    std::fs::File::options().write(true).open(&filler).unwrap().set_len(bytes - (1 << 20)).unwrap();
    let client = session::load(&access).unwrap().client;
    let number = History::load(&access).unwrap().next_number(client);
    let open = session::open(&access, client, number, SessionKind::Backup, &Writer::default()).unwrap();
    medium.fill();
    assert_eq!(session::abort_open(&access, open.id).unwrap(), AbortOutcome::Aborted);
}

/// Between its fork and its own program a child has all files of this process open, and what was removed of them takes up
/// its space until then.
#[test]
fn what_a_prune_gives_up_on_a_full_medium_may_be_open_in_a_child_for_a_moment() {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _done = Done(&done);
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = Command::new("/bin/true").status();
                }
            });
        }
        for _ in 0..12 {
            let Some(medium) = FullMedium::new() else { return };
            medium.assert_pruned(&prune(&medium.opened_anew(), &PruneOptions::default()).unwrap());
        }
    });
}

/// Lets other threads end, also when a test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The process that takes over finds a reserve that is whole, half used, or gone.
#[test]
fn killed_at_each_call_to_the_system_on_a_full_medium_a_prune_is_finished_by_the_next() {
    let options = PruneOptions::default().silent_after(Duration::ZERO);
    let mut at = 1;
    loop {
        move_to_machine(1);
        let Some(medium) = FullMedium::sized(16, 50_000) else { return };
        let before = medium.pack_bytes();
        let store = Arc::new(medium.store());
        store.die_at_call(at);
        let first = prune(&medium.world.client_on("owner", Arc::<LocalStore>::clone(&store)), &options);
        if store.calls_made() < at {
            first.unwrap();
            break;
        }
        drop(store);
        move_to_machine(2);
        for turn in 0..2 {
            prune(&medium.opened_anew(), &options)
                .unwrap_or_else(|error| panic!("killed at call {at}, turn {turn}: {error}"));
            super::world::whole(&medium.world.client_on("reader", Arc::new(medium.store()))).unwrap();
        }
        let left = medium.pack_bytes();
        assert!(left + (3 << 20) < before, "killed at call {at}: {left} bytes are left of {before}");
        assert_eq!(medium.reserve_bytes(), Some(1 << 20), "killed at call {at}");
        at += 1;
    }
    assert!(at > 20, "{at} calls");
}
