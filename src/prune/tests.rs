//! Prunes of small repositories in memory, beside writers that take the same steps as a backup.

mod asleep;
mod clocks;
mod crash;
pub(crate) mod dice;
mod foreseen;
mod frames;
mod full;
mod holdings;
mod pace;
mod schedules;
mod simulation;
mod space;
mod steps;
pub(crate) mod world;
