//! `holdall mirror`

use crate::cli::arguments::MirrorArguments;
use crate::cli::context::{Access, Context, require_folder};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::FolderText;
use crate::cli::render::progress::Display;
use crate::cli::render::text::{self, Align};
use crate::cli::stop::Stop;
use holdall::{MirrorDepth, MirrorKeyRemoval, MirrorRemovalPlan, MirrorReport, Repository};
use serde::Serialize;
use std::collections::BTreeMap;

pub(crate) fn run(context: &Context<'_>, arguments: &MirrorArguments) -> Result<u8, Failure> {
    let from = context.repository_path()?;
    require_folder(&from)?;
    // Opened before anything is copied: a wrong password is told at once.
    let opened = if arguments.delete { Some(context.open(Access::Read)?) } else { None };
    let depth = if arguments.dry_run { MirrorDepth::Compare } else { MirrorDepth::Copy };
    let stop = Stop::listen()?;
    let display = Display::of_a_check(context.renderer, stop.clone());
    let report = Repository::mirror(&from, &arguments.to, depth, &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;
    for damage in &report.damage {
        let line = format!("damaged: {}\n  what   {}", damage.object, damage.wrong);
        context.renderer.print(&(text::printable_lines(&line) + "\n"));
        context.renderer.json(&Damage { message_type: "damage", object: &damage.object, message: &damage.wrong });
    }
    let mut summary = summary(&report, arguments.dry_run);
    let mut removed = None;
    if opened.is_some() && report.damage.count() > 0 {
        context
            .renderer
            .notice("nothing is deleted in the mirror: what is damaged in the repository could not be copied");
    } else if let Some(repository) = &opened {
        removed = Some(delete(context, repository, arguments, &stop)?);
        summary.objects_deleted = removed;
        summary.objects_extra = summary.objects_extra.saturating_sub(removed.unwrap_or(0));
    }
    let left = summary.objects_extra;
    context.renderer.say(&summary_text(&report, removed, left, arguments.dry_run));
    context.renderer.json(&summary);
    Ok(if report.damage.count() == 0 { exit::DONE } else { exit::DAMAGED })
}

/// Says what would be deleted, and deletes it unless this is a rehearsal. Returns how many objects are gone, or would be.
fn delete(
    context: &Context<'_>,
    repository: &Repository,
    arguments: &MirrorArguments,
    stop: &Stop,
) -> Result<u64, Failure> {
    let failed = |error: holdall::Error| Failure::from(error).with_interrupt_code(stop.exit_code());
    let display = Display::of_a_check(context.renderer, stop.clone());
    let keys = if arguments.delete_keys { MirrorKeyRemoval::All } else { MirrorKeyRemoval::Ended };
    let plan = repository.plan_mirror_removal(&arguments.to, keys, &display);
    drop(display);
    let plan = plan.map_err(failed)?;
    staying(&plan, keys).iter().for_each(|notice| context.renderer.notice(notice));
    context.renderer.say(&plan_text(&plan));
    context.renderer.json(&removal_plan(&plan));
    if arguments.dry_run || plan.object_count == 0 {
        return Ok(plan.object_count);
    }
    let display = Display::of_a_check(context.renderer, stop.clone());
    let removed = repository.remove_from_mirror(&arguments.to, &plan, &display);
    drop(display);
    Ok(removed.map_err(failed)?.object_count)
}

/// What stays in the mirror, and why.
fn staying(plan: &MirrorRemovalPlan, keys: MirrorKeyRemoval) -> Vec<String> {
    let mut notices = Vec::new();
    if plan.staying_pack_count > 0 {
        notices.push(format!(
            "{} in the mirror that the repository gave up and no prune has deleted: `holdall repair packs` with --from-repo \
             takes from them what is lost",
            stay(plan.staying_pack_count, "pack")
        ));
    }
    if plan.staying_key_count > 0 {
        let slots = stay(plan.staying_key_count, "key slot");
        notices.push(match keys {
            MirrorKeyRemoval::Ended => format!(
                "{slots} in the mirror that the repository has no more and whose keys were not ended: they open the mirror, and \
                 `holdall key import` puts back one that is lost; --delete-keys deletes them"
            ),
            MirrorKeyRemoval::All => format!(
                "{slots} in the mirror that the repository has lost, as their second copies there tell: \
                 `holdall key import` puts them back"
            ),
        });
    }
    notices
}

fn stay(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one} stays") } else { format!("{} {one}s stay", text::count(count)) }
}

