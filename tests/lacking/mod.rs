//! What tests need that not every machine has.
//!
//! Nobody reads what a test says that passes: one that can test nothing fails, unless `HOLDALL_WITHOUT` names what is
//! lacking. `./test` finds out what that is by `scripts/lacking`, and says at its end what was not tested.

/// Leaves a test out for want of something that has a name in `scripts/lacking`.
#[track_caller]
pub(crate) fn leave_out(need: &str, why: &str) {
    let without = std::env::var("HOLDALL_WITHOUT").unwrap_or_default();
    assert!(
        names(&without, need),
        "nothing was tested, for want of {need} ({why}): run ./test, or set HOLDALL_WITHOUT={need} to do without"
    );
}

/// Whether a list of words, between commas or spaces, has this one.
pub(crate) fn names(list: &str, word: &str) -> bool {
    list.split([',', ' ']).any(|one| one == word)
}
