//! Which part of the statements like this one each final candidate gets.

use crate::server::ServerIx;

/// The final candidates with their shares, in the order the balancer has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shares {
    servers: Vec<Share>,
}

/// What one candidate gets.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Share {
    /// The candidate.
    pub server: ServerIx,
    /// The part of many such statements that it gets, 0 to 1; `None` where the filter does not say.
    pub part: Option<f64>,
    /// It is certain to be picked for this statement: its turn, or a choice that was made before.
    pub next: bool,
}

impl Shares {
    /// No filter says anything about shares.
    #[must_use]
    pub fn unknown() -> Self {
        Shares::default()
    }

    /// Shares in proportion to `weights`; `next` is the candidate that is certain, where there is one.
    pub fn of(weights: impl IntoIterator<Item = (ServerIx, u16)>, next: Option<ServerIx>) -> Self {
        let weights: Vec<_> = weights.into_iter().collect();
        let total: f64 = weights.iter().map(|(_, weight)| f64::from(*weight)).sum();
        // Where all are standbys they share evenly.
        let part = |weight: u16| match total {
            0.0 => 1.0 / f64::from(u32::try_from(weights.len()).unwrap_or(u32::MAX)),
            _ => f64::from(weight) / total,
        };
        let share = |(server, weight)| Share { server, part: Some(part(weight)), next: next == Some(server) };
        Shares { servers: weights.iter().copied().map(share).collect() }
    }

    /// All go to one server.
    #[must_use]
    pub fn all_to(server: ServerIx) -> Self {
        Shares { servers: vec![Share { server, part: Some(1.0), next: true }] }
    }

    /// Each candidate once per listing.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Share> + '_ {
        self.servers.iter().copied()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    pub(crate) fn candidates(list: &[ServerIx]) -> Self {
        Shares { servers: list.iter().map(|it| Share { server: *it, part: None, next: false }).collect() }
    }
}
