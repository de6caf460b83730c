//! What came of a drill, in the note of its record. Byte-exact in format-spec/08-snapshot-and-outcome.md.

use crate::outcome::{Attribute, MANDATORY};
use crate::wire::{self, Blob, List};

/// The only form of such a note that there is yet.
const FORM: u32 = 1;
/// In how many parts a whole is divided to say how large a sample is.
pub const DRILL_SHARE_WHOLE: u32 = 1_000_000;

/// What a restore for a test found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct DrillResult {
    /// When it began by the client's clock, in nanoseconds since the epoch.
    pub began_at_ns: i64,
    /// How many items in a [million](DRILL_SHARE_WHOLE) were to be picked.
    pub share_millionths: u32,
    /// Which ones; 0 when all were.
    pub seed: u64,
    /// Regular files that were compared with the manifest.
    pub file_count: u64,
    /// Other items that were.
    pub other_count: u64,
    /// Bytes of content that were read back and compared, holes included.
    pub bytes: u64,
    /// Items that are lost, not there, or not as the manifest says.
    pub differing_count: u64,
    /// Items that the place could not take, or the snapshot does not hold, in full.
    pub left_count: u64,
    /// Files that were compared with those that they were made of.
    pub live_file_count: u64,
    /// Those of them whose content is another although nothing says that they were changed.
    pub live_differing_count: u64,
    /// What came of the command that was run on what was restored.
    pub command: DrillCommand,
}

/// What came of a command that was run on what a drill had restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub enum DrillCommand {
    /// There was none.
    None,
    /// It succeeded.
    Succeeded,
    /// It failed, or could not be run.
    Failed,
}

/// The note as it is stored.
#[derive(bincode::Encode, bincode::Decode)]
struct Note {
    form: u32,
    result: DrillResult,
    /// Room for what comes later, sorted by id.
    attributes: List<Attribute>,
}

impl DrillResult {
    /// A drill of a twentieth that passed.
    #[cfg(test)]
    pub(crate) const fn sample() -> Self {
        Self {
            began_at_ns: 1_735_689_600_000_000_000,
            share_millionths: 50_000,
            seed: 42,
            file_count: 12,
            other_count: 3,
            bytes: 1 << 20,
            differing_count: 0,
            left_count: 1,
            live_file_count: 9,
            live_differing_count: 0,
            command: DrillCommand::Succeeded,
        }
    }

    /// Whether nothing differs and no command failed.
    pub fn has_passed(&self) -> bool {
        self.differing_count == 0 && self.live_differing_count == 0 && self.command != DrillCommand::Failed
    }

    /// The note that says so.
    pub fn to_note(&self) -> Blob {
        Blob(wire::encode(&Note { form: FORM, result: *self, attributes: List::default() }))
    }

    /// What a note says; none for one of another form, which says nothing.
    pub fn of_note(note: &Blob) -> Option<Self> {
        let Note { form, result, attributes } = wire::decode(&note.0).ok()?;
        let ids = || attributes.0.iter().map(|attribute| attribute.id);
        let is_known = form == FORM
            && (1..=DRILL_SHARE_WHOLE).contains(&result.share_millionths)
            && ids().is_sorted_by(|a, b| a < b)
            && ids().all(|id| id & MANDATORY == 0);
        is_known.then_some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut DrillResult);

    fn sample() -> DrillResult {
        DrillResult::sample()
    }

    #[test]
    fn record_14_a_note_of_another_form_says_nothing_and_one_with_more_to_say_is_read() {
        let attribute = |id| Attribute { id, bytes: Blob::from("later") };
        let note = |form, change: Change, attributes: &[u32]| {
            let mut result = sample();
            change(&mut result);
            let attributes = List(attributes.iter().map(|id| attribute(*id)).collect());
            Blob(wire::encode(&Note { form, result, attributes }))
        };
        let good = note(1, |_| {}, &[]);
        assert_eq!(sample().to_note(), good);
        assert_eq!(DrillResult::of_note(&good), Some(sample()));
        assert_eq!(DrillResult::of_note(&note(1, |_| {}, &[7, 9])), Some(sample()), "what may be passed over");
        let whole = note(1, |result| result.share_millionths = DRILL_SHARE_WHOLE, &[]);
        assert!(DrillResult::of_note(&whole).is_some());
        let refused = [
            Blob::default(),
            Blob::from("by hand"),
            note(2, |_| {}, &[]),
            note(1, |result| result.share_millionths = 0, &[]),
            note(1, |result| result.share_millionths = DRILL_SHARE_WHOLE + 1, &[]),
            note(1, |_| {}, &[9, 7]),
            note(1, |_| {}, &[7, 7]),
            note(1, |_| {}, &[MANDATORY | 7]),
            Blob([good.0.as_slice(), b"x"].concat()),
        ];
        for other in refused {
            assert_eq!(DrillResult::of_note(&other), None, "{other:?}");
        }
        for length in 0..good.0.len() {
            assert_eq!(DrillResult::of_note(&Blob(good.0[..length].to_vec())), None, "{length} bytes");
        }
    }

    #[test]
    fn a_drill_passes_when_nothing_differs_and_no_command_failed() {
        let changes: [(Change, bool); 6] = [
            (|_| {}, true),
            (|result| result.command = DrillCommand::None, true),
            (|result| result.left_count = 5, true),
            (|result| result.command = DrillCommand::Failed, false),
            (|result| result.differing_count = 1, false),
            (|result| result.live_differing_count = 1, false),
        ];
        for (change, passes) in changes {
            let mut result = sample();
            change(&mut result);
            assert_eq!(result.has_passed(), passes, "{result:?}");
        }
    }
}
