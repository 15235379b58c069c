//! How a command ended, for scripts.

/// The exit code; documented in `ms --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// Findings, an SQL error, or output that could not be written.
    Findings = 1,
    /// The arguments make no sense, or SQL cannot be read. The command line parser uses this number as well.
    Usage = 2,
    /// The configuration cannot be used.
    Configuration = 3,
    /// No server that may run the statement can be reached and logged in to.
    NoServer = 4,
    /// The user interrupted it; what a shell calls a process that this signal ended.
    Interrupted = 130,
}
