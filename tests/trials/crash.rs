//! The machine stops at any moment: whatever the file system then holds of what was not synced, no snapshot is lost that
//! was acknowledged, and every next step succeeds.
//!
//! The program is traced once; what it did is then replayed into a file system that forgets (`disc`), in as many ways as
//! `HOLDALL_CRASH_STATES` says for each command. States in which a store sees the same are looked at once.

mod disc;
mod record;

use crate::lacking::leave_out;
use crate::run::{PASSWORD, contents};
use crate::stage::{Scene, Stage};
use crate::tracer::can_trace;
use crate::tree::{Random, done_before, setting, write_down};
use disc::{Disc, Found, Torn};
use holdall::{
    BackupOptions, CheckDepth, CheckOptions, CreateOptions, ErrorKind, KdfCost, OpenOptions, Repository, Silent,
    SnapshotFilter, Unlock,
};
use record::{Recorder, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What one run of a command did, and what is looked at in each state.
struct Story {
    scene: Scene,
    stage: Stage,
    beginning: Vec<(PathBuf, Option<Vec<u8>>)>,
    steps: Vec<Step>,
    /// After so many steps the command has promised what it was run for.
    promised: usize,
    /// The snapshot that was made, if the command makes one.
    made: Option<String>,
    /// What was found in states that were looked at, by what a store sees there and whether the promise was given.
    known: BTreeMap<([u8; 32], bool), Result<(), String>>,
}

impl Story {
    fn record(scene: Scene) -> Self {
        let stage = Stage::new(scene);
        stage.set_back();
        let repository = stage.world.path("repository");
        let beginning = if repository.exists() { entries(&repository) } else { Vec::new() };
        let files = beginning.iter().filter(|(_, content)| content.is_some()).map(|(path, _)| path.clone());
        let mut recorder = Recorder::new(repository, stage.world.path("stdout"), files);
        let mut arguments = scene.arguments(&stage);
        arguments.iter_mut().filter(|word| *word == "-q").for_each(|word| "--json".clone_into(word));
        let finished = stage.go_on(&arguments, &mut recorder).succeeded();
        let made = matches!(scene, Scene::First | Scene::Second)
            .then(|| finished.only("summary")["snapshot_id"].as_str().expect("an id").to_owned());
        let mut steps = recorder.steps;
        // Making the repository's own directory is not the subject: who lost it has no repository.
        steps.retain(|step| !matches!(step, Step::MakeDirectory(path) if path.as_os_str().is_empty()));
        let says = |step: &Step| matches!((step, &made), (Step::Say(text), Some(id)) if text.contains(id));
        let promised = steps.iter().position(says).map_or(steps.len(), |at| at + 1);
        Self { scene, stage, beginning, steps, promised, made, known: BTreeMap::new() }
    }

    /// Looks at a state unless one like it was looked at before.
    fn look(&mut self, found: &Found, promised: bool) -> Result<(), String> {
        let key = (*found.objects().as_bytes(), promised);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let place = self.stage.world.path("crashed");
        std::fs::create_dir(&place).expect("nothing is there");
        found.make(&place.join("repository"));
        let judged = self.judge(promised);
        std::fs::remove_dir_all(place).expect("it was made");
        self.known.insert(key, judged.clone());
        judged
    }

    /// What is wrong with the repository that was found after a crash.
    fn judge(&self, promised: bool) -> Result<(), String> {
        let place = self.stage.world.path("crashed");
        let path = place.join("repository");
        let unlock = Unlock::Password(PASSWORD.as_bytes());
        let text = |error: holdall::Error| error.to_string();
        let open = || {
            let options = OpenOptions::new(place.join("cache"), place.join("state")).threads(1);
            Repository::open(&path, unlock, options)
        };
        let repository = match open() {
            Err(error) if error.kind() == ErrorKind::NoRepository && self.scene == Scene::Init && !promised => {
                Repository::create(&path, unlock, &CreateOptions::default().kdf(KdfCost::CHEAP)).map_err(text)?;
                open()
            }
            opened => opened,
        }
        .map_err(text)?;
        let is_clean = |depth| {
            let report = repository.check(&CheckOptions::default().depth(depth), &Silent).map_err(text)?;
            if report.damage_count == 0 { Ok(()) } else { Err(format!("{:?}", report.damage)) }
        };
        is_clean(CheckDepth::Data)?;
        let listed = || -> Result<BTreeSet<String>, String> {
            let snapshots = repository.snapshots(&SnapshotFilter::default()).map_err(text)?;
            Ok(snapshots.iter().map(|snapshot| snapshot.id.to_string()).collect())
        };
        let there = listed()?;
        let before = self.stage.snapshots.iter().map(|snapshot| &snapshot.id);
        let forgets = self.scene == Scene::Forget;
        for id in before.skip(usize::from(forgets)).chain(self.made.iter().filter(|_| promised)) {
            if !there.contains(id) {
                return Err(format!("the snapshot {id} is lost"));
            }
        }
        if forgets && promised && there.contains(&self.stage.snapshots[0].id) {
            return Err("the forgotten snapshot is back".to_owned());
        }
        repository.backup(&BackupOptions::new([self.stage.world.path("tree")]), &Silent).map_err(text)?;
        is_clean(CheckDepth::Structure)?;
        if listed()?.len() == there.len() + 1 { Ok(()) } else { Err("the next snapshot is not listed".to_owned()) }
    }

    /// Looks at many states that a crash after each step may leave.
    fn crash_everywhere(&mut self, states: u64, random: &mut Random) -> u64 {
        let steps = self.steps.clone();
        let share = (states / u64::try_from(steps.len() + 1).expect("few")).max(1);
        let mut disc = Disc::new(&self.beginning);
        let mut count = 0;
        for made in 0..=steps.len() {
            if made > 0 {
                disc.make(&steps[made - 1]);
            }
            for number in 0..share {
                let found = any_state(&disc, number, random);
                count += 1;
                if let Err(wrong) = self.look(&found, made >= self.promised) {
                    let last = steps.get(made.saturating_sub(1));
                    panic!("{:?}, a crash after step {made} ({last:?}), state {number}: {wrong}", self.scene);
                }
            }
        }
        count
    }

    /// Leaves out one sync, and looks at the worst states that a crash may then leave.
    fn without(&mut self, left_out: usize) -> Noticed {
        let steps = self.steps.clone();
        let (mut whole, mut disc) = (Disc::new(&self.beginning), Disc::new(&self.beginning));
        let mut noticed = Noticed::Nothing;
        for (number, step) in steps.iter().enumerate() {
            whole.make(step);
            if number != left_out {
                disc.make(step);
            }
            let may_matter = matches!(step, Step::SyncFile(_) | Step::SyncDirectory(_) | Step::Say(_));
            if number < left_out || (!may_matter && number + 1 < steps.len()) {
                continue;
            }
            if whole.certain() != disc.certain() {
                noticed = Noticed::ByTheStore;
            }
            for found in worst_states(&disc) {
                if let Err(wrong) = self.look(&found, number + 1 >= self.promised) {
                    return Noticed::Lost(wrong);
                }
            }
        }
        noticed
    }

    /// Leaves out each sync in turn. Without that of a file everything is lost that needs the object; a later sync of a
    /// directory may make up for one that was left out, but some sync of it has to be missed.
    fn leave_out_each_sync(&mut self) {
        let mut missed = BTreeMap::new();
        let steps = self.steps.clone();
        for (at, step) in steps.iter().enumerate() {
            let (what, directory) = if let Step::SyncDirectory(directory) = step {
                (format!("{}/", directory.display()), Some(directory))
            } else if let Step::SyncFile(file) = step
                && let Some(object) = object(&steps, *file)
            {
                (object.display().to_string(), None)
            } else {
                continue;
            };
            let noticed = self.without(at);
            println!("{:?} without the sync of {what} at step {at}: {}", self.scene, noticed.text());
            let (is_lost, is_needed) =
                (matches!(noticed, Noticed::Lost(_)), NEEDED.iter().any(|it| what.starts_with(it)));
            match directory {
                Some(_) if is_needed => *missed.entry(what).or_insert(false) |= is_lost,
                Some(_) => {}
                None => {
                    assert!(!matches!(noticed, Noticed::Nothing), "{what}");
                    assert!(is_lost || !is_needed, "{what} was not missed");
                }
            }
        }
        let made: Vec<_> =
            steps.iter().filter_map(|step| if let Step::Link { to, .. } = step { to.parent() } else { None }).collect();
        for (directory, is_missed) in missed {
            let holds_new = made.iter().any(|made| format!("{}/", made.display()) == directory);
            assert!(is_missed || !holds_new, "{directory} need not be synced");
        }
    }
}

/// Folders without whose new objects a promise is broken. What else is written is for others to see while a command runs.
const NEEDED: [&str; 6] = ["packs/", "segments/", "outcomes/", "records/", "keys/", "config/"];

/// The object that a file becomes.
fn object(steps: &[Step], file: usize) -> Option<&Path> {
    let made = steps.iter().find_map(|step| {
        if let Step::Create { file: made, path } = step { (*made == file).then_some(path) } else { None }
    })?;
    let named = steps.iter().find_map(|step| {
        if let Step::Link { from, to } = step { (from == made).then_some(to.as_path()) } else { None }
    });
    named.filter(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".tmp-")))
}

