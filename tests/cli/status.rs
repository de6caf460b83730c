//! What `status` says of the sets of a profile, and the figures that a run leaves for monitoring.

use crate::profiles::{BACKUP, far_schedule, profile, run, text, world};
use crate::run::World;
use std::path::PathBuf;

const REPOSITORY: &str = "store = \"repository\"\npassword-file = \"password\"";

fn record(world: &World) -> PathBuf {
    world.path("home/.local/state/holdall/runs/home.json")
}

/// Makes all that happened to the set have happened so much earlier.
fn age(world: &World, seconds: i64) {
    let mut kept: serde_json::Value = serde_json::from_str(&text(world, record(world))).expect("a record");
    for place in ["/backup/time_s", "/run/began_s", "/run/ended_s"] {
        let time = kept.pointer_mut(place).expect("it is kept");
        *time = (time.as_i64().expect("a time") - seconds).into();
    }
    std::fs::write(record(world), kept.to_string()).expect("a record");
}

#[test]
fn a_backup_that_is_too_old_or_missing_gives_the_exit_code_that_monitoring_wants() {
    let far = far_schedule();
    let world = world(&format!("[set.home]\nmax-age = \"26h\"\nschedule = \"{far}\"\n{BACKUP}"));
    let nothing = run(&world, &["status", "--json"]).ended(1).only("set_status");
    for field in ["last_backup", "snapshot_id", "age_seconds", "last_run", "next_run"] {
        assert!(nothing.get(field).is_none(), "{field}: {nothing}");
    }
    let never = run(&world, &["status"]).ended(1);
    assert!(never.out.contains("never") && never.out.contains("too old") && never.out.contains("now"), "{}", never.out);
    run(&world, &["run"]).succeeded();
    let fresh = run(&world, &["status", "home"]).succeeded().out;
    let line = fresh.lines().last().expect("a line");
    assert!(
        line.contains(" 0 m ")
            && line.contains(&format!(" {}:00 ", far.trim_start_matches("daily ")))
            && line.ends_with(" ok"),
        "{fresh}"
    );
    age(&world, 25 * 3600);
    assert!(run(&world, &["status"]).succeeded().out.contains("1 d 1 h"));
    age(&world, 2 * 3600);
    assert!(run(&world, &["status"]).ended(1).out.contains("1 d 3 h too old"));
    let told = run(&world, &["status", "--json"]).ended(1).only("set_status");
    assert_eq!((&told["set"], &told["repository"], &told["too_old"]), (&"home".into(), &"r".into(), &true.into()));
    assert!(told["age_seconds"].as_u64().is_some_and(|age| (97_200..97_300).contains(&age)), "{told}");
    assert_eq!(
        (&told["max_age_seconds"], &told["running"], &told["due"]),
        (&93_600.into(), &false.into(), &false.into())
    );
    assert_eq!((&told["last_run"]["outcome"], &told["last_run"]["exit_code"]), (&"ok".into(), &0.into()), "{told}");
    assert!(told["snapshot_id"].as_str().is_some_and(|id| id.len() == 64), "{told}");
    assert!(told["next_run"].is_string(), "{told}");
}

#[test]
fn a_run_that_fails_does_not_make_the_last_backup_younger() {
    let world = world(&format!("[set.home]\nmax-age = \"1h\"\n{BACKUP}"));
    run(&world, &["run"]).succeeded();
    let before = run(&world, &["status", "--json"]).succeeded().only("set_status");
    age(&world, 7200);
    profile(&world, REPOSITORY, &format!("[set.home]\nmax-age = \"1h\"\n{BACKUP}command = \"db=exit 1\"\n"));
    run(&world, &["run"]).ended(4);
    let after = run(&world, &["status", "--json"]).ended(1).only("set_status");
    assert_eq!(after["snapshot_id"], before["snapshot_id"]);
    assert_eq!(
        (&after["last_run"]["outcome"], &after["last_run"]["exit_code"]),
        (&"failed".into(), &4.into()),
        "{after}"
    );
    let shown = run(&world, &["status"]).ended(1).out;
    assert!(shown.contains("failed: ") && shown.contains("db"), "{shown}");
}

