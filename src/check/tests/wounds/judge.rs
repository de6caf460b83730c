//! What becomes of a repository with a wound: what a check says, what a restore brings back, what can be healed.

use super::story::{Held, Kept, Objects, Story, everything, held, place};
use crate::access::{Access, Naming};
use crate::check::{self, CheckDepth, CheckOptions, Damage, Remember};
use crate::error::Error;
use crate::id::SnapshotId;
use crate::index::MemoryIndex;
use crate::key::Unlock;
use crate::keys;
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};
use crate::scrub::{self, Remedy, ScrubOptions};
use crate::session::{self, History};
use crate::store::{MemoryStore, ObjectName, SecondCopies, UsedCopies};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a check puts in a file's place when no file is touched.
const NO_FILE: &str = "(only the next backup's speed)";

/// What was said of a wound, and what it has done.
#[derive(Debug)]
pub(super) struct Judgement {
    /// Why the repository can't be opened or checked.
    pub(super) refusal: Option<Error>,
    pub(super) damage: Vec<Damage>,
    /// Files that a restore can't bring back as they were.
    pub(super) lost: BTreeSet<PathBuf>,
    /// Files that the report names, or belong to snapshots whose outcome it names.
    pub(super) named: BTreeSet<PathBuf>,
    /// Restores that brought back less than there was, and did not say so.
    pub(super) lies: Vec<String>,
}

impl Judgement {
    /// What the report names too little or too much.
    pub(super) fn wrongly_named(&self) -> Vec<String> {
        let unnamed: Vec<_> = self.lost.difference(&self.named).filter_map(|path| path.file_name()).collect();
        let unlost: Vec<_> =
            self.named.difference(&self.lost).map(|path| path.file_name().unwrap_or_default()).collect();
        let told: Vec<_> = self.damage.iter().map(|damage| format!("{}: {}", damage.object, damage.wrong)).collect();
        let wrong = [("lost and not named", unnamed), ("named and not lost", unlost)];
        let wrong = wrong.into_iter().filter(|(_, files)| !files.is_empty());
        wrong.map(|(what, files)| format!("{what}: {files:?}, {told:?}")).collect()
    }

    /// Whether it is told that this object is damaged.
    pub(super) fn is_of(&self, object: &ObjectName) -> bool {
        self.damage.iter().any(|damage| damage.object == object.to_string())
    }
}

/// One who opens repositories as a reader does, in a place of his own.
pub(super) struct Judge<'a> {
    story: &'a Story,
    place: tempfile::TempDir,
}

impl<'a> Judge<'a> {
    pub(super) fn new(story: &'a Story) -> Self {
        Self { story, place: place() }
    }

    fn open(&self, store: &MemoryStore) -> Result<Access, Error> {
        let used_copies = Arc::<UsedCopies>::default();
        let opened_by = SecondCopies::over(Arc::new(store.clone()), Arc::clone(&used_copies));
        let (ring, chain) = keys::unlock(&opened_by, Unlock::KeyFile(&self.story.secret))?;
        let naming = Arc::new(Naming::derive(&ring, &chain)?);
        Ok(Access {
            store: Arc::new(store.clone()),
            index: Arc::new(MemoryIndex::new()),
            ring: Arc::new(ring),
            chain: Arc::new(chain),
            naming,
            state_dir: self.place.path().join("state"),
            cache_dir: self.place.path().join("cache"),
            memory_bytes: 16 << 20,
            threads: 1,
            catch_up: None,
            behind: Arc::default(),
            used_copies,
        })
    }

    /// Checks and restores everything.
    pub(super) fn judge(&self, store: &MemoryStore) -> Judgement {
        let mut judgement = Judgement {
            refusal: None,
            damage: Vec::new(),
            lost: BTreeSet::new(),
            named: BTreeSet::new(),
            lies: Vec::new(),
        };
        match self.open(store) {
            Err(error) => {
                judgement.refusal = Some(error);
                judgement.lost = self.story.kept.iter().flat_map(|kept| kept.held.keys().cloned()).collect();
            }
            Ok(access) => {
                let blank = self.restore_all(&access.with_second_copies(), &mut judgement);
                self.check(&access, &blank, &mut judgement);
            }
        }
        judgement
    }

