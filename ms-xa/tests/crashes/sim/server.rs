//! A server as far as branches go, with what was measured on real ones.
//!
//! Prepared branches outlive their session and the server; others do not. Where the flavours differ: while the session that prepared
//! a branch lives, MariaDB denies it to others (1397) and MySQL does not; while that session is ending MariaDB takes the branch off its
//! list for whoever wants it committed or rolled back, and does neither; and it answers `XA ROLLBACK` before it is on disk, so that the
//! branch is prepared again after a crash, unless something else was written in between.

use std::collections::BTreeMap;

use ms_xa::Xid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    MariaDb,
    MySql,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) flavor: Flavor,
    pub(crate) identity: String,
    /// How often it was started.
    pub(crate) run: u32,
    pub(crate) is_up: bool,
    /// It is a member of a Galera cluster.
    pub(crate) refuses_xa: bool,
    pub(crate) prepared: Vec<Prepared>,
    pub(crate) committed: Vec<Xid>,
    /// Rolled back, and not on disk.
    pub(crate) unflushed: Vec<Xid>,
    /// Prepared, with their locks, and on no list.
    pub(crate) hidden: Vec<Xid>,
    sessions: BTreeMap<u64, Option<Open>>,
    last_session: u64,
}

/// A prepared branch.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) xid: Xid,
    holder: Option<Holder>,
}

/// The session that has prepared a branch.
#[derive(Clone, Copy, Debug)]
struct Holder {
    session: u64,
    is_ending: bool,
}

/// A branch that its session takes along.
#[derive(Debug)]
struct Open {
    xid: Xid,
    ended: bool,
    /// A deadlock has undone its work.
    doomed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    Start(Xid),
    Work { deadlocks: bool },
    End(Xid),
    Prepare(Xid),
    Commit(Xid),
    CommitOnePhase(Xid),
    RollBack(Xid),
}

const GONE: u16 = 2013;
const UNKNOWN: u16 = 1397;
const STATE: u16 = 1399;

impl Server {
    pub(crate) fn new(flavor: Flavor, identity: String) -> Self {
        Self {
            flavor,
            identity,
            run: 1,
            is_up: true,
            refuses_xa: false,
            prepared: Vec::new(),
            committed: Vec::new(),
            unflushed: Vec::new(),
            hidden: Vec::new(),
            sessions: BTreeMap::new(),
            last_session: 0,
        }
    }

    pub(crate) fn connect(&mut self) -> Result<u64, u16> {
        if !self.is_up {
            return Err(2003);
        }
        self.last_session += 1;
        self.sessions.insert(self.last_session, None);
        Ok(self.last_session)
    }

    /// The session's client is gone, and it ends in its own time: what it has prepared is half its own, for as long as nobody waits.
    pub(crate) fn end_session(&mut self, session: u64) {
        self.sessions.remove(&session);
        for holder in self.prepared.iter_mut().filter_map(|it| it.holder.as_mut()) {
            holder.is_ending |= holder.session == session;
        }
    }

    /// Somebody ends the session and waits until that is over.
    pub(crate) fn see_session_end(&mut self, session: u64) {
        self.sessions.remove(&session);
        for it in &mut self.prepared {
            it.holder.take_if(|it| it.session == session);
        }
    }

    /// Time goes by: what is ending has ended.
    pub(crate) fn settle(&mut self) {
        for it in &mut self.prepared {
            it.holder.take_if(|it| it.is_ending);
        }
    }

    pub(crate) fn crash(&mut self) {
        self.is_up = false;
        self.sessions.clear();
        let (unflushed, hidden) = (std::mem::take(&mut self.unflushed), std::mem::take(&mut self.hidden));
        for xid in unflushed.into_iter().chain(hidden) {
            self.leave_prepared(xid);
        }
        for it in &mut self.prepared {
            it.holder = None;
        }
    }

    pub(crate) fn restart(&mut self) {
        if !self.is_up {
            self.is_up = true;
            self.run += 1;
        }
    }

    pub(crate) fn is_prepared(&self, xid: &Xid) -> bool {
        self.prepared.iter().any(|it| it.xid == *xid)
    }

