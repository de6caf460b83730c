//! `holdall prune`

use crate::cli::arguments::PruneArguments;
use crate::cli::context::{Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::{self, PruneWait, PruneWaitSession, moment};
use crate::cli::render::progress::Display;
use crate::cli::render::text;
use crate::cli::stop::Stop;
use holdall::{Amount, OpenSession, PruneOptions, PruneReport, PruneSummary, UndecidedSession, WaitingGeneration};

pub(crate) fn run(context: &Context<'_>, arguments: &PruneArguments) -> Result<u8, Failure> {
    let access = if arguments.dry_run { Access::Read } else { Access::Write };
    let options = PruneOptions::default()
        .max_unused(arguments.max_unused)
        .max_repack_bytes(arguments.max_repack_size.map_or(u64::MAX, |size| size.0))
        .silent_after(arguments.silent_after.0);
    run_with(context, access, options)
}

/// What `forget --prune` does in the end: a prune with the usual limits.
pub(crate) fn run_as_usual(context: &Context<'_>) -> Result<u8, Failure> {
    run_with(context, Access::Write, PruneOptions::default())
}

fn run_with(context: &Context<'_>, access: Access, options: PruneOptions) -> Result<u8, Failure> {
    let options = options.writer(context.writer());
    let repository = context.open(access)?;
    let stop = Stop::listen()?;
    let failed = |error: holdall::Error| Failure::from(error).with_interrupt_code(stop.exit_code());

    let display = Display::of_a_check(context.renderer, stop.clone());
    let plan = repository.plan_prune(&options, &display).map_err(failed)?;
    let summary = plan.summary().clone();
    if matches!(access, Access::Read) {
        drop(display);
        summary.notices.iter().for_each(|notice| context.renderer.notice(notice));
        context.renderer.print(&plan_text(&summary));
        context.renderer.json(&plan_json(&summary));
        return Ok(exit::DONE);
    }
    let report = repository.prune(plan, &options, &display);
    drop(display);
    let report = report.map_err(failed)?;
    report.notices.iter().for_each(|notice| context.renderer.notice(notice));
    context.renderer.say(&report_text(&summary, &report));
    context.renderer.json(&report_json(&summary, &report));
    Ok(match (report.damaged_frame_count, report.unroomed.pack_count) {
        (0, 0) => exit::DONE,
        (0, _) => exit::NO_SPACE,
        _ => exit::DAMAGED,
    })
}

/// What was repacked: for some of what was planned there may have been no room.
const fn repacked(summary: &PruneSummary, report: &PruneReport) -> Amount {
    let (planned, unroomed) = (summary.repacked, report.unroomed);
    Amount {
        pack_count: planned.pack_count.saturating_sub(unroomed.pack_count),
        bytes: planned.bytes.saturating_sub(unroomed.bytes),
    }
}

fn amount(amount: Amount) -> String {
    format!("{} ({})", text::bytes(amount.bytes), text::counted(amount.pack_count, "pack", "packs"))
}

fn plan_text(summary: &PruneSummary) -> String {
    let mut lines = vec![
        format!(
            "nothing was changed; {} and {} in packs",
            text::counted(summary.live_count, "live snapshot", "live snapshots"),
            amount(summary.packs)
        ),
        format!("  unused   {} would be deleted", amount(summary.unused)),
        format!(
            "  repack   {} would be replaced by about {}",
            amount(summary.repacked),
            text::bytes(summary.rewritten_bytes)
        ),
        format!("  slack    {} would stay in packs that are kept", text::bytes(summary.slack_bytes)),
    ];
    if summary.waiting.pack_count > 0 {
        lines.push(format!("  waiting  {} of earlier prunes", amount(summary.waiting)));
    }
    if !summary.dead.is_empty() {
        let count = u64::try_from(summary.dead.len()).unwrap_or(u64::MAX);
        let sessions = text::counted(count, "session whose process is", "sessions whose processes are");
        lines.push(format!("  ended    {sessions} gone, with what they left"));
    }
    let goes = summary.unused.pack_count > 0 || summary.repacked.pack_count > 0;
    if goes && !summary.awaited.is_empty() {
        lines.push("  later    all that is deleted, once these sessions have ended:".to_owned());
        lines.extend(summary.awaited.iter().map(|session| format!("           {}", awaited_text(session))));
    }
    format!("{}\n", text::printable_lines(&lines.join("\n")))
}

fn report_text(summary: &PruneSummary, report: &PruneReport) -> String {
    let freed = format!("freed {} in {}", amount(report.deleted), text::duration(report.duration.as_secs()));
    let mut lines = vec![freed];
    if report.written.pack_count > 0 {
        lines.push(format!("  repacked {} into {}", amount(repacked(summary, report)), amount(report.written)));
    }
    if report.spared.pack_count > 0 {
        lines.push(format!("  spared   {}, which a new snapshot needs", amount(report.spared)));
    }
    for waiting in &report.waiting {
        lines.push(format!("  later    {} once these sessions have ended:", amount(waiting.packs)));
        lines.extend(waiting.sessions.iter().map(|session| format!("           {}", session_text(session))));
    }
    lines.push(format!("  slack    {} unused in packs that are kept", text::bytes(report.slack_bytes)));
    if !report.aborted.is_empty() {
        let count = u64::try_from(report.aborted.len()).unwrap_or(u64::MAX);
        lines.push(format!("  ended    {}", text::counted(count, "silent session", "silent sessions")));
    }
    if report.removed_segment_count > 0 {
        let segments = text::counted(report.removed_segment_count, "segment", "segments");
        lines.push(format!("  tidied   {segments} of the index"));
    }
    if report.damaged_frame_count > 0 {
        let frames = text::counted(report.damaged_frame_count, "damaged frame", "damaged frames");
        lines.push(format!("  damaged  {frames}, listed above; their packs were left as they are: run check"));
    }
    format!("{}\n", text::printable_lines(&lines.join("\n")))
}

fn session_text(session: &OpenSession) -> String {
    let host = session.host.as_deref().map_or_else(|| "another host".to_owned(), text::printable);
    format!("{} of {host}, process {}, since {}", session.kind, session.pid, text::time(session.started_at_ns))
}

fn awaited_text(session: &UndecidedSession) -> String {
    let host =
        session.writer.as_ref().map_or_else(|| "another host".to_owned(), |writer| text::printable(&writer.host));
    format!("{} of {host}, since {}", session.kind, text::time(session.started_at_ns))
}

fn plan_json(summary: &PruneSummary) -> json::PruneSummary {
    json::PruneSummary {
        message_type: "summary",
        dry_run: true,
        packs_deleted: summary.unused.pack_count.saturating_add(summary.repacked.pack_count),
        bytes_deleted: summary.unused.bytes.saturating_add(summary.repacked.bytes),
        packs_repacked: summary.repacked.pack_count,
        bytes_repacked: summary.repacked.bytes,
        packs_written: 0,
        bytes_written: summary.rewritten_bytes,
        bytes_unused: summary.slack_bytes,
        waiting: Vec::new(),
        aborted_sessions: summary.dead.iter().map(|session| session.id.to_string()).collect(),
        segments_replaced: 0,
        total_duration: 0.0,
    }
}

fn report_json(summary: &PruneSummary, report: &PruneReport) -> json::PruneSummary {
    let repacked = repacked(summary, report);
    json::PruneSummary {
        message_type: "summary",
        dry_run: false,
        packs_deleted: report.deleted.pack_count,
        bytes_deleted: report.deleted.bytes,
        packs_repacked: repacked.pack_count,
        bytes_repacked: repacked.bytes,
        packs_written: report.written.pack_count,
        bytes_written: report.written.bytes,
        bytes_unused: report.slack_bytes,
        waiting: report.waiting.iter().map(wait_json).collect(),
        aborted_sessions: report.aborted.iter().map(ToString::to_string).collect(),
        segments_replaced: report.removed_segment_count,
        total_duration: report.duration.as_secs_f64(),
    }
}

fn wait_json(waiting: &WaitingGeneration) -> PruneWait {
    let session = |session: &OpenSession| PruneWaitSession {
        id: session.id.to_string(),
        kind: session.kind.to_string(),
        hostname: String::from_utf8_lossy(session.host.as_deref().unwrap_or_default()).into_owned(),
        pid: session.pid,
        since: moment(session.started_at_ns),
    };
    PruneWait {
        generation: waiting.generation,
        packs: waiting.packs.pack_count,
        bytes: waiting.packs.bytes,
        sessions: waiting.sessions.iter().map(session).collect(),
    }
}
