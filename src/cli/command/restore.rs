//! `holdall restore`

use super::ls::key;
use crate::cli::arguments::RestoreArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::pattern;
use crate::cli::render::json::RestoreSummary;
use crate::cli::render::progress::{Display, Listing};
use crate::cli::render::text;
use crate::cli::snapshot_argument::SnapshotArgument;
use crate::cli::stop::Stop;
use holdall::{
    Choice, Entry, Extras, Key, Manner, OwnerKind, Ownership, PatternList, Renumbered, Repository, RestoreOptions,
    RestoreReport, Snapshot,
};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// How many of the owners who have other numbers here are named.
const RENUMBERED_NAMED_MAX: usize = 5;

pub(crate) fn run(context: &Context<'_>, arguments: &RestoreArguments) -> Result<u8, Failure> {
    let mut options = options(arguments)?;
    let selection = Selection::new(context, arguments)?;
    if arguments.overwrite.delete {
        refuse_to_sweep_the_machine(arguments, selection.as_ref())?;
    }
    let is_chosen = selection.is_some();
    if let Some(selection) = selection {
        options = options.select(Arc::new(move |entry: &Entry| selection.choose(entry)));
    }
    let repository = context.open(Access::Read)?;
    let snapshot = the_snapshot(context, &repository, arguments)?;
    let stop = Stop::listen()?;
    tell_partial(context, &snapshot);

    let listing = if arguments.overwrite.dry_run { Listing::Changes } else { Listing::Nothing };
    let display = Display::of_a_restore(context.renderer, stop.clone(), listing);
    let report = repository.restore(&snapshot, &options, &display);
    drop(display);
    let report = report.map_err(|error| Failure::from(error).with_interrupt_code(stop.exit_code()))?;

    advise(context, &report);
    if is_chosen && is_empty(&report) {
        context
            .renderer
            .notice("nothing that is asked for fits the patterns; `holdall find` tells where something lies");
    }
    context.renderer.say(&summary_text(&report, &snapshot, arguments));
    context.renderer.json(&summary(&report, &snapshot, arguments));
    Ok(match (report.damaged_count, report.problem_count) {
        (0, 0) => exit::DONE,
        (0, _) => exit::INCOMPLETE,
        (_, _) => exit::DAMAGED,
    })
}

/// Whether there was nothing to restore.
fn is_empty(report: &RestoreReport) -> bool {
    let restored = [report.file_count, report.incomplete_count, report.other_count];
    let others = [report.skipped_count, report.deleted_count, report.problem_count];
    restored.iter().chain(&others).all(|count| *count == 0)
}

fn options(arguments: &RestoreArguments) -> Result<RestoreOptions, Failure> {
    let wishes = &arguments.overwrite;
    let keys = arguments.snapshots.iter().map(|snapshot| key(snapshot.path.as_deref()));
    let keys: Vec<Key> = keys.collect::<Result<_, Failure>>()?;
    let options = RestoreOptions::new(&arguments.target)
        .overwrite(wishes.overwrite)
        .extras(if wishes.delete { Extras::Delete } else { Extras::Keep })
        .manner(if wishes.dry_run { Manner::Rehearse } else { Manner::Perform })
        .ownership(match (wishes.no_ownership, wishes.numeric_ids) {
            (true, _) => Ownership::Restorer,
            (false, true) => Ownership::ByNumber,
            (false, false) => Ownership::ByName,
        });
    Ok(match <[Key; 1]>::try_from(keys) {
        Ok([only]) => options.path(only),
        Err(several) => options.parts(several),
    })
}

/// The one snapshot that all arguments name.
fn the_snapshot(
    context: &Context<'_>,
    repository: &Repository,
    arguments: &RestoreArguments,
) -> Result<Snapshot, Failure> {
    let filter = context::filter(&arguments.filter)?;
    let mut found: Option<Snapshot> = None;
    for argument in &arguments.snapshots {
        let snapshot = context.snapshot(repository, &argument.spec, &filter)?;
        if found.as_ref().is_some_and(|first| first.id != snapshot.id) {
            return Err(Failure::misuse("all paths must be of one snapshot; restore the others by runs of their own"));
        }
        found = Some(snapshot);
    }
    found.ok_or_else(|| Failure::misuse("no snapshot is named"))
}

