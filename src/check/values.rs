//! Values of attributes: what an entry has beside its content.

use crate::check::options::CheckDepth;
use crate::check::trees::SecondLook;
use crate::error::Result;
use crate::manifest::{Attribute, AttributeValue, Entry, malformed_value};

/// What is wrong with the attributes of an entry. A value that lies in chunks is content itself, and is read with the data.
pub(super) fn malformed(nodes: &SecondLook<'_>, depth: CheckDepth, entry: &Entry) -> Result<Option<String>> {
    for id in [Attribute::XATTRS, Attribute::HOLES] {
        let is_read = match entry.attributes.get(id) {
            None => false,
            Some(AttributeValue::Inline(_)) => true,
            Some(AttributeValue::OutOfLine(_)) => depth == CheckDepth::Data,
        };
        if !is_read {
            continue;
        }
        let value = match nodes.reader.attribute(entry, id) {
            // The node or the chunk is told, by whoever looks for it.
            Err(error) if nodes.is_bad(&error) => continue,
            read => read?,
        };
        if let Some((what, fault)) = value.and_then(|value| malformed_value(id, &value)) {
            return Ok(Some(format!("its {what} are malformed: {fault}")));
        }
    }
    Ok(None)
}
