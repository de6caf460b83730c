//! Sessions that nobody has decided, and signs of life: what tells a prune for whom it has to wait.

use crate::access::Access;
use crate::check::remedy;
use crate::check::report::{Damage, Findings};
use crate::error::{Result, chain};
use crate::session::{History, read_if_there};
use crate::session_record;
use crate::store::{Folder, Listed, ObjectName};

/// Reads them all. What ends meanwhile is no damage.
pub(super) fn check(access: &Access, history: &History, findings: &Findings<'_>) -> Result<()> {
    let mut names: Vec<ObjectName> = history.open.iter().copied().map(ObjectName::Session).collect();
    access.store.list(Folder::Heartbeats, &mut |listed| {
        if let Listed::Object { name, .. } = listed {
            names.push(name);
        }
    })?;
    for name in names {
        let Err(first) = prove(access, &name) else { continue };
        match prove(access, &name) {
            Ok(()) => findings.only_twice(&name.to_string(), &chain(&first)),
            Err(error) => {
                let (object, wrong, remedy) = (name.to_string(), error.found()?.to_string(), remedy::SIGN);
                findings.damage(Damage { object, wrong, remedy, ..Damage::default() }, []);
            }
        }
    }
    Ok(())
}

fn prove(access: &Access, name: &ObjectName) -> Result<()> {
    let Some(bytes) = read_if_there(access, name)? else { return Ok(()) };
    let (ring, chain) = (&access.ring, &access.chain);
    if let ObjectName::Session(id) = *name {
        session_record::open(id, ring, chain, &bytes)?;
    }
    if let ObjectName::Heartbeat(id, beat) = *name {
        session_record::open_heartbeat(id, beat, ring, chain, &bytes)?;
    }
    Ok(())
}
