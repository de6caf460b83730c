//! Timers and services of systemd.

use super::job::Job;
use crate::cli::failure::Failure;
use crate::cli::render::schedule::Installed;
use crate::cli::runs::replace;
use crate::cli::surroundings::{Surroundings, is_same_file};
use crate::profile::Calendar;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the first line of each unit begins with; the set and the profile follow.
const MARK: &str = "# Written by `holdall schedule install` for the set ";
const UNIT_MODE: u32 = 0o644;
/// How often is asked whether a set is due, besides at the times of its calendar. Timers pass over a time that the clocks
/// skip, and know nothing of a run that a shutdown ended.
const ASKED_AGAIN: &str = "*:0/15";

/// Why systemd takes a text for no calendar, in its own words; none as well where it can't be asked.
pub(super) fn refusal_of(calendar: &str) -> Option<String> {
    let asked =
        Command::new("systemd-analyze").args(["calendar", "--", calendar]).stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&asked.stderr).trim().to_owned();
    (!asked.status.success() && said.contains("Failed to parse")).then_some(said)
}

/// A folder of units.
pub(super) struct Units {
    folder: PathBuf,
    manager: Manager,
}

/// Who reads a folder of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Machine,
    User,
    /// Nobody that would be told.
    Nobody,
}

impl Units {
    pub(super) fn of_the_machine() -> Self {
        Self { folder: PathBuf::from("/etc/systemd/system"), manager: Manager::Machine }
    }

    pub(super) fn of_the_user(surroundings: &Surroundings) -> Result<Self, Failure> {
        let folder = surroundings.user_units();
        let folder = folder.ok_or_else(|| Failure::misuse("no folder for your units: set XDG_CONFIG_HOME or HOME"))?;
        Ok(Self { folder, manager: Manager::User })
    }

    pub(super) const fn into(folder: PathBuf) -> Self {
        Self { folder, manager: Manager::Nobody }
    }

    /// The units of a job with their places.
    pub(super) fn files(&self, job: &Job<'_>) -> Result<[(PathBuf, String); 2], Failure> {
        Ok([(self.service_path(&job.name), self.service(job)?), (self.timer_path(&job.name), timer(job)?)])
    }

