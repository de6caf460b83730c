//! Every call to the system that touches a file fails once: the program says so unless what was asked for is done all the
//! same, and afterwards the repository is as sound as before. Killed before every call that writes, the same holds.
//!
//! `HOLDALL_FAULT_POINTS` says how many points of each command and fault are tried, spread evenly; 0 means all of them.

use crate::call::{Act, Call};
use crate::lacking::leave_out;
use crate::stage::{PARTS, Scene, Stage};
use crate::tracer::{Verdict, Watcher, can_trace};
use crate::tree::{Random, done_before, setting, write_down};
use nix::libc;
use std::path::PathBuf;

/// How a call goes wrong, and which calls do.
#[derive(Debug, Clone, Copy)]
struct Fault {
    name: &'static str,
    verdict: Verdict,
    hits: fn(Act) -> bool,
}

#[rustfmt::skip]
const FAULTS: [Fault; 8] = [
    Fault { name: "write EIO", verdict: Verdict::Fail(libc::EIO), hits: Act::writes },
    Fault { name: "write ENOSPC", verdict: Verdict::Fail(libc::ENOSPC), hits: Act::writes },
    Fault { name: "write EDQUOT", verdict: Verdict::Fail(libc::EDQUOT), hits: Act::writes },
    Fault { name: "write EINTR", verdict: Verdict::Fail(libc::EINTR), hits: Act::writes },
    Fault { name: "read EIO", verdict: Verdict::Fail(libc::EIO), hits: |act| !act.writes() },
    Fault { name: "read EINTR", verdict: Verdict::Fail(libc::EINTR), hits: |act| !act.writes() },
    Fault { name: "short", verdict: Verdict::Shorten, hits: Act::moves_bytes },
    Fault { name: "kill", verdict: Verdict::Kill, hits: Act::writes },
];

/// Has the call of a number, counted from 1, go wrong.
struct At {
    world: PathBuf,
    fault: Fault,
    number: u64,
    count: u64,
    hit: Option<String>,
}

impl At {
    fn new(stage: &Stage, fault: Fault, number: u64) -> Self {
        Self { world: stage.world.path(""), fault, number, count: 0, hit: None }
    }

    /// Only what belongs to the world: the loader's files and the output are not the program's business.
    fn is_meant(&self, call: &Call) -> bool {
        (self.fault.hits)(call.act)
            && PARTS.into_iter().chain(["copy"]).any(|part| call.is_below(&self.world.join(part)))
    }
}

impl Watcher for At {
    fn before(&mut self, call: &Call) -> Verdict {
        if !self.is_meant(call) {
            return Verdict::Make;
        }
        self.count += 1;
        if self.count != self.number {
            return Verdict::Make;
        }
        self.hit =
            Some(format!("{:?} of {}", call.act, call.path.strip_prefix(&self.world).expect("it is below").display()));
        self.fault.verdict
    }
}

/// Points from 1 to `count`: all of them, or some, spread evenly and different for each seed.
fn points(count: u64) -> Vec<u64> {
    let wanted = setting("HOLDALL_FAULT_POINTS", 3);
    if wanted == 0 || wanted >= count {
        return (1..=count).collect();
    }
    let shift = Random::new(setting("HOLDALL_SEED", 20_261_121)).below(count);
    let mut points: Vec<u64> = (0..wanted).map(|number| (number * count / wanted + shift) % count + 1).collect();
    points.sort_unstable();
    points
}

fn try_scene(scene: Scene) {
    if !can_trace() {
        return leave_out("trace", "this sandbox lets nobody trace a program");
    }
    let stage = Stage::new(scene);
    let mut broken = Vec::new();
    for fault in FAULTS {
        let part = format!("faults {scene:?} {}", fault.name);
        if done_before(&part) {
            continue;
        }
        let mut counting = At::new(&stage, fault, 0);
        stage.run(scene, &mut counting).succeeded();
        let points = points(counting.count);
        let before = broken.len();
        for number in &points {
            broken.extend(try_point(&stage, scene, fault, *number));
        }
        if broken.len() == before {
            write_down(&part, &format!("{} of {} points", points.len(), counting.count));
        }
    }
    assert!(broken.is_empty(), "{} points:\n{}", broken.len(), broken.join("\n"));
}

/// Says what was wrong.
fn try_point(stage: &Stage, scene: Scene, fault: Fault, number: u64) -> Option<String> {
    let mut watcher = At::new(stage, fault, number);
    let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stage.run(scene, &mut watcher)));
    let hit = watcher.hit?;
    let what = |problem: String| Some(format!("{scene:?}, {} at {number}, {hit}: {problem}", fault.name));
    let finished = match finished {
        Ok(finished) => finished,
        Err(panic) => return what(text_of(&*panic)),
    };
    let said = format!("exit code {:?}, {}", finished.code, finished.err.trim());
    let expected = match (fault.verdict, finished.code) {
        (Verdict::Kill, code) => code.is_none(),
        (_, Some(0)) => true,
        (_, Some(13)) => matches!(fault.verdict, Verdict::Fail(libc::ENOSPC | libc::EDQUOT)),
        (Verdict::Shorten, _) => false,
        (_, code) => matches!(code, Some(1 | 3 | 5)) && !(finished.err.is_empty() && finished.out.is_empty()),
    };
    if !expected || finished.err.contains("panicked") {
        return what(said);
    }
    let sound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stage.is_sound(scene, finished.code)));
    sound.err().and_then(|panic| what(format!("{said}; then {}", text_of(&*panic))))
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").to_owned()
}

#[test]
fn an_init_comes_through_every_fault() {
    try_scene(Scene::Init);
}

#[test]
fn a_first_backup_comes_through_every_fault() {
    try_scene(Scene::First);
}

#[test]
fn a_second_backup_comes_through_every_fault() {
    try_scene(Scene::Second);
}

#[test]
fn a_forget_comes_through_every_fault() {
    try_scene(Scene::Forget);
}

#[test]
fn a_prune_that_repacks_comes_through_every_fault() {
    try_scene(Scene::Prune);
}

#[test]
fn a_restore_comes_through_every_fault() {
    try_scene(Scene::Restore);
}

#[test]
fn a_check_comes_through_every_fault() {
    try_scene(Scene::Check);
}

#[test]
fn a_repair_of_the_index_comes_through_every_fault() {
    try_scene(Scene::RepairIndex);
}

#[test]
fn a_repair_of_packs_comes_through_every_fault() {
    try_scene(Scene::RepairPacks);
}
