//! Second copies and objects of which one holds another object's bytes. Both may be sound, and then only a key tells which
//! of the two is the object of the name.

use super::control::{HealedControl, is_right};
use super::options::LostObject;
use crate::access::Access;
use crate::error::{Result, check_stopped};
use crate::heal;
use crate::progress::{Event, Progress};
use crate::session::read_if_there;
use crate::store::{Created, Folder, Listed, Mirrored, ObjectName, Proof, StoreError};
use std::sync::Arc;

/// Bytes that are the object of a name, and where they should stand.
struct Right {
    place: ObjectName,
    /// What is wrong with those that stand there.
    wrong: &'static str,
    bytes: Vec<u8>,
}

/// Writes second copies anew that are none of the object whose name they bear, where that one is proved with a key; and
/// such objects of which only the copy is. Adds them to what was `done`. Reads the ends of all second copies, and of what
/// they are copies of. Memory: their names, and two objects.
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
        let Some(right) = right_of_two(access, copy) else { continue };
        let object = right.place.to_string();
        match write(access, copy, &right) {
            Ok(Created::New) => done.healed.push(LostObject { object, wrong: right.wrong.to_owned() }),
            // It was right by then, or a prune had done with it.
            Ok(Created::Exists) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => done.unhealed.push(LostObject { object, wrong: error.to_string() }),
        }
    }
    Ok(())
}

/// What the one should have that is wrong, if a copy and the object whose name it bears differ and the other one is right.
/// What can't be read is damage, which needs no key to be healed.
fn right_of_two(access: &Access, copy: Mirrored) -> Option<Right> {
    let (store, first, second) = (access.store.as_ref(), copy.first(), ObjectName::Mirror(copy));
    let object = store.open(&second).ok()?;
    if !heal::is_of_another(store, &first, object.as_ref()).ok()? {
        return None;
    }
    let right = |name| read_if_there(access, name).ok()?.filter(|bytes| is_right(access, &first, bytes));
    if let Some(bytes) = right(&first) {
        return Some(Right { place: second, wrong: "it was no copy of the object whose name it bears", bytes });
    }
    right(&second).map(|bytes| Right { place: first, wrong: "it was another object than its name says", bytes })
}

/// What is right by now stays.
fn write(access: &Access, copy: Mirrored, right: &Right) -> Result<Created, StoreError> {
    let judge = access.clone();
    let proof = Proof::Keyed(Arc::new(move |bytes| is_right(&judge, &copy.first(), bytes)));
    let mut spool = access.store.mend(&right.place, proof)?;
    spool.append(&right.bytes)?;
    spool.publish(&right.place)
}
