//! A snapshot of restic.

use super::error::Fault;
use super::id::{BlobId, FileId};
use super::node::timestamp;
use serde::Deserialize;

/// What the snapshot's file says.
#[derive(Deserialize)]
struct Document {
    time: String,
    tree: BlobId,
    paths: Option<Vec<String>>,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    tags: Option<Vec<String>>,
    #[serde(default)]
    program_version: String,
    summary: Option<Summary>,
}

#[derive(Deserialize)]
struct Summary {
    backup_start: Option<String>,
}

/// A snapshot of restic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id.
    pub id: FileId,
    /// When it was taken, as restic says or its user, in nanoseconds since the epoch.
    pub time_ns: i64,
    /// When the run began that took it, by the clock: what was changed long before is in it. The same as the time in
    /// snapshots of versions before 0.17, which don't tell.
    pub started_ns: i64,
    /// The root's tree.
    pub tree: BlobId,
    /// What was backed up, as absolute paths.
    pub paths: Vec<Vec<u8>>,
    /// The host's name.
    pub host: Vec<u8>,
    /// The user's name.
    pub user: Vec<u8>,
    /// Its tags, sorted.
    pub tags: Vec<Vec<u8>>,
    /// The version of restic that made it; empty for versions before 0.14, which don't tell.
    pub program: Vec<u8>,
}

impl Snapshot {
    /// Reads a snapshot's document.
    ///
    /// # Errors
    /// [`Fault::Meaning`].
    pub fn parse(id: FileId, json: &[u8]) -> Result<Self, Fault> {
        let document: Document = serde_json::from_slice(json).map_err(|error| Fault::Meaning(error.to_string()))?;
        let time_ns = timestamp(&document.time)?.to_ns();
        let started = document.summary.and_then(|summary| summary.backup_start);
        // A run can't have begun after the time of what it made, unless its user said so.
        let started_ns = started.map_or(Ok(time_ns), |started| timestamp(&started).map(|start| start.to_ns()))?;
        let mut tags: Vec<Vec<u8>> = bytes(document.tags).filter(|tag| !tag.is_empty()).collect();
        tags.sort_unstable();
        tags.dedup();
        Ok(Self {
            id,
            time_ns,
            started_ns,
            tree: document.tree,
            paths: bytes(document.paths).filter(|path| !path.is_empty()).collect(),
            host: document.hostname.into_bytes(),
            user: document.username.into_bytes(),
            tags,
            program: document.program_version.into_bytes(),
        })
    }
}

fn bytes(texts: Option<Vec<String>>) -> impl Iterator<Item = Vec<u8>> {
    texts.into_iter().flatten().map(String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_old_versions_do_not_say_is_made_up_for() {
        let tree = BlobId::of(b"");
        let id = FileId::of(b"");
        let json = format!(
            r#"{{"time":"2019-05-01T12:00:00.5+02:00","tree":"{tree}","paths":null,"hostname":"h","tags":["b","","a","b"]}}"#
        );
        let snapshot = Snapshot::parse(id, json.as_bytes()).unwrap();
        assert_eq!(snapshot.time_ns, 1_556_704_800_500_000_000);
        assert_eq!(snapshot.started_ns, snapshot.time_ns);
        assert_eq!(snapshot.tags, [b"a", b"b"]);
        assert_eq!((snapshot.paths.len(), snapshot.user.len()), (0, 0));
    }

    #[test]
    fn the_clock_of_the_run_is_told_from_the_time_that_its_user_gave() {
        let tree = BlobId::of(b"");
        let json = format!(
            r#"{{"time":"2030-01-01T00:00:00Z","tree":"{tree}","summary":{{"backup_start":"1970-01-01T00:00:01Z"}}}}"#
        );
        let snapshot = Snapshot::parse(FileId::of(b""), json.as_bytes()).unwrap();
        assert_eq!(snapshot.started_ns, 1_000_000_000);
        assert!(Snapshot::parse(FileId::of(b""), br#"{"time":"2030-01-01T00:00:00Z"}"#).is_err(), "no tree");
        assert!(Snapshot::parse(FileId::of(b""), json.replace("2030", "no").as_bytes()).is_err());
    }
}