    fn check(&self, access: &Access, blank: &BTreeSet<SnapshotId>, judgement: &mut Judgement) {
        let options = CheckOptions::default().depth(CheckDepth::Data).remember(Remember::Nothing);
        match check::run(access, &options, &Silent) {
            Ok(report) => judgement.damage = report.damage,
            Err(error) => judgement.refusal = Some(error),
        }
        let kept: BTreeSet<_> = self.story.kept.iter().map(|kept| kept.id).collect();
        for damage in &judgement.damage {
            // What a snapshot needs that was forgotten and pruned: without its record it looks like one of the others.
            if !damage.snapshots.is_empty() && damage.snapshots.is_disjoint(&kept) {
                continue;
            }
            let files = damage.files.iter().filter(|file| **file != Path::new(NO_FILE));
            judgement.named.extend(files.flat_map(|file| self.named(damage, file, blank)));
            // What is read by its second copy costs nothing.
            let costs = |outcome: &ObjectName| !access.used_copies.contain(outcome);
            let whole = self.story.kept.iter();
            let whole = whole.filter(|kept| damage.object == kept.outcome.to_string() && costs(&kept.outcome));
            judgement.named.extend(whole.flat_map(|kept| kept.held.keys().cloned()));
        }
    }

    /// What a path in a report stands for: the root for the whole tree, where nothing is left that could name more; any
    /// other directory for itself, which is no file.
    fn named(&self, damage: &Damage, path: &Path, blank: &BTreeSet<SnapshotId>) -> Vec<PathBuf> {
        let touched = self.story.kept.iter().filter(|kept| damage.snapshots.contains(&kept.id));
        if path == Path::new("/") {
            let whole = touched.filter(|kept| blank.contains(&kept.id));
            return whole.flat_map(|kept| kept.held.keys().cloned()).collect();
        }
        let mut files = touched.flat_map(|kept| kept.held.keys());
        let is_directory = files.any(|file| file != path && file.starts_with(path));
        if is_directory { Vec::new() } else { vec![path.to_path_buf()] }
    }

    /// Returns the snapshots of which nothing comes back.
    fn restore_all(&self, access: &Access, judgement: &mut Judgement) -> BTreeSet<SnapshotId> {
        let mut blank = BTreeSet::new();
        let history = History::load(access);
        let loaded = history.and_then(|history| session::bring_up_to_date(access, &history).map(|_| history));
        let snapshots = loaded.as_ref().map(session::all).unwrap_or_default();
        for kept in &self.story.kept {
            let restored = match snapshots.iter().find(|snapshot| snapshot.id == kept.id) {
                Some(snapshot) => self.restore(access, snapshot, kept, judgement),
                None => Held::new(),
            };
            let lost = kept.held.iter().filter(|(path, was)| restored.get(*path) != Some(was));
            judgement.lost.extend(lost.map(|(path, _)| path.clone()));
            if restored.is_empty() {
                blank.insert(kept.id);
            }
        }
        blank
    }

    fn restore(&self, access: &Access, snapshot: &session::Snapshot, kept: &Kept, judgement: &mut Judgement) -> Held {
        let target = self.place.path().join("target");
        let restored = restore::run(access, snapshot, &RestoreOptions::new(&target), &Silent);
        let held = held(&target, &target);
        let _ = std::fs::remove_dir_all(&target);
        let claims = restored.as_ref().is_ok_and(|report| report.problem_count == 0);
        // What is lost of a file may have been zeros, and then looks whole.
        let told = restored.into_iter().flat_map(|report| report.problems).map(|problem| problem.path);
        judgement.lost.extend(told.filter(|path| kept.held.contains_key(path)));
        if claims && held != kept.held {
            let differ = kept.held.iter().find(|(path, was)| held.get(*path) != Some(was));
            judgement.lies.push(format!("snapshot {}: {:?}", kept.id, differ.map(|(path, _)| path)));
        }
        held
    }

    /// Heals what can be healed, without a key. Returns the repository as it is then.
    pub(super) fn heal(store: &MemoryStore) -> Objects {
        let options = ScrubOptions::default().threads(1).remedy(Remedy::Heal);
        scrub::run(store, &options, &Silent).unwrap();
        everything(store)
    }
}
