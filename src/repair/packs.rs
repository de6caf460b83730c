//! Finding packs that can't be read in full, and storing anew what is lost with them.

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::heal::{self, Cure};
use crate::id::PackId;
use crate::index::Excluded;
use crate::progress::{Event, Progress};
use crate::repair::aside::{self, Ailing, AilingPacks};
use crate::repair::look::{IndexLook, notices};
use crate::repair::options::{HealedPack, LostObject, PackRepairPlan, PackRepairReport, RepairOptions};
use crate::repair::origin::{Another, Files, Intake, Origin, Uncounted};
use crate::repair::reading::PackReader;
use crate::repair::wanted::{self, Paths, Wanted};
use crate::segment::{PackRow, SegmentReader};
use crate::session::{self, History, check_may_open, read_segment, steadily};
use crate::session_record::SessionKind;
use crate::store::ObjectName;
use crate::threads;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

/// Reads every pack in full, and finds out what is lost. Nothing is changed. Time: that of reading and decoding
/// everything on all cores. Memory: a pack's row and a frame a core, and the names of the packs.
///
/// # Errors
/// [`ErrorKind::Damaged`] while the index itself has to be repaired; when the store can't be read, or the caller stops.
pub fn plan_packs(access: &Access, progress: &dyn Progress) -> Result<PackRepairPlan> {
    steadily(access, || look(access, progress))
}

fn look(access: &Access, progress: &dyn Progress) -> Result<PackRepairPlan> {
    let history = History::load(access)?;
    IndexLook::require_clean(access, &history, progress)?;
    session::bring_up_to_date(access, &history)?;
    let estimate = access.index.totals()?.pack_bytes;
    progress.event(&Event::Phase("reading packs"));
    progress.event(&Event::Estimated { files: 0, bytes: estimate });
    let Found { ailing, unread } = read_all(access, &history, progress)?;
    // What lies in them must not hide that it is lost.
    access.index.exclude(&Excluded::packs(ailing.keys().copied()))?;
    progress.event(&Event::Phase("finding what is lost"));
    let wanted = wanted::find(access, &history, &ailing, progress)?;
    let lost = |(pack, ailing): (&PackId, &Ailing)| LostObject {
        object: ObjectName::Pack(*pack).to_string(),
        wrong: ailing.wrong.clone(),
    };
    Ok(PackRepairPlan {
        packs: ailing.iter().map(lost).collect(),
        lost_chunk_count: wanted.left_count.saturating_sub(wanted.node_count),
        lost_node_count: wanted.node_count,
        unread: unread
            .into_iter()
            .map(|(pack, wrong)| LostObject { object: ObjectName::Pack(pack).to_string(), wrong })
            .collect(),
        notices: notices(access, &history, &BTreeSet::new())?,
        ailing,
        wanted,
    })
}

/// Heals the packs of a plan from their parity; sets aside those that can't be healed, after what can be read of them was
/// copied; and stores anew what is lost from packs that do not count, the files that the options name, and other
/// repositories.
///
/// # Errors
/// [`ErrorKind::Denied`] when the key's role may not repair; when the store fails or the caller stops. Whatever was
/// committed until then stands, and another run goes on.
pub fn repair_packs(
    access: &Access,
    plan: PackRepairPlan,
    options: &RepairOptions,
    others: &[&Access],
    progress: &dyn Progress,
) -> Result<PackRepairReport> {
    check_may_open(access, SessionKind::Repair)?;
    let started = std::time::Instant::now();
    let PackRepairPlan { mut ailing, mut wanted, notices, .. } = plan;
    let mut report = PackRepairReport { notices, ..PackRepairReport::default() };
    report.healed = heal_all(access, &mut ailing, progress)?;
    if !report.healed.is_empty() {
        wanted = find_wanted(access, &ailing, progress)?;
    }
    let done = aside::set_aside(access, options, &ailing, progress)?;
    (report.set_aside, report.written_bytes) = (done.packs, done.written_bytes);
    let wanted = Search { access, options, others, progress }.run(wanted, &mut report)?;
    report.lost_chunk_count = wanted.left_count;
    report.duration = started.elapsed();
    Ok(report)
}

fn find_wanted(access: &Access, ailing: &AilingPacks, progress: &dyn Progress) -> Result<Wanted> {
    steadily(access, || wanted::find(access, &History::load(access)?, ailing, progress))
}

