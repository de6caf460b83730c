//! Drills as their users run them.

use crate::run::{Finished, World, contents};
use std::path::Path;
use std::time::{Duration, Instant};

fn world() -> World {
    let world = World::with_repository();
    world.file("tree/a", &(0..50_000u32).flat_map(|number| (number * 7).to_le_bytes()).collect::<Vec<u8>>());
    world.file("tree/sub/b", b"a few bytes");
    std::fs::create_dir(world.path("tmp")).expect("a folder");
    world.run(["backup", "tree"]).succeeded();
    world
}

fn command(world: &World, arguments: &[&str]) -> std::process::Command {
    let mut command = world.command();
    command.env("TMPDIR", world.path("tmp")).env("TZ", "UTC").arg("drill").args(arguments);
    command
}

/// Runs a drill, after which nothing may be left.
#[track_caller]
fn drill(world: &World, arguments: &[&str]) -> Finished {
    let finished = Finished::of(&command(world, arguments).output().expect("the program starts"));
    assert!(contents(&world.path("tmp")).is_empty(), "{arguments:?} left something behind");
    finished
}

/// What the list of snapshots says of the last drill.
fn shown(world: &World) -> serde_json::Value {
    let lists = world.run(["snapshots", "--json"]).succeeded().json();
    lists.first().and_then(|list| list.pointer("/0/drill")).cloned().unwrap_or_default()
}

#[test]
fn a_good_drill_is_shown_with_the_snapshot_and_leaves_no_file() {
    let world = world();
    let finished = drill(&world, &[]).succeeded();
    assert!(finished.out.contains("drilling all of snapshot"), "{}", finished.out);
    assert!(finished.out.contains("passed: nothing differs; this is recorded in the repository\n"), "{}", finished.out);
    let told = shown(&world);
    assert_eq!((&told["result"], &told["figures"]["files_compared"]), (&"passed".into(), &2.into()), "{told}");
    let listed = world.run(["snapshots"]).succeeded().out;
    assert!(listed.contains("tree (drilled 20"), "{listed}");
    let summary = world.run(["drill", "--json", "--target", "new"]).succeeded().only("summary");
    assert_eq!(
        (&summary["result"], &summary["recorded"], &summary["kept"]),
        (&"passed".into(), &true.into(), &false.into())
    );
    assert!(!world.path("new").exists());
    let check = world.run(["check"]).succeeded();
    assert!(check.out.contains("no damage found"), "{}", check.out);
}

#[test]
fn the_command_judges_what_was_restored_and_its_failure_is_the_newest_evidence() {
    let world = world();
    let below = world.path("tree/sub/b");
    let below = below.strip_prefix("/").expect("it is absolute").to_str().expect("a text").to_owned();
    let good = drill(&world, &["--", "cat", &below]).succeeded();
    assert!(good.out.contains("a few bytes"), "{}", good.out);
    assert!(good.out.contains("passed: nothing differs, and the command succeeded"), "{}", good.out);

    let script = "test \"$HOLDALL_DRILL_FOLDER\" = \"$PWD\" && test \"$HOLDALL_DRILL_PERCENT\" = 100 && \
                  test -z \"$HOLDALL_PASSWORD\" && test ${#HOLDALL_DRILL_SNAPSHOT} = 64 && exit 7";
    let bad = drill(&world, &["--", "sh", "-c", script]).ended(4);
    assert!(bad.err.contains("the command sh failed: it ended with exit status: 7"), "{}", bad.err);
    assert!(bad.out.contains("failed: the command failed; this is recorded in the repository"), "{}", bad.out);
    let told = shown(&world);
    assert_eq!((&told["result"], &told["figures"]["command"]), (&"failed".into(), &"failed".into()), "{told}");
    assert!(world.run(["snapshots"]).succeeded().out.contains("(drill failed 20"));
    assert!(drill(&world, &["--", "no-such-program"]).ended(4).err.contains("it can't be run"));

    let json = drill(&world, &["--json", "--", "echo", "to people"]).ended(0);
    assert!(json.err.contains("to people") && !json.out.contains("to people"), "{} {}", json.out, json.err);
    assert_eq!(json.only("summary")["command"], "succeeded");
}

#[test]
fn a_sample_prints_the_seed_that_brings_it_again() {
    let world = world();
    let first = world.run(["drill", "--sample", "50%", "--json", "--target", "new"]).succeeded().only("summary");
    let seed = first["seed"].as_u64().expect("a seed").to_string();
    let text = drill(&world, &["--sample", "50%", "--seed", &seed]).succeeded().out;
    assert!(text.contains(&format!(", seed {seed}\n")), "{text}");
    let again = world.run(["drill", "--sample", "50%", "--seed", &seed, "--json", "--target", "new"]).succeeded();
    let again = again.only("summary");
    for figure in ["files_compared", "others_compared", "bytes_compared", "sample_percent"] {
        assert_eq!(first[figure], again[figure], "{figure}");
    }
    assert!(world.run(["snapshots"]).succeeded().out.contains("(50 % drilled 20"));
}

/// Changes a byte in the middle of the pack that holds content.
pub(crate) fn wound(world: &World) {
    let packs = world.path("repository/packs");
    let (path, mut bytes) = contents(&packs).into_iter().max_by_key(|(_, bytes)| bytes.len()).expect("a pack");
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).expect("a byte") ^= 1;
    let path = packs.join(path);
    std::fs::remove_file(&path).expect("it goes");
    std::fs::write(&path, bytes).expect("a file");
}

