//! What the store and the servers say about global transactions, side by side.
//!
//! The store knows what was meant, the servers know what is prepared. Both are asked: servers first, then the store, because a
//! branch is written down before it can be prepared. So one that no record knows is nobody's, unless its record went away in
//! between; such a branch is looked for once more.
//!
//! Branches are told apart by their exact names. A replica lists what its primary has prepared, too, under the same name.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use ms_filters::Role;
use ms_xa::{BranchIx, BranchState, Decision, Finished, Gtrid, Settlement, StoreError, TrxId, Xid};

use super::{Keeper, XaFailure, keeper::Kept, participant, recovery::perform::explained, stage::listed, store::failed};
use crate::{Cluster, Error, pool::ServerPool};

/// Records that are listed at most; nobody reads more.
const MOST: u32 = 1000;
/// Servers that are asked at the same time.
const AT_ONCE: usize = 32;

/// Global transactions as the store and the servers know them; from [`Cluster::xa_list`].
#[derive(Debug)]
#[non_exhaustive]
pub struct XaList {
    /// What the store has on record: first what has not ended well, the newest first. `None` without a store.
    pub records: Option<Result<Vec<XaRecord>, Error>>,
    /// Records beyond those listed.
    pub more: u64,
    /// What each server has prepared: those of the section, and others that records name.
    pub servers: Vec<XaServer>,
}

/// A global transaction on record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XaRecord {
    /// The application's name for it.
    pub gtrid: Gtrid,
    /// The store's.
    pub trx: TrxId,
    /// How far it came as a whole, if its owner has said so.
    pub state: BranchState,
    /// What was decided.
    pub decision: Option<Decision>,
    /// Whether its owner is through with it.
    pub finished: Finished,
    /// The process that began it; `None` on records of others.
    pub owner: Option<String>,
    /// Since it was begun, by the store's clock.
    pub age: Option<Duration>,
    /// Its timeout has passed.
    pub is_late: bool,
    /// Recovery may take it up: its owner is through with it, has not shown up in time, or is late.
    pub is_left: bool,
    /// How often recovery has tried to finish it.
    pub attempts: u16,
    /// As often as `max_retries` allows: nobody tries again by himself.
    pub given_up: bool,
    /// Its branches, in the order of joining.
    pub branches: Vec<XaBranch>,
}

/// One server's part of a global transaction on record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XaBranch {
    /// Which one.
    pub branch: BranchIx,
    /// Its name on the wire.
    pub xid: Xid,
    /// The server's name in the section, or its address where the section does not name it.
    pub server: Box<str>,
    /// How far it came, by its owner's last word.
    pub state: BranchState,
    /// What recovery has made of it.
    pub settled: Option<Settlement>,
    /// Whether its server lists it as prepared; `None` when that could not be asked.
    pub prepared: Option<bool>,
}

/// A server, and what it has prepared.
#[derive(Debug)]
#[non_exhaustive]
pub struct XaServer {
    /// Its name in the section, or its address where the section does not name it.
    pub name: Box<str>,
    /// What it is there for; `None` where the section does not name it.
    pub role: Option<Role>,
    /// `tcp://host:port` or `unix://path`.
    pub address: Box<str>,
    /// What it lists, or why it could not be asked. MySQL says 1401 to an account that lacks `XA_RECOVER_ADMIN`.
    pub prepared: Result<XaPrepared, Error>,
}

/// The prepared branches of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XaPrepared {
    /// Those on record.
    pub known: Vec<Xid>,
    /// Those that this crate has named, to all appearances, and no record knows: without a store, or when the store was lost or
    /// is another one's. Nobody finishes them but a person.
    pub unknown: Vec<Xid>,
    /// Those of others.
    pub foreign: usize,
}

impl XaList {
    /// The records; empty where they are not known.
    pub fn records(&self) -> impl Iterator<Item = &XaRecord> {
        self.records.iter().flatten().flatten()
    }

    /// How long ago the oldest transaction was begun that is prepared anywhere; `None` when nothing on record is.
    ///
    /// What is prepared holds its locks, so this should be small. Those of a working owner are in it, for a moment.
    #[must_use]
    pub fn oldest_prepared(&self) -> Option<Duration> {
        let is_prepared = |it: &&XaRecord| it.branches.iter().any(|it| it.prepared == Some(true));
        self.records().filter(is_prepared).filter_map(|it| it.age).max()
    }

