//! One object: what its name or its end says of its bytes, and whether it is so.

use crate::heal;
use crate::progress::Event;
use crate::read_buffer::ReadBuffer;
use crate::scrub::Remedy;
use crate::scrub::report::Findings;
use crate::store::{Claim, Object, ObjectName, Pieces, Store, StoreError, bytes_max, wrong_head};

/// How much is read at a time: large enough that the system call costs nothing and a disc does not seek between the
/// objects that are read side by side, small enough to stay in the second-level cache until it is hashed.
const PIECE_BYTES: usize = 1 << 20;
/// Shorter pieces are not worth sharing with other threads.
const SHARED_BYTES_MIN: usize = 128 << 10;

/// What a reading of an object showed.
enum Verdict {
    Sound,
    /// It was removed since it was listed, as a prune may do at any time.
    Gone,
    Damaged(String),
    /// This user may not read it.
    Denied(String),
    /// The caller asked to stop.
    Stopped,
}

/// Proves objects one after the other with one buffer.
pub(super) struct Prover {
    buffer: ReadBuffer,
    remedy: Remedy,
}

impl Prover {
    pub(super) fn new(remedy: Remedy) -> Self {
        Self { buffer: ReadBuffer::new(PIECE_BYTES), remedy }
    }

    /// Reads an object and tells what was found. A bad one is read twice.
    pub(super) fn prove(&mut self, store: &dyn Store, name: &ObjectName, findings: &Findings<'_>) {
        let object = match store.open(name) {
            Ok(object) => object,
            Err(error) => return self.tell(store, findings, name, 0, verdict_of(error)),
        };
        let first = self.read(object.as_ref(), name, findings, Told::Progress);
        let verdict = match first {
            Verdict::Damaged(_) => {
                object.forget_cached();
                let second = self.read(object.as_ref(), name, findings, Told::Nothing);
                if let (Verdict::Damaged(wrong), Verdict::Sound) = (&first, &second) {
                    findings.only_twice(name, wrong);
                }
                second
            }
            Verdict::Sound | Verdict::Gone | Verdict::Denied(_) | Verdict::Stopped => first,
        };
        self.tell(store, findings, name, object.bytes(), verdict);
    }

    fn tell(&self, store: &dyn Store, findings: &Findings<'_>, name: &ObjectName, bytes: u64, verdict: Verdict) {
        match verdict {
            Verdict::Sound => findings.sound(name, bytes),
            Verdict::Damaged(wrong) if self.remedy == Remedy::Heal => match heal::heal(store, name) {
                Ok(cure) => findings.healed(name.to_string(), bytes, format!("{wrong}; {cure}")),
                Err(error) => findings.damage(name.to_string(), bytes, format!("{wrong}; {error}")),
            },
            Verdict::Damaged(wrong) => findings.damage(name.to_string(), bytes, wrong),
            Verdict::Denied(reason) => findings.denied(name, reason),
            Verdict::Gone | Verdict::Stopped => {}
        }
    }

    fn read(&mut self, object: &dyn Object, name: &ObjectName, findings: &Findings<'_>, told: Told) -> Verdict {
        let claim = Claim::of(name);
        let total = object.bytes();
        if total > bytes_max(name) {
            return Verdict::Damaged(format!("its {total} bytes are more than any such object has"));
        }
        let Some(hashed) = claim.hashed_bytes(total) else {
            return Verdict::Damaged(format!("its {total} bytes are fewer than its checksum takes"));
        };
        let mut hasher = blake3::Hasher::new();
        let mut pieces = Pieces::of(object, 0..hashed, &mut self.buffer);
        loop {
            if findings.progress.stopped() {
                return Verdict::Stopped;
            }
            let piece = match pieces.read() {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => return verdict_of(error),
            };
            if piece.len() < SHARED_BYTES_MIN {
                hasher.update(piece)
            } else {
                hasher.update_rayon(piece)
            };
            if told == Told::Progress {
                let bytes = u64::try_from(piece.len()).unwrap_or(0);
                findings.progress.event(&Event::Processed { files: 0, bytes });
            }
        }
        let found = hasher.finalize();
        match (claim.holds(object, found), claim) {
            (Ok(true), _) => of_its_head(object, name),
            (Ok(false), Claim::Name(_)) => {
                Verdict::Damaged(format!("its {total} bytes hash to {found} and not to its name"))
            }
            (Ok(false), Claim::End) => {
                Verdict::Damaged(format!("its {total} bytes don't fit the checksum at their end"))
            }
            (Err(error), _) => verdict_of(error),
        }
    }
}

/// Whether a reading counts in the progress that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Progress,
    Nothing,
}

/// What its head says of an object whose bytes are right.
fn of_its_head(object: &dyn Object, name: &ObjectName) -> Verdict {
    match wrong_head(name, object) {
        Ok(None) => Verdict::Sound,
        Ok(Some(wrong)) => Verdict::Damaged(wrong),
        Err(error) => verdict_of(error),
    }
}

fn verdict_of(error: StoreError) -> Verdict {
    if error.is_not_found() {
        return Verdict::Gone;
    }
    let wrong = crate::error::chain(&error);
    if error.is_read_only() { Verdict::Denied(wrong) } else { Verdict::Damaged(wrong) }
}
