//! Chains of filters by name, and callbacks that answer by a script.
//!
//! A chain is `strong, user_multi, roundrobin`. A script is a list of answers, `s1, m0, uri:nobody`, of which each call
//! takes the next; behind the last one it stays there, or begins anew where the script ends with `...`.
//!
//! An answer for `user` is the position of a primary or a replica, `last` for the server used last, `nothing`, `panic`, or
//! three of them for a statement that is for primaries, for replicas and for the last server: `m0/s1/last`. One for
//! `user_multi` is two lists of positions, `0 1|0`, or `all`, `malformed`, `nothing`, `panic`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use ms_filters::{
    Call, Choice, Choices, Filter, NodeGroup, NodeGroups, Quality, QualityOfService, Random, RoundRobin, User,
    UserMulti, user_fn, user_multi_fn,
};
use ms_hints::Route;

struct Script {
    answers: Vec<String>,
    repeats: bool,
    calls: AtomicUsize,
}

impl Script {
    fn new(text: &str) -> Arc<Self> {
        let mut answers: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).collect();
        let repeats = answers.last().is_some_and(|it| it == "...");
        if repeats {
            answers.pop();
        }
        Arc::new(Script { answers, repeats, calls: AtomicUsize::new(0) })
    }

    fn next(&self) -> &str {
        let call = self.calls.fetch_add(1, Relaxed);
        let count = self.answers.len();
        &self.answers[if self.repeats { call % count } else { call.min(count - 1) }]
    }
}

/// The filters of a chain; `script` is what its callbacks answer.
pub fn chain(names: &str, script: &str) -> Vec<Box<dyn Filter>> {
    names.split(',').map(|it| filter(it.trim(), script)).collect()
}

fn filter(name: &str, script: &str) -> Box<dyn Filter> {
    let script = Script::new(script);
    match name {
        "random" => Box::new(Random::new()),
        "sticky" => Box::new(Random::sticky()),
        "roundrobin" => Box::new(RoundRobin::new()),
        "strong" => Box::new(QualityOfService::new(Quality::Strong)),
        "session" => Box::new(QualityOfService::new(Quality::Session)),
        "eventual" => Box::new(QualityOfService::new(Quality::Eventual)),
        "user" => Box::new(user_fn("shop", "cb", move |call| choice(call, script.next()))),
        "user_multi" => Box::new(user_multi_fn("shop", "cb", move |_| choices(script.next()))),
        "user nobody" => Box::new(User::unregistered("nosuch")),
        "user_multi nobody" => Box::new(UserMulti::unregistered("nosuch")),
        other => match other.strip_prefix("groups ") {
            Some(groups) => Box::new(NodeGroups::new(groups.split(';').map(group))),
            None => panic!("no filter `{other}`"),
        },
    }
}

/// `A=0 1|2` has the first two primaries and the third replica.
fn group(text: &str) -> NodeGroup {
    let (name, members) = text.split_once('=').expect("NAME=PRIMARIES|REPLICAS");
    let (primaries, replicas) = lists(members);
    let positions = |it: Vec<i64>| it.into_iter().map(|it| usize::try_from(it).unwrap()).collect();
    NodeGroup { name: name.trim().to_owned(), primaries: positions(primaries), replicas: positions(replicas) }
}

fn choice<'a>(call: Call<'a>, answer: &str) -> Choice<'a> {
    let answer = match (answer.split('/').collect::<Vec<_>>().as_slice(), call.target()) {
        ([primary, _, _], Route::Primary) => *primary,
        ([_, replica, _], Route::Replica) => *replica,
        ([_, _, last], Route::LastUsed) => *last,
        _ => answer,
    };
    match answer {
        "nothing" => Choice::Nothing,
        "panic" => panic!("as the script says"),
        "last" => call.last_used.into(),
        answer => match (answer.strip_prefix('m'), answer.strip_prefix('s'), answer.strip_prefix("uri:")) {
            (_, _, Some(uri)) => uri.to_owned().into(),
            (Some(position), _, _) => call.primaries.uri(position.parse().unwrap()).into(),
            (_, Some(position), _) => call.replicas.uri(position.parse().unwrap()).into(),
            _ => panic!("no answer `{answer}`"),
        },
    }
}

fn choices(answer: &str) -> Choices {
    match answer {
        "nothing" => Choices::Nothing,
        "malformed" => Choices::Malformed,
        "panic" => panic!("as the script says"),
        "all" => Choices::All,
        lists_of_positions => {
            let (primaries, replicas) = lists(lists_of_positions);
            Choices::Positions { primaries, replicas }
        }
    }
}

fn lists(text: &str) -> (Vec<i64>, Vec<i64>) {
    let (primaries, replicas) = text.split_once('|').expect("PRIMARIES|REPLICAS");
    let list = |it: &str| it.split_whitespace().map(|it| it.parse().unwrap()).collect();
    (list(primaries), list(replicas))
}
