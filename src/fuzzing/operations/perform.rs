//! What clients do, and what they are told of it.

use super::expected::{Soundness, Standing};
use super::ground::Place;
use super::program::{Client, Trouble, Work};
use super::scene::Scene;
use super::tree::{self, Tree};
use crate::backup::BackupOptions;
use crate::check::{CheckDepth, CheckOptions};
use crate::copy::{CopyOptions, CopyWanted};
use crate::error::{Error, ErrorKind, Result};
use crate::heal::{self, ProtectOptions};
use crate::id::SnapshotId;
use crate::mirror::{self, MirrorDepth};
use crate::progress::Silent;
use crate::prune::{MaxUnused, PruneOptions};
use crate::repair::RepairOptions;
use crate::repository::Repository;
use crate::session::{SessionSpec, SnapshotFilter, Writer, WriterProcess, move_to_machine};
use crate::store::faulty::FaultyStore;
use crate::store::hooked::Hooked;
use crate::store::{MemoryStore, Store};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

fn machine(client: Client) -> u8 {
    1 + u8::try_from(client.number()).unwrap_or(0)
}

impl Scene {
    /// Has a client do something, and holds what it is told against what may be.
    pub(super) fn act(self: &Arc<Self>, client: Client, work: &Work, trouble: &Trouble) {
        move_to_machine(machine(client));
        let done = self.perform(client, work, trouble);
        let mut state = self.state();
        if let Trouble::Beside(_, _, other) = trouble {
            // Which of two statements counts is up to them.
            let both = [work, &**other].map(|work| stated(work).and_then(|turn| state.home.pick(turn)));
            both.into_iter().for_each(|id| state.home.stand(id.as_slice(), Standing::Unsure));
        }
        let Err(error) = done else { return };
        if error.kind() == ErrorKind::RolledBack {
            state.must_notice[client] = false;
            state.accepts[client] = true;
        }
        let touched = state.home.is_touched || matches!(trouble, Trouble::Fault(..));
        assert!(
            touched || is_excused(&error, client, work, trouble),
            "{client:?}: {work:?}, {trouble:?}: {:?}: {error}",
            error.kind()
        );
    }

    /// The store as the client finds it, with what befalls it.
    fn troubled(
        self: &Arc<Self>,
        store: &MemoryStore,
        client: Client,
        work: &Work,
        trouble: &Trouble,
    ) -> Arc<dyn Store> {
        let store: Arc<dyn Store> = Arc::new(store.clone());
        match trouble {
            Trouble::Nothing => store,
            Trouble::Fault(at, fault) => {
                let store = FaultyStore::new(store, *at, *fault);
                let mut state = self.state();
                let about = stated(work).and_then(|turn| state.home.pick(turn));
                state.late.push((store.clone(), about));
                Arc::new(store)
            }
            Trouble::Beside(at, other, what) => {
                let (scene, at, other, what) = (Arc::clone(self), *at, *other, what.clone());
                let calls = AtomicUsize::new(0);
                Arc::new(Hooked::new(store, move |_| {
                    if calls.fetch_add(1, Ordering::SeqCst) + 1 == at {
                        scene.act(other, &what, &Trouble::Nothing);
                        move_to_machine(machine(client));
                    }
                }))
            }
        }
    }

