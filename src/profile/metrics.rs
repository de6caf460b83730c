//! Figures of a set for monitoring, in the text format of OpenMetrics 1.0, which the textfile collector of
//! node_exporter reads as well: gauges only, since nothing here counts from one run to the next.

use super::outcome::Outcome;
use super::record::Record;
use std::fmt::Write;
use std::time::Duration;

/// The figures of a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepFigures {
    pub(crate) step: &'static str,
    pub(crate) exit_code: u8,
    pub(crate) duration: Duration,
}

/// The figures of a backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BackupFigures {
    pub(crate) file_count: u64,
    pub(crate) held_bytes: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) problem_count: u64,
}

/// A family of gauges being written.
struct Page<'a> {
    text: String,
    set: &'a str,
}

/// The page for a set after a run.
pub(crate) fn metrics(
    set: &str,
    record: &Record,
    max_age: Option<Duration>,
    steps: &[StepFigures],
    backup: Option<BackupFigures>,
) -> String {
    let mut page = Page { text: String::new(), set };
    if let Some(run) = &record.run {
        page.one("holdall_run_began_timestamp_seconds", "When the last run began.", run.began_s);
        if let (Some(ended), Some(code)) = (run.ended_s, run.exit_code) {
            let duration = ended.saturating_sub(run.began_s).max(0);
            page.one("holdall_run_duration_seconds", "How long the last run took.", duration);
            page.one("holdall_run_exit_code", "The exit code of the last run.", code);
        }
        let outcomes = [Outcome::Ok, Outcome::Incomplete, Outcome::Failed, Outcome::Interrupted];
        let outcomes = outcomes.map(|outcome| (outcome.name(), u8::from(run.outcome == Some(outcome))));
        page.several("holdall_run_outcome", "How the last run ended: 1 for what holds.", "outcome", &outcomes);
    }
    if let Some(backup) = &record.backup {
        let help = "When the last backup began that made a snapshot.";
        page.one("holdall_backup_timestamp_seconds", help, backup.time_s);
    }
    if let Some(max_age) = max_age {
        page.one("holdall_backup_max_age_seconds", "How old the last backup may be.", max_age.as_secs());
    }
    if let Some(backup) = backup {
        page.one("holdall_backup_files", "Files in the snapshot of the last run.", backup.file_count);
        page.one("holdall_backup_held_bytes", "Bytes in the snapshot of the last run.", backup.held_bytes);
        page.one("holdall_backup_stored_bytes", "Bytes that the last run stored.", backup.stored_bytes);
        page.one("holdall_backup_problems", "Items that the last run could not save.", backup.problem_count);
    }
    let codes: Vec<(&str, u8)> = steps.iter().map(|step| (step.step, step.exit_code)).collect();
    page.several("holdall_step_exit_code", "The exit code of each step of the last run.", "step", &codes);
    let lengths: Vec<(&str, f64)> = steps.iter().map(|step| (step.step, step.duration.as_secs_f64())).collect();
    page.several("holdall_step_duration_seconds", "How long each step of the last run took.", "step", &lengths);
    page.text.push_str("# EOF\n");
    page.text
}

impl Page<'_> {
    fn begin(&mut self, name: &str, help: &str) {
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge").expect("a string takes all text");
    }

    fn one(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.begin(name, help);
        // A set's name has nothing that would have to be escaped.
        writeln!(self.text, "{name}{{set=\"{}\"}} {value}", self.set).expect("a string takes all text");
    }

    fn several(&mut self, name: &str, help: &str, label: &str, values: &[(&str, impl std::fmt::Display)]) {
        if values.is_empty() {
            return;
        }
        self.begin(name, help);
        for (which, value) in values {
            let set = self.set;
            writeln!(self.text, "{name}{{set=\"{set}\",{label}=\"{which}\"}} {value}")
                .expect("a string takes all text");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Backup, Run};
    use super::*;

    fn record() -> Record {
        let run = Run {
            began_s: 1_795_230_600,
            ended_s: Some(1_795_230_667),
            outcome: Some(Outcome::Incomplete),
            exit_code: Some(3),
            message: None,
        };
        let backup = Backup { time_s: 1_795_230_601, snapshot: Some("1a2b".to_owned()) };
        Record { settled_s: None, run: Some(run), backup: Some(backup) }
    }

    #[test]
    fn a_page_holds_what_is_known_of_a_run() {
        let step = |step, exit_code, ms| StepFigures { step, exit_code, duration: Duration::from_millis(ms) };
        let backup = BackupFigures { file_count: 10, held_bytes: 2000, stored_bytes: 300, problem_count: 1 };
        let steps = [step("backup", 3, 61_500), step("prune", 0, 250)];
        let page = metrics("home", &record(), Some(Duration::from_secs(93_600)), &steps, Some(backup));
        let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            "holdall_run_began_timestamp_seconds{set=\"home\"} 1795230600",
            "holdall_run_duration_seconds{set=\"home\"} 67",
            "holdall_run_exit_code{set=\"home\"} 3",
            "holdall_run_outcome{set=\"home\",outcome=\"ok\"} 0",
            "holdall_run_outcome{set=\"home\",outcome=\"incomplete\"} 1",
            "holdall_run_outcome{set=\"home\",outcome=\"failed\"} 0",
            "holdall_run_outcome{set=\"home\",outcome=\"interrupted\"} 0",
            "holdall_backup_timestamp_seconds{set=\"home\"} 1795230601",
            "holdall_backup_max_age_seconds{set=\"home\"} 93600",
            "holdall_backup_files{set=\"home\"} 10",
            "holdall_backup_held_bytes{set=\"home\"} 2000",
            "holdall_backup_stored_bytes{set=\"home\"} 300",
            "holdall_backup_problems{set=\"home\"} 1",
            "holdall_step_exit_code{set=\"home\",step=\"backup\"} 3",
            "holdall_step_exit_code{set=\"home\",step=\"prune\"} 0",
            "holdall_step_duration_seconds{set=\"home\",step=\"backup\"} 61.5",
            "holdall_step_duration_seconds{set=\"home\",step=\"prune\"} 0.25",
        ];
        assert_eq!(samples, expected);
    }

    #[test]
    fn every_family_is_declared_once_before_its_samples_and_the_page_says_where_it_ends() {
        let page = metrics("a", &record(), None, &[], Some(BackupFigures::default()));
        assert!(page.ends_with("\n# EOF\n"), "{page}");
        let mut declared = Vec::new();
        for line in page.lines().filter(|line| *line != "# EOF") {
            match line.strip_prefix("# TYPE ") {
                Some(family) => declared.push(family.strip_suffix(" gauge").expect("a gauge").to_owned()),
                None if line.starts_with("# HELP ") => {}
                None => assert_eq!(line.split('{').next(), declared.last().map(String::as_str), "{page}"),
            }
        }
        let count = declared.len();
        declared.sort_unstable();
        declared.dedup();
        assert_eq!((declared.len(), count > 5), (count, true));
    }
}
