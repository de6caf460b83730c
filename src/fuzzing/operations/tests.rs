//! Programs drawn by seeds, and harm that must not pass. `HOLDALL_OPERATIONS` says how many programs are run,
//! `HOLDALL_SEED` where they begin.

use super::expected::{Soundness, Standing};
use super::fuzz_operations;
use super::ground::{self, Place};
use super::program::{self, Client, Each, Edit, EditKind, Trouble, Work};
use super::scene::Scene;
use super::tree::Node;
use crate::check::CheckDepth;
use crate::prune::tests::dice::{number, try_seeds};
use crate::store::{Folder, Store};
use std::sync::Arc;
use std::time::Instant;

/// How many programs a test run tries unless it is told otherwise. With views on disk each opening takes longer, and a
/// few are enough to see that it makes no difference.
const PROGRAMS: u64 = if cfg!(feature = "rocksdb") { 20 } else { 60 };
const PROGRAM_BYTES: usize = 160;

fn program(seed: u64) -> Vec<u8> {
    let mut program = vec![0; PROGRAM_BYTES];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut program);
    program
}

#[test]
fn whatever_clients_do_and_whatever_befalls_them_nothing_is_lost_and_nothing_comes_back_wrong() {
    let (first, count) = (number("HOLDALL_SEED", 1), number("HOLDALL_OPERATIONS", PROGRAMS));
    let started = Instant::now();
    let run = |(): &(), seed| {
        let ran = std::panic::catch_unwind(|| fuzz_operations(&program(seed)));
        ran.map(|()| 1).map_err(|_| format!("program {seed} fails"))
    };
    let ran = try_seeds((first, count), || (), run).unwrap_or_else(|failed| panic!("{failed}"));
    println!("{ran} programs from seed {first} on, {:.1} s", started.elapsed().as_secs_f64());
}

fn act(scene: &Arc<Scene>, client: Client, work: Work) {
    scene.act(client, &work, &Trouble::Nothing);
}

/// Two backups of one tree that grew, the first one forgotten.
fn used() -> Arc<Scene> {
    let scene = Scene::new();
    for seed in 0..2 {
        let what = EditKind::Write { seed, length: 3 };
        act(&scene, Client::Owner, Work::Change(vec![Edit { name: seed, what }]));
        act(&scene, Client::Owner, Work::Backup);
    }
    act(&scene, Client::Owner, Work::Forget(0));
    scene
}

fn remove_all(scene: &Scene, folder: Folder) {
    let names = ground::names(&scene.home, folder).unwrap();
    assert_ne!(names, []);
    scene.home.remove_all(&names).unwrap();
}

#[test]
fn clients_do_what_they_are_told() {
    let scene = used();
    let standings = |scene: &Scene| scene.state().home.known.iter().map(|known| known.standing).collect::<Vec<_>>();
    assert_eq!(standings(&scene), [Standing::Forgotten, Standing::Live]);
    act(&scene, Client::OtherOwner, Work::Undo(0));
    act(&scene, Client::OtherOwner, Work::Copy);
    act(&scene, Client::OtherOwner, Work::Mirror);
    assert_eq!(standings(&scene), [Standing::Live, Standing::Live]);
    assert_eq!(scene.state().copies.known.len(), 2);
    let packs = ground::names(&scene.home, Folder::Packs).unwrap();
    assert_eq!(ground::names(&scene.mirror, Folder::Packs).unwrap(), packs);
    act(&scene, Client::Owner, Work::Forget(1));
    act(&scene, Client::Owner, Work::Forget(0));
    act(&scene, Client::OtherOwner, Work::Prune);
    assert_eq!(ground::names(&scene.home, Folder::Packs).unwrap(), []);
    scene.audit(Place::Home, Soundness::Whole);
    scene.audit(Place::Copies, Soundness::Whole);
}

/// What nobody may do to a repository behind everybody's back.
type Harm = fn(&Scene);

#[test]
fn no_harm_passes_that_the_program_did_not_do() {
    let harms: [(&str, Harm); 5] = [
        ("packs are gone", |scene| remove_all(scene, Folder::Packs)),
        ("outcomes are gone", |scene| remove_all(scene, Folder::Outcomes)),
        ("what was forgotten is back", |scene| remove_all(scene, Folder::Records)),
        ("other bytes come back", |scene| {
            scene
                .state()
                .home
                .known
                .iter_mut()
                .for_each(|known| drop(known.tree.insert("a".into(), Node::Link("b".into()))));
        }),
        ("somebody was told of more", |scene| {
            let mut state = scene.state();
            let tree = state.trees[Client::Owner].clone();
            state.home.acknowledge(crate::id::SnapshotId::from_bytes([7; 32]), tree);
        }),
    ];
    for (what, harm) in harms {
        let scene = used();
        scene.audit(Place::Home, Soundness::Whole);
        harm(&scene);
        let passed =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.audit(Place::Home, Soundness::Whole)));
        assert!(passed.is_err(), "{what}, and nobody sees it");
    }
}

#[test]
fn a_check_that_finds_nothing_and_a_client_that_notices_nothing_do_not_pass() {
    let scene = used();
    scene.state().home.is_touched = true;
    scene.state().home.known.iter_mut().for_each(|known| drop(known.tree.insert("a".into(), Node::Link("b".into()))));
    let check = || act(&scene, Client::Owner, Work::Check(CheckDepth::Data));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err());

    let scene = used();
    scene.state().home.is_touched = true;
    scene.state().must_notice = Each::of(true);
    let back_up = || act(&scene, Client::Owner, Work::Backup);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(back_up)).is_err());
}

/// A backup that was ended between the opening of its session and its look at the others' called the repository damaged:
/// it was about to say that it had seen itself; and one whose object a prune had already removed missed that object.
#[test]
fn whoever_is_ended_by_somebody_else_at_whatever_call_says_so() {
    for at in 1..=30 {
        let scene = used();
        for (work, other) in [(Work::Backup, Work::Abort), (Work::Undo(0), Work::Abort), (Work::Backup, Work::Prune)] {
            scene.act(Client::OtherOwner, &work, &Trouble::Beside(at, Client::Owner, Box::new(other)));
        }
    }
}

#[test]
fn every_string_of_bytes_is_a_program_that_ends() {
    assert!(program::read(&[]).is_empty());
    assert_eq!(program::read(&[0; 4096]).len(), 16);
}
