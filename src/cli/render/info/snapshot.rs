//! What there is to know of one snapshot.

use super::verification;
use crate::cli::render::json::{
    ComponentText, ItemProblemText, PathText, RemarkText, SnapshotDetails, VerificationText, moment,
};
use crate::cli::render::text::{self, Align};
use crate::cli::render::{keys, snapshot};
use holdall::{
    ComponentKind, ComponentState, ItemProblem, LastDrill, ParentStanding, Remark, RemarkKind, Snapshot,
    SnapshotComponent, SnapshotInfo,
};
use std::os::unix::ffi::OsStrExt;

/// A snapshot for programs; with the command that restores it.
pub(crate) fn snapshot_json(info: &SnapshotInfo, restore_command: &str) -> SnapshotDetails {
    let Snapshot { written, origin, .. } = &info.snapshot;
    let counts = info.snapshot.counts();
    let rehashed_to = origin.as_ref().and_then(|origin| origin.rehashed_to.as_ref());
    SnapshotDetails {
        message_type: "snapshot",
        committed: moment(info.snapshot.committed_at_ns),
        client: info.snapshot.session.client.to_string(),
        number: info.snapshot.session.number,
        signer: info.snapshot.signer.to_string(),
        signer_role: info.snapshot.role.to_string(),
        signer_label: info.signer_label.as_ref().map(|label| lossy(label)),
        description_read: origin.is_some(),
        parent_state: info.parent.map(parent_state),
        children: info.child_count,
        files: counts.files,
        directories: counts.directories,
        symlinks: counts.symlinks,
        others: counts.others,
        hard_links: counts.hard_links,
        size: counts.bytes,
        added_raw_size: written.map(|written| written.raw_bytes),
        added_size: written.map(|written| written.stored_bytes),
        unreadable: counts.unreadable,
        inconsistent: counts.inconsistent,
        components: info.snapshot.components.iter().map(component_json).collect(),
        remarks: info.remarks.iter().map(remark_json).collect(),
        verification: VerificationText {
            packs_verified_since: Some(info.verification.verified_since_count),
            ..verification(&info.verification)
        },
        rehashed_to: rehashed_to.map(|key| PathText::new(key.to_path().as_os_str().as_bytes())),
        problems: info.problems.as_ref().map(|problems| problems.iter().map(problem_json).collect()),
        restore_command: restore_command.to_owned(),
        snapshot: snapshot::as_json(&info.snapshot),
    }
}

const fn parent_state(standing: ParentStanding) -> &'static str {
    match standing {
        ParentStanding::Live => "live",
        ParentStanding::Forgotten => "forgotten",
        ParentStanding::Absent => "absent",
    }
}

fn component_json(component: &SnapshotComponent) -> ComponentText {
    ComponentText {
        name: lossy(&component.name),
        kind: kind(component.kind),
        required: component.required,
        state: state(component.state),
        reason: lossy(&component.reason),
        files: component.counts.files,
        size: component.counts.bytes,
        manifest_root: component.manifest.map(|root| root.to_string()),
        stat_root: component.stat.map(|root| root.to_string()),
    }
}

const fn kind(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Tree => "tree",
        ComponentKind::Stream => "stream",
    }
}

const fn state(state: ComponentState) -> &'static str {
    match state {
        ComponentState::Complete => "complete",
        ComponentState::Partial => "partial",
        ComponentState::Missing => "missing",
    }
}

fn remark_json(remark: &Remark) -> RemarkText {
    let (kind, until_ns, drill) = match remark.kind {
        RemarkKind::Forgotten => ("forgotten", None, None),
        RemarkKind::BroughtBack => ("brought_back", None, None),
        RemarkKind::BroughtBackAndPinned => ("brought_back_and_pinned", None, None),
        RemarkKind::Pinned { until_ns } => ("pinned", until_ns, None),
        RemarkKind::Unpinned => ("unpinned", None, None),
        RemarkKind::Drilled(result) => ("drilled", None, Some(LastDrill { made_at_ns: remark.made_at_ns, result })),
    };
    RemarkText {
        time: moment(remark.made_at_ns),
        kind,
        until: until_ns.map(moment),
        drill: drill.as_ref().map(snapshot::drill_as_json),
        signer: remark.signer.to_string(),
        role: remark.role.to_string(),
    }
}

fn problem_json(problem: &ItemProblem) -> ItemProblemText {
    let path = PathText::new(problem.key.to_path().as_os_str().as_bytes());
    ItemProblemText { path, errno: problem.errno, message: problem_message(problem) }
}

