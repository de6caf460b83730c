//! A backup, an undo and a forget, step by step: what is decided from a history is decided by the real functions.

use super::Fault;
use super::actor::{Actor, Fate, Stop, View};
use super::ground::{Chunks, below, each, of_class, roots};
use crate::id::{ObjectHash, PackId, SessionId, SnapshotId};
use crate::layout::Class;
use crate::outcome::{Component, ComponentKind, ComponentState, Counts, OutcomeKind, Statement, StatementKind};
use crate::record::{RecordBody, RecordKind};
use crate::session::{self, History};
use crate::session_record::SessionKind;
use crate::wire::{Blob, List};
use std::collections::BTreeSet;

/// What a backup is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Everything is read.
    Read(usize),
    /// A snapshot that may be is taken over unread; else as above.
    Inherit(usize),
}

/// Makes a snapshot.
pub(super) async fn back_up(actor: &Actor, source: Source) -> Result<(), Stop> {
    let history = actor.history(History::default()).await;
    finish_interrupted(actor, &history).await;
    let mut main = None;
    let number = history.next_number(actor.client);
    if actor.fault != Fault::MainOpensLast {
        main = Some(actor.open(number, SessionKind::Backup).await);
    }
    let made = Backup { actor, main, number }.run(source, history).await;
    if let (Err(_), Some(main)) = (&made, main) {
        actor.abort(main).await;
    }
    made
}

struct Backup<'a> {
    actor: &'a Actor,
    main: Option<SessionId>,
    number: u64,
}

impl Backup<'_> {
    async fn run(mut self, source: Source, earlier: History) -> Result<(), Stop> {
        let actor = self.actor;
        let looks_first = actor.fault == Fault::LooksBeforeOpening;
        let history = if looks_first { earlier } else { actor.history(History::default()).await };
        let mut view = View::new(actor);
        view.bring_up_to_date(actor, &history).await;
        let (Source::Read(mut tree) | Source::Inherit(mut tree)) = source;
        if let Source::Inherit(_) = source
            && let Some(parent) = parent(actor, &history)
        {
            tree = parent;
        } else {
            let needed = roots(tree).iter().fold(0, |all, root| all | below(root));
            let known = if actor.fault == Fault::CondemnedHits { view.all() } else { view.hits() };
            actor.pause().await;
            let packs = self.store(needed & !known).await?;
            return self.commit(tree, &packs).await;
        }
        self.commit(tree, &[]).await
    }

    /// Stores what is new: content under checkpoint sessions, each opened before its first pack and committed before the
    /// main one; then trees under the main session, whose packs are returned.
    async fn store(&mut self, new: Chunks) -> Result<Vec<PackId>, Stop> {
        let actor = self.actor;
        let content: Vec<usize> = each(new & of_class(Class::Content)).collect();
        let part = if actor.one_in(3) { 1 } else { content.len().max(1) };
        let mut filling: Option<(SessionId, PackId)> = None;
        let mut above = self.main.map_or(self.number, |main| main.number);
        for chunks in content.chunks(part) {
            let next = actor.open(above + 1, SessionKind::Checkpoint).await;
            above = next.number;
            if let Some((session, pack)) = filling.take() {
                self.checkpoint(session, pack).await?;
            }
            let chunks = chunks.iter().fold(0, |all, chunk| all | 1 << chunk);
            filling = Some((next, actor.turn().await.create_pack(next, Class::Content, chunks)));
        }
        if self.main.is_none()
            && let Some((session, pack)) = filling.take()
        {
            self.checkpoint(session, pack).await?;
        }
        let main = self.main(above + 1).await;
        let mut packs = Vec::new();
        for class in [Class::Manifest, Class::Stat].into_iter().filter(|class| new & of_class(*class) != 0) {
            packs.push(actor.turn().await.create_pack(main, class, new & of_class(class)));
        }
        if let Some((session, pack)) = filling {
            self.checkpoint(session, pack).await?;
        }
        Ok(packs)
    }

    async fn checkpoint(&self, session: SessionId, pack: PackId) -> Result<(), Stop> {
        let segments = self.actor.publish(&[pack]).await;
        let committed = self.actor.commit(session, OutcomeKind::Checkpoint, &[pack], &segments, |_| {}).await;
        if committed.is_err() {
            self.actor.abort(session).await;
        }
        if self.actor.fault == Fault::LostCheckpointsIgnored { Ok(()) } else { committed }
    }

    async fn main(&mut self, number: u64) -> SessionId {
        match self.main {
            Some(main) => main,
            None => *self.main.insert(self.actor.open(number, SessionKind::Backup).await),
        }
    }

    async fn commit(mut self, tree: usize, packs: &[PackId]) -> Result<(), Stop> {
        let main = self.main(self.number).await;
        let segments = self.actor.publish(packs).await;
        let [manifest, stat] = roots(tree).map(Some);
        let (kind, state) = (ComponentKind::Tree, ComponentState::Complete);
        let component = Component { kind, required: true, state, manifest, stat, counts: Counts::default() };
        let say = |body: &mut crate::outcome::OutcomeBody| body.components = List(vec![component]);
        self.actor.pause().await;
        self.actor.commit(main, OutcomeKind::Snapshot, packs, &segments, say).await
    }
}

