//! Up to where the last run of a snapshot's chain that read unchanged files again came.

use crate::manifest::Key;
use crate::outcome::Attribute;
use crate::wire::Blob;

/// The attribute of a description that says so: a path of the source, which is nobody's business but the readers'.
const REHASHED_TO: u32 = 2;

/// Says it in the description of an outcome.
pub fn rehashed_to_attribute(key: &Key) -> Attribute {
    Attribute { id: REHASHED_TO, bytes: Blob(key.as_bytes().to_vec()) }
}

/// What a description says; none also for what is no key.
pub(super) fn rehashed_to(attributes: &[Attribute]) -> Option<Key> {
    let found = attributes.iter().find(|attribute| attribute.id == REHASHED_TO)?;
    Key::parse(found.bytes.0.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_23_a_position_is_a_key_and_anything_else_is_none() {
        let key = Key::from_path("/srv/a file".as_ref()).unwrap();
        let attribute = rehashed_to_attribute(&key);
        assert_eq!((attribute.id, attribute.bytes.0.as_slice()), (2, &b"srv\0a file"[..]));
        assert_eq!(rehashed_to(&[Attribute { id: 1, bytes: Blob::from("x") }, attribute]), Some(key));
        for bytes in ["/srv", "a\0\0b", "a\0..", "\0"] {
            assert_eq!(rehashed_to(&[Attribute { id: 2, bytes: Blob::from(bytes) }]), None, "{bytes:?}");
        }
        assert_eq!(rehashed_to(&[]), None);
    }
}
