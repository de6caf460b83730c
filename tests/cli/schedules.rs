//! Having sets run by themselves: what systemd and cron are told.

use crate::lacking::leave_out;
use crate::profiles::{BACKUP, bare, profile, run, snapshots, text, world};
use crate::run::{Finished, World};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const REPOSITORY: &str = "store = \"repository\"\npassword-file = \"password\"";
const SCHEDULED: &str = "[set.home]\nschedule = \"daily 00:00\"\n";

fn scheduled() -> World {
    world(&format!("{SCHEDULED}{BACKUP}[set.other.prune]\n"))
}

/// Puts a program before all others.
fn program(world: &World, name: &str, script: &str) {
    let path = world.file(format!("bin/{name}"), format!("#!/bin/sh\n{script}\n").as_bytes());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}

fn with_programs(world: &World, line: &[&str]) -> Finished {
    let path = format!("{}:/usr/bin:/bin", world.path("bin").display());
    Finished::of(&bare(world).env("PATH", path).args(line).output().expect("the program starts"))
}

/// A cron whose crontab is the file `crontab`.
fn cron(world: &World) {
    let file = world.path("crontab").display().to_string();
    let script = format!(
        "case $1 in\n-l) test -e {file} || {{ echo 'no crontab for me' >&2; exit 1; }}; cat {file} ;;\n-) cat > {file} ;;\nesac"
    );
    program(world, "crontab", &script);
}

#[test]
fn units_for_systemd_start_the_set_and_catch_up() {
    let world = scheduled();
    let done = run(&world, &["schedule", "install", "--into", "units"]).succeeded();
    assert!(done.out.starts_with("home: next run ") && done.out.ends_with(" 00:00:00\n"), "{}", done.out);
    let timer = text(&world, "units/holdall-home.timer");
    assert!(timer.contains("\nOnCalendar=*-*-* 00:00:00\nOnCalendar=*:0/15\n"), "{timer}");
    assert!(timer.contains("\nPersistent=true\n"), "{timer}");
    let service = text(&world, "units/holdall-home.service");
    let config = world.path("home/.config/holdall/holdall.toml").display().to_string();
    let line = format!(
        "\nExecStart=\"{}\" \"--config={config}\" \"--quiet\" \"run\" \"--due\" \"home\"\n",
        env!("CARGO_BIN_EXE_holdall")
    );
    assert!(service.contains(&line), "{service}");
    let home = format!("\nEnvironment=\"HOME={}\"\n", world.path("home").display());
    assert!(service.contains(&home) && service.contains("\nKillMode=mixed\n"), "{service}");
    assert!(!world.path("units/holdall-other.timer").exists(), "it has no schedule");
    // systemd itself knows best whether it understands.
    let units = ["units/holdall-home.timer", "units/holdall-home.service"].map(|unit| world.path(unit));
    let mut verify = Command::new("systemd-analyze");
    match verify.arg("verify").arg("--man=no").args(units).output() {
        Ok(verified) => {
            let said = String::from_utf8_lossy(&verified.stderr).into_owned();
            assert!(!said.contains("holdall-home"), "{said}");
        }
        Err(error) => leave_out("systemd", &format!("systemd-analyze: {error}")),
    }
}

/// The run would find the cache elsewhere than all others do.
#[test]
fn a_unit_names_the_cache_from_the_root() {
    let world = scheduled();
    let line = ["schedule", "install", "--into", "units"];
    Finished::of(&bare(&world).env("HOLDALL_CACHE_DIR", "cache").args(line).output().expect("it starts")).ended(0);
    let service = text(&world, "units/holdall-home.service");
    let cache = format!("\nEnvironment=\"HOLDALL_CACHE_DIR={}\"\n", world.path("cache").display());
    assert!(service.contains(&cache), "{service}");
}

#[test]
fn programs_are_told_what_would_be_installed() {
    let world = scheduled();
    let units = run(&world, &["schedule", "install", "--into", "units", "-n", "--json"]).succeeded().json();
    let paths: Vec<&str> = units.iter().filter_map(|unit| unit["path"].as_str()).collect();
    assert_eq!(paths, ["units/holdall-home.service", "units/holdall-home.timer"]);
    assert!(units[1]["text"].as_str().is_some_and(|text| text.contains("OnCalendar=")), "{units:?}");
    let lines = run(&world, &["schedule", "install", "--cron", "-n", "--json"]).succeeded().only("planned");
    assert!(
        lines["path"].is_null() && lines["text"].as_str().is_some_and(|text| text.contains("*/5 * * * * ")),
        "{lines}"
    );
}

