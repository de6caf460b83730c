//! What goes wrong before anything begins: a clear message, the agreed exit code, nothing harmed.

use crate::run::{Finished, World, contents};

#[test]
fn a_place_without_a_repository_is_said_to_be_one() {
    let world = World::new();
    let lines = [
        &["snapshots"][..],
        &["backup", "/etc/hostname"],
        &["restore", "latest", "--target", "t"],
        &["check"],
        &["scrub"],
    ];
    for line in lines {
        let finished = world.run(line).ended(10);
        assert!(finished.err.contains("no repository") && finished.err.contains("holdall init"), "{}", finished.err);
    }
}

#[test]
fn a_folder_that_is_something_else_is_left_alone() {
    let world = World::new();
    for name in ["letter.txt", "config/settings", "packs/icons.zip", "outcomes/ab/letter"] {
        world.file(format!("repository/{name}"), b"dear");
    }
    let before = contents(&world.path("repository"));
    world.run(["snapshots"]).ended(10);
    let occupied = world.run(["init"]).ended(1);
    assert!(occupied.err.contains("repository"), "{}", occupied.err);
    assert!(contents(&world.path("repository")) == before);
}

#[test]
fn a_repository_is_made_only_once() {
    let world = World::with_repository();
    let before = contents(&world.path("repository"));
    world.run(["init"]).ended(1);
    assert!(contents(&world.path("repository")) == before);
}

#[test]
fn a_wrong_password_opens_nothing() {
    let world = World::with_repository();
    let mut command = world.command();
    let output = command.env("HOLDALL_PASSWORD", "wrong").arg("snapshots").output().expect("the program starts");
    let finished = Finished::of(&output).ended(12);
    assert!(finished.err.contains("password"), "{}", finished.err);
    assert!(!finished.err.contains("wrong\n"), "the password is not repeated");
}

#[test]
fn without_password_and_terminal_the_ways_to_give_one_are_named() {
    let world = World::with_repository();
    let mut command = world.command();
    // A session of its own has no terminal to ask.
    let mut without_terminal = std::process::Command::new("setsid");
    without_terminal.arg(command.get_program()).arg("snapshots");
    without_terminal
        .env_clear()
        .envs(command.env_remove("HOLDALL_PASSWORD").get_envs().filter_map(|(k, v)| Some((k, v?))));
    let finished = Finished::of(&without_terminal.output().expect("the program starts")).ended(12);
    assert!(finished.err.contains("HOLDALL_PASSWORD_FILE"), "{}", finished.err);
}

#[test]
fn an_unknown_option_is_misuse() {
    World::new().run(["backup", "--no-such-option"]).ended(2);
    World::new().run(["backup", "--password", "secret"]).ended(2);
}

#[test]
fn snapshots_that_are_not_there_are_named() {
    let world = World::with_repository();
    world.file("tree/a.txt", b"alpha");
    world.run(["backup", "tree"]).succeeded();
    let missing = world.run(["ls", "00000000000000000000"]).ended(1);
    assert!(missing.err.contains("00000000000000000000"), "{}", missing.err);
    let nothing = world.run(["ls", "latest:/no/such/place"]).ended(1);
    assert!(nothing.err.contains("/no/such/place"), "{}", nothing.err);
    world.run(["restore", "latest:/no/such/place", "--target", "t"]).ended(1);
}

#[test]
fn damage_that_was_found_has_its_exit_code() {
    let world = World::with_repository();
    let noise: Vec<u8> = (0..20_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    world.file("tree/a.bin", &noise);
    world.run(["backup", "tree"]).succeeded();
    let packs = world.path("repository/packs");
    let pack = contents(&packs).into_iter().find(|(_, bytes)| bytes.len() > 1000).expect("a pack").0;
    let mut bytes = std::fs::read(packs.join(&pack)).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let path = packs.join(&pack);
    let mut permissions = std::fs::metadata(&path).expect("a pack").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&path, permissions).expect("permissions");
    std::fs::write(&path, bytes).expect("a damaged pack");
    let name = pack.file_name().expect("a name").to_string_lossy().into_owned();
    for line in [&["check", "--read-data"][..], &["scrub"]] {
        let damaged = world.run(line).ended(5);
        assert!(damaged.out.contains(&name) || damaged.err.contains(&name), "{} {}", damaged.out, damaged.err);
    }
}

