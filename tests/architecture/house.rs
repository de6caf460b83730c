//! The rules of the house, each a function from source texts to what breaks it.

use super::source::{Source, find_words, item_bytes, leading_word};

/// Every room of the library and the command line, with its rank: a room imports only from strictly lower ones.
const RANKS: &[(&str, u8)] = &[
    ("id", 0),
    ("wire", 0),
    ("excerpt", 0),
    ("progress", 0),
    ("read_buffer", 0),
    ("threads", 0),
    ("chunk", 1),
    ("frame", 1),
    ("fs", 1),
    ("layout", 1),
    ("pattern", 1),
    ("seal", 1),
    ("pack", 2),
    ("manifest", 2),
    ("segment", 2),
    ("envelope", 2),
    ("config", 2),
    ("key", 2),
    ("session_record", 2),
    ("outcome", 2),
    ("record", 2),
    ("gc", 2),
    ("parity", 2),
    ("store", 3),
    ("index", 3),
    ("source", 3),
    ("destination", 3),
    ("owner", 3),
    ("restic", 3),
    ("error", 4),
    ("access", 5),
    ("heal", 5),
    ("content", 6),
    ("session", 7),
    ("needed", 8),
    ("backup", 9),
    ("restore", 9),
    ("look", 9),
    ("mirror", 9),
    ("mounting", 9),
    ("check", 9),
    ("copy", 9),
    ("forget", 9),
    ("keys", 9),
    ("scrub", 9),
    ("prune", 9),
    ("repair", 9),
    ("stats", 9),
    ("drill", 10),
    ("import", 10),
    ("info", 10),
    ("repository", 11),
    ("fuzzing", 12),
    ("lib", 12),
    // Of the command alone, and as pure as a room of the library.
    ("profile", 12),
    ("main", 13),
    ("cli", 13),
];

/// The control objects, which are of one rank and stand on one another: each may import from those before it.
const CONTROL: &[&str] = &["config", "key", "envelope", "session_record", "outcome", "record", "gc"];

/// Rooms that the command line may name: the public library. The others are public to tests and fuzzing alone.
const PUBLIC_ROOMS: &[&str] = &["id", "progress", "error"];

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const VAGUE_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

fn rank(room: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == room).map(|(_, rank)| *rank)
}

/// Where the first page of the library tells other ranks than the table above: `page` is its text. It tells of no room that
/// only gathers others, and of the command's alone those that have a rank of their own.
pub(crate) fn rank_table_breaks(page: &str) -> Vec<String> {
    let told = page.split_once("//! # The house\n").map_or("", |(_, told)| told);
    let told: String = told.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let mut breaks = Vec::new();
    let mut found = Vec::new();
    for (number, rooms) in told.split('*').skip(1).collect::<Vec<_>>().chunks(2).filter_map(|pair| pair.split_first()) {
        let rooms = rooms.first().map_or("", |rooms| *rooms);
        let words = rooms.split(|c| !super::source::is_word(c)).filter(|word| rank(word).is_some());
        for word in words {
            if rank(word).map(|rank| rank.to_string()).as_deref() != Some(*number) {
                breaks.push(format!("src/lib.rs tells of {word} in rank {number}"));
            }
            found.push(word);
        }
    }
    let gathering = ["fuzzing", "lib", "main"];
    for (room, rank) in RANKS.iter().filter(|(room, _)| !gathering.contains(room) && !found.contains(room)) {
        breaks.push(format!("src/lib.rs does not tell of {room} in rank {rank}"));
    }
    breaks
}

fn stands_on(own: &str, room: &str) -> bool {
    let place = |name: &str| CONTROL.iter().position(|control| *control == name);
    place(own).zip(place(room)).is_some_and(|(own, room)| room < own)
}

fn is_command_line(source: &Source) -> bool {
    matches!(source.room(), "main" | "cli")
}

/// Imports from a room of the same or a higher rank, and rooms that have no rank.
pub(crate) fn rank_breaks(sources: &[Source]) -> Vec<String> {
    let mut breaks = Vec::new();
    for source in sources {
        let Some(own) = rank(source.room()) else {
            breaks.push(format!("{}: the room {} has no rank", source.path, source.room()));
            continue;
        };
        if source.room() == "lib" {
            continue;
        }
        for (line, room) in imported_rooms(source) {
            let below = rank(&room).is_none_or(|rank| rank < own) || stands_on(source.room(), &room);
            let allowed = room == source.room() || below;
            if !allowed {
                breaks.push(format!("{}:{line}: {} imports from {room}", source.path, source.room()));
            }
            let hidden = rank(&room) < rank("lib") && rank(&room).is_some() && !PUBLIC_ROOMS.contains(&room.as_str());
            if is_command_line(source) && hidden {
                breaks.push(format!("{}:{line}: {room} is no part of the public library", source.path));
            }
        }
    }
    breaks
}

