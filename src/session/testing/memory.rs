//! A client's state in memory: a simulation has no time for files. Each thread is one client.

use std::cell::RefCell;
use std::collections::HashMap;

thread_local! {
    static FILES: RefCell<Option<HashMap<String, Vec<u8>>>> = const { RefCell::new(None) };
}

/// From now on this thread keeps its state in memory, wherever its state directory is; what it kept before is gone.
pub(crate) fn keep_state() {
    FILES.set(Some(HashMap::new()));
}

pub(in crate::session) fn is_kept() -> bool {
    FILES.with_borrow(Option::is_some)
}

pub(in crate::session) fn read(file: &str) -> Option<Vec<u8>> {
    FILES.with_borrow(|files| files.as_ref().and_then(|files| files.get(file).cloned()))
}

pub(in crate::session) fn write(file: &str, body: Vec<u8>) {
    FILES.with_borrow_mut(|files| files.as_mut().map(|files| files.insert(file.to_owned(), body)));
}
