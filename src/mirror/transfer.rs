//! One object's way from one store to the other.

use super::inventory::Inventory;
use super::report::MirrorReport;
use super::standing::foreign;
use crate::error::{Error, Result, check_stopped};
use crate::id::{ClientId, SessionId};
use crate::progress::{Event, Progress};
use crate::read_buffer::ReadBuffer;
use crate::store::{
    Claim, Created, Object, ObjectName, Pieces, Proof, Spool, Store, StoreError, is_proven, wrong_head,
};
use std::collections::HashSet;

/// How much of an object is read at a time.
const PIECE_BYTES: usize = 1 << 20;
/// In whose name the temporary files of a mirror are made: no client's that ever writes.
const NOBODY: SessionId = SessionId { client: ClientId::from_bytes(*b"holdall's mirror"), number: 1 };

/// Begins an object in the mirror.
type Begin<'b> = dyn Fn(&dyn Store) -> Result<Box<dyn Spool>, StoreError> + 'b;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// It is in the mirror.
    There,
    /// It was removed from the source since it was listed.
    Vanished,
    /// It is damaged, which the report says.
    Damaged,
}

/// Copies objects with one buffer.
pub(super) struct Transfer<'a> {
    from: &'a dyn Store,
    to: &'a dyn Store,
    progress: &'a dyn Progress,
    buffer: ReadBuffer,
    /// What was reported, so that another round does not report it again.
    told: HashSet<ObjectName>,
}

/// What copying the bytes of an object came to.
enum Copied {
    Proven(Box<dyn Spool>),
    /// They are not what the name stands for.
    Wrong(String),
}

/// On which side something failed.
enum Failure {
    Source(StoreError),
    Run(Error),
}

impl<'a> Transfer<'a> {
    pub(super) fn new(from: &'a dyn Store, to: &'a dyn Store, progress: &'a dyn Progress) -> Self {
        Self { from, to, progress, buffer: ReadBuffer::new(PIECE_BYTES), told: HashSet::new() }
    }

    /// Removes what runs that were cut off have left of unfinished objects.
    ///
    /// # Errors
    /// When the mirror can't be read or written.
    pub(super) fn sweep(&self) -> Result<()> {
        Ok(self.to.sweep_temporaries(&|session| session == Some(NOBODY)).map(drop)?)
    }

    /// Copies an object that the mirror lacks. One that seems damaged is read twice.
    ///
    /// # Errors
    /// When the mirror can't take it, or the caller stops.
    pub(super) fn copy(&mut self, name: &ObjectName, report: &mut MirrorReport) -> Result<Moved> {
        let wrong = match self.attempt(name, &|to| to.spool(NOBODY)) {
            Ok((Copied::Proven(spool), bytes)) => {
                if spool.publish(name)? == Created::New {
                    report.add_copied(bytes);
                    self.progress.event(&Event::Processed { files: 1, bytes: 0 });
                }
                return Ok(Moved::There);
            }
            Ok((Copied::Wrong(wrong), _)) => wrong,
            Err(Failure::Run(error)) => return Err(error),
            Err(Failure::Source(error)) if error.is_not_found() => return Ok(Moved::Vanished),
            Err(Failure::Source(error)) => crate::error::chain(&error),
        };
        self.tell(name, format!("{wrong}; it was not copied"), report);
        Ok(Moved::Damaged)
    }

    /// Looks at the objects that both have with another length. Damaged bytes in the mirror are replaced by the source's,
    /// which are whole; never the other way round.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Occupied`] when both are whole; when a store fails.
    pub(super) fn compare_lengths(
        &mut self,
        here: &Inventory,
        there: &Inventory,
        report: &mut MirrorReport,
    ) -> Result<()> {
        for (name, bytes) in here.iter() {
            if there.bytes(name).is_some_and(|other| other != *bytes) {
                self.settle(name, report)?;
            }
        }
        Ok(())
    }

