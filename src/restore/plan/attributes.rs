//! What an entry has beside its content.

use super::Planner;
use crate::destination::{Metadata, Owner};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Attribute, Entry, Hole, Xattr, decode_holes, decode_xattrs};
use crate::owner::{self, Named, OwnerKind};
use crate::restore::options::Ownership;
use crate::restore::outcome::{Renumbered, RestoreProblemKind};

impl Planner<'_> {
    pub(super) fn metadata(&self, entry: &Entry) -> Result<Metadata> {
        if let Some(message) = entry.attributes.not_understood() {
            self.outcome.problem(entry.key.to_path(), RestoreProblemKind::Metadata, message);
        }
        let owner = match self.options.ownership {
            Ownership::ByName | Ownership::ByNumber => {
                self.note_renumbered(OwnerKind::User, entry.uid);
                self.note_renumbered(OwnerKind::Group, entry.gid);
                Owner::Ids { uid: self.owners.uid(entry.uid), gid: self.owners.gid(entry.gid) }
            }
            Ownership::Restorer => Owner::Restorer,
        };
        let (mode, mtime, mut xattrs) = (entry.mode, entry.mtime, self.xattrs(entry)?);
        for xattr in &mut xattrs {
            self.map_list(xattr);
        }
        Ok(Metadata { kind: entry.kind(), owner, mode, mtime, xattrs })
    }

    /// Whom an access control list names are mapped as owners are.
    fn map_list(&self, xattr: &mut Xattr) {
        for named in owner::named(&xattr.name, &xattr.value) {
            match named {
                Named::User(uid) => self.note_renumbered(OwnerKind::User, uid),
                Named::Group(gid) => self.note_renumbered(OwnerKind::Group, gid),
            }
        }
        self.owners.map_list(&xattr.name, &mut xattr.value);
    }

    fn note_renumbered(&self, owner: OwnerKind, stored: u32) {
        if let Some((name, here)) = self.owners.renumbered(owner, stored) {
            self.outcome.renumbered(Renumbered { owner, stored, here, name: name.to_vec() });
        }
    }

    fn xattrs(&self, entry: &Entry) -> Result<Vec<Xattr>> {
        let Some(value) = self.attribute(entry, Attribute::XATTRS)? else { return Ok(Vec::new()) };
        decode_xattrs(&value).or_else(|cause| {
            let error = Error::new(ErrorKind::Damaged, "its extended attributes are malformed").because(cause);
            self.outcome.damaged(entry.key.to_path(), error).map(|()| Vec::new())
        })
    }

    pub(super) fn holes(&self, entry: &Entry) -> Result<Vec<Hole>> {
        let Some(value) = self.attribute(entry, Attribute::HOLES)? else { return Ok(Vec::new()) };
        decode_holes(&value).or_else(|cause| {
            let error = Error::new(ErrorKind::Damaged, "its list of holes is malformed").because(cause);
            self.outcome.damaged(entry.key.to_path(), error).map(|()| Vec::new())
        })
    }

    /// The value of an attribute; one that can't be read is told and left out.
    fn attribute(&self, entry: &Entry, id: u32) -> Result<Option<Vec<u8>>> {
        let value = self.reader.attribute(entry, id);
        value.or_else(|error| self.outcome.damaged(entry.key.to_path(), error).map(|()| None))
    }
}
