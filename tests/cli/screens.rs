//! What people see of each command: `tests/screens/<command>.txt`.
//!
//! Commands that read are shown on the kept repository of `tests/golden/v1`, where everything is always the same; of the
//! others ids, times and what depends on the length of paths is blotted out. After a change to what commands say, run
//! these tests with `HOLDALL_WRITE_REPORTS=1`, which writes the screens anew, and read what changed.

use crate::run::{Finished, World, contents};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A line as it is typed, without the program's name.
type Line = &'static [&'static str];

const KEPT: &[Line] = &[
    &["snapshots"],
    &["snapshots", "--forgotten"],
    &["snapshots", "--latest", "1", "--compact"],
    &["ls", "latest:/srv/golden/kinds"],
    &["ls", "-l", "--sort", "size", "latest:/srv/golden/links"],
    &["find", "first", "-l"],
    &["find", "--history", "/srv/golden/kinds/file"],
    &["diff", "latest~1", "latest"],
    &["info"],
    &["info", "latest"],
    &["info", "f893afaf"],
    &["info", "ffff"],
    &["stats"],
    &["stats", "latest"],
    &["stats", "--each"],
    &["stats", "--growth=month"],
    &["stats", "--growth=decade"],
    &["key", "list"],
    &["sessions"],
    &["restore", "-n", "latest:/srv/golden/kinds", "-t", "none"],
    &["dump", "latest:/srv/golden/kinds", "-t", "kinds.tar"],
    &["forget", "-n", "--keep-last", "1"],
    &["forget", "-n", "--keep-daily", "7", "--keep-tag", "daily", "--group-by", "host"],
    &["prune", "-n"],
    &["check"],
    &["scrub"],
    &["snapshots", "--host", "nobody"],
    &["ls", "ffff"],
    &["restore", "latest:/nowhere", "-t", "none"],
    &["forget"],
    &["snapshots", "--latst"],
];

const FRESH: &[Line] = &[
    &["init", "--kdf-memory", "64K", "--kdf-passes", "1"],
    &["init"],
    &["backup", "-n", "-v", "tree", "--exclude", "*.tmp"],
    &["backup", "tree", "nowhere", "--time", "2026-01-02T03:04:05Z", "--host", "h", "--tag", "t"],
    &["backup", "tree", "--time", "2026-01-03T03:04:05Z", "--host", "h", "--exclude", "*.tmp"],
    &["backup", "--time", "2026-01-04T03:04:05Z", "--host", "h", "--stdin-from-command", "said", "--", "echo", "hello"],
    &["backup", "--command", "said=exit 7", "--host", "h"],
    &["restore", "latest", "-t", "copy"],
    &["drill", "--target", "scratch"],
    &["drill", "--target", "scratch", "--sample", "50%", "--seed", "2", "--", "echo", "judged"],
    &["drill", "--target", "scratch", "--no-live", "--", "false"],
    &["drill", "--target", "tree"],
    &["drill", "latest:/srv"],
    &["pin", "latest"],
    &["unpin", "latest"],
    &["forget", "--keep-last", "1"],
    &["forget", "--undo", "latest"],
    &["prune", "--max-unused", "0"],
    &["check", "--read-data"],
    &["parity", "add"],
    &["repair", "index"],
    &["repair", "packs"],
    &["repair", "snapshots"],
    &["sessions", "abort", "ffff"],
    &["key", "passwd", "--new-password-file", "new"],
    &["snapshots"],
    &["--password-file", "new", "key", "remove", "ffff"],
    &["run", "--config", "holdall.toml", "--dry-run"],
    &["status", "--config", "holdall.toml"],
    &["run", "--config", "holdall.toml", "home"],
    &["--repo", "second", "init", "--kdf-memory", "64K", "--kdf-passes", "1"],
    &["--repo", "second", "copy", "-n", "--from-repo", "repository", "--from-password-file", "new"],
    &["--repo", "second", "copy", "--from-repo", "repository", "--from-password-file", "new"],
    &["mirror", "-n", "mirrored"],
    &["mirror", "mirrored"],
    &["mirror", "mirrored"],
    &["--password-file", "new", "key", "passwd", "--new-password-file", "first"],
    &["--password-file", "first", "mirror", "-n", "--delete", "mirrored"],
    &["--password-file", "first", "mirror", "--delete", "mirrored"],
    &["--password-file", "first", "mirror", "--delete", "mirrored"],
    &["mirror", "--delete", "mirrored"],
    &["--repo", "second", "import", "restic", "restic", "--from-password-file", "first", "--host", "first-host", "-n"],
    &["--repo", "second", "import", "restic", "restic", "--from-password-file", "first", "--host", "first-host"],
    &["--repo", "second", "import", "restic", "restic", "--from-password-file", "first"],
    &["--repo", "second", "import", "restic", "restic", "--from-password-file", "new"],
    &["--repo", "second", "import", "restic", "tree", "--from-password-file", "first"],
];