    fn perform(self: &Arc<Self>, client: Client, work: &Work, trouble: &Trouble) -> Result<()> {
        let home =
            |scene: &Arc<Self>| scene.open(client, Place::Home, scene.troubled(&scene.home, client, work, trouble));
        match work {
            Work::Change(edits) => {
                let folder = self.folder_of(client);
                let mut state = self.state();
                let tree = &mut state.trees[client];
                edits
                    .iter()
                    .try_for_each(|edit| tree::edit(tree, &folder, *edit))
                    .expect("a scratch folder takes files");
                Ok(())
            }
            Work::Backup => self.back_up(client, &home(self)?),
            Work::Forget(_) | Work::Undo(_) | Work::Pin(_) | Work::Unpin(_) => {
                let Some(id) = stated(work).and_then(|turn| self.state().home.pick(turn)) else { return Ok(()) };
                let stated = home(self).and_then(|repository| self.make_statement(client, &repository, work, id));
                if stated.is_err() && matches!(trouble, Trouble::Fault(..)) {
                    self.state().home.stand(&[id], Standing::Unsure);
                }
                stated
            }
            Work::Prune => prune(client, &home(self)?),
            Work::Check(depth) => self.check(&home(self)?, *depth, trouble),
            Work::Repair => repair(&mut home(self)?),
            Work::Restore(turn) => self.restore_picked(client, &home(self)?, *turn, trouble),
            Work::Copy => {
                let to = self.open(client, Place::Copies, self.troubled(&self.copies, client, work, trouble))?;
                self.copy(&self.open(client, Place::Home, Arc::new(self.home.clone()))?, &to, trouble)
            }
            Work::Mirror => {
                let long_ago = |_: &_| SystemTime::UNIX_EPOCH;
                let to = self.troubled(&self.mirror, client, work, trouble);
                let report = mirror::run((&self.home, &long_ago), to.as_ref(), MirrorDepth::Copy, &Silent)?;
                assert!(self.state().home.is_touched || report.damage.count() == 0, "{:?}", report.damage);
                Ok(())
            }
            Work::Protect => {
                let store = self.troubled(&self.home, client, work, trouble);
                heal::protect_all(store.as_ref(), &ProtectOptions::default(), &Silent).map(drop)
            }
            Work::Abort => abort_all(&home(self)?),
        }
    }

    fn back_up(&self, client: Client, repository: &Repository) -> Result<()> {
        let tree = {
            let mut state = self.state();
            let tree = state.trees[client].clone();
            state.home.attempts.push(tree.clone());
            tree
        };
        let options = BackupOptions::new([self.folder_of(client)]).host("host").read_concurrency(NonZeroUsize::MIN);
        let report = repository.backup(&options, &Silent)?;
        assert_eq!(report.problems.count(), 0, "{:?}", report.problems);
        let mut state = self.state();
        assert!(!state.must_notice[client], "{client:?} does not notice that the store was rolled back");
        state.accepts[client] = false;
        state.told[client] = true;
        if let Some(attempt) = state.home.attempts.iter().rposition(|attempt| *attempt == tree) {
            state.home.attempts.remove(attempt);
        }
        state.home.acknowledge(report.snapshot, tree);
        Ok(())
    }

    fn make_statement(&self, client: Client, repository: &Repository, work: &Work, id: SnapshotId) -> Result<()> {
        let (forgotten, live) = self.state_about(repository, work, id)?;
        assert!(
            !client.only_writes() || (forgotten.is_empty() && live.is_empty()),
            "{client:?} may only write, and did {work:?}"
        );
        let mut state = self.state();
        state.home.stand(&forgotten, Standing::Forgotten);
        state.home.stand(&live, Standing::Live);
        Ok(())
    }

    /// What was forgotten, and what is live again.
    fn state_about(
        &self,
        repository: &Repository,
        work: &Work,
        id: SnapshotId,
    ) -> Result<(Vec<SnapshotId>, Vec<SnapshotId>)> {
        if matches!(work, Work::Undo(_)) {
            return Ok((Vec::new(), repository.undo_forget(&[id], &Writer::default(), &Silent)?.restated));
        }
        if matches!(work, Work::Unpin(_)) {
            return repository.unpin(&[id]).map(|_| (Vec::new(), Vec::new()));
        }
        let snapshot = Self::find(repository, id)?;
        assert!(snapshot.is_some() || self.state().home.is_touched, "{id} is not among all that ever were");
        let chosen: Vec<_> = snapshot.into_iter().collect();
        if matches!(work, Work::Pin(_)) {
            return Ok((Vec::new(), repository.pin(&chosen, None, &Writer::default(), &Silent)?.brought_back));
        }
        Ok((repository.forget(&repository.plan_forget_snapshots(chosen)?)?.forgotten, Vec::new()))
    }

    fn check(&self, repository: &Repository, depth: CheckDepth, trouble: &Trouble) -> Result<()> {
        let report = repository.check(&CheckOptions::default().depth(depth), &Silent)?;
        let touched = self.state().home.is_touched;
        assert!(touched || report.damage_count == 0, "nothing was damaged: {:?}", report.damage);
        if depth == CheckDepth::Data && report.damage_count == 0 && matches!(trouble, Trouble::Nothing) {
            self.audit(Place::Home, Soundness::Untold);
            let state = self.state();
            let lost = state
                .home
                .known
                .iter()
                .find(|known| known.standing == Standing::Live && known.soundness == Soundness::Damaged);
            assert!(
                lost.is_none(),
                "a check finds nothing wrong, and {:?} does not come back",
                lost.map(|known| known.id)
            );
        }
        Ok(())
    }

