//! Commands that run around the steps of a set.

use super::duration::parse_duration;
use super::refusal::Refusal;
use super::table::{Table, Value};
use std::time::Duration;

/// How long a hook may take that says nothing of it.
const TIMEOUT: Duration = Duration::from_secs(3600);
/// The same of a command that pushes figures: whoever waits for it waits for nothing else.
const PUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookKind {
    /// Before the first step; if it fails there is no step.
    Before,
    /// After the last step, if none failed.
    After,
    /// After a failure or an interruption.
    Failed,
    /// At the end, whatever happened.
    Finally,
}

/// What a hook runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HookCommand {
    /// A line for the shell.
    Shell(String),
    /// A program with its arguments; at least one word.
    Words(Vec<String>),
}

/// One command with the time that it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) command: HookCommand,
    pub(crate) timeout: Duration,
}

/// The hooks of a set, or those of every set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hooks {
    before: Vec<Hook>,
    after: Vec<Hook>,
    failed: Vec<Hook>,
    finally: Vec<Hook>,
}

impl HookKind {
    /// As the profile calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Failed => "failed",
            Self::Finally => "finally",
        }
    }
}

impl Hooks {
    /// Those of one kind, in the order of the profile.
    pub(crate) fn of(&self, kind: HookKind) -> &[Hook] {
        match kind {
            HookKind::Before => &self.before,
            HookKind::After => &self.after,
            HookKind::Failed => &self.failed,
            HookKind::Finally => &self.finally,
        }
    }

    /// These around those of a set: before them, and after them.
    pub(super) fn around(&self, inner: Self) -> Self {
        let then = |first: &[Hook], second: &[Hook]| [first, second].concat();
        Self {
            before: then(&self.before, &inner.before),
            after: then(&inner.after, &self.after),
            failed: then(&inner.failed, &self.failed),
            finally: then(&inner.finally, &self.finally),
        }
    }

    /// Reads a table of hooks.
    pub(super) fn read(table: Option<Table<'_>>) -> Result<Self, Refusal> {
        let Some(mut table) = table else { return Ok(Self::default()) };
        let mut of = |kind: HookKind| table.take(kind.name()).map_or(Ok(Vec::new()), several);
        let hooks = Self {
            before: of(HookKind::Before)?,
            after: of(HookKind::After)?,
            failed: of(HookKind::Failed)?,
            finally: of(HookKind::Finally)?,
        };
        table.finish()?;
        Ok(hooks)
    }
}

impl Hook {
    /// Reads the command that pushes figures.
    pub(super) fn read_push(value: Value<'_>) -> Result<Self, Refusal> {
        one(value, PUSH_TIMEOUT)
    }
}

/// One hook, or a list of tables with one each. A list of texts is one command with its arguments.
fn several(value: Value<'_>) -> Result<Vec<Hook>, Refusal> {
    let items = value.items();
    if value.is_list() && !items.is_empty() && items.iter().all(Value::is_table) {
        return items.into_iter().map(|item| in_table(item, TIMEOUT)).collect();
    }
    one(value, TIMEOUT).map(|hook| vec![hook])
}

/// A command, or a table with one; `timeout` unless that says another.
fn one(value: Value<'_>, timeout: Duration) -> Result<Hook, Refusal> {
    if value.is_table() { in_table(value, timeout) } else { Ok(Hook { command: command(value)?, timeout }) }
}

fn in_table(value: Value<'_>, usual: Duration) -> Result<Hook, Refusal> {
    let mut table = value.table(format!("the hook {:?}", value.key))?;
    let run = table.take("run").ok_or_else(|| table.refuse("has no command: run = \"...\""))?;
    let timeout = match table.take("timeout") {
        None => usual,
        Some(timeout) => parse_duration(timeout.text()?).map_err(|error| timeout.refuse(&error.to_string()))?,
    };
    table.finish()?;
    Ok(Hook { command: command(run)?, timeout })
}

fn command(value: Value<'_>) -> Result<HookCommand, Refusal> {
    if !value.is_list() {
        return Ok(HookCommand::Shell(value.text()?.to_owned()));
    }
    let words = value.items().into_iter().map(|word| Ok(word.text()?.to_owned()));
    let words: Vec<String> = words.collect::<Result<_, Refusal>>()?;
    if words.is_empty() { Err(value.refuse("a command has at least one word")) } else { Ok(HookCommand::Words(words)) }
}
