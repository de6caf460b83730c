//! Stating in the repository what came of a drill.

use crate::access::Access;
use crate::drill::options::Afterwards;
use crate::drill::{Drill, DrillReport};
use crate::error::{Error, Result};
use crate::id::ClientId;
use crate::record::{DrillCommand, RecordKind};
use crate::session::{self, History, RecordDraft};

/// Whether the repository now says what came of a drill.
#[derive(Debug)]
pub enum Recorded {
    /// It does, in a record of this client.
    Stated,
    /// It does not, for this reason.
    Not(Error),
}

/// How a drill ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct DrillConclusion {
    /// What was found, with what came of the command.
    pub report: DrillReport,
    /// Whether that is stated.
    pub recorded: Recorded,
    /// Whether what was restored is still there because that was wanted.
    pub kept: bool,
    /// Why something is still there that should be gone.
    pub leftover: Option<Error>,
}

/// States what came of a drill, passed or not, and removes what was restored. `writer` is what a writer begins with.
pub fn conclude(
    access: &Access,
    writer: Result<(History, ClientId)>,
    drill: Drill,
    command: DrillCommand,
) -> DrillConclusion {
    let Drill { mut report, scratch } = drill;
    report.result.command = command;
    let recorded = match state(access, writer, &report) {
        Ok(()) => Recorded::Stated,
        Err(error) => Recorded::Not(error),
    };
    let kept = scratch.afterwards() == Afterwards::Keep;
    DrillConclusion { report, recorded, kept, leftover: scratch.clear().err() }
}

fn state(access: &Access, writer: Result<(History, ClientId)>, report: &DrillReport) -> Result<()> {
    session::check_may_state(access, RecordKind::Drill)?;
    let (history, client) = writer?;
    let note = report.result.to_note();
    let snapshots = [report.snapshot];
    let draft = RecordDraft { kind: RecordKind::Drill, snapshots: &snapshots, until_ns: None, note: &note.0 };
    session::make_records(access, &history, client, &draft).map(drop)
}