#[test]
fn damage_is_named_with_what_to_do_and_decides_the_exit_code() {
    let world = world();
    wound(&world);
    let file = world.path("tree/a");
    let finished = drill(&world, &["--", "false"]).ended(5);
    assert!(finished.out.contains(&format!("lost: {}\n  what   ", file.display())), "{}", finished.out);
    assert!(finished.out.contains("remedy `holdall check --read-data`"), "{}", finished.out);
    assert!(finished.out.contains("failed: 1 finding of the snapshot, the command failed"), "{}", finished.out);
    let finished = world.run(["drill", "--json", "--target", "new"]).ended(5);
    let finding = finished.only("finding");
    assert_eq!((&finding["kind"], &finding["path"]), (&"lost".into(), &file.to_str().expect("a text").into()));
    assert_eq!(finished.only("summary")["items_differing"], 1);
    assert_eq!(shown(&world)["result"], "failed");
}

#[test]
fn a_key_that_reads_states_its_drills_and_one_that_reads_nothing_has_none() {
    let world = world();
    for role in ["read", "put"] {
        let key = format!("{role}.key");
        world.run(["key", "add", "--role", role, "--new-key-file", &key]).succeeded();
        let mut command = command(&world, &["--key-file", &key]);
        let finished = Finished::of(&command.env_remove("HOLDALL_PASSWORD").output().expect("the program starts"));
        if role == "read" {
            assert!(finished.succeeded().out.contains("this is recorded in the repository"));
        } else {
            let refused = finished.ended(1);
            assert!(
                refused.err.contains("a key with the role put may not drill: it can read nothing"),
                "{}",
                refused.err
            );
        }
    }
    assert_eq!(shown(&world)["result"], "passed");
}

#[test]
fn what_is_wanted_stays_and_what_is_of_another_host_is_not_compared_with_this_one() {
    let world = world();
    drill(&world, &["--target", "copy", "--keep", "--no-live"]).succeeded();
    let below = world.path("copy").join(world.path("tree/sub/b").strip_prefix("/").expect("it is absolute"));
    assert_eq!(std::fs::read(below).expect("a file"), b"a few bytes");
    let refused = drill(&world, &["--target", "copy"]).ended(1);
    assert!(refused.err.contains("is not empty: a drill restores only into an empty folder"), "{}", refused.err);
    assert!(drill(&world, &["latest:/etc"]).ended(2).err.contains("a whole snapshot"));
    world.run(["backup", "tree", "--host", "elsewhere"]).succeeded();
    let other = drill(&world, &["--host", "elsewhere"]).ended(0);
    assert!(other.err.contains("is of the host elsewhere: it is not compared with files of this one"), "{}", other.err);
}

#[test]
fn a_drill_that_is_interrupted_ends_its_command_and_leaves_nothing() {
    let world = world();
    let mark = world.path("ready");
    let script = format!("touch {}; exec sleep 60", mark.display());
    let mut child = command(&world, &["--", "sh", "-c", &script]).spawn().expect("the program starts");
    let began = Instant::now();
    while !Path::new(&mark).exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "the command never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let status = child.wait().expect("it ends");
    assert!(status.code() == Some(130) && began.elapsed() < Duration::from_secs(50), "{status}");
    assert!(contents(&world.path("tmp")).is_empty());
    assert!(shown(&world).is_null(), "nothing is stated of a drill that was not finished");
}

#[test]
fn a_drill_or_restore_into_the_repository_its_cache_or_its_state_is_refused() {
    let world = world();
    std::os::unix::fs::symlink("repository/packs", world.path("link")).expect("a link");
    std::fs::create_dir(world.path("repository/empty")).expect("a folder");
    let mut states = std::fs::read_dir(world.path("home/.local/state/holdall")).expect("a folder").flatten();
    let id = states.next().expect("what is kept for the repository").file_name();
    let own = |kept: &str| {
        let folder = world.path(kept).join(&id);
        // An index in memory keeps nothing there.
        std::fs::create_dir_all(&folder).expect("a folder");
        folder.join("new").to_str().expect("a text").to_owned()
    };
    let (cache, state) = (own("home/.cache/holdall"), own("home/.local/state/holdall"));
    let before = contents(&world.path("repository"));
    for (target, told) in [
        ("repository/new", "lies in the repository"),
        ("repository/empty", "lies in the repository"),
        ("link/a/b", "lies in the repository"),
        (&cache, "the cache of this repository; name another folder"),
        (&state, "the state of this repository; name another folder"),
    ] {
        let refused = drill(&world, &["--target", target]).ended(2);
        assert!(refused.err.contains(told), "{target}: {}", refused.err);
        assert!(!refused.out.contains("drilling"), "{target}: {}", refused.out);
        let refused = world.run(["restore", "latest", "--target", target]).ended(2);
        assert!(refused.err.contains(told), "{target}: {}", refused.err);
        assert!(!Path::new(target).join("a").exists());
    }
    let mut within = world.command();
    let within = within.env("TMPDIR", world.path("repository/empty")).arg("drill").output();
    let refused = Finished::of(&within.expect("the program starts")).ended(2);
    assert!(refused.err.contains("lies in the repository"), "{}", refused.err);
    assert!(contents(&world.path("repository")) == before);
}
