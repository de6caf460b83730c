//! `holdall backup`

use crate::cli::arguments::BackupArguments;
use crate::cli::context::{Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::backup::{BackupSummary, StreamSummary};
use crate::cli::render::json::moment;
use crate::cli::render::progress::Display;
use crate::cli::render::text;
use crate::cli::selection::selection;
use crate::cli::sources;
use crate::cli::stop::Stop;
use crate::cli::values::Moment;
use holdall::{BackupOptions, BackupReport, ParentChoice, Protected, Rehashed, Repository, SnapshotFilter, StreamFate};

pub(crate) fn run(context: &Context<'_>, arguments: &BackupArguments) -> Result<u8, Failure> {
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let repository = context.open(access)?;
    let options = options(context, arguments, &repository)?;
    let stop = Stop::listen()?;

    let started = Moment::now();
    let display = Display::of_a_backup(context.renderer, stop.clone());
    let display = match arguments.stop_after {
        Some(stop_after) => display.until(stop_after.deadline()),
        None => display,
    };
    let report = match access {
        Access::Read => repository.rehearse_backup(&options, &display),
        Access::Write => repository.backup(&options, &display),
    };
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;

    report.notices.iter().for_each(|notice| context.renderer.notice(notice));
    context.renderer.say(&summary_text(&report, access));
    let ended = Moment::now();
    context.renderer.json_of(|| summary(&report, access, started, ended));
    let is_whole = report.problems.count() == 0 && report.unfinished.is_none();
    Ok(if is_whole { exit::DONE } else { exit::INCOMPLETE })
}

fn options(
    context: &Context<'_>,
    arguments: &BackupArguments,
    repository: &Repository,
) -> Result<BackupOptions, Failure> {
    let parent = match &arguments.parent {
        Some(spec) => ParentChoice::Snapshot(context.snapshot(repository, spec, &SnapshotFilter::default())?.id),
        None if arguments.force => ParentChoice::Nothing,
        None => ParentChoice::Latest,
    };
    let options = BackupOptions::new(sources::paths(context.renderer, &arguments.source)?)
        .writer(context.writer())
        .tags(arguments.tag.iter().map(|tag| tag.clone().into_bytes()).collect())
        .parent(parent)
        .selection(selection(&context.surroundings, &arguments.exclude, &arguments.selection)?)
        .compression(arguments.compression);
    let options = sources::streams(&arguments.source)?.into_iter().fold(options, BackupOptions::stream);
    let options = match &arguments.host {
        Some(host) => options.host(host.as_str()),
        None => options,
    };
    let options = match arguments.read_concurrency {
        Some(readers) => options.read_concurrency(readers),
        None => options,
    };
    let options = match arguments.rehash {
        Some(share) => options.rehash(share),
        None => options,
    };
    let options = match arguments.time {
        Some(time) => options.time_ns(time.time_ns),
        None => options,
    };
    Ok(match context.surroundings.encoder_fault()? {
        Some(fault) => {
            context.renderer.notice("HOLDALL_FAULT is set: frames are encoded wrongly on purpose");
            options.encoder_fault(fault)
        }
        None => options,
    })
}

fn data_added(report: &BackupReport) -> (u64, u64) {
    let raw = report.content_raw_bytes.saturating_add(report.tree_raw_bytes);
    (raw, report.content_stored_bytes.saturating_add(report.tree_stored_bytes))
}

fn summary(report: &BackupReport, access: Access, started: Moment, ended: Moment) -> BackupSummary {
    let (data_added, data_added_packed) = data_added(report);
    let changes = &report.changes;
    BackupSummary {
        message_type: "summary",
        dry_run: access == Access::Read,
        files_new: changes.files_new,
        files_changed: changes.files_changed,
        files_unmodified: changes.files_unmodified,
        dirs_new: changes.directories_new,
        dirs_changed: changes.directories_changed,
        dirs_unmodified: changes.directories_unmodified,
        data_added,
        data_added_packed,
        protection_added: report.protected.parity_bytes.saturating_add(report.protected.copy_bytes),
        total_files_processed: report.counts.files,
        total_bytes_processed: report.counts.bytes,
        errors: report.problems.count(),
        items_left_out: report.left_out_count,
        rehashed: report.rehashed.as_ref().map(Into::into),
        partial: report.unfinished.as_ref().map(ToString::to_string),
        streams: report.streams.iter().map(|(name, fate)| StreamSummary::new(name, fate)).collect(),
        backup_start: moment(started.time_ns),
        backup_end: moment(ended.time_ns),
        total_duration: report.duration.as_secs_f64(),
        parent: report.parent.map(|id| id.to_string()),
        snapshot_id: (access != Access::Read).then(|| report.snapshot.to_string()),
    }
}

fn protection_line(protected: &Protected) -> Option<String> {
    let parity = protected.parity_bytes > 0 || protected.copy_bytes > 0;
    let made = parity.then(|| {
        format!(
            "{} of parity, {} of second copies",
            text::bytes(protected.parity_bytes),
            text::bytes(protected.copy_bytes)
        )
    });
    let missing = (protected.failure_count > 0).then(|| {
        let objects = text::counted(protected.failure_count, "object", "objects");
        format!("{objects} got none; `holdall parity add` tries again")
    });
    let line = made.into_iter().chain(missing).collect::<Vec<_>>().join(", ");
    (!line.is_empty()).then(|| format!("  healing  {line}"))
}

fn rehash_line(rehashed: &Rehashed) -> String {
    let files = text::counted(rehashed.file_count, "unchanged file", "unchanged files");
    let found = match rehashed.differing_count {
        0 => "all as they were".to_owned(),
        1 => "1 of them with other bytes than before, listed above".to_owned(),
        count => format!("{} of them with other bytes than before, listed above", text::count(count)),
    };
    let cut_short = match rehashed.cut_short_count {
        0 => String::new(),
        count => format!("; {} not read to the end in time", text::counted(count, "file", "files")),
    };
    format!("  rehashed {files} and {}, {found}{cut_short}", text::bytes(rehashed.content_bytes))
}

fn summary_text(report: &BackupReport, access: Access) -> String {
    let changes = &report.changes;
    let three = |new, changed, same| {
        format!("{} new, {} changed, {} unchanged", text::count(new), text::count(changed), text::count(same))
    };
    let (added, stored) = data_added(report);
    let compared = report.parent.map_or_else(String::new, |id| format!(", compared with {}", id.short()));
    let done = match access {
        Access::Read => format!("nothing was saved; a backup would do this{compared}"),
        Access::Write => format!("snapshot {} saved{compared}", report.snapshot.short()),
    };
    let mut lines = vec![
        done,
        format!("  files    {}", three(changes.files_new, changes.files_changed, changes.files_unmodified)),
        format!(
            "  folders  {}",
            three(changes.directories_new, changes.directories_changed, changes.directories_unmodified)
        ),
        format!(
            "  held     {} and {} in {} ({})",
            text::counted(report.counts.files, "file", "files"),
            text::bytes(report.counts.bytes),
            text::duration(report.duration.as_secs()),
            text::rate(report.counts.bytes, report.duration),
        ),
        format!("  added    {}, stored as {}", text::bytes(added), text::bytes(stored)),
    ];
    lines.extend(protection_line(&report.protected));
    lines.extend(report.rehashed.as_ref().map(rehash_line));
    if report.recovered_pack_count > 0 {
        let packs = u64::try_from(report.recovered_pack_count).unwrap_or(u64::MAX);
        lines.push(format!("  kept     {} of an interrupted run", text::counted(packs, "pack", "packs")));
    }
    for (name, fate) in &report.streams {
        let fate = match fate {
            StreamFate::Stored { bytes } => text::bytes(*bytes),
            StreamFate::Missing { .. } => "missing".to_owned(),
        };
        lines.push(format!("  stream   {}: {fate}", text::printable(name)));
    }
    if let Some(unfinished) = &report.unfinished {
        lines.push(format!(
            "  partial  {}; the next backup goes on from there",
            text::printable(unfinished.to_string().as_bytes())
        ));
    }
    if report.left_out_count > 0 {
        lines.push(format!("  left out {}", text::counted(report.left_out_count, "item", "items")));
    }
    // What is on the disc now is saved as it should be.
    let rotten_count = report.rehashed.map_or(0, |rehashed| rehashed.differing_count);
    let unsaved_count = report.problems.count().saturating_sub(rotten_count);
    if unsaved_count > 0 {
        let items = text::counted(unsaved_count, "item", "items");
        lines.push(format!("  problems {items} not saved as they should be, listed above"));
    }
    format!("{}\n", lines.join("\n"))
}
