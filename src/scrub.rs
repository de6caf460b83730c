//! Scrubbing: every object of a store against its own name or checksum, without any key, at the speed of the medium.
//! For the machine that only keeps the bytes, which can heal them as well. What is missing, forged or contradictory only
//! [`check`](crate::check) sees.

mod proof;
mod report;

#[cfg(test)]
mod tests;

pub use report::{ScrubDamage, ScrubReport};

use crate::error::{Result, check_stopped};
use crate::heal;
use crate::progress::{Event, Progress};
use crate::store::{Folder, Listed, NOTHING_HEALS_HERE, ObjectName, Store};
use crate::threads;
use crossbeam_channel::{Sender, bounded};
use proof::Prover;
use rayon::iter::{ParallelBridge, ParallelIterator};
use report::Findings;

/// What to do about damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remedy {
    /// Report it.
    #[default]
    Report,
    /// Heal what parity and second copies can heal, and report the rest.
    Heal,
}

/// How to scrub.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ScrubOptions {
    threads: usize,
    remedy: Remedy,
}

impl Default for ScrubOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { threads, remedy: Remedy::default() }
    }
}

impl ScrubOptions {
    /// How many objects are read at a time: at least one; otherwise as many as there are cores.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// What to do about damage; otherwise it is reported only.
    #[must_use]
    pub const fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = remedy;
        self
    }
}

/// Reads every object of a store once, from its first byte to its last, and proves it. One that seems bad is read again
/// before it is called damaged. Memory: a piece of an object for each thread, and what is reported.
///
/// # Errors
/// When the store can't be listed, or the caller stops: the error says how much was healed by then. Damage is data in the
/// report.
pub fn run(store: &dyn Store, options: &ScrubOptions, progress: &dyn Progress) -> Result<ScrubReport> {
    let started = std::time::Instant::now();
    let findings = Findings::new(progress);
    progress.event(&Event::Phase("listing"));
    estimate(store, progress)?;
    progress.event(&Event::Phase("reading every object"));
    if options.remedy == Remedy::Heal {
        bring_back_lost(store, &findings)?;
    }
    prove_all(store, options, &findings)?;
    findings.temporaries(count_temporaries(store)?);
    let mut report = findings.into_report();
    if report.damage.count() > 0 && !store.is_writable(Folder::Packs) {
        report.notices.push(NOTHING_HEALS_HERE.to_owned());
    }
    report.duration = started.elapsed();
    Ok(report)
}

/// Creates what is gone and has a second copy, where nobody can have removed it.
fn bring_back_lost(store: &dyn Store, findings: &Findings<'_>) -> Result<()> {
    heal::bring_back_lost(store, &mut |name, brought| match brought {
        Ok(()) => findings.healed(name.to_string(), 0, "it was gone; created anew from its second copy".to_owned()),
        Err(error) => findings.damage(name.to_string(), 0, error.to_string()),
    })
}

fn estimate(store: &dyn Store, progress: &dyn Progress) -> Result<()> {
    let (mut files, mut bytes) = (0u64, 0u64);
    for folder in Folder::ALL {
        store.list(folder, &mut |listed| {
            if let Listed::Object { bytes: length, .. } = listed {
                files = files.saturating_add(1);
                bytes = bytes.saturating_add(length);
            }
        })?;
    }
    progress.event(&Event::Estimated { files, bytes });
    Ok(())
}

/// Lists in this thread and proves in the others. A thread that finds no more objects helps to hash those of the others,
/// so that the last pack does not keep one core busy and the rest waiting.
fn prove_all(store: &dyn Store, options: &ScrubOptions, findings: &Findings<'_>) -> Result<()> {
    let pool = threads::pool(options.threads)?;
    let (names, queue) = bounded(options.threads);
    pool.in_place_scope(|provers| {
        provers.spawn(|_| {
            let objects = queue.into_iter().par_bridge();
            let prover = || Prover::new(options.remedy);
            objects.for_each_init(prover, |prover, name: ObjectName| prover.prove(store, &name, findings));
        });
        let listed = list(store, &names, findings);
        drop(names);
        listed
    })?;
    check_stopped(findings.progress).map_err(|error| error.if_stopped(&findings.changed_by_then()))
}

fn list(store: &dyn Store, names: &Sender<ObjectName>, findings: &Findings<'_>) -> Result<()> {
    let mut essential = Essential::default();
    // The largest part comes first, and the many small objects fill the gaps at the end.
    let (packs, others): (Vec<_>, Vec<_>) = Folder::ALL.into_iter().partition(|folder| *folder == Folder::Packs);
    for folder in packs.into_iter().chain(others) {
        store.list(folder, &mut |listed| match listed {
            Listed::Object { name, .. } => {
                essential.note(&name);
                if !findings.progress.stopped() {
                    // Nobody is left to take it only after a panic, which ends this as well.
                    let _ = names.send(name);
                }
            }
            Listed::Stranger { path } => findings.stranger(path),
        })?;
    }
    essential.judge(findings);
    Ok(())
}

/// What no repository can be opened without, and whose absence its names alone tell.
#[derive(Default)]
struct Essential {
    config_count: u64,
    config_highest: Option<u32>,
    key_count: u64,
}

impl Essential {
    fn note(&mut self, name: &ObjectName) {
        if let ObjectName::Config(number) = name {
            self.config_count = self.config_count.saturating_add(1);
            self.config_highest = self.config_highest.max(Some(*number));
        }
        if let ObjectName::Key(_) = name {
            self.key_count = self.key_count.saturating_add(1);
        }
    }

    fn judge(&self, findings: &Findings<'_>) {
        let expected = u64::from(self.config_highest.unwrap_or(0)).saturating_add(1);
        if self.config_count < expected {
            let wrong =
                format!("{} of {expected} configurations are missing", expected.saturating_sub(self.config_count));
            findings.damage("config".to_owned(), 0, wrong);
        }
        if self.key_count == 0 {
            findings.damage("keys".to_owned(), 0, "no key slot is there, and nothing opens without one".to_owned());
        }
    }
}

/// Temporary files are no objects, and none is removed here.
fn count_temporaries(store: &dyn Store) -> Result<u64> {
    let count = std::cell::Cell::new(0u64);
    store.sweep_temporaries(&|_| {
        count.set(count.get().saturating_add(1));
        false
    })?;
    Ok(count.get())
}