    fn restore_picked(&self, client: Client, repository: &Repository, turn: u8, trouble: &Trouble) -> Result<()> {
        let Some(id) = self.state().home.pick(turn) else { return Ok(()) };
        let Some(snapshot) = Self::find(repository, id)? else { return Ok(()) };
        let restored = self.restore(repository, &snapshot)?;
        assert!(!client.only_writes(), "{client:?} may only write, and restored {id}");
        let state = self.state();
        let known = state.home.get(id).expect("it was picked");
        match restored {
            Some(tree) => {
                let differs = tree::difference(&tree, &known.tree);
                assert!(differs.is_none(), "{id} comes back otherwise at {differs:?}, and nobody says so");
            }
            None => assert!(
                known.standing != Standing::Live || known.soundness != Soundness::Whole || state.home.is_touched,
                "{id} is whole and does not come back, {trouble:?}"
            ),
        }
        Ok(())
    }

    fn copy(&self, from: &Repository, to: &Repository, trouble: &Trouble) -> Result<()> {
        let trees: Vec<(SnapshotId, Tree)> = {
            let mut state = self.state();
            let trees: Vec<_> = state.home.known.iter().map(|known| (known.id, known.tree.clone())).collect();
            let attempts = state.home.attempts.clone();
            state.copies.attempts.extend(trees.iter().map(|(_, tree)| tree.clone()).chain(attempts));
            trees
        };
        let plan = to.plan_copy(from, CopyWanted::All(SnapshotFilter::default()))?;
        let report = to.copy(from, plan, &CopyOptions::default(), &Silent)?;
        let mut state = self.state();
        let lacks = state.home.is_touched || !matches!(trouble, Trouble::Nothing);
        assert!(lacks || report.lacking.is_empty(), "{:?}", report.lacking);
        for copied in &report.copied {
            if let Some((_, tree)) = trees.iter().find(|(id, _)| *id == copied.source) {
                state.copies.acknowledge(copied.copy, tree.clone());
            }
        }
        Ok(())
    }
}

/// The turn of the snapshot that work makes a statement about.
const fn stated(work: &Work) -> Option<u8> {
    if let Work::Forget(turn) | Work::Undo(turn) | Work::Pin(turn) | Work::Unpin(turn) = work {
        Some(*turn)
    } else {
        None
    }
}

/// Whether nobody need have done anything wrong for this to fail.
fn is_excused(error: &Error, client: Client, work: &Work, trouble: &Trouble) -> bool {
    let kind = error.kind();
    let alone = (kind == ErrorKind::Denied && client.only_writes() && !matches!(work, Work::Backup))
        || (kind == ErrorKind::NotFound && matches!(work, Work::Undo(_) | Work::Pin(_) | Work::Restore(_)))
        || (kind == ErrorKind::Pinned && matches!(work, Work::Forget(_)));
    let beside = matches!(kind, ErrorKind::Aborted | ErrorKind::NotFound | ErrorKind::Pinned | ErrorKind::Busy);
    alone || (beside && matches!(trouble, Trouble::Beside(..)))
}

fn prune(client: Client, repository: &Repository) -> Result<()> {
    let options = PruneOptions::default().max_unused(MaxUnused::Share(0)).silent_after(Duration::ZERO);
    let plan = repository.plan_prune(&options, &Silent)?;
    repository.prune(plan, &options, &Silent)?;
    assert!(!client.only_writes(), "{client:?} may only write, and pruned");
    Ok(())
}

/// Each repair plans anew: what one brings back another one needs.
fn repair(repository: &mut Repository) -> Result<()> {
    let options = RepairOptions::default();
    repository.repair_index(&options, &Silent)?;
    let plan = repository.plan_repair_packs(&Silent)?;
    repository.repair_packs(plan, &options, &[], &Silent)?;
    repository.repair_snapshots(&options, &Silent).map(drop)
}

fn abort_all(repository: &Repository) -> Result<()> {
    for session in repository.open_sessions()? {
        if !matches!(session.process, WriterProcess::Running { .. }) {
            let spec: SessionSpec = session.id.to_string().parse()?;
            repository.abort_session(&spec)?;
        }
    }
    Ok(())
}
