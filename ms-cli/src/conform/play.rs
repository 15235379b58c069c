//! One scenario from beginning to end: databases, fixtures, pool, steps, and everything away again.

use std::{collections::HashMap, time::Duration};

use ms_pool::{Prepared, Session};
use serde_json::Value;
use tokio::time::timeout;

use crate::failure::chain;

use super::{
    check::{Ids, Mismatch, check, check_error},
    open::{Pool, Senses, open},
    outcome::{Failed, Outcome, Used},
    perform::{self, Stop, check_counters, closed, perform},
    scenario::Scenario,
    servers::Place,
    step::{Action, Repeat, Step, action_name},
    substitute::{self, Saved},
    text_rows::Answer,
    world::{Stage, World, WorldError},
};

/// How long a step may take, and so may opening the pool.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// How long cleaning up may take.
const CLEAN_LIMIT: Duration = Duration::from_secs(20);

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed(Failure),
    Skipped(&'static str),
}

/// Where it failed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `step 3: {"sql": …}`, `connect`, `fixtures` …
    pub(crate) step: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

/// A scenario that is being played.
pub(crate) struct Player<'p> {
    pub(crate) stage: Stage<'p>,
    scenario: &'p Scenario,
    pub(crate) senses: Senses,
    /// `None` once it was closed.
    pub(crate) pool: Option<Pool>,
    pub(crate) ids: Ids,
    saved: Saved,
    pub(crate) generation: u32,
    /// By the `id` of the step that prepared them.
    pub(crate) prepared: HashMap<String, Prepared>,
    /// By this step.
    pub(crate) just_prepared: Option<Prepared>,
    properties: HashMap<(String, Option<u64>), Properties>,
    /// The servers write down what they are sent.
    listening: bool,
}

/// What the statement before left on a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    pub(crate) affected: i64,
    pub(crate) insert_id: u64,
    pub(crate) fields: usize,
    pub(crate) error: Option<Failed>,
}

/// Plays a scenario; `Err` is the sentence that says why it is none.
pub(crate) async fn play(scenario: &Value, world: &World) -> Verdict {
    let databases = world.databases();
    let scenario = match Scenario::read(scenario, &world.servers, &databases.db, &databases.db2) {
        Ok(scenario) => scenario,
        Err(error) => return failed("reading it", "a scenario", error),
    };
    if scenario.replicating && !world.servers.replicate() {
        return Verdict::Skipped("it needs servers that replicate, and the servers file names none");
    }
    let _alone = if scenario.is_xa { Some(world.xa.lock().await) } else { None };
    let stage = Stage { world, databases: &databases, replicating: scenario.replicating };
    if scenario.is_pure {
        return run(&scenario, stage).await;
    }
    let prepared = timeout(STEP_LIMIT, stage.create_databases(&scenario.places)).await;
    let verdict = match prepared {
        Ok(Ok(())) => run(&scenario, stage).await,
        Ok(Err(error)) => failed("databases", "databases of its own", chain(&error)),
        Err(_) => failed("databases", "databases of its own", "no answer in time"),
    };
    let cleaned = timeout(CLEAN_LIMIT, clean(&scenario, stage)).await;
    match (verdict, cleaned) {
        (Verdict::Passed, Ok(Err(error))) => failed("cleaning up", "servers as they were", chain(&error)),
        (Verdict::Passed, Err(_)) => failed("cleaning up", "servers as they were", "no answer in time"),
        // An earlier failure explains more.
        (verdict, _) => verdict,
    }
}