/// What the rooms named import from others.
pub(crate) fn imports_out_of(rooms: &[&str], sources: &[Source]) -> Vec<String> {
    let own = sources.iter().filter(|source| rooms.contains(&source.room()));
    own.flat_map(|source| imported_rooms(source).into_iter().map(move |(line, room)| (source, line, room)))
        .filter(|(_, _, room)| rank(room).is_some() && !rooms.contains(&room.as_str()))
        .map(|(source, line, room)| format!("{}:{line}: imports from {room}", source.path))
        .collect()
}

/// The rooms that a file names by a path from the root: `crate::`, `holdall::`, and `super::` out of the room.
fn imported_rooms(source: &Source) -> Vec<(usize, String)> {
    let lines = source.shipped_lines();
    let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
    let mut starts = vec!["crate::".to_owned()];
    if is_command_line(source) {
        starts.push("holdall::".to_owned());
    }
    starts.push("super::".repeat(depth(source)));
    let mut found = Vec::new();
    for start in &starts {
        for at in prefix_positions(&text, start) {
            let number = text.get(..at).map_or(0, |head| head.matches('\n').count());
            let line = lines.get(number).map_or(0, |(line, _)| *line);
            let rest = text.get(at + start.len()..).unwrap_or("");
            found.extend(first_segments(rest).into_iter().map(|room| (line, room)));
        }
    }
    found
}

/// How many `super::` lead from a file's module to the root.
fn depth(source: &Source) -> usize {
    let folders = source.path.matches('/').count();
    if source.path.ends_with("/mod.rs") { folders.saturating_sub(1).max(1) } else { folders.max(1) }
}

fn prefix_positions<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(start).map(|(at, _)| at).filter(move |&at| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        !before.is_some_and(|c| super::source::is_word(c) || c == ':')
    })
}

