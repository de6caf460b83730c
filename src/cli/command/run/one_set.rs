//! The run of one set: its hooks and steps, and what is remembered of it.

use super::hook::{HookEnd, OnSignal, run as run_hook};
use super::{is_due, push, require_secret, step};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, exit};
use crate::cli::profile::Loaded;
use crate::cli::render::run::{Relay, SetReport, StepReport, moment_s, set_report};
use crate::cli::runs::{Held, Runs, replace};
use crate::cli::signals::Signals;
use crate::cli::surroundings::host_name;
use crate::profile::{
    Backup, HookKind, Outcome, PlannedStep, Record, Run, Set, StepFigures, StepKind, metrics, settled_by, worse,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::ffi::OsString;
use std::process::Stdio;

/// Exit code of a process that SIGTERM ended, as a machine does that is shut down.
const TERMINATED: u8 = 143;
/// Another user reads the figures.
const METRICS_MODE: u32 = 0o644;

/// A run of a set.
pub(super) struct SetRun<'a> {
    context: &'a Context<'a>,
    loaded: &'a Loaded,
    set: &'a Set,
    steps: &'a [PlannedStep],
    signals: &'a Signals,
    /// The worst exit code so far.
    code: u8,
    reports: Vec<StepReport>,
    /// The hook or step that ran last before anything went wrong.
    stage: &'static str,
    /// What went wrong first.
    message: Option<String>,
    backup: Option<Backup>,
    /// Why the run can't be remembered.
    unkept: Option<Failure>,
}

impl<'a> SetRun<'a> {
    pub(super) const fn new(
        context: &'a Context<'a>,
        loaded: &'a Loaded,
        set: &'a Set,
        steps: &'a [PlannedStep],
        signals: &'a Signals,
    ) -> Self {
        Self {
            context,
            loaded,
            set,
            steps,
            signals,
            code: exit::DONE,
            reports: Vec::new(),
            stage: "",
            message: None,
            backup: None,
            unkept: None,
        }
    }

    /// Runs the set and returns the exit code. Nothing keeps it from that but somebody else who runs it, and what
    /// `only_if_due` says: a run that can't be remembered, or not be locked, is made all the same.
    pub(super) fn perform(mut self, runs: &Runs, only_if_due: bool) -> Result<u8, Failure> {
        let held = self.hold(runs)?;
        // Another run may have done it since the first look.
        if only_if_due && !is_due(self.loaded, runs, self.set)? {
            return Ok(exit::DONE);
        }
        let began = Timestamp::now();
        let mut record = runs.record(&self.set.name).unwrap_or_else(|failure| {
            self.context.renderer.notice(&format!("{}: its last run is forgotten: {failure}", self.set.name));
            Record::default()
        });
        let run = Run { began_s: began.as_second(), ended_s: None, outcome: None, exit_code: None, message: None };
        record.run = Some(run);
        self.remember(runs, &record);
        self.go(&held, |run| {
            // Hooks may be cut short, and are told what became of this.
            record.backup = run.backup.clone().or_else(|| record.backup.take());
            run.remember(runs, &record);
            run.count_unkept();
        });
        self.settle(&mut record, began);
        self.remember(runs, &record);
        self.count_unkept();
        if let Some(why) = &self.unkept {
            self.context.renderer.notice(&format!("the run of {} can't be remembered: {why}", self.set.name));
        }
        self.report(&record);
        let page = self.metrics(&record);
        self.write_metrics(&page);
        self.push_metrics(&page);
        Ok(self.code)
    }

    fn hold(&self, runs: &Runs) -> Result<Held, Failure> {
        runs.hold(&self.set.name).or_else(|failure| {
            if failure.exit_code() == exit::BUSY {
                return Err(failure);
            }
            self.context.renderer.notice(&format!("{} runs without its lock: {failure}", self.set.name));
            Ok(Held::without_lock())
        })
    }

    /// Puts a record in its place.
    fn remember(&mut self, runs: &Runs, record: &Record) {
        self.unkept = runs.remember(&self.set.name, record).err();
    }

    /// A run that can't be remembered has failed, whatever it did: by what this machine knows it never was.
    fn count_unkept(&mut self) {
        if let Some(failure) = &self.unkept
            && Outcome::of(self.code).is_done()
        {
            let (code, why) = (failure.exit_code(), format!("the run can't be remembered: {failure}"));
            self.stage = "record";
            self.worsen(code, || why);
        }
    }

