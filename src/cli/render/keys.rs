//! Keys, for people and for programs.

use super::json::moment;
use super::text::{self, Align};
use holdall::{AddedKey, KeySlot, KeyStanding, ObjectHash, RemovedKey, Role, SlotOwner, UnlockKind};
use serde::Serialize;

/// How many digits of a slot's name are shown.
const ID_DIGITS: usize = 8;

/// A way into the repository.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct KeyText {
    pub(crate) current: bool,
    pub(crate) id: String,
    /// `password`, `key file`, `nothing`, or `damaged`.
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
    pub(crate) id: String,
    /// The signer that nobody believes any more; none while it has other keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_signer: Option<String>,
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

/// The start of a slot's name, by which people call it.
pub(crate) fn short(id: &ObjectHash) -> String {
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

/// The slots, a line each.
pub(crate) fn table(keys: &[KeySlot]) -> String {
    let columns = [
        ("", Align::Left),
        ("Key", Align::Left),
        ("Label", Align::Left),
        ("Role", Align::Left),
        ("Opened by", Align::Left),
        ("Created", Align::Left),
        ("Standing", Align::Left),
    ];
    text::table(&columns, &keys.iter().map(row).collect::<Vec<_>>())
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
        id: key.id.to_string(),
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
        id: removed.id.to_string(),
        ended_signer: removed.revoked.map(|signer| signer.to_string()),
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