/// What it costs to leave out a sync.
#[derive(Debug)]
enum Noticed {
    /// What a user was promised.
    Lost(String),
    /// What the store promised, and what nobody misses.
    ByTheStore,
    /// Only temporary files hang on it.
    Nothing,
}

impl Noticed {
    fn text(&self) -> &str {
        match self {
            Self::Lost(what) => what,
            Self::ByTheStore => "what was promised is there all the same",
            Self::Nothing => "nothing hangs on it",
        }
    }
}

/// All paths of a directory, sorted, with the content of files.
fn entries(folder: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let found = contents(folder).into_iter();
    found.map(|(path, content)| (path.clone(), (!folder.join(path).is_dir()).then_some(content))).collect()
}

/// One of the states that a crash at this moment may leave: for the first numbers each combination of what arrived, as long
/// as there are few, and then any.
fn any_state(disc: &Disc, number: u64, random: &mut Random) -> Found {
    let pending = u32::try_from(disc.pending_count()).expect("few");
    let arrived = match 1u64.checked_shl(pending) {
        Some(combinations) if number < combinations => number,
        _ => random.below(u64::MAX),
    };
    let torn = disc.may_be_torn();
    disc.after_crash(&|change| (arrived >> (change % 64)) & 1 == 1, &mut |bytes| {
        if torn { Torn::by_chance(random, bytes) } else { Torn::Nothing }
    })
}

