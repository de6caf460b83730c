//! Parity and second copies: what damage is healed with has to be whole itself.

use crate::access::Access;
use crate::check::packs::Seen;
use crate::check::remedy;
use crate::check::report::{Damage, Findings};
use crate::error::{Error, Result, chain};
use crate::heal;
use crate::id::PackId;
use crate::session;
use crate::store::{Folder, Listed, ObjectName, StoreError, flaw, misplaced_config};
use std::collections::HashSet;

/// What is wrong with a sound copy that differs from a sound first.
const OTHER: &str = "it is no copy of the object whose name it bears, or that holds another one's bytes";

/// Folders of small objects of which second copies are kept.
const COPIED: [Folder; 7] =
    [Folder::Config, Folder::Keys, Folder::Segments, Folder::Outcomes, Folder::Records, Folder::Verified, Folder::Gc];

/// Says how much could not be healed, where the configuration asks for parity, or somebody added some. Memory: some 60 bytes
/// for each pack and each small object.
pub(super) fn tell_unprotected(access: &Access, present: &Seen, findings: &Findings<'_>) -> Result<()> {
    if access.config().parity_percent().is_none() && !is_protected(access)? {
        return Ok(());
    }
    let mut packs = HashSet::new();
    access.index.for_each_pack(&mut |ordinal, entry| {
        if present.contains(ordinal) {
            packs.insert(entry.id);
        }
    })?;
    let mut copies = HashSet::new();
    for folder in COPIED {
        access.store.list(folder, &mut |listed| {
            if let Listed::Object { name, .. } = listed {
                copies.extend(name.mirror());
            }
        })?;
    }
    // What is created meanwhile is there before what heals it.
    for folder in [Folder::Parity, Folder::Mirror] {
        access.store.list(folder, &mut |listed| match listed {
            Listed::Object { name: ObjectName::Parity(pack), .. } => drop(packs.remove(&pack)),
            Listed::Object { name, .. } => drop(copies.remove(&name)),
            Listed::Stranger { .. } => {}
        })?;
    }
    let mut pack_count = 0usize;
    for pack in packs {
        pack_count = pack_count.saturating_add(usize::from(!session::is_set_aside(access, pack)?));
    }
    let counted = [("packs without parity", pack_count), ("small objects without a second copy", copies.len())];
    for (what, count) in counted.into_iter().filter(|(_, count)| *count > 0) {
        findings.notice(format!("{what}: {count}; damage to them can't be healed, and `holdall parity add` makes it"));
    }
    Ok(())
}

/// Whether anything can be healed.
fn is_protected(access: &Access) -> Result<bool> {
    let mut found = false;
    for folder in [Folder::Parity, Folder::Mirror] {
        access.store.list(folder, &mut |listed| found |= matches!(listed, Listed::Object { .. }))?;
    }
    Ok(found)
}

/// Reads all second copies. Memory: a piece of one.
pub(super) fn check_copies(access: &Access, findings: &Findings<'_>) -> Result<()> {
    let mut looked = Ok(());
    access.store.list(Folder::Mirror, &mut |listed| {
        if let Listed::Object { name, .. } = listed
            && looked.is_ok()
            && !findings.progress.stopped()
        {
            looked = look_twice(access, &name, findings);
        }
    })?;
    looked
}

/// Reads the parity of a pack, if there is any.
pub(super) fn check_parity(access: &Access, pack: PackId, findings: &Findings<'_>) -> Result<()> {
    look_twice(access, &ObjectName::Parity(pack), findings)
}

/// An object is read twice before it is called damaged.
fn look_twice(access: &Access, name: &ObjectName, findings: &Findings<'_>) -> Result<()> {
    let Some((first, _)) = wrong(access, name)? else { return Ok(()) };
    match wrong(access, name)? {
        None => findings.only_twice(&name.to_string(), &first),
        Some((wrong, remedy)) => {
            let object = name.to_string();
            findings.damage(Damage { object, wrong, remedy, ..Damage::default() }, []);
        }
    }
    Ok(())
}

/// What is wrong with it, if anything is, and what helps. Nothing is wrong with one that is not there.
fn wrong(access: &Access, name: &ObjectName) -> Result<Option<(String, &'static str)>> {
    Ok(match look(access, name) {
        Ok(wrong) => wrong.map(|wrong| {
            let remedy = if wrong == OTHER { remedy::COPY } else { remedy::HEALING };
            (wrong, remedy)
        }),
        Err(error) if error.is_not_found() => None,
        Err(error) if error.is_read_only() => Some((chain(&error), remedy::UNREAD)),
        Err(error) => Some((Error::from(error).found()?.to_string(), remedy::HEALING)),
    })
}

fn look(access: &Access, name: &ObjectName) -> std::result::Result<Option<String>, StoreError> {
    let object = access.store.open(name)?;
    if let Some(wrong) = flaw(name, object.as_ref())? {
        // A second copy of another configuration is told of with what is gone.
        let is_told = misplaced_config(name, object.as_ref())?.is_some() && is_alone(access, name)?;
        return Ok(Some(wrong).filter(|_| !is_told));
    }
    if let ObjectName::Mirror(copy) = name
        && heal::is_of_another(access.store.as_ref(), &copy.first(), object.as_ref())?
    {
        return Ok(Some(OTHER.to_owned()));
    }
    Ok(None)
}

/// Whether the object is gone of which a second copy bears the name.
fn is_alone(access: &Access, copy: &ObjectName) -> std::result::Result<bool, StoreError> {
    let ObjectName::Mirror(copy) = copy else { return Ok(false) };
    Ok(!access.store.exists(&copy.first())?)
}
