//! The program under bad circumstances: killed, crowded, robbed of its cache, short of space, without rights, and with
//! trees that move while they are read. `tests/trials.sh` runs the long forms of these.
#![cfg(feature = "cli")]
#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a trial that meets something else has failed, and one that measures says what"
)]

#[cfg(target_arch = "x86_64")]
mod call;
#[cfg(target_arch = "x86_64")]
mod crash;
mod crowd;
mod extent;
#[cfg(target_arch = "x86_64")]
mod faults;
mod future;
mod kill;
#[path = "../lacking/mod.rs"]
mod lacking;
mod mount;
#[path = "../cli/mounted.rs"]
mod mounted;
mod moving;
mod ordinary;
mod pace;
mod place;
mod quota;
mod restore_kill;
#[path = "../cli/run.rs"]
mod run;
#[cfg(target_arch = "x86_64")]
mod stage;
mod together;
#[cfg(target_arch = "x86_64")]
mod tracer;
mod traps;
mod tree;
#[cfg(feature = "rocksdb")]
mod view;
