//! Ports nobody else will take.
//!
//! Asking the system for a free port gives one out of the range that outgoing connections are numbered from, where it can be
//! taken at any moment. Ports below that range stay free. A server that was killed gives its port up until it is started again,
//! so a port is also *leased*: every process of this kind binds an abstract socket named after the port, whichever user
//! runs it, and the system drops the name when the process ends, however it ends.
//!
//! Programs that know nothing of leases can still be faster; a server that finds its port taken is started on another.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
};

/// Tries before giving up; each is a random port, so this many failures mean something else is wrong.
const TRIES: usize = 200;

/// A port that stays ours until this is dropped, in use or not.
#[derive(Debug)]
pub(super) struct Lease {
    port: u16,
    _name: UnixListener,
}

impl Lease {
    /// Takes a port nobody listens on or leases.
    pub(super) fn take() -> io::Result<Self> {
        let mut refusal = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            match Self::of(fastrand::u16(range())) {
                Ok(lease) => return Ok(lease),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    fn of(port: u16) -> io::Result<Self> {
        let name = SocketAddr::from_abstract_name(format!("ms-port-{port}"))?;
        let name = UnixListener::bind_addr(&name)?;
        // Bound and dropped: whether it is free for a server that binds it in a moment.
        TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        Ok(Self { port, _name: name })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

fn range() -> Range<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first_outgoing = text.split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(32_768);
    // Where nearly every port is for outgoing connections there is no better choice than the usual one.
    10_000..if first_outgoing > 12_000 { first_outgoing } else { 32_768 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_excludes_others_until_it_is_dropped() {
        let lease = Lease::take().unwrap();
        let port = lease.port();
        assert_eq!(Lease::of(port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(lease);
        assert!(Lease::of(port).is_ok());
    }

    #[test]
    fn a_port_in_use_is_not_leased() {
        let lease = Lease::take().unwrap();
        let port = lease.port();
        let _other_program = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        drop(lease);
        assert!(Lease::of(port).is_err());
    }
}
