//! Errors that are worth another try.
//!
//! Some errors of a server pass by themselves, such as a lock that was waited for too long. What failed with one of
//! the codes listed here may be sent again on the same connection, after a pause. Which codes these are only the
//! operator knows: without a list nothing is repeated.

use std::time::Duration;

/// What is repeated, how often and after how long: `transient_error` of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransientErrors {
    /// The server's error codes, 0 to 9999, as written; never empty.
    pub codes: Vec<u16>,
    /// How often one operation is sent again, so that it runs once more than this; 1 unless configured, 0 for never.
    pub max_retries: u16,
    /// Before each further try; `usleep_retry` counts microseconds. 100 µs unless configured, at most 30 s.
    pub pause: Duration,
}
