//! Operations on a machine that starts only so many threads.
//!
//! A backup whose worker did not start once waited for it for ever, and its session went on to show that it lived.

use crate::backup::{BackupOptions, StreamSource};
use crate::check::{CheckDepth, CheckOptions, Remember};
use crate::config::Parameters;
use crate::copy::{CopyOptions, CopyWanted};
use crate::error::{ErrorKind, Result};
use crate::heal::ProtectOptions;
use crate::key::{KdfCost, Unlock};
use crate::progress::{Event, Progress, Silent};
use crate::prune::{MaxUnused, PruneOptions};
use crate::repair::RepairOptions;
use crate::repository::{CreateOptions, OpenOptions, Repository};
use crate::restore::{Overwrite, RestoreOptions};
use crate::scrub::ScrubOptions;
use crate::session::{Snapshot, SnapshotFilter};
use crate::source::StreamInput;
use crate::threads::allowance;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

const PASSWORD: Unlock<'static> = Unlock::Password(b"unstarted");
const THREADS: usize = 3;
/// Long for an operation that takes less than a second.
const PATIENCE: Duration = Duration::from_secs(120);
/// More than any operation here starts.
const ALLOWED_MAX: usize = 500;

struct Place(tempfile::TempDir);

impl Place {
    /// A tree, and a repository for it.
    fn new() -> (Arc<Self>, Arc<Repository>) {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(place.path("tree")).unwrap();
        (0..20).for_each(|number| place.write(number, number));
        let opened = place.create("repository");
        (Arc::new(place), opened)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: u8, content: u8) {
        let mut bytes = vec![0; 60_000];
        blake3::Hasher::new().update(&[content]).finalize_xof().fill(&mut bytes);
        std::fs::write(self.path(&format!("tree/{name:03}")), bytes).unwrap();
    }

    fn create(&self, name: &str) -> Arc<Repository> {
        let parameters = Parameters { pack_bytes_target: 1 << 20, ..Parameters::default() };
        let options = CreateOptions::default().kdf(KdfCost::CHEAP).parameters(parameters);
        Repository::create(&self.path(name), PASSWORD, &options).unwrap();
        let own = self.path(&format!("own of {name}"));
        let options = OpenOptions::new(own.join("cache"), own.join("state")).threads(THREADS);
        Arc::new(Repository::open(&self.path(name), PASSWORD, options).unwrap())
    }

    fn backup(&self) -> BackupOptions {
        let words = ["echo", "from a command"].map(Into::into);
        BackupOptions::new([self.path("tree")]).stream(StreamSource::new("stream", StreamInput::Command(words.into())))
    }
}

/// Tries an operation with no thread, with one, and so on until it succeeds. Whenever one does not start it ends, says
/// why, and leaves no session open. Returns how many threads it took.
fn needs(opened: &Arc<Repository>, operation: impl Fn() -> Result<()> + Send + Sync + 'static) -> usize {
    let operation = Arc::new(operation);
    for allowed in 0..ALLOWED_MAX {
        let (sender, ended) = channel();
        let operation = Arc::clone(&operation);
        std::thread::spawn(move || sender.send(allowance::within(allowed, || operation())));
        let ended = ended.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("with {allowed} threads it does not end"));
        assert!(opened.open_sessions().unwrap().is_empty(), "with {allowed} threads a session stays open");
        match ended {
            Ok(()) => return allowed,
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("can't start a thread: ") && text.contains("ulimit -u"), "{text}");
                assert_eq!(error.kind(), ErrorKind::Io, "{text}");
            }
        }
    }
    panic!("{ALLOWED_MAX} threads are not enough");
}

fn last(opened: &Repository) -> Snapshot {
    opened.snapshots(&SnapshotFilter::default()).unwrap().pop().unwrap()
}

#[test]
fn a_backup_ends_when_a_thread_does_not_start() {
    let (place, opened) = Place::new();
    let (own, options) = (Arc::clone(&opened), place.backup());
    let needed = needs(&opened, move || own.backup(&options, &Silent).map(drop));
    assert!(needed > 2 * THREADS, "{needed}");
    assert_eq!(opened.snapshots(&SnapshotFilter::default()).unwrap().len(), 1);
}

#[test]
fn a_restore_ends_when_a_thread_does_not_start() {
    let (place, opened) = Place::new();
    opened.backup(&place.backup(), &Silent).unwrap();
    for _ in 0..2 {
        let (own, options) = (Arc::clone(&opened), RestoreOptions::new(place.path("target")));
        let options = options.overwrite(Overwrite::Always);
        assert!(needs(&opened, move || own.restore(&last(&own), &options, &Silent).map(drop)) > THREADS);
        std::fs::write(place.path("target").join("stream"), b"other bytes").unwrap();
    }
}

