//! One row per rule of the filters that narrow, and of callbacks.
#![allow(clippy::unwrap_used, reason = "a broken table is a failed test")]

mod sim;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use ms_filters::{
    Choice, Choices, Failover, Filter, Inputs, Outcome, Pipeline, Random, Request, Rng, Router, Scratch, Server,
    SessionMemory, Settings, Split, Step, Stickiness, Topology, Transaction, user_fn, user_multi_fn,
};
use sim::{Sim, script::chain};

const STICKY: fn(&mut Settings) = |it| it.stickiness = Stickiness::On;

// Node groups.

#[test]
fn only_a_block_comment_that_is_a_name_byte_for_byte_names_a_group() {
    for (statement, expected) in [
        ("/*near*/ SELECT 1", "b"),
        ("  /*near*/SELECT 1", "b"),
        ("/**/ /*other*/ /*near*/ SELECT 1", "b"),
        ("/*ms=slave*/ /*near*/ SELECT 1", "b"),
        ("/*near*/ /*ms=slave*/ SELECT 1", "b"),
        ("/*near*/ /*ms=slave*/ SET @a = 1", "b"),
        ("/*near*/ SET @a = 1", "m2"),
        ("/*near*/ /*ms=master*/ SELECT 1", "m2"),
        ("/*!odd*/ SELECT 1", "b"),
        // None of these names it, so the first of all serves them.
        ("SELECT 1", "a"),
        ("/* near*/ SELECT 1", "a"),
        ("/*near */ SELECT 1", "a"),
        ("/*Near*/ SELECT 1", "a"),
        ("/*nea*/ SELECT 1", "a"),
        ("/*nearer*/ SELECT 1", "a"),
        ("#near\nSELECT 1", "a"),
        ("-- near\nSELECT 1", "a"),
        ("/*!near*/ SELECT 1", "a"),
        ("SELECT /*near*/ 1", "a"),
        ("SELECT 1 /*near*/", "a"),
    ] {
        let mut sim = Sim::with_filters("m1 m2 | a b", chain("groups near=1|1; !odd=0|1; far=0|0, roundrobin", ""));
        assert_eq!(sim.run(statement), expected, "{statement}");
    }
}

#[test]
fn the_first_comment_that_names_a_group_counts() {
    let mut sim = Sim::with_filters("m | a b", chain("groups A=0|0; B=0|1, roundrobin", ""));
    sim.story("/*B*//*A*/SELECT 1 => b \n /*A*//*B*/SELECT 1 => a \n /*C*//*B*//*A*/SELECT 1 => b");
}

#[test]
fn a_group_of_all_servers_takes_turns_with_statements_without_a_group() {
    let mut sim = Sim::with_filters("m | a b c", chain("groups all=0|2 1 0; two=0|0 1, roundrobin", ""));
    sim.story("SELECT 1 => a \n /*all*/SELECT 1 => b \n /*two*/SELECT 1 => a \n SELECT 1 => c \n /*two*/SELECT 1 => b");
}

#[test]
fn a_group_narrows_what_is_left_and_adds_nothing() {
    let mut sim = Sim::with_filters("m | a b c", chain("user_multi, groups two=0|0 1, roundrobin", "0|1 1 2"));
    sim.story("3x /*two*/SELECT 1 => b \n 6x SELECT 1 => exactly b 2, c 1");
}

#[test]
fn a_group_without_the_side_a_statement_needs() {
    let mut sim = Sim::with_filters("m | a", chain("groups no_primary=|0; no_replica=0|, roundrobin", ""));
    sim.story("/*no_primary*/SET @a=1 => no_primary \n warns 0 masters to choose from");
    sim.story("/*no_replica*/SELECT 1 => no_replica \n warns 0 slaves to choose from");
    let nobody = || chain("user_multi, groups b=0|1, roundrobin", "0|0");
    Sim::with_filters("m | a b", nobody()).story("/*b*/SELECT 1 => no_replica");
    Sim::with_filters("m | a b", nobody()).failover("master").story("/*b*/SELECT 1 => m");
}