    /// The log is written in the order of what happened, so one flush is for all before it.
    pub(crate) fn flush(&mut self) {
        self.unflushed.clear();
    }

    pub(crate) fn list(&self) -> Vec<Xid> {
        self.prepared.iter().map(|it| it.xid.clone()).collect()
    }

    /// Somebody else's branch, whose session is gone.
    pub(crate) fn leave_prepared(&mut self, xid: Xid) {
        self.prepared.push(Prepared { xid, holder: None });
    }

    pub(crate) fn execute(&mut self, session: u64, statement: &Statement) -> Result<(), u16> {
        if !self.sessions.contains_key(&session) {
            return Err(GONE);
        }
        match statement {
            Statement::Start(xid) => {
                if self.refuses_xa {
                    return Err(1235);
                }
                let known = |it: &Option<Open>| it.as_ref().is_some_and(|it| it.xid == *xid);
                if self.is_prepared(xid) || self.sessions.values().any(known) {
                    return Err(1440);
                }
                let open = self.sessions.get_mut(&session).unwrap();
                if open.is_some() {
                    return Err(STATE);
                }
                *open = Some(Open { xid: xid.clone(), ended: false, doomed: false });
                Ok(())
            }
            Statement::Work { deadlocks } => {
                let open = self.sessions.get_mut(&session).unwrap().as_mut().ok_or(STATE)?;
                open.doomed |= deadlocks;
                if *deadlocks { Err(1213) } else { Ok(()) }
            }
            Statement::End(xid) => {
                let doomed = match self.flavor {
                    Flavor::MariaDb => STATE,
                    Flavor::MySql => 1614,
                };
                let open = self.open(session, xid).ok_or(STATE)?;
                open.ended = true;
                if open.doomed { Err(doomed) } else { Ok(()) }
            }
            Statement::Prepare(xid) => {
                self.take_ended(session, xid).ok_or(STATE)?;
                self.flush();
                let holder = Holder { session, is_ending: false };
                self.prepared.push(Prepared { xid: xid.clone(), holder: Some(holder) });
                Ok(())
            }
            Statement::CommitOnePhase(xid) => {
                self.take_ended(session, xid).ok_or(UNKNOWN)?;
                self.flush();
                self.committed.push(xid.clone());
                Ok(())
            }
            Statement::Commit(xid) => {
                if self.take_prepared(session, xid)? {
                    self.flush();
                    self.committed.push(xid.clone());
                }
                Ok(())
            }
            Statement::RollBack(xid) => {
                let flavor = self.flavor;
                let Some(open) = self.open(session, xid) else {
                    if self.take_prepared(session, xid)? && flavor == Flavor::MariaDb {
                        self.unflushed.push(xid.clone());
                    }
                    return Ok(());
                };
                if !open.ended && flavor == Flavor::MySql {
                    return Err(STATE);
                }
                self.sessions.insert(session, None);
                Ok(())
            }
        }
    }

    fn open(&mut self, session: u64, xid: &Xid) -> Option<&mut Open> {
        self.sessions.get_mut(&session)?.as_mut().filter(|it| it.xid == *xid)
    }

    /// Takes a branch that has ended well out of its session.
    fn take_ended(&mut self, session: u64, xid: &Xid) -> Option<()> {
        self.open(session, xid).filter(|it| it.ended && !it.doomed)?;
        self.sessions.insert(session, None);
        Some(())
    }

    /// Takes a prepared branch off the list, if this session may; whether its end is more than an answer.
    fn take_prepared(&mut self, session: u64, xid: &Xid) -> Result<bool, u16> {
        let at = self.prepared.iter().position(|it| it.xid == *xid).ok_or(UNKNOWN)?;
        let other = self.prepared[at].holder.filter(|it| it.session != session && self.flavor == Flavor::MariaDb);
        match other {
            Some(Holder { is_ending: false, .. }) => return Err(UNKNOWN),
            Some(Holder { is_ending: true, .. }) => self.hidden.push(xid.clone()),
            None => {}
        }
        self.prepared.remove(at);
        Ok(other.is_none())
    }
}
