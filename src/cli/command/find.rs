//! `holdall find`

use super::diff::{Metadata, modifier};
use super::ls::{Sizes, facts, key, node, target_text};
use crate::cli::arguments::FindArguments;
use crate::cli::context::{self, Access, Context};
use crate::cli::failure::{Failure, exit};
use crate::cli::render::json::{FoundNode, PastChange, PathText, moment};
use crate::cli::render::{Renderer, Style, text};
use holdall::{Difference, Entry, Key, PatternCase, PatternList, Rule, Snapshot, SnapshotId, SnapshotSpec};
use std::os::unix::ffi::OsStrExt;

pub(crate) fn run(context: &Context<'_>, arguments: &FindArguments) -> Result<u8, Failure> {
    let wanted = Wanted::new(arguments)?;
    let path = the_path(arguments)?;
    let repository = context.open(Access::Read)?;
    let filter = context::filter(&arguments.filter)?;
    let named: Vec<SnapshotSpec> = arguments.snapshot.iter().map(|snapshot| snapshot.spec.clone()).collect();
    let snapshots = context::named_snapshots(context, &repository, &named, &filter)?;
    let renderer = context.renderer;
    let found = if arguments.history {
        repository.changes(&snapshots, &path, &|entry| wanted.fits(entry), &mut |snapshot, difference| {
            show_change(renderer, snapshot, &difference);
            renderer.require_reader()
        })
    } else {
        let mut last: Option<SnapshotId> = None;
        repository.find(&snapshots, &path, &|entry| wanted.fits(entry), &mut |snapshot, entry| {
            if last.replace(snapshot.id) != Some(snapshot.id) {
                head(renderer, snapshot);
            }
            show(renderer, snapshot, entry, arguments);
            renderer.require_reader()
        })
    };
    match found {
        Err(error) if !renderer.is_cut_by(&error) => Err(error.into()),
        _ => Ok(exit::DONE),
    }
}

/// The part that is searched: that of all snapshots that are named.
fn the_path(arguments: &FindArguments) -> Result<Key, Failure> {
    let mut paths = arguments.snapshot.iter().map(|snapshot| snapshot.path.as_deref());
    let first = paths.next().flatten();
    if paths.any(|path| path != first) {
        return Err(Failure::misuse("one path can be searched at a time: name it with every snapshot, or with none"));
    }
    key(first)
}

/// What is looked for.
struct Wanted<'a> {
    patterns: PatternList,
    arguments: &'a FindArguments,
}

impl<'a> Wanted<'a> {
    fn new(arguments: &'a FindArguments) -> Result<Self, Failure> {
        let case = if arguments.ignore_case { PatternCase::Ignored } else { PatternCase::Exact };
        let mut patterns = PatternList::new(case);
        for text in &arguments.patterns {
            let added = patterns.add(Rule::new(text.as_bytes(), "find"));
            added.map_err(|error| Failure::misuse(format!("pattern {}: {error}", text.display())))?;
        }
        Ok(Self { patterns, arguments })
    }

    fn fits(&self, entry: &Entry) -> bool {
        let kinds = &self.arguments.kind;
        let time_ns = entry.mtime.to_ns();
        (kinds.is_empty() || kinds.contains(&entry.kind()))
            && self.arguments.oldest.is_none_or(|oldest| time_ns >= oldest.time_ns)
            && self.arguments.newest.is_none_or(|newest| time_ns <= newest.time_ns)
            && self.has_size(entry)
            && self.has_name(entry)
    }

    fn has_size(&self, entry: &Entry) -> bool {
        let bounds = &self.arguments.size;
        let size = entry.content().map(|content| content.bytes());
        bounds.is_empty() || size.is_some_and(|size| bounds.iter().all(|bound| bound.holds(size)))
    }

    /// Whether a pattern fits the path itself, not only something above it.
    fn has_name(&self, entry: &Entry) -> bool {
        let path: Vec<&[u8]> = entry.key.components().collect();
        let standing = self.patterns.standing_in(Default::default(), &path);
        self.patterns.chosen(standing).is_some()
    }
}

fn head(renderer: &Renderer, snapshot: &Snapshot) {
    let host = snapshot.origin.as_ref().map(|origin| text::printable(&origin.host)).unwrap_or_default();
    renderer.say(&format!("snapshot {} of {} {host}\n", snapshot.id.short(), text::time(snapshot.time_ns)));
}

fn show(renderer: &Renderer, snapshot: &Snapshot, entry: &Entry, arguments: &FindArguments) {
    let path = entry.key.to_path();
    let path = path.as_os_str().as_bytes();
    match renderer.style() {
        Style::Json => {
            let mut node = node(entry, path);
            node.message_type = "match";
            renderer.json(&FoundNode { snapshot_id: snapshot.id.to_string(), node });
        }
        Style::Human if arguments.long => renderer.print_name(&facts(entry, Sizes::Exact), path, &target_text(entry)),
        Style::Human => renderer.print_name("", path, ""),
    }
}

fn show_change(renderer: &Renderer, snapshot: &Snapshot, difference: &Difference<Entry>) {
    let path = difference.key().to_path();
    let path = path.as_os_str().as_bytes();
    let modifier = modifier(difference, Metadata::Told);
    let now = match difference {
        Difference::First(_) => None,
        Difference::Second(entry) | Difference::Both(_, entry) => Some(entry),
    };
    let size = now.and_then(Entry::content).map(|content| content.bytes());
    match renderer.style() {
        Style::Json => renderer.json(&PastChange {
            message_type: "change",
            snapshot_id: snapshot.id.to_string(),
            time: moment(snapshot.time_ns),
            path: PathText::new(path),
            modifier: &modifier,
            size,
            mtime: now.map(|entry| text::precise_file_time(entry.mtime)),
        }),
        Style::Human => {
            let size = size.map_or_else(|| "-".to_owned(), text::bytes);
            let time = text::time(snapshot.time_ns);
            renderer.print_name(&format!("{} {time} {modifier:<3} {size:>10}  ", snapshot.id.short()), path, "");
        }
    }
}