/// The words that name a command, as the name of a file.
fn name(line: &[&str]) -> String {
    let mut words = line;
    // An option before the command, with its value.
    while let [option, _, rest @ ..] = words
        && option.starts_with("--")
    {
        words = rest;
    }
    match words {
        [first @ ("import" | "key" | "parity" | "repair" | "sessions"), second, ..] if !second.starts_with('-') => {
            format!("{first}-{second}")
        }
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    }
}

/// Types lines in a world and adds what is seen to the screens.
fn show(
    world: &World,
    password: &str,
    lines: &[Line],
    blot: fn(&str) -> String,
    screens: &mut BTreeMap<String, String>,
) {
    for line in lines {
        let mut command = world.command();
        command.env("TZ", "UTC").env("HOLDALL_PASSWORD", password).args(*line);
        let Finished { code, out, err } = Finished::of(&command.output().expect("the program starts"));
        let seen = format!("{err}{out}").replace(&world.path("").display().to_string(), "/WORLD/");
        let code = code.map_or_else(String::new, |code| format!("exit {code}\n\n"));
        let screen = screens.entry(name(line)).or_default();
        *screen += &format!("$ holdall {}\n{}{code}", line.join(" "), blot(&seen));
    }
}

/// Without how long it took.
fn without_durations(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_matches(['(', ')', ',']);
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let is_duration = bare.len() < 6 && bare.contains(':') && bare.split(':').all(digits);
            if is_duration { word.replace(bare, "#:##") } else { word.to_owned() }
        });
        let line = without_the_view(&words.collect::<Vec<_>>().join(" "));
        // A rate stands in parentheses.
        match (line.rsplit_once(" ("), line.rsplit_once("/s)")) {
            (Some((before, rate)), Some((_, after))) if rate.contains("/s)") => format!("{before} (#/s){after}"),
            _ => line,
        }
    });
    lines.map(|line| line + "\n").collect()
}

/// Without how much lies in the cache: views are made in more than one way.
fn without_the_view(line: &str) -> String {
    match line.rsplit_once(", ") {
        Some((before, _)) if before.starts_with("View of the index ") => format!("{before}, #"),
        _ => line.to_owned(),
    }
}

/// Without ids, sizes, times of today, and the numbers of tree nodes and of folders above the world either.
fn without_chance(text: &str) -> String {
    let steady = without_durations(text);
    let lines = steady.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let mut before = "";
        let blotted = words.iter().enumerate().map(|(number, word)| {
            let next = words.get(number + 1).map_or("", |next| next.trim_end_matches([',', ')']));
            let shown = if is_today(before) { "<now>".to_owned() } else { blotted(line, word, next) };
            before = word;
            shown
        });
        let line = blotted.collect::<Vec<_>>().join(" ");
        // Where a profile lies is in its sets' tags.
        let line = match line.split_once("--tag=home@") {
            Some((before, mark)) => format!("{before}--tag=home@########{}", mark.get(8..).unwrap_or_default()),
            None => line,
        };
        let blots =
            [("# KiB", "# B"), ("# MiB", "# B"), ("# packs", "# pack"), ("# chunk references", "# chunk reference")];
        blots.iter().fold(line, |line, (told, shown)| line.replace(told, shown)) + "\n"
    });
    lines.collect()
}

