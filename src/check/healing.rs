//! Parity and second copies: what damage is healed with has to be whole itself.

use crate::access::Access;
use crate::check::remedy;
use crate::check::report::{Damage, Findings};
use crate::error::{Result, chain};
use crate::heal;
use crate::id::PackId;
use crate::store::{Folder, Listed, ObjectName, StoreError, is_proven, wrong_head};

/// What is wrong with a sound copy that differs from a sound first.
const OTHER: &str = "it is no copy of the object whose name it bears, or that holds another one's bytes";

/// Reads all second copies. Memory: a piece of one.
pub(super) fn check_copies(access: &Access, findings: &Findings<'_>) -> Result<()> {
    access.store.list(Folder::Mirror, &mut |listed| {
        if let Listed::Object { name, .. } = listed
            && !findings.progress.stopped()
        {
            look_twice(access, &name, findings);
        }
    })?;
    Ok(())
}

/// Reads the parity of a pack, if there is any.
pub(super) fn check_parity(access: &Access, pack: PackId, findings: &Findings<'_>) {
    look_twice(access, &ObjectName::Parity(pack), findings);
}

/// An object is read twice before it is called damaged.
fn look_twice(access: &Access, name: &ObjectName, findings: &Findings<'_>) {
    let Some(first) = wrong(access, name) else { return };
    match wrong(access, name) {
        None => findings.only_twice(&name.to_string(), &first),
        Some(wrong) => {
            let remedy = if wrong == OTHER { remedy::COPY } else { remedy::HEALING };
            let object = name.to_string();
            findings.damage(Damage { object, wrong, remedy, ..Damage::default() }, []);
        }
    }
}

/// What is wrong with it, if anything is. Nothing is wrong with one that is not there.
fn wrong(access: &Access, name: &ObjectName) -> Option<String> {
    match look(access, name) {
        Ok(wrong) => wrong,
        Err(error) if error.is_not_found() => None,
        Err(error) => Some(chain(&error)),
    }
}

fn look(access: &Access, name: &ObjectName) -> std::result::Result<Option<String>, StoreError> {
    let object = access.store.open(name)?;
    if !is_proven(name, object.as_ref())? {
        return Ok(Some("its bytes don't fit its name or checksum".to_owned()));
    }
    if let ObjectName::Mirror(copy) = name
        && heal::is_of_another(access.store.as_ref(), &copy.first(), object.as_ref())?
    {
        return Ok(Some(OTHER.to_owned()));
    }
    wrong_head(name, object.as_ref())
}