/// Its timer would never have started anything.
#[test]
fn a_schedule_that_systemd_does_not_take_is_not_installed() {
    let world = world(&format!("[set.home]\nschedule = \"systemd: nonsense foo\"\n{BACKUP}"));
    let told =
        "test \"$*\" = 'calendar -- nonsense foo' && echo \"Failed to parse calendar specification\" >&2; exit 1";
    program(&world, "systemd-analyze", told);
    let line = ["schedule", "install", "--into", "units"];
    let refused = with_programs(&world, &line).ended(2);
    let why = "[set.home]: its schedule is none for systemd: Failed to parse calendar specification";
    assert!(refused.err.contains(why) && !world.path("units").exists(), "{}", refused.err);
    // One that can't be asked refuses nothing.
    program(&world, "systemd-analyze", "echo 'Unknown operation' >&2; exit 1");
    with_programs(&world, &line).ended(0);
}

/// The words of a unit's command, all of them quoted and plain.
fn started(service: &str) -> Command {
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let mut words = line.trim_matches('"').split("\" \"");
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words);
    command
}

/// A timer of systemd passes over a time that the clocks skip, and knows nothing of a run that a shutdown ended.
#[test]
fn what_a_timer_starts_again_and_again_backs_up_once_when_a_run_was_missed_or_cut_short() {
    let world = scheduled();
    run(&world, &["schedule", "install", "--into", "units"]).succeeded();
    let by_timer = || {
        let mut command = started(&text(&world, "units/holdall-home.service"));
        let output = command.env_clear().env("HOME", world.path("home")).current_dir("/").output();
        Finished::of(&output.expect("it starts")).succeeded();
    };
    by_timer();
    assert_eq!(snapshots(&world), 0, "the first moment has not come yet");
    let record = world.path("home/.local/state/holdall/runs/home.json");
    let missed = serde_json::json!({ "settled_s": 1_795_230_600 });
    let run = serde_json::json!({ "began_s": 1_795_317_000, "ended_s": 1_795_317_010, "outcome": "interrupted", "exit_code": 143 });
    let cut_short = serde_json::json!({ "settled_s": 1_795_230_600, "run": run });
    for (made, kept) in [(1, missed), (2, cut_short)] {
        std::fs::write(&record, kept.to_string()).expect("a record");
        (0..3).for_each(|_| by_timer());
        assert_eq!(snapshots(&world), made);
    }
}

#[test]
fn the_sets_of_one_name_of_two_profiles_come_and_go_apart() {
    let world = scheduled();
    cron(&world);
    let (usual, other) = ("home/.config/holdall/holdall.toml", "home/.config/holdall/other.toml");
    std::fs::copy(world.path(usual), world.path(other)).expect("a profile");
    for place in [&["--into", "units"][..], &["--cron"]] {
        let call = |words: &[&str]| with_programs(&world, &[&["schedule"], words, place].concat()).succeeded().out;
        let count = || call(&["list"]).lines().filter(|line| line.contains("home")).count();
        call(&["install"]);
        call(&["install", "--config", other]);
        assert_eq!(count(), 2, "{place:?}");
        call(&["remove", "home", "--config", other]);
        assert!(call(&["list"]).contains("holdall.toml"), "{place:?}");
        assert_eq!(count(), 1, "{place:?}");
        call(&["install", "--config", other]);
        call(&["remove", "home"]);
        assert!(call(&["list"]).contains("other.toml"), "{place:?}");
        assert_eq!(count(), 1, "{place:?}");
        call(&["remove"]);
        assert_eq!(count(), 0, "whoever names nothing means all");
    }
}

#[test]
fn units_of_another_profile_are_not_written_over_while_it_is_there() {
    let world = scheduled();
    let usual = world.path("home/.config/holdall/holdall.toml");
    run(&world, &["schedule", "install", "--into", "units"]).succeeded();
    let elsewhere = world.file("else/holdall/holdall.toml", &std::fs::read(&usual).expect("a profile"));
    let again = || {
        let mut command = bare(&world);
        command.env("XDG_CONFIG_HOME", world.path("else")).args(["schedule", "install", "--into", "units"]);
        Finished::of(&command.output().expect("the program starts"))
    };
    let refused = again().ended(1);
    assert!(refused.err.contains(&format!("home of {} is installed there", usual.display())), "{}", refused.err);
    std::fs::remove_file(&usual).expect("a profile");
    again().succeeded();
    assert!(text(&world, "units/holdall-home.timer").contains(&elsewhere.display().to_string()));
}

