//! Profiles: what `run` does with them, and that no hook is left out.

use crate::run::{Finished, PASSWORD, World};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A world with a profile of one repository that needs nothing from the environment, and a tree to back up.
pub(crate) fn world(sets: &str) -> World {
    let world = World::with_repository();
    world.file("password", PASSWORD.as_bytes());
    world.file("tree/a", b"alpha");
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", sets);
    world
}

pub(crate) fn profile(world: &World, repository: &str, sets: &str) {
    world.file("home/.config/holdall/holdall.toml", format!("[repository.r]\n{repository}\n{sets}").as_bytes());
    // Places in a profile begin at its folder.
    for name in ["repository", "password", "tree"] {
        let link = world.path("home/.config/holdall").join(name);
        if link.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(world.path(name), link).expect("a link");
        }
    }
}

/// The program as a timer starts it: nothing in the environment says where the repository is or what opens it.
pub(crate) fn bare(world: &World) -> Command {
    let mut command = world.command();
    command.env_remove("HOLDALL_REPOSITORY").env_remove("HOLDALL_PASSWORD");
    command
}

pub(crate) fn run(world: &World, line: &[&str]) -> Finished {
    let finished = Finished::of(&bare(world).args(line).output().expect("the program starts"));
    if line.contains(&"--json") {
        finished.fits_its_schema(line);
    }
    finished
}

pub(crate) fn text(world: &World, name: impl AsRef<Path>) -> String {
    std::fs::read_to_string(world.path(name)).unwrap_or_default()
}

pub(crate) fn snapshots(world: &World) -> usize {
    let listed = run(world, &["-P", "r", "snapshots", "--json"]).succeeded().json();
    listed.first().and_then(|list| list.as_array()).expect("a list").len()
}

/// Hooks that write down that they ran, and what they were told.
fn noting_hooks(world: &World) -> String {
    let note = |kind: &str| {
        let names = "SET HOOK STEP OUTCOME EXIT_CODE SNAPSHOT REPOSITORY MESSAGE PASSWORD";
        let told: Vec<String> = names.split(' ').map(|name| format!("{name}=$HOLDALL_{name}")).collect();
        let (notes, told) = (world.path("notes").display().to_string(), told.join(";"));
        format!("{kind} = 'echo \"{told}\" >> {notes}'\n")
    };
    format!("[set.home.hooks]\n{}", ["before", "after", "failed", "finally"].map(note).concat())
}

fn notes(world: &World) -> Vec<String> {
    text(world, "notes").lines().map(str::to_owned).collect()
}

pub(crate) const BACKUP: &str = "[set.home.backup]\npaths = [\"tree/\"]\n";

#[test]
fn a_run_backs_up_forgets_prunes_and_checks_with_hooks_around_it() {
    let world = world("");
    let steps = "[set.home.forget]\nkeep-last = 1\n[set.home.prune]\n[set.home.check]\nread-data = true\n";
    let sets = format!("{BACKUP}{steps}{}", noting_hooks(&world));
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", &sets);
    // A snapshot of somebody else stays out of it.
    world.run(["backup", "tree"]).succeeded();
    run(&world, &["run"]).succeeded();
    world.file("tree/b", b"beta");
    let second = run(&world, &["run", "--json", "home"]).succeeded();

    let summary = second.only("set_summary");
    assert_eq!((&summary["outcome"], &summary["exit_code"]), (&"ok".into(), &0.into()), "{summary}");
    let steps: Vec<&str> =
        summary["steps"].as_array().expect("steps").iter().filter_map(|s| s["step"].as_str()).collect();
    assert_eq!(steps, ["backup", "forget", "prune", "check"]);
    let id = summary["snapshot_id"].as_str().expect("an id").to_owned();
    let lines = second.json();
    let backup = lines.iter().find(|line| line["step"] == "backup" && line["message_type"] == "summary");
    assert_eq!(backup.map(|line| (&line["set"], &line["snapshot_id"])), Some((&"home".into(), &id.clone().into())));

    // Of the set's own two one was forgotten; it carries the set's name.
    assert_eq!(snapshots(&world), 2);
    assert_eq!(run(&world, &["-P", "home", "snapshots", "--tag", "home", "--json"]).json()[0][0]["id"], id);
    let told = notes(&world);
    let (repository, id) = (world.path("home/.config/holdall/repository").display().to_string(), id);
    assert_eq!(told.len(), 6, "{told:?}");
    let before =
        format!("SET=home;HOOK=before;STEP=;OUTCOME=;EXIT_CODE=;SNAPSHOT=;REPOSITORY={repository};MESSAGE=;PASSWORD=");
    let with = |kind: &str| {
        format!(
            "SET=home;HOOK={kind};STEP=check;OUTCOME=ok;EXIT_CODE=0;SNAPSHOT={id};REPOSITORY={repository};MESSAGE=;PASSWORD="
        )
    };
    assert_eq!(told[3..], [before, with("after"), with("finally")]);
}

#[test]
fn what_people_see_of_a_run_is_a_line_for_each_step() {
    let world = world(&format!("{BACKUP}[set.home.prune]\n"));
    let out = run(&world, &["run"]).succeeded().out;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(
        lines[0].starts_with("home: backup: snapshot ") && lines[0].contains("saved, 1 file new, 0 changed"),
        "{out}"
    );
    assert!(lines[1].starts_with("home: prune: 0 B freed"), "{out}");
    assert_eq!(lines[2], "home: ok");
    assert_eq!(run(&world, &["run", "--quiet"]).succeeded().out, "");
}

