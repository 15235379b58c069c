//! What `ms explain` pretends about servers.
//!
//! `--assume NAME=FACT[,FACT…]` fills in what a running pool would have learnt: which servers are down, how far they
//! lag, what they have replayed. What is not assumed is unknown, as it is to a pool that has just started.

use std::time::Duration;

use ms_filters::{Freshness, ServerIx, ServerState, Topology, View};

use crate::failure::Failure;

/// The assumed state of every server of a topology.
#[derive(Clone, Debug)]
pub(crate) struct Assumptions {
    servers: Vec<Assumed>,
}

#[derive(Clone, Debug, Default)]
struct Assumed {
    state: ServerState,
    down: bool,
}

impl Assumptions {
    /// Reads the arguments of all `--assume` options; a later one wins over an earlier one.
    pub(crate) fn parse(topology: &Topology, assumptions: &[String]) -> Result<Self, Failure> {
        let mut all = Self { servers: vec![Assumed::default(); topology.servers().len()] };
        for assumption in assumptions {
            let Some((server, facts)) = split(topology, assumption) else {
                let known = topology.servers().iter().map(|it| format!("`{}`", it.name())).collect();
                return Err(Failure::AssumedServer { assumption: assumption.clone(), known });
            };
            for word in facts.split(',').map(str::trim) {
                all.servers[server.index()]
                    .assume(word)
                    .ok_or_else(|| Failure::Assumed { assumption: assumption.clone(), word: word.to_owned() })?;
            }
        }
        Ok(all)
    }

    /// Whether connecting to the server fails.
    pub(crate) fn is_down(&self, server: ServerIx) -> bool {
        self.servers[server.index()].down
    }

    /// A connection to the server was opened.
    pub(crate) fn open(&mut self, server: ServerIx) {
        self.servers[server.index()].state.open = true;
    }
}

impl View for Assumptions {
    fn server(&self, server: ServerIx) -> ServerState {
        self.servers[server.index()].state
    }
}

impl Assumed {
    fn assume(&mut self, word: &str) -> Option<()> {
        match word.split_once('=') {
            Some(("lag", seconds)) => {
                self.state.lag = Some(Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?);
            }
            Some(("load", statements)) => self.state.load = Some(statements.parse().ok()?),
            Some(_) => return None,
            None => self.assume_flag(word)?,
        }
        Some(())
    }

    fn assume_flag(&mut self, word: &str) -> Option<()> {
        match word {
            "down" => (self.down, self.state.open) = (true, false),
            "up" => self.down = false,
            "open" => (self.down, self.state.open) = (false, true),
            "failed" => self.state.failed = true,
            "reached" => self.state.freshness = Freshness::Reached,
            "behind" => self.state.freshness = Freshness::Behind,
            _ => return None,
        }
        Some(())
    }
}

/// The server and the facts. An alias may hold `=`, so each place it could end at is tried.
fn split<'a>(topology: &Topology, assumption: &'a str) -> Option<(ServerIx, &'a str)> {
    assumption.match_indices('=').find_map(|(at, _)| {
        let server = topology.find(&assumption[..at])?;
        Some((server, &assumption[at + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use ms_filters::Server;

    use super::*;

    #[test]
    fn facts_are_about_one_server() {
        let assumed = parse(&["r1=lag=2.5,behind", "a=b=down"]).unwrap();
        let r1 = assumed.server(ServerIx::new(1));
        assert_eq!((r1.lag, r1.freshness), (Some(Duration::from_millis(2500)), Freshness::Behind));
        assert!(assumed.is_down(ServerIx::new(2)), "an alias may hold an equals sign");
        assert_eq!(assumed.server(ServerIx::new(0)), ServerState::default());
    }

    #[test]
    fn later_facts_win() {
        let assumed = parse(&["r1=open,down", "r1=up"]).unwrap();
        assert!(!assumed.is_down(ServerIx::new(1)));
        assert!(!assumed.server(ServerIx::new(1)).open, "a server that was down has no connection");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for bad in
            ["r9=down", "r1", "r1=", "r1=dwon", "r1=lag=-1", "r1=lag=NaN", "r1=lag=1e30", "r1=load=x", "r1=down,"]
        {
            assert!(parse(&[bad]).is_err(), "{bad}");
        }
    }

    fn parse(assumptions: &[&str]) -> Result<Assumptions, Failure> {
        let servers = [Server::primary("p"), Server::replica("r1"), Server::replica("a=b")];
        let assumptions: Vec<_> = assumptions.iter().map(|&it| it.to_owned()).collect();
        Assumptions::parse(&Topology::new(servers).unwrap(), &assumptions)
    }
}
