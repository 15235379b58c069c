use sqlx_mysql::MySqlConnectOptions;

use super::*;
use crate::credentials::Password;
use crate::pool::target::{Address, Charset, Configured, Tls};

#[test]
fn a_configured_replica_hears_everything_in_one_message() {
    check(
        configured(),
        Belt::ReadOnly,
        &["SET lc_time_names='de_DE';", "", "DO 1 -- why not"],
        &["the session's settings", "the read-only belt", "init statement 1", "init statement 3", "the probe"],
        "SET sql_mode=(SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION')),time_zone='+00:00',\
         NAMES utf8mb4\n;SET SESSION TRANSACTION READ ONLY\n;SET lc_time_names='de_DE'\n;DO 1 -- why not\n;",
    );
}

#[test]
fn ready_made_options_have_spoken_for_themselves() {
    check(Dial::ready(MySqlConnectOptions::new()), Belt::Off, &[], &["the probe"], "");
}

#[track_caller]
fn check(dial: Dial, belt: Belt, init: &[&str], names: &[&str], script: &str) {
    let init = init.iter().map(|it| Arc::from(*it)).collect();
    let setup = Setup::new(&Target { server: "db".into(), dial, belt, init });
    assert_eq!(setup.steps.iter().map(|it| &*it.name).collect::<Vec<_>>(), names);
    assert_eq!(&*setup.script, format!("{script}{PROBE}"));
}

fn configured() -> Dial {
    Dial::Configured(Box::new(Configured {
        address: Address::Tcp { host: "db".to_owned(), port: 3306 },
        user: "app".into(),
        credentials: Arc::new(Password::NONE),
        database: None,
        charset: Charset::default(),
        tls: Tls::default(),
    }))
}