    /// Writes the units of jobs, and has their timers run.
    pub(super) fn install(&self, jobs: &[Job<'_>]) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.folder).map_err(|error| Failure::io(&self.folder, "make", &error))?;
        for entry in self.installed()? {
            let place = Path::new(&entry.config);
            let is_other = |job: &Job<'_>| entry.name == job.name && !is_same_file(place, &job.config);
            if jobs.iter().any(is_other) && place.exists() {
                let (set, config) = (&entry.set, &entry.config);
                return Err(Failure::failed(format!(
                    "the set {set} of {config} is installed there; `holdall --config {config} schedule remove {set}` takes \
                     it away"
                )));
            }
        }
        for job in jobs {
            for (path, text) in self.files(job)? {
                replace(&path, text.as_bytes(), UNIT_MODE)?;
            }
        }
        let timers: Vec<String> = jobs.iter().map(|job| timer_name(&job.name)).collect();
        self.systemctl(&["daemon-reload"], &[])?;
        self.systemctl(&["enable", "--now"], &timers)?;
        // One that runs already goes by a changed calendar from now on.
        self.systemctl(&["restart"], &timers)
    }

    /// Stops the timers of sets and removes their units. A run that is at work goes on.
    pub(super) fn remove(&self, installed: &[Installed]) -> Result<(), Failure> {
        let timers: Vec<String> = installed.iter().map(|entry| timer_name(&entry.name)).collect();
        self.systemctl(&["disable", "--now"], &timers)?;
        let names = installed.iter().map(|entry| &entry.name);
        for path in names.flat_map(|name| [self.timer_path(name), self.service_path(name)]) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(Failure::io(&path, "remove", &error)),
                Ok(()) | Err(_) => {}
            }
        }
        self.systemctl(&["daemon-reload"], &[])
    }

    /// What is installed here, by name.
    pub(super) fn installed(&self) -> Result<Vec<Installed>, Failure> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| Failure::io(&self.folder, "list", &error))?,
        };
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_str().and_then(|name| name.strip_prefix("holdall-")?.strip_suffix(".timer"));
            let Some(name) = name else { continue };
            found.extend(self.entry(name, &std::fs::read_to_string(entry.path()).unwrap_or_default()));
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn entry(&self, name: &str, text: &str) -> Option<Installed> {
        let (set, config) = text.lines().next()?.strip_prefix(MARK)?.split_once(" of ")?;
        let calendars = text.lines().filter_map(|line| line.strip_prefix("OnCalendar="));
        let calendar = calendars.filter(|calendar| *calendar != ASKED_AGAIN).collect::<Vec<_>>().join("; ");
        let by = match self.manager {
            Manager::Machine => "systemd",
            Manager::User => "systemd --user",
            Manager::Nobody => "nobody",
        };
        Some(Installed::new((set, name), config, by, calendar))
    }

    fn service_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("holdall-{name}.service"))
    }

    fn timer_path(&self, name: &str) -> PathBuf {
        self.folder.join(timer_name(name))
    }

    fn service(&self, job: &Job<'_>) -> Result<String, Failure> {
        let words = std::iter::once(quoted(job.program.as_os_str(), Dollars::Plain))
            .chain(job.arguments(due(job)).iter().map(|word| quoted(word, Dollars::Doubled)))
            .collect::<Result<Vec<_>, _>>()?;
        let environment = job.environment.iter().map(|(name, value)| {
            let mut assignment = std::ffi::OsString::from(*name);
            assignment.push("=");
            assignment.push(value);
            Ok(format!("Environment={}\n", quoted(&assignment, Dollars::Plain)?))
        });
        let environment: String = environment.collect::<Result<_, Failure>>()?;
        // A user's systemd knows nothing of the machine's network.
        let network = match self.manager {
            Manager::User => "",
            Manager::Machine | Manager::Nobody => "Wants=network-online.target\nAfter=network-online.target\n",
        };
        Ok(format!(
            "{}[Unit]\nDescription=holdall run {}\n{network}\n[Service]\nType=oneshot\nExecStart={}\n{environment}\
             # SIGTERM goes to holdall, which ends its step and runs the hooks; what then still runs is killed.\n\
             KillMode=mixed\nTimeoutStopSec=15min\n",
            mark(job)?,
            job.set.name,
            words.join(" "),
        ))
    }

    fn systemctl(&self, command: &[&str], units: &[String]) -> Result<(), Failure> {
        let manager: &[&str] = match self.manager {
            Manager::Nobody => return Ok(()),
            Manager::Machine => &[],
            Manager::User => &["--user"],
        };
        let mut systemctl = Command::new("systemctl");
        systemctl.args(manager).args(command).args(units);
        let line = command.iter().copied().chain(units.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
        let output =
            systemctl.output().map_err(|error| Failure::failed(format!("can't run systemctl {line}: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure::failed(format!("systemctl {line} failed: {}", said.trim())))
    }
}

fn timer_name(name: &str) -> String {
    format!("holdall-{name}.timer")
}

/// A run asks for itself whether the set is due, unless only systemd knows.
const fn due(job: &Job<'_>) -> &'static [&'static str] {
    match job.calendar {
        Calendar::Systemd(_) => &[],
        Calendar::Hourly { .. } | Calendar::Days { .. } => &["--due"],
    }
}

fn timer(job: &Job<'_>) -> Result<String, Failure> {
    let mut calendars = job.calendar.for_systemd();
    if !due(job).is_empty() {
        calendars.push(ASKED_AGAIN.to_owned());
    }
    let calendar: String = calendars.iter().map(|line| format!("OnCalendar={line}\n")).collect();
    Ok(format!(
        "{}[Unit]\nDescription=The schedule of holdall run {}\n\n[Timer]\n{calendar}# What was missed while the machine \
         was off is caught up once.\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n",
        mark(job)?,
        job.set.name,
    ))
}

fn mark(job: &Job<'_>) -> Result<String, Failure> {
    Ok(format!(
        "{MARK}{} of {}\n# `holdall schedule remove {}` takes it away.\n",
        job.set.name,
        text_of(job.config.as_os_str())?,
        job.set.name
    ))
}

/// What becomes of a dollar sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dollars {
    Plain,
    /// Where systemd would take it for the beginning of a variable.
    Doubled,
}

/// Text that can stand in a line of a unit.
fn text_of(word: &std::ffi::OsStr) -> Result<&str, Failure> {
    let text = word.to_str().filter(|text| !text.chars().any(char::is_control));
    text.ok_or_else(|| {
        let name = Path::new(word).display();
        Failure::misuse(format!("{name}: what stands in a unit of systemd is UTF-8 without control characters"))
    })
}

/// A word of a command line or a variable, as systemd.syntax(7) and systemd.service(5) have it.
fn quoted(word: &std::ffi::OsStr, dollars: Dollars) -> Result<String, Failure> {
    let mut text = String::from("\"");
    for c in text_of(word)?.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '%' => text.push_str("%%"),
            '$' if dollars == Dollars::Doubled => text.push_str("$$"),
            c => text.push(c),
        }
    }
    text.push('"');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_reads_the_word_that_was_meant() {
        let cases = [
            ("plain", "\"plain\"", "\"plain\""),
            ("a b", "\"a b\"", "\"a b\""),
            ("50%", "\"50%%\"", "\"50%%\""),
            ("$HOME", "\"$$HOME\"", "\"$HOME\""),
            ("\"\\", "\"\\\"\\\\\"", "\"\\\"\\\\\""),
        ];
        for (word, argument, variable) in cases {
            assert_eq!(quoted(word.as_ref(), Dollars::Doubled).ok().as_deref(), Some(argument));
            assert_eq!(quoted(word.as_ref(), Dollars::Plain).ok().as_deref(), Some(variable));
        }
        assert!(quoted("a\nExecStart=/bin/evil".as_ref(), Dollars::Plain).is_err());
    }
}
