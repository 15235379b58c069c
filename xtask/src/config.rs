//! The configuration file of a test cluster.
//!
//! One section, `test`, with the servers under their own names and everything else at its default, so that a test that needs a filter
//! or a switch starts from what a plain user would have.

use serde_json::{Map, Value, json};

use crate::cluster::{Role, Server};

/// The text of `ms.json` for these servers.
#[must_use]
pub fn ms_json(servers: &[Server]) -> String {
    text(servers.iter().map(|it| (it.name(), it.role(), it.port())))
}

fn text<'a>(servers: impl Iterator<Item = (&'a str, Role, u16)>) -> String {
    let (mut primaries, mut replicas) = (Map::new(), Map::new());
    for (name, role, port) in servers {
        let list = if role == Role::Primary { &mut primaries } else { &mut replicas };
        list.insert(
            name.to_owned(),
            json!({ "host": "127.0.0.1", "port": port, "user": "app", "password": "app", "db": "test" }),
        );
    }
    // The original's words for the two lists: they are what users have in their files.
    let file: Value = json!({ "test": { "master": primaries, "slave": replicas } });
    format!("{file:#}\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn lists_servers_under_their_names_in_order() {
        let servers =
            [("primary", Role::Primary, 3306), ("replica2", Role::Replica, 3308), ("replica1", Role::Replica, 3307)];
        expect![[r#"
            {
              "test": {
                "master": {
                  "primary": {
                    "host": "127.0.0.1",
                    "port": 3306,
                    "user": "app",
                    "password": "app",
                    "db": "test"
                  }
                },
                "slave": {
                  "replica2": {
                    "host": "127.0.0.1",
                    "port": 3308,
                    "user": "app",
                    "password": "app",
                    "db": "test"
                  },
                  "replica1": {
                    "host": "127.0.0.1",
                    "port": 3307,
                    "user": "app",
                    "password": "app",
                    "db": "test"
                  }
                }
              }
            }
        "#]]
        .assert_eq(&text(servers.into_iter()));
    }

    #[test]
    fn a_cluster_without_replicas_has_an_empty_list() {
        let parsed: Value = serde_json::from_str(&text([("server1", Role::Primary, 1)].into_iter())).unwrap();
        assert_eq!(parsed["test"]["slave"], json!({}));
    }
}