/// A date that no line was told.
fn is_today(word: &str) -> bool {
    word.len() == 10 && word.starts_with("20") && word.matches('-').count() == 2 && !word.starts_with("2026-01-")
}

fn blotted(line: &str, word: &str, next: &str) -> String {
    let is_number = word.trim_start_matches('(').starts_with(|c: char| c.is_ascii_digit());
    // Where tree nodes end depends on the repository's key, and with it which packs snapshots share and which leaves: a
    // chunk that a shared leaf names is one reference, not two. How many objects there are depends on what ran beside.
    let is_size = is_number && ["B", "KiB", "MiB", "tree", "chunk", "objects", "pack", "packs"].contains(&next);
    let bare = word.trim_end_matches(',');
    let day = word.trim_end_matches(')');
    if is_today(day) {
        word.replace(day, "<today>")
    } else if bare.len() >= 8 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        word.replace(bare, &"#".repeat(bare.len()))
    } else if is_size || (line.starts_with("  folders") && word.parse::<u64>().is_ok()) {
        if word.starts_with('(') { "(#".to_owned() } else { "#".to_owned() }
    } else {
        word.to_owned()
    }
}

pub(crate) fn kept_world() -> World {
    let world = World::new();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1/repository");
    copy(&kept, &world.path("repository"));
    world
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in contents(from) {
        let copy = to.join(&path);
        if from.join(&path).is_dir() {
            std::fs::create_dir_all(copy).expect("a folder");
        } else {
            std::fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder");
            std::fs::write(copy, bytes).expect("a file");
        }
    }
}

#[test]
fn every_command_shows_what_is_expected() {
    let mut screens = BTreeMap::new();
    show(&kept_world(), "golden password", KEPT, without_durations, &mut screens);
    let world = World::new();
    world.file("tree/a.txt", b"alpha");
    world.file("tree/sub/b.txt", &[7; 100_000]);
    world.file("tree/c.tmp", b"gamma");
    world.file("new", b"another password\n");
    world.file("first", b"first\n");
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/restic-0.14-version-1/repository"),
        &world.path("restic"),
    );
    let profile = "[repository.r]\nstore = \"repository\"\npassword-file = \"new\"\n[set.home.backup]\n\
                   paths = [\"tree\"]\nhost = \"h\"\n[set.home.forget]\nkeep-last = 1\n[set.home.hooks]\n\
                   before = \"echo ready\"\n";
    world.file("holdall.toml", profile.as_bytes());
    show(&world, crate::run::PASSWORD, FRESH, without_chance, &mut screens);

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
    let mut differ = String::new();
    for (name, screen) in &screens {
        let path = folder.join(format!("{name}.txt"));
        if std::env::var_os("HOLDALL_WRITE_REPORTS").is_some() {
            std::fs::write(&path, screen).expect("a screen");
        }
        if std::fs::read_to_string(&path).ok().as_deref() != Some(screen) {
            differ += &format!("{name}:\n{screen}");
        }
    }
    assert!(differ.is_empty(), "{differ}");
    let kept = std::fs::read_dir(&folder).expect("screens").flatten().map(|entry| entry.file_name());
    let kept: BTreeSet<String> = kept.map(|name| name.into_string().expect("plain names")).collect();
    assert_eq!(kept, screens.keys().map(|name| format!("{name}.txt")).collect(), "a screen for each command");
}

/// What shows nothing that a file could hold: shells' scripts, manual pages, a mount, and what timers this machine has.
const SHOWN_ELSEWHERE: [&str; 5] = ["completions", "man", "mount", "help", "schedule"];

#[test]
fn no_command_is_without_a_screen() {
    let help = World::new().run(["--help"]).succeeded().out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
    for command in commands.filter_map(|line| line.split_whitespace().next()) {
        let names = std::fs::read_dir(&folder).expect("screens").flatten().map(|entry| entry.file_name());
        let mut names = names.map(|name| name.into_string().expect("plain names"));
        let is_shown = names.any(|name| name == format!("{command}.txt") || name.starts_with(&format!("{command}-")));
        assert!(is_shown || SHOWN_ELSEWHERE.contains(&command), "{command} has no screen");
    }
}