/// Takes those packs out that could be healed.
fn heal_all(access: &Access, ailing: &mut AilingPacks, progress: &dyn Progress) -> Result<Vec<HealedPack>> {
    progress.event(&Event::Phase("healing from parity"));
    let mut healed = Vec::new();
    for pack in ailing.keys().copied().collect::<Vec<_>>() {
        check_stopped(progress)?;
        let name = ObjectName::Pack(pack);
        // What fails once may be the medium's trouble of a moment, and a pack that is set aside is not healed any more.
        let heal = || heal::heal(access.store.as_ref(), &name);
        match heal().or_else(|_| heal()) {
            // Its bytes were right before: whatever is wrong with it is not for its parity to heal.
            Ok(Cure::Unneeded) => {}
            Ok(cure) => {
                healed.push(HealedPack { object: name.to_string(), cure: cure.to_string() });
                ailing.remove(&pack);
            }
            Err(error) if is_beyond(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(healed)
}

/// Whether a pack can't be healed, and not only its place not be written.
fn is_beyond(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported | ErrorKind::NotFound)
}

/// The search for what is lost.
struct Search<'a> {
    access: &'a Access,
    options: &'a RepairOptions,
    others: &'a [&'a Access],
    progress: &'a dyn Progress,
}

impl Search<'_> {
    /// Stores anew what can be had. A tree node that was found may name what was not known to be missed, so it goes on
    /// until no more is found. Returns what is still lost.
    fn run(&self, mut wanted: Wanted, report: &mut PackRepairReport) -> Result<Wanted> {
        while wanted.left_count > 0 {
            self.progress.event(&Event::Phase("looking for what is lost"));
            let found_count = self.ask(&mut wanted, report)?;
            report.found_chunk_count = report.found_chunk_count.saturating_add(found_count);
            if found_count == 0 || wanted.node_count == 0 {
                break;
            }
            wanted = find_wanted(self.access, &AilingPacks::new(), self.progress)?;
        }
        Ok(wanted)
    }

    fn ask(&self, wanted: &mut Wanted, report: &mut PackRepairReport) -> Result<u64> {
        let history = History::load(self.access)?;
        let mut origins: Vec<Box<dyn Origin + '_>> = vec![Box::new(Uncounted::new(self.access))];
        for path in &self.options.from_paths {
            origins.push(Box::new(Files::new(path.clone())));
        }
        for other in self.others {
            let paths = Paths::find(self.access, &history, wanted, self.progress)?;
            origins.push(Box::new(Another::new(other, paths)));
        }
        let mut intake = Intake::new(self.access, self.options, wanted, self.progress);
        intake.ask(&mut origins)?;
        report.written_bytes = report.written_bytes.saturating_add(intake.written_bytes);
        intake.notices.retain(|notice| !report.notices.contains(notice));
        report.notices.append(&mut intake.notices);
        Ok(intake.found_count)
    }
}

/// What came of reading all packs.
#[derive(Default)]
struct Found {
    ailing: AilingPacks,
    /// Those that this user may not read, with what the system said.
    unread: BTreeMap<PackId, String>,
}

/// Reads every listed pack once, on all cores.
fn read_all(access: &Access, history: &History, progress: &dyn Progress) -> Result<Found> {
    let found = Mutex::new(Found::default());
    let thread_count = access.threads.max(1);
    let (rows, queue) = bounded::<PackRow>(thread_count);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..thread_count)
            .map(|_| {
                let (queue, found) = (queue.clone(), &found);
                threads::start(scope, move || read_some(access, &queue, found, progress))
            })
            .collect::<Result<_, _>>()?;
        drop(queue);
        let fed = feed(access, history, &rows);
        drop(rows);
        let read = readers.into_iter().map(threads::join);
        read.collect::<Vec<Result<()>>>().into_iter().collect::<Result<()>>().and(fed)
    })?;
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Gives out every pack that counts once, whatever number of segments list it.
fn feed(access: &Access, history: &History, rows: &Sender<PackRow>) -> Result<()> {
    let deleted = history.deleted_or_retiring_packs();
    let mut given: HashSet<PackId> = HashSet::new();
    for segment in access.index.applied()? {
        let body = read_segment(access, segment)?;
        for row in SegmentReader::parse(segment, &body)?.packs() {
            let pack = row.facts().pack;
            if row.is_set_aside() || deleted.contains(&pack) || !given.insert(pack) {
                continue;
            }
            if rows.send(row).is_err() {
                // The readers have ended, and say why.
                return Ok(());
            }
        }
    }
    Ok(())
}

fn read_some(access: &Access, queue: &Receiver<PackRow>, found: &Mutex<Found>, progress: &dyn Progress) -> Result<()> {
    let mut reading = PackReader::new(access);
    for row in queue {
        check_stopped(progress)?;
        let pack = row.facts().pack;
        let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
        match reading.prove(&row) {
            Ok(None) => {}
            Ok(Some(wrong)) => {
                let is_present =
                    access.store.open(&ObjectName::Pack(pack)).map_or_else(|error| !error.is_not_found(), |_| true);
                let ill = Ailing { facts: *row.facts(), frames: Some(row.frames().clone()), is_present, wrong };
                lock().ailing.insert(pack, ill);
            }
            Err(error) if error.is_refused() => drop(lock().unread.insert(pack, error.to_string())),
            Err(error) => return Err(error),
        }
        progress.event(&Event::Processed { files: 0, bytes: row.facts().bytes });
    }
    Ok(())
}
