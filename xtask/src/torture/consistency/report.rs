//! What a run has shown, in numbers and, where a promise was broken, in a story.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Run,
    checker::{self, Broken, Demand, Judged},
    history::{Deed, History, Operation, Promise},
    sightings::Sightings,
};
use crate::screen::{Column, Screen, failures, text};

/// Violations of a kind that are told in full.
const TOLD: usize = 3;
/// What a scope did in between is told as far as this.
const BETWEEN: usize = 6;
/// Fewer reads at risk than one in so many pairs prove little.
const RISK: u64 = 10;

/// Scopes that were promised the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Promised,
    OwnWrites,
    Aged,
    Control,
}

impl Group {
    fn title(self) -> &'static str {
        match self {
            Self::Promised => "the level asked for",
            Self::OwnWrites => "own writes only",
            Self::Aged => "nothing older than a second",
            Self::Control => "nothing",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Promised => "promised",
            Self::OwnWrites => "own_writes",
            Self::Aged => "max_age",
            Self::Control => "control",
        }
    }
}

/// The reads of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tally {
    reads: u64,
    /// Writes that were read again by their scope at least once.
    pairs: u64,
    /// Reads that had something of their own scope to see, where a replica lacked it.
    at_risk: u64,
    missed: BTreeMap<Broken, u64>,
}

impl Tally {
    fn of(&self, broken: Broken) -> u64 {
        self.missed.get(&broken).copied().unwrap_or_default()
    }
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation {
    broken: Broken,
    read: usize,
    demand: Demand,
}

/// The numbers of a run.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    tallies: BTreeMap<Group, Tally>,
    violations: Vec<Violation>,
    /// What the scopes of the level asked for were promised.
    promise: Promise,
    told_of_loss: usize,
    told_of_doubt: usize,
    faults: Vec<(&'static str, u32)>,
    lost: usize,
    failures: BTreeMap<String, u64>,
    took: Duration,
}

impl Report {
    /// Of what `notices` is not true for, nobody could be told.
    pub(crate) fn of(run: &Run, promise: Promise, age: Duration, notices: impl Fn(Broken) -> bool) -> Self {
        let judged = checker::check(&run.history, age);
        let mut it = Self {
            tallies: tally(&run.history, &judged, &run.sightings, promise),
            violations: Vec::new(),
            promise,
            told_of_loss: run.history.operations.iter().filter(|it| it.deed == Deed::ToldOfLoss).count(),
            told_of_doubt: run.history.operations.iter().filter(|it| it.deed == Deed::ToldOfDoubt).count(),
            faults: run.faults.iter().map(|(fault, times)| (fault.title(), *times)).collect(),
            lost: run.history.losses.len(),
            failures: run.failures.clone(),
            took: run.took,
        };
        for one in &judged {
            let promise = run.history.scopes[run.history.operations[one.read].scope.index()];
            let counts = |broken| checker::is_promised(promise, broken) && notices(broken);
            let broken = one.missed.iter().filter(|(broken, _)| counts(*broken));
            it.violations.extend(broken.map(|&(broken, demand)| Violation { broken, read: one.read, demand }));
        }
        it
    }

    /// Every promise was kept, and that was worth something.
    pub(crate) fn is_good(&self) -> bool {
        self.violations.is_empty() && self.blind_for().is_empty() && self.is_risky()
    }

    /// What should have been found where nothing was promised.
    fn blind_for(&self) -> Vec<Broken> {
        let found = |broken| self.tallies.get(&Group::Control).is_some_and(|it| it.of(broken) > 0);
        let wanted = [Broken::ReadYourWrites, Broken::MonotonicReads, Broken::Staleness];
        wanted.into_iter().filter(|it| !found(*it)).collect()
    }

    fn is_risky(&self) -> bool {
        let (pairs, at_risk) = self.all_of_level();
        pairs > 0 && at_risk * RISK >= pairs
    }

    /// Pairs of the level asked for, and reads at risk among them.
    fn all_of_level(&self) -> (u64, u64) {
        let groups: &[_] = match self.promise {
            Promise::Nothing => &[Group::Control],
            _ => &[Group::Promised, Group::OwnWrites],
        };
        let tallies = groups.iter().filter_map(|it| self.tallies.get(it));
        tallies.fold((0, 0), |(pairs, at_risk), it| (pairs + it.pairs, at_risk + it.at_risk))
    }

