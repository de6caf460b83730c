//! Repairing: what is lost of the index is rebuilt from packs, and what is lost of packs is stored anew from whatever
//! still has it. Nothing is deleted, and no snapshot loses a file by it.
//!
//! What is lost of the control objects comes back as it was, from a second copy or from what the view keeps. Everything
//! else a repair writes belongs to sessions of the kind repair. Segments that are gone or damaged are *replaced*:
//! new ones take their place, with rows that were read from the packs themselves. A pack that can't be read in full is
//! *set aside*: what can be read of it is copied first, then, with the same outcome, its row says that nothing in it
//! counts, so that the next backup stores again what is lost. Both are described in format-spec/09-segment.md. Before
//! that, parity and second copies are tried: what they bring back is as it was. What is lost may be had again from an
//! *origin*: packs of sessions that are not committed or whose outcome is lost, files that are cut and hashed as a backup
//! does, or another repository; only what has an id that is missed is taken.
//!
//! What is lost for good leaves damaged snapshots. Each gets a *corrected* one beside it that holds all the rest and names
//! what it lacks.
//!
//! A plan says what is to be done and changes nothing; what is performed is looked for anew once the session is open, so
//! that nobody collects what it relies upon.

mod aside;
mod control;
mod copies;
mod index;
mod look;
mod missing;
mod options;
mod origin;
mod packs;
mod reading;
mod snapshots;
#[cfg(test)]
mod tests;
mod wanted;

pub use control::{HealedControl, heal_control};
pub use copies::heal_copies;
pub use index::{plan_index, repair_index};
pub use missing::{Missing, SnapshotRepair, SnapshotRepairPlan, SnapshotRepairReport};
pub use options::{
    AsideReport, HealedPack, IndexRepairPlan, IndexRepairReport, LostObject, PackRepairPlan, PackRepairReport,
    RepairOptions,
};
pub use packs::{plan_packs, repair_packs};
pub use snapshots::{plan_snapshots, repair_snapshots};
