//! Second copies that hold another object's bytes. Both may be sound, and then only a key tells that the first one is the
//! object of its name, so that the copy is what is wrong.

use super::control::{HealedControl, is_right};
use super::look::check_stopped;
use super::options::LostObject;
use crate::access::Access;
use crate::error::Result;
use crate::heal;
use crate::progress::{Event, Progress};
use crate::session::read_if_there;
use crate::store::{Created, Folder, Listed, Mirrored, ObjectName, Proof, StoreError};
use std::sync::Arc;

const WRONG: &str = "it was no copy of the object whose name it bears";

/// Writes second copies anew that are none of the object whose name they bear, where that one is proved with a key, and
/// adds them to what was `done`. Reads the ends of all second copies, and of what they are copies of. Memory: their names, and one object.
///
/// # Errors
/// When the store can't be listed, or the caller stops. What was written until then stands.
pub fn heal_copies(access: &Access, done: &mut HealedControl, progress: &dyn Progress) -> Result<()> {
    progress.event(&Event::Phase("reading second copies"));
    let mut copies = Vec::new();
    access.store.list(Folder::Mirror, &mut |listed| {
        if let Listed::Object { name: ObjectName::Mirror(copy), .. } = listed {
            copies.push(copy);
        }
    })?;
    for copy in copies {
        check_stopped(progress)?;
        let Some(right) = right_first(access, copy) else { continue };
        let object = ObjectName::Mirror(copy).to_string();
        match write(access, copy, &right) {
            Ok(Created::New) => done.healed.push(LostObject { object, wrong: WRONG.to_owned() }),
            // It was right by then, or a prune had done with it.
            Ok(Created::Exists) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => done.unhealed.push(LostObject { object, wrong: error.to_string() }),
        }
    }
    Ok(())
}

/// The bytes that a copy should have, if it has others. What can't be read is damage, which needs no key to be healed.
fn right_first(access: &Access, copy: Mirrored) -> Option<Vec<u8>> {
    let (store, first) = (access.store.as_ref(), copy.first());
    let object = store.open(&ObjectName::Mirror(copy)).ok()?;
    if !heal::is_of_another(store, &first, object.as_ref()).ok()? {
        return None;
    }
    read_if_there(access, &first).ok()?.filter(|bytes| is_right(access, &first, bytes))
}

/// What is right by now stays.
fn write(access: &Access, copy: Mirrored, right: &[u8]) -> Result<Created, StoreError> {
    let (judge, name) = (access.clone(), ObjectName::Mirror(copy));
    let proof = Proof::Keyed(Arc::new(move |bytes| is_right(&judge, &copy.first(), bytes)));
    let mut spool = access.store.mend(&name, proof)?;
    spool.append(right)?;
    spool.publish(&name)
}