#[test]
fn a_pinned_transaction_is_not_narrowed() {
    for filter in ["groups far=1|1", "strong", "session", "eventual"] {
        let mut sim = Sim::with_filters("m1 m2 | a b", chain(&format!("{filter}, roundrobin"), "")).settings(STICKY);
        sim.servers.open.extend([sim.ix("m1"), sim.ix("a")]);
        sim.story("tx pinned m1 \n 2x /*far*/SELECT 1 => m1 \n tx pinned a \n 2x /*far*/SELECT 1 => a");
        let told = format!("{} (pinned) -> 2 primaries and 2 replicas", sim.router.pipeline().name(0));
        assert!(sim.line().contains(&told), "{}", sim.line());
    }
}

#[test]
fn without_stickiness_a_transaction_is_narrowed_as_ever() {
    let mut sim = Sim::with_filters("m | a b", chain("groups near=0|1, roundrobin", ""));
    sim.story("tx pinned m \n 2x /*near*/SELECT 1 => b");
}

// Levels of service.

#[test]
fn levels_by_statement() {
    for (level, read, write, replica_hint, primary_hint) in
        [("strong", "m", "m", "m", "m"), ("session", "m", "m", "m", "m"), ("eventual", "a", "m", "a", "m")]
    {
        for (statement, expected) in [
            ("R", read),
            ("W", write),
            ("ms=slave R", replica_hint),
            ("ms=slave W", replica_hint),
            ("ms=master R", primary_hint),
        ] {
            let mut sim = Sim::with_filters("m | a", chain(&format!("{level}, random"), ""));
            assert_eq!(sim.run(statement), expected, "{level} {statement}");
            assert!(sim.warnings.is_empty(), "{level} {statement}: {:?}", sim.warnings);
            // The same where the level is the session's, with and without a configured one.
            for chain_of in ["random", "strong, random", "eventual, random"] {
                let mut sim = Sim::with_filters("m | a", chain(chain_of, ""));
                sim.story(&format!("level {level} \n {statement} => {expected}"));
            }
        }
    }
}

#[test]
fn last_used_means_last_used_under_every_level() {
    for level in ["strong", "session", "eventual"] {
        let mut sim = Sim::with_filters("m | a", chain(&format!("{level}, random"), ""));
        sim.last_used = Some(sim.ix("a"));
        sim.story("ms=last_used R => a \n ms=last_used W => a");
    }
}

#[test]
fn under_a_level_reads_without_replicas_go_to_a_primary_and_nobody_complains() {
    for level in ["strong", "session", "eventual"] {
        let mut sim = Sim::with_filters("m |", chain(&format!("{level}, random"), ""));
        sim.story("R => m \n stats use_slave_guess 1, use_master 1");
        assert!(sim.warnings.is_empty(), "{level}: {:?}", sim.warnings);
        // Also where a later filter took the last replica away.
        let mut sim = Sim::with_filters("m | a", chain(&format!("{level}, user_multi, random"), "0|"));
        sim.story("R => m");
    }
    Sim::with_filters("m |", chain("random", "")).story("R => no_replica");
}

#[test]
fn levels_and_transactions() {
    for (level, read_only) in [("strong", "m"), ("session", "m"), ("eventual", "a")] {
        let mut sim = Sim::with_filters("m | a", chain(&format!("{level}, random"), "")).settings(STICKY);
        sim.story(&format!("tx read_only \n R => {read_only} \n tx begun \n R => m"));
    }
}

#[test]
fn without_splitting_a_level_changes_nothing() {
    for level in ["strong", "session", "eventual"] {
        let filters = chain(&format!("{level}, random"), "");
        let mut sim = Sim::with_filters("m | a", filters).settings(|it| it.split = Split::Disabled);
        sim.story("R => m \n ms=slave R => m \n W => m");
    }
}

#[test]
fn a_level_given_while_running_waits_for_the_end_of_a_pinned_transaction() {
    let mut sim = Sim::with_filters("m | a", chain("random", "")).settings(STICKY);
    sim.servers.open.insert(sim.ix("a"));
    sim.story("level strong \n tx pinned a \n R => a");
    assert_eq!(sim.line(), "read -> pinned -> a");
    sim.story("tx none \n R => m");
}

// Callbacks that pick.

