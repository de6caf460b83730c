//! Forgetting, pinning, bringing back, and the sessions that are open.

use crate::run::{Finished, World};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A world with a snapshot of each of these days, oldest first, and their ids.
fn world_of_days(days: &[&str]) -> (World, Vec<String>) {
    let world = World::with_repository();
    let ids = days.iter().map(|day| {
        world.file("tree/day", day.as_bytes());
        let time = format!("{day} 12:00:00");
        let saved = world.run(["backup", "--json", "--host", "h", "--time", &time, "tree"]).succeeded();
        text(&saved.only("summary"), "snapshot_id")
    });
    let ids = ids.collect();
    (world, ids)
}

fn listed(world: &World, more: &[&str]) -> Vec<String> {
    let snapshots = world.run(["snapshots", "--json"].iter().chain(more)).succeeded().json();
    let snapshots = snapshots.first().and_then(serde_json::Value::as_array).expect("one array");
    snapshots.iter().map(|snapshot| text(snapshot, "id")).collect()
}

fn text(value: &serde_json::Value, field: &str) -> String {
    value.get(field).and_then(serde_json::Value::as_str).unwrap_or_else(|| panic!("no {field}: {value}")).to_owned()
}

#[test]
fn a_policy_is_shown_then_done_then_undone() {
    let (world, ids) = world_of_days(&["2026-01-01", "2026-01-02", "2026-01-03"]);
    let rehearsed = world.run(["forget", "--keep-daily", "1", "-n"]).succeeded();
    for part in [
        "host h; paths ",
        "stays",
        "goes",
        "daily snapshot",
        "beyond 1 daily",
        "could then free",
        "nothing was forgotten",
    ] {
        assert!(rehearsed.out.contains(part), "{part}: {}", rehearsed.out);
    }
    assert_eq!(listed(&world, &[]).len(), 3);
    let done = world.run(["forget", "--keep-daily", "1"]).succeeded();
    assert!(done.out.contains("1 snapshot stays, 2 go\n2 snapshots forgotten"), "{}", done.out);
    assert_eq!(listed(&world, &[]), ids[2..]);
    assert_eq!(listed(&world, &["--forgotten"]), ids[..2]);
    let back = world.run(["forget", "--undo", &ids[0]]).succeeded();
    assert_eq!(back.out, format!("back again: {}\n", &ids[0][..8]));
    assert_eq!(listed(&world, &[]), [ids[0].clone(), ids[2].clone()]);
    assert_eq!(listed(&world, &["--forgotten"]), ids[1..2]);
    world.run(["check", "--read-data"]).succeeded();
}

#[test]
fn programs_read_groups_with_what_stays_and_why() {
    let (world, ids) = world_of_days(&["2026-01-01", "2026-01-02"]);
    let groups = world.run(["forget", "--json", "-d", "1", "-n"]).succeeded().json();
    let group = &groups[0][0];
    assert_eq!((&group["host"], &group["tags"]), (&"h".into(), &serde_json::Value::Null));
    assert_eq!(group["paths"], serde_json::json!([world.path("tree").to_string_lossy()]));
    assert_eq!((&group["keep"][0]["id"], &group["remove"][0]["id"]), (&ids[1].clone().into(), &ids[0].clone().into()));
    assert_eq!(group["reasons"][0]["matches"], serde_json::json!(["daily snapshot"]));
    assert_eq!(group["reasons"][0]["snapshot"]["id"], ids[1]);
    assert_eq!(group["removals"][0], serde_json::json!({"id": ids[0], "causes": ["beyond 1 daily"]}));
    let forecast = world.run(["forget", "--json", "-d", "1", "-n"]).succeeded().only("forecast");
    assert_eq!(forecast["unused_bytes"], 0);
    let freed_bytes = forecast["freed_bytes"].as_u64().unwrap();
    let freed = world.run(["forget", "--json", "-d", "1", "--prune"]).succeeded().only("summary");
    assert!(freed_bytes > 0 && freed_bytes <= freed["bytes_deleted"].as_u64().unwrap(), "{freed_bytes}: {freed}");
}

