//! Giving an old repository what it can be healed with.

use crate::config::{CONFIG_BYTES_MAX, SignedConfig};
use crate::error::{Result, check_stopped};
use crate::excerpt::Excerpt;
use crate::parity::Percent;
use crate::progress::{Event, Gravity, Progress};
use crate::store::{Folder, Listed, ObjectName, ProtectError, Store, protect};
use crate::threads;
use crossbeam_channel::bounded;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How to protect what is there.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ProtectOptions {
    percent: Option<Percent>,
    threads: usize,
}

impl Default for ProtectOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { percent: None, threads }
    }
}

impl ProtectOptions {
    /// How much parity packs get that have none; otherwise as much as the newest configuration asks for.
    #[must_use]
    pub const fn percent(mut self, percent: Percent) -> Self {
        self.percent = Some(percent);
        self
    }

    /// How many objects are worked on at a time: at least one; otherwise as many as there are cores.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }
}

/// What was added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtectReport {
    /// Packs that have parity now and had none.
    pub pack_count: u64,
    /// Bytes of their parity.
    pub parity_bytes: u64,
    /// Small objects that have a second copy now and had none.
    pub copy_count: u64,
    /// Bytes of the copies.
    pub copy_bytes: u64,
    /// Objects that had theirs before.
    pub protected_count: u64,
    /// Objects that could get nothing, with the reason: mostly that they are damaged.
    pub failures: Excerpt<String>,
    /// How long it took.
    pub duration: Duration,
}

/// Makes parity of every pack that has none, and second copies of small objects. What was there stays as it is. Needs no
/// key; memory: the parity of a pack and 16 MiB for each thread.
///
/// # Errors
/// When the store can't be listed or written, or the caller stops: what was added until then stays.
pub fn protect_all(store: &dyn Store, options: &ProtectOptions, progress: &dyn Progress) -> Result<ProtectReport> {
    let started = Instant::now();
    estimate(store, progress)?;
    let report = Mutex::new(ProtectReport::default());
    let failure = Mutex::new(None);
    let (names, queue) = bounded::<(ObjectName, u64)>(options.threads);
    let percent = options.percent.unwrap_or_else(|| asked_percent(store));
    let one = |name: &ObjectName, bytes: u64| -> Result<()> {
        check_stopped(progress).map_err(|error| error.if_stopped("what was added so far stays"))?;
        let done = protect(store, name, percent);
        note(&mut report.lock().unwrap_or_else(PoisonError::into_inner), name, done, progress)?;
        progress.event(&Event::Processed { files: 1, bytes });
        Ok(())
    };
    let work = || {
        // After a failure the rest is only taken off the queue, so that whoever lists does not wait.
        for (name, bytes) in &queue {
            let failed = failure.lock().unwrap_or_else(PoisonError::into_inner).is_some();
            if let Some(Err(error)) = (!failed).then(|| one(&name, bytes)) {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
    };
    std::thread::scope(|scope| {
        let names = names;
        (0..options.threads).try_for_each(|_| threads::start(scope, work).map(drop))?;
        list(store, &mut |name, bytes| {
            // Somebody receives until the sender is gone.
            let _ = names.send((name, bytes));
        })
    })?;
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.duration = started.elapsed();
    Ok(report)
}

/// How much parity the newest configuration that can be read asks for, or as much as by default. A configuration is
/// signed and not sealed, so that no key is needed; whoever forges one gets parity of another size, and nothing else.
pub(super) fn asked_percent(store: &dyn Store) -> Percent {
    let mut configs = Vec::new();
    let listed = store.list(Folder::Config, &mut |listed| {
        if let Listed::Object { name, .. } = listed {
            configs.push(name);
        }
    });
    configs.sort_unstable();
    let limit_bytes = u64::try_from(CONFIG_BYTES_MAX).unwrap_or(u64::MAX);
    let read = |name: &ObjectName| SignedConfig::parse(&store.read(name, limit_bytes).ok()?).ok();
    let newest = configs.iter().rev().find_map(|name| read(name).or_else(|| read(&name.mirror()?)));
    let asked = newest.filter(|_| listed.is_ok()).and_then(|signed| signed.config.parity_percent());
    asked.and_then(Percent::parse).unwrap_or_default()
}

fn estimate(store: &dyn Store, progress: &dyn Progress) -> Result<()> {
    let (mut files, mut bytes) = (0u64, 0u64);
    list(store, &mut |_, length| {
        files = files.saturating_add(1);
        bytes = bytes.saturating_add(length);
    })?;
    progress.event(&Event::Estimated { files, bytes });
    Ok(())
}

/// Everything that may have parity or a second copy.
fn list(store: &dyn Store, each: &mut dyn FnMut(ObjectName, u64)) -> Result<()> {
    for folder in Folder::ALL {
        store.list(folder, &mut |listed| {
            if let Listed::Object { name, bytes } = listed
                && (matches!(name, ObjectName::Pack(_)) || name.mirror().is_some())
            {
                each(name, bytes);
            }
        })?;
    }
    Ok(())
}

fn note(
    report: &mut ProtectReport,
    name: &ObjectName,
    done: Result<u64, ProtectError>,
    progress: &dyn Progress,
) -> Result<()> {
    let bytes = match done {
        Ok(bytes) => bytes,
        // Removed since it was listed, as a prune may do at any time.
        Err(ProtectError::Store(error)) if error.is_not_found() => return Ok(()),
        Err(ProtectError::Store(error)) if error.is_no_space() || error.is_read_only() => return Err(error.into()),
        Err(error) => {
            let message = error.to_string();
            progress.event(&Event::Problem {
                path: Path::new(&name.to_string()),
                operation: "protect",
                message: &message,
                gravity: Gravity::Trouble,
            });
            report.failures.push(message);
            return Ok(());
        }
    };
    let (count, total) = match (bytes, name) {
        (0, _) => {
            report.protected_count = report.protected_count.saturating_add(1);
            return Ok(());
        }
        (_, ObjectName::Pack(_)) => (&mut report.pack_count, &mut report.parity_bytes),
        (_, _) => (&mut report.copy_count, &mut report.copy_bytes),
    };
    *count = count.saturating_add(1);
    *total = total.saturating_add(bytes);
    Ok(())
}
