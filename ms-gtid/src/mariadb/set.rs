//! Sets of MariaDB's ids: how far each server's transactions are known to be there.

use std::{collections::BTreeMap, fmt, str::FromStr};

use super::Gtid;
use crate::{
    ParseSetError,
    parse::{Cursor, MAX_PARTS},
};

/// How far a server is, as in `gtid_slave_pos` or `gtid_binlog_state`: per domain and per server that wrote there, the
/// highest sequence.
///
/// An entry `0-1-42` stands for all that server 1 wrote in domain 0 up to 42: within a domain a server's numbers only
/// grow, and replicas apply them in that order. It says nothing about what server 2 wrote there, and this is the
/// difference to MariaDB's own `MASTER_GTID_WAIT`, which compares the sequence alone: after a failover that lost
/// transactions the new primary gives the same numbers again, to other transactions.
///
/// ```
/// use ms_gtid::mariadb::GtidSet;
///
/// let replica: GtidSet = "0-1-50,7-1-3".parse()?;
/// assert!(replica.contains_all(&"0-1-42".parse()?));
/// assert!(!replica.contains_all(&"0-1-51".parse()?)); // not yet
/// assert!(!replica.contains_all(&"0-2-42".parse()?)); // not proven: server 2 may have written a 42 that was lost
/// # Ok::<(), ms_gtid::ParseSetError>(())
/// ```
///
/// A clean failover leaves positions that only the order of the stream can prove: see [`along`](Self::along).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GtidSet {
    /// `(domain, server)` to the highest sequence.
    tops: BTreeMap<(u32, u32), u64>,
}

impl GtidSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is no transaction in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tops.is_empty()
    }

    /// How many entries there are: pairs of domain and server.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tops.len()
    }

    /// Adds one transaction and with it those before it; says whether it is new.
    pub fn insert(&mut self, id: Gtid) -> bool {
        let new = !self.contains(&id);
        if new {
            self.tops.insert((id.domain, id.server), id.sequence);
        }
        new
    }

    /// Whether this transaction is proven to be there.
    #[must_use]
    pub fn contains(&self, id: &Gtid) -> bool {
        self.tops.get(&(id.domain, id.server)).is_some_and(|top| id.sequence <= *top)
    }

    /// Whether every transaction of `other` is proven to be there.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.entries().all(|id| self.contains(&id))
    }

    /// The highest sequence in a domain, whoever wrote it.
    #[must_use]
    pub fn highest(&self, domain: u32) -> Option<u64> {
        self.tops.range((domain, 0)..=(domain, u32::MAX)).map(|(_, top)| *top).max()
    }

    /// What is in either of them.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.merge(other);
        union
    }

    /// Adds every transaction of `other`.
    pub fn merge(&mut self, other: &Self) {
        for id in other.entries() {
            self.insert(id);
        }
    }

    /// What is in both of them.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let both = |(key, top): (&(u32, u32), &u64)| Some((*key, *top.min(other.tops.get(key)?)));
        Self { tops: self.tops.iter().filter_map(both).collect() }
    }

    /// The entries that `other` does not prove.
    ///
    /// An entry stands for everything up to its sequence, so what is left keeps the sequence to wait for, and says
    /// nothing about how much of it `other` has already. The result is empty exactly if `other.contains_all(self)`.
    ///
    /// ```
    /// use ms_gtid::mariadb::GtidSet;
    ///
    /// let written: GtidSet = "0-1-42,7-1-3".parse()?;
    /// let missing = written.subtract(&"0-1-40,7-1-3".parse()?);
    /// assert_eq!(missing.to_string(), "0-1-42");
    /// # Ok::<(), ms_gtid::ParseSetError>(())
    /// ```
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        self.entries().filter(|id| !other.contains(id)).collect()
    }

    /// What this set proves along a known history: all of `history` up to the transactions they share.
    ///
    /// `history` is the `gtid_binlog_state` of one server, usually the primary, which names the last transaction of
    /// every server that wrote in a domain. A replica that shows `0-2-50` alone is not proven to have `0-1-42`; but if
    /// 50 and 42 are in one server's history, then it applied 42 on its way to 50.
    ///
    /// This takes sequences to grow along the domain, as `gtid_strict_mode` enforces and as servers do that are written
    /// to one at a time. A transaction that is not in the history proves nothing about it.
    ///
    /// ```
    /// use ms_gtid::mariadb::GtidSet;
    ///
    /// let replica: GtidSet = "0-2-50".parse()?;
    /// let written: GtidSet = "0-1-42".parse()?;
    /// assert!(!replica.contains_all(&written));
    ///
    /// let clean_failover: GtidSet = "0-1-42,0-2-60".parse()?;
    /// assert!(replica.along(&clean_failover).contains_all(&written));
    ///
    /// let lost_the_last_two: GtidSet = "0-1-40,0-2-60".parse()?;
    /// assert!(!replica.along(&lost_the_last_two).contains_all(&written));
    /// # Ok::<(), ms_gtid::ParseSetError>(())
    /// ```
    #[must_use]
    pub fn along(&self, history: &Self) -> Self {
        let mut proven = self.clone();
        for shared in self.entries().filter(|id| history.contains(id)) {
            for (&(domain, server), &top) in history.tops.range((shared.domain, 0)..=(shared.domain, u32::MAX)) {
                proven.insert(Gtid { domain, server, sequence: top.min(shared.sequence) });
            }
        }
        proven
    }

    /// The last transaction of each domain: what `MASTER_GTID_WAIT` takes, which wants a domain once.
    #[must_use]
    pub fn last_per_domain(&self) -> Self {
        self.entries().filter(|id| self.highest(id.domain) == Some(id.sequence)).fold(Self::new(), |mut last, id| {
            // Two servers may have given the same number; for a wait one of them is as good as the other.
            if last.highest(id.domain).is_none() {
                last.insert(id);
            }
            last
        })
    }

    /// Every entry, by domain and server.
    pub fn entries(&self) -> impl Iterator<Item = Gtid> + '_ {
        self.tops.iter().map(|(&(domain, server), &sequence)| Gtid { domain, server, sequence })
    }
}