#[test]
fn days_begin_by_the_clocks_of_the_zone_that_is_named() {
    let world = World::with_repository();
    world.file("tree/a", b"a");
    for time in ["2026-01-01T22:30:00Z", "2026-01-01T23:30:00Z"] {
        world.run(["backup", "--time", time, "tree"]).succeeded();
    }
    let goes = |zone: &str| {
        let groups = world.run(["forget", "--json", "-n", "-d", "7", "--time-zone", zone]).succeeded().json();
        groups[0][0]["remove"].as_array().expect("an array").len()
    };
    // Oldest of all, and the rule has places left: restic keeps it too, so a third one shows the difference.
    world.run(["backup", "--time", "2025-12-01T00:00:00Z", "tree"]).succeeded();
    assert_eq!((goes("UTC"), goes("Europe/Berlin")), (1, 0));
    world.run(["forget", "-d", "7", "--time-zone", "Moon/Tycho"]).ended(2);
}

#[test]
fn what_makes_no_sense_is_refused_and_forgets_nothing() {
    let (world, ids) = world_of_days(&["2026-01-01"]);
    let empty = world.run(["forget"]).ended(2);
    assert!(empty.err.contains("say what to keep"), "{}", empty.err);
    for line in [
        &["forget", "--keep-daily", "0"][..],
        &["forget", "--keep-daily", "1", &ids[0]],
        &["forget", "--undo"],
        &["forget", "--undo", "--keep-daily", "1"],
        &["forget", "--keep-within", "7w"],
        &["forget", "--group-by", "size", "--keep-last", "1"],
        &["forget", "--keep-last", "-2"],
        &["pin", &ids[0], "--until", "2020-01-01"],
        &["sessions", "abort", "x"],
    ] {
        world.run(line).ended(2);
    }
    world.run(["forget", "ffffffff"]).ended(1);
    world.run(["sessions", "abort", "ffffffff-1"]).ended(1);
    assert_eq!(listed(&world, &[]), ids);
    assert!(world.run(["forget", "-l", "-1"]).succeeded().out.contains("0 snapshots forgotten"));
}

#[test]
fn a_pin_is_shown_protects_and_is_lifted() {
    let (world, ids) = world_of_days(&["2026-01-01", "2026-01-02"]);
    world.run(["pin", &ids[0], "--until", "2100-01-01"]).succeeded();
    assert!(world.run(["snapshots"]).succeeded().out.contains("(pinned until 2100-01-01 00:00:00)"));
    let refused = world.run(["forget", &ids[0]]).ended(1);
    assert!(refused.err.contains("pinned") && refused.err.contains("unpin"), "{}", refused.err);
    let kept = world.run(["forget", "--keep-last", "1"]).succeeded();
    assert!(kept.out.contains("pinned until 2100"), "{}", kept.out);
    world.run(["unpin", &ids[0]]).succeeded();
    world.run(["forget", &ids[0]]).succeeded();
    assert_eq!(listed(&world, &[]), ids[1..]);
    let pinned = world.run(["pin", &ids[0]]).succeeded();
    assert!(pinned.out.contains("back again"), "{}", pinned.out);
    assert_eq!(listed(&world, &[]), ids);
    assert_eq!(world.run(["snapshots", "--json"]).succeeded().json()[0][0]["pinned"], true);
}