#[test]
fn a_before_that_fails_lets_nothing_begin_and_the_other_hooks_run() {
    let world = world("");
    let hooks = noting_hooks(&world).replace("before = '", "before = 'echo no >&2; exit 7; ");
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", &format!("{BACKUP}{hooks}"));
    let ended = run(&world, &["run"]).ended(4);
    assert!(ended.err.starts_with("no\n") && ended.err.contains("the hook before of home failed"), "{}", ended.err);
    assert_eq!(snapshots(&world), 0);
    let told = notes(&world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("SET=home;HOOK=failed;STEP=before;OUTCOME=failed;EXIT_CODE=4;SNAPSHOT=;"), "{told:?}");
    assert!(told[0].contains("MESSAGE=the hook before of home failed: it ended with exit status: 7;"), "{told:?}");
    assert!(told[1].starts_with("SET=home;HOOK=finally;"), "{told:?}");
}

#[test]
fn a_step_that_fails_ends_the_set_and_no_other() {
    let world = world("");
    let sets = format!(
        "{BACKUP}command = [\"db=exit 1\"]\n[set.home.forget]\nkeep-last = 1\n{}[set.other.backup]\npaths = \"tree\"\n",
        noting_hooks(&world)
    );
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", &sets);
    let ended = run(&world, &["run"]).ended(4);
    assert!(ended.out.contains("home: failed") && ended.out.contains("other: ok"), "{}", ended.out);
    assert!(!ended.out.contains("forget"), "{}", ended.out);
    assert_eq!(snapshots(&world), 1);
    let told = notes(&world);
    let hooks: Vec<&str> = told.iter().filter_map(|line| line.split(';').nth(1)).collect();
    assert_eq!(hooks, ["HOOK=before", "HOOK=failed", "HOOK=finally"]);
    assert!(told[1].contains("STEP=backup;OUTCOME=failed;EXIT_CODE=4;SNAPSHOT=;"), "{told:?}");
}

#[test]
fn items_that_could_not_be_saved_make_a_run_incomplete_and_the_rest_of_it_goes_on() {
    let world = world("");
    let sets = format!("{BACKUP}optional-command = [\"db=exit 1\"]\n[set.home.prune]\n{}", noting_hooks(&world));
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", &sets);
    let ended = run(&world, &["run"]).ended(3);
    assert!(ended.out.contains("home: prune:") && ended.out.ends_with("home: incomplete\n"), "{}", ended.out);
    let told = notes(&world);
    let hooks: Vec<&str> = told.iter().filter_map(|line| line.split(';').nth(1)).collect();
    assert_eq!(hooks, ["HOOK=before", "HOOK=after", "HOOK=finally"]);
    assert!(told[1].contains("OUTCOME=incomplete;EXIT_CODE=3"), "{told:?}");
}

#[test]
fn the_exit_code_is_the_worst_of_all_sets() {
    let world = world("");
    let sets = format!("{BACKUP}command = \"db=exit 1\"\n[set.none]\nrepository = \"gone\"\nprune = {{}}\n");
    profile(
        &world,
        "store = \"repository\"\npassword-file = \"password\"\n[repository.gone]\nstore = \"gone\"\npassword-file = \"password\"",
        &format!("[set.home]\nrepository = \"r\"\n{sets}"),
    );
    let ended = run(&world, &["run"]).ended(10);
    assert!(ended.err.contains("none: prune: there is no repository"), "{}", ended.err);
}