#[test]
fn a_callback_is_told_all_there_is() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let filter = user_fn("shop", "cb", move |call| {
        let list = |it: ms_filters::Listed<'_>| format!("{:?} {}", it, it.names().collect::<Vec<_>>().join(" "));
        sink.lock().unwrap().push(format!(
            "{} `{}` {} | {} last {:?} tx {}",
            call.section,
            String::from_utf8_lossy(call.statement.sql),
            list(call.primaries),
            list(call.replicas),
            call.last_used,
            call.in_transaction,
        ));
        call.replicas.uri(0).into()
    });
    let servers = [
        Server::primary("m").with_uri("tcp://10.0.0.1:3306"),
        Server::replica("a").with_uri("unix:///run/a.sock"),
        Server::replica("b"),
    ];
    let mut one = One::new(servers, Box::new(filter));
    one.run("SELECT 1");
    one.last_used = Some(1);
    one.transaction = Transaction::Begun { read_only: false };
    one.run("/*x*/SET @a = 1");
    assert_eq!(
        *told.lock().unwrap(),
        [
            r#"shop `SELECT 1` ["tcp://10.0.0.1:3306"] m | ["unix:///run/a.sock", "b"] a b last None tx false"#,
            r#"shop `/*x*/SET @a = 1` ["tcp://10.0.0.1:3306"] m | ["unix:///run/a.sock", "b"] a b last Some("unix:///run/a.sock") tx true"#,
        ]
    );
}

#[test]
fn a_uri_is_found_among_primaries_first_in_any_letter_case() {
    let servers = || {
        [
            Server::primary("m").with_uri("tcp://Host:1"),
            Server::replica("a").with_uri("tcp://host:1"),
            Server::replica("b").with_uri("tcp://host:2"),
            Server::replica("c").with_uri("tcp://host:2"),
        ]
    };
    for (uri, expected) in [("TCP://HOST:1", "m"), ("tcp://host:2", "b"), ("tcp://host:", "callback_unknown_server")] {
        let filter = user_fn("shop", "cb", move |_| Choice::from(uri));
        assert_eq!(One::new(servers(), Box::new(filter)).run("SELECT 1"), expected, "{uri}");
    }
}

#[test]
fn a_callback_is_answered_for_by_nobody_else() {
    let mut sim = Sim::with_filters("m! | a! b", chain("user", "s0, m0")).failover("loop 0 remember");
    sim.story("W => connect a \n warns Callback chose a but connection failed");
    assert_eq!(sim.tries, ["a"]);
    sim.story("R => connect m \n stats use_slave_callback 1, use_master_callback 1, use_slave 0, use_master 0");
    assert!(sim.warnings.is_empty(), "{:?}", sim.warnings);
}

#[test]
fn a_callback_chooses_among_the_candidates_only() {
    let mut sim = Sim::with_filters("m | a b", chain("groups near=0|1, user", "uri:a, s0")).failover("loop 0");
    sim.story("/*near*/SELECT 1 => callback_unknown_server \n /*near*/SELECT 1 => b");
}

#[test]
fn a_callback_is_called_in_a_pinned_transaction_too_unless_it_is_bound_as_well() {
    let mut sim = Sim::with_filters("m | a", chain("user", "s0")).settings(STICKY);
    sim.story("tx pinned m \n W => a");
    sim.settings.pins_picks = true;
    sim.servers.open.insert(sim.ix("m"));
    sim.story("W => m");
    let mut sim = Sim::with_filters("m | a b", chain("user_multi, roundrobin", "nothing")).settings(STICKY);
    sim.servers.open.insert(sim.ix("a"));
    sim.story("tx pinned a \n R => no_master");
}

#[test]
fn what_the_original_classifier_said_is_there_to_be_asked() {
    for (statement, splits, answers_last) in [
        ("SELECT 1", true, "a"),
        ("SET @a=1", true, "m1"),
        ("/*ms=slave*/SET @a=1", true, "a"),
        ("/*ms=last_used*/SET @a=1", true, "m2"),
        ("SELECT 1", false, "m1"),
        ("/*ms=slave*/SELECT 1", false, "m1"),
        ("/*ms=last_used*/SELECT 1", false, "m2"),
    ] {
        let mut sim = Sim::with_filters("m1 m2 | a", chain("user", "m0/s0/m1"));
        if !splits {
            sim.settings.split = Split::Disabled;
        }
        assert_eq!(sim.run(statement), answers_last, "{statement} {splits}");
    }
}