fn failed(step: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Verdict {
    Verdict::Failed(Failure { step: step.into(), expected: expected.into(), got: got.into() })
}

async fn clean(scenario: &Scenario, stage: Stage<'_>) -> Result<(), WorldError> {
    if scenario.is_xa {
        stage.forget_branches(&scenario.places).await?;
    }
    stage.drop_databases(&scenario.places).await
}

async fn run(scenario: &Scenario, stage: Stage<'_>) -> Verdict {
    let mut player = Player {
        stage,
        scenario,
        senses: Senses::default(),
        pool: None,
        ids: Ids::new(),
        saved: Saved::new(),
        generation: 0,
        prepared: HashMap::new(),
        just_prepared: None,
        properties: HashMap::new(),
        listening: false,
    };
    let outcome = player.play().await;
    if let Some(pool) = player.pool.take() {
        drop(pool.session);
        pool.cluster.close().await;
    }
    match outcome {
        Ok(()) => Verdict::Passed,
        Err(failure) => Verdict::Failed(failure),
    }
}

impl Player<'_> {
    async fn play(&mut self) -> Result<(), Failure> {
        let prepared = timeout(STEP_LIMIT, self.stage.prepare(&self.scenario.fixtures)).await;
        let prepared = prepared.map_err(|_| late()).and_then(|it| it.map_err(Stop::from));
        prepared.and_then(|it| it.map_err(Stop::NotSupported)).map_err(|stop| stopped("fixtures".to_owned(), stop))?;
        if self.scenario.asks_what_was_sent {
            self.listening = self.stage.listen(&self.scenario.places).await;
        }
        let opened = timeout(STEP_LIMIT, self.open()).await.map_err(|_| late()).and_then(|it| it);
        if !opened.map_err(|stop| stopped("connect".to_owned(), stop))? {
            return Ok(());
        }
        for (step, number) in self.scenario.steps.iter().zip(1..) {
            self.step(step.clone(), &format!("step {number}")).await?;
        }
        Ok(())
    }

    /// Whether there are steps to run.
    async fn open(&mut self) -> Result<bool, Stop> {
        let wanted = &self.scenario.connect.expect;
        let outcome = match open(self.scenario, &self.stage, &self.senses).await {
            Ok(pool) => {
                self.pool = Some(pool);
                Outcome::default()
            }
            Err(error) => Outcome::failed((&error).into()),
        };
        let outcome = Outcome { warnings: self.senses.take_warnings(), ..outcome };
        check_error(wanted.error.as_ref(), &outcome)?;
        let shown = || if outcome.warnings.is_empty() { "no warning".to_owned() } else { outcome.warnings.join("; ") };
        for text in &wanted.warnings {
            if !outcome.warnings.iter().any(|it| it.contains(text)) {
                return Err(Mismatch::new(format!("a warning that contains `{text}`"), shown()).into());
            }
        }
        if wanted.no_warnings && !outcome.warnings.is_empty() {
            return Err(Mismatch::new("no warning", shown()).into());
        }
        check_counters(self, &wanted.stats)?;
        Ok(outcome.error.is_none())
    }

    /// Performs and checks one step; `place` says where it stands.
    async fn step(&mut self, written: Value, place: &str) -> Result<(), Failure> {
        let shown = || format!("{place}: {written}");
        let step = self.read(written.clone()).await.map_err(|stop| stopped(shown(), stop))?;
        if let Action::Repeat(repeat) = &step.action {
            return Box::pin(self.repeat(repeat, place)).await;
        }
        let performed = timeout(STEP_LIMIT, self.perform(&step)).await.map_err(|_| late()).and_then(|it| it);
        performed.map_err(|stop| stopped(shown(), stop))
    }

    async fn repeat(&mut self, repeat: &Repeat, place: &str) -> Result<(), Failure> {
        let outer = self.ids.clone();
        for round in 0..repeat.times {
            for (inner, number) in repeat.steps.iter().zip(1..) {
                let mut inner = inner.clone();
                substitute::round(&mut inner, round);
                self.step(inner, &format!("{place}, round {round}, step {number}")).await?;
            }
            self.ids.clone_from(&outer);
        }
        Ok(())
    }

    /// Replaces stored values and reads the step.
    async fn read(&mut self, mut step: Value) -> Result<Step, Stop> {
        let name = step.as_object().ok_or_else(|| "a step is an object".to_owned()).and_then(|it| action_name(it));
        let name = name.map_err(Stop::Broken)?;
        // The steps of a `repeat` are read one by one, when they run.
        if name != "repeat" && !Action::is_pure(name) {
            if substitute::mentions(&step, "last") && !self.saved.contains_key("last") {
                self.fetch_last().await?;
            }
            substitute::saved(&mut step, &self.saved).map_err(|error| Stop::Broken(error.to_string()))?;
        }
        Step::read(&step).map_err(Stop::Broken)
    }

    async fn fetch_last(&mut self) -> Result<(), Stop> {
        let outcome = perform::last_gtid(self).await?;
        check_error(None, &outcome)?;
        self.keep_last(&outcome);
        Ok(())
    }

    fn keep_last(&mut self, outcome: &Outcome) {
        if let Some(value) = &outcome.value {
            self.saved.insert("last".to_owned(), value.clone());
        }
    }

    async fn perform(&mut self, step: &Step) -> Result<(), Stop> {
        let before = self.count_sent(step).await?;
        self.senses.take_warnings();
        let mut outcome = perform(self, &step.action).await?;
        outcome.warnings = self.senses.take_warnings();
        if let (Some(before), Some(after)) = (before, self.count_sent(step).await?) {
            outcome.sent = Some(after > before);
        }
        check(step, &outcome, &self.ids, &mut self.saved)?;
        // Last: a wrong call is best explained by what came of it.
        if let Some(mismatch) = self.scenario.callbacks.complaint() {
            return Err(mismatch.into());
        }
        if let Action::LastGtid(_) = step.action {
            self.keep_last(&outcome);
        }
        if let (Some(id), Some(prepared)) = (&step.id, self.just_prepared.take()) {
            self.prepared.insert(id.clone(), prepared);
        }
        if let (Some(id), Some(used)) = (&step.id, outcome.used) {
            self.ids.insert(id.clone(), used);
        }
        Ok(())
    }

    /// How often the servers were sent the statement so far, where somebody wants to know and can.
    async fn count_sent(&mut self, step: &Step) -> Result<Option<u64>, Stop> {
        let (Action::Sql(sql) | Action::MultiQuery(sql) | Action::Prepare(sql), true) =
            (&step.action, step.expect.not_sent && self.listening)
        else {
            return Ok(None);
        };
        let mut connections: HashMap<Place, Vec<u64>> = HashMap::new();
        let open: Vec<(String, Option<u64>)> =
            self.session()?.dump_servers().iter().map(|it| (it.address.to_owned(), it.connection_id)).collect();
        for (address, id) in open {
            if let Some(id) = id {
                connections.entry(perform::place_at(self, &address)?).or_default().push(id);
            }
        }
        let mut count = 0;
        for (place, ids) in connections {
            count += self.stage.count_sent(place, &ids, sql).await?;
        }
        Ok(Some(count))
    }

    /// The session, while the pool is open.
    pub(crate) fn session(&mut self) -> Result<&mut Session, Stop> {
        self.pool.as_mut().map(|it| &mut it.session).ok_or_else(closed)
    }

    /// The connection used last.
    pub(crate) fn used(&self) -> Option<Used> {
        let last = self.pool.as_ref()?.session.last_used()?;
        Some(Used {
            alias: last.name.to_owned(),
            role: last.role,
            connection: last.connection_id,
            generation: self.generation,
        })
    }

    /// Remembers what a statement left on the connection it ran on.
    pub(crate) fn note_properties(&mut self, used: Option<&Used>, answer: Result<&Answer, &sqlx::Error>) {
        let Some(used) = used else {
            return;
        };
        let properties = match answer {
            // A result has as many affected rows as rows.
            Ok(it) => Properties {
                affected: i64::try_from(it.affected.max(it.rows.len() as u64)).unwrap_or(i64::MAX),
                insert_id: it.insert_id,
                fields: it.columns,
                error: None,
            },
            Err(error) => Properties { affected: -1, error: Some(error.into()), ..Properties::default() },
        };
        self.properties.insert((used.alias.clone(), used.connection), properties);
    }

    pub(crate) fn properties(&self, used: &Used) -> Properties {
        self.properties.get(&(used.alias.clone(), used.connection)).cloned().unwrap_or_default()
    }
}

fn late() -> Stop {
    Stop::Mismatch(Mismatch::new("an answer within 10 s", "none"))
}

fn stopped(step: String, stop: Stop) -> Failure {
    let (expected, got) = match stop {
        Stop::NotSupported(what) => ("a runner that can do it".to_owned(), format!("not supported yet: {what}")),
        Stop::Broken(why) => ("a step that can be done".to_owned(), why),
        Stop::Mismatch(Mismatch { expected, got }) => (expected, got),
    };
    Failure { step, expected, got }
}
