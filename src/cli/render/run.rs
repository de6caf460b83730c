//! What `holdall run` prints: for programs the lines of the steps, each with its set and step; for people what is worth
//! knowing of them.

use super::json::moment;
use super::{Renderer, Style, text};
use crate::cli::failure::exit;
use crate::profile::{BackupFigures, Outcome};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::path::Path;
use std::time::{Duration, Instant};

/// Takes what a step prints.
pub(crate) struct Relay<'a> {
    renderer: &'a Renderer,
    set: &'a str,
    step: &'static str,
    began: Instant,
    /// The step's summary.
    summary: Option<Map<String, Value>>,
    /// Why it failed, in its own words.
    message: Option<String>,
}

/// How a step ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StepReport {
    pub(crate) step: &'static str,
    pub(crate) exit_code: u8,
    /// Seconds.
    #[serde(serialize_with = "as_seconds")]
    #[cfg_attr(test, schemars(with = "f64"))]
    pub(crate) duration: Duration,
    #[serde(skip)]
    pub(crate) snapshot: Option<String>,
    #[serde(skip)]
    pub(crate) message: Option<String>,
    /// What a backup counted, if it made a snapshot.
    #[serde(skip)]
    pub(crate) backup: Option<BackupFigures>,
}

/// How the run of a set ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SetReport<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) set: &'a str,
    pub(crate) outcome: &'static str,
    pub(crate) exit_code: u8,
    pub(crate) began: String,
    pub(crate) ended: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<&'a str>,
    pub(crate) steps: &'a [StepReport],
}

/// A command that a run would run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PlannedCommand<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) set: &'a str,
    /// A step (`backup`, `forget`, `prune`, `check`) or a hook (`before`, `after`, `failed`, `finally`).
    pub(crate) stage: &'static str,
    /// Its words; what is no UTF-8 in them is replaced.
    pub(crate) command: Vec<String>,
}

impl<'a> Relay<'a> {
    /// For a step that begins now.
    pub(crate) fn new(renderer: &'a Renderer, set: &'a str, step: &'static str) -> Self {
        Self { renderer, set, step, began: Instant::now(), summary: None, message: None }
    }

    /// Takes a line of its standard output.
    pub(crate) fn printed(&mut self, line: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(line) else { return self.said(line) };
        let fields = self.labelled(value);
        self.renderer.json(&fields);
        match fields.get("message_type").and_then(Value::as_str) {
            Some("summary") => self.summary = Some(fields),
            Some("damage") => self.found(&fields),
            _ => {}
        }
    }

    /// Takes a damage: the first one is why the step fails.
    fn found(&mut self, damage: &Map<String, Value>) {
        let field = |name: &str| damage.get(name).and_then(Value::as_str).unwrap_or_default();
        let file = damage.get("files").and_then(|files| files.get(0)?.get("path")?.as_str());
        let more = damage.get("file_count").and_then(Value::as_u64).unwrap_or(0).saturating_sub(1);
        let hits = match (file.map(|file| text::printable(file.as_bytes())), more) {
            (None, _) => String::new(),
            (Some(file), 0) => format!(" (hits {file})"),
            (Some(file), more) => format!(" (hits {file} and {})", text::counted(more, "more file", "more files")),
        };
        let what = format!("{}: {}{hits}", field("object"), field("message"));
        if self.renderer.style() == Style::Human {
            self.tell(&format!("{what}; {}", field("remedy")));
        }
        self.message.get_or_insert(what);
    }

    /// Takes a line of its standard error.
    pub(crate) fn complained(&mut self, line: &[u8]) {
        let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(line) else { return self.said(line) };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = text("message_type");
        if kind == "exit_error" {
            self.message = Some(text("message").replace('\n', "; "));
        }
        match (self.renderer.style(), kind) {
            (Style::Json, _) => self.renderer.complain(&self.labelled(Value::Object(fields))),
            (Style::Human, "error") => {
                let message = fields.get("error").and_then(|error| error.get("message")).and_then(Value::as_str);
                self.renderer.problem(Path::new(text("item")), text("during"), message.unwrap_or_default());
            }
            (Style::Human, _) => text("message").lines().for_each(|line| self.tell(line)),
        }
    }