/// The first segments of a path or of a braced group of paths.
fn first_segments(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else { return vec![leading_word(rest).to_owned()] };
    let mut depth = 0usize;
    let mut segments = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => segments.push(String::new()),
            _ if depth == 0 => segments.iter_mut().next_back().into_iter().for_each(|segment| segment.push(c)),
            _ => {}
        }
    }
    segments.iter().map(|segment| leading_word(segment.trim()).to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Files with too many lines outside their tests.
pub(crate) fn long_files(sources: &[Source]) -> Vec<String> {
    let counted = sources.iter().filter(|source| !is_test_file(source, sources));
    let lines = counted.map(|source| (source, source.shipped_lines().len()));
    let long = lines.filter(|(_, lines)| *lines > FILE_LINES_MAX);
    long.map(|(source, lines)| format!("{}: {lines} lines outside tests, more than {FILE_LINES_MAX}", source.path))
        .collect()
}

/// Functions with too many lines of code.
pub(crate) fn long_functions(sources: &[Source]) -> Vec<String> {
    let mut long = Vec::new();
    for source in sources {
        let text = source.shipped();
        for at in find_words(&text, "fn") {
            let item = text.get(at..).unwrap_or("");
            let item = item.get(..item_bytes(item)).unwrap_or(item);
            let body = item.split_once('{').map_or("", |(_, body)| body);
            let lines = body.lines().skip(1).filter(|line| !line.trim().is_empty()).count().saturating_sub(1);
            if lines > FUNCTION_LINES_MAX {
                let name = leading_word(item.strip_prefix("fn").unwrap_or(item).trim_start());
                long.push(format!("{}: fn {name} has {lines} lines, more than {FUNCTION_LINES_MAX}", source.path));
            }
        }
    }
    long
}

/// Files that no `mod` line leads to.
pub(crate) fn forgotten_files(sources: &[Source]) -> Vec<String> {
    let roots = ["src/lib.rs", "src/main.rs"];
    let reached = |source: &&Source| roots.contains(&source.path.as_str()) || declaration(source, sources).is_some();
    sources
        .iter()
        .filter(|source| !reached(source))
        .map(|source| format!("{}: no mod line names it", source.path))
        .collect()
}

enum Declaration {
    Shipped,
    Test,
}

/// How the file's parent declares it.
fn declaration(source: &Source, sources: &[Source]) -> Option<Declaration> {
    let module = source.path.strip_suffix("/mod.rs").or_else(|| source.path.strip_suffix(".rs"))?;
    let (folder, name) = module.rsplit_once('/')?;
    let parents = match folder {
        "src" => vec!["src/lib.rs".to_owned(), "src/main.rs".to_owned()],
        _ => vec![format!("{folder}.rs"), format!("{folder}/mod.rs")],
    };
    let parents = sources.iter().filter(|parent| parents.contains(&parent.path));
    parents.filter_map(|parent| declares(parent, name)).next()
}

fn declares(parent: &Source, name: &str) -> Option<Declaration> {
    let wanted = format!("mod {name};");
    let has =
        |text: &str| find_words(text, "mod").any(|at| text.get(at..).is_some_and(|rest| rest.starts_with(&wanted)));
    if has(&parent.shipped()) {
        return Some(Declaration::Shipped);
    }
    has(&super::source::blank(&parent.text)).then_some(Declaration::Test)
}

fn is_test_file(source: &Source, sources: &[Source]) -> bool {
    let below_tests = source.path.contains("/tests/");
    below_tests || matches!(declaration(source, sources), Some(Declaration::Test))
}

/// The files that ship: those that only tests are made of are left out.
pub(crate) fn shipped(sources: &[Source]) -> Vec<Source> {
    sources.iter().filter(|source| !is_test_file(source, sources)).cloned().collect()
}

/// RocksDB named anywhere but behind the index.
pub(crate) fn rocksdb_outside_the_index(sources: &[Source]) -> Vec<String> {
    let outside = sources.iter().filter(|source| !source.path.starts_with("src/index/rocks"));
    words_in(outside, &["rocksdb", "librocksdb_sys"])
}

/// Threads started so that one which the system does not give is a panic.
pub(crate) fn threads_started_elsewhere(sources: &[Source]) -> Vec<String> {
    let ways = ["thread::spawn", "scope.spawn", "ThreadPoolBuilder"];
    let others = sources.iter().filter(|source| source.path != "src/threads.rs");
    breaks_with(others, |line| ways.iter().find(|way| line.contains(**way)).map(ToString::to_string))
}

/// A library that prints or reads the environment.
pub(crate) fn prints_or_environment(sources: &[Source]) -> Vec<String> {
    let prints = ["println", "eprintln", "print", "eprint", "dbg"].map(|name| format!("{name}!"));
    let paths =
        ["std::env", "env::var", "env::var_os", "env::vars", "env::temp_dir", "io::stdout", "io::stderr", "io::stdin"];
    let library = sources.iter().filter(|source| !is_command_line(source));
    let mut found =
        breaks_with(library.clone(), |line| paths.iter().find(|path| line.contains(**path)).map(ToString::to_string));
    found.extend(breaks_with(library, |line| prints.iter().find(|name| names_macro(line, name)).cloned()));
    found
}

/// Printing in the command line outside its renderer.
pub(crate) fn prints_outside_the_renderer(sources: &[Source]) -> Vec<String> {
    let prints = ["println", "eprintln", "print", "eprint", "dbg"].map(|name| format!("{name}!"));
    let others = sources.iter().filter(|source| is_command_line(source) && !source.path.starts_with("src/cli/render"));
    breaks_with(others, |line| {
        let path = ["io::stdout", "io::stderr"].iter().find(|path| line.contains(**path)).map(ToString::to_string);
        path.or_else(|| prints.iter().find(|name| names_macro(line, name)).cloned())
    })
}

fn names_macro(line: &str, name: &str) -> bool {
    let word = name.trim_end_matches('!');
    find_words(line, word).any(|at| line.get(at..).is_some_and(|rest| rest.starts_with(name)))
}

fn words_in<'a>(sources: impl Iterator<Item = &'a Source>, words: &[&str]) -> Vec<String> {
    breaks_with(sources, |line| {
        words.iter().find(|word| find_words(line, word).next().is_some()).map(ToString::to_string)
    })
}

fn breaks_with<'a>(sources: impl Iterator<Item = &'a Source>, test: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut breaks = Vec::new();
    for source in sources {
        for (number, line) in source.shipped_lines() {
            if let Some(what) = test(&line) {
                breaks.push(format!("{}:{number}: names {what}", source.path));
            }
        }
    }
    breaks
}

/// Modules whose name says nothing.
pub(crate) fn vague_names(sources: &[Source]) -> Vec<String> {
    let vague = |source: &&Source| {
        let path = source.path.strip_suffix(".rs").unwrap_or(&source.path);
        path.split('/').any(|part| VAGUE_NAMES.contains(&part))
    };
    sources.iter().filter(vague).map(|source| format!("{}: the name says nothing", source.path)).collect()
}
