//! Prunes of small repositories in memory, beside writers that take the same steps as a backup.

mod crash;
mod full;
mod simulation;
mod steps;
mod world;
