//! A set: what is backed up where, how long it is kept, and what runs around that.

use super::calendar::Calendar;
use super::duration::parse_duration;
use super::hooks::Hooks;
use super::options::{Catalogue, Given, StepKind, read};
use super::refusal::Refusal;
use super::table::Table;
use std::fmt;
use std::time::Duration;

/// A set's name: it stands in names of files and units, in crontabs and in tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SetName(String);

const NAME_BYTES_MAX: usize = 64;

/// A set of a profile.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) name: SetName,
    /// The name of its repository, which the profile has.
    pub(crate) repository: String,
    /// When it runs.
    pub(crate) schedule: Option<Calendar>,
    /// How old its last backup may be.
    pub(crate) max_age: Option<Duration>,
    /// Its hooks, between those of the whole profile.
    pub(crate) hooks: Hooks,
    pub(super) steps: Vec<Step>,
}

/// A command with the options that the profile gives it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    /// The line of its table.
    line: usize,
    pub(super) options: Vec<Given>,
    pub(super) paths: Vec<String>,
}

impl SetName {
    /// Reads a name: 1 to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        (begins && text.len() <= NAME_BYTES_MAX && text.chars().all(is_inner)).then(|| Self(text.to_owned()))
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Set {
    /// Whether it makes snapshots.
    pub(crate) fn backs_up(&self) -> bool {
        self.steps.iter().any(|step| step.kind == StepKind::Backup)
    }

    /// The options that the profile gives a step, in its order.
    pub(crate) fn given(&self, kind: StepKind) -> impl Iterator<Item = &Given> {
        self.steps.iter().filter(move |step| step.kind == kind).flat_map(|step| &step.options)
    }

    /// Refuses a step for one of its options, or for what it lacks.
    pub(crate) fn refuse(&self, kind: StepKind, option: Option<&Given>, why: &str) -> Refusal {
        let table = self.steps.iter().find(|step| step.kind == kind).map(|step| step.line);
        let line = option.map(|option| option.line).or(table).unwrap_or(1);
        Refusal::new(line, format!("[set.{}.{}]: {why}", self.name, kind.name()))
    }

    /// Reads a set's table. A set of a profile with one repository need not name it.
    pub(super) fn read(
        name: &str,
        mut table: Table<'_>,
        repositories: &[&str],
        everywhere: &Hooks,
        catalogue: &Catalogue,
    ) -> Result<Self, Refusal> {
        let name = SetName::parse(name).ok_or_else(|| {
            table.refuse("a set's name has 1 to 64 letters, digits, -, _ and ., and begins with a letter or digit")
        })?;
        let repository = repository(&mut table, repositories)?;
        let schedule = match table.take("schedule") {
            None => None,
            Some(value) => Some(value.text()?.parse::<Calendar>().map_err(|error| value.refuse(&error.to_string()))?),
        };
        let max_age = match table.take("max-age") {
            None => None,
            Some(value) => Some(parse_duration(value.text()?).map_err(|error| value.refuse(&error.to_string()))?),
        };
        let hooks = everywhere.around(Hooks::read(table.table("hooks")?)?);
        let mut steps = Vec::new();
        for kind in StepKind::ALL {
            if let Some(step) = table.table(kind.name())? {
                steps.push(Step::read(kind, step, catalogue)?);
            }
        }
        if steps.is_empty() {
            let misspelt = table.rest().first().map(|value| table.refuse_unknown(*value));
            let nothing = || table.refuse("does nothing: it needs a table named backup, forget, prune or check");
            return Err(misspelt.unwrap_or_else(nothing));
        }
        table.finish()?;
        Ok(Self { name, repository, schedule, max_age, hooks, steps })
    }
}

fn repository(table: &mut Table<'_>, known: &[&str]) -> Result<String, Refusal> {
    let named = table.take("repository");
    match (named, known) {
        (Some(value), _) => {
            let name = value.text()?;
            let near = super::refusal::suggestion(name, known.iter().copied());
            let unknown = || value.refuse(&format!("the profile has no repository {name:?}{near}"));
            known.contains(&name).then(|| name.to_owned()).ok_or_else(unknown)
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(table.refuse("has no repository: the profile needs a table such as [repository.home]")),
        (None, _) => Err(table.refuse("names none of the repositories: repository = \"...\"")),
    }
}

impl Step {
    fn read(kind: StepKind, mut table: Table<'_>, catalogue: &Catalogue) -> Result<Self, Refusal> {
        let line = table.line();
        let mut paths = Vec::new();
        if kind == StepKind::Backup {
            for path in table.take("paths").iter().flat_map(super::table::Value::items) {
                paths.push(path.path()?.to_owned());
            }
        }
        let options = read(kind, &mut table, catalogue)?;
        let sources = ["files-from", "files-from-verbatim", "files-from-raw", "command", "optional-command"];
        if kind == StepKind::Backup && paths.is_empty() && !options.iter().any(|given| sources.contains(&&*given.name))
        {
            return Err(table.refuse("backs up nothing: paths = [\"/home\"]"));
        }
        table.finish()?;
        Ok(Self { kind, line, options, paths })
    }

    /// Whether the profile gives an option.
    pub(super) fn gives(&self, name: &str) -> bool {
        self.options.iter().any(|given| given.name == name)
    }

    /// The value of an option that takes one.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|given| given.name == name)?.value.as_deref()
    }
}