fn problem_message(problem: &ItemProblem) -> String {
    let Some(errno) = problem.errno else { return "changed while it was read".to_owned() };
    let system = i32::try_from(errno).map(std::io::Error::from_raw_os_error);
    let why = system.map_or_else(|_| format!("error {errno}"), |error| error.to_string());
    format!("could not be read: {why}")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A snapshot for people.
pub(crate) fn snapshot_text(info: &SnapshotInfo, restore_command: &str) -> String {
    let found = &info.snapshot;
    let mut rows = vec![
        ("Snapshot", found.id.to_string()),
        ("Time", text::time(found.time_ns)),
        ("Committed", text::time(found.committed_at_ns)),
    ];
    rows.extend(origin_rows(info));
    rows.extend(standing_rows(info));
    rows.push(("Client", format!("{}, session {:x}", found.session.client, found.session.number)));
    rows.push(("Signed by", signed_by(info)));
    rows.extend(size_rows(info));
    rows.push(("Data verified", verified(info)));
    let mut sections = vec![text::pairs(&rows), components_text(found)];
    if !info.remarks.is_empty() {
        let remarks: String = info.remarks.iter().map(remark_text).collect();
        sections.push(format!("What was said about it:\n{remarks}"));
    }
    sections.extend(problems_text(info));
    sections.push(match info.problems {
        Some(_) => format!("To restore it:\n  {restore_command}\n"),
        None => format!("This key reads nothing; with one that does:\n  {restore_command}\n"),
    });
    sections.join("\n")
}

fn origin_rows(info: &SnapshotInfo) -> Vec<(&'static str, String)> {
    let Some(origin) = &info.snapshot.origin else {
        return vec![(
            "Description",
            "sealed: this key reads neither host nor user, paths, tags and parent".to_owned(),
        )];
    };
    let list = |items: &[Vec<u8>]| items.iter().map(|item| text::printable(item)).collect::<Vec<_>>().join(", ");
    let parent = origin.parent.map(|parent| {
        let standing = info.parent.map_or("absent", parent_state);
        format!("{} ({standing})", parent.short())
    });
    let mut rows = vec![
        ("Host", text::printable(&origin.host)),
        ("User", text::printable(&origin.user)),
        ("Paths", list(&origin.paths)),
    ];
    if !origin.tags.is_empty() {
        rows.push(("Tags", list(&origin.tags)));
    }
    rows.push(("Program", text::printable(&origin.program)));
    rows.push(("Parent", parent.unwrap_or_else(|| "none".to_owned())));
    rows.extend(origin.imported.as_ref().map(|imported| ("Imported from", imported.to_string())));
    rows.extend(origin.rehashed_to.as_ref().map(|key| {
        let path = text::printable(key.to_path().as_os_str().as_bytes());
        ("Rehashed", format!("unchanged files in turn, up to {path}"))
    }));
    rows
}

fn standing_rows(info: &SnapshotInfo) -> Vec<(&'static str, String)> {
    let found = &info.snapshot;
    let mut marks = vec![if found.is_partial() { "partial".to_owned() } else { "complete".to_owned() }];
    if found.forgotten {
        let id = found.id.short();
        marks.push(format!("forgotten (`holdall forget --undo {id}` brings it back as long as its data is there)"));
    }
    if let Some(pin) = snapshot::standing_pin(found) {
        let until = pin.until_ns.map_or_else(String::new, |until_ns| format!(" until {}", text::time(until_ns)));
        marks.push(format!("pinned{until}"));
    }
    if let Some(drill) = &found.drill {
        marks.push(format!("{} {}", snapshot::drilled(drill), text::day(drill.made_at_ns)));
    }
    let mut rows = vec![("State", marks.join(", "))];
    rows.extend(found.repairs.map(|damaged| ("Repairs", format!("{}, without what was lost", damaged.short()))));
    rows.extend(
        found
            .copy_of
            .map(|first| ("Copy of", format!("{} in the repository {}", first.snapshot.short(), first.repository))),
    );
    rows.push(("Made against it", text::counted(info.child_count, "snapshot", "snapshots")));
    rows
}

fn signed_by(info: &SnapshotInfo) -> String {
    let label = info.signer_label.as_ref().map(|label| format!("{}, ", text::printable(label)));
    let role = info.snapshot.role;
    let may = keys::rights(role);
    format!("{} ({}role {role}: it may {may})", info.snapshot.signer, label.unwrap_or_default())
}

fn size_rows(info: &SnapshotInfo) -> Vec<(&'static str, String)> {
    let counts = info.snapshot.counts();
    let kinds = [
        text::counted(counts.files, "file", "files"),
        text::counted(counts.directories, "folder", "folders"),
        text::counted(counts.symlinks, "link", "links"),
        text::counted(counts.others, "device, pipe or socket", "devices, pipes and sockets"),
        text::counted(counts.hard_links, "further hard link", "further hard links"),
    ];
    let added = info.snapshot.written.map_or_else(
        || "not known: made by an older program".to_owned(),
        |written| {
            format!("{} that were new, stored in {}", text::bytes(written.raw_bytes), text::bytes(written.stored_bytes))
        },
    );
    let problems = match (counts.unreadable, counts.inconsistent) {
        (0, 0) => "none".to_owned(),
        (unreadable, changed) => {
            format!("{} unreadable, {} changed while being read", text::count(unreadable), text::count(changed))
        }
    };
    vec![("Holds", kinds.join(", ")), ("Size", text::bytes(counts.bytes)), ("Added", added), ("Problems", problems)]
}

fn verified(info: &SnapshotInfo) -> String {
    let found = &info.verification;
    let since = found.verified_since_count;
    match (since, found.pack_count) {
        (0, _) => "not since it was committed; `holdall check --read-data` does".to_owned(),
        (since, all) if since == all => "all packs of the repository since it was committed".to_owned(),
        (since, all) => {
            format!("{} of {} packs of the repository since it was committed", text::count(since), text::count(all))
        }
    }
}

fn components_text(found: &Snapshot) -> String {
    let columns = [
        ("Component", Align::Left),
        ("Kind", Align::Left),
        ("State", Align::Left),
        ("Files", Align::Right),
        ("Size", Align::Right),
        ("Manifest root", Align::Left),
        ("Stat root", Align::Left),
    ];
    let root = |root: Option<holdall::NodeId>| root.map_or_else(|| "-".to_owned(), |root| root.to_string());
    let rows = found.components.iter().map(|component| {
        let need = if component.required { "" } else { ", optional" };
        let name = if component.name.is_empty() { "-".to_owned() } else { text::printable(&component.name) };
        let reason = match text::printable(&component.reason) {
            reason if reason.is_empty() => reason,
            reason => format!(": {reason}"),
        };
        vec![
            name,
            format!("{}{need}", kind(component.kind)),
            format!("{}{reason}", state(component.state)),
            text::count(component.counts.files),
            text::bytes(component.counts.bytes),
            root(component.manifest),
            root(component.stat),
        ]
    });
    text::table(&columns, &rows.collect::<Vec<_>>())
}

fn remark_text(remark: &Remark) -> String {
    let said = match remark.kind {
        RemarkKind::Forgotten => "forgotten".to_owned(),
        RemarkKind::BroughtBack => "brought back".to_owned(),
        RemarkKind::BroughtBackAndPinned => "brought back and pinned".to_owned(),
        RemarkKind::Pinned { until_ns: None } => "pinned".to_owned(),
        RemarkKind::Pinned { until_ns: Some(until_ns) } => format!("pinned until {}", text::time(until_ns)),
        RemarkKind::Unpinned => "unpinned".to_owned(),
        RemarkKind::Drilled(result) => drilled(&LastDrill { made_at_ns: remark.made_at_ns, result }),
    };
    format!("  {}  {said} (a key with the role {})\n", text::time(remark.made_at_ns), remark.role)
}

fn drilled(drill: &LastDrill) -> String {
    let verdict = snapshot::drilled(drill);
    drill.result.map_or_else(
        || verdict.clone(),
        |result| {
            let items = text::count(result.file_count.saturating_add(result.other_count));
            let differing = text::count(result.differing_count.saturating_add(result.live_differing_count));
            format!("{verdict}: {items} items and {} compared, {differing} differed", text::bytes(result.bytes))
        },
    )
}

fn problems_text(info: &SnapshotInfo) -> Option<String> {
    let problems = info.problems.as_ref().filter(|problems| !problems.is_empty())?;
    let line = |problem: &ItemProblem| {
        let path = problem.key.to_path();
        format!("  {}: {}\n", text::printable(path.as_os_str().as_bytes()), problem_message(problem))
    };
    let lines: String = problems.iter().map(line).collect();
    let counts = info.snapshot.counts();
    let known = u64::try_from(problems.len()).unwrap_or(u64::MAX);
    let left = counts.unreadable.saturating_add(counts.inconsistent).saturating_sub(known);
    let left = if left == 0 { String::new() } else { format!("  and {} more\n", text::count(left)) };
    Some(format!("Not stored as it was:\n{lines}{left}"))
}
