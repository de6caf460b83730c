//! Lines about single items of a tree.

use super::json::{ItemStatus, PathText, ReadItem};
use super::{Renderer, Style, text};
use holdall::progress::Change;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Says what became of an item, and how many bytes of its content were written.
pub(super) fn tell(renderer: &Renderer, path: &Path, change: Change, bytes: u64) {
    let action = match change {
        Change::Restored => "restored",
        Change::Updated => "updated",
        Change::Metadata => "metadata",
        Change::Unchanged => "unchanged",
        Change::Skipped => "skipped",
        Change::Deleted => "deleted",
        _ => "changed",
    };
    let name = path.as_os_str().as_bytes();
    match renderer.style() {
        Style::Human => {
            let size = if bytes > 0 { format!(" ({})", text::bytes(bytes)) } else { String::new() };
            renderer.print_name(&format!("{action:<10}"), name, &size);
        }
        Style::Json => {
            let PathText { path: item, path_b64: item_b64 } = PathText::new(name);
            renderer.json(&ItemStatus { message_type: "verbose_status", action, item, item_b64, size: bytes });
        }
    }
}

/// Tells programs of a file that is being read.
pub(super) fn tell_read(renderer: &Renderer, path: &Path) {
    let PathText { path: item, path_b64: item_b64 } = PathText::new(path.as_os_str().as_bytes());
    renderer.json(&ReadItem { message_type: "verbose_status", action: "read", item, item_b64 });
}