    /// Runs everything; `finally` runs whatever happens before, `after_steps` before the hooks that follow them.
    fn go(&mut self, held: &Held, after_steps: impl FnOnce(&mut Self)) {
        self.require_secret();
        if Outcome::of(self.code).is_done() {
            self.hooks(HookKind::Before);
        }
        for step in self.steps {
            if self.is_interrupted() {
                break;
            }
            if Outcome::of(self.code).is_done() || self.code == exit::NO_SPACE && makes_room(step.kind) {
                self.step(step, held);
            }
        }
        self.is_interrupted();
        after_steps(self);
        if Outcome::of(self.code).is_done() {
            self.hooks(HookKind::After);
        }
        if !Outcome::of(self.code).is_done() {
            self.hooks(HookKind::Failed);
        }
        self.hooks(HookKind::Finally);
    }

    /// Fails where no step could open the repository, before anything is prepared for them.
    fn require_secret(&mut self) {
        if let Err(failure) = require_secret(self.context, self.loaded, self.set) {
            self.context.renderer.notice(&format!("{} can't be run: {failure}", self.set.name));
            self.stage = "secret";
            self.worsen(failure.exit_code(), || failure.to_string());
        }
    }

    /// Whether somebody asked this process to end.
    fn is_interrupted(&mut self) -> bool {
        let Some(code) = self.signals.exit_code() else { return false };
        self.worsen(code, || "interrupted".to_owned());
        true
    }

    fn worsen(&mut self, code: u8, message: impl FnOnce() -> String) {
        if !Outcome::of(code).is_done() && self.message.is_none() {
            self.message = Some(message());
        }
        self.code = worse(self.code, code);
    }

    fn step(&mut self, step: &PlannedStep, held: &Held) {
        if Outcome::of(self.code).is_done() {
            self.stage = step.kind.name();
        }
        let began_s = Timestamp::now().as_second();
        let mut relay = Relay::new(self.context.renderer, self.set.name.as_str(), step.kind.name());
        let secret = self.loaded.repository_of(self.set).map(|repository| repository.secret.clone());
        let run = match secret {
            Ok(secret) => {
                let told = (&self.context.surroundings, &mut relay);
                step::run(step, self.loaded.folder(), &secret, (held, self.signals), told)
            }
            Err(failure) => Err(std::io::Error::other(failure.to_string())),
        };
        let code = run.unwrap_or_else(|error| {
            relay.failed(&format!("it can't be run: {error}"));
            exit::FAILED
        });
        let report = relay.end(code);
        if step.kind == StepKind::Backup && Outcome::of(code).is_done() {
            self.backup = Some(Backup { time_s: began_s, snapshot: report.snapshot.clone() });
        }
        self.worsen(code, || report.message.clone().unwrap_or_default());
        self.reports.push(report);
    }

    /// Runs the hooks of a kind; the first `before` that fails keeps the next from running.
    fn hooks(&mut self, kind: HookKind) {
        let on_signal = if kind == HookKind::Before { OnSignal::End } else { OnSignal::GoOn };
        for hook in self.set.hooks.of(kind) {
            let (environment, streams) = (self.environment(kind), (Stdio::null(), self.context.renderer));
            match run_hook(hook, self.loaded.folder(), &environment, streams, (self.signals, on_signal)) {
                HookEnd::Done => {}
                HookEnd::Failed(why) => {
                    let message = format!("the hook {} of {} failed: {why}", kind.name(), self.set.name);
                    self.context.renderer.notice(&message);
                    if Outcome::of(self.code).is_done() {
                        self.stage = kind.name();
                    }
                    self.worsen(exit::COMMAND_FAILED, || message);
                    if kind == HookKind::Before {
                        return;
                    }
                }
            }
        }
    }

    /// What a hook is told.
    fn environment(&self, kind: HookKind) -> Vec<(&'static str, OsString)> {
        let mut told: Vec<(&'static str, OsString)> = vec![
            ("HOLDALL_SET", self.set.name.as_str().into()),
            ("HOLDALL_CONFIG", self.loaded.path.clone().into()),
            ("HOLDALL_HOOK", kind.name().into()),
        ];
        told.extend(self.context.surroundings.rooted_places().map(|(name, place)| (name, place.into())));
        if let Ok(repository) = self.loaded.repository_of(self.set) {
            told.push(("HOLDALL_REPOSITORY", repository.store.clone().into()));
        }
        if kind != HookKind::Before {
            told.push(("HOLDALL_OUTCOME", Outcome::of(self.code).name().into()));
            told.push(("HOLDALL_EXIT_CODE", self.code.to_string().into()));
            told.push(("HOLDALL_STEP", self.stage.into()));
            let snapshot = self.backup.as_ref().and_then(|backup| backup.snapshot.as_deref());
            told.push(("HOLDALL_SNAPSHOT", snapshot.unwrap_or_default().into()));
            told.push(("HOLDALL_MESSAGE", self.message.as_deref().unwrap_or_default().into()));
        }
        told
    }

