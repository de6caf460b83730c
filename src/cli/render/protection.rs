//! What programs read about parity, second copies, and what they healed.

use holdall::ProtectReport;
use serde::Serialize;

/// What `parity add` added.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProtectSummary {
    pub(crate) message_type: &'static str,
    pub(crate) num_errors: u64,
    pub(crate) packs_added: u64,
    pub(crate) parity_bytes: u64,
    pub(crate) copies_added: u64,
    pub(crate) copy_bytes: u64,
    /// Objects that had theirs before.
    pub(crate) protected_before: u64,
    /// Seconds.
    pub(crate) total_duration: f64,
}

impl ProtectSummary {
    pub(crate) fn new(report: &ProtectReport) -> Self {
        Self {
            message_type: "summary",
            num_errors: report.failures.count(),
            packs_added: report.pack_count,
            parity_bytes: report.parity_bytes,
            copies_added: report.copy_count,
            copy_bytes: report.copy_bytes,
            protected_before: report.protected_count,
            total_duration: report.duration.as_secs_f64(),
        }
    }
}

/// An object that was damaged and is right now.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HealedObject<'a> {
    pub(crate) message_type: &'static str,
    pub(crate) object: &'a str,
    pub(crate) message: &'a str,
}

impl<'a> HealedObject<'a> {
    pub(crate) const fn new(object: &'a str, message: &'a str) -> Self {
        Self { message_type: "healed", object, message }
    }
}
