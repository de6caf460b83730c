//! Keys, for people and for programs.

use super::json::moment;
use super::text::{self, Align};
use holdall::{AddedKey, KeySlot, KeyStanding, RemovedKey, Role, SlotOwner, SlotlessKey, UnlockKind};
use serde::Serialize;

/// How many digits of a slot's name are shown.
const ID_DIGITS: usize = 8;
/// What is said to open a key of which no slot is there.
const NO_SLOT: &str = "no slot";

/// A way into the repository.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct KeyText {
    pub(crate) current: bool,
    /// None for a key of which no slot is there: it is removed by its signer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// `password`, `key file`, `nothing`, `damaged`, or `no slot`.
    pub(crate) opened_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    /// `valid`, `ended`, or `not listed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) standing: Option<&'static str>,
    /// Why the rest is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// The words of a recovery key, before there is such a key.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RecoveryKeyText<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) recovery_key: &'a str,
}

/// A key that was made or changed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AddedKeyText {
    pub(crate) message_type: &'static str,
    pub(crate) id: String,
    pub(crate) signer: String,
    pub(crate) role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovery_key: Option<String>,
}

/// A key that was removed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RemovedKeyText {
    pub(crate) message_type: &'static str,
    /// None for a key of which no slot was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// The signer that nobody believes any more; none while it has other keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_signer: Option<String>,
    /// How many other ways into the same key are there; none when it is not known whose it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ways_remaining: Option<u64>,
}

/// What a role allows, as the end of "it may".
pub(crate) const fn rights(role: Role) -> &'static str {
    match role {
        Role::Put => "back up, and read nothing",
        Role::Read => "back up and read",
        Role::Prune => "back up, read, forget and prune",
        Role::All => "do everything",
    }
}

/// The start of a name, by which people call a slot, or a key without one.
pub(crate) fn short(id: &impl std::fmt::Display) -> String {
    id.to_string().chars().take(ID_DIGITS).collect()
}

const fn opened_by(kind: Option<UnlockKind>) -> &'static str {
    match kind {
        Some(UnlockKind::Password) => "password",
        Some(UnlockKind::KeyFile) => "key file",
        Some(UnlockKind::None) => "nothing",
        None => "damaged",
    }
}

const fn standing_text(standing: KeyStanding) -> &'static str {
    match standing {
        KeyStanding::Valid => "valid",
        KeyStanding::Revoked => "ended",
        KeyStanding::Unlisted => "not listed",
    }
}

/// The slots, a line each, and the keys of which there is none.
pub(crate) fn table(keys: &[KeySlot], slotless: &[SlotlessKey]) -> String {
    let columns = [
        ("", Align::Left),
        ("Key", Align::Left),
        ("Label", Align::Left),
        ("Role", Align::Left),
        ("Opened by", Align::Left),
        ("Created", Align::Left),
        ("Standing", Align::Left),
    ];
    text::table(&columns, &keys.iter().map(row).chain(slotless.iter().map(slotless_row)).collect::<Vec<_>>())
}

fn row(key: &KeySlot) -> Vec<String> {
    let (label, role, created, standing) = match &key.owner {
        SlotOwner::Known { role, label, created_at_ns, standing, .. } => {
            (text::printable(label), role.to_string(), text::time(*created_at_ns), standing_text(*standing).to_owned())
        }
        SlotOwner::Unknown(why) => (String::new(), String::new(), String::new(), format!("unknown: {why}")),
    };
    let mark = if key.is_current { "*" } else { "" };
    vec![mark.to_owned(), short(&key.id), label, role, opened_by(key.kind).to_owned(), created, standing]
}

fn slotless_row(key: &SlotlessKey) -> Vec<String> {
    let (role, standing) = (key.role.to_string(), standing_text(KeyStanding::Valid).to_owned());
    vec![String::new(), short(&key.signer), String::new(), role, NO_SLOT.to_owned(), String::new(), standing]
}

/// A key without a slot, for programs.
pub(crate) fn slotless_as_json(key: &SlotlessKey) -> KeyText {
    KeyText {
        current: false,
        id: None,
        opened_by: NO_SLOT,
        signer: Some(key.signer.to_string()),
        role: Some(key.role.to_string()),
        label: None,
        created: None,
        standing: Some(standing_text(KeyStanding::Valid)),
        problem: None,
    }
}

/// A slot, for programs.
pub(crate) fn as_json(key: &KeySlot) -> KeyText {
    let (signer, role, label, created, standing, problem) = match &key.owner {
        SlotOwner::Known { signer, role, label, created_at_ns, standing } => (
            Some(signer.to_string()),
            Some(role.to_string()),
            Some(String::from_utf8_lossy(label).into_owned()),
            Some(moment(*created_at_ns)),
            Some(standing_text(*standing)),
            None,
        ),
        SlotOwner::Unknown(why) => (None, None, None, None, None, Some(why.clone())),
    };
    let opened_by = opened_by(key.kind);
    KeyText {
        current: key.is_current,
        id: Some(key.id.to_string()),
        opened_by,
        signer,
        role,
        label,
        created,
        standing,
        problem,
    }
}

/// A key that was made or changed, for programs; `words` if it is a recovery key.
pub(crate) fn added(message_type: &'static str, added: &AddedKey, words: Option<&str>) -> AddedKeyText {
    AddedKeyText {
        message_type,
        id: added.id.to_string(),
        signer: added.signer.to_string(),
        role: added.role.to_string(),
        recovery_key: words.map(str::to_owned),
    }
}

/// A key that was removed, for programs.
pub(crate) fn removed(removed: &RemovedKey) -> RemovedKeyText {
    RemovedKeyText {
        message_type: "key_removed",
        id: removed.id.map(|id| id.to_string()),
        ended_signer: removed.revoked.map(|signer| signer.to_string()),
        ways_remaining: removed.remaining_count.map(|count| u64::try_from(count).unwrap_or(u64::MAX)),
    }
}

/// The words of a recovery key, for programs.
pub(crate) const fn recovery_for_programs(words: &str) -> RecoveryKeyText<'_> {
    RecoveryKeyText { message_type: "recovery_key", recovery_key: words }
}

/// The words of a recovery key that is yet to be made, six a line, and what to do with them.
pub(crate) fn recovery(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let lines: String = words.chunks(6).map(|row| format!("    {}\n", row.join(" "))).collect();
    format!(
        "the recovery key, which is shown this once: write it down, and keep it where a fire that takes this machine \
         does not take it too\n{lines}it opens the repository if this command ends without an error: put the words into a file and \
         name that with --key-file\n"
    )
}
