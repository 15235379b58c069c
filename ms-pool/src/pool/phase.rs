//! Where the conversation on a connection stands.
//!
//! The mark is set *before* a future is polled and taken away by what the poll returned. A future that is dropped in
//! between leaves the mark behind, and whoever finds it knows that the connection may be out of step.

use sqlx_core::error::Error;

/// How far the last answer was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To its end. The only phase in which the next user may have the connection.
    Ready,
    /// To the end of a row or a result; more is on the wire. sqlx knows it and can read on.
    Unread,
    /// Unknown: a poll is under way, or its future was dropped. The server may be working on it still.
    Asking,
    /// Unknown: somebody outside has it, or had. See [`Lease::lend`](super::Lease::lend).
    Lent,
    /// Never will be: the connection failed.
    Broken,
}

/// The mark of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire {
    pub(crate) phase: Phase,
    /// The server was told to stop what is being asked for.
    pub(crate) told: bool,
    /// From the idle stack, and nothing was heard from the server since: a failure now may be an old one.
    pub(crate) untried: bool,
}

impl Wire {
    /// To be called before the connection is touched.
    #[inline]
    pub(crate) fn ask(&mut self) {
        self.phase = Phase::Asking;
    }

    /// A part of the answer arrived whole; more may follow.
    #[inline]
    pub(crate) fn heard_part(&mut self) {
        *self = Self { phase: Phase::Unread, told: false, untried: false };
    }

    /// The answer is complete.
    #[inline]
    pub(crate) fn heard_all(&mut self) {
        *self = Self { phase: Phase::Ready, told: false, untried: false };
    }

    /// The answer is an error.
    pub(crate) fn heard_error(&mut self, error: &Error) {
        match error {
            // The server's last word on the statement.
            Error::Database(_) => self.heard_all(),
            // Nothing was sent.
            Error::Encode(_) => self.phase = Phase::Ready,
            // Broken pipes, foreign bytes, and mistakes that sqlx notices too late to take its notes back (a wrong
            // number of arguments leaves it waiting for a result that nobody will send).
            _ => self.phase = Phase::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn only_the_servers_word_and_what_was_never_sent_leave_a_connection_usable() {
        check(Error::Encode("no such thing".into()), Phase::Ready);
        check(Error::Io(io::ErrorKind::UnexpectedEof.into()), Phase::Broken);
        check(Error::Protocol("prepared statement expected 1 parameters but 2 were provided".into()), Phase::Broken);
        check(Error::Decode("".into()), Phase::Broken);
        check(Error::BeginFailed, Phase::Broken);
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // Errors are made for the row.
    fn check(error: Error, expected: Phase) {
        let mut wire = Wire { phase: Phase::Ready, told: false, untried: true };
        wire.ask();
        assert_eq!(wire.phase, Phase::Asking);
        wire.heard_error(&error);
        assert_eq!(wire.phase, expected);
        assert!(wire.untried, "the server has not spoken");
    }
}