    /// Puts what happened into the record. A run that was ended by SIGTERM, as a machine that is shut down does, leaves
    /// its moment of the calendar to the next one, as does one that was killed and never came here.
    fn settle(&self, record: &mut Record, began: Timestamp) {
        let outcome = Outcome::of(self.code);
        if self.code != TERMINATED
            && let Some(calendar) = &self.set.schedule
            && let Some(settled) = settled_by(calendar, began, &TimeZone::system())
        {
            record.settled_s = Some(settled);
        }
        let without_backup = || Backup { time_s: began.as_second(), snapshot: None };
        let done = self.backup.clone().or_else(|| (!self.set.backs_up() && outcome.is_done()).then(without_backup));
        record.backup = done.or_else(|| record.backup.take());
        if let Some(run) = &mut record.run {
            run.ended_s = Some(Timestamp::now().as_second());
            run.outcome = Some(outcome);
            run.exit_code = Some(self.code);
            run.message.clone_from(&self.message);
        }
    }

    /// The figures of this run.
    fn metrics(&self, record: &Record) -> String {
        let figures = |report: &StepReport| StepFigures {
            step: report.step,
            exit_code: report.exit_code,
            duration: report.duration,
        };
        let steps: Vec<StepFigures> = self.reports.iter().map(figures).collect();
        let backup = self.reports.iter().find_map(|report| report.backup);
        metrics(self.set.name.as_str(), record, self.set.max_age, &steps, backup)
    }

    /// Leaves the figures in their folder, which is made if its own folder is there. What the run did is done whether this
    /// succeeds or not, and who watches sees that the figures grow old.
    fn write_metrics(&self, page: &str) {
        let Some(folder) = &self.loaded.profile.metrics_folder else { return };
        if !folder.exists() {
            // What keeps it from being made keeps the file from being written.
            let _ = std::fs::create_dir(folder);
        }
        let file = folder.join(format!("holdall-{}.prom", self.set.name));
        if let Err(failure) = replace(&file, page.as_bytes(), METRICS_MODE) {
            self.context.renderer.notice(&format!("the figures of {} were not written: {failure}", self.set.name));
        }
    }

    /// Pushes the figures to who wants them. A gateway that is down is told and changes nothing: what the run did is done,
    /// and who watches misses the push.
    fn push_metrics(&self, page: &str) {
        let (set, profile) = (&self.set.name, &self.loaded.profile);
        let tell = |to: &str, pushed: Result<(), String>| {
            if let Err(why) = pushed {
                self.context.renderer.notice(&format!("the figures of {set} were not pushed {to}: {why}"));
            }
        };
        if let Some(gateway) = &profile.metrics_push {
            let url = gateway.url(set.as_str(), &host_name());
            tell(&format!("to {}", gateway.shown()), push::to_gateway(gateway, &url, page));
        }
        if let Some(command) = &profile.metrics_push_command {
            let mut environment = self.environment(HookKind::Finally);
            environment.push(("HOLDALL_HOOK", "metrics-push-command".into()));
            let streams = (page, self.context.renderer);
            let pushed = push::to_command(command, self.loaded.folder(), &environment, streams, self.signals);
            tell("by metrics-push-command", pushed);
        }
    }

    fn report(&self, record: &Record) {
        let Some(run) = &record.run else { return };
        let report = SetReport {
            message_type: "set_summary",
            set: self.set.name.as_str(),
            outcome: Outcome::of(self.code).name(),
            exit_code: self.code,
            began: moment_s(run.began_s),
            ended: moment_s(run.ended_s.unwrap_or(run.began_s)),
            snapshot_id: self.backup.as_ref().and_then(|backup| backup.snapshot.as_deref()),
            message: self.message.as_deref(),
            steps: &self.reports,
        };
        set_report(self.context.renderer, &report);
    }
}

/// Whether a step is what helps a set whose backup found no space: nobody else would ever make some by night.
const fn makes_room(step: StepKind) -> bool {
    match step {
        StepKind::Forget | StepKind::Prune => true,
        StepKind::Backup | StepKind::Check => false,
    }
}