#[test]
fn systemd_is_told_what_to_start_and_to_stop() {
    let world = scheduled();
    program(&world, "systemctl", &format!("echo \"$@\" >> {}", world.path("told").display()));
    with_programs(&world, &["schedule", "install", "--user"]).succeeded();
    let unit = world.path("home/.config/systemd/user/holdall-home.timer");
    assert!(unit.exists());
    let list = with_programs(&world, &["schedule", "list", "--user", "--json"]).succeeded().only("scheduled");
    assert_eq!((&list["set"], &list["by"]), (&"home".into(), &"systemd --user".into()));
    assert_eq!(list["calendar"], "*-*-* 00:00:00");
    assert!(list["next_run"].is_string(), "{list}");
    with_programs(&world, &["schedule", "remove", "--user", "gone"]).ended(1);
    with_programs(&world, &["schedule", "remove", "--user"]).succeeded();
    assert!(!unit.exists() && !unit.with_extension("service").exists());
    let told = text(&world, "told");
    let expected = [
        "--user daemon-reload",
        "--user enable --now holdall-home.timer",
        "--user restart holdall-home.timer",
        "--user disable --now holdall-home.timer",
        "--user daemon-reload",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    program(&world, "systemctl", "echo 'no bus' >&2; exit 1");
    let failed = with_programs(&world, &["schedule", "install", "--user"]).ended(1);
    assert!(failed.err.contains("systemctl daemon-reload failed: no bus"), "{}", failed.err);
}

#[test]
fn a_crontab_gets_a_line_for_each_set_and_keeps_those_of_others() {
    let world = scheduled();
    cron(&world);
    let others = "MAILTO=eva\n0 4 * * * own 50\\%\n";
    world.file("crontab", others.as_bytes());
    with_programs(&world, &["schedule", "install", "--cron"]).succeeded();
    let once = text(&world, "crontab");
    with_programs(&world, &["schedule", "install", "--cron", "home"]).succeeded();
    assert_eq!(text(&world, "crontab"), once, "twice is once");
    assert!(once.starts_with(others), "{once}");
    assert_eq!(once.lines().count(), 5, "{once}");
    let list = with_programs(&world, &["schedule", "list", "--cron"]).succeeded().out;
    assert!(list.contains("home  cron  when due"), "{list}");
    with_programs(&world, &["schedule", "remove", "--cron", "home"]).succeeded();
    assert_eq!(text(&world, "crontab"), others);
}

#[test]
fn what_was_installed_for_a_set_that_has_no_schedule_any_more_is_taken_away() {
    let world = scheduled();
    cron(&world);
    let install = |line: &[&str]| with_programs(&world, &[&["schedule", "install"], line].concat()).succeeded().out;
    let both = format!("{SCHEDULED}{BACKUP}[set.other]\nschedule = \"hourly\"\n[set.other.prune]\n");
    let without = format!("{SCHEDULED}{BACKUP}[set.other.prune]\n");
    for (place, file) in [(&["--cron"][..], "crontab"), (&["--into", "units"], "units/holdall-other.timer")] {
        let is_there = || fs::read_to_string(world.path(file)).is_ok_and(|text| text.contains("other"));
        profile(&world, REPOSITORY, &both);
        install(place);
        profile(&world, REPOSITORY, &without);
        install(&[place, &["home"]].concat());
        assert!(is_there(), "{place:?}: another set was named");
        let told = install(&[place, &["-n"]].concat());
        assert!(told.ends_with("other: would be taken away, it has no schedule any more\n"), "{told}");
        assert!(is_there(), "{place:?}");
        let told = install(place);
        assert!(told.ends_with("other: taken away, it has no schedule any more\n"), "{told}");
        assert!(!is_there(), "{place:?}");
        assert!(!install(place).contains("other"));
    }
}

#[test]
fn a_crontab_that_can_not_be_read_is_not_written_over() {
    let world = scheduled();
    let written = world.path("written").display().to_string();
    program(&world, "crontab", &format!("test \"$1\" = - && touch {written}; echo 'may not be used' >&2; exit 1"));
    let failed = with_programs(&world, &["schedule", "install", "--cron"]).ended(1);
    assert!(failed.err.contains("may not be used"), "{}", failed.err);
    assert!(!world.path("written").exists());
}

#[test]
fn what_a_crontab_runs_every_five_minutes_backs_up_once_when_a_run_was_missed() {
    let world = scheduled();
    cron(&world);
    with_programs(&world, &["schedule", "install", "--cron"]).succeeded();
    let crontab = text(&world, "crontab");
    let line = crontab.lines().find_map(|line| line.strip_prefix("*/5 * * * * ")).expect("a line").replace("\\%", "%");
    // As cron runs it: by a shell, with next to nothing in the environment.
    let by_cron = || {
        let mut shell = Command::new("/bin/sh");
        let output = shell.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").arg("-c").arg(&line).output();
        Finished::of(&output.expect("a shell")).succeeded()
    };
    by_cron();
    assert_eq!(snapshots(&world), 0, "the first moment has not come yet");
    let record = world.path("home/.local/state/holdall/runs/home.json");
    let missed = serde_json::json!({ "settled_s": 1_795_230_600 });
    std::fs::write(record, missed.to_string()).expect("a record");
    for _ in 0..3 {
        assert_eq!(by_cron().out, "", "cron would mail it");
    }
    assert_eq!(snapshots(&world), 1);
}

/// Where it was not handed on, the run took its profile for another one, and `status` knew of no run for ever.
#[test]
fn what_runs_by_itself_is_the_set_of_the_profile_that_status_looks_at() {
    let world = scheduled();
    cron(&world);
    let folder = world.path("configured");
    std::fs::rename(world.path("home/.config"), &folder).expect("it moves");
    let configured = |line: &[&str]| {
        let path = format!("{}:/usr/bin:/bin", world.path("bin").display());
        let mut command = bare(&world);
        command.env("XDG_CONFIG_HOME", &folder).env("PATH", path).args(line);
        Finished::of(&command.output().expect("the program starts"))
    };
    configured(&["schedule", "install", "--into", "units"]).succeeded();
    let variable = format!("\nEnvironment=\"XDG_CONFIG_HOME={}\"\n", folder.display());
    assert!(text(&world, "units/holdall-home.service").contains(&variable));
    configured(&["schedule", "install", "--cron"]).succeeded();
    let record = world.path("home/.local/state/holdall/runs/home.json");
    std::fs::write(record, serde_json::json!({ "settled_s": 1_795_230_600 }).to_string()).expect("a record");
    let crontab = text(&world, "crontab");
    let line = crontab.lines().find_map(|line| line.strip_prefix("*/5 * * * * ")).expect("a line").replace("\\%", "%");
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").arg("-c").arg(&line);
    Finished::of(&shell.output().expect("a shell")).succeeded();
    let status = configured(&["status", "home"]).succeeded().out;
    assert!(status.trim_end().ends_with(" ok"), "{status}");
}

#[test]
fn what_could_not_run_by_itself_is_not_installed() {
    let world = scheduled();
    cron(&world);
    let refused = with_programs(&world, &["schedule", "install", "--cron", "other"]).ended(2);
    assert!(refused.err.contains("[set.other] has no schedule"), "{}", refused.err);
    profile(&world, "store = \"repository\"", &format!("{SCHEDULED}{BACKUP}"));
    let refused = with_programs(&world, &["schedule", "install", "--cron"]).ended(2);
    assert!(refused.err.contains("needs a password-file"), "{}", refused.err);
    let repository = "store = \"repository\"\npassword-file = \"password\"";
    let only_systemd = SCHEDULED.replace("daily 00:00", "systemd: Mon..Fri 02:30");
    profile(&world, repository, &format!("{only_systemd}{BACKUP}"));
    let refused = with_programs(&world, &["schedule", "install", "--cron"]).ended(2);
    assert!(refused.err.contains("its schedule is for systemd"), "{}", refused.err);
    assert!(!world.path("crontab").exists());
    run(&world, &["schedule", "install", "--into", "units"]).succeeded();
    let timer = text(&world, "units/holdall-home.timer");
    assert!(timer.contains("\nOnCalendar=Mon..Fri 02:30\n# "), "nobody else can tell when it is due: {timer}");
    assert!(text(&world, "units/holdall-home.service").contains("\"run\" \"home\"\n"));
    assert!(run(&world, &["run", "--due", "home"]).ended(2).err.contains("only systemd knows"));
    assert!(run(&world, &["status"]).ended(1).out.contains("as systemd says"));
}

#[test]
fn a_rehearsal_of_an_installation_prints_it_and_writes_nothing() {
    let world = scheduled();
    cron(&world);
    let shown = with_programs(&world, &["schedule", "install", "--cron", "-n"]).succeeded().out;
    assert!(shown.contains("\n*/5 * * * * env HOME="), "{shown}");
    let shown = run(&world, &["schedule", "install", "--into", "units", "-n"]).succeeded().out;
    assert!(shown.contains("OnCalendar=") && shown.contains("ExecStart="), "{shown}");
    assert!(!world.path("crontab").exists() && !world.path("units").exists());
}
