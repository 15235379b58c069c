//! A section with one server only, so that the server can be asked by itself.
//!
//! A cluster connects to its servers as statements need them and stops at the first that fails. To learn about each
//! server, each gets a cluster of its own, made of the same entry: so what is tried is what a service would try, with
//! the same account, encryption and set-up.

use ms_config::{Role, Secret, Section, Server, Tls, TlsMode};
use serde_json::{Map, Value, json};

/// The name of the section in the text.
pub(crate) const SECTION: &str = "server";

/// A configuration file with one section, and in it `server`.
pub(crate) fn config_text(section: &Section, server: &Server) -> String {
    let name = server.name.to_string();
    let servers = json!({ name: entry(server) });
    let (primaries, replicas) = match server.name.role() {
        Role::Primary => (servers, json!({})),
        Role::Replica => (json!({}), servers),
    };
    let mut one = Map::new();
    one.insert("master".to_owned(), primaries);
    one.insert("slave".to_owned(), replicas);
    one.insert("lazy_connections".to_owned(), json!(0));
    one.insert("compat".to_owned(), json!(section.switches.compat.as_str()));
    one.insert("init".to_owned(), json!(section.init));
    if let Some(charset) = &section.server_charset {
        one.insert("server_charset".to_owned(), json!(charset.as_str()));
    }
    json!({ SECTION: one }).to_string()
}

fn entry(server: &Server) -> Value {
    let mut entry = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            entry.insert(key.to_owned(), value);
        }
    };
    set("host", Some(json!(server.host)));
    set("port", server.port.map(Value::from));
    set("socket", server.socket.as_ref().map(|it| json!(it)));
    set("user", server.user.as_ref().map(|it| json!(it)));
    set("password", server.password.as_ref().map(secret));
    set("db", server.db.as_ref().map(|it| json!(it)));
    set("connect_flags", server.connect_flags.map(Value::from));
    set("tls", Some(tls(&server.tls)));
    Value::Object(entry)
}

fn secret(secret: &Secret) -> Value {
    match secret {
        Secret::Literal(password) => json!(password),
        Secret::Env(variable) => json!({ "env": variable }),
        Secret::File(path) => json!({ "file": path }),
        // A kind of secret that came after this was written: without it the server will say that it is missing.
        _ => Value::Null,
    }
}

fn tls(tls: &Tls) -> Value {
    let mode = match tls.mode {
        TlsMode::Disabled => "disabled",
        TlsMode::Preferred => "preferred",
        TlsMode::Required => "required",
        TlsMode::VerifyCa => "verify_ca",
        TlsMode::VerifyIdentity => "verify_identity",
    };
    let mut object = Map::new();
    object.insert("mode".to_owned(), json!(mode));
    for (key, path) in [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)] {
        if let Some(path) = path {
            object.insert(key.to_owned(), json!(path));
        }
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use ms_config::Config;

    use super::*;

    #[test]
    fn nothing_of_the_entry_is_lost() {
        check(r#"{"host": "10.0.0.1"}"#);
        check(
            r#"{"host": "10.0.0.1", "port": 3307, "user": "app", "password": "a\"b", "db": "shop", "connect_flags": 2}"#,
        );
        check(r#"{"host": "localhost", "socket": "/run/db.sock", "password": {"env": "SECRET"}}"#);
        check(r#"{"host": "h", "password": {"file": "/run/secret"}, "tls": {"mode": "verify_ca", "ca": "/ca.pem"}}"#);
    }

    /// Writes a replica's entry out and reads it again.
    #[track_caller]
    fn check(entry: &str) {
        let text = format!(
            r#"{{"s": {{"master": {{"p": {{"host": "p"}}}}, "slave": {{"r": {entry}}}, "init": ["DO 1"],
                "server_charset": "utf8mb4", "compat": "classic"}}}}"#
        );
        let file = Config::parse(&text).config;
        let section = file.section("s").unwrap();
        let written = &section.replicas[0];

        let parsed = Config::parse(&config_text(section, written));
        assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
        let one = parsed.config.section(SECTION).unwrap();
        assert!(one.primaries.is_empty() && one.replicas.len() == 1);
        let mut read = one.replicas[0].clone();
        read.position = written.position;
        assert_eq!(&read, written);
        assert_eq!((&one.init, &one.server_charset), (&section.init, &section.server_charset));
        assert_eq!((one.switches.compat, one.lazy_connections), (section.switches.compat, false));
    }
}
