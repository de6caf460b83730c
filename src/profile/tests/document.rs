//! What a document is refused for, and the command lines that one comes to.

use crate::profile::{Catalogue, HookCommand, HookKind, OptionKind, Profile, RepositorySecret, StepOption, plan};
use std::path::Path;
use std::time::Duration;

fn options(names: &[(&str, OptionKind)]) -> Vec<StepOption> {
    names.iter().map(|(name, kind)| StepOption { name: (*name).to_owned(), kind: *kind }).collect()
}

fn catalogue() -> Catalogue {
    use OptionKind::{Many, One, Switch};
    Catalogue {
        backup: options(&[
            ("exclude", Many),
            ("exclude-caches", Switch),
            ("compression", One),
            ("command", Many),
            ("host", One),
            ("tag", Many),
            ("dry-run", Switch),
            ("exclude-file", Many),
            ("files-from-raw", Many),
        ]),
        forget: options(&[("keep-daily", One), ("keep-tag", Many), ("tag", Many), ("group-by", One), ("undo", Switch)]),
        prune: options(&[("max-unused", One)]),
        check: options(&[("read-data-subset", One)]),
    }
}

fn parse(text: &str) -> Result<Profile, String> {
    Profile::parse(text, Path::new("/etc/holdall"), &catalogue()).map_err(|refusal| refusal.to_string())
}

const WHOLE: &str = r#"
[repository.nas]
store = "/mnt/nas"
password-command = 'pass "nas"'
[hooks]
failed = ["mail", "root"]
[set.home]
repository = "nas"
schedule = "daily 02:30"
[set.home.backup]
paths = ["/home", '/etc']
exclude = [
    "*.tmp", # all
]
[[set.home.hooks.before]]
run = "a"
timeout = "1m"
"#;

const REPOSITORY: &str = "[repository.nas]\nstore = \"/mnt/nas\"\npassword-file = \"password\"\n";

/// The words of each step of a set, without the first three, which are the same for all.
fn lines(text: &str, set: &str) -> Vec<String> {
    let profile = parse(text).expect("a profile");
    let set = profile.set(set).expect("the set");
    let steps =
        plan(set, profile.repository(&set.repository).expect("its repository"), "this", &format!("{}@1", set.name));
    let line = |words: &[std::ffi::OsString]| words.join(std::ffi::OsStr::new(" ")).into_string().expect("text");
    steps.iter().map(|step| line(&step.arguments)).collect()
}

