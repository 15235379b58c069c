//! Being told to stop.
//!
//! Ctrl-C reaches every program of the terminal's foreground group, so a command run for the user sees it as well. SIGTERM and
//! SIGHUP usually reach this process alone. All three mean: stop what was started, then leave with the customary exit code.

use std::{io, process::ExitCode};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why this process should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C.
    Int,
    /// `kill`.
    Term,
    /// The terminal went away.
    Hangup,
}

impl Interrupt {
    /// 128 plus the number of the signal, as shells have it.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Hangup => 129,
            Self::Int => 130,
            Self::Term => 143,
        })
    }
}

/// Listens for [`Interrupt`]s; while it exists none of them ends the process by itself.
#[derive(Debug)]
pub struct Interrupts {
    int: Signal,
    term: Signal,
    hangup: Signal,
}

impl Interrupts {
    /// Starts listening.
    ///
    /// # Errors
    ///
    /// Fails when the system refuses a signal handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            int: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no signal is lost when the future is dropped.
    pub async fn next(&mut self) -> Interrupt {
        tokio::select! {
            _ = self.int.recv() => Interrupt::Int,
            _ = self.term.recv() => Interrupt::Term,
            _ = self.hangup.recv() => Interrupt::Hangup,
        }
    }
}
