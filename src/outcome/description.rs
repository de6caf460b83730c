//! What an outcome shows to the holders of the description root alone.

use super::rules::{Rule, broken_attribute_rule, first_broken, is_text, unknown_attribute};
use super::{Attribute, OutcomeBody, OutcomeError};
use crate::id::SnapshotId;
use crate::wire::{self, Blob, List};

const REASON_BYTES_MAX: usize = 64 << 10;
const PATH_BYTES_MAX: usize = 64 << 10;

/// The name of a user or group id.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct OwnerName {
    /// The id.
    pub id: u32,
    /// Its name.
    pub name: Blob,
}

/// What only a reader's key shows of a component.
#[derive(Debug, Clone, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
pub struct ComponentDescription {
    /// Its name.
    pub name: Blob,
    /// Why it is partial or missing.
    pub reason: Blob,
    /// Names of the user ids in it, sorted by id.
    pub users: List<OwnerName>,
    /// Names of the group ids in it, sorted by id.
    pub groups: List<OwnerName>,
}

/// What only a reader's key shows of an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
pub struct OutcomeDescription {
    /// Name of the host.
    pub host: Blob,
    /// Name of the user.
    pub user: Blob,
    /// What was backed up, as the arguments name it.
    pub paths: List<Blob>,
    /// Tags, sorted.
    pub tags: List<Blob>,
    /// The program that wrote it, with its version.
    pub program: Blob,
    /// The snapshot that it was compared with.
    pub parent: Option<SnapshotId>,
    /// As many as the body has components, in the same order.
    pub components: List<ComponentDescription>,
    /// Room for what comes later, sorted by id.
    pub attributes: List<Attribute>,
}

impl OutcomeDescription {
    /// Checks and encodes the description of `body`.
    ///
    /// # Errors
    /// [`OutcomeError::Invalid`] when no reader would accept it.
    pub fn encode(&self, body: &OutcomeBody) -> Result<Vec<u8>, OutcomeError> {
        self.validate(body).map(|()| wire::encode(self))
    }

    pub(super) fn decode(body: &OutcomeBody, bytes: &[u8]) -> Result<Self, OutcomeError> {
        let malformed = |source| OutcomeError::Body { id: body.id, source };
        let description: Self = wire::decode(bytes).map_err(malformed)?;
        description.validate(body).map(|()| description)
    }

    /// Checks every rule that concerns the description of `body`.
    fn validate(&self, body: &OutcomeBody) -> Result<(), OutcomeError> {
        let texts = [&self.host, &self.user, &self.program];
        let rules: [Rule; 5] = [
            (self.components.0.len() == body.components.0.len(), "it describes another count of components"),
            (texts.into_iter().chain(&self.tags.0).all(is_text), "a name or tag in its description is too long"),
            (self.tags.0.is_sorted_by(|a, b| a < b), "its tags are not sorted"),
            (self.tags.0.iter().all(|tag| !tag.0.is_empty()), "a tag is empty"),
            (
                self.paths.0.iter().all(|path| (1..=PATH_BYTES_MAX).contains(&path.0.len())),
                "a path in its description is empty or too long",
            ),
        ];
        let broken = first_broken(&rules)
            .or_else(|| self.components.0.iter().find_map(ComponentDescription::broken_rule))
            .or_else(|| broken_attribute_rule(&self.attributes));
        if let Some(what) = broken {
            return Err(OutcomeError::Invalid { id: body.id, what });
        }
        let unknown = unknown_attribute(&self.attributes);
        unknown.map_or(Ok(()), |attribute| Err(OutcomeError::UnknownAttribute { id: body.id, attribute }))
    }
}

impl ComponentDescription {
    fn broken_rule(&self) -> Option<&'static str> {
        let names_hold = |names: &List<OwnerName>| names.0.iter().all(|owner| is_text(&owner.name));
        first_broken(&[
            (is_text(&self.name), "the name of a component is too long"),
            (self.reason.0.len() <= REASON_BYTES_MAX, "the reason of a component is too long"),
            (self.users.0.is_sorted_by(|a, b| a.id < b.id), "the users of a component are not sorted"),
            (self.groups.0.is_sorted_by(|a, b| a.id < b.id), "the groups of a component are not sorted"),
            (names_hold(&self.users) && names_hold(&self.groups), "the name of a user or group is too long"),
        ])
    }
}
