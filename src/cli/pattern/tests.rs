//! Exclude files are held against restic's answers: tests/patterns/cases.txt.

use super::*;
use holdall::PatternCase;

const CASES: &str = include_str!("../../../tests/patterns/cases.txt");

/// Undoes the writing of odd bytes as `%` and two hex digits.
fn bytes(word: &str) -> Vec<u8> {
    let mut parts = word.split('%');
    let mut bytes = parts.next().expect("a word").as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

/// The variables of the recorded cases, and no others.
fn recorded() -> Surroundings {
    Surroundings::with(|name| {
        let line = CASES.lines().find(|line| line.starts_with("variables")).expect("they stand in the file");
        let mut given = line.split('\t').skip(1).map(bytes);
        let value = given.find_map(|pair| pair.strip_prefix(format!("{name}=").as_bytes()).map(<[u8]>::to_vec));
        value.map(OsString::from_vec)
    })
}

fn names(entry: &[u8]) -> Vec<&[u8]> {
    entry.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect()
}

/// What is left out by an exclude file of everything in `entries` that is not `/NAME`; none when it is refused.
fn left_out(entries: &[Vec<u8>], case: PatternCase, content: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = PatternList::new(case);
    for rule in rules(&recorded(), Path::new("/excludes"), content).ok()? {
        add(&mut list, rule).ok()?;
    }
    let mut out: Vec<Vec<u8>> = Vec::new();
    for entry in entries.iter().filter(|entry| names(entry).len() > 1) {
        let is_met = !out.iter().any(|above| names(entry).starts_with(&names(above)));
        if is_met && list.choosing(&names(entry)).is_some() {
            out.push(entry.clone());
        }
    }
    Some(out)
}

#[test]
fn exclude_files_say_what_they_say_in_restic() {
    let words = |line: &str| line.split('\t').map(bytes).collect::<Vec<_>>();
    let entries: Vec<Vec<u8>> =
        CASES.lines().map(words).filter(|words| words[0] == b"entry").map(|words| words[1].clone()).collect();
    let mut lines = CASES.lines().map(words).peekable();
    let mut compared = 0;
    while let Some(case) = lines.next() {
        let [.., option, content] = case.as_slice() else { continue };
        let case = match option.as_slice() {
            b"--exclude-file" => PatternCase::Exact,
            b"--iexclude-file" => PatternCase::Ignored,
            _ => continue,
        };
        let mut expected = Some(Vec::new());
        while let Some(answer) = lines.next_if(|words| matches!(words[0].as_slice(), b"out" | b"refused")) {
            expected = expected.filter(|_| answer[0] == b"out");
            expected.iter_mut().for_each(|out| out.push(answer[1].clone()));
        }
        assert_eq!(left_out(&entries, case, content), expected, "{}", content.escape_ascii());
        compared += 1;
    }
    assert!(compared > 50, "{compared} cases");
}

#[test]
fn a_variable_that_is_not_set_is_refused_with_its_line() {
    for line in ["$NOWHERE/*", "${NOWHERE}/*", "a${NOWHERE", "${}", "$*", "$1"] {
        let text = format!("*.o\n\n{line}\n");
        let error = rules(&recorded(), Path::new("/excludes"), text.as_bytes()).expect_err(line);
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().starts_with("/excludes:3: "), "{error}");
    }
}

#[test]
fn a_broken_pattern_is_refused_with_its_place() {
    let mut list = PatternList::new(PatternCase::Exact);
    let refused = add(&mut list, Rule::new("[a", "/excludes").line(7)).expect_err("no class");
    assert!(refused.to_string().starts_with("/excludes:7 [a: "), "{refused}");
}

#[test]
fn a_file_in_another_encoding_is_refused_and_bytes_that_are_no_text_are_kept() {
    assert!(rules(&recorded(), Path::new("/excludes"), b"\xff\xfe*\0").is_err());
    let kept = rules(&recorded(), Path::new("/excludes"), b" \xff*\t\n").expect("a rule");
    assert_eq!(kept[0].text, b"\xff*");
}