#[test]
fn every_command_that_writes_tells_once_how_to_go_on_in_a_repository_that_was_set_back_and_then_does() {
    let lines: [&[&str]; 5] =
        [&["pin", "latest"], &["forget", "latest"], &["prune"], &["repair", "index"], &["backup", "tree"]];
    for line in lines {
        let world = World::with_repository();
        world.file("tree/a.txt", b"alpha");
        world.run(["backup", "tree"]).succeeded();
        let earlier = world.path("earlier");
        copied(&world.path("repository"), &earlier);
        world.run(["backup", "tree"]).succeeded();
        std::fs::remove_dir_all(world.path("repository")).expect("it goes");
        std::fs::rename(&earlier, world.path("repository")).expect("it comes back");
        // A build without RocksDB has no cache.
        let _ = std::fs::remove_dir_all(world.path("home/.cache"));

        let refused = world.run(line).ended(5).err;
        assert_eq!(refused.matches("on purpose").count(), 1, "{line:?}: {refused}");
        assert!(refused.contains("run this again with --accept-rollback"), "{line:?}: {refused}");
        world.run(line.iter().chain(&["--accept-rollback"])).ended(0);
        world.run(["backup", "tree"]).succeeded();
    }
}

fn copied(from: &std::path::Path, to: &std::path::Path) {
    let done = std::process::Command::new("cp").arg("-a").args([from, to]).status();
    assert!(done.expect("cp").success());
}

#[test]
fn programs_are_told_of_arguments_without_sense_as_of_every_other_failure() {
    let world = World::new();
    let lines: [&[&str]; 4] = [
        &["backup", "--json", "--no-such-option"],
        &["snapshots", "--latst", "--json"],
        &["restore", "--json", "latest"],
        &["forget", "--json", "--keep-last", "many"],
    ];
    for line in lines {
        let refused = world.run(line).ended(2);
        let told: serde_json::Value = serde_json::from_str(&refused.err).expect("one JSON value");
        assert_eq!((&told["message_type"], &told["code"]), (&"exit_error".into(), &2.into()), "{told}");
        let message = told["message"].as_str().expect("text");
        assert!(!message.starts_with("error") && !message.contains("Usage") && !message.contains('\u{1b}'), "{told}");
    }
    // For people, and without a schema to hold against.
    let said = |line: &[&str]| Finished::of(&world.command().args(line).output().expect("the program starts"));
    let of_a_judge = said(&["drill", "--no-such-option", "--", "judge", "--json"]).ended(2);
    assert!(of_a_judge.err.starts_with("error: "), "{}", of_a_judge.err);
    assert!(said(&["snapshots", "--json", "--help"]).succeeded().out.starts_with("List snapshots"));
}

#[test]
fn who_names_a_place_in_a_snapshot_does_not_mean_all_of_it() {
    let world = World::with_repository();
    world.file("tree/a", b"alpha");
    world.run(["backup", "tree"]).succeeded();
    let lines: [&[&str]; 8] = [
        &["forget", "latest:/tree"],
        &["forget", "--keep-id", "latest:/tree"],
        &["pin", "latest:/tree"],
        &["unpin", "latest:/tree"],
        &["snapshots", "latest:/tree"],
        &["info", "latest:/tree"],
        &["stats", "latest:/tree"],
        &["backup", "tree", "--parent", "latest:/tree"],
    ];
    for line in lines {
        let refused = world.run(line).ended(2);
        assert!(refused.err.contains("it takes a whole snapshot, without a path"), "{line:?}: {}", refused.err);
    }
    assert!(world.run(["snapshots"]).succeeded().out.contains("1 snapshot"));
}

#[test]
fn what_contradicts_each_other_is_refused_wherever_it_stands() {
    let world = World::with_repository();
    world.file("password", crate::run::PASSWORD.as_bytes());
    let pairs: [[&[&str]; 2]; 5] = [
        [&["--repo", "repository"], &["--profile", "nas"]],
        [&["--repo", "repository"], &["--repository-file", "name"]],
        [&["--password-file", "password"], &["--key-file", "key"]],
        [&["--insecure-no-password"], &["--password-command", "cat password"]],
        [&["--quiet"], &["--verbose"]],
    ];
    for [one, other] in pairs {
        for (before, behind) in [(one, other), (other, one)] {
            let line = before.iter().chain(&["snapshots"]).chain(behind);
            let refused = world.run(line).ended(2);
            assert!(refused.err.contains(one[0]) && refused.err.contains(other[0]), "{}", refused.err);
        }
    }
}
