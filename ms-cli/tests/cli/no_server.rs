//! Servers that are not there, or are there and say nothing: no wait beyond the configured deadlines.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::run::{Ended, Folder};

/// Long enough for a slow machine, far below what an unbounded wait takes.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn nobody_listens() {
    let port = free_port();
    check("refused", port, &["exec", "-c", "ms.json", "-e", "DO 1"], "2003 (HY000) on `main`");
    check("refused-servers", port, &["servers", "-c", "ms.json"], "cannot be reached");
    check("refused-status", port, &["status", "-c", "ms.json"], "cannot be reached");
    check("refused-gtid", port, &["gtid", "-c", "ms.json"], "cannot be reached");
}

#[test]
fn a_server_accepts_and_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The backlog accepts; nobody ever reads.
    check("silent", port, &["exec", "-c", "ms.json", "-e", "DO 1"], "did not accept the connection within 300ms");
    check("silent-servers", port, &["servers", "-c", "ms.json"], "did not accept the connection within 300ms");
}

#[test]
fn errors_are_in_json_as_well() {
    let folder = Folder::with_config("no-server-json", &config(free_port()));
    let ended = folder.run(&["exec", "-c", "ms.json", "--json", "--force", "-e", "DO 1; SELECT 1"]);
    let [write, read] = ended.json().try_into().unwrap();
    assert_eq!((&write["server"], &write["role"]), (&"main".into(), &"primary".into()));
    assert_eq!((&write["error"]["code"], &write["error"]["sqlstate"]), (&2003.into(), &"HY000".into()));
    assert_eq!((&read["server"], &read["rows"]), (&"copy".into(), &serde_json::json!([])));
    assert_eq!(ended.code, Some(4));

    let ended = folder.run(&["servers", "-c", "ms.json", "--json"]);
    let servers = &ended.json()[0]["servers"];
    assert_eq!((&servers[1]["name"], &servers[1]["reachable"]), (&"copy".into(), &false.into()));
    assert_eq!((&servers[1]["error"]["code"], ended.code), (&2003.into(), Some(4)));
}

#[track_caller]
fn check(test: &str, port: u16, arguments: &[&str], stated: &str) {
    let folder = Folder::with_config(&format!("no-server-{test}"), &config(port));
    let started = Instant::now();
    let ended: Ended = folder.run(arguments);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(ended.code, Some(4), "{ended:#?}");
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert!(text.contains(stated), "{text}");
}

fn config(port: u16) -> String {
    format!(
        r#"{{"shop": {{
            "master": {{"main": {{"host": "127.0.0.1", "port": {port}}}}},
            "slave": {{"copy": {{"host": "127.0.0.1", "port": {port}}}}},
            "pool": {{"connect_timeout_ms": 300}}
        }}}}"#
    )
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