    pub(crate) fn json(&self, title: &str, seed: u64) -> Value {
        let groups: serde_json::Map<_, _> = self
            .tallies
            .iter()
            .map(|(group, it)| {
                let missed: serde_json::Map<_, _> =
                    Broken::ALL.iter().map(|broken| (broken.title().to_owned(), it.of(*broken).into())).collect();
                let value = json!({ "reads": it.reads, "pairs": it.pairs, "at_risk": it.at_risk, "missed": missed });
                (group.key().to_owned(), value)
            })
            .collect();
        json!({
            "run": title,
            "seed": seed,
            "seconds": self.took.as_secs_f64(),
            "violations": self.violations.len(),
            "broken": self.broken(),
            "good": self.is_good(),
            "groups": groups,
            "told_of_loss": self.told_of_loss,
            "told_of_doubt": self.told_of_doubt,
            "failed_statements": self.failures,
            "failovers_with_loss": self.lost,
            "faults": self.faults.iter().map(|(title, times)| json!({ "fault": title, "times": times })).collect::<Vec<_>>(),
        })
    }

    pub(crate) fn show(&self, title: &str, seed: u64, run: &Run, screen: &mut Screen) -> io::Result<()> {
        screen.heading(&format!("Consistency: {title}, seed {seed}, {:.0} s", self.took.as_secs_f32()))?;
        let rows = self.faults.iter().map(|(title, times)| [text(title), text(times.to_string())]);
        screen.table([Column::Text("meanwhile"), Column::Number("times")], rows)?;
        let rows = self.tallies.iter().map(|(group, it)| {
            let missed = |broken| text(it.of(broken).to_string());
            [
                text(group.title()),
                text(it.reads.to_string()),
                text(it.pairs.to_string()),
                text(it.at_risk.to_string()),
                missed(Broken::ReadYourWrites),
                missed(Broken::MonotonicReads),
                missed(Broken::Staleness),
                text((it.of(Broken::SilentLoss) + it.of(Broken::SilentReturn)).to_string()),
                failures(it.of(Broken::Invented)),
            ]
        });
        let [reads, pairs, risk, own, back, old, lost, invented] =
            ["reads", "pairs", "at risk", "own missed", "back in time", "too old", "lost silently", "invented"]
                .map(Column::Number);
        screen.table([Column::Text("promised"), reads, pairs, risk, own, back, old, lost, invented], rows)?;
        let failures: Vec<_> = self.failures.iter().map(|(text, times)| format!("{times} times {text}")).collect();
        screen.paragraph(&format!(
            "Pairs are writes that their scope has read again. A read is at risk when a replica that might have answered lacked, provably, \
             what its scope had written. Scopes were told of lost writes {} times, and {} times of writes that nobody could be asked for. \
             Statements failed: {}.",
            self.told_of_loss,
            self.told_of_doubt,
            if failures.is_empty() { "none".to_owned() } else { failures.join(", ") },
        ))?;
        for it in self.examples(&run.history) {
            screen.alarm(&format!("broken promise: {}", it.broken.title()))?;
            for line in story(it, run) {
                screen.line(&line)?;
            }
        }
        self.close(screen)
    }

    /// How often each kind of promise was broken.
    fn broken(&self) -> serde_json::Map<String, Value> {
        let times = |broken| self.violations.iter().filter(|it| it.broken == broken).count();
        Broken::ALL.iter().map(|it| (it.title().to_owned(), times(*it).into())).collect()
    }

    /// Some violations of each kind, each of another scope.
    fn examples(&self, history: &History) -> Vec<&Violation> {
        let mut examples = Vec::new();
        for kind in Broken::ALL {
            let mut scopes = BTreeSet::new();
            let of_kind = self.violations.iter().filter(|it| it.broken == kind);
            examples.extend(of_kind.filter(|it| scopes.insert(history.operations[it.read].scope)).take(TOLD));
        }
        examples
    }