    /// Prepared branches that no record knows, and who lists them. On a replica that may mean no more than that it trails: its
    /// primary has finished them.
    pub fn unknown(&self) -> impl Iterator<Item = (&XaServer, &Xid)> {
        self.servers.iter().flat_map(|server| {
            let unknown = server.prepared.as_ref().map_or(&[][..], |it| &it.unknown);
            unknown.iter().map(move |xid| (server, xid))
        })
    }
}

impl Cluster {
    /// What the store has on record and what the servers have prepared, matched by the exact names of branches.
    ///
    /// For people and tools that watch over global transactions. It changes nothing, and costs a statement on each server and
    /// a few at the store. Who could not be asked, and why, is in the list.
    ///
    /// # Cancel safety
    ///
    /// Safe for the pools; dropped before it is done it costs connections.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) {
    /// let list = db.xa_list().await;
    /// for (server, xid) in list.unknown() {
    ///     println!("nobody will finish {xid} on {}", server.name);
    /// }
    /// println!("{:?}", list.oldest_prepared());
    /// # }
    /// ```
    pub async fn xa_list(&self) -> XaList {
        let mut asked = self.own_servers();
        ask(&mut asked).await;
        let globals = &self.inner.globals;
        let Some(store) = &globals.store else {
            return XaList { records: None, more: 0, servers: servers(asked, &HashSet::new()) };
        };
        match self.on_record(store, &mut asked).await {
            Ok((kept, more)) => {
                let known: HashSet<Xid> = xids(&kept).cloned().collect();
                let records = kept.into_iter().map(|it| record(it, globals.max_attempts(), &asked)).collect();
                XaList { records: Some(Ok(records)), more, servers: servers(asked, &known) }
            }
            Err(error) => {
                let records = Some(Err(failed(XaFailure::Unchanged, &error)));
                XaList { records, more: 0, servers: servers(asked, &HashSet::new()) }
            }
        }
    }

    fn own_servers(&self) -> Vec<Asked> {
        let asked = self.servers().zip(&self.inner.members).map(|(info, member)| Asked {
            name: info.name.into(),
            role: Some(info.role),
            address: info.address.into(),
            pool: Some(Arc::clone(&member.pool)),
            answer: None,
        });
        asked.collect()
    }

    /// What the store knows: the newest records, those of whatever is prepared, and how many there are beyond.
    async fn on_record(&self, store: &Arc<dyn Keeper>, asked: &mut Vec<Asked>) -> Result<(Vec<Kept>, u64), StoreError> {
        let (mut kept, mut more) = store.overview(MOST).await?;
        let elsewhere = self.elsewhere(&kept, asked);
        asked.extend(elsewhere);
        // Those of the section have answered already.
        ask(asked).await;
        let strangers = strangers(asked, &kept);
        if strangers.is_empty() {
            return Ok((kept, more));
        }
        let names: HashSet<&[u8]> = strangers.iter().map(Xid::global).collect();
        let named = store.named(&names.into_iter().collect::<Vec<_>>()).await?;
        for it in named {
            if kept.iter().all(|other| other.record.trx != it.record.trx) {
                more = more.saturating_sub(1);
                kept.push(it);
            }
        }
        // A record may have gone away with its branches since the servers were asked.
        let strangers: HashSet<Xid> = self::strangers(asked, &kept).into_iter().collect();
        for it in asked.iter_mut().filter(|it| it.lists_any(&strangers)) {
            let before = it.answer.take();
            ask(std::slice::from_mut(it)).await;
            if let (Some(Ok(before)), Some(Ok(now))) = (before, &mut it.answer) {
                // What has come since may have a record that was not read.
                now.retain(|xid| before.contains(xid) || !xid.is_ours());
            }
        }
        Ok((kept, more))
    }

    /// Servers on record that the section does not name.
    fn elsewhere(&self, kept: &[Kept], asked: &[Asked]) -> Vec<Asked> {
        let mut found: Vec<Asked> = Vec::new();
        for place in kept.iter().flat_map(|it| &it.record.branches).map(|it| &it.place) {
            if asked.iter().chain(&found).all(|it| *it.address != *place.scheme) {
                let pool = participant::pool_at(self, place);
                let address: Box<str> = place.scheme.as_str().into();
                found.push(Asked { name: address.clone(), role: None, address, pool, answer: None });
            }
        }
        found
    }
}

/// A server on its way into the list.
struct Asked {
    name: Box<str>,
    role: Option<Role>,
    address: Box<str>,
    /// `None` where nobody knows how to log in.
    pool: Option<Arc<ServerPool>>,
    answer: Option<Result<Vec<Xid>, Error>>,
}

