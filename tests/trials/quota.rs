//! A medium that is too small, in every size, and one on which no byte is free.

use crate::lacking::leave_out;
use crate::place::Mount;
use crate::run::{Finished, World, contents};
use crate::tree::{Random, assert_sound, long};
use std::io::Write as _;
use std::path::PathBuf;

const STEP_BYTES: u64 = 64 << 10;
const INIT: [&str; 6] = ["init", "-q", "--kdf-memory", "64K", "--kdf-passes", "1"];

/// Files by their paths.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// A world whose repository lies on a medium of its own.
struct Small {
    /// Goes first: what is mounted can't be removed, and the world's folder would stay.
    medium: Mount,
    world: World,
    random: Random,
    /// What was acknowledged: the snapshots, and what they hold.
    kept: Vec<(String, Files)>,
}

impl Small {
    fn new(bytes: u64) -> Option<Self> {
        let world = World::new();
        let medium = Mount::new(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"], &world.path("medium"))?;
        Some(Self { medium, world, random: Random::new(17), kept: Vec::new() })
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = self.world.command();
        command.env("HOLDALL_REPOSITORY", self.world.path("medium/repository")).args(arguments);
        Finished::of(&command.output().expect("the program starts"))
    }

    fn add_a_file(&mut self) {
        let name = format!("tree/{}", self.kept.len());
        self.world.file(name, &self.random.noise(150_000));
    }

    /// Backs up if there is room, and says whether there was.
    fn back_up(&mut self) -> bool {
        let finished = self.run(&["backup", "--json", "tree"]);
        if finished.code == Some(13) {
            assert!(finished.err.contains("no space left"), "{}", finished.err);
            return false;
        }
        let id = finished.succeeded().only("summary")["snapshot_id"].as_str().expect("an id").to_owned();
        self.kept.push((id, contents(&self.world.path("tree"))));
        true
    }

    fn is_whole(&self) {
        // There may be no room to keep what was verified.
        assert_sound(&self.run(&["check", "-q", "--read-data", "--no-remember"]));
        for (id, holds) in &self.kept {
            let source = format!("{id}:{}", self.world.path("tree").display());
            self.run(&["restore", "-q", &source, "--target", "copy"]).succeeded();
            assert!(contents(&self.world.path("copy")) == *holds, "{id} differs");
            std::fs::remove_dir_all(self.world.path("copy")).expect("it was restored");
        }
    }

    fn fill(&self) {
        let mut filler = std::fs::File::create(self.world.path("medium/filler")).expect("a file");
        while filler.write_all(&[1; 4096]).is_ok() {}
    }
}

#[test]
fn with_every_quota_what_was_stored_stays_whole_and_what_finds_no_room_says_so() {
    let Some(mut small) = Small::new(STEP_BYTES) else {
        return leave_out("mount", "this user or sandbox may not mount");
    };
    let (mut is_made, mut refused) = (false, 0);
    small.add_a_file();
    for step in 1..=if long() { 160 } else { 24 } {
        small.medium.change(&format!("size={}", step * STEP_BYTES));
        if !is_made {
            let init = small.run(&INIT);
            is_made = init.code == Some(0);
            assert!(is_made || init.code == Some(13), "{step}: {:?} {}", init.code, init.err);
        }
        while is_made && small.back_up() {
            small.add_a_file();
        }
        if is_made {
            refused += 1;
            small.is_whole();
        }
    }
    assert!(is_made && small.kept.len() > 4 && refused > 16, "{} snapshots, {refused} refused", small.kept.len());
}

#[test]
fn without_a_free_byte_one_can_forget_and_prune_and_then_go_on() {
    let Some(mut small) = Small::new(16 << 20) else {
        return leave_out("mount", "this user or sandbox may not mount");
    };
    small.run(&INIT).succeeded();
    small.add_a_file();
    assert!(small.back_up());
    std::fs::remove_file(small.world.path("tree/0")).expect("it was there");
    small.add_a_file();
    assert!(small.back_up());
    small.fill();
    small.add_a_file();
    assert!(!small.back_up());
    let (first, _) = small.kept.remove(0);
    small.run(&["forget", "-q", &first]).succeeded();
    small.run(&["prune", "-q", "--max-unused", "unlimited"]).succeeded();
    small.is_whole();
    assert!(small.back_up(), "there is room again");
    small.is_whole();
}

/// By night nobody is there to make room.
#[test]
fn the_nightly_run_of_a_disc_that_is_full_makes_room_for_the_next() {
    let Some(mut small) = Small::new(16 << 20) else {
        return leave_out("mount", "this user or sandbox may not mount");
    };
    small.run(&INIT).succeeded();
    let keep = |small: &Small, last: u32| {
        let place = |name: &str| small.world.path(name).display().to_string();
        let profile = format!(
            "[repository.r]\nstore = {:?}\n[set.s.backup]\npaths = [{:?}]\n[set.s.forget]\nkeep-last = {last}\n\
             [set.s.prune]\n[set.s.check]\n",
            place("medium/repository"),
            place("tree")
        );
        small.world.file("home/.config/holdall/holdall.toml", profile.as_bytes());
    };
    let run = |small: &Small| {
        let mut command = small.world.command();
        Finished::of(&command.env_remove("HOLDALL_REPOSITORY").args(["run"]).output().expect("the program starts"))
    };
    keep(&small, 9);
    for changed in [0..15, 0..7, 7..14] {
        for number in changed {
            small.world.file(format!("tree/{number}"), &small.random.noise(200_000));
        }
        run(&small).succeeded();
    }
    small.fill();
    keep(&small, 1);
    small.world.file("tree/15", &small.random.noise(200_000));
    let full = run(&small).ended(13);
    assert!(full.out.contains("freed") && !full.out.contains("checked"), "{}{}", full.out, full.err);
    run(&small).succeeded();
    assert_sound(&small.run(&["check", "-q", "--read-data"]));
}