fn plan_text(plan: &MirrorRemovalPlan) -> String {
    if plan.object_count == 0 {
        return String::new();
    }
    let columns = [("To be deleted", Align::Left), ("Objects", Align::Right), ("Size", Align::Right)];
    let row = |(folder, (count, bytes)): (&String, &(u64, u64))| {
        vec![folder.clone(), text::count(*count), text::bytes(*bytes)]
    };
    text::table(&columns, &plan.folders.iter().map(row).collect::<Vec<_>>())
}

fn removal_plan(plan: &MirrorRemovalPlan) -> RemovalPlan {
    let folders = plan.folders.iter();
    let folders = folders.map(|(name, (objects, size))| (name.clone(), FolderText { objects: *objects, size: *size }));
    RemovalPlan {
        message_type: "deletion_plan",
        objects: plan.object_count,
        size: plan.bytes,
        objects_lacking: plan.lacking_count,
        packs_staying: plan.staying_pack_count,
        keys_staying: plan.staying_key_count,
        folders: folders.collect(),
    }
}

fn summary_text(report: &MirrorReport, removed: Option<u64>, left: u64, is_dry: bool) -> String {
    let objects = |count| text::counted(count, "object", "objects");
    let copied = if is_dry { "would be copied" } else { "copied" };
    let mut lines = vec![format!(
        "{} {copied}, {}, in {}",
        objects(report.copied_count),
        text::bytes(report.copied_bytes),
        text::duration(report.duration.as_secs())
    )];
    if report.healed_count > 0 {
        lines.push(format!("{} of the mirror were damaged and are right now", objects(report.healed_count)));
    }
    if let Some(removed) = removed {
        let deleted = if is_dry { "would be deleted" } else { "deleted" };
        lines.push(format!("{} {deleted} in the mirror", objects(removed)));
    }
    if left > 0 {
        lines.push(format!("{} stay in the mirror that the repository has no more", objects(left)));
    }
    if report.damage.count() > 0 {
        lines.push(format!(
            "{} damaged in the repository, listed above; `holdall scrub --repair` heals what can be healed",
            if report.damage.count() == 1 {
                "1 object is".to_owned()
            } else {
                format!("{} are", objects(report.damage.count()))
            }
        ));
    }
    lines.join("\n") + "\n"
}

fn summary(report: &MirrorReport, is_dry: bool) -> MirrorSummary {
    MirrorSummary {
        message_type: "summary",
        dry_run: is_dry,
        objects_copied: report.copied_count,
        bytes_copied: report.copied_bytes,
        objects_healed: report.healed_count,
        objects_extra: report.extra_count,
        objects_deleted: None,
        objects_damaged: report.damage.count(),
        total_duration: report.duration.as_secs_f64(),
    }
}

/// An object that is damaged in the repository.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Damage<'a> {
    message_type: &'static str,
    object: &'a str,
    message: &'a str,
}

/// A mirror run for programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct MirrorSummary {
    message_type: &'static str,
    dry_run: bool,
    objects_copied: u64,
    bytes_copied: u64,
    objects_healed: u64,
    /// Objects of the mirror that the repository does not have any more.
    objects_extra: u64,
    /// With `--delete`: those that were deleted, or would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects_deleted: Option<u64>,
    objects_damaged: u64,
    total_duration: f64,
}

/// What is about to be deleted in a mirror.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RemovalPlan {
    message_type: &'static str,
    objects: u64,
    /// Bytes.
    size: u64,
    /// Objects of the repository that the mirror lacks: nothing is deleted before they are copied.
    objects_lacking: u64,
    /// Packs that stay, since the repository gave them up and no prune deleted them.
    packs_staying: u64,
    /// Key slots that stay, since their keys were not ended.
    keys_staying: u64,
    folders: BTreeMap<String, FolderText>,
}