impl Asked {
    fn listed(&self) -> Option<&[Xid]> {
        self.answer.as_ref()?.as_deref().ok()
    }

    fn lists_any(&self, xids: &HashSet<Xid>) -> bool {
        self.listed().is_some_and(|listed| listed.iter().any(|it| xids.contains(it)))
    }
}

/// Asks those who have not answered yet.
async fn ask(servers: &mut [Asked]) {
    let asking = servers.iter_mut().filter(|it| it.answer.is_none()).map(|it| async {
        it.answer = Some(match &it.pool {
            Some(pool) => prepared_on(pool).await,
            None => Err(Error::xa_unchanged("nobody knows how to connect to that server")),
        });
    });
    stream::iter(asking).for_each_concurrent(AT_ONCE, |it| it).await;
}

async fn prepared_on(pool: &Arc<ServerPool>) -> Result<Vec<Xid>, Error> {
    let mut lease = pool.lease(pool.acquire_deadline()).await?;
    listed(&mut lease).await.map_err(|error| {
        let failure = explained(&error, &lease);
        Error::xa(XaFailure::Unchanged, failure.code, &failure.sqlstate, failure.text)
    })
}

fn xids(kept: &[Kept]) -> impl Iterator<Item = &Xid> {
    kept.iter().flat_map(|it| &it.record.branches).map(|it| &it.xid)
}

/// Branches of ours that are prepared and not among these records.
fn strangers(asked: &[Asked], kept: &[Kept]) -> Vec<Xid> {
    let known: HashSet<&Xid> = xids(kept).collect();
    let listed = asked.iter().filter_map(Asked::listed).flatten();
    listed.filter(|it| it.is_ours() && !known.contains(it)).cloned().collect()
}

fn record(kept: Kept, max_attempts: Option<u16>, asked: &[Asked]) -> XaRecord {
    let Kept { record, owner, age, is_late, is_left, attempts } = kept;
    let branches = record.branches.into_iter().map(|it| {
        let server = asked.iter().find(|server| *server.address == *it.place.scheme);
        XaBranch {
            branch: it.branch,
            server: server.map_or_else(|| it.place.scheme.as_str().into(), |it| it.name.clone()),
            prepared: server.and_then(Asked::listed).map(|listed| listed.contains(&it.xid)),
            xid: it.xid,
            state: it.state,
            settled: it.settled,
        }
    });
    XaRecord {
        branches: branches.collect(),
        gtrid: record.gtrid,
        trx: record.trx,
        state: record.state,
        decision: record.decision,
        finished: record.finished,
        owner,
        age,
        is_late,
        is_left,
        attempts,
        given_up: max_attempts.is_some_and(|most| attempts >= most),
    }
}

fn servers(asked: Vec<Asked>, known: &HashSet<Xid>) -> Vec<XaServer> {
    let server = |it: Asked| XaServer {
        name: it.name,
        role: it.role,
        address: it.address,
        prepared: it.answer.unwrap_or_else(|| Ok(Vec::new())).map(|listed| sorted(listed, known)),
    };
    asked.into_iter().map(server).collect()
}

fn sorted(listed: Vec<Xid>, known: &HashSet<Xid>) -> XaPrepared {
    let mut prepared = XaPrepared::default();
    for xid in listed {
        if known.contains(&xid) {
            prepared.known.push(xid);
        } else if xid.is_ours() {
            prepared.unknown.push(xid);
        } else {
            prepared.foreign += 1;
        }
    }
    prepared
}

#[cfg(test)]
mod tests {
    use ms_xa::Tag;

    use super::*;

    fn of(tag: u64) -> Xid {
        Xid::of(&Gtrid::from(7), Tag(tag), BranchIx(0))
    }

    #[test]
    fn branches_are_matched_by_their_exact_names() {
        let foreign = Xid::new(b"7", b"", 1).unwrap();
        let prepared = sorted(vec![of(1), of(2), foreign], &HashSet::from([of(1)]));
        assert_eq!(prepared, XaPrepared { known: vec![of(1)], unknown: vec![of(2)], foreign: 1 });
    }

    #[test]
    fn what_the_original_has_prepared_is_known_when_it_is_on_record() {
        let original = Xid::new(b"7", b"", 1).unwrap();
        assert_eq!(sorted(vec![original.clone()], &HashSet::from([original.clone()])).known, [original]);
    }
}