#[test]
fn a_callback_that_panics_fails_its_statement_only() {
    let mut sim = Sim::with_filters("m | a", chain("user", "panic, s0")).failover("master");
    sim.story("R => no_connection \n warns Failed to call 'cb' \n R => a");
    let mut sim = Sim::with_filters("m | a", chain("user_multi, roundrobin", "panic, all")).failover("master");
    sim.story("R => no_master \n warns Failed to call 'cb' \n R => a");
}

#[test]
fn a_callback_that_nobody_registered_fails_every_statement_and_says_so() {
    for failover in ["disabled", "master", "loop"] {
        let mut sim = Sim::with_filters("m | a", chain("user nobody", "")).failover(failover);
        sim.story("2x R => no_connection \n warns Specified callback (nosuch) is not a valid callback");
        let mut sim = Sim::with_filters("m | a", chain("user_multi nobody, random", "")).failover(failover);
        sim.story("2x R => no_master \n warns Failed to call 'nosuch'");
    }
}

// Callbacks that narrow.

#[test]
fn positions_are_put_in_order_and_cut_off_at_the_first_wrong_one() {
    const BIG: Option<&str> = Some("Server id is too big");
    const NEGATIVE: Option<&str> = Some("Server id is either negative or not a number");
    for (answer, primaries, replicas, warning) in [
        ("0 1|0 1 2", "m1 m2", "a b c", None),
        ("1 0|2 0", "m1 m2", "a c", None),
        ("0|1 1 0", "m1", "a b b", None),
        ("0|7 1 0", "m1", "a b", BIG),
        ("0|3", "m1", "", BIG),
        ("0|9223372036854775807", "m1", "", BIG),
        ("0|1 -1", "m1", "", NEGATIVE),
        ("-9223372036854775808|0", "", "a", NEGATIVE),
        ("0|-1 7", "m1", "", NEGATIVE),
        ("2|0 1", "", "a b", BIG),
        ("|0", "", "a", None),
    ] {
        let mut sim = Sim::with_filters("m1 m2 | a b c", chain("user_multi, roundrobin", answer));
        let mut turns = |statement: &str, list: &str| {
            for expected in list.split_whitespace() {
                assert_eq!(sim.run(statement), expected, "{answer}: {statement}");
                assert_eq!(sim.warnings.len(), usize::from(warning.is_some()), "{answer}: {:?}", sim.warnings);
                assert!(sim.warnings.iter().all(|it| it.contains(warning.unwrap())), "{answer}: {:?}", sim.warnings);
            }
            if list.is_empty() {
                assert_eq!(sim.run(statement).split('_').next(), Some("no"), "{answer}: {statement}");
            }
        };
        turns("W", primaries);
        turns("R", replicas);
    }
}

#[test]
fn an_answer_that_is_no_list_leaves_nobody() {
    const NO_LIST: &str = "has not returned a list of servers to use. The callback must return an array";
    const INVALID: &str = "has returned an invalid list of servers to use. The callback must return an array";
    for (answer, warning) in [("nothing", NO_LIST), ("malformed", INVALID), ("|", INVALID)] {
        let story = |expected: &str| format!("R => {expected} \n warns User multi filter callback {warning}");
        Sim::with_filters("m1 m2 | a", chain("user_multi, roundrobin", answer)).story(&story("no_candidate"));
        // The primaries stand in, by the balancer and with its failover.
        let mut sim = Sim::with_filters("m1! m2 | a", chain("user_multi, roundrobin", answer)).failover("loop");
        sim.story(&story("m2"));
        assert_eq!(
            sim.line().split(" -> ").take(3).collect::<Vec<_>>(),
            ["read", "user_multi (callback answer)", "nobody"]
        );
    }
    let mut sim = Sim::with_filters("m | a", chain("user_multi, roundrobin", "5|5"));
    sim.story("R => no_candidate");
    assert_eq!(sim.warnings.len(), 2, "one for each list: {:?}", sim.warnings);
}

#[test]
fn a_single_server_is_no_short_cut() {
    let mut sim = Sim::with_filters("m | a b", chain("user_multi, roundrobin", "|1"));
    sim.story("R => b \n W => no_primary \n ms=master R => no_primary");
    let mut sim = Sim::with_filters("m | a b", chain("user_multi, roundrobin", "0|"));
    sim.story("W => m \n R => no_replica");
}

