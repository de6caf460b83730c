//! What programs read of a repository and of one snapshot.

use super::{PastDrill, PathText, Snapshot};
use crate::cli::render::keys::KeyText;
use serde::Serialize;
use std::collections::BTreeMap;

/// What there is to know of a repository.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RepositoryText {
    pub(crate) message_type: &'static str,
    pub(crate) id: String,
    pub(crate) repository: String,
    pub(crate) created: String,
    /// The version of the form of its configuration.
    pub(crate) format_version: u16,
    /// The number of its suite of algorithms.
    pub(crate) suite: u16,
    /// How often keys or parameters were changed.
    pub(crate) config_number: u32,
    pub(crate) config_created: String,
    pub(crate) parameters: ParametersText,
    /// How much parity new packs get, in percent; absent where none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parity_percent: Option<u8>,
    pub(crate) features: Vec<FeatureText>,
    pub(crate) key_epochs: u64,
    /// The key at hand.
    pub(crate) signer: String,
    /// What it may do: `put`, `read`, `prune` or `all`.
    pub(crate) role: String,
    /// Whether it opens contents, trees and descriptions.
    pub(crate) reads: bool,
    pub(crate) keys: Vec<KeyText>,
    /// Keys that may sign now, by role.
    pub(crate) valid_signers: BTreeMap<String, u64>,
    pub(crate) ended_signers: u64,
    /// Objects by folder of the store, as a listing shows them.
    pub(crate) folders: BTreeMap<String, FolderText>,
    pub(crate) snapshots: SnapshotCountsText,
    /// Users of machines that ever wrote.
    pub(crate) clients: u64,
    pub(crate) open_sessions: u64,
    /// Prunes that are under way, or wait for sessions.
    pub(crate) generations: Vec<GenerationText>,
    pub(crate) verification: VerificationText,
    /// The view of the index, and what else can be thrown away.
    pub(crate) cache: DirectoryText,
    pub(crate) state: DirectoryText,
    /// Control objects that can't be believed.
    pub(crate) problems: Vec<String>,
}

/// How content is cut, framed and packed: sizes in bytes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ParametersText {
    pub(crate) chunk_size_min: u32,
    pub(crate) chunk_size_avg: u32,
    pub(crate) chunk_size_max: u32,
    /// FastCDC's normalisation level.
    pub(crate) normalization: u8,
    /// Before compression.
    pub(crate) frame_size: u32,
    pub(crate) pack_size: u32,
}

/// A feature that the configuration names.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct FeatureText {
    pub(crate) id: u32,
    pub(crate) known: bool,
}

/// What lies in a folder of the store.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct FolderText {
    pub(crate) objects: u64,
    /// Bytes.
    pub(crate) size: u64,
}

/// How many snapshots there are of what standing.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SnapshotCountsText {
    pub(crate) live: u64,
    pub(crate) forgotten: u64,
    pub(crate) partial: u64,
    pub(crate) pinned: u64,
    pub(crate) drilled: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<String>,
}

/// A prune that is under way, or waits for sessions.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct GenerationText {
    pub(crate) number: u64,
    /// `condemned`, `deleted` or `retiring`.
    pub(crate) stage: &'static str,
    pub(crate) packs: u64,
}

/// Which packs were read and found sound by checks, as the repository remembers it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct VerificationText {
    pub(crate) packs: u64,
    pub(crate) packs_verified: u64,
    /// Of a snapshot: those that were verified since it was committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) packs_verified_since: Option<u64>,
    /// When the pack was verified that was verified longest ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<String>,
    /// Records of checks that can't be believed, or lie ahead of the clock.
    pub(crate) records_disbelieved: u64,
}

/// A folder of this machine.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DirectoryText {
    #[serde(flatten)]
    pub(crate) path: PathText,
    /// Bytes.
    pub(crate) size: u64,
}

/// What there is to know of a snapshot.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SnapshotDetails {
    pub(crate) message_type: &'static str,
    #[serde(flatten)]
    pub(crate) snapshot: Snapshot,
    pub(crate) committed: String,
    pub(crate) client: String,
    /// The client's running number of sessions.
    pub(crate) number: u64,
    /// The key that signed it.
    pub(crate) signer: String,
    pub(crate) signer_role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signer_label: Option<String>,
    /// Whether the key at hand opened the description; otherwise host, user, paths, tags and program are empty.
    pub(crate) description_read: bool,
    /// `live`, `forgotten`, or `absent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_state: Option<&'static str>,
    /// Snapshots that were made against it.
    pub(crate) children: u64,
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) symlinks: u64,
    pub(crate) others: u64,
    pub(crate) hard_links: u64,
    /// Bytes of content.
    pub(crate) size: u64,
    /// Bytes that its backup stored because the repository did not have them, before compression; absent for older ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) added_raw_size: Option<u64>,
    /// The same as they are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) added_size: Option<u64>,
    pub(crate) unreadable: u64,
    pub(crate) inconsistent: u64,
    pub(crate) components: Vec<ComponentText>,
    /// Everything that was ever said about it, the oldest first.
    pub(crate) remarks: Vec<RemarkText>,
    pub(crate) verification: VerificationText,
    /// Up to where backups with `--rehash` have read unchanged files again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rehashed_to: Option<PathText>,
    /// Items that could not be read as they were, at most a thousand; absent when the key can't read trees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problems: Option<Vec<ItemProblemText>>,
    /// The command that restores it.
    pub(crate) restore_command: String,
}

/// A part of a snapshot.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ComponentText {
    pub(crate) name: String,
    /// `tree` or `stream`.
    pub(crate) kind: &'static str,
    pub(crate) required: bool,
    /// `complete`, `partial` or `missing`.
    pub(crate) state: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    pub(crate) files: u64,
    /// Bytes of content.
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) manifest_root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stat_root: Option<String>,
}

/// Something that was said about a snapshot.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RemarkText {
    pub(crate) time: String,
    /// `forgotten`, `brought_back`, `brought_back_and_pinned`, `pinned`, `unpinned` or `drilled`.
    pub(crate) kind: &'static str,
    /// When a pin ends, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drill: Option<PastDrill>,
    pub(crate) signer: String,
    pub(crate) role: String,
}

/// An item that could not be read as it was.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ItemProblemText {
    #[serde(flatten)]
    pub(crate) path: PathText,
    /// Absent when it changed while it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) errno: Option<u32>,
    pub(crate) message: String,
}