#[test]
fn a_writer_that_was_aborted_fails_with_what_to_do_and_its_next_run_reuses_what_it_stored() {
    let world = World::with_repository();
    assert_eq!(world.run(["sessions"]).succeeded().out, "no session is open\n");
    let noise = (0..6_000_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).rotate_left(7).to_le_bytes());
    world.file("tree/a", &noise.collect::<Vec<u8>>());
    let mut backup = world.command();
    backup.args(["backup", "tree"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = backup.spawn().expect("the program starts");
    stop_once_open(&world, &running);
    let sessions = world.run(["sessions", "--json"]).succeeded().json();
    let fitting = |one: &&serde_json::Value| one["kind"] == "backup";
    let session = sessions[0].as_array().expect("an array").iter().find(fitting).expect("it is stopped while open");
    assert_eq!((&session["process"], &session["pid"]), (&"running".into(), &running.id().into()));
    let id = session["short_id"].as_str().expect("an id");
    let shown = world.run(["sessions"]).succeeded().out;
    for part in [id, "backup", "runs here", "tree"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(world.run(["sessions", "abort", id]).succeeded().out.contains("aborted"));
    send(&running, "CONT");
    let told = Finished::of(&running.wait_with_output().expect("it ends")).ended(1);
    for part in ["aborted by someone else", "run again"] {
        assert!(told.err.contains(part), "{part}: {}", told.err);
    }
    assert_eq!(world.run(["snapshots", "--json"]).succeeded().out, "[]\n");
    let again = world.run(["backup", "--json", "tree"]).succeeded().only("summary");
    assert!(again["data_added"].as_u64().is_some_and(|bytes| bytes < 1_000_000), "its content is stored: {again}");
    assert_eq!(world.run(["sessions"]).succeeded().out, "no session is open\n");
    world.run(["check", "--read-data"]).succeeded();
}

/// Stops a backup between the opening of its first checkpoint, which comes after its own session, and its end.
fn stop_once_open(world: &World, running: &std::process::Child) {
    let began = Instant::now();
    let is_object = |name: std::ffi::OsString| !name.to_string_lossy().starts_with('.');
    let opened = || {
        let found = std::fs::read_dir(world.path("repository/sessions")).into_iter().flatten().flatten();
        found.filter(|entry| is_object(entry.file_name())).count() > 1
    };
    while !opened() {
        assert!(began.elapsed() < Duration::from_secs(60), "no session was opened");
        std::thread::sleep(Duration::from_millis(1));
    }
    send(running, "STOP");
}

fn send(process: &std::process::Child, signal: &str) {
    let sent = std::process::Command::new("kill").args(["-s", signal, &process.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn forgetting_with_a_prune_deletes_what_only_the_forgotten_needed() {
    let (world, ids) = world_of_days(&["2026-01-01", "2026-01-02"]);
    let done = world.run(["forget", "--keep-last", "1", "--prune"]).succeeded();
    assert!(done.out.contains("1 snapshot forgotten"), "{}", done.out);
    assert!(done.out.contains("freed "), "{}", done.out);
    assert_eq!(listed(&world, &[]), ids[1..]);
    world.run(["check", "--read-data"]).succeeded();
    world.run(["forget", "--undo", &ids[0]]).ended(1);
    let told = world.run(["forget", "--keep-last", "1", "--prune", "-n"]).succeeded();
    assert!(told.out.ends_with("nothing was forgotten\n"), "{}", told.out);
}

/// The objects in a folder of the repository.
fn objects(world: &World, folder: &str) -> Vec<std::path::PathBuf> {
    let below = world.path("repository").join(folder);
    let all = crate::run::contents(&below).into_iter().map(|(name, _)| below.join(name));
    all.filter(|path| path.is_file()).collect()
}

/// The pin was overlooked when its record was damaged or gone: the snapshot was forgotten, pruned, and no undo helped.
#[test]
fn a_pin_whose_record_is_damaged_or_gone_protects_all_the_same() {
    type Inflict = fn(&World);
    let wounds: [(&str, Inflict); 3] = [
        ("damaged", |world| {
            for record in objects(world, "records") {
                let mut bytes = std::fs::read(&record).expect("it is there");
                let middle = bytes.len() / 2;
                bytes[middle] ^= 4;
                std::fs::remove_file(&record).expect("it is there");
                std::fs::write(&record, bytes).expect("it can be written");
            }
        }),
        ("gone", |world| std::fs::remove_dir_all(world.path("repository/records")).expect("it is there")),
        ("gone below a later one", |world| {
            world.run(["pin", "latest"]).succeeded();
            let first = objects(world, "records").into_iter().min().expect("a record");
            let name = format!("mirror/records-{}", first.file_name().expect("a name").display());
            std::fs::remove_file(world.path("repository").join(name)).expect("a second copy");
            std::fs::remove_file(first).expect("it is there");
        }),
    ];
    for (wound, inflict) in wounds {
        let (world, ids) = world_of_days(&["2026-01-01", "2026-01-02"]);
        world.run(["pin", &ids[0]]).succeeded();
        inflict(&world);
        for arguments in
            [&["forget", "--keep-last", "1"][..], &["forget", "-n", "--keep-last", "1"], &["forget", &ids[0]]]
        {
            let refused = world.run(arguments).ended(5);
            assert!(refused.err.contains("nothing is forgotten while records/"), "{wound}: {}", refused.err);
            assert!(refused.err.contains("check --repair"), "{wound}: {}", refused.err);
        }
        let refused = world.run(["prune"]).ended(5);
        assert!(refused.err.contains("nothing is collected while records/"), "{wound}: {}", refused.err);
        if wound == "gone below a later one" {
            world.run(["check", "--repair"]).ended(5);
            continue;
        }
        world.run(["check", "--repair"]).succeeded();
        world.run(["forget", "--keep-last", "1"]).succeeded();
        world.run(["prune"]).succeeded();
        assert_eq!(listed(&world, &[]).len(), 2, "{wound}");
    }
}
