//! The options of a step are those of the command that it runs.

use super::refusal::Refusal;
use super::table::{Table, Value};
use std::path::Path;

/// A command that a set may run; they run in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StepKind {
    Backup,
    Forget,
    Prune,
    Check,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OptionKind {
    /// Nothing.
    Switch,
    /// One value.
    One,
    /// One value each time it is given.
    Many,
}

/// An option of a command, by its long name without the dashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepOption {
    pub(crate) name: String,
    pub(crate) kind: OptionKind,
}

/// The options of the commands that a set may run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalogue {
    pub(crate) backup: Vec<StepOption>,
    pub(crate) forget: Vec<StepOption>,
    pub(crate) prune: Vec<StepOption>,
    pub(crate) check: Vec<StepOption>,
}

const REHEARSAL: &str = "a rehearsal that nobody looks at; run it by hand";
const NO_INPUT: &str = "a step has no standard input; `command = [\"NAME=COMMAND\"]` stores what a command writes";

/// What has no place in a profile, with the reason.
const REFUSED: &[(StepKind, &str, &str)] = &[
    (StepKind::Backup, "dry-run", REHEARSAL),
    (StepKind::Backup, "force", "every run would read every file again; run it by hand"),
    (StepKind::Backup, "parent", "every run would compare with the same snapshot"),
    (StepKind::Backup, "time", "every snapshot would have the same time"),
    (StepKind::Backup, "stdin", NO_INPUT),
    (StepKind::Backup, "stdin-filename", NO_INPUT),
    (StepKind::Backup, "stdin-from-command", NO_INPUT),
    (
        StepKind::Backup,
        "accept-rollback",
        "whether a repository was set back on purpose is for somebody to say each time",
    ),
    (StepKind::Forget, "dry-run", REHEARSAL),
    (StepKind::Forget, "prune", "it is a step of its own, a table named prune"),
    (StepKind::Forget, "undo", "it names snapshots; run it by hand"),
    (StepKind::Forget, "keep-id", "it names snapshots; `holdall pin` keeps one"),
    (StepKind::Prune, "dry-run", REHEARSAL),
];

/// Options that name a file which the step reads.
const FILES: [&str; 5] = ["exclude-file", "iexclude-file", "files-from", "files-from-verbatim", "files-from-raw"];
/// Options that name what a command writes.
const COMMANDS: [&str; 2] = ["command", "optional-command"];

impl StepKind {
    /// All, in the order in which they run.
    pub(crate) const ALL: [Self; 4] = [Self::Backup, Self::Forget, Self::Prune, Self::Check];

    /// The command.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Forget => "forget",
            Self::Prune => "prune",
            Self::Check => "check",
        }
    }
}

impl Catalogue {
    fn of(&self, kind: StepKind) -> &[StepOption] {
        match kind {
            StepKind::Backup => &self.backup,
            StepKind::Forget => &self.forget,
            StepKind::Prune => &self.prune,
            StepKind::Check => &self.check,
        }
    }
}

fn refused(kind: StepKind, name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(step, refused, _)| *step == kind && *refused == name).map(|(_, _, why)| *why)
}

/// One option as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) name: String,
    /// `None` for a switch.
    pub(crate) value: Option<String>,
    /// The line of the value.
    pub(crate) line: usize,
}

impl Given {
    /// The file that the step reads for it, from the profile's folder.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.value.as_deref().filter(|_| FILES.contains(&&*self.name)).map(Path::new)
    }

    /// As it stands on a command line.
    pub(super) fn argument(&self) -> String {
        match &self.value {
            None => format!("--{}", self.name),
            Some(value) => format!("--{}={value}", self.name),
        }
    }
}

/// Takes the options of a step from its table, in the document's order.
pub(super) fn read(kind: StepKind, table: &mut Table<'_>, catalogue: &Catalogue) -> Result<Vec<Given>, Refusal> {
    let known = catalogue.of(kind);
    known.iter().filter(|option| refused(kind, &option.name).is_none()).for_each(|option| table.know(&option.name));
    let mut given = Vec::new();
    for value in table.rest() {
        if let Some(why) = refused(kind, value.key) {
            return Err(value.refuse(&format!("has no place in a profile: {why}")));
        }
        let option = known.iter().find(|option| option.name == value.key);
        given.extend(one(option.ok_or_else(|| table.refuse_unknown(value))?, value)?);
    }
    Ok(given)
}

fn one(option: &StepOption, value: Value<'_>) -> Result<Vec<Given>, Refusal> {
    let name = &option.name;
    let with = |item: Value<'_>| Ok(Given { name: name.clone(), value: Some(word(name, item)?), line: item.line });
    match option.kind {
        OptionKind::Switch if value.truth()? => Ok(vec![Given { name: name.clone(), value: None, line: value.line }]),
        OptionKind::Switch => Ok(Vec::new()),
        OptionKind::One => Ok(vec![with(value)?]),
        OptionKind::Many => value.items().into_iter().map(with).collect(),
    }
}

fn word(name: &str, value: Value<'_>) -> Result<String, Refusal> {
    if FILES.contains(&name) {
        let file = value.path()?;
        let is_input = file == "-" && name.starts_with("files-from");
        return if is_input {
            Err(value.refuse("a run has no standard input: name a file"))
        } else {
            Ok(file.to_owned())
        };
    }
    let word = value.word()?;
    let is_nameless = COMMANDS.contains(&name) && !word.contains('=');
    if is_nameless { Err(value.refuse("expected NAME=COMMAND")) } else { Ok(word) }
}
