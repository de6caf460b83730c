//! Prunes of small repositories in memory, beside writers that take the same steps as a backup.

mod asleep;
mod clocks;
mod crash;
mod full;
mod hooked;
mod pace;
mod simulation;
mod steps;
mod world;
