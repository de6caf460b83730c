//! Vouching for what put keys stored: a pack that a put key published is no hit for others until somebody who can read has
//! hashed it again. Who has read all of one says so in a segment that takes the place of the put key's, where its row
//! stands under the own key. Byte-exact in format-spec/09-segment.md.

use crate::access::Access;
use crate::config::Role;
use crate::error::{Error, ErrorKind, Result, check_stopped};
use crate::id::{PackId, SignerKey};
use crate::index::Scratch;
use crate::outcome::OutcomeKind;
use crate::progress::{Event, Progress};
use crate::segment::{PackFacts, PackRow, SegmentReader};
use crate::session::{Beating, History, Replacement, SegmentStand, Writer, check_may_open, read_segment};
use crate::session_record::SessionKind;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Packs that a put key published and that were just proved, each with its row. On disk where there are many.
pub(super) struct Proven {
    put_keys: HashSet<SignerKey>,
    state: Mutex<State>,
}

struct State {
    /// By pack what its row said that was proved.
    rows: Box<dyn Scratch>,
    count: u64,
    failure: Option<Error>,
}

impl Proven {
    /// Begins with none.
    pub(super) fn new(access: &Access) -> Self {
        let signers = access.config().signers.0.iter().filter(|signer| signer.role == Role::Put);
        let state = State { rows: access.scratch(), count: 0, failure: None };
        Self { put_keys: signers.map(|signer| signer.key).collect(), state: Mutex::new(state) }
    }

    /// Notes a pack all of which is as its row says.
    pub(super) fn note(&self, row: &PackRow) {
        if !self.put_keys.contains(&row.facts().signer) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.rows.put(row.facts().pack.as_bytes(), &digest(row)) {
            Ok(()) => state.count = state.count.saturating_add(1),
            Err(error) => state.failure = Some(error.into()),
        }
    }

    /// Vouches for the packs that were noted, in a session of their own. Returns how many.
    ///
    /// # Errors
    /// When the store fails, somebody ends the session, or the caller stops: nothing was vouched for then.
    pub(super) fn vouch(self, access: &Access, writer: &Writer, progress: &dyn Progress) -> Result<u64> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.failure {
            return Err(error);
        }
        // A key that may not take the place of what others said leaves it to one that may.
        if state.count == 0 || check_may_open(access, SessionKind::Repair).is_err() {
            return Ok(0);
        }
        progress.event(&Event::Phase("vouching for packs of put keys"));
        let session = Beating::open(access, &History::load(access)?, SessionKind::Repair, writer)?;
        let work = Vouching { access, put_keys: self.put_keys, proven: state.rows, session, vouched: HashSet::new() };
        work.run(progress)
    }
}

/// Everything that a row says of a pack but who vouches for it.
fn digest(row: &PackRow) -> [u8; 32] {
    let PackFacts { pack, class, bytes, signer: _, session } = row.facts();
    let mut table = Vec::new();
    row.frames().write(&mut table);
    let mut hasher = blake3::Hasher::new();
    hasher.update(pack.as_bytes()).update(&[class.code()]).update(&bytes.to_le_bytes());
    hasher.update(session.client.as_bytes()).update(&session.number.to_le_bytes());
    hasher.update(&row.frames().header_bytes().to_le_bytes()).update(&table);
    for id in row.ids() {
        hasher.update(id.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// One session that vouches. Memory: two segments, and the names of the packs in those that are replaced.
struct Vouching<'a> {
    access: &'a Access,
    put_keys: HashSet<SignerKey>,
    proven: Box<dyn Scratch>,
    session: Beating,
    vouched: HashSet<PackId>,
}

impl Vouching<'_> {
    fn run(mut self, progress: &dyn Progress) -> Result<u64> {
        match self.replace(progress) {
            Ok(()) => Ok(u64::try_from(self.vouched.len()).unwrap_or(u64::MAX)),
            Err(error) => {
                self.session.give_up(self.access, &error);
                Err(error)
            }
        }
    }

    fn replace(&mut self, progress: &dyn Progress) -> Result<()> {
        let access = self.access;
        // Read again: the session is open, so what counts now is not collected before it ends.
        let history = History::load(access)?;
        let condemned: HashSet<PackId> = history.excluded().into_iter().collect();
        let named = history.segments();
        let mut replacement = Replacement::new(&history);
        for id in SegmentStand::of(access, &history)?.counting {
            check_stopped(progress)?;
            self.session.beat_if_due(access)?;
            let Some(named) = named.get(&id) else { continue };
            let body = match read_segment(access, id) {
                Ok(body) => body,
                // A check that found this has said so.
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => continue,
                Err(error) => return Err(error),
            };
            let segment = SegmentReader::parse(id, &body)?;
            let Ok(reference) = named.proven(&segment) else { continue };
            if !self.is_to_be_replaced(&segment, &condemned)? {
                continue;
            }
            replacement.take_over(access, reference, segment.replaced())?;
            for row in segment.packs() {
                let row = self.under_own_key(row, &condemned)?;
                replacement.push(access, row)?;
            }
            // One for each, so that no row of another segment takes the place of one of this.
            replacement.end_segment(access)?;
        }
        let segments = replacement.finish(access)?;
        if segments.is_empty() {
            self.session.abort(access);
            return Ok(());
        }
        self.session.commit(access, OutcomeKind::Repair, Vec::new(), segments)
    }

    fn is_to_be_replaced(&self, segment: &SegmentReader<'_>, condemned: &HashSet<PackId>) -> Result<bool> {
        for row in segment.packs() {
            if self.is_proven(&row, condemned)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether exactly this was proved, and still counts.
    fn is_proven(&self, row: &PackRow, condemned: &HashSet<PackId>) -> Result<bool> {
        let PackFacts { pack, signer, .. } = row.facts();
        if !self.put_keys.contains(signer) || condemned.contains(pack) {
            return Ok(false);
        }
        Ok(self.proven.get(pack.as_bytes())?.is_some_and(|proven| proven == digest(row)))
    }

    fn under_own_key(&mut self, row: PackRow, condemned: &HashSet<PackId>) -> Result<PackRow> {
        if !self.is_proven(&row, condemned)? {
            return Ok(row);
        }
        let facts = PackFacts { signer: self.access.ring.signer(), ..*row.facts() };
        self.vouched.insert(facts.pack);
        Ok(PackRow::new(facts, row.frames().clone(), row.ids().to_vec())?)
    }
}
