//! What there is to know of a repository and of one snapshot, for people and for programs.

mod snapshot;

pub(crate) use snapshot::{snapshot_json, snapshot_text};

use super::json::{
    DirectoryText, FeatureText, FolderText, GenerationText, ParametersText, PathText, RepositoryText,
    SnapshotCountsText, VerificationText, moment,
};
use super::{keys, stats, text};
use holdall::{RepositoryInfo, Role, Stage, UsedDirectory, Verification};
use std::os::unix::ffi::OsStrExt;

/// A repository for programs.
pub(crate) fn repository_json(info: &RepositoryInfo) -> RepositoryText {
    let folders = info.folders.iter().filter(|(_, folder)| folder.object_count > 0);
    let folder = |folder: &holdall::FolderStats| FolderText { objects: folder.object_count, size: folder.bytes };
    RepositoryText {
        message_type: "repository",
        id: info.id.to_string(),
        repository: info.place.clone(),
        created: moment(info.created_at_ns),
        format_version: info.format_version,
        suite: info.suite,
        config_number: info.config_number,
        config_created: moment(info.config_made_at_ns),
        parameters: parameters(info),
        parity_percent: info.parity_percent,
        features: info.features.iter().map(|used| FeatureText { id: used.id, known: used.is_known }).collect(),
        key_epochs: info.epoch_count,
        signer: info.own_signer.to_string(),
        role: info.own_role.to_string(),
        reads: info.own_role > Role::Put,
        keys: info.keys.iter().map(keys::as_json).collect(),
        valid_signers: info.valid_signer_counts.iter().map(|(role, count)| (role.to_string(), *count)).collect(),
        ended_signers: info.ended_signer_count,
        folders: folders.map(|(name, counted)| (name.clone(), folder(counted))).collect(),
        snapshots: SnapshotCountsText {
            live: info.snapshots.live,
            forgotten: info.snapshots.forgotten,
            partial: info.snapshots.partial,
            pinned: info.snapshots.pinned,
            drilled: info.snapshots.drilled,
            oldest: info.snapshots.oldest_time_ns.map(moment),
            newest: info.snapshots.newest_time_ns.map(moment),
        },
        clients: info.client_count,
        open_sessions: u64::try_from(info.open_sessions.len()).unwrap_or(u64::MAX),
        generations: generations(info),
        verification: verification(&info.verification),
        cache: directory(&info.cache),
        state: directory(&info.state),
        problems: info.troubles.clone(),
    }
}

const fn parameters(info: &RepositoryInfo) -> ParametersText {
    let cut = &info.parameters;
    ParametersText {
        chunk_size_min: cut.chunk_bytes_min,
        chunk_size_avg: cut.chunk_bytes_avg,
        chunk_size_max: cut.chunk_bytes_max,
        normalization: cut.normalization,
        frame_size: cut.frame_bytes_target,
        pack_size: cut.pack_bytes_target,
    }
}

fn generations(info: &RepositoryInfo) -> Vec<GenerationText> {
    let of = |found: &holdall::GenerationInfo| GenerationText {
        number: found.number,
        stage: match found.stage {
            Stage::Condemned => "condemned",
            Stage::Deleted => "deleted",
            Stage::Retiring => "retiring",
        },
        packs: found.pack_count,
    };
    info.generations.iter().map(of).collect()
}

fn verification(found: &Verification) -> VerificationText {
    VerificationText {
        packs: found.pack_count,
        packs_verified: found.verified_count,
        packs_verified_since: None,
        oldest: found.oldest_at_ns.map(moment),
        newest: found.newest_at_ns.map(moment),
        records_disbelieved: found.disbelieved_count,
    }
}

fn directory(used: &UsedDirectory) -> DirectoryText {
    DirectoryText { path: PathText::new(used.path.as_os_str().as_bytes()), size: used.bytes }
}

/// A repository for people.
pub(crate) fn repository_text(info: &RepositoryInfo) -> String {
    let about = text::pairs(&[
        ("Repository", info.id.to_string()),
        ("Place", text::printable(info.place.as_bytes())),
        ("Made", text::time(info.created_at_ns)),
        ("Format", format!("version {}, suite {}{}", info.format_version, info.suite, algorithms(info.suite))),
        ("Configuration", configuration(info)),
        ("Features", features(info)),
        ("Chunks", chunks(info)),
        ("Frames", frames(info)),
        ("Packs", format!("closed at {}", text::bytes(info.parameters.pack_bytes_target.into()))),
        ("Protection", protection(info)),
        ("This key", format!("has the role {}: it may {}", info.own_role, keys::rights(info.own_role))),
        ("Keys", signers(info)),
    ]);
    let state = text::pairs(&[
        ("Snapshots", snapshots(info)),
        ("Clients", text::count(info.client_count)),
        ("Open sessions", open_sessions(info)),
        ("Prunes", prunes(info)),
        ("Data verified", verified(&info.verification)),
        ("View of the index", used(&info.cache)),
        ("State of this user", used(&info.state)),
    ]);
    let troubles: String =
        info.troubles.iter().map(|trouble| format!("{}\n", text::printable(trouble.as_bytes()))).collect();
    let troubles =
        if troubles.is_empty() { troubles } else { format!("\nNot believed (see `holdall check`):\n{troubles}") };
    format!("{about}\n{}\n{}\n{state}{troubles}", keys::table(&info.keys, &[]), stats::folders_text(&info.folders))
}