/// Prints what the server prints: by domain, and within one the most recent last, as in `gtid_binlog_state`.
impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut entries: Vec<Gtid> = self.entries().collect();
        entries.sort_by_key(|id| (id.domain, id.sequence, id.server));
        for (i, id) in entries.iter().enumerate() {
            f.write_str(if i > 0 { "," } else { "" })?;
            id.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = ParseSetError;

    /// Reads ids joined by commas; of several of one domain and server the highest counts. The empty text is the empty
    /// set.
    ///
    /// White space around the ids is accepted, which servers do not do (error 1941): people copy positions out of
    /// configuration files and tables.
    ///
    /// # Errors
    ///
    /// Fails when a part is not `domain-server-sequence` with numbers of 32, 32 and 64 bits, and for texts longer than
    /// [`MAX_TEXT`](crate::MAX_TEXT) or of more than [`MAX_PARTS`] ids.
    fn from_str(text: &str) -> Result<Self, ParseSetError> {
        let mut at = Cursor::new(text)?;
        let mut set = Self::new();
        if at.skip_spaces().is_at_end() {
            return Ok(set);
        }
        for _ in 0..MAX_PARTS {
            set.insert(id(&mut at)?);
            if at.skip_spaces().is_at_end() {
                return Ok(set);
            }
            if !at.take(b',') {
                return Err(at.expected("`,`"));
            }
        }
        Err(ParseSetError::TooManyParts)
    }
}

fn id(at: &mut Cursor<'_>) -> Result<Gtid, ParseSetError> {
    const EXPECTED: &str = "domain-server-sequence";
    let mut id = || {
        let domain = at.skip_spaces().number()?;
        let server = at.take(b'-').then(|| at.number())??;
        let sequence = at.take(b'-').then(|| at.number())??;
        Some(Gtid { domain, server, sequence })
    };
    id().ok_or_else(|| at.expected(EXPECTED))
}

impl From<Gtid> for GtidSet {
    fn from(id: Gtid) -> Self {
        Self::from_iter([id])
    }
}

impl FromIterator<Gtid> for GtidSet {
    fn from_iter<I: IntoIterator<Item = Gtid>>(ids: I) -> Self {
        let mut set = Self::new();
        set.extend(ids);
        set
    }
}

impl Extend<Gtid> for GtidSet {
    fn extend<I: IntoIterator<Item = Gtid>>(&mut self, ids: I) {
        for id in ids {
            self.insert(id);
        }
    }
}