#[test]
fn a_backup_in_the_future_is_told_and_is_no_good_sign() {
    let world = world(BACKUP);
    run(&world, &["run"]).succeeded();
    age(&world, -20);
    run(&world, &["status"]).succeeded();
    age(&world, -86_400);
    let shown = run(&world, &["status"]).ended(1).out;
    assert!(shown.contains("in the future"), "{shown}");
    let told = run(&world, &["status", "--json"]).ended(1).only("set_status");
    assert!(told["too_old"] == true && told.get("age_seconds").is_none(), "{told}");
}

#[test]
fn a_run_that_was_killed_is_shown_as_such() {
    let world = world(BACKUP);
    run(&world, &["run"]).succeeded();
    let mut kept: serde_json::Value = serde_json::from_str(&text(&world, record(&world))).expect("a record");
    kept["run"] = serde_json::json!({ "began_s": 1_795_230_600 });
    std::fs::write(record(&world), kept.to_string()).expect("a record");
    assert!(
        run(&world, &["status"]).succeeded().out.trim_end().ends_with("killed"),
        "without a max-age nothing is too old"
    );
}

#[test]
fn a_set_that_only_looks_after_a_repository_is_as_old_as_its_last_run_that_did_all() {
    let world = world("[set.home]\nmax-age = \"1h\"\n[set.home.check]\n");
    run(&world, &["status"]).ended(1);
    run(&world, &["run"]).succeeded();
    run(&world, &["status"]).succeeded();
}

#[test]
fn a_run_leaves_its_figures_where_monitoring_finds_them() {
    let world = world("");
    std::fs::create_dir(world.path("metrics")).expect("a folder");
    let place = world.path("metrics").display().to_string();
    let sets = format!("[set.home]\nmax-age = \"26h\"\n{BACKUP}[set.home.prune]\n");
    let file = world.path("home/.config/holdall/holdall.toml");
    std::fs::write(&file, format!("metrics-folder = \"{place}\"\n[repository.r]\n{REPOSITORY}\n{sets}"))
        .expect("a profile");
    run(&world, &["run"]).succeeded();
    let names: Vec<_> =
        std::fs::read_dir(world.path("metrics")).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["holdall-home.prom"], "nothing half written is left");
    let page = text(&world, "metrics/holdall-home.prom");
    for line in [
        "holdall_run_exit_code{set=\"home\"} 0",
        "holdall_run_outcome{set=\"home\",outcome=\"ok\"} 1",
        "holdall_backup_max_age_seconds{set=\"home\"} 93600",
        "holdall_backup_files{set=\"home\"} 1",
        "holdall_step_exit_code{set=\"home\",step=\"prune\"} 0",
    ] {
        assert!(page.contains(&format!("\n{line}\n")), "{page}");
    }
}

#[test]
fn figures_that_can_not_be_written_are_told_and_change_nothing_else() {
    let world = world("");
    let profile = |folder: &str| {
        let top =
            format!("metrics-folder = \"{}\"\n[repository.r]\n{REPOSITORY}\n{BACKUP}", world.path(folder).display());
        std::fs::write(world.path("home/.config/holdall/holdall.toml"), top).expect("a profile");
    };
    profile("metrics");
    run(&world, &["run"]).succeeded();
    assert!(
        text(&world, "metrics/holdall-home.prom").ends_with("# EOF\n"),
        "a folder whose own folder is there is made"
    );
    // What is mounted somewhere is not made while it isn't.
    profile("nowhere/metrics");
    let done = run(&world, &["run", "--json"]).ended(0);
    assert_eq!(done.only("set_summary")["outcome"], "ok");
    assert!(
        done.err.contains("the figures of home were not written: ") && done.err.contains("nowhere/metrics"),
        "{}",
        done.err
    );
    assert!(!world.path("nowhere").exists());
}

#[test]
fn a_set_without_any_backup_gives_the_exit_code_that_monitoring_wants_also_without_a_max_age() {
    let world = world(BACKUP);
    assert_eq!(run(&world, &["status", "--json"]).ended(1).only("set_status")["too_old"], true);
    profile(&world, REPOSITORY, &format!("{BACKUP}command = \"db=exit 1\"\n"));
    run(&world, &["run"]).ended(4);
    let tried = run(&world, &["status"]).ended(1).out;
    assert!(tried.contains("never") && tried.contains("failed: "), "{tried}");
    profile(&world, REPOSITORY, BACKUP);
    run(&world, &["run"]).succeeded();
    run(&world, &["status"]).succeeded();
}