    /// Says why the step failed, where it can't say so itself.
    pub(crate) fn failed(&mut self, why: &str) {
        self.tell(why);
        self.message = Some(why.to_owned());
    }

    /// Ends the step.
    pub(crate) fn end(self, exit_code: u8) -> StepReport {
        let elapsed = self.began.elapsed();
        let done = Outcome::of(exit_code).is_done();
        let snapshot = self.summary.as_ref().and_then(|fields| fields.get("snapshot_id")).and_then(Value::as_str);
        let snapshot = snapshot.map(str::to_owned);
        if done {
            let (set, step, what) = (self.set, self.step, self.what_was_done(exit_code));
            self.renderer.say(&format!("{set}: {step}: {what} ({})\n", text::duration(elapsed.as_secs())));
            self.renderer.flush();
        }
        let backup = snapshot.as_ref().map(|_| self.figures());
        let message = match self.message {
            None if !done => Some(format!("{} ended with exit code {exit_code}", self.step)),
            message => message,
        };
        StepReport { backup, step: self.step, exit_code, duration: elapsed, snapshot, message }
    }

    /// A number of the step's summary.
    fn count(&self, name: &str) -> u64 {
        self.summary.as_ref().and_then(|fields| fields.get(name)?.as_u64()).unwrap_or(0)
    }

    fn figures(&self) -> BackupFigures {
        BackupFigures {
            file_count: self.count("total_files_processed"),
            held_bytes: self.count("total_bytes_processed"),
            stored_bytes: self.count("data_added_packed"),
            problem_count: self.count("errors"),
        }
    }

    fn what_was_done(&self, exit_code: u8) -> String {
        let count = |name: &str| self.count(name);
        match self.step {
            "backup" => {
                let id = self.summary.as_ref().and_then(|fields| fields.get("snapshot_id")).and_then(Value::as_str);
                let id: String = id.unwrap_or_default().chars().take(8).collect();
                let problems = match count("errors") {
                    0 if exit_code == exit::DONE => String::new(),
                    errors => format!(", {} not saved as they should be", text::counted(errors, "item", "items")),
                };
                let new = text::counted(count("files_new"), "file", "files");
                let (changed, stored) = (text::count(count("files_changed")), text::bytes(count("data_added_packed")));
                format!("snapshot {id} saved, {new} new, {changed} changed, {stored} stored{problems}")
            }
            "prune" => format!("{} freed", text::bytes(count("bytes_deleted"))),
            "check" => format!("no damage in {}", text::counted(count("snapshots"), "snapshot", "snapshots")),
            _ => "done".to_owned(),
        }
    }

    fn said(&self, line: &[u8]) {
        if !line.is_empty() {
            self.tell(&String::from_utf8_lossy(line));
        }
    }

    fn tell(&self, what: &str) {
        self.renderer.notice(&format!("{}: {}: {what}", self.set, self.step));
    }

    /// The fields of a value with those that say where it comes from.
    fn labelled(&self, value: Value) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("set".to_owned(), self.set.into());
        fields.insert("step".to_owned(), self.step.into());
        if let Value::Object(own) = value {
            fields.extend(own);
        } else {
            fields.insert("message_type".to_owned(), "output".into());
            fields.insert("output".to_owned(), value);
        }
        fields
    }
}

/// A length of time as JSON carries it.
fn as_seconds<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(length.as_secs_f64())
}

/// Prints a command that a run would run; for people as this line.
pub(crate) fn planned(renderer: &Renderer, command: &PlannedCommand<'_>, line: &[u8]) {
    match renderer.style() {
        Style::Json => renderer.json(command),
        Style::Human => renderer.print_name(&format!("{}: {}: ", command.set, command.stage), line, ""),
    }
}

/// Prints how the run of a set ended.
pub(crate) fn set_report(renderer: &Renderer, report: &SetReport<'_>) {
    renderer.json(report);
    let message = report.message.map_or_else(String::new, |message| {
        format!(": {}", text::printable(message.lines().next().unwrap_or_default().as_bytes()))
    });
    renderer.say(&format!("{}: {}{message}\n", report.set, report.outcome));
    renderer.flush();
}

/// A moment of a report, from seconds since 1970.
pub(crate) fn moment_s(time_s: i64) -> String {
    moment(time_s.saturating_mul(1_000_000_000))
}