/// The tree of some snapshot that may be taken over unread: a backup takes the newest one, which must be no safer.
fn parent(actor: &Actor, history: &History) -> Option<usize> {
    let mut snapshots = session::all(history);
    snapshots.retain(|snapshot| !snapshot.forgotten && history.may_inherit(snapshot.id));
    let parent = snapshots.get(actor.below(snapshots.len().max(1)))?;
    (0..super::ground::TREE_COUNT).find(|tree| Some(roots(*tree)[0]) == parent.components[0].manifest)
}

/// As `session::finish_interrupted`: what dead processes of this client left open is committed or aborted.
async fn finish_interrupted(actor: &Actor, history: &History) {
    for id in history.open.iter().filter(|id| id.client == actor.client) {
        let Some(opened) = actor.turn().await.session(*id) else { continue };
        if actor.fates[opened.by].get() != Fate::Crashed {
            continue;
        }
        let packs: Vec<PackId> = {
            let ground = actor.known();
            let own = ground.list_packs().filter(|pack| pack.session == *id);
            own.filter(|_| opened.kind == SessionKind::Checkpoint).map(|pack| pack.id).collect()
        };
        if packs.is_empty() {
            actor.abort(*id).await;
            continue;
        }
        let segments = actor.publish(&packs).await;
        // Somebody else deciding at the same time is no error.
        let _ = actor.commit(*id, OutcomeKind::Checkpoint, &packs, &segments, |_| {}).await;
    }
}

/// Forgets one snapshot, all or, as a policy does, nearly all; or brings one back.
pub(super) async fn state_something(actor: &Actor, undo_one_in: u64) -> Result<(), Stop> {
    let history = actor.history(History::default()).await;
    let (forgotten, live): (Vec<_>, Vec<_>) =
        session::all(&history).into_iter().partition(|snapshot| snapshot.forgotten);
    if actor.one_in(undo_one_in) && !forgotten.is_empty() {
        return undo(actor, &forgotten[actor.below(forgotten.len())].id).await;
    }
    if live.is_empty() {
        return Ok(());
    }
    let chosen = actor.below(live.len());
    let (is_policy, is_all) = (actor.one_in(3), actor.one_in(4));
    let gone = live.iter().enumerate().filter(|(place, _)| is_all || (*place == chosen) != is_policy);
    let mut gone: Vec<SnapshotId> = gone.map(|(_, snapshot)| snapshot.id).collect();
    gone.sort_unstable();
    if !gone.is_empty() {
        forget(actor, &history, gone).await;
    }
    Ok(())
}

async fn forget(actor: &Actor, history: &History, snapshots: Vec<SnapshotId>) {
    let own = history.records.keys().filter(|(client, _)| *client == actor.client).map(|(_, number)| *number);
    let body = RecordBody {
        client: actor.client,
        number: own.max().unwrap_or(0) + 1,
        made_at_ns: 0,
        kind: RecordKind::Forget,
        snapshots: List(snapshots),
        until_ns: None,
        packs: List::default(),
        note: Blob::default(),
    };
    let _ = actor.turn().await.create_record(body);
}

/// As `forget::undo`.
async fn undo(actor: &Actor, wanted: &SnapshotId) -> Result<(), Stop> {
    let history = actor.history(History::default()).await;
    let session = actor.open(history.next_number(actor.client), SessionKind::Restate).await;
    let brought = bring_back(actor, session, wanted, history).await;
    if brought.is_err() {
        actor.abort(session).await;
    }
    brought
}

async fn bring_back(actor: &Actor, session: SessionId, wanted: &SnapshotId, earlier: History) -> Result<(), Stop> {
    let looks_first = actor.fault == Fault::UndoLooksBeforeOpening;
    let history = if looks_first { earlier } else { actor.history(History::default()).await };
    let mut view = View::new(actor);
    view.bring_up_to_date(actor, &history).await;
    if !history.forgotten().contains(wanted) {
        return Err(Stop::Refused);
    }
    let snapshots = session::all(&history);
    let snapshot = snapshots.iter().find(|snapshot| snapshot.id == *wanted).ok_or(Stop::Refused)?;
    let nodes = snapshot.components.iter().flat_map(|component| component.manifest.iter().chain(&component.stat));
    let needed = nodes.fold(0, |all, node| all | below(node));
    let condemned: BTreeSet<PackId> = history.excluded().into_iter().collect();
    let staying = view.packs().filter(|(pack, _)| !condemned.contains(&pack.id));
    let held = staying.fold(0, |all, (pack, _)| all | pack.chunks);
    if needed & !held != 0 {
        return Err(Stop::Refused);
    }
    let cancels: Vec<ObjectHash> = history.forgets_of(*wanted);
    actor.pause().await;
    let statement = Statement { kind: StatementKind::Undo, snapshots: List(vec![*wanted]), cancels: List(cancels) };
    actor.commit(session, OutcomeKind::Restate, &[], &[], |body| body.statement = Some(statement)).await
}
