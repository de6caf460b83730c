//! Whole operations: bytes are a program of what several clients do with one repository, what befalls them meanwhile, and
//! what is done to its objects behind their backs.
//!
//! The clients are the library as it ships, on a store in memory, each call of theirs a process of its own; what they
//! were told is kept outside the repository, and after each prune, repair and damage, and at the end, somebody who never
//! saw the repository restores everything. Whatever happens: nothing panics; what is restored without a complaint is what
//! was backed up; what was acknowledged is there until it is forgotten or damaged; a check that finds nothing wrong
//! is right; a client that comes back to a store that was rolled back notices.

mod expected;
mod ground;
mod perform;
mod program;
mod scene;
mod tree;

#[cfg(test)]
mod tests;

use scene::Scene;

/// Runs `data` as a program.
///
/// # Panics
/// When something is true of the repository that may not be.
pub fn fuzz_operations(data: &[u8]) {
    let hash = blake3::hash(data);
    crate::seal::testing::draw_from(hash.as_bytes().iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte)));
    let steps = program::read(data);
    if !steps.is_empty() {
        Scene::new().run(&steps);
    }
}