/// Starts a run of a set, which these lines begin, whose backup waits for a command that does not end; its process id
/// stands in the file `waiting`.
fn slow(world: &World, set: &str) -> Child {
    let waits = format!("echo $$ > {}; exec sleep 60", world.path("waiting").display());
    let sets = format!("{set}{BACKUP}command = 'db={waits}'\n{}", noting_hooks(world));
    profile(world, "store = \"repository\"\npassword-file = \"password\"", &sets);
    let mut command = bare(world);
    let child = command.args(["run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for(world, "waiting");
    child
}

fn signal(process: &str, name: &str) {
    let status = Command::new("kill").args([name, process]).status().expect("kill runs");
    assert!(status.success());
}

#[test]
fn finally_runs_after_kill_and_the_signal_gives_the_exit_code() {
    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let world = world("");
        let child = slow(&world, "");
        let began = Instant::now();
        signal(&child.id().to_string(), name);
        let ended = Finished::of(&child.wait_with_output().expect("it ends")).ended(code);
        assert!(began.elapsed() < Duration::from_secs(30), "nobody waits for the command");
        assert!(ended.out.contains("home: interrupted"), "{} {}", ended.out, ended.err);
        let told = notes(&world);
        let hooks: Vec<&str> = told.iter().filter_map(|line| line.split(';').nth(1)).collect();
        assert_eq!(hooks, ["HOOK=before", "HOOK=failed", "HOOK=finally"], "{name}");
        assert!(told[2].contains(&format!("STEP=backup;OUTCOME=interrupted;EXIT_CODE={code};")), "{told:?}");
        assert_eq!(snapshots(&world), 0);
    }
}

/// The signal once waited for somebody to let the step go on.
#[test]
fn a_run_whose_step_was_stopped_ends_when_it_is_asked_to() {
    let world = world("");
    let child = slow(&world, "");
    let step = text(&world, format!("/proc/{0}/task/{0}/children", child.id()));
    signal(step.trim(), "-STOP");
    signal(&child.id().to_string(), "-TERM");
    let began = Instant::now();
    while std::fs::read_to_string(format!("/proc/{}/stat", child.id())).is_ok_and(|stat| !stat.contains(") Z ")) {
        if began.elapsed() > Duration::from_secs(30) {
            signal(step.trim(), "-CONT");
            panic!("the run waits for a step that takes no signal");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Finished::of(&child.wait_with_output().expect("it ends")).ended(143);
}

#[test]
fn a_set_runs_once_at_a_time_also_while_only_its_step_is_left() {
    let world = world("");
    let mut child = slow(&world, "");
    let busy = run(&world, &["run"]).ended(11);
    assert!(busy.err.contains(&format!("being run already: process {} since", child.id())), "{}", busy.err);
    // Who is killed leaves the step, which goes on; nobody begins beside it.
    signal(&child.id().to_string(), "-KILL");
    child.wait().expect("it ends");
    run(&world, &["run"]).ended(11);
    signal(text(&world, "waiting").trim(), "-TERM");
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", BACKUP);
    let began = Instant::now();
    while run(&world, &["run"]).code != Some(0) {
        assert!(began.elapsed() < Duration::from_secs(60), "once the step has ended the set is free");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_daemon_that_a_command_leaves_behind_does_not_keep_the_set() {
    let world = world("");
    // Whatever was its standard input, the daemon keeps it.
    let daemon = format!(
        "exec 3<&0; setsid sh -c 'echo $$ > {}; exec sleep 60' > /dev/null 2>&1 & echo dumped",
        world.path("waiting").display()
    );
    let daemon = world.file("daemon", daemon.as_bytes()).display().to_string();
    let command = format!("command = 'db=sh {daemon}'\n");
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", &format!("{BACKUP}{command}"));
    run(&world, &["run"]).ended(0);
    wait_for(&world, "waiting");
    let again = run(&world, &["run"]);
    assert!(is_running(&world), "the daemon is there");
    signal(text(&world, "waiting").trim(), "-KILL");
    again.ended(0);
}

/// Starts a run whose step waits, and has left a process behind that ignores what asks it to end: its id stands in the file
/// `waiting`, that of the step in the file `step`, and that of the command that the step waits for in the file `command`.
fn with_something_left(world: &World) -> Child {
    let file = |name: &str| world.path(name).display().to_string();
    let left = format!(
        "echo $PPID > {}; sh -c 'trap \"\" TERM; echo $$ > {}; exec sleep 60' > /dev/null 2>&1 & cat {}",
        file("step"),
        file("waiting"),
        file("password")
    );
    let secret = world.file("secret", left.as_bytes()).display().to_string();
    let slow = format!("command = 'db=echo $$ > {}; exec sleep 60'\n", file("command"));
    let repository = format!("store = \"repository\"\npassword-command = 'exec sh {secret}'");
    profile(world, &repository, &format!("{BACKUP}{slow}"));
    let child = bare(world).arg("run").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for(world, "command");
    wait_for(world, "waiting");
    child
}

/// Waits for a process to write down its id.
fn wait_for(world: &World, name: &str) {
    let began = Instant::now();
    while !text(world, name).ends_with('\n') {
        assert!(began.elapsed() < Duration::from_secs(60), "{name} begins");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the process whose id stands in the file `waiting` has not ended.
fn is_running(world: &World) -> bool {
    let stat = Path::new("/proc").join(text(world, "waiting").trim()).join("stat");
    std::fs::read_to_string(stat).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn whatever_is_left_of_a_step_ends_with_a_run_that_is_interrupted() {
    let world = world("");
    let child = with_something_left(&world);
    signal(&child.id().to_string(), "-TERM");
    Finished::of(&child.wait_with_output().expect("it ends")).ended(143);
    assert!(!is_running(&world));
}

#[test]
fn whatever_is_left_of_a_step_that_was_killed_is_ended_and_the_run_has_failed() {
    let world = world("");
    let child = with_something_left(&world);
    signal(text(&world, "step").trim(), "-KILL");
    let ended = Finished::of(&child.wait_with_output().expect("it ends")).ended(1);
    assert!(!is_running(&world));
    assert!(ended.err.contains("it was ended by signal 9"), "{}", ended.err);
    // Where there is no terminal it has a group of its own.
    let _ = Command::new("kill").args(["-KILL", text(&world, "command").trim()]).output();
}

#[test]
fn a_hook_that_takes_too_long_is_ended_with_all_that_it_started() {
    let world = world("");
    let pid = world.path("pid").display().to_string();
    // The shell ends when it is asked to, and what it started does not.
    let line = format!("sh -c 'trap \"\" TERM; echo $$ > {pid}; exec sleep 60' & wait");
    let line = world.file("line", line.as_bytes()).display().to_string();
    let hook = format!(
        "[set.home.hooks]\nafter = {{ run = 'exec sh {line}', timeout = \"1s\" }}\nfinally = \"touch {}\"\n",
        world.path("finally").display()
    );
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", &format!("{BACKUP}{hook}"));
    let began = Instant::now();
    let ended = run(&world, &["run"]).ended(4);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(ended.err.contains("the hook after of home failed: it did not end within 1 s"), "{}", ended.err);
    let started = Path::new("/proc").join(text(&world, "pid").trim()).join("stat");
    let gone = || std::fs::read_to_string(&started).map_or(true, |stat| stat.contains(") Z "));
    let began = Instant::now();
    while !gone() {
        assert!(began.elapsed() < Duration::from_secs(5), "what it started ends with it");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(world.path("finally").exists());
    assert_eq!(snapshots(&world), 1);
}

#[test]
fn a_password_in_the_profile_reaches_the_steps_and_no_hook_and_nobody_else_may_read_it() {
    let world = world("");
    let sets = format!("{BACKUP}{}", noting_hooks(&world));
    profile(&world, &format!("store = \"repository\"\npassword = \"{PASSWORD}\""), &sets);
    let place = world.path("home/.config/holdall/holdall.toml");
    let allow = |mode| std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode)).expect("permissions");
    allow(0o640);
    let refused = run(&world, &["run"]).ended(2);
    assert!(refused.err.contains("others may read it") && refused.err.contains("chmod 600"), "{}", refused.err);
    allow(0o600);
    // Whatever the environment says besides.
    let mut command = bare(&world);
    command.env("HOLDALL_PASSWORD_FILE", "/nowhere").env("HOLDALL_PASSWORD", "wrong").arg("run");
    Finished::of(&command.output().expect("it starts")).succeeded();
    assert_eq!(snapshots(&world), 1, "-P takes it from the profile too");
    let told = notes(&world);
    assert!(told.len() == 3 && told.iter().all(|line| line.ends_with("PASSWORD=")), "{told:?}");
}

#[test]
fn a_profile_that_anybody_may_write_to_is_not_believed() {
    let world = world(BACKUP);
    let place = world.path("home/.config/holdall/holdall.toml");
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o646)).expect("permissions");
    assert!(run(&world, &["run"]).ended(2).err.contains("everybody may write to it"));
}

#[test]
fn a_run_without_anybody_to_ask_says_so_before_it_begins() {
    let world = world("");
    profile(
        &world,
        "store = \"repository\"",
        &format!("{BACKUP}[set.home.hooks]\nbefore = \"touch {}\"\n", world.path("began").display()),
    );
    let refused = run(&world, &["run"]).ended(12);
    assert!(refused.err.contains("password-file"), "{}", refused.err);
    assert!(!world.path("began").exists());
    Finished::of(&bare(&world).env("HOLDALL_PASSWORD", PASSWORD).arg("run").output().expect("it starts")).succeeded();
}

/// One repository without a secret once kept the sets of all others from being backed up.
#[test]
fn a_set_without_a_secret_fails_as_other_failures_do_and_the_next_one_runs() {
    let world = world("");
    let place = |name: &str| world.path(name).display().to_string();
    let hooks = noting_hooks(&world);
    let other =
        format!("[repository.other]\nstore = \"{}\"\npassword-file = \"{}\"\n", place("repository"), place("password"));
    let sets = format!("[set.home]\nrepository = \"r\"\n{BACKUP}{hooks}[set.other.backup]\npaths = \"tree\"\n");
    profile(
        &world,
        "store = \"nowhere\"",
        &format!("{other}{}", sets.replace("[set.other.", "[set.next]\nrepository = \"other\"\n[set.next.")),
    );
    let ended = run(&world, &["run"]).ended(12);
    assert!(ended.out.contains("home: failed: [repository.r] in ") && ended.out.contains("next: ok"), "{}", ended.out);
    assert!(ended.err.contains("names no password-file"), "{}", ended.err);
    let told = notes(&world);
    let hooks: Vec<&str> = told.iter().filter_map(|line| line.split(';').nth(1)).collect();
    assert_eq!(hooks, ["HOOK=failed", "HOOK=finally"], "{told:?}");
    assert!(told[0].contains("STEP=secret;OUTCOME=failed;EXIT_CODE=12;SNAPSHOT=;"), "{told:?}");
    assert!(run(&world, &["status"]).ended(1).out.contains("failed: [repository.r]"));
}

/// Each of these once passed a rehearsal and an installation, and failed in the night.
#[test]
fn what_can_only_fail_is_refused_with_its_line_before_anything_begins() {
    let world = world("");
    let cases = [
        ("[set.home.forget]", ":8: [set.home.forget]: the policy keeps nothing"),
        ("[set.home.forget]\nkeep-last = 0", ":8: [set.home.forget]: the policy keeps nothing"),
        ("exclude-file = \"~/x\"", ":8: exclude-file: ~ has no meaning in a profile"),
        ("exclude-file = [\"tree/a\",\n\"tree/none\"]", ":9: [set.home.backup]: exclude-file: can't read "),
        ("files-from = \"tree/none\"", ":8: [set.home.backup]: files-from: can't read "),
        ("exclude = [\n\"a\",\n\"[z\"]", ":10: [set.home.backup]: exclude \"[z\": "),
        ("exclude-caches = true\ncommand = [\"a=b\", \"c\"]", ":9: command: expected NAME=COMMAND"),
        ("compression = 99", ":8: [set.home.backup]: "),
        (
            "[set.home.check]\nmax-age = \"7d\"",
            ":8: [set.home.check]: the following required arguments were not provided: <--read-data|--read-data-subset",
        ),
    ];
    for (sets, why) in cases {
        let sets = format!("[set.home]\nschedule = \"daily 00:00\"\n{BACKUP}{sets}\n[set.home.prune]\n");
        profile(&world, "store = \"repository\"\npassword-file = \"password\"", &sets);
        for line in ["run -n", "run", "schedule install --into units -n"] {
            if line == "run" && why.contains("can't read") {
                continue;
            }
            let line: Vec<&str> = line.split(' ').collect();
            let told = run(&world, &line).ended(2).err;
            assert!(told.contains(&format!("holdall.toml{why}")), "{line:?} {why}: {told}");
        }
    }
    assert_eq!(snapshots(&world), 0);
}

/// All sets were refused for one, and no hook told anybody.
#[test]
fn a_list_of_files_that_is_gone_in_the_night_is_the_failure_of_its_set() {
    let world = world("");
    let hooks = noting_hooks(&world).replace("set.home.", "set.first.");
    let first = format!("{BACKUP}exclude-file = \"gone\"\n").replace("set.home", "set.first");
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", &format!("{first}{hooks}{BACKUP}"));
    let ended = run(&world, &["run"]);
    assert!(ended.code != Some(0) && ended.out.contains("home: ok"), "{}", ended.out);
    let told = notes(&world);
    assert!(told.iter().any(|line| line.contains("HOOK=failed")), "{told:?}");
    assert_eq!(snapshots(&world), 1);
}

#[test]
fn a_list_of_files_that_a_hook_makes_need_not_be_there_before_it_runs() {
    let world = world("");
    let made = world.path("made").display().to_string();
    let sets = format!("{BACKUP}exclude-file = \"{made}\"\n[set.home.hooks]\nbefore = \"echo b > {made}\"\n");
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", &sets);
    run(&world, &["run", "-n"]).succeeded();
    run(&world, &["run"]).succeeded();
    assert_eq!(snapshots(&world), 1);
}

/// They were once passed over without a word.
#[test]
fn options_that_the_sets_of_a_profile_do_not_heed_are_refused() {
    let world = world(&format!("[set.home]\nschedule = \"daily 00:00\"\n{BACKUP}"));
    for (options, told) in [
        ("--key-file x", "--key-file says nothing"),
        ("-p x", "--password-file says nothing"),
        ("--password-command x", "--password-command says nothing"),
        ("--insecure-no-password", "--insecure-no-password says nothing"),
        ("--cache-dir x", "--cache-dir says nothing"),
        ("--memory 128MiB", "--memory says nothing"),
        ("-r x", "say themselves which repository"),
        ("-P r", "say themselves which repository"),
    ] {
        for command in ["run -n", "run", "schedule install --into units", "status", "schedule list"] {
            if told.starts_with("--") && ["status", "schedule list"].contains(&command) {
                continue;
            }
            let line: Vec<&str> = options.split(' ').chain(command.split(' ')).collect();
            let refused = run(&world, &line).ended(2);
            assert!(refused.err.contains(told), "{line:?}: {}", refused.err);
        }
    }
    assert_eq!(snapshots(&world), 0);
}

/// Steps run in the folder of the profile.
#[test]
fn places_in_the_environment_begin_where_the_run_was_started() {
    let world = world("");
    profile(
        &world,
        "store = \"repository\"",
        &format!("{BACKUP}[set.home.hooks]\nfinally = 'cat $HOLDALL_PASSWORD_FILE; echo in $HOLDALL_CACHE_DIR'\n"),
    );
    std::fs::rename(world.path("password"), world.path("other")).expect("it moves");
    let mut command = bare(&world);
    command.env("HOLDALL_PASSWORD_FILE", "other").env("HOLDALL_CACHE_DIR", "cache");
    let ended = Finished::of(&command.arg("run").output().expect("it starts")).ended(0);
    assert!(ended.err.contains(PASSWORD), "the hook reads it: {}", ended.err);
    assert!(ended.err.contains(&format!("in {}\n", world.path("cache").display())), "{}", ended.err);
    assert!(!world.path("home/.config/holdall/cache").exists());
}

#[test]
fn a_set_that_is_named_twice_runs_once() {
    let world = world(BACKUP);
    run(&world, &["run", "home", "home"]).succeeded();
    assert_eq!(snapshots(&world), 1);
}

/// It was once told as "check ended with exit code 5".
#[test]
fn damage_that_a_check_finds_is_what_went_wrong() {
    let world = world("");
    let checked = format!("{BACKUP}[set.home.check]\nread-data = true\n{}", noting_hooks(&world));
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", BACKUP);
    let content: Vec<u8> = (0..50_000u32).flat_map(|number| (number * 7).to_le_bytes()).collect();
    world.file("tree/long", &content);
    run(&world, &["run"]).succeeded();
    crate::drill::wound(&world);
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", &checked);
    let told =
        run(&world, &["run", "--json"]).ended(5).only("set_summary")["message"].as_str().expect("a text").to_owned();
    let file = world.path("home/.config/holdall/tree/long").display().to_string();
    assert!(told.starts_with("packs/") && told.contains(&format!(" (hits {file}")) && !told.contains('\n'), "{told}");
    let told_to_hook = |line: &String| line.contains("HOOK=failed;STEP=check;") && line.contains("MESSAGE=packs/");
    assert!(notes(&world).iter().any(told_to_hook), "{:?}", notes(&world));
    let people = run(&world, &["run"]).ended(5);
    assert!(people.err.contains(&told) && people.out.contains(&format!("home: failed: {told}")), "{}", people.err);
}

/// An upgrade puts a new file in the place of the program, or takes the old one away first.
#[test]
fn a_run_whose_program_is_taken_away_meanwhile_goes_on() {
    let world = world("");
    let program = world.path("program");
    std::fs::copy(env!("CARGO_BIN_EXE_holdall"), &program).expect("a program");
    let hook = format!("[set.home.hooks]\nbefore = 'rm {}'\n", program.display());
    profile(
        &world,
        "store = \"repository\"\npassword-file = \"password\"",
        &format!("{BACKUP}[set.home.check]\n{hook}"),
    );
    let usual = bare(&world);
    let mut command = Command::new(&program);
    let variables = usual.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.env_clear().envs(variables).current_dir(world.path("")).arg("run");
    Finished::of(&command.output().expect("the program starts")).succeeded();
    assert!(!program.exists());
    assert_eq!(snapshots(&world), 1);
}

#[test]
fn an_unknown_key_and_a_value_that_its_option_does_not_take_are_refused_before_anything_begins() {
    let world = world(&format!("{BACKUP}exclud = \"*.o\"\n"));
    let refused = run(&world, &["run"]).ended(2).err;
    assert!(
        refused.contains("holdall.toml:6: unknown key \"exclud\" in [set.home.backup]; did you mean \"exclude\"?"),
        "{refused}"
    );
    profile(
        &world,
        "store = \"repository\"\npassword-file = \"password\"",
        &format!("[set.a.prune]\n{BACKUP}compression = 99\n"),
    );
    let refused = run(&world, &["run"]).ended(2).err;
    assert!(refused.contains("[set.home.backup]: ") && refused.contains("99"), "{refused}");
    assert_eq!(snapshots(&world), 0);
}

#[test]
fn every_option_of_the_commands_is_known_to_a_profile_or_refused_with_a_reason() {
    let world = world("");
    let mut seen = 0;
    for step in ["backup", "forget", "prune", "check"] {
        let help = run(&world, &[step, "--help"]).succeeded().out;
        let own = help.split("Options of every command").next().expect("a part");
        let names =
            own.lines().filter_map(|line| line.split("--").nth(1).filter(|_| line.trim_start().starts_with('-')));
        for name in names.map(|rest| rest.split([' ', '[', '<']).next().expect("a word")) {
            if ["help", "version"].contains(&name) {
                continue;
            }
            seen += 1;
            let paths = if step == "backup" { "paths = \"tree\"\n" } else { "" };
            // No option takes an empty table, so each is refused; an unknown one is refused as unknown.
            profile(&world, "store = \"repository\"", &format!("[set.a.{step}]\n{paths}{name} = {{}}\n"));
            let refused = run(&world, &["run", "-n"]).ended(2).err;
            assert!(refused.contains(&format!(": {name}: ")), "{step} --{name}: {refused}");
        }
    }
    assert!(seen > 40, "{seen} options");
}

/// A schedule whose time lies half a day away, before and behind: none comes while a test runs.
pub(crate) fn far_schedule() -> String {
    let hour = (jiff::Zoned::now().hour() + 12) % 24;
    format!("daily {hour:02}:30")
}

#[test]
fn what_is_due_runs_once() {
    let world = world(&format!("[set.home]\nschedule = \"{}\"\n{BACKUP}", far_schedule()));
    assert!(run(&world, &["run", "--due"]).succeeded().out.ends_with("home: ok\n"));
    let again = run(&world, &["run", "--due", "home"]).succeeded();
    assert_eq!(again.out, "");
    assert_eq!(snapshots(&world), 1);
    let state = world.path("home/.local/state/holdall/runs/home.json");
    let record = std::fs::read_to_string(&state).expect("a record");
    // As if the last run had been days ago.
    let settled = record.lines().find(|line| line.contains("settled_s")).expect("it is settled").to_owned();
    std::fs::write(&state, record.replace(&settled, "\"settled_s\": 1000000000,")).expect("a record");
    run(&world, &["run", "--due"]).succeeded();
    run(&world, &["run", "--due"]).succeeded();
    assert_eq!(snapshots(&world), 2, "however many were missed, one catches up");
    run(&world, &["run"]).succeeded();
    assert_eq!(snapshots(&world), 3, "without --due it always runs");
}

/// A full disk for records once kept every set from being backed up, and no hook told of it.
#[test]
fn a_run_that_can_not_be_remembered_is_made_and_has_failed() {
    let world = world("");
    let sets = format!("{BACKUP}[set.home.check]\n{}", noting_hooks(&world));
    profile(&world, "store = \"repository\"\npassword-file = \"password\"", &sets);
    let runs = world.path("home/.local/state/holdall/runs");
    std::fs::create_dir_all(&runs).expect("a folder");
    std::os::unix::fs::symlink("/dev/full", runs.join("home.json.new")).expect("a link");
    let ended = run(&world, &["run"]).ended(13);
    assert!(ended.out.contains("home: check: no damage"), "all steps are done: {}", ended.out);
    assert!(ended.out.contains("home: failed: the run can't be remembered: can't write "), "{}", ended.out);
    let told = notes(&world);
    let hooks: Vec<&str> = told.iter().filter_map(|line| line.split(';').nth(1)).collect();
    assert_eq!(hooks, ["HOOK=before", "HOOK=failed", "HOOK=finally"], "{told:?}");
    assert!(told[1].contains("STEP=record;OUTCOME=failed;EXIT_CODE=13;SNAPSHOT="), "{told:?}");
    assert!(told[1].contains("No space left") && !told[1].contains("SNAPSHOT=;"), "{told:?}");
    assert_eq!(snapshots(&world), 1);
}

#[test]
fn a_set_whose_lock_can_not_be_had_runs_without_it() {
    let world = world(&format!("[set.home]\nschedule = \"{}\"\n{BACKUP}", far_schedule()));
    world.file("home/.local/state/holdall/runs", b"no folder");
    let ended = run(&world, &["run", "--due"]).ended(1);
    assert!(ended.err.contains("home runs without its lock: can't make "), "{}", ended.err);
    assert!(ended.out.contains("home: failed: the run can't be remembered: "), "{}", ended.out);
    assert_eq!(snapshots(&world), 1);
}

#[test]
fn a_backup_is_made_where_the_clients_state_can_be_read_and_not_written() {
    let world = world(BACKUP);
    run(&world, &["run"]).succeeded();
    let state = std::fs::read_dir(world.path("home/.local/state/holdall")).expect("a folder").flatten();
    let client = state.map(|entry| entry.path()).find(|path| path.join("client").exists()).expect("a client's");
    // Not even whoever may do everything opens a folder to write to it.
    std::fs::remove_file(client.join("lock")).expect("a lock");
    std::fs::create_dir(client.join("lock")).expect("a folder");
    let told = run(&world, &["run"]).ended(0).err;
    assert!(told.contains("what was committed is safe"), "{told}");
    assert_eq!(snapshots(&world), 2);
    std::fs::remove_file(client.join("client")).expect("what is kept");
    run(&world, &["run"]).ended(1);
}

#[test]
fn sets_of_one_name_in_two_profiles_are_two() {
    let world = world(&format!("[set.home]\nschedule = \"{}\"\n{BACKUP}", far_schedule()));
    let (usual, other) = ("home/.config/holdall/holdall.toml", "home/.config/holdall/other.toml");
    std::fs::copy(world.path(usual), world.path(other)).expect("a profile");
    run(&world, &["run", "--due"]).succeeded();
    assert!(run(&world, &["status", "--config", other]).ended(1).out.contains("never"));
    run(&world, &["run", "--due", "--config", other]).succeeded();
    assert_eq!(snapshots(&world), 2);
    // Whatever way leads to a profile, it is the same one.
    std::os::unix::fs::symlink(world.path(usual), world.path("usual.toml")).expect("a link");
    std::os::unix::fs::symlink(world.path(other), world.path("other.toml")).expect("a link");
    for profile in [usual, other, "usual.toml", "other.toml"] {
        run(&world, &["status", "--config", profile]).succeeded();
    }
    let runs = std::fs::read_dir(world.path("home/.local/state/holdall/runs")).expect("a folder");
    let mut names: Vec<String> = runs.flatten().map(|entry| entry.file_name().display().to_string()).collect();
    names.sort_unstable_by_key(|name| (name.len(), name.clone()));
    assert_eq!(names[..2], ["home.json", "home.lock"], "{names:?}");
    assert!(names.len() == 4 && names[2..].iter().all(|name| name.starts_with("home-")), "{names:?}");
}

/// The snapshots of two such sets once were one series: each `forget` was about both, and each prune deleted what the other
/// had saved.
#[test]
fn sets_of_one_name_in_two_profiles_forget_only_their_own_snapshots() {
    let world = world("");
    let place = |name: &str| world.path(name).display().to_string();
    let text = |tree: &str| {
        format!(
            "[repository.r]\nstore = \"{}\"\npassword-file = \"{}\"\n[set.home.backup]\npaths = \"{}\"\n\
             [set.home.forget]\nkeep-last = 1\n[set.home.prune]\n",
            place("repository"),
            place("password"),
            place(tree)
        )
    };
    // What bears the name alone may be anybody's.
    world.run(["backup", "--tag", "home", "tree"]).succeeded();
    let usual = ["home/.config/holdall/holdall.toml", "guest/.config/holdall/holdall.toml"];
    let others = ["one.toml", "other.toml"];
    for profile in usual.iter().chain(&others) {
        let tree = format!("tree of {}", profile.replace('/', " "));
        world.file(format!("{tree}/file"), profile.as_bytes());
        world.file(profile, text(&tree).as_bytes());
    }
    for _ in 0..2 {
        for home in ["home", "guest"] {
            let mut command = bare(&world);
            command.env("HOME", world.path(home)).arg("run");
            Finished::of(&command.output().expect("the program starts")).succeeded();
        }
        for profile in others {
            run(&world, &["run", "--config", profile]).succeeded();
        }
    }
    let listed = run(&world, &["-P", "r", "snapshots", "--json", "--tag", "home"]).succeeded().json();
    let paths: Vec<&str> =
        listed[0].as_array().expect("a list").iter().filter_map(|kept| kept["paths"][0].as_str()).collect();
    assert_eq!(paths.len(), 5, "one of each set, and the one before them: {paths:?}");
    for profile in usual.iter().chain(&others) {
        assert!(paths.iter().any(|path| path.ends_with(&profile.replace('/', " "))), "{profile}: {paths:?}");
    }
}

#[test]
fn only_a_set_with_a_schedule_is_ever_due() {
    let world = world(BACKUP);
    assert!(run(&world, &["run", "--due", "home"]).ended(2).err.contains("has no schedule"));
    run(&world, &["run", "--due"]).succeeded();
    assert_eq!(snapshots(&world), 0);
}

#[test]
fn a_run_that_a_shutdown_ended_is_due_again_and_one_that_somebody_ended_is_not() {
    for (name, runs) in [("-TERM", 1), ("-INT", 0)] {
        let world = world("");
        let set = format!("[set.home]\nschedule = \"{}\"\n", far_schedule());
        let child = slow(&world, &set);
        signal(&child.id().to_string(), name);
        child.wait_with_output().expect("it ends");
        profile(&world, "store = \"repository\"\npassword-file = \"password\"", &format!("{set}{BACKUP}"));
        run(&world, &["run", "--due"]).succeeded();
        assert_eq!(snapshots(&world), runs, "{name}");
    }
}

#[test]
fn a_rehearsal_prints_what_would_be_run_as_a_shell_takes_it() {
    let world = world(&format!("{BACKUP}exclude = \"it's *\"\n[set.home.hooks]\nbefore = [\"a b\", \"c\"]\n"));
    let out = run(&world, &["run", "-n"]).succeeded().out;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "home: before: 'a b' c");
    assert!(lines[1].starts_with("home: backup: holdall backup --json --quiet --repo="), "{out}");
    assert!(lines[1].contains("'--exclude=it'\\''s *' --tag=home --tag=home@"), "{out}");
    assert!(lines[1].ends_with(" -- tree/"), "{out}");
    assert_eq!(snapshots(&world), 0);
}

#[test]
fn a_rehearsal_gives_programs_a_line_for_each_command() {
    let world = world(&format!("{BACKUP}[set.home.hooks]\nbefore = [\"a b\", \"c\"]\nfailed = \"d e\"\n"));
    let lines = run(&world, &["run", "-n", "--json"]).succeeded().json();
    let told = |line: &serde_json::Value| (line["message_type"].clone(), line["set"].clone(), line["stage"].clone());
    for (line, stage) in lines.iter().zip(["before", "backup", "failed"]) {
        assert_eq!(told(line), ("planned".into(), "home".into(), stage.into()));
    }
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["command"], serde_json::json!(["a b", "c"]));
    assert_eq!(lines[1]["command"].as_array().and_then(|words| words.last()), Some(&"tree/".into()), "{}", lines[1]);
    assert_eq!(lines[2]["command"], serde_json::json!(["/bin/sh", "-c", "d e"]));
}

#[test]
fn a_profile_names_the_repository_of_other_commands() {
    let world = world(BACKUP);
    run(&world, &["run"]).succeeded();
    for name in ["r", "home"] {
        assert!(run(&world, &["-P", name, "ls", "latest"]).succeeded().out.contains("tree/a"));
        run(&world, &["check", "-P", name]).succeeded();
    }
    let unnamed = run(&world, &["snapshots"]).ended(2).err;
    assert!(unnamed.contains("or -P with a name of the profile"), "{unnamed}");
    let refused = run(&world, &["-P", "hom", "snapshots"]).ended(2).err;
    assert!(refused.contains("no repository or set is called \"hom\"; did you mean \"home\"?"), "{refused}");
    run(&world, &["-P", "r", "-r", "x", "snapshots"]).ended(2);
    run(&world, &["-P", "r", "run"]).ended(2);
    // A secret on the command line goes before that of the profile.
    world.file("other", b"wrong");
    run(&world, &["-P", "r", "--password-file", "other", "snapshots"]).ended(12);
}

#[test]
fn the_profile_is_the_one_that_was_named_or_the_first_that_is_there() {
    let world = world(BACKUP);
    let nowhere = run(&world, &["--config", "nowhere.toml", "run"]).ended(2).err;
    assert!(nowhere.contains("there is no profile at nowhere.toml"), "{nowhere}");
    std::fs::rename(world.path("home/.config/holdall/holdall.toml"), world.path("mine.toml")).expect("it moves");
    let none = run(&world, &["run"]).ended(2).err;
    assert!(none.contains("/home/.config/holdall/holdall.toml or /etc/holdall/holdall.toml"), "{none}");
    run(&world, &["--config", "mine.toml", "run"]).succeeded();
    let mut command = bare(&world);
    command.env("HOLDALL_CONFIG", world.path("mine.toml")).arg("run");
    Finished::of(&command.output().expect("it starts")).succeeded();
    // One in the folder at hand is not looked for: it names programs.
    std::fs::rename(world.path("mine.toml"), world.path("holdall.toml")).expect("it moves");
    run(&world, &["run"]).ended(2);
}

/// The profiles in a text: each begins with a repository, is indented, and ends where that ends.
fn shown_profiles(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("[repository.nas]").filter(|indent| indent.trim().is_empty()) else {
            continue;
        };
        let mut profile = String::from("[repository.nas]\n");
        while let Some(line) = lines.next_if(|line| line.is_empty() || line.starts_with(indent)) {
            match line.strip_prefix(indent) {
                Some("END") => break,
                line => profile.push_str(line.unwrap_or_default()),
            }
            profile.push('\n');
        }
        found.push(profile);
    }
    found
}

#[test]
fn the_profiles_that_the_texts_show_are_understood() {
    let world = world("");
    let help = run(&world, &["run", "--help"]).succeeded().out;
    let readme = shown_profiles(include_str!("../../README.md"));
    assert_eq!(readme.len(), 2);
    let help = shown_profiles(&help);
    assert_eq!(help.len(), 1);
    for shown in readme.iter().chain(&help) {
        world.file("shown.toml", shown.as_bytes());
        let steps = run(&world, &["--config", "shown.toml", "run", "-n"]).succeeded().out;
        assert!(steps.contains(": backup: holdall backup ") && steps.contains(": forget: "), "{shown}{steps}");
        run(&world, &["--config", "shown.toml", "schedule", "install", "--into", "units", "-n"]).succeeded();
    }
}

/// The `[hooks]` that a text shows, each by itself.
fn shown_hooks(text: &str) -> Vec<String> {
    let blocks = text.split("\n\n").filter_map(|block| block.strip_prefix("    [hooks]\n"));
    blocks.map(|block| block.lines().map(|line| format!("{}\n", line.trim_start())).collect()).collect()
}

#[test]
fn the_hooks_that_the_readme_shows_send_word_of_what_went_wrong() {
    let shown = shown_hooks(include_str!("../../README.md"));
    assert_eq!(shown.len(), 2);
    let mut sent = String::new();
    for hooks in shown {
        let world = world("");
        let set = format!("[hooks]\n{hooks}[set.home]\n{BACKUP}command = \"db=exit 7\"\n");
        profile(&world, "store = \"repository\"\npassword-file = \"password\"", &set);
        for program in ["mail", "curl"] {
            let note = world.path("sent").display().to_string();
            let input = if program == "mail" { "; cat" } else { "" };
            let script = format!("#!/bin/sh\n{{ printf '%s|' {program} \"$@\"; echo{input}; }} >> {note}\n");
            let path = world.file(format!("bin/{program}"), script.as_bytes());
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        }
        let path = format!("{}:/usr/bin:/bin", world.path("bin").display());
        let ended = bare(&world).env("PATH", path).arg("run").output().expect("the program starts");
        Finished::of(&ended).ended(4);
        sent.push_str(&text(&world, "sent"));
    }
    let lines: Vec<&str> = sent.lines().collect();
    let [mail, message, ping, push] = lines[..] else { panic!("{sent}") };
    assert_eq!(mail, "mail|-s|backup of home: failed in backup|root|");
    assert!(message.contains("db") && message.contains('7'), "{message}");
    assert_eq!(ping, "curl|-fsS|-m|10|--retry|3|https://hc-ping.com/UUID/4|");
    let title = format!("curl|-fsS|-m|10|-H|Title: backup of home: failed|-d|{message}|https://ntfy.sh/TOPIC|");
    assert_eq!(push, title);
}
