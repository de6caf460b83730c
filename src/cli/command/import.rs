//! `holdall import`

use crate::cli::arguments::{ImportArguments, ImportCommand, ImportResticArguments};
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::import::{ImportSummary, SnapshotLine};
use crate::cli::render::progress::Display;
use crate::cli::render::text;
use crate::cli::secret::ForeignPassword;
use crate::cli::stop::Stop;
use holdall::{
    BackupOptions, ErrorKind, ImportOptions, ImportPlan, ImportReport, ImportSnapshot, ImportStanding, Repository,
};
use std::time::Instant;

pub(crate) fn run(context: &Context<'_>, arguments: &ImportArguments) -> Result<u8, Failure> {
    match &arguments.command {
        ImportCommand::Restic(arguments) => restic(context, arguments),
    }
}

fn restic(context: &Context<'_>, arguments: &ImportResticArguments) -> Result<u8, Failure> {
    let started = Instant::now();
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let repository = context.open(access)?;
    let options = ImportOptions::default()
        .filter(context::filter(&arguments.filter)?)
        .snapshots(arguments.snapshots.iter().map(|prefix| prefix.to_ascii_lowercase()));
    let password = password(arguments).read()?;
    let plan = repository.plan_import(&arguments.from, &password, &options).map_err(Failure::elsewhere)?;
    let stop = Stop::listen()?;
    plan.problems.iter().for_each(|problem| context.renderer.notice(problem));
    let mut summary = ImportSummary {
        message_type: "summary",
        dry_run: arguments.dry_run,
        errors: u64::try_from(plan.problems.len()).unwrap_or(u64::MAX),
        ..ImportSummary::default()
    };
    let import =
        Import { context, repository: &repository, plan: &plan, stop: &stop, options: carrying(context, arguments) };
    for snapshot in &plan.snapshots {
        match (snapshot.standing, arguments.dry_run) {
            (ImportStanding::New, false) => import.carry_over(snapshot, &mut summary)?,
            (ImportStanding::New, true) => {
                summary.snapshots_imported = summary.snapshots_imported.saturating_add(1);
                told(context, snapshot, "new", &SnapshotLine::planned(snapshot));
            }
            (ImportStanding::There, _) if snapshot.problem_count > 0 => {
                summary.snapshots_present = summary.snapshots_present.saturating_add(1);
                summary.snapshots_present_with_problems = summary.snapshots_present_with_problems.saturating_add(1);
                told(context, snapshot, &lacking_text(snapshot), &SnapshotLine::planned(snapshot));
            }
            (ImportStanding::There | ImportStanding::Forgotten, _) => {
                summary.snapshots_present = summary.snapshots_present.saturating_add(1);
                context.renderer.json(&SnapshotLine::planned(snapshot));
            }
        }
    }
    summary.total_duration = started.elapsed().as_secs_f64();
    context.renderer.say(&summary_text(&summary));
    context.renderer.json(&summary);
    let is_whole = summary.errors == 0 && summary.snapshots_present_with_problems == 0;
    Ok(if is_whole { exit::DONE } else { exit::INCOMPLETE })
}

/// Of one that came over before and could not be read in full.
fn lacking_text(snapshot: &ImportSnapshot) -> String {
    let became = snapshot.known_as.map(|id| id.short()).unwrap_or_default();
    let problems = text::counted(snapshot.problem_count, "problem", "problems");
    format!("is snapshot {became} since an earlier run, {problems}: named by its id it is carried over again")
}

fn password(arguments: &ImportResticArguments) -> ForeignPassword {
    match (&arguments.from_password_file, &arguments.from_password_command) {
        (Some(path), _) => ForeignPassword::File(path.clone()),
        (None, Some(command)) => ForeignPassword::Command(command.clone()),
        (None, None) if arguments.from_insecure_no_password => ForeignPassword::Empty,
        (None, None) => ForeignPassword::Terminal,
    }
}

fn carrying(context: &Context<'_>, arguments: &ImportResticArguments) -> BackupOptions {
    let options = BackupOptions::default().writer(context.writer()).compression(arguments.compression);
    match arguments.read_concurrency {
        Some(readers) => options.read_concurrency(readers),
        None => options,
    }
}