    fn close(&self, screen: &mut Screen) -> io::Result<()> {
        let blind = self.blind_for();
        if !blind.is_empty() {
            let titles: Vec<_> = blind.iter().map(|it| it.title()).collect();
            screen.alarm(&format!("The run proves nothing: without a promise nobody missed {}.", titles.join(", ")))?;
        }
        if !self.is_risky() {
            screen.alarm("The run proves little: hardly any read was at risk.")?;
        }
        let (pairs, at_risk) = self.all_of_level();
        screen.line(&format!("{} violations in {pairs} pairs, {at_risk} reads at risk", self.violations.len()))
    }
}

fn tally(history: &History, judged: &[Judged], sightings: &Sightings, promise: Promise) -> BTreeMap<Group, Tally> {
    let mut tallies: BTreeMap<Group, Tally> = BTreeMap::new();
    let mut paired = BTreeSet::new();
    for it in judged {
        let read = &history.operations[it.read];
        let Deed::Read { key, .. } = read.deed else {
            continue;
        };
        let group = match history.scopes[read.scope.index()] {
            Promise::Nothing => Group::Control,
            Promise::OwnWrites => Group::OwnWrites,
            Promise::MaxAge(_) => Group::Aged,
            other => {
                debug_assert_eq!(other, promise);
                Group::Promised
            }
        };
        let tally = tallies.entry(group).or_default();
        tally.reads += 1;
        if let Some(own) = it.own {
            tally.pairs += u64::from(paired.insert((read.scope, own.by)));
            tally.at_risk += u64::from(sightings.at_risk(key, own.version, read.began));
        }
        for (broken, _) in &it.missed {
            *tally.missed.entry(*broken).or_default() += 1;
        }
    }
    tallies
}

/// How it came to a violation: the demand, the read, and what happened around them.
fn story(violation: &Violation, run: &Run) -> Vec<String> {
    let operations = &run.history.operations;
    let (read, by) = (&operations[violation.read], &operations[violation.demand.by]);
    let told = |it: &Operation| told(it, run);
    let mut lines = vec![(by.began, told(by)), (read.began, told(read))];
    let Deed::Read { key, .. } = read.deed else {
        return Vec::new();
    };
    // The scope's own life in between, as far as it concerns this key.
    let between = operations.iter().filter(|it| {
        let concerns = match it.deed {
            Deed::Wrote { key: of, .. } | Deed::TriedToWrite { key: of, .. } | Deed::Read { key: of, .. } => of == key,
            Deed::HandedOver { to } => return to == read.scope,
            Deed::ToldOfLoss | Deed::ToldOfDoubt => true,
        };
        concerns && it.scope == read.scope && it.began > by.began && it.began < read.began
    });
    let mut between: Vec<_> = between.collect();
    between.sort_by_key(|it| it.began);
    lines.extend(between.iter().rev().take(BETWEEN).map(|it| (it.began, told(it))));
    let around = by.began.saturating_sub(Duration::from_secs(2))..read.ended + Duration::from_millis(200);
    lines.extend(run.diary.iter().filter(|(at, _)| around.contains(at)).map(|(at, text)| (*at, format!("[{text}]"))));
    for (name, list) in &run.sightings.behind {
        let changes = list.iter().filter(|(since, _)| around.contains(since));
        lines
            .extend(changes.map(|(since, server)| (*since, format!("[the name `{name}` leads to server `{server}`]"))));
    }
    lines.sort();
    lines.into_iter().map(|(at, text)| format!("  {:>12.6} s  {text}", at.as_secs_f64())).collect()
}

fn told(it: &Operation, run: &Run) -> String {
    let scope = it.scope.0;
    let took = (it.ended - it.began).as_secs_f64() * 1e3;
    let what = match it.deed {
        Deed::Wrote { key, version } => format!("wrote version {version} of key {key}"),
        Deed::TriedToWrite { key, version } => format!("tried to write version {version} of key {key}"),
        Deed::Read { key, seen, port } => {
            let server = run.ports.get(&port).map_or("nobody known", String::as_str);
            format!("read version {seen} of key {key} from server `{server}`")
        }
        Deed::HandedOver { to } => format!("handed its position to scope {}", to.0),
        Deed::ToldOfLoss => "was told of a loss".to_owned(),
        Deed::ToldOfDoubt => "was told that something may be missing".to_owned(),
    };
    format!("scope {scope} {what} ({took:.1} ms)")
}
