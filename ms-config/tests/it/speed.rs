use std::{fmt::Write, time::Instant};

use ms_config::Config;

/// Names, weights and groups of many servers must not be compared each with each, and positions in one long line not
/// be counted from its start. The limit is generous: what it must catch is a hundred times slower.
#[test]
fn ten_thousand_servers_in_one_line_are_read_in_linear_time() {
    let text = many(10_000);
    let started = Instant::now();
    let parsed = Config::parse(&text);
    let elapsed = started.elapsed();
    assert!(!parsed.has_errors());
    assert_eq!(parsed.config.section("shop").expect("the section").replicas.len(), 10_000);
    assert!(elapsed.as_millis() < 2_000, "{elapsed:?}");
}

/// `cargo test -p ms-config --test it -- --ignored --nocapture speed` prints what `README.md` quotes.
#[test]
#[ignore = "prints a measurement"]
fn a_thousand_servers() {
    let text = many(1_000);
    let mut times: Vec<_> = (0..21)
        .map(|_| {
            let started = Instant::now();
            assert!(!Config::parse(&text).has_errors());
            started.elapsed()
        })
        .collect();
    times.sort();
    println!("median {:?}, fastest {:?}, slowest {:?}", times[10], times[0], times[20]);
}

/// A section of one primary and `count` replicas with weights and groups, in one line.
fn many(count: usize) -> String {
    let mut servers = String::new();
    let mut weights = String::from(r#""main": 1"#);
    let mut members = String::new();
    for index in 0..count {
        let comma = if index == 0 { "" } else { ", " };
        write!(servers, r#"{comma}"replica{index}": {{"host": "10.0.0.{index}", "port": 3306, "user": "app"}}"#)
            .expect("a string takes everything");
        write!(weights, r#", "replica{index}": {index}"#).expect("a string takes everything");
        write!(members, r#"{comma}"replica{index}""#).expect("a string takes everything");
    }
    format!(
        r#"{{"shop": {{"master": {{"main": {{"host": "10.0.0.1"}}}}, "slave": {{{servers}}}, "filters": {{"node_groups": {{"all": {{"master": ["main"], "slave": [{members}]}}}}, "random": {{"weights": {{{weights}}}}}}}}}}}"#
    )
}
