//! Held against what restic leaves out: tests/patterns/cases.txt, recorded by tests/patterns/record.py.

use super::*;
use std::collections::BTreeSet;

const CASES: &str = include_str!("../../tests/patterns/cases.txt");

/// One command line, and what restic leaves out of the tree, or that it refuses the patterns.
struct Recorded {
    kind: String,
    words: Vec<Vec<u8>>,
    left_out: Option<BTreeSet<Vec<u8>>>,
}

#[derive(Default)]
struct Table {
    /// Directories with a slash at their end.
    entries: Vec<Vec<u8>>,
    cases: Vec<Recorded>,
}

/// Undoes the writing of odd bytes as `%` and two hex digits.
fn bytes(word: &str) -> Vec<u8> {
    let mut parts = word.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

fn table() -> Table {
    let mut table = Table::default();
    for line in CASES.lines() {
        let mut words = line.split('\t');
        let kind = words.next().unwrap();
        let words: Vec<Vec<u8>> = words.map(bytes).collect();
        let last = table.cases.last_mut();
        match (kind, last) {
            ("entry", _) => table.entries.push(words[0].clone()),
            ("backup" | "restore", _) => {
                table.cases.push(Recorded { kind: kind.to_owned(), words, left_out: Some(BTreeSet::new()) });
            }
            ("out", Some(case)) => drop(case.left_out.as_mut().unwrap().insert(words[0].clone())),
            ("refused", Some(case)) => case.left_out = None,
            (kind, _) => assert!(kind.starts_with('#') || kind == "variables", "{line}"),
        }
    }
    table
}

/// The options of a case: lists by what they do. Exclude files are the command line's affair.
struct Lists {
    targets: Vec<Vec<u8>>,
    include: Vec<PatternList>,
    exclude: Vec<PatternList>,
}

fn lists(words: &[Vec<u8>]) -> Result<Lists, PatternError> {
    let options = words.iter().position(|word| word.starts_with(b"--")).unwrap_or(words.len());
    let (targets, options) = words.split_at(options);
    let mut lists = [Case::Exact, Case::Ignored, Case::Exact, Case::Ignored].map(PatternList::new);
    for pair in options.chunks(2) {
        let place = ["--include", "--iinclude", "--exclude", "--iexclude"];
        let place = place.iter().position(|option| option.as_bytes() == pair[0]).expect("a known option");
        lists[place].add(Rule::new(pair[1].clone(), "test"))?;
    }
    let [include, iinclude, exclude, iexclude] = lists;
    Ok(Lists { targets: targets.to_vec(), include: vec![include, iinclude], exclude: vec![exclude, iexclude] })
}

fn path(entry: &[u8]) -> Vec<&[u8]> {
    entry.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect()
}

fn chooses(lists: &[PatternList], entry: &[u8]) -> bool {
    lists.iter().any(|list| list.choosing(&path(entry)).is_some())
}

fn lies_in(entry: &[u8], target: &[u8]) -> bool {
    path(entry).starts_with(&path(target))
}

impl Lists {
    /// What a walk over the targets leaves out: what is named stays, and what is below something left out is not met.
    fn backup_without(&self, entries: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
        let named = |entry: &[u8]| self.targets.iter().any(|target| path(target) == path(entry));
        let above_named = |entry: &[u8]| self.targets.iter().any(|target| lies_in(target, entry));
        let mut out: BTreeSet<Vec<u8>> = BTreeSet::new();
        for entry in entries.iter().filter(|entry| self.targets.iter().any(|target| lies_in(entry, target))) {
            let met = !out.iter().any(|above| lies_in(entry, above)) || named(entry);
            if met && !named(entry) && !above_named(entry) && chooses(&self.exclude, entry) {
                out.insert(entry.clone());
            }
        }
        out
    }

    /// What a restore leaves out of the whole tree: a directory is made when something in it is restored.
    fn restore_without(&self, entries: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
        let all_in = self.include.iter().all(PatternList::is_empty);
        let cut = |entry: &[u8]| entries.iter().any(|above| lies_in(entry, above) && chooses(&self.exclude, above));
        let taken = |entry: &[u8]| (all_in || chooses(&self.include, entry)) && !cut(entry);
        let there = |entry: &[u8]| entries.iter().any(|below| lies_in(below, entry) && taken(below));
        let root = |entry: &[u8]| path(entry).len() == 1;
        let above = |entry: &[u8]| {
            let path = path(entry);
            entries.iter().any(|above| super::tests::path(above) == path[..path.len() - 1] && there(above))
        };
        entries.iter().filter(|entry| !there(entry) && (root(entry) || above(entry))).cloned().collect()
    }
}

fn shown(entries: &BTreeSet<Vec<u8>>) -> Vec<String> {
    entries.iter().map(|entry| entry.escape_ascii().to_string()).collect()
}

#[test]
fn patterns_choose_what_they_choose_in_restic() {
    let table = table();
    let mut compared = 0;
    for case in &table.cases {
        let is_file = |word: &&Vec<u8>| word.ends_with(b"-file");
        if case.words.iter().any(|word| is_file(&word)) {
            continue;
        }
        let asked: Vec<String> = case.words.iter().map(|word| word.escape_ascii().to_string()).collect();
        let left_out = lists(&case.words).ok().map(|lists| match case.kind.as_str() {
            "backup" => lists.backup_without(&table.entries),
            _ => lists.restore_without(&table.entries),
        });
        assert_eq!(left_out.as_ref().map(shown), case.left_out.as_ref().map(shown), "{asked:?}");
        compared += 1;
    }
    assert!(compared > 300, "{compared} cases");
}

#[test]
fn a_standing_from_the_directory_above_is_that_of_the_whole_path() {
    let mut list = PatternList::new(Case::Exact);
    for text in ["*.o", "/home/*", "!/home/ada", "src/**/test", "b", "!a/b", "**/x", "!src/*", "/srv/**/a/**/x"] {
        list.add(Rule::new(text, "test")).unwrap();
    }
    for entry in &table().entries {
        let path = path(entry);
        let directory = list.standing(&path[..path.len() - 1]);
        assert_eq!(list.standing_in(directory, &path), list.standing(&path), "{}", entry.escape_ascii());
    }
}

#[test]
fn many_stars_do_not_take_for_ever() {
    let name = "a".repeat(255);
    let deep: Vec<&[u8]> = vec![name.as_bytes(); 30];
    for text in ["a*".repeat(60) + "b", "**/a*/".repeat(30) + "b", "**/[a]*[^b]*/".repeat(30) + "*b"] {
        let mut list = PatternList::new(Case::Exact);
        list.add(Rule::new(text.clone(), "test")).unwrap();
        assert_eq!(list.choosing(&deep), None, "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_keep_their_difference_when_case_does_not_count() {
    let mut list = PatternList::new(Case::Ignored);
    list.add(Rule::new(b"A\xff".to_vec(), "test")).unwrap();
    assert!(list.choosing(&[b"a\xff"]).is_some());
    assert_eq!(list.choosing(&[b"a\xfe"]), None);
}

#[test]
fn a_rule_says_where_it_stands() {
    assert_eq!(Rule::new("*.o", "--exclude").to_string(), "--exclude *.o");
    assert_eq!(Rule::new("*.o", "/etc/excludes").line(12).to_string(), "/etc/excludes:12 *.o");
    assert_eq!(Rule::new("", "--exclude-nodump").to_string(), "--exclude-nodump");
}

const GIT_CASES: &str = include_str!("../../tests/patterns/git_cases.txt");

/// What is left out where these files lie, each with its directory: entries with the directory and line of the rule.
fn ignored(entries: &[Vec<u8>], files: &[(Vec<u8>, IgnoreFile)]) -> BTreeSet<(Vec<u8>, String, Option<u64>)> {
    let mut out: BTreeSet<(Vec<u8>, String, Option<u64>)> = BTreeSet::new();
    for entry in entries {
        let whole = path(entry);
        if out.iter().any(|(above, ..)| lies_in(entry, above)) {
            continue;
        }
        let judged = if entry.ends_with(b"/") { Judged::Directory } else { Judged::Other };
        let nearest_first = (0..whole.len()).rev().filter_map(|depth| {
            let (_, file) = files.iter().find(|(directory, _)| path(directory) == whole[..depth])?;
            Some(file.verdict(&whole[depth..], judged))
        });
        if let Some(Verdict::LeftOut(rule)) = nearest_first.into_iter().find(|verdict| *verdict != Verdict::Silent) {
            out.insert((entry.clone(), rule.origin.clone(), rule.line));
        }
    }
    out
}

#[test]
fn ignore_files_say_what_they_say_in_git() {
    let words = |line: &str| line.split('\t').map(bytes).collect::<Vec<_>>();
    let all: Vec<Vec<Vec<u8>>> = GIT_CASES.lines().map(words).collect();
    let entries: Vec<Vec<u8>> = all.iter().filter(|words| words[0] == b"entry").map(|words| words[1].clone()).collect();
    let mut lines = all.iter().peekable();
    let mut compared = 0;
    while let Some(case) = lines.next() {
        if case[0] != b"ignore" {
            continue;
        }
        let parse = |pair: &[Vec<u8>]| {
            let origin = String::from_utf8(pair[0].clone()).unwrap();
            (pair[0].clone(), IgnoreFile::parse(&pair[1], &origin))
        };
        let files: Vec<(Vec<u8>, IgnoreFile)> = case[1..].chunks(2).map(parse).collect();
        let mut expected = BTreeSet::new();
        while let Some(out) = lines.next_if(|words| words[0] == b"out") {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            expected.insert((out[1].clone(), text(&out[2]), text(&out[3]).parse().ok()));
        }
        assert_eq!(
            ignored(&entries, &files),
            expected,
            "{:?}",
            case.iter().map(|w| w.escape_ascii().to_string()).collect::<Vec<_>>()
        );
        compared += 1;
    }
    assert!(compared > 150, "{compared} cases");
}
