//! What earlier checks say of packs: which of them were verified, and when. On disk where there are many.

use crate::access::Access;
use crate::check::remedy;
use crate::check::report::{Damage, Findings};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ClientId, PackId};
use crate::index::Scratch;
use crate::record::{self, RecordBody, RecordKind};
use crate::session::now_ns;
use crate::store::{Folder, Listed, ObjectName};

/// The largest record that is read: its body has at most a mebibyte.
const RECORD_BYTES_MAX: u64 = 2 << 20;

/// A verified record by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    pub(super) made_at_ns: i64,
    pub(super) client: ClientId,
    pub(super) number: u64,
}

impl Known {
    pub(super) const fn name(&self) -> ObjectName {
        ObjectName::Verified(self.client, self.number)
    }
}

/// What is known of all packs. Memory: a sixteenth of what is at hand for the table, and the records' names.
pub(super) struct Verified {
    table: Box<dyn Scratch>,
    /// The records that are believed, the oldest first.
    pub(super) records: Vec<Known>,
    /// Records that lie ahead of the clock.
    pub(super) ahead_count: u64,
    /// Records that are there and can't be believed.
    pub(super) refused: Vec<(ObjectName, Error)>,
}

impl Verified {
    /// Reads all verified records.
    ///
    /// # Errors
    /// When the folder can't be listed, or the table not written. What single records say that can't be believed is no
    /// error.
    pub(super) fn load(access: &Access) -> Result<Self> {
        let mut names = Vec::new();
        access.store.list(Folder::Verified, &mut |listed| {
            if let Listed::Object { name: ObjectName::Verified(client, number), .. } = listed {
                names.push((client, number));
            }
        })?;
        let mut verified = Self { table: access.scratch(), records: Vec::new(), ahead_count: 0, refused: Vec::new() };
        let now_ns = now_ns();
        for (client, number) in names {
            match read(access, client, number).or_else(|_| read(access, client, number)) {
                Ok(Some(body)) if body.made_at_ns > now_ns => {
                    verified.ahead_count = verified.ahead_count.saturating_add(1);
                }
                Ok(Some(body)) => verified.note(&body)?,
                Ok(None) => {}
                Err(error) => verified.refused.push((ObjectName::Verified(client, number), error.found()?)),
            }
        }
        verified.records.sort_unstable();
        Ok(verified)
    }

    fn note(&mut self, body: &RecordBody) -> Result<()> {
        for pack in &body.packs.0 {
            if self.at_ns(*pack)?.is_none_or(|known| known < body.made_at_ns) {
                self.table.put(pack.as_bytes(), &body.made_at_ns.to_le_bytes())?;
            }
        }
        self.records.push(Known { made_at_ns: body.made_at_ns, client: body.client, number: body.number });
        Ok(())
    }

    /// When a pack was verified last.
    ///
    /// # Errors
    /// When the table can't be read.
    pub(super) fn at_ns(&self, pack: PackId) -> Result<Option<i64>> {
        let value = self.table.get(pack.as_bytes())?;
        Ok(value.and_then(|value| Some(i64::from_le_bytes(*value.first_chunk()?))))
    }

    /// Tells what could not be believed.
    pub(super) fn tell(&self, findings: &Findings<'_>) {
        for (name, error) in &self.refused {
            let damage = Damage {
                object: name.to_string(),
                wrong: error.to_string(),
                remedy: remedy::VERIFIED,
                ..Damage::default()
            };
            findings.damage(damage, []);
        }
        if self.ahead_count > 0 {
            let count = self.ahead_count;
            findings.notice(format!("{count} records of earlier checks lie ahead of the clock and are not believed"));
        }
    }
}

/// Reads a verified record; none when it is gone: another check has put others in its place.
///
/// # Errors
/// When it can't be believed.
pub(super) fn read(access: &Access, client: ClientId, number: u64) -> Result<Option<RecordBody>> {
    let name = ObjectName::Verified(client, number);
    let Some(bytes) = access.store.read_if_there(&name, RECORD_BYTES_MAX)? else { return Ok(None) };
    let body = record::open(client, number, &access.ring, &access.chain, &bytes)?.body;
    if body.kind == RecordKind::Verified {
        return Ok(Some(body));
    }
    let kind = body.kind;
    Err(Error::new(ErrorKind::Damaged, format!("it says {kind} where only what was verified has a place")))
}
