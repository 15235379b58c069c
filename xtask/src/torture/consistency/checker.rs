//! Operations in, broken promises out.
//!
//! Each read is held against three demands, each of them a version it must have seen at least:
//!
//! - *read your writes*: the newest version of the key that its scope had written, with success, when the read began, or that was
//!   handed over to it;
//! - *monotonic reads*: the newest version that its scope had read by then;
//! - *bounded staleness*: the newest version anybody had written when the read began, less the age.
//!
//! What was written to a primary that died and whose successor does not have it is *lost*. Reads before the death must see it;
//! after it nobody can. Then a scope has to be told, once, and is owed no more; a scope that is not told and reads something
//! older believes that its write is undone, which is a broken promise as well.
//!
//! A scope may also be told of doubt: its primary cannot be asked how far a write was, and so no replica can be asked for it.
//! Whoever was told that is owed nothing of what was before.
//!
//! What cannot be decided from the outside is decided for the library: a write without an acknowledgement may be seen and need not, and
//! so may one whose server died between question and answer.

use std::{collections::HashMap, time::Duration};

use self::{demands::Demands, fates::Fates};
use super::history::{Deed, History, Key, Operation, Promise, Scope, Version};

mod demands; // what a scope must see, by key
mod fates; // which writes are lost

/// How a read broke what was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Broken {
    /// It missed a write of its own scope.
    ReadYourWrites,
    /// It missed what the same scope had read before.
    MonotonicReads,
    /// It missed a write that is older than the age.
    Staleness,
    /// It missed a write of its own scope that is lost, and nobody had said so.
    SilentLoss,
    /// It missed what the same scope had read before and that is lost, and nobody had said so.
    SilentReturn,
    /// It saw a version that nobody had written.
    Invented,
}

impl Broken {
    pub(crate) const ALL: [Self; 6] = [
        Self::ReadYourWrites,
        Self::MonotonicReads,
        Self::Staleness,
        Self::SilentLoss,
        Self::SilentReturn,
        Self::Invented,
    ];

    /// In words.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::ReadYourWrites => "read your writes",
            Self::MonotonicReads => "monotonic reads",
            Self::Staleness => "bounded staleness",
            Self::SilentLoss => "a lost write nobody spoke of",
            Self::SilentReturn => "a lost version read before, nobody spoke of it",
            Self::Invented => "a version nobody wrote",
        }
    }
}

/// A version that has to be seen, and the operation that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) version: Version,
    pub(crate) by: usize,
}

/// A read with what it was held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Its place in [`History::operations`].
    pub(crate) read: usize,
    /// What its scope had written to the key, if anything.
    pub(crate) own: Option<Demand>,
    /// What it did not see, and must have by any of the three demands, whether that was promised or not.
    pub(crate) missed: Vec<(Broken, Demand)>,
}

/// Judges every read; ages of scopes that are promised nothing are held against `age`.
pub(crate) fn check(history: &History, age: Duration) -> Vec<Judged> {
    Checker::new(history, age).run()
}

/// Whether this is something that the scope was promised not to happen.
pub(crate) fn is_promised(promise: Promise, broken: Broken) -> bool {
    match (promise, broken) {
        (_, Broken::Invented) => true,
        (Promise::Nothing, _) => false,
        (Promise::MaxAge(_), broken) => broken == Broken::Staleness,
        (Promise::Session, broken) => broken != Broken::Staleness,
        (Promise::OwnWrites, broken) => matches!(broken, Broken::ReadYourWrites | Broken::SilentLoss),
        // It looks at what is there and asks nobody what there was.
        (Promise::Strong, broken) => !matches!(broken, Broken::SilentLoss | Broken::SilentReturn),
    }
}

/// Beginnings come first: what ends when something else begins was not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    Begins,
    Ends,
}

struct Checker<'h> {
    history: &'h History,
    age: Duration,
    fates: Fates,
    /// When each scope was told that something is lost: beginning and end.
    told: HashMap<Scope, Vec<(Duration, Duration)>>,
    /// The same for what may be missing.
    doubts: HashMap<Scope, Vec<(Duration, Duration)>>,
    /// What each scope wrote, and what it read.
    written: HashMap<Scope, Demands>,
    seen: HashMap<Scope, Demands>,
    /// What was under way to another scope.
    handed: HashMap<usize, [Demands; 2]>,
    /// The end and the place of every acknowledged write, by key and in the order of their ends.
    acknowledged: HashMap<Key, Vec<(Duration, Demand)>>,
    judged: Vec<Judged>,
}

