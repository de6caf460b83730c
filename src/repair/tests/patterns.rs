//! Random damage: whatever is wounded, a repair never leaves fewer files than there were, changes no byte that was there,
//! has nothing to do the second time, and leaves nothing wrong with the index.
//!
//! `HOLDALL_PATTERNS` says how many patterns are tried, `HOLDALL_SEED` where they begin.

use super::*;
use crate::repair::{plan_packs, repair_packs, repair_snapshots};
use crate::session::testing::{clock, memory};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many patterns a test run tries unless it is told otherwise.
const PATTERNS: u64 = 40;

/// Throws dice by a seed.
struct Dice(blake3::OutputReader);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    fn below(&mut self, limit: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(limit).unwrap()).unwrap()
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// What all patterns begin with.
struct Base {
    world: World,
    held: Held,
    objects: BTreeMap<ObjectName, Vec<u8>>,
}

fn settle_in(seed: u64) {
    memory::keep_state();
    clock::pretend(1_800_000_000_000_000_000);
    crate::seal::testing::sign_cheaply();
    crate::seal::testing::draw_from(seed);
}

impl Base {
    fn new() -> Self {
        settle_in(0);
        let (world, held) = used_world(60);
        let objects = objects(&world.store);
        Self { world, held, objects }
    }

    fn access(&self, store: &MemoryStore) -> Access {
        self.world.keys.open(Arc::new(store.clone()), Path::new("nowhere"))
    }
}

/// Wounds some packs and segments: up to a third of them.
fn wound(store: &MemoryStore, names: &[ObjectName], dice: &mut Dice) {
    for _ in 0..=dice.below(names.len() / 3) {
        let name = dice.pick(names);
        let Ok(mut bytes) = store.read(&name, 1 << 30) else { continue };
        let at = dice.below(bytes.len().max(1));
        match dice.below(7) {
            0 => {
                store.remove(&name).unwrap();
                continue;
            }
            1 => bytes.truncate(at),
            2 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            3 => bytes[at..].fill(0),
            4 => bytes.extend_from_within(..),
            5 => drop(bytes.drain(at..at + dice.below(bytes.len() - at + 1))),
            // Another object's bytes.
            _ => bytes = store.read(&dice.pick(names), 1 << 30).unwrap_or_default(),
        }
        store.overwrite(name, &bytes);
    }
}

fn try_pattern(base: &Base, seed: u64) {
    settle_in(seed);
    let mut dice = Dice::new(seed);
    let store = MemoryStore::new();
    base.objects.iter().for_each(|(name, bytes)| store.overwrite(*name, bytes));
    let is_wounded = |name: &&ObjectName| matches!(name.folder(), Folder::Packs | Folder::Segments);
    let names: Vec<ObjectName> = base.objects.keys().filter(is_wounded).copied().collect();
    wound(&store, &names, &mut dice);
    let wounded = objects(&store);
    let before = restorable(&base.access(&store), &base.held);
    let touched_before = check_all_of(base, &store).1;

    repair_index(&base.access(&store), &RepairOptions::default(), &Silent).unwrap();
    let access = base.access(&store);
    let plan = plan_packs(&access, &Silent).unwrap();
    repair_packs(&access, plan, &RepairOptions::default(), &[], &Silent).unwrap();
    let made = repair_snapshots(&base.access(&store), &RepairOptions::default(), &Silent).unwrap().made;
    assert_only_added(&wounded, &store);
    let after = restorable(&base.access(&store), &base.held);
    assert!(after.is_superset(&before), "{:?} are lost", before.difference(&after).collect::<Vec<_>>());
    let again = plan_index(&base.access(&store), &Silent).unwrap();
    assert!(again.is_empty(), "{again:?}");
    let again = plan_packs(&base.access(&store), &Silent).unwrap();
    assert_eq!(again.packs, []);
    let repaired = repair_snapshots(&base.access(&store), &RepairOptions::default(), &Silent).unwrap();
    // Writers here make stat trees without rows, and so does a repair: where only that was lost the damaged one is whole now.
    let still_damaged = made.iter().filter(|repair| !repair.missing.is_empty()).count();
    assert_eq!((repaired.made.len(), repaired.repaired.len()), (0, still_damaged));
    let (report, touched) = check_all_of(base, &store);
    assert!(touched.is_subset(&touched_before), "{touched:?} are touched, and were not: {touched_before:?}");
    // What is really lost: chunks and nodes that no pack holds.
    let of_objects =
        |damage: &&check::Damage| damage.object.starts_with("segments/") || damage.object.starts_with("packs/");
    assert_eq!(report.damage.iter().find(of_objects), None);
    assert_eq!(report.damage_count > 0, again.lost_chunk_count + again.lost_node_count > 0, "{:?}", report.damage);
}

/// What a check finds, and the snapshots that it says are touched.
fn check_all_of(base: &Base, store: &MemoryStore) -> (CheckReport, BTreeSet<SnapshotId>) {
    let access = base.access(store);
    let options = CheckOptions::default().depth(CheckDepth::Data).remember(Remember::Nothing);
    let report = check::run(&access, &options, &Silent).unwrap();
    let touched = report.damage.iter().flat_map(|damage| damage.snapshots.iter().copied()).collect();
    (report, touched)
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn whatever_is_damaged_a_repair_leaves_no_fewer_files_and_nothing_to_do() {
    let (first, count) = (number("HOLDALL_SEED", 1), number("HOLDALL_PATTERNS", PATTERNS));
    let started = std::time::Instant::now();
    let next = AtomicU64::new(first);
    let try_some = || {
        let base = Base::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| try_pattern(&base, seed)));
            if let Err(panic) = tried {
                println!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| {
        (0..cores).for_each(|_| drop(scope.spawn(try_some)));
    });
    println!("{count} patterns from seed {first} on, {:.1} s", started.elapsed().as_secs_f64());
}