/// Nothing arrived; everything but the bytes; all but one change; one change alone.
fn worst_states(disc: &Disc) -> Vec<Found> {
    let count = disc.pending_count();
    let state = |arrived: &dyn Fn(usize) -> bool| disc.after_crash(arrived, &mut |_| Torn::Nothing);
    let mut states = vec![state(&|_| false), state(&|_| true)];
    for one in 0..count {
        states.push(state(&|change| change != one));
        states.push(state(&|change| change == one));
    }
    states
}

fn try_crashes(scene: Scene) {
    if !can_trace() {
        return leave_out("trace", "this sandbox lets nobody trace a program");
    }
    let (states, seed) = (setting("HOLDALL_CRASH_STATES", 5_000), setting("HOLDALL_SEED", 20_261_121));
    let part = format!("crashes {scene:?}, {states} states, seed {seed}");
    if done_before(&part) {
        return;
    }
    let mut story = Story::record(scene);
    let count = story.crash_everywhere(states, &mut Random::new(seed));
    let distinct = story.known.len();
    story.leave_out_each_sync();
    write_down(&part, &format!("{count} states after {} steps, {distinct} that differ for a store", story.steps.len()));
}

#[test]
fn an_init_survives_a_crash_at_any_moment() {
    try_crashes(Scene::Init);
}

#[test]
fn a_first_backup_survives_a_crash_at_any_moment() {
    try_crashes(Scene::First);
}

#[test]
fn a_second_backup_survives_a_crash_at_any_moment() {
    try_crashes(Scene::Second);
}

#[test]
fn a_forget_survives_a_crash_at_any_moment() {
    try_crashes(Scene::Forget);
}

#[test]
fn a_prune_that_repacks_survives_a_crash_at_any_moment() {
    try_crashes(Scene::Prune);
}