/// Says that a snapshot is partial, if it is, and why, as far as that is known.
pub(super) fn tell_partial(context: &Context<'_>, snapshot: &Snapshot) {
    if snapshot.is_partial() {
        let known = snapshot.components.iter().filter(|component| !component.reason.is_empty());
        let reasons: String = known.map(|component| format!(": {}", text::printable(&component.reason))).collect();
        context.renderer.notice(&format!("snapshot {} is partial{reasons}", snapshot.id.short()));
    }
}

/// Whoever restores over the machine that runs, and would have everything else removed, has to say what. One folder is
/// restored as the target, and not into it: all that lies in `/` would be what that folder does not hold.
fn refuse_to_sweep_the_machine(arguments: &RestoreArguments, selection: Option<&Selection>) -> Result<(), Failure> {
    if !arguments.target.canonicalize().is_ok_and(|target| target == Path::new("/")) {
        return Ok(());
    }
    let is_root = |snapshot: &SnapshotArgument| key(snapshot.path.as_deref()).is_ok_and(|path| path.is_root());
    let message = match &arguments.snapshots[..] {
        [only] if !is_root(only) => {
            "--delete into / with one path would put its contents into / itself and remove all else that lies there; name \
             its own place as the target (latest:/home --target /home)"
        }
        all if selection.is_none() && all.iter().any(is_root) => {
            "--delete into / needs several paths (latest:/etc latest:/home), --include or --exclude"
        }
        _ => return Ok(()),
    };
    Err(Failure::misuse(message))
}

/// Says what may help against what went wrong, and what went otherwise than somebody may have expected.
fn advise(context: &Context<'_>, report: &RestoreReport) {
    if report.blocked_count > 0 {
        let advice = "folders that are not empty lie where something else shall be; --delete removes what is in them";
        context.renderer.notice(advice);
    }
    if report.protected_count > 0 {
        let advice = "what even root may not change may be protected: lsattr shows that, chattr -i lifts it";
        context.renderer.notice(advice);
    }
    if let Some(renumbered) = renumbered(&report.renumbered) {
        context.renderer.notice(&renumbered);
    }
}

/// The notice of owners who have other numbers here.
fn renumbered(owners: &[Renumbered]) -> Option<String> {
    let named = |one: &Renumbered| {
        let group = if one.owner == OwnerKind::Group { "group " } else { "" };
        format!("{group}{} {} to {}", text::printable(&one.name), one.stored, one.here)
    };
    let mut list: Vec<String> = owners.iter().take(RENUMBERED_NAMED_MAX).map(named).collect();
    let more = owners.len().saturating_sub(list.len());
    if more > 0 {
        list.push(format!("and {more} more"));
    }
    let list = list.join(", ");
    (!owners.is_empty()).then(|| format!("owners were mapped by name: {list}; --numeric-ids keeps the numbers"))
}

/// What `--include` and `--exclude` choose.
struct Selection {
    include: Vec<PatternList>,
    exclude: Vec<PatternList>,
}

impl Selection {
    fn new(context: &Context<'_>, arguments: &RestoreArguments) -> Result<Option<Self>, Failure> {
        let include = pattern::includes(&context.surroundings, &arguments.include)?;
        let exclude = pattern::excludes(&context.surroundings, &arguments.exclude)?;
        Ok((!include.is_empty() || !exclude.is_empty()).then_some(Self { include, exclude }))
    }

    fn choose(&self, entry: &Entry) -> Choice {
        let path: Vec<&[u8]> = entry.key.components().collect();
        let chosen = |lists: &[PatternList]| lists.iter().any(|list| list.choosing(&path).is_some());
        if chosen(&self.exclude) {
            Choice::Skip
        } else if self.include.is_empty() || chosen(&self.include) {
            Choice::Take
        } else {
            Choice::Pass
        }
    }
}

