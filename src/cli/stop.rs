//! Ctrl-C and its kin: the first asks the work to stop, the second ends the process.

use crate::cli::failure::Failure;
use crate::cli::signals::heeded;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Whether somebody asked this process to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Stop {
    /// Begins to listen for the [signals that are heeded](heeded).
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let stop = Self::default();
        stop.register().map_err(|error| Failure::failed(format!("can't listen for signals: {error}")))?;
        Ok(stop)
    }

    fn register(&self) -> io::Result<()> {
        for signal in heeded() {
            // Order matters: the first signal finds the flag unset, the second one ends the process.
            flag::register_conditional_shutdown(signal, exit_code_of(signal), Arc::clone(&self.asked))?;
            flag::register(signal, Arc::clone(&self.asked))?;
            flag::register_usize(signal, Arc::clone(&self.signal), signal.unsigned_abs().try_into().unwrap_or(0))?;
        }
        Ok(())
    }

    /// Whether the work should stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The exit code of a process that stopped because it was asked: 130 unless another signal than SIGINT asked.
    pub(crate) fn exit_code(&self) -> u8 {
        let signal = self.signal.load(Ordering::Relaxed);
        let signal = i32::try_from(signal).ok().filter(|signal| *signal > 0).unwrap_or(SIGINT);
        exit_code_of(signal).try_into().unwrap_or(130)
    }
}

/// What shells call the end of a process by a signal.
const fn exit_code_of(signal: i32) -> i32 {
    128 + signal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signal_gives_the_exit_code() {
        let stop = Stop::default();
        assert!(!stop.is_asked());
        assert_eq!(stop.exit_code(), 130);
        stop.signal.store(15, Ordering::Relaxed);
        assert_eq!(stop.exit_code(), 143);
    }
}
