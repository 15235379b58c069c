//! What people write, and what this crate makes of it.

mod config; // files and their sections
mod diagnostics; // how problems read
mod fabric;
mod failover;
mod filters;
mod gtid_injection;
mod monitor; // how far replicas trail
mod primary_budget; // how many reads a primary answers for them
mod properties; // what holds for any text
mod scenarios; // what conformance expects of keys that cannot run yet
mod section; // switches, texts, character sets
mod servers;
mod settings; // environment, section, defaults
mod speed;
mod table; // the filter
mod tokens;
mod transient_errors;
mod xa;

use ms_config::{Config, Parsed, Section, Settings};

/// A section `shop` with two servers and `more` keys.
fn shop(more: &str) -> String {
    format!(r#"{{"shop": {{"master": {{"m": {{"host": "a"}}}}, "slave": {{"s": {{"host": "b"}}}}{more}}}}}"#)
}

/// The section `shop` of a text without any problem.
#[track_caller]
fn accepted(text: &str) -> Section {
    let parsed = Config::parse(text);
    assert_eq!(rendered(&parsed), "", "{text}");
    parsed.config.section("shop").expect("the section").clone()
}

/// The section `shop` of a text with exactly one warning, which contains `warning`.
#[track_caller]
fn warned(text: &str, warning: &str) -> Section {
    let parsed = Config::parse(text);
    let [only] = &parsed.diagnostics[..] else { panic!("{text}\n{}", rendered(&parsed)) };
    assert!(!only.is_error() && only.to_string().contains(warning), "{text}\n{only}");
    parsed.config.section("shop").expect("the section").clone()
}

/// A text whose section `shop` has exactly one error, which contains `error`, and cannot be had.
#[track_caller]
fn refused(text: &str, error: &str) {
    refused_with(text, &Settings::default(), error);
}

#[track_caller]
fn refused_with(text: &str, settings: &Settings, error: &str) {
    let parsed = Config::parse_file("ms.json", text, settings);
    let errors: Vec<_> = parsed.diagnostics.iter().filter(|it| it.is_error()).collect();
    let [only] = &errors[..] else { panic!("{text}\n{}", rendered(&parsed)) };
    assert!(only.to_string().contains(error), "{text}\n{only}");
    let refusal = parsed.config.section("shop").expect_err("a broken section");
    assert!(refusal.to_string().contains(error), "{text}\n{refusal}");
}

fn rendered(parsed: &Parsed) -> String {
    parsed.diagnostics.iter().map(|it| format!("{it}\n")).collect()
}