    fn settle(&mut self, name: &ObjectName, report: &mut MirrorReport) -> Result<()> {
        let is_whole = |store: &dyn Store| match store.open(name).and_then(|object| is_proven(name, object.as_ref())) {
            Ok(is_whole) => Ok(Some(is_whole)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(Error::from(error)),
        };
        match (is_whole(self.from)?, is_whole(self.to)?) {
            (None, _) | (_, None) => {}
            // Parity may be made anew with another share.
            (Some(true), Some(true)) if matches!(name, ObjectName::Parity(_)) => {}
            (Some(true), Some(true)) => return Err(foreign(self.to, &format!("{name} differs, and is whole in both"))),
            (Some(true), Some(false)) => self.mend(name, report)?,
            (Some(false), is_there) => {
                let where_else = if is_there == Some(true) { "; the mirror's is whole" } else { "" };
                self.tell(name, format!("its bytes are not those that its name stands for{where_else}"), report);
            }
        }
        Ok(())
    }

    fn mend(&mut self, name: &ObjectName, report: &mut MirrorReport) -> Result<()> {
        match self.attempt(name, &|to| to.mend(name, Proof::Plain)) {
            Ok((Copied::Proven(spool), _)) => {
                let _ = spool.publish(name)?;
                report.healed_count = report.healed_count.saturating_add(1);
                Ok(())
            }
            Ok((Copied::Wrong(wrong), _)) => {
                self.tell(name, wrong, report);
                Ok(())
            }
            Err(Failure::Run(error)) => Err(error),
            Err(Failure::Source(error)) => Err(error.into()),
        }
    }

    fn tell(&mut self, name: &ObjectName, wrong: String, report: &mut MirrorReport) {
        if self.told.insert(*name) {
            report.add_damage(name.to_string(), wrong);
        }
    }

    fn attempt(&mut self, name: &ObjectName, begin: &Begin<'_>) -> Result<(Copied, u64), Failure> {
        let object = self.from.open(name).map_err(Failure::Source)?;
        let bytes = object.bytes();
        let first = self.read_into(name, object.as_ref(), begin)?;
        let copied = match first {
            Copied::Wrong(_) => {
                object.forget_cached();
                self.read_into(name, object.as_ref(), begin)?
            }
            Copied::Proven(_) => first,
        };
        Ok((copied, bytes))
    }

    fn read_into(&mut self, name: &ObjectName, object: &dyn Object, begin: &Begin<'_>) -> Result<Copied, Failure> {
        let total = object.bytes();
        let Some(hashed) = Claim::of(name).hashed_bytes(total) else {
            return Ok(Copied::Wrong(format!("its {total} bytes are fewer than its checksum takes")));
        };
        let mut spool = begin(self.to).map_err(|error| Failure::Run(error.into()))?;
        let mut hasher = blake3::Hasher::new();
        let mut end = Vec::new();
        for (part, is_hashed) in [(0..hashed, true), (hashed..total, false)] {
            let mut pieces = Pieces::of(object, part, &mut self.buffer);
            while let Some(piece) = pieces.read().map_err(Failure::Source)? {
                check_stopped(self.progress).map_err(|error| {
                    Failure::Run(error.if_stopped("what was copied stays, and another run goes on"))
                })?;
                if is_hashed {
                    hasher.update(piece);
                } else {
                    end.extend_from_slice(piece);
                }
                spool.append(piece).map_err(|error| Failure::Run(error.into()))?;
                let bytes = u64::try_from(piece.len()).unwrap_or(0);
                self.progress.event(&Event::Processed { files: 0, bytes });
            }
        }
        let found = hasher.finalize();
        let is_proven = match Claim::of(name) {
            Claim::Name(hash) => hash == *found.as_bytes(),
            Claim::End => end == found.as_bytes(),
        };
        if !is_proven {
            return Ok(Copied::Wrong(format!("its {total} bytes are not those that its name or checksum stands for")));
        }
        match wrong_head(name, object).map_err(Failure::Source)? {
            Some(wrong) => Ok(Copied::Wrong(wrong)),
            None => Ok(Copied::Proven(spool)),
        }
    }
}
