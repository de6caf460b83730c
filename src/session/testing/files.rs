//! A process that fails or dies where it writes its own state.

use crate::store::faulty::Fate;
use std::cell::RefCell;
use std::io::{Error, Result};
use std::path::Path;

type Decide = Box<dyn Fn() -> Fate>;

thread_local! {
    static DECIDE: RefCell<Option<Decide>> = const { RefCell::new(None) };
}

/// From now on `decide` says what becomes of each write of this thread.
pub(crate) fn decide_writes(decide: impl Fn() -> Fate + 'static) {
    DECIDE.set(Some(Box::new(decide)));
}

/// From now on all writes happen.
pub(crate) fn let_writes_happen() {
    DECIDE.set(None);
}

/// Writes a file as was decided; one that is not written leaves a torn beginning.
pub(in crate::session) fn decided(temporary: &Path, write: impl FnOnce() -> Result<()>) -> Result<()> {
    let failed = || Error::from(rustix::io::Errno::IO);
    match DECIDE.with_borrow(|decide| decide.as_ref().map_or(Fate::Happens, |decide| decide())) {
        Fate::Happens => write(),
        Fate::HappensAndFails => write().and(Err(failed())),
        Fate::Fails => std::fs::write(temporary, b"torn").and(Err(failed())),
    }
}
