use expect_test::{Expect, expect};

use crate::run::{Folder, SHOP};

#[test]
fn a_good_file_is_described() {
    check(
        "good",
        SHOP,
        &[],
        &expect![[r#"
            shop: 1 primary, 2 replicas; roundrobin; failover to other replicas, then the primary (max_retries 1)

            compat strict (the default) in `shop`
              - a statement is a read when it provably changes nothing: `SELECT … FOR UPDATE`, `INTO`, functions that are not known and everything doubtful go to the primary
              - own functions that only read go to replicas when `read_functions` lists them; it lists none
              - a transaction keeps to one server: a primary, or a replica if it is read-only; SQL text that begins or ends one is seen in a session
              - in a session statements go where their temporary tables, variables and locks are; time zone, SQL mode and the like are set on all its connections
              - a read whose connection breaks before it has answered is run once more
              - connections to replicas are read only (`SET SESSION TRANSACTION READ ONLY`): a write that gets there is refused with error 1792, and a read that turns out to write runs on the primary instead
              - the service level is session: a read goes to a replica that has what its reader wrote (through `&Cluster` the process, through a scope the request), waits for one for a moment, or goes to the primary
              - a server that cannot be reached is left out by all sessions for 10 seconds, up to a minute when it fails again, while another one is left (`retry_after_s`, `"remember_failed": 0`)

            ms.json: 1 section, 0 errors, 0 warnings
            exit code 0
        "#]],
    );
}

#[test]
fn every_problem_is_told_with_its_place() {
    let config = r#"{
    "shop": {
        "master": {"main": {"host": "127.0.0.1"}},
        "slave": {"copy": {"host": "127.0.0.1", "prot": 3307}}
    },
    "broken": {
        "master": {"main": {"host": ""}},
        "failover": "sideways"
    }
}"#;
    check(
        "problems",
        config,
        &[],
        &expect![[r#"
            ms.json:4:49: warning: shop.slave.copy.prot: unknown key `prot` is ignored; did you mean `port`?
            ms.json:6:15: error: broken: Section [slave] doesn't exist for host [broken]; accepted: `slave`, `replica`, `replicas`: an object or an array of servers
            ms.json:7:37: error: broken.master.main.host: Cannot find [host] in [master] section in config; accepted: an object with at least `host`
            ms.json:8:21: warning: broken.failover: unknown strategy `sideways`; read as `disabled`, as the original did; accepted: `disabled`, `master`, `loop_before_master`, `primary`, `loop_before_primary`

            shop: 1 primary, 1 replica; random (sticky); no failover
            broken: cannot be used, see above

            compat strict (the default) in `shop`
              - a statement is a read when it provably changes nothing: `SELECT … FOR UPDATE`, `INTO`, functions that are not known and everything doubtful go to the primary
              - own functions that only read go to replicas when `read_functions` lists them; it lists none
              - a transaction keeps to one server: a primary, or a replica if it is read-only; SQL text that begins or ends one is seen in a session
              - in a session statements go where their temporary tables, variables and locks are; time zone, SQL mode and the like are set on all its connections
              - a read whose connection breaks before it has answered is run once more
              - connections to replicas are read only (`SET SESSION TRANSACTION READ ONLY`): a write that gets there is refused with error 1792, and a read that turns out to write runs on the primary instead
              - the service level is session: a read goes to a replica that has what its reader wrote (through `&Cluster` the process, through a scope the request), waits for one for a moment, or goes to the primary
              - a server that cannot be reached is left out by all sessions for 10 seconds, up to a minute when it fails again, while another one is left (`retry_after_s`, `"remember_failed": 0`)

            ms.json: 2 sections, 2 errors, 2 warnings
            exit code 3
        "#]],
    );
}

#[test]
fn strict_turns_warnings_into_errors() {
    let config = r#"{"shop": {"master": {"main": {"host": "h"}}, "slave": {"r": {"host": "h"}}, "fliters": {}}}"#;
    let folder = Folder::with_config("strict", config);
    assert_eq!(folder.run(&["check", "ms.json"]).code, Some(0));
    assert_eq!(folder.run(&["check", "--strict", "ms.json"]).code, Some(3));
}

#[test]
fn classic_has_nothing_to_wait_for() {
    let config = r#"{"shop": {"master": {"main": {"host": "h"}}, "slave": {"r": {"host": "h"}}, "compat": "classic"}}"#;
    check(
        "classic",
        config,
        &[],
        &expect![[r#"
            shop: 1 primary, 1 replica; random (sticky); no failover

            compat classic (from the section) in `shop`
              - a statement is a read when its first token is `SELECT`: `SELECT … FOR UPDATE` and functions that write go to replicas, `SHOW` and `WITH … SELECT` to the primary
              - nothing keeps such a write from changing a replica: its connections stay as they are
              - `BEGIN`, `COMMIT` and `SET autocommit` sent as SQL text are not seen: statements of such a transaction are still split; use the API's `begin()`
              - a read that needs a variable, temporary table or lock of its session is routed like any other read
              - `trx_stickiness` is off: what `start_transaction` begins does not bind reads to its server, `begin()` does
              - the service level is eventual: a replica may not have yet what was just written, and is not waited for; in a session `"master_on_write": 1` avoids it, elsewhere `db.primary()`

            ms.json: 1 section, 0 errors, 0 warnings
            exit code 0
        "#]],
    );
}

#[test]
fn the_environment_has_a_say() {
    let folder = Folder::with_config("environment", SHOP);
    let run = |name: &str, value: &str| {
        let output = folder.ms(&["check"]).env("MYSQL_MS_CONFIG_FILE", "ms.json").env(name, value).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, stdout) = run("MYSQL_MS_COMPAT", "classic");
    assert_eq!(code, Some(0));
    assert!(stdout.contains("compat classic (from MYSQL_MS_COMPAT) in `shop`"), "{stdout}");

    let (code, stdout) = run("MYSQL_MS_COMPAT", "strickt");
    assert_eq!(code, Some(3));
    assert!(stdout.starts_with("environment: error: MYSQL_MS_COMPAT:"), "{stdout}");
    assert!(stdout.contains("1 section, 1 error, 0 warnings"), "it is said once: {stdout}");
}

#[test]
fn bounds_on_the_lag_are_accepted() {
    let config = SHOP.replace(
        "\"roundrobin\": []",
        "\"quality_of_service\": {\"eventual_consistency\": {\"age\": 5}}, \"random\": []",
    );
    let monitor = r#""monitor": {"heartbeat": {"table": "ops.heartbeat"}}, "filters""#;
    let folder = Folder::with_config("check-bounds", &config.replace("\"filters\"", monitor));
    let ended = folder.run(&["check", "--strict", "ms.json"]);
    assert!(
        ended.stdout.starts_with("shop: 1 primary, 2 replicas; quality_of_service -> random; "),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.code, Some(0));
}

#[track_caller]
fn check(test: &str, config: &str, options: &[&str], expected: &Expect) {
    let folder = Folder::with_config(&format!("check-{test}"), config);
    let ended = folder.run(&[&["check", "ms.json"], options].concat());
    expected.assert_eq(&ended.transcript());
}

#[test]
fn own_filters_are_taken_on_trust() {
    let chain = |filters: &str| SHOP.replace("{\"roundrobin\": []}", filters);
    let run = |filters: &str, options: &[&str]| {
        let folder = Folder::with_config("check-own-filters", &chain(filters));
        folder.run(&[&["check", "ms.json"], options].concat())
    };
    let ended = run(r#"{"zone_aware": {"zones": {}}}"#, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains("warning: shop.filters.zone_aware: unknown filter `zone_aware`"), "{}", ended.stdout);
    assert!(ended.stdout.contains("registers with `Builder::filter`"), "{}", ended.stdout);
    assert_eq!(run(r#"["zone_aware"]"#, &["--strict"]).code, Some(3), "nobody vouches for it");
    let ended = run(r#"["near", "zone_aware"]"#, &["--strict", "--own-filter", "zone_aware", "--own-filter", "near"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains("; near -> zone_aware;"), "{}", ended.stdout);
    let ended = run(r#"["roundrobbin"]"#, &[]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stdout.contains("did you mean `roundrobin`?"), "{}", ended.stdout);
}