impl<'h> Checker<'h> {
    fn new(history: &'h History, age: Duration) -> Self {
        let (mut told, mut doubts): (HashMap<_, Vec<_>>, HashMap<_, Vec<_>>) = Default::default();
        let mut acknowledged: HashMap<_, Vec<_>> = HashMap::new();
        for (index, it) in history.operations.iter().enumerate() {
            match it.deed {
                Deed::ToldOfLoss => told.entry(it.scope).or_default().push((it.began, it.ended)),
                Deed::ToldOfDoubt => doubts.entry(it.scope).or_default().push((it.began, it.ended)),
                Deed::Wrote { key, version } => {
                    acknowledged.entry(key).or_default().push((it.ended, Demand { version, by: index }));
                }
                _ => {}
            }
        }
        acknowledged.values_mut().for_each(|it| it.sort_by_key(|(ended, _)| *ended));
        Self {
            history,
            age,
            fates: Fates::of(history),
            told,
            doubts,
            written: HashMap::new(),
            seen: HashMap::new(),
            handed: HashMap::new(),
            acknowledged,
            judged: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Judged> {
        let operations = &self.history.operations;
        let edges = |(index, it): (usize, &Operation)| [(it.began, Edge::Begins, index), (it.ended, Edge::Ends, index)];
        let mut timeline: Vec<_> = operations.iter().enumerate().flat_map(edges).collect();
        timeline.sort_unstable();
        for (_, edge, index) in timeline {
            let it = &operations[index];
            match (edge, it.deed) {
                (Edge::Begins, Deed::Read { key, seen, .. }) => self.judge(index, it, key, seen),
                (Edge::Begins, Deed::HandedOver { .. }) => self.pick_up(index, it),
                (Edge::Ends, Deed::HandedOver { to }) => self.put_down(index, to),
                (Edge::Ends, Deed::Wrote { key, version }) => {
                    let fate = self.fates.of_version(key, version);
                    self.written.entry(it.scope).or_default().add(key, Demand { version, by: index }, fate);
                }
                (Edge::Ends, Deed::Read { key, seen, .. }) => {
                    let fate = self.fates.of_version(key, seen);
                    self.seen.entry(it.scope).or_default().add(key, Demand { version: seen, by: index }, fate);
                }
                _ => {}
            }
        }
        self.judged.sort_unstable_by_key(|it| it.read);
        self.judged
    }

    fn judge(&mut self, index: usize, read: &Operation, key: Key, seen: Version) {
        let mut missed = Vec::new();
        let own = self.demand(&self.written, read, key);
        if let Some(own) = own.filter(|it| seen < it.version) {
            let lost = self.is_lost_before(read, key, own.version);
            missed.push((if lost { Broken::SilentLoss } else { Broken::ReadYourWrites }, own));
        }
        if let Some(before) = self.demand(&self.seen, read, key).filter(|it| seen < it.version) {
            let lost = self.is_lost_before(read, key, before.version);
            missed.push((if lost { Broken::SilentReturn } else { Broken::MonotonicReads }, before));
        }
        if let Some(newest) = self.newest(read, key).filter(|it| seen < it.version) {
            missed.push((Broken::Staleness, newest));
        }
        if !self.fates.is_written(key, seen, read.ended) {
            missed.push((Broken::Invented, Demand { version: seen, by: index }));
        }
        self.judged.push(Judged { read: index, own, missed });
    }

    /// The newest that a read must see by what its scope did.
    fn demand(&self, of: &HashMap<Scope, Demands>, read: &Operation, key: Key) -> Option<Demand> {
        let counts = |it: &Demand| match self.fates.lost_in(key, it.version) {
            _ if self.is_doubted(read.scope, it, read.ended) => false,
            Some(loss) if read.ended >= loss.killing => !self.was_told(read.scope, loss.killing, read.ended),
            _ => true,
        };
        of.get(&read.scope)?.newest(key, counts)
    }

    /// The newest that a read must see by its age.
    fn newest(&self, read: &Operation, key: Key) -> Option<Demand> {
        let age = match self.history.scopes[read.scope.index()] {
            Promise::MaxAge(age) => age,
            Promise::Strong => Duration::ZERO,
            Promise::Nothing => self.age,
            Promise::Session | Promise::OwnWrites => return None,
        };
        let writes = self.acknowledged.get(&key)?;
        let until = read.began.checked_sub(age)?;
        let before = writes.partition_point(|(ended, _)| *ended < until);
        let counts = |it: &Demand| {
            let lost_later = |killing| read.ended < killing;
            self.fates.is_certain(key, it.version)
                && self.fates.lost_in(key, it.version).is_none_or(|loss| lost_later(loss.killing))
        };
        writes[..before].iter().rev().map(|(_, demand)| *demand).find(counts)
    }

    /// Whether nobody could answer with this version any more.
    fn is_lost_before(&self, read: &Operation, key: Key, version: Version) -> bool {
        self.fates.lost_in(key, version).is_some_and(|loss| read.ended >= loss.killing)
    }

    fn was_told(&self, scope: Scope, killing: Duration, before: Duration) -> bool {
        let told = self.told.get(&scope).map_or(&[][..], Vec::as_slice);
        told.iter().any(|(began, ended)| *ended >= killing && *began <= before)
    }

    /// Whether the scope was told, by then, that what it did before may be missing.
    fn is_doubted(&self, scope: Scope, demand: &Demand, by: Duration) -> bool {
        let made = self.history.operations[demand.by].ended;
        let doubts = self.doubts.get(&scope).map_or(&[][..], Vec::as_slice);
        doubts.iter().any(|(began, ended)| made <= *ended && *began <= by)
    }

    /// A position says what its scope has written, was given and has read when it is asked for.
    fn pick_up(&mut self, index: usize, giving: &Operation) {
        // What the giver was told of is not in it any more.
        let is_owed = |key, demand: &Demand| {
            let loss = self.fates.lost_in(key, demand.version);
            loss.is_none_or(|loss| !self.was_told(giving.scope, loss.killing, giving.ended))
                && !self.is_doubted(giving.scope, demand, giving.ended)
        };
        let copy = |of: &HashMap<_, Demands>| of.get(&giving.scope).map(|it| it.only(is_owed)).unwrap_or_default();
        let both = [copy(&self.written), copy(&self.seen)];
        self.handed.insert(index, both);
    }

    fn put_down(&mut self, index: usize, to: Scope) {
        if let Some([written, seen]) = self.handed.remove(&index) {
            self.written.entry(to).or_default().merge(written, &self.fates);
            self.seen.entry(to).or_default().merge(seen, &self.fates);
        }
    }
}

#[cfg(test)]
mod tests;
