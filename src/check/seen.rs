//! Lists of what outcomes had seen, where they are too long to stand in the outcomes.

use crate::check::report::{Damage, Findings};
use crate::check::trees::SecondLook;
use crate::content::ContentReader;
use crate::error::{Error, ErrorKind, Result};
use crate::session::{self, History};
use crate::store::ObjectName;

/// Reads every such list.
pub(super) fn check(reader: &ContentReader, history: &History, findings: &Findings<'_>) -> Result<()> {
    let nodes = SecondLook { reader, findings };
    for (id, held) in history.committed() {
        let Some(node) = held.body.seen.overflow else { continue };
        if findings.progress.stopped() {
            return Err(Error::new(ErrorKind::Interrupted, "stopped as asked; nothing was changed"));
        }
        let Err(error) = session::read_seen(&nodes, held) else { continue };
        if !nodes.is_bad(&error) {
            return Err(error);
        }
        let damage = Damage {
            object: ObjectName::Outcome(*id).to_string(),
            place: format!("node {node}"),
            wrong: format!("its list of what it had seen can't be read: {error}"),
            remedy: "put the pack that holds it back from a second copy of the store",
            ..Damage::default()
        };
        findings.damage(damage, [node.as_chunk()]);
    }
    Ok(())
}
