//! The rules that an outcome's fields obey, one table for each structure.

use super::{
    Attribute, Component, ComponentKind, ComponentState, Counts, MANDATORY, OutcomeBody, OutcomeError, OutcomeKind,
};
use crate::wire::{Blob, List};

/// Most components of a snapshot.
pub const COMPONENTS_COUNT_MAX: usize = 1024;
/// Longest name of a host, user, group, component, program or tag.
pub const TEXT_BYTES_MAX: usize = 1024;
const ATTRIBUTES_COUNT_MAX: usize = 1024;

pub(super) type Rule = (bool, &'static str);

impl OutcomeBody {
    /// Checks every rule that concerns this body alone.
    pub(super) fn validate(&self) -> Result<(), OutcomeError> {
        if let Some(what) = self.broken_rule() {
            return Err(OutcomeError::Invalid { id: self.id, what });
        }
        let unknown = unknown_attribute(&self.attributes);
        unknown.map_or(Ok(()), |attribute| Err(OutcomeError::UnknownAttribute { id: self.id, attribute }))
    }

    fn broken_rule(&self) -> Option<&'static str> {
        let kind = self.kind;
        let components = &self.components.0;
        let rules: [Rule; 12] = [
            (self.id.number > 0, "its number is zero"),
            (self.packs.0.is_sorted_by(|a, b| a < b), "its packs are not sorted"),
            (self.segments.0.is_sorted_by(|a, b| a.id < b.id), "its segments are not sorted"),
            (self.members.0.is_sorted_by(|a, b| a < b), "its members are not sorted"),
            (components.len() <= COMPONENTS_COUNT_MAX, "it has too many components"),
            (kind.has_components() || components.is_empty(), "it is of a kind that has no components"),
            (!kind.has_components() || !components.is_empty(), "it has no component"),
            (kind == OutcomeKind::Group || self.members.0.is_empty(), "it is no group and has members"),
            (kind != OutcomeKind::Group || !self.members.0.is_empty(), "it is a group without members"),
            ((kind == OutcomeKind::Restate) == self.statement.is_some(), "a restate has a statement, and nothing else"),
            (kind != OutcomeKind::Abort || self.packs.0.is_empty(), "it is an abort with packs"),
            (kind != OutcomeKind::Abort || self.segments.0.is_empty(), "it is an abort with segments"),
        ];
        first_broken(&rules)
            .or_else(|| self.seen.broken_rule(self.id))
            .or_else(|| components.iter().find_map(Component::broken_rule))
            .or_else(|| self.broken_statement_rule())
            .or_else(|| broken_attribute_rule(&self.attributes))
    }

    fn broken_statement_rule(&self) -> Option<&'static str> {
        let statement = self.statement.as_ref()?;
        let (snapshots, cancels) = (&statement.snapshots.0, &statement.cancels.0);
        first_broken(&[
            (!snapshots.is_empty(), "its statement names no snapshot"),
            (snapshots.is_sorted_by(|a, b| a < b), "the snapshots of its statement are not sorted"),
            (!cancels.is_empty(), "its statement cancels nothing"),
            (cancels.is_sorted_by(|a, b| a < b), "what its statement cancels is not sorted"),
        ])
    }
}

impl Component {
    fn broken_rule(&self) -> Option<&'static str> {
        let missing = self.state == ComponentState::Missing;
        first_broken(&[
            (missing != self.manifest.is_some(), "a component has a manifest if and only if it is not missing"),
            (!missing || self.stat.is_none(), "a missing component has a stat tree"),
            (self.kind == ComponentKind::Tree || self.stat.is_none(), "a stream has a stat tree"),
            (!missing || self.counts == Counts::default(), "a missing component counts something"),
            (!missing || !self.required, "a required component is missing"),
        ])
    }
}

pub(super) fn is_text(blob: &Blob) -> bool {
    blob.0.len() <= TEXT_BYTES_MAX
}

pub(super) fn broken_attribute_rule(attributes: &List<Attribute>) -> Option<&'static str> {
    first_broken(&[
        (attributes.0.len() <= ATTRIBUTES_COUNT_MAX, "it has too many attributes"),
        (attributes.0.is_sorted_by(|a, b| a.id < b.id), "its attributes are not sorted"),
    ])
}

/// This version knows no attribute, so every mandatory one is unknown.
pub(super) fn unknown_attribute(attributes: &List<Attribute>) -> Option<u32> {
    attributes.0.iter().map(|attribute| attribute.id).find(|id| id & MANDATORY != 0)
}

pub(super) fn first_broken(rules: &[Rule]) -> Option<&'static str> {
    rules.iter().find(|(holds, _)| !holds).map(|(_, what)| *what)
}
