//! What a run made, as the components of its outcome: the trees, then the streams.

use crate::backup::assemble::Assembled;
use crate::backup::owners::{self, OwnerNames};
use crate::backup::parent::Parent;
use crate::backup::pipeline::Parts;
use crate::backup::stream::{Kept, Need, StreamFate, StreamSource};
use crate::outcome::{Component, ComponentDescription, ComponentKind, ComponentState, Counts};
use crate::wire::Blob;

/// The components of one outcome, in their order.
#[derive(Default)]
pub(super) struct Components {
    pub components: Vec<Component>,
    pub descriptions: Vec<ComponentDescription>,
    /// When each walk began.
    pub walk_starts_ns: Vec<i64>,
}

/// Puts them together.
pub(super) fn of(
    parts: &Parts,
    streams: &[StreamSource],
    parent: Option<&Parent>,
    (walk_started_ns, names): (i64, &dyn OwnerNames),
) -> Components {
    let mut made = Components::default();
    if let Some(trees) = &parts.trees {
        let unread = trees.is_bare().then(|| "nothing of it could be read".to_owned());
        let reason = trees.unfinished.as_ref().map(ToString::to_string).or(unread).unwrap_or_default();
        made.push(tree(trees), b"", &reason, owners::names(&trees.owners, names, parent));
    }
    for (source, kept) in streams.iter().zip(&parts.streams) {
        let reason = match &kept.fate {
            StreamFate::Stored { .. } => "",
            StreamFate::Missing { reason } => reason,
        };
        made.push(stream(source, kept), &source.name, reason, owners::names(&kept.owners, names, None));
    }
    made.walk_starts_ns = vec![walk_started_ns; made.components.len()];
    made
}

impl Components {
    fn push(&mut self, component: Component, name: &[u8], reason: &str, (users, groups): owners::Tables) {
        let (name, reason) = (Blob(name.to_vec()), Blob(reason.as_bytes().to_vec()));
        self.components.push(component);
        self.descriptions.push(ComponentDescription { name, reason, users, groups });
    }

    /// What all of them hold together.
    pub(super) fn counts(&self) -> Counts {
        self.components.iter().fold(Counts::default(), |sum, component| sum.plus(&component.counts))
    }
}

fn tree(trees: &Assembled) -> Component {
    let is_partial = trees.unfinished.is_some() || trees.is_bare();
    Component {
        kind: ComponentKind::Tree,
        required: true,
        state: if is_partial { ComponentState::Partial } else { ComponentState::Complete },
        manifest: Some(trees.manifest),
        stat: Some(trees.stat),
        counts: trees.counts,
    }
}

fn stream(source: &StreamSource, kept: &Kept) -> Component {
    let (state, counts) = match kept.fate {
        StreamFate::Stored { bytes } => {
            (ComponentState::Complete, Counts { files: 1, directories: 1, bytes, ..Counts::default() })
        }
        StreamFate::Missing { .. } => (ComponentState::Missing, Counts::default()),
    };
    Component {
        kind: ComponentKind::Stream,
        required: source.need == Need::Required,
        state,
        manifest: kept.manifest,
        stat: None,
        counts,
    }
}
