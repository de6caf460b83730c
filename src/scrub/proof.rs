//! One object: what its name or its end says of its bytes, and whether it is so.

use crate::progress::Event;
use crate::scrub::report::Findings;
use crate::store::{Object, ObjectName, Store, StoreError};

/// How much is read at a time: large enough that the system call costs nothing and a disc does not seek between the
/// objects that are read side by side, small enough to stay in the second-level cache until it is hashed.
const PIECE_BYTES: usize = 1 << 20;
/// Shorter pieces are not worth sharing with other threads.
const SHARED_BYTES_MIN: usize = 128 << 10;
/// The length of the checksum at the end of an object whose name is not its hash.
const CHECKSUM_BYTES: u64 = 32;

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
    piece: Vec<u8>,
}

impl Prover {
    pub(super) fn new() -> Self {
        Self { piece: vec![0; PIECE_BYTES] }
    }

    /// Reads an object and tells what was found. A bad one is read twice.
    pub(super) fn prove(&mut self, store: &dyn Store, name: &ObjectName, findings: &Findings<'_>) {
        let object = match store.open(name) {
            Ok(object) => object,
            Err(error) => return tell(findings, name, 0, verdict_of(error)),
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
        tell(findings, name, object.bytes(), verdict);
    }

    fn read(&mut self, object: &dyn Object, name: &ObjectName, findings: &Findings<'_>, told: Told) -> Verdict {
        let claim = Claim::of(name);
        let total = object.bytes();
        let Some(hashed) = claim.hashed_bytes(total) else {
            return Verdict::Damaged(format!("its {total} bytes are fewer than its checksum takes"));
        };
        let mut hasher = blake3::Hasher::new();
        let mut offset = 0u64;
        while offset < hashed {
            if findings.progress.stopped() {
                return Verdict::Stopped;
            }
            let length = usize::try_from(hashed.saturating_sub(offset)).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let piece = self.piece.get_mut(..length).unwrap_or_default();
            if let Err(error) = object.read_at(offset, piece) {
                return verdict_of(error);
            }
            if length < SHARED_BYTES_MIN {
                hasher.update(piece)
            } else {
                hasher.update_rayon(piece)
            };
            let bytes = u64::try_from(length).unwrap_or(0);
            offset = offset.saturating_add(bytes);
            if told == Told::Progress {
                findings.progress.event(&Event::Processed { files: 0, bytes });
            }
        }
        match claim.check(object, hasher.finalize(), total) {
            Ok(verdict) => verdict,
            Err(error) => verdict_of(error),
        }
    }
}

/// Whether a reading counts in the progress that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Progress,
    Nothing,
}

/// What an object says of its own bytes.
enum Claim {
    /// Its name is the hash of them all.
    Name([u8; 32]),
    /// It ends with the hash of those before.
    End,
}

impl Claim {
    const fn of(name: &ObjectName) -> Self {
        match name {
            ObjectName::Pack(id) => Self::Name(*id.as_bytes()),
            ObjectName::Key(id) => Self::Name(*id.as_bytes()),
            ObjectName::Segment(id) => Self::Name(*id.as_bytes()),
            ObjectName::Config(_)
            | ObjectName::Session(_)
            | ObjectName::Heartbeat(..)
            | ObjectName::Outcome(_)
            | ObjectName::Record(..)
            | ObjectName::Verified(..)
            | ObjectName::Condemned { .. }
            | ObjectName::Deleted { .. }
            | ObjectName::Parity(_) => Self::End,
        }
    }

    /// How many bytes are hashed; none when the object is too short for what it claims.
    const fn hashed_bytes(&self, total: u64) -> Option<u64> {
        match self {
            Self::Name(_) => Some(total),
            Self::End => total.checked_sub(CHECKSUM_BYTES),
        }
    }

    fn check(&self, object: &dyn Object, found: blake3::Hash, total: u64) -> Result<Verdict, StoreError> {
        Ok(match self {
            Self::Name(name) if *name == *found.as_bytes() => Verdict::Sound,
            Self::Name(_) => Verdict::Damaged(format!("its {total} bytes hash to {found} and not to its name")),
            Self::End => {
                let mut checksum = [0; 32];
                object.read_at(total.saturating_sub(CHECKSUM_BYTES), &mut checksum)?;
                if checksum == *found.as_bytes() {
                    return Ok(Verdict::Sound);
                }
                Verdict::Damaged(format!("its {total} bytes don't fit the checksum at their end"))
            }
        })
    }
}

fn verdict_of(error: StoreError) -> Verdict {
    if error.is_not_found() {
        return Verdict::Gone;
    }
    let wrong = crate::error::chain(&error);
    if error.is_read_only() { Verdict::Denied(wrong) } else { Verdict::Damaged(wrong) }
}

fn tell(findings: &Findings<'_>, name: &ObjectName, bytes: u64, verdict: Verdict) {
    match verdict {
        Verdict::Sound => findings.sound(name, bytes),
        Verdict::Damaged(wrong) => findings.damage(name.to_string(), bytes, wrong),
        Verdict::Denied(reason) => findings.denied(name, reason),
        Verdict::Gone | Verdict::Stopped => {}
    }
}