#[test]
fn a_set_comes_to_one_command_line_for_each_table_in_the_order_of_a_night() {
    let text = format!(
        "{REPOSITORY}memory = \"64MiB\"\n
[set.home.check]
read-data-subset = \"2%\"
[set.home.prune]
[set.home.forget]
keep-daily = 7
keep-tag = [\"a\", \"b\"]
[set.home.backup]
paths = [\"/home\", \"-odd\", \"etc\"]
exclude = [\"*.tmp\", \"--x\"]
exclude-caches = true
compression = 9
"
    );
    let repository = "--json --quiet --repo=/mnt/nas --password-file=/etc/holdall/password --memory=64MiB";
    assert_eq!(
        lines(&text, "home"),
        [
            format!(
                "backup {repository} --exclude=*.tmp --exclude=--x --exclude-caches --compression=9 --tag=home \
                 --tag=home@1 -- /home -odd etc"
            ),
            format!(
                "forget {repository} --keep-daily=7 --keep-tag=a --keep-tag=b --host=this --tag=home@1 --group-by=host"
            ),
            format!("prune {repository}"),
            format!("check {repository} --read-data-subset=2%"),
        ]
    );
}

#[test]
fn a_forget_is_about_the_snapshots_of_its_set_unless_it_says_of_which() {
    let set = |backup: &str, forget: &str| {
        lines(&format!("{REPOSITORY}[set.a.backup]\npaths = [\"/a\"]\n{backup}\n[set.a.forget]\n{forget}\n"), "a")
            .remove(1)
    };
    let ends = |line: String, end: &str| assert!(line.ends_with(end), "{line}: {end}");
    ends(set("", ""), "password --host=this --tag=a@1 --group-by=host");
    ends(set("host = \"other\"", ""), "password --host=other --tag=a@1 --group-by=host");
    ends(set("", "tag = \"b\""), "password --tag=b");
    ends(set("", "group-by = \"\""), "password --group-by= --host=this --tag=a@1");
}

#[test]
fn a_password_stands_on_no_command_line() {
    let text = "[repository.r]\nstore = \"r\"\npassword = \"secret\"\n[set.a.prune]\n";
    assert_eq!(lines(text, "a"), ["prune --json --quiet --repo=/etc/holdall/r"]);
    let secret = parse(text).expect("a profile").repositories.remove(0).secret;
    assert!(matches!(secret, RepositorySecret::Password(password) if *password == "secret"));
}

#[test]
fn a_switch_that_is_off_is_not_given() {
    let text = format!("{REPOSITORY}[set.a.backup]\npaths = \"/a\"\nexclude-caches = false\n");
    assert!(lines(&text, "a").remove(0).ends_with("password --tag=a --tag=a@1 -- /a"));
}

#[test]
fn hooks_of_all_sets_stand_around_those_of_one() {
    let text = format!(
        "{REPOSITORY}
[hooks]
before = \"mount /mnt/nas\"
finally = [\"umount\", \"/mnt/nas\"]
[set.a.prune]
[set.a.hooks]
before = {{ run = \"stop\", timeout = \"30s\" }}
[[set.a.hooks.finally]]
run = \"start\"
[[set.a.hooks.finally]]
run = [\"tell\", \"them\"]
timeout = \"2m\"
"
    );
    let profile = parse(&text).expect("a profile");
    let hooks = &profile.set("a").expect("it is there").hooks;
    let shown = |kind| {
        let shown = hooks.of(kind).iter().map(|hook| {
            let command = match &hook.command {
                HookCommand::Shell(line) => line.clone(),
                HookCommand::Words(words) => words.join("+"),
            };
            (command, hook.timeout.as_secs())
        });
        shown.collect::<Vec<_>>()
    };
    let own = |command: &str, seconds| (command.to_owned(), seconds);
    assert_eq!(shown(HookKind::Before), [own("mount /mnt/nas", 3600), own("stop", 30)]);
    assert_eq!(shown(HookKind::Finally), [own("start", 3600), own("tell+them", 120), own("umount+/mnt/nas", 3600)]);
    assert_eq!((shown(HookKind::After), shown(HookKind::Failed)), (vec![], vec![]));
    assert_eq!(hooks.of(HookKind::Before)[1].timeout, Duration::from_secs(30));
}

#[test]
fn sets_run_in_the_order_of_the_document() {
    let text = format!("{REPOSITORY}[set.z.prune]\n[set.a.prune]\n[set.m.prune]\n");
    let profile = parse(&text).expect("a profile");
    let names: Vec<&str> = profile.sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["z", "a", "m"]);
}

#[test]
fn a_repository_is_found_by_its_name_and_by_that_of_a_set() {
    let text =
        format!("{REPOSITORY}[repository.other]\nstore = \"o\"\n[set.a]\nrepository = \"other\"\nprune = {{}}\n");
    let profile = parse(&text).expect("a profile");
    let store = |name| profile.repository(name).map(|repository| repository.store.display().to_string());
    assert_eq!(store("nas").as_deref(), Ok("/mnt/nas"));
    assert_eq!(store("a").as_deref(), Ok("/etc/holdall/o"));
    assert_eq!(store("othr"), Err("no repository or set is called \"othr\"; did you mean \"other\"?".to_owned()));
    assert_eq!(profile.set("A").map(|_| ()), Err("no set is called \"A\"".to_owned()));
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_what_may_have_been_meant() {
    let in_backup = |line: &str| format!("{REPOSITORY}[set.a.backup]\npaths = [\"/a\"]\n{line}\n");
    let cases = [
        ("x = [".to_owned(), "line 1: "),
        ("[repositry.a]".to_owned(), "line 1: unknown key \"repositry\"; did you mean \"repository\"?"),
        ("[repository.a]\n".to_owned(), "line 1: [repository.a] has no place"),
        ("[repository.a]\nstore = 7".to_owned(), "line 2: store: expected a text in quotes"),
        ("[repository.a]\nstore = \"~/r\"".to_owned(), "line 2: store: ~ has no meaning"),
        (
            "[repository.a]\nstore = \"r\"\npasword-file = \"p\"".to_owned(),
            "line 3: unknown key \"pasword-file\" in [repository.a]; did you mean \"password-file\"?",
        ),
        (
            "[repository.a]\nstore = \"r\"\npassword-file = \"p\"\nkey-file = \"k\"".to_owned(),
            "line 1: [repository.a] needs one of",
        ),
        ("[repository.a]\nstore = \"r\"\npassword = \"\"".to_owned(), "line 3: password: it can't be empty"),
        (
            "[repository.a]\nstore = \"r\"\npassword-command = \"\"".to_owned(),
            "line 3: password-command: it can't be empty",
        ),
        (in_backup("\nexclud = \"x\""), "line 7: unknown key \"exclud\" in [set.a.backup]; did you mean \"exclude\"?"),
        (in_backup("dry-run = true"), "line 6: dry-run: has no place in a profile"),
        (in_backup("compression = [1, 2]"), "line 6: compression: expected a text in quotes or a number"),
        (in_backup("exclude-caches = \"yes\""), "line 6: exclude-caches: expected true or false"),
        (in_backup("exclude = [\n\"a\",\n{}]"), "line 8: exclude: expected a text"),
        (in_backup("paths = [\"/b\"]"), "line 6: "),
        (in_backup("exclude-file = [\n\"a\",\n\"~/b\"]"), "line 8: exclude-file: ~ has no meaning"),
        (in_backup("command = \"pg_dump shop\""), "line 6: command: expected NAME=COMMAND"),
        (in_backup("files-from-raw = \"-\""), "line 6: files-from-raw: a run has no standard input: name a file"),
        (in_backup("[set.a.forget]\nundo = true"), "line 7: undo: has no place in a profile"),
        (in_backup("[set.a.frget]"), "line 6: unknown key \"frget\" in [set.a]; did you mean \"forget\"?"),
        (in_backup("[set.a.hooks]\nbefor = \"x\""), "line 7: unknown key \"befor\" in [set.a.hooks]"),
        (in_backup("[set.a.hooks]\nbefore = []"), "line 7: before: a command has at least one word"),
        (in_backup("[set.a.hooks]\nbefore = {timeout = \"1m\"}"), "line 7: the hook \"before\" has no command"),
        (in_backup("[set.a.hooks]\nafter = {run = \"x\", timeout = \"1\"}"), "line 7: timeout: expected a length"),
        (format!("{REPOSITORY}[set.a]\nschedule = \"nightly\"\nprune = {{}}"), "line 5: schedule: expected hourly"),
        (format!("{REPOSITORY}[set.a]\n"), "line 4: [set.a] does nothing"),
        (format!("{REPOSITORY}[set.a]\nbackpu = {{}}"), "line 5: unknown key \"backpu\" in [set.a]"),
        (format!("{REPOSITORY}[set.a.backup]\n"), "line 4: [set.a.backup] backs up nothing"),
        (format!("{REPOSITORY}[set.\"a b\".prune]\n"), "line 4: [set.a b] a set's name has"),
        (
            format!("{REPOSITORY}[set.a]\nrepository = \"nsa\"\nprune = {{}}"),
            "the profile has no repository \"nsa\"; did",
        ),
        ("[set.a.prune]".to_owned(), "line 1: [set.a] has no repository"),
        (
            format!("{REPOSITORY}[repository.b]\nstore = \"b\"\n[set.a.prune]"),
            "line 6: [set.a] names none of the repositories",
        ),
        (
            format!("{REPOSITORY}[repository.b]\nstore = \"b\"\n[set.b]\nrepository = \"nas\"\nprune = {{}}"),
            "line 6: [set.b] has the name of a repository that is not its own",
        ),
    ];
    for (text, why) in cases {
        let refusal = parse(&text).map(|_| ()).expect_err(&text);
        assert!(refusal.contains(why), "{text}\n{refusal}\n{why}");
    }
}

#[test]
fn whatever_a_document_holds_it_is_read_or_refused() {
    assert!(parse(WHOLE).is_ok());
    let mut read = 0;
    for cut in 0..WHOLE.len() {
        read += usize::from(parse(&WHOLE[..cut]).is_ok());
        for other in ["\"", "[", "]", "=", "\n", "\u{e9}", "0"] {
            let _ = parse(&format!("{}{other}{}", &WHOLE[..cut], &WHOLE[cut..]));
            let _ = parse(&format!("{}{other}{}", &WHOLE[..cut], &WHOLE[cut + 1..]));
        }
    }
    assert!(read < WHOLE.len() / 2, "most beginnings of a profile are none");
}