#[test]
fn a_callback_is_called_once_whatever_is_tried() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let all = user_multi_fn("shop", "cb", |_| {
        CALLS.fetch_add(1, Relaxed);
        Choices::All
    });
    let filters: Vec<Box<dyn Filter>> = vec![Box::new(all), Box::new(Random::new())];
    Sim::with_filters("m | a! b! c!", filters).failover("loop 0").story("R => m");
    assert_eq!(CALLS.load(Relaxed), 1);
}

#[test]
fn a_callback_sees_what_the_filters_before_it_left() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let spy = user_multi_fn("shop", "cb", move |call| {
        sink.lock().unwrap().push((call.primaries.len(), call.replicas.len()));
        Choices::positions([0], [])
    });
    let mut filters = chain("strong, groups near=0|0", "");
    filters.extend([Box::new(spy) as Box<dyn Filter>, Box::new(Random::new())]);
    let mut sim = Sim::with_filters("m1 m2 | a b", filters);
    sim.story("R => m1 \n /*near*/SELECT 1 => m1");
    assert_eq!(*told.lock().unwrap(), [(2, 0), (1, 0)]);
}

// What is said about it.

#[test]
fn decisions_name_the_filter_and_why() {
    let mut sim = Sim::with_filters("m | a b", chain("eventual, groups near=0|1, user_multi, roundrobin", "0|0"));
    sim.run("/*near*/SELECT 1");
    assert_eq!(
        sim.line(),
        "read -> quality_of_service (level eventual) -> 1 primary and 2 replicas -> node_groups (group) -> 1 primary and \
         1 replica -> user_multi -> 1 primary and 1 replica -> 1 replica -> roundrobin -> b -> opened"
    );
    let mut sim = Sim::with_filters("m | a", chain("strong, user nobody", ""));
    sim.run("R");
    assert_eq!(
        sim.line(),
        "read -> quality_of_service (level strong) -> 1 primary -> user (callback missing) -> 1 primary"
    );
    sim.level = Some(ms_filters::Quality::Eventual);
    sim.run("R");
    assert_eq!(
        sim.line(),
        "read -> level eventual -> 1 primary and 1 replica -> quality_of_service (level replaced) -> 1 primary and \
         1 replica -> user (callback missing) -> 1 primary and 1 replica"
    );
}

#[test]
fn a_warning_that_nobody_took_is_forgotten_with_its_statement() {
    let mut sim = Sim::with_filters("m | a", chain("random", ""));
    sim.scratch.warnings().push("of a statement that was dropped");
    sim.story("R => a");
    assert!(sim.warnings.is_empty(), "{:?}", sim.warnings);
}

// Helpers.

/// A router whose servers have addresses, with all of them open.
struct One {
    router: Router,
    last_used: Option<usize>,
    transaction: Transaction,
}

impl One {
    fn new(servers: impl IntoIterator<Item = Server>, filter: Box<dyn Filter>) -> Self {
        let pipeline = Pipeline::new(vec![filter]).unwrap();
        let router = Router::new(Topology::new(servers).unwrap(), pipeline, Failover::default());
        One { router, last_used: None, transaction: Transaction::None }
    }

    fn run(&mut self, sql: &str) -> String {
        let statement = ms_hints::Statement::parse(sql.as_bytes(), &ms_hints::Options::default());
        let mut request = Request::new(&statement);
        let ix = |it: usize| ms_filters::ServerIx::new(u16::try_from(it).unwrap());
        (request.last_used, request.transaction) = (self.last_used.map(ix), self.transaction);
        let cluster = self.router.cluster_memory();
        let mut inputs = Inputs {
            request: &request,
            view: &sim::Servers::default(),
            now: std::time::Duration::ZERO,
            rng: &mut Rng::from_seed(1),
            session: &mut SessionMemory::default(),
            cluster: &cluster,
            scratch: &mut Scratch::default(),
            sink: None,
        };
        let (mut attempt, step) = self.router.start(&mut inputs);
        let step = match step {
            Step::Open(_) => self.router.after(&mut attempt, &mut inputs, Outcome::Opened),
            step => step,
        };
        match step {
            Step::Use(server) => self.router.topology().server(server).name().to_owned(),
            Step::Fail(why) => why.reason().code().to_owned(),
            step => panic!("{step:?}"),
        }
    }
}
