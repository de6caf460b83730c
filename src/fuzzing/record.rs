//! Bodies of records from strangers.

use super::envelope::opened;
use crate::envelope::{Described, Kind};
use crate::id::ClientId;
use crate::record::{DrillResult, parse};
use crate::wire;

/// Reads `data` as the body of a record.
///
/// # Panics
/// When what was accepted is not written the same again.
pub fn fuzz_record(data: &[u8]) {
    let name = wire::decode::<(ClientId, u64)>(data.get(..24).unwrap_or(&[]));
    let Ok((client, number)) = name else { return };
    if let Ok(record) = parse(client, number, &opened(Kind::Record, data, Described::Absent)) {
        let _ = DrillResult::of_note(&record.body.note);
        assert!(record.body.encode().is_ok_and(|bytes| bytes == data), "a record has one encoding");
    }
}