/// What carries each snapshot over.
struct Import<'a> {
    context: &'a Context<'a>,
    repository: &'a Repository,
    plan: &'a ImportPlan,
    stop: &'a Stop,
    options: BackupOptions,
}

impl Import<'_> {
    fn carry_over(&self, snapshot: &ImportSnapshot, summary: &mut ImportSummary) -> Result<(), Failure> {
        let display = Display::new(self.context.renderer, self.stop.clone());
        let report = self.repository.import(self.plan, snapshot, &self.options, &display);
        drop(display);
        match report {
            Ok(report) => {
                report.backup.notices.iter().for_each(|notice| self.context.renderer.notice(notice));
                let line = SnapshotLine::imported(snapshot, &report);
                told(self.context, snapshot, &report_text(&report), &line);
                summary.add(&report);
                Ok(())
            }
            // About this one alone: the others may fare better.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Occupied | ErrorKind::Unsupported) =>
            {
                let id = snapshot.snapshot.id.short();
                self.context.renderer.notice(&format!("snapshot {id} of restic's is not carried over: {error}"));
                self.context.renderer.json(&SnapshotLine::failed(snapshot, &error));
                summary.snapshots_failed = summary.snapshots_failed.saturating_add(1);
                summary.errors = summary.errors.saturating_add(1);
                Ok(())
            }
            Err(error) => Err(Failure::from(error).with_interrupt_code(self.stop.exit_code())),
        }
    }
}

impl ImportSummary {
    fn add(&mut self, report: &ImportReport) {
        let backup = &report.backup;
        let added = backup.content_raw_bytes.saturating_add(backup.tree_raw_bytes);
        let packed = backup.content_stored_bytes.saturating_add(backup.tree_stored_bytes);
        self.snapshots_imported = self.snapshots_imported.saturating_add(1);
        self.data_added = self.data_added.saturating_add(added);
        self.data_added_packed = self.data_added_packed.saturating_add(packed);
        self.errors = self.errors.saturating_add(backup.problems.count());
    }
}

/// Says what becomes of a snapshot.
fn told(context: &Context<'_>, snapshot: &ImportSnapshot, what: &str, line: &SnapshotLine) {
    let from = &snapshot.snapshot;
    let paths: Vec<String> = from.paths.iter().map(|path| text::printable(path)).collect();
    let (time, host) = (text::time(from.time_ns), text::printable(&from.host));
    context.renderer.say(&format!("{}  {time}  {host}  {}  {what}\n", from.id.short(), paths.join(", ")));
    context.renderer.json(line);
}

fn report_text(report: &ImportReport) -> String {
    let backup = &report.backup;
    let mut parts = vec![
        format!("is snapshot {}", backup.snapshot.short()),
        text::counted(backup.counts.files, "file", "files"),
        text::bytes(backup.counts.bytes),
    ];
    if backup.problems.count() > 0 {
        parts.push(text::counted(backup.problems.count(), "problem", "problems"));
    }
    if report.foreign_attribute_count > 0 {
        let entries = text::counted(report.foreign_attribute_count, "entry", "entries");
        parts.push(format!("without attributes of another system on {entries}"));
    }
    if let Some(outdone) = report.outdone.map(|id| id.short()) {
        parts.push(format!("holds more than snapshot {outdone} of it: `holdall forget {outdone}`"));
    }
    parts.join(", ")
}

fn summary_text(summary: &ImportSummary) -> String {
    let snapshots = text::counted(summary.snapshots_imported, "snapshot", "snapshots");
    let done = if summary.dry_run { "would be carried over" } else { "carried over" };
    let mut before = format!("{} here before", text::count(summary.snapshots_present));
    if summary.snapshots_present_with_problems > 0 {
        before += &format!(", {} of them with problems", text::count(summary.snapshots_present_with_problems));
    }
    let mut lines = vec![format!("{snapshots} {done}, {before}")];
    if !summary.dry_run {
        lines.push(format!(
            "  added    {}, stored as {}",
            text::bytes(summary.data_added),
            text::bytes(summary.data_added_packed)
        ));
    }
    if summary.errors > 0 {
        lines.push(format!("  problems {}, listed above", text::count(summary.errors)));
    }
    format!("{}\n", lines.join("\n"))
}
