//! The table of restic's commands and options leaves none out, and what it calls the same is there.

use crate::run::World;
use std::collections::{BTreeMap, BTreeSet};

/// What restic 0.19.1 says of itself: each command, and below it its options.
const RESTIC: &str = include_str!("restic/options-0.19.1.txt");
const TABLE: &str = include_str!("../../src/cli/from-restic.md");
const EVERY_COMMAND: &str = "(every command)";

/// The rows by command and option, with what holdall has and the remark.
fn rows() -> BTreeMap<(String, String), (String, String)> {
    let mut command = String::new();
    let mut rows = BTreeMap::new();
    for line in TABLE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.replace("Every command", EVERY_COMMAND).clone_into(&mut command);
        }
        let Some(row) = line.strip_prefix("| `") else { continue };
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let [name, ours, remark] = cells[..] else { panic!("{line}") };
        let name = name.trim_end_matches('`').to_owned();
        let known = rows.insert((command.clone(), name), (ours.to_owned(), remark.to_owned()));
        assert_eq!(known, None, "{line}");
    }
    rows
}

/// What restic has, as the rows are named.
fn of_restic() -> BTreeSet<(String, String)> {
    let mut command = String::new();
    let mut known = BTreeSet::new();
    for line in RESTIC.lines() {
        if let Some(option) = line.strip_prefix("  ") {
            known.insert((command.clone(), option.to_owned()));
            continue;
        }
        line.clone_into(&mut command);
        if line != EVERY_COMMAND {
            known.insert((command.clone(), command.clone()));
        }
    }
    known
}

#[test]
fn every_command_and_option_of_restic_has_a_line_that_is_not_empty() {
    let rows = rows();
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), of_restic());
    for (name, (ours, remark)) in &rows {
        assert!(!remark.trim().is_empty(), "{name:?}");
        assert!(ours == "same" || ours == "none" || ours.starts_with('`'), "{name:?}: {ours}");
    }
}

#[test]
fn what_is_called_the_same_has_the_same_short_and_long_name() {
    let world = World::new();
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    for ((command, name), (ours, _)) in rows() {
        let words: Vec<&str> = if command == EVERY_COMMAND { vec!["check"] } else { command.split(' ').collect() };
        if ours != "same" || command == name {
            continue;
        }
        let help = helps.entry(command.clone()).or_insert_with(|| {
            let arguments: Vec<&str> = words.iter().copied().chain(["--help"]).collect();
            world.run(arguments).succeeded().out
        });
        let is_there = help.lines().any(|line| {
            let line = line.trim_start();
            line.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '[', '.']))
        });
        assert!(is_there, "{command}: {name}");
    }
}

#[test]
fn what_stands_for_another_command_is_there() {
    let world = World::new();
    for (name, (ours, _)) in rows() {
        for meant in ours.split(", ").filter_map(|meant| meant.strip_prefix('`')?.strip_suffix('`')) {
            let mut words: Vec<&str> = meant.split(' ').collect();
            // An option alone is one of the same command.
            if meant.starts_with('-') && name.1 != name.0 && name.0 != EVERY_COMMAND {
                words = name.0.split(' ').chain(words).collect();
            }
            let options: Vec<&str> = words.iter().copied().filter(|word| word.starts_with("--")).collect();
            let commands: Vec<&str> =
                words.iter().copied().filter(|word| word.starts_with(|c: char| c.is_lowercase())).collect();
            let depth = usize::from(matches!(commands.first(), Some(&("key" | "sessions" | "repair")))) + 1;
            let arguments: Vec<&str> = commands.into_iter().take(depth).chain(["--help"]).collect();
            let help = world.run(arguments).succeeded().out;
            for option in options {
                assert!(help.contains(option), "{name:?}: {meant}");
            }
        }
    }
}