#[test]
fn a_check_and_a_scrub_end_when_a_thread_does_not_start() {
    let (place, opened) = Place::new();
    opened.backup(&place.backup(), &Silent).unwrap();
    let own = Arc::clone(&opened);
    let check = move |depth| own.check(&CheckOptions::default().depth(depth), &Silent).map(drop);
    let structure = check.clone();
    assert!(needs(&opened, move || structure(CheckDepth::Structure)) >= THREADS);
    assert!(needs(&opened, move || check(CheckDepth::Data)) > 2 * THREADS);
    let scrub = ScrubOptions::default().threads(THREADS);
    let repository = place.path("repository");
    assert_eq!(needs(&opened, move || Repository::scrub(&repository, &scrub, &Silent).map(drop)), THREADS);
    let protect = ProtectOptions::default().threads(THREADS);
    let repository = place.path("repository");
    assert_eq!(needs(&opened, move || Repository::protect(&repository, &protect, &Silent).map(drop)), THREADS);
}

/// Counts how often data was told to be read, at least once for each pack, and has each take its time.
#[derive(Default)]
struct Slowly(AtomicUsize);

impl Progress for Slowly {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Processed { .. }) {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where a thread of the walk did not start, a check once read all data before it said so.
#[test]
fn a_check_of_which_a_thread_does_not_start_reads_no_more_data() {
    let (place, opened) = Place::new();
    for content in 100..110 {
        place.write(0, content);
        opened.backup(&place.backup(), &Silent).unwrap();
    }
    let options = CheckOptions::default().depth(CheckDepth::Data).remember(Remember::Nothing);
    let (mut allowed, mut read) = (0, Vec::new());
    let all = loop {
        let progress = Slowly::default();
        let done = allowance::within(allowed, || opened.check(&options, &progress));
        let count = progress.0.into_inner();
        match done {
            Ok(report) => break report.read_pack_count,
            Err(error) => assert!(error.to_string().contains("can't start a thread: "), "{error}"),
        }
        read.push(count);
        allowed += 1;
    };
    assert!(allowed > 2 * THREADS && all > 20, "{allowed} threads, {all} packs");
    let most = usize::try_from(all).unwrap() / 2;
    assert!(read.iter().all(|count| *count < most), "{read:?} of {all}");
}

#[test]
fn a_prune_ends_when_a_thread_does_not_start() {
    let (place, opened) = Place::new();
    let first = opened.backup(&place.backup(), &Silent).unwrap().snapshot;
    (0..19).for_each(|number| place.write(number, number + 100));
    opened.backup(&place.backup(), &Silent).unwrap();
    let gone = opened.snapshots(&SnapshotFilter::default()).unwrap().into_iter().find(|one| one.id == first).unwrap();
    opened.forget(&opened.plan_forget_snapshots(vec![gone]).unwrap()).unwrap();
    let (own, options) = (Arc::clone(&opened), PruneOptions::default().max_unused(MaxUnused::Bytes(0)));
    let prune = move || {
        let plan = own.plan_prune(&options, &Silent)?;
        own.prune(plan, &options, &Silent).map(drop)
    };
    assert!(needs(&opened, prune) > THREADS);
    assert!(opened.check(&CheckOptions::default().depth(CheckDepth::Data), &Silent).unwrap().damage.is_empty());
}

#[test]
fn a_copy_ends_when_a_thread_does_not_start() {
    let (place, opened) = Place::new();
    opened.backup(&place.backup(), &Silent).unwrap();
    let (from, to) = (Arc::clone(&opened), place.create("copy"));
    let own = Arc::clone(&to);
    let copy = move || {
        let plan = own.plan_copy(&from, CopyWanted::All(SnapshotFilter::default()))?;
        own.copy(&from, plan, &CopyOptions::default(), &Silent).map(drop)
    };
    assert!(needs(&to, copy) >= THREADS);
}

#[test]
fn repairs_end_when_a_thread_does_not_start() {
    let (place, opened) = Place::new();
    opened.backup(&place.backup(), &Silent).unwrap();
    for folder in std::fs::read_dir(place.path("repository/packs")).unwrap() {
        for pack in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = pack.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            if bytes.len() > 500_000 {
                bytes[100_000] ^= 1;
                std::fs::write(path, bytes).unwrap();
            }
        }
    }
    let (own, options) = (Arc::clone(&opened), RepairOptions::default());
    let repair = move || {
        let plan = own.plan_repair_packs(&Silent)?;
        own.repair_packs(plan, &options, &[], &Silent)?;
        own.repair_snapshots(&options, &Silent).map(drop)
    };
    assert!(needs(&opened, repair) > THREADS);
}