const fn algorithms(suite: u16) -> &'static str {
    match suite {
        1 => ": BLAKE3, AES-256-GCM, Ed25519, X25519",
        _ => "",
    }
}

fn configuration(info: &RepositoryInfo) -> String {
    match info.config_number {
        0 => "the first".to_owned(),
        number => {
            let changes = text::counted(number.into(), "change", "changes");
            format!("{changes}, the last {}", text::time(info.config_made_at_ns))
        }
    }
}

fn features(info: &RepositoryInfo) -> String {
    let name = |used: &holdall::FeatureInUse| {
        format!("{:#x}{}", used.id, if used.is_known { "" } else { " (unknown to this version)" })
    };
    let names: Vec<String> = info.features.iter().map(name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn chunks(info: &RepositoryInfo) -> String {
    let cut = &info.parameters;
    let [min, avg, max] =
        [cut.chunk_bytes_min, cut.chunk_bytes_avg, cut.chunk_bytes_max].map(|size| text::bytes(size.into()));
    format!("{min} to {max}, {avg} on average (FastCDC, normalisation {})", cut.normalization)
}

fn frames(info: &RepositoryInfo) -> String {
    let size = text::bytes(info.parameters.frame_bytes_target.into());
    format!("{size} before zstd; its level is that of each backup (`--compression`), 3 unless told otherwise")
}

fn protection(info: &RepositoryInfo) -> String {
    match info.parity_percent {
        Some(percent) => format!("new packs get {percent} % of parity, small objects a second copy"),
        None => "none for new objects; `holdall parity add` gives it".to_owned(),
    }
}

fn signers(info: &RepositoryInfo) -> String {
    let valid = info.valid_signer_counts.iter().map(|(role, count)| format!("{} {role}", text::count(*count)));
    let ended = info.ended_signer_count;
    let ended = if ended == 0 { String::new() } else { format!("; {} ended", text::count(ended)) };
    format!("{} may sign{ended}; the ways in:", valid.collect::<Vec<_>>().join(", "))
}

fn snapshots(info: &RepositoryInfo) -> String {
    let counts = &info.snapshots;
    let mut said = vec![text::count(counts.live)];
    if let (Some(oldest), Some(newest)) = (counts.oldest_time_ns, counts.newest_time_ns) {
        said.push(format!("of {} to {}", text::time(oldest), text::time(newest)));
    }
    let kinds = [
        (counts.partial, "partial"),
        (counts.pinned, "pinned"),
        (counts.drilled, "drilled"),
        (counts.forgotten, "more forgotten"),
    ];
    let kinds = kinds.iter().filter(|(count, _)| *count > 0);
    said.extend(kinds.map(|(count, kind)| format!("{} {kind}", text::count(*count))));
    said.join(", ")
}

fn open_sessions(info: &RepositoryInfo) -> String {
    let since = info.open_sessions.iter().map(|session| session.started_at_ns).min();
    since.map_or_else(
        || "none".to_owned(),
        |since_ns| {
            let count = info.open_sessions.len();
            format!("{count}, the first since {}; `holdall sessions` lists them", text::time(since_ns))
        },
    )
}

fn prunes(info: &RepositoryInfo) -> String {
    let told = generations(info).into_iter().map(|found| {
        let packs = text::counted(found.packs, "pack", "packs");
        format!("generation {}, {packs} {}", found.number, found.stage)
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { "none under way".to_owned() } else { told.join("; ") }
}

fn verified(found: &Verification) -> String {
    let packs = text::counted(found.pack_count, "pack", "packs");
    let Some((oldest, newest)) = found.oldest_at_ns.zip(found.newest_at_ns) else {
        return format!("never, as far as the repository remembers; `holdall check --read-data` verifies its {packs}");
    };
    let count = text::count(found.verified_count);
    format!("{count} of {packs}, the last {}, the longest ago {}", text::time(newest), text::time(oldest))
}

fn used(directory: &UsedDirectory) -> String {
    let path = text::printable(directory.path.as_os_str().as_bytes());
    format!("{path}, {}", text::bytes(directory.bytes))
}