fn summary(report: &RestoreReport, snapshot: &Snapshot, arguments: &RestoreArguments) -> RestoreSummary {
    RestoreSummary {
        message_type: "summary",
        dry_run: arguments.overwrite.dry_run,
        seconds_elapsed: report.duration.as_secs(),
        total_files: [report.file_count, report.incomplete_count, report.other_count, report.skipped_count]
            .iter()
            .fold(0, |sum: u64, count| sum.saturating_add(*count)),
        files_restored: report.file_count,
        files_incomplete: report.incomplete_count,
        files_skipped: report.skipped_count,
        files_deleted: report.deleted_count,
        items_unchanged: report.unchanged_count,
        total_bytes: report.bytes.saturating_add(report.incomplete_bytes).saturating_add(report.skipped_bytes),
        bytes_restored: report.bytes,
        bytes_skipped: report.skipped_bytes,
        bytes_written: report.written_bytes,
        bytes_cloned: report.cloned_bytes,
        errors: report.problem_count,
        total_duration: report.duration.as_secs_f64(),
        snapshot_id: snapshot.id.to_string(),
    }
}

fn summary_text(report: &RestoreReport, snapshot: &Snapshot, arguments: &RestoreArguments) -> String {
    let mut text = format!(
        "{} {} and {} of snapshot {} into {} in {} ({})\n",
        if arguments.overwrite.dry_run { "would restore" } else { "restored" },
        text::counted(report.file_count, "file", "files"),
        text::bytes(report.bytes),
        snapshot.id.short(),
        text::printable(arguments.target.as_os_str().as_bytes()),
        text::duration(report.duration.as_secs()),
        text::rate(report.bytes, report.duration),
    );
    if report.incomplete_count > 0 {
        let files = text::counted(report.incomplete_count, "file", "files");
        text.push_str(&format!("{files} came back in part: what else they held could not be read\n"));
    }
    let items = |count| text::counted(count, "item", "items");
    if report.unchanged_count > 0 {
        let (unchanged, written) = (items(report.unchanged_count), text::bytes(report.written_bytes));
        text.push_str(&format!("{unchanged} already there and right; {written} written\n"));
    }
    if report.skipped_count > 0 {
        text.push_str(&format!("{} left as found there\n", items(report.skipped_count)));
    }
    if report.deleted_count > 0 {
        text.push_str(&format!("{} removed that the snapshot does not hold\n", items(report.deleted_count)));
    }
    if report.problem_count > 0 {
        text.push_str(&format!("{} did not come back as they were, listed above\n", items(report.problem_count)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdall::{Body, Rule};

    fn chosen(include: &[&str], exclude: &[&str], path: &str) -> Choice {
        let lists = |texts: &[&str]| {
            let mut list = PatternList::default();
            texts.iter().for_each(|text| list.add(Rule::new(*text, "test")).expect(text));
            if list.is_empty() { Vec::new() } else { vec![list] }
        };
        let selection = Selection { include: lists(include), exclude: lists(exclude) };
        selection.choose(&Entry::new(Key::from_path(Path::new(path)).expect(path), Body::Directory))
    }

    #[test]
    fn owners_with_other_numbers_are_named_up_to_a_handful() {
        let one = |stored: u32| Renumbered { owner: OwnerKind::User, stored, here: 115, name: b"mysql".to_vec() };
        assert_eq!(renumbered(&[]), None);
        let group = Renumbered { owner: OwnerKind::Group, ..one(113) };
        let notice = renumbered(&[one(112), group]).expect("two are told");
        assert!(notice.contains("mysql 112 to 115, group mysql 113 to 115; --numeric-ids"), "{notice}");
        let many = renumbered(&(0..8).map(one).collect::<Vec<_>>()).expect("they are told");
        assert!(many.contains("mysql 4 to 115, and 3 more;") && !many.contains("mysql 5"), "{many}");
    }

    #[test]
    fn exclusion_goes_before_inclusion_and_folders_on_the_way_are_passed_through() {
        assert_eq!(chosen(&[], &["*.iso"], "/a/b.iso"), Choice::Skip);
        assert_eq!(chosen(&[], &["*.iso"], "/a/b"), Choice::Take);
        assert_eq!(chosen(&["/a/b"], &[], "/a"), Choice::Pass);
        assert_eq!(chosen(&["/a/b"], &[], "/a/b/c"), Choice::Take);
        assert_eq!(chosen(&["/a"], &["*.iso"], "/a/b.iso"), Choice::Skip);
    }
}
