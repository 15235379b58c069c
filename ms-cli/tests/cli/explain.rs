use expect_test::{Expect, expect};

use crate::run::{Folder, SHOP};

#[test]
fn a_read_goes_to_a_replica() {
    check(
        "read",
        &["SELECT * FROM orders"],
        &expect![[r#"
            SELECT * FROM orders
            is a read: it reads and mentions nothing that has an effect (`SELECT`)
            goes to copy1 (replica)
            read (it reads and mentions nothing that has an effect) -> 2 replicas -> roundrobin -> copy1 -> opened

            steps
               by          reason                         leads to
            1  router      its text only reads            1 primary, 2 replicas
            2  router      its text only reads            2 replicas
            3  roundrobin  its turn                       `copy1`
            4  router      a connection to it was opened  `copy1`

            candidates, before anything is asked
            server  role     share
            copy1   replica  50.0 %  next
            copy2   replica  50.0 %

            would be asked
            - `copy1`: a connection
            exit code 0
        "#]],
    );
}

#[test]
fn a_write_goes_to_the_primary() {
    check(
        "write",
        &["SELECT price(id) FROM orders"],
        &expect![[r#"
            SELECT price(id) FROM orders
            is a write: it calls a function that is not known to only read (`price`)
            goes to main (primary)
            write (it calls a function that is not known to only read) -> 1 primary -> roundrobin -> main -> opened

            steps
               by          reason                         leads to
            1  router      its text writes, or may        1 primary, 2 replicas
            2  router      its text writes, or may        1 primary
            3  roundrobin  the only candidate left        `main`
            4  router      a connection to it was opened  `main`

            candidates, before anything is asked
            server  role     share
            main    primary  100.0 %  next

            would be asked
            - `main`: a connection
            exit code 0
        "#]],
    );
}

#[test]
fn another_replica_takes_over_from_one_that_is_down() {
    check(
        "down",
        &["--assume", "copy1=down,lag=3", "SELECT 1"],
        &expect![[r#"
            SELECT 1
            is a read: it reads and mentions nothing that has an effect (`SELECT`)
            goes to copy2 (replica)
            read (it reads and mentions nothing that has an effect) -> 2 replicas -> roundrobin -> copy1 -> open failed -> roundrobin -> copy2 -> opened

            steps
               by          reason                         leads to
            1  router      its text only reads            1 primary, 2 replicas
            2  router      its text only reads            2 replicas
            3  roundrobin  its turn                       `copy1`
            4  router      it could not be reached        `copy1`
            5  roundrobin  its turn                       `copy2`
            6  router      a connection to it was opened  `copy2`

            candidates, before anything is asked
            server  role     share
            copy1   replica  50.0 %  down
            copy2   replica  50.0 %

            would be asked
            - `copy1`: a connection, which fails
            - `copy2`: a connection
            exit code 0
        "#]],
    );
}

#[test]
fn a_statement_without_a_server_is_a_finding() {
    check(
        "last-used",
        &["/*ms=last_used*/ SELECT 1"],
        &expect![[r#"
            /*ms=last_used*/ SELECT 1
            is a read: it reads and mentions nothing that has an effect (`SELECT`)
            has a hint that asks for the connection used last
            gets no server: no connection was used before (No connection selected by the last filter)
            hint last used

            steps
               by      reason                                    leads to
            1  router  a hint asks for the connection used last  1 primary, 2 replicas
            exit code 1
        "#]],
    );
}

#[test]
fn a_transaction_is_told_what_it_cannot_do_yet() {
    check(
        "transaction",
        &["--in-transaction", "/*ms=replica*/ UPDATE orders SET paid = 1"],
        &expect![[r#"
            /*ms=replica*/ UPDATE orders SET paid = 1
            is a write: this kind of statement is not on the list of reads (`UPDATE`)
            has a hint that asks for a replica
            goes to main (primary)
            hint replica -> transaction on primary -> 1 primary -> roundrobin -> main -> opened

            steps
               by          reason                              leads to
            1  router      a hint asks for a replica           1 primary, 2 replicas
            2  router      a transaction keeps to one primary  1 primary
            3  roundrobin  the only candidate left             `main`
            4  router      a connection to it was opened       `main`

            candidates, before anything is asked
            server  role     share
            main    primary  100.0 %  next

            would be asked
            - `main`: a connection
            exit code 0
        "#]],
    );
}

#[test]
fn json_has_the_same_facts() {
    let folder = Folder::with_config("explain-json", SHOP);
    let args = ["explain", "-c", "ms.json", "-s", "shop", "--json", "--assume", "copy1=down", "SELECT 1 /*x*/"];
    let ended = folder.run(&args);
    let [object] = ended.json().try_into().unwrap();
    expect![[r#"
        {
          "section": "shop",
          "sql": "SELECT 1 /*x*/",
          "access": "read",
          "cause": {
            "code": "only_reads",
            "text": "it reads and mentions nothing that has an effect",
            "sql": "SELECT"
          },
          "hints": {
            "route": null,
            "level": null
          },
          "tables": null,
          "server": "copy2",
          "role": "replica",
          "error": null,
          "why": "read (it reads and mentions nothing that has an effect) -> 2 replicas -> roundrobin -> copy1 -> open failed -> roundrobin -> copy2 -> opened",
          "reasons": [
            {
              "filter": null,
              "reason": "read",
              "text": "its text only reads",
              "primaries": 1,
              "replicas": 2
            },
            {
              "filter": null,
              "reason": "read",
              "text": "its text only reads",
              "primaries": 0,
              "replicas": 2
            },
            {
              "filter": "roundrobin",
              "reason": "turn",
              "text": "its turn",
              "server": "copy1"
            },
            {
              "filter": null,
              "reason": "open_failed",
              "text": "it could not be reached",
              "server": "copy1"
            },
            {
              "filter": "roundrobin",
              "reason": "turn",
              "text": "its turn",
              "server": "copy2"
            },
            {
              "filter": null,
              "reason": "opened",
              "text": "a connection to it was opened",
              "server": "copy2"
            }
          ],
          "removed": [],
          "candidates": [
            {
              "server": "copy1",
              "role": "replica",
              "share": 0.5,
              "next": true,
              "down": true
            },
            {
              "server": "copy2",
              "role": "replica",
              "share": 0.5,
              "next": false,
              "down": false
            }
          ],
          "asked": [
            {
              "connect": "copy1",
              "fails": true
            },
            {
              "connect": "copy2",
              "fails": false
            }
          ],
          "note": null
        }
    "#]].assert_eq(&format!("{object:#}\n"));
    assert_eq!(ended.code, Some(0));
}

#[test]
fn rules_for_tables_are_asked_about_the_tables_it_names() {
    let rules = r#"{"shop.log%": {"master": ["main"], "slave": ["copy2"]}, "shop.o%": {"master": ["main"]}}"#;
    let config = SHOP.replace("\"roundrobin\": []", &format!("\"table\": {{\"rules\": {rules}}}, \"roundrobin\": []"));
    let folder = Folder::with_config("explain-tables", &config);
    let shown = |sql: &str| folder.run(&["explain", "-c", "ms.json", sql]).stdout;
    let found = shown("SELECT * FROM shop.log2025 AS l");
    assert!(found.contains("names table shop.log2025\n"), "{found}");
    assert!(found.contains("-> table (table rules) -> 1 primary and 1 replica ->"), "{found}");
    assert!(found.contains("goes to copy2"), "{found}");
    assert!(shown("SELECT 1").contains("names no table\n"));
    assert!(shown("FROM x").contains("names tables that cannot be found in its text\n"));

    let refused = folder.run(&["explain", "-c", "ms.json", "--json", "SELECT 1 FROM shop.log1, shop.users"]);
    assert_eq!(refused.code, Some(1));
    assert_eq!(refused.json()[0]["tables"], serde_json::json!(["shop.log1", "shop.users"]));
    let error = refused.json()[0]["error"].to_string();
    assert!(error.contains("Couldn't find the appropriate master connection. Something is wrong"), "{error}");
    assert!(error.contains("table `shop.users` by the rules `shop.filters.table.rules`"), "{error}");
}

#[test]
fn what_the_session_did_before_counts() {
    let config = SHOP.replace("\"failover\"", "\"master_on_write\": 1, \"failover\"");
    let folder = Folder::with_config("explain-session", &config);
    let server = |options: &[&str]| {
        let ended = folder.run(&[&["explain", "-c", "ms.json", "--json"], options].concat());
        ended.json()[0]["server"].clone()
    };
    assert_eq!(server(&["SELECT 1"]), "copy1");
    assert_eq!(server(&["--after-write", "SELECT 1"]), "main");
    assert_eq!(server(&["--last-used", "copy2", "SHOW WARNINGS"]), "copy2");
    assert_eq!(server(&["SHOW WARNINGS"]), "main");
}

#[test]
fn the_same_seed_gives_the_same_server_and_shares_follow_weights() {
    let config =
        SHOP.replace("\"roundrobin\": []", "\"random\": {\"weights\": {\"copy1\": 3, \"copy2\": 1, \"main\": 1}}");
    let folder = Folder::with_config("explain-seed", &config);
    let explain = |seed: u32| {
        let seed = seed.to_string();
        let ended = folder.run(&["explain", "-c", "ms.json", "--json", "--seed", &seed, "SELECT 1"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.json().remove(0)
    };
    let shares: Vec<_> = explain(0)["candidates"].as_array().unwrap().iter().map(|it| it["share"].clone()).collect();
    assert_eq!(shares, [0.75, 0.25]);
    assert_eq!(explain(7), explain(7));
    let servers: std::collections::BTreeSet<_> = (0..40).map(|seed| explain(seed)["server"].to_string()).collect();
    assert_eq!(servers.len(), 2, "other seeds give other servers: {servers:?}");
}

#[test]
fn the_mode_of_the_environment_is_a_reason() {
    let folder = Folder::with_config("explain-mode", SHOP);
    let explain = |mode: &str| {
        let arguments = ["explain", "-c", "ms.json", "-s", "shop", "--json", "SELECT 1"];
        let output = folder.ms(&arguments).env("MYSQL_MS_MODE", mode).output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (json["server"].as_str().unwrap().to_owned(), json["why"].as_str().unwrap().to_owned())
    };
    let (server, why) = explain("primary_only");
    assert_eq!(server, "main");
    assert!(why.contains("-> mode primary only -> 1 primary"), "{why}");
    let (server, why) = explain("observe");
    assert_eq!(server, "main");
    assert!(why.contains("-> roundrobin -> copy1 -> mode observe -> 1 primary"), "{why}");
    assert_eq!(explain("auto").0, "copy1");
}

#[track_caller]
fn check(test: &str, arguments: &[&str], expected: &Expect) {
    let folder = Folder::with_config(&format!("explain-{test}"), SHOP);
    let ended = folder.run(&[&["explain", "-c", "ms.json", "-s", "shop"], arguments].concat());
    expected.assert_eq(&ended.transcript());
}
