//! `ms xa`: the store's tables, what is prepared, and finishing it. Without servers first, then on those that
//! `cargo xtask test` has started.

use std::env;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::run::{Ended, Folder, SHOP};

/// A store at a port where nobody listens.
const STORE: &str = r#""xa": {"state_store": {"mysql": {"host": "127.0.0.1", "port": 1, "user": "xa", "password": "xa", "db": "xa",
    "global_trx_table": "t", "participant_table": "p", "garbage_collection_table": "g"}}}"#;

#[test]
fn a_section_without_a_store_is_told_how_to_get_one() {
    let folder = Folder::with_config("xa-no-store", SHOP);
    let text = expect![[r#"
        ms: error: section `shop` has no store of global transactions, `xa.state_store`
        ms: help: `"xa": {"state_store": {"mysql": {"host": …, "user": …, "db": …}}}` names a server for it
        exit code 3
    "#]];
    for command in [&["init"][..], &["init", "--print"], &["gc"], &["gc", "--dry-run"]] {
        check(&folder, command, &text);
    }
}

#[test]
fn a_file_that_is_to_be_the_store_is_not_made() {
    let folder = Folder::with_config("xa-no-file", SHOP);
    let text = expect![[r#"
        ms: error: there is no file `gone.sqlite`
        ms: help: the service makes it; `--store-file` takes the path that is given to `Builder::xa_store`
        exit code 3
    "#]];
    for command in [&["list", "--store-file", "gone.sqlite"][..], &["gc", "--store-file", "gone.sqlite"]] {
        check(&folder, command, &text);
    }
}

#[test]
fn nobody_answers() {
    let folder = Folder::with_config("xa-nobody", &with_store(STORE));
    let ended = folder.run(&["xa", "list", "-c", "ms.json", "--json"]);
    let list = &ended.json()[0];
    assert_eq!(
        (ended.code, &list["error"]["code"], &list["records"]),
        (Some(4), &json!(2003), &Value::Null),
        "{list:#}"
    );
    assert_eq!(list["servers"][0]["error"]["code"], 2003, "{list:#}");
    for command in ["init", "gc"] {
        let ended = folder.run(&["xa", command, "-c", "ms.json"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(4), ""), "{ended:?}");
        assert!(ended.stderr.contains("XA state store error"), "{}", ended.stderr);
    }
}

#[test]
fn tables_are_printed_under_the_names_of_the_section() {
    let folder = Folder::with_config("xa-print", &with_store(STORE));
    let print = |more: &[&str]| folder.run(&[&["xa", "init", "-c", "ms.json", "--print"], more].concat());
    let heads = |ended: &Ended| {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let is_head = |it: &&str| it.starts_with("CREATE") || it.starts_with("DROP");
        ended.stdout.lines().filter(is_head).map(str::to_owned).collect::<Vec<_>>()
    };
    let create = ["`t`", "`p`", "`g`"].map(|it| format!("CREATE TABLE IF NOT EXISTS {it} ("));
    let drop = ["`g`", "`p`", "`t`"].map(|it| format!("DROP TABLE IF EXISTS {it};"));
    assert_eq!(heads(&print(&[])), create);
    assert_eq!(heads(&print(&["--upgrade"])), [drop, create].concat());
    assert_eq!(print(&[]).stdout.matches(") ENGINE=InnoDB").count(), 3);
}

#[test]
fn forcing_is_for_upgrades() {
    let folder = Folder::with_config("xa-force", &with_store(STORE));
    let ended = folder.run(&["xa", "init", "-c", "ms.json", "--force"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let ended = folder.run(&["xa", "gc", "-c", "ms.json", "--gtrid", "0x6"]);
    assert!(ended.stderr.contains("pairs of hexadecimal digits") && ended.code == Some(2), "{ended:?}");
}

fn with_store(store: &str) -> String {
    SHOP.replace(r#""failover""#, &format!(r#"{store}, "failover""#))
}

#[track_caller]
fn check(folder: &Folder, command: &[&str], is: &Expect) {
    is.assert_eq(&folder.run(&[&["xa"], command, &["-c", "ms.json"]].concat()).transcript());
}

/// A section over the primary of the test cluster, with a store of this test's own on it.
struct World {
    folder: Folder,
    test: &'static str,
}

impl World {
    fn new(test: &'static str) -> Self {
        let world = Self { folder: Folder::new(&format!("cluster-{test}")), test };
        world.configure("app");
        let [trx, participants, gc] = world.tables();
        world.sql(&format!("DROP TABLE IF EXISTS {gc}, {participants}; DROP TABLE IF EXISTS {trx}"));
        world
    }

    /// The servers' account; the store's has all rights.
    fn configure(&self, user: &str) {
        let url = env::var("MS_TEST_PRIMARY").expect("cargo xtask test sets MS_TEST_PRIMARY");
        let (host, port) = url.split_once('@').unwrap().1.split('/').next().unwrap().rsplit_once(':').unwrap();
        let at = format!(r#""host": "{host}", "port": {port}, "db": "test""#);
        let [trx, participants, gc] = self.tables();
        self.folder.write(
            "ms.json",
            format!(
                r#"{{"s": {{"master": {{"main": {{{at}, "user": "{user}", "password": "{user}"}}}}, "slave": [],
                "xa": {{"state_store": {{"mysql": {{{at}, "user": "app", "password": "app", "global_trx_table": "{trx}",
                "participant_table": "{participants}", "garbage_collection_table": "{gc}"}}}}}}}}}}"#
            ),
        );
    }

    fn tables(&self) -> [String; 3] {
        ["trx", "participants", "gc"].map(|it| format!("{}_{it}", self.test))
    }

    fn xa(&self, arguments: &[&str]) -> Ended {
        self.folder.run(&[&["xa"], arguments, &["-c", "ms.json"]].concat())
    }

    fn list(&self) -> (Option<i32>, Value) {
        let ended = self.xa(&["list", "--json"]);
        (ended.code, ended.json().pop().unwrap_or_else(|| panic!("{}", ended.stderr)))
    }

    #[track_caller]
    fn sql(&self, sql: &str) -> Vec<Value> {
        let ended = self.folder.run(&["exec", "-c", "ms.json", "--json", "-e", sql]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.json()
    }

    /// Prepares a branch that inserts a row, and leaves it.
    fn prepare(&self, xid: &str, row: u32) {
        let table = format!("{}_rows", self.test);
        self.sql(&format!("XA START {xid}; INSERT INTO {table} VALUES ({row}); XA END {xid}; XA PREPARE {xid}"));
    }

    /// Writes down a transaction with one branch, as an owner would that has died since.
    fn record(&self, gtrid: &str, decision: &str) {
        let [trx, participants, _] = self.tables();
        let status = self.folder.run(&["status", "-c", "ms.json", "--json"]).json().remove(0);
        let (identity, address) = (&status["servers"][0]["identity"], &status["servers"][0]["address"]);
        self.sql(&format!(
            "INSERT INTO {trx} (gtrid, format_id, tag, started, decision, owner) VALUES ('{gtrid}', 1836275777, 42, UTC_TIMESTAMP() - \
             INTERVAL 90 SECOND, {decision}, 'gone'); INSERT INTO {participants} (fk_store_trx_id, bqual, scheme, server_uuid, state) \
             VALUES (LAST_INSERT_ID(), 'ms-000000000000002a-00000', {address}, {identity}, 'XA_ACTIVE')"
        ));
    }
}

fn xid(gtrid: &str) -> String {
    let hex: String = gtrid.bytes().map(|it| format!("{it:02x}")).collect();
    format!("X'{hex}',X'6d732d303030303030303030303030303032612d3030303030',1836275777")
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn what_is_prepared_is_matched_with_what_is_on_record_and_finished() {
    let world = World::new("cli_xa_list");
    world.sql("DROP TABLE IF EXISTS cli_xa_list_rows; CREATE TABLE cli_xa_list_rows (n INT PRIMARY KEY) ENGINE=InnoDB");
    assert_eq!(world.xa(&["init"]).code, Some(0));
    let foreign = "'cli-foreign','b',7";
    world.prepare(&xid("cli-known"), 1);
    world.prepare(&xid("cli-lost"), 2);
    world.prepare(foreign, 3);
    world.record("cli-known", "'COMMIT'");

    let (code, list) = world.list();
    assert_eq!(code, Some(1), "{list:#}");
    let record = &list["records"][0];
    assert_eq!(
        (&record["gtrid"], &record["decision"], &record["left"]),
        (&json!("cli-known"), &json!("commit"), &json!(true))
    );
    assert_eq!((&record["branches"][0]["server"], &record["branches"][0]["prepared"]), (&json!("main"), &json!(true)));
    let server = &list["servers"][0];
    assert_eq!(
        (&server["known"], &server["unknown"]),
        (&json!([xid("cli-known")]), &json!([xid("cli-lost")])),
        "{list:#}"
    );
    assert!(server["foreign"].as_u64() >= Some(1), "{list:#}");
    assert!(list["oldest_prepared_s"].as_u64().is_some_and(|it| (90..600).contains(&it)), "{list:#}");

    let shown = world.xa(&["list"]).stdout;
    let shown = shown.lines().map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    assert_eq!(shown[0], "transaction age decision finished owner branch server state prepared");
    let row = &shown[1];
    assert!(row.starts_with("cli-known 9") && row.ends_with(" s commit no gone 0 main XA_ACTIVE yes"), "{row}");
    assert!(shown.iter().any(|it| it.starts_with("cli-known: its owner does not show up any more")), "{shown:#?}");

    let planned = world.xa(&["gc", "--dry-run", "--json"]);
    assert_eq!(planned.json()[0]["planned"], json!([{"gtrid": "cli-known", "would": "commit"}]));
    assert_eq!(world.list().1["records"][0]["branches"], record["branches"], "nothing was done");
    let collected = world.xa(&["gc", "--gtrid", "0x636c692d6b6e6f776e"]);
    let text = "removed: 1 (committed 1, rolled back 0, ended before 0), left: 0\n";
    assert_eq!((collected.code, collected.stdout.as_str()), (Some(0), text), "{}", collected.stderr);
    let rows = world.sql("/*ms=primary*/ SELECT n FROM cli_xa_list_rows");
    assert_eq!(rows[0]["rows"], json!([[1]]));

    let (code, list) = world.list();
    assert_eq!(
        (code, &list["records"], &list["servers"][0]["unknown"]),
        (Some(1), &json!([]), &json!([xid("cli-lost")]))
    );
    world.sql(&format!("XA ROLLBACK {}", xid("cli-lost")));
    world.sql(&format!("XA ROLLBACK {foreign}"));
    assert_eq!(world.list().0, Some(0));
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn what_cannot_be_finished_is_left_and_given_up() {
    let world = World::new("cli_xa_gc");
    assert_eq!(world.xa(&["init"]).code, Some(0));
    world.record("cli-elsewhere", "'COMMIT'");
    world.sql("UPDATE cli_xa_gc_participants SET scheme = 'tcp://127.0.0.1:1', host = '127.0.0.1', port = 1");
    for tries in 1..=5 {
        let ended = world.xa(&["gc", "--json"]);
        let collected = ended.json().remove(0);
        assert_eq!((ended.code, &collected["left"][0]["given_up"]), (Some(1), &json!(false)), "{collected:#}");
        let (_, list) = world.list();
        assert_eq!(
            (&list["records"][0]["tries"], &list["records"][0]["given_up"]),
            (&json!(tries), &json!(tries == 5))
        );
        assert_eq!(list["records"][0]["branches"][0]["prepared"], Value::Null, "{list:#}");
        assert_eq!(list["servers"][1]["address"], "tcp://127.0.0.1:1", "a server on record is asked too: {list:#}");
    }
    let given_up = world.xa(&["gc", "--gtrid", "cli-elsewhere"]);
    assert_eq!(given_up.code, Some(1));
    assert!(given_up.stderr.contains("Maximum number of GC attempts reached"), "{given_up:?}");
    let planned =
        |more: &[&str]| world.xa(&[&["gc", "--dry-run", "--json"], more].concat()).json()[0]["planned"][0].clone();
    assert_eq!(planned(&[])["would"], "leave it: it was tried too often");
    assert_eq!(planned(&["--ignore-max-retries"])["would"], "commit");
    assert!(world.list().1["findings"].to_string().contains("--gtrid cli-elsewhere --ignore-max-retries"));
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn tables_are_made_kept_and_replaced() {
    let world = World::new("cli_xa_init");
    let [trx, participants, gc] = world.tables();
    let done = |what: &str| [&trx, &participants, &gc].map(|it| format!("{what}: {it}\n")).concat();
    assert_eq!(world.xa(&["init"]).stdout, done("created"));
    world.record("cli-kept", "NULL");
    assert_eq!(world.xa(&["init", "--upgrade", "--force"]).stdout, done("there already"));
    assert_eq!(world.list().1["records"][0]["gtrid"], "cli-kept", "what is right is not replaced");

    // What the original made of them.
    world.sql(&format!(
        "DROP TABLE {gc}, {participants}; DROP TABLE {trx}; CREATE TABLE {trx} (store_trx_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, gtrid \
         INT NOT NULL, format_id INT UNSIGNED NOT NULL DEFAULT 1, state ENUM('XA_NON_EXISTING') NOT NULL, intend \
         ENUM('XA_NON_EXISTING'), finished ENUM('NO', 'SUCCESS', 'FAILURE') NOT NULL DEFAULT 'NO', modified TIMESTAMP, started \
         DATETIME, timeout DATETIME) ENGINE=InnoDB; INSERT INTO {trx} (gtrid, state) VALUES (7, 'XA_NON_EXISTING')"
    ));
    let refused = world.xa(&["init"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(refused.stderr.contains("`ms xa init --upgrade` replaces them"), "{refused:?}");
    let refused = world.xa(&["init", "--upgrade"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("1 of the transactions"), "{refused:?}");
    let list = world.xa(&["list"]);
    assert!(list.code == Some(1) && list.stdout.contains("`ms xa init --upgrade` replaces them"), "{list:?}");
    let replaced = world.xa(&["init", "--upgrade", "--force", "--json"]).json().remove(0);
    assert_eq!((&replaced["replaced"], &replaced["created"]), (&json!([trx]), &json!([participants, gc])));
    assert_eq!(world.list(), (Some(0), world.list().1));

    world.sql(&format!("DROP TABLE {gc}; CREATE TABLE {gc} (id INT)"));
    let foreign = world.xa(&["init", "--upgrade", "--force"]);
    assert!(foreign.code == Some(1) && foreign.stderr.contains("is none of a state store"), "{foreign:?}");
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn an_account_that_may_not_see_branches_is_told_the_grant() {
    let world = World::new("cli_xa_grant");
    assert_eq!(world.xa(&["init"]).code, Some(0));
    world.sql("DROP USER IF EXISTS xaless@'%'; CREATE USER xaless@'%' IDENTIFIED BY 'xaless'; GRANT SELECT ON test.* TO xaless@'%'");
    world.configure("xaless");
    let (code, list) = world.list();
    if env::var("MS_TEST_FLAVOR").unwrap() == "mariadb" {
        assert_eq!(code, Some(0), "{list:#}");
        return;
    }
    assert_eq!((code, &list["servers"][0]["error"]["code"]), (Some(1), &json!(1401)), "{list:#}");
    assert!(list["findings"][0].as_str().unwrap().contains("`GRANT XA_RECOVER_ADMIN ON *.*`"), "{list:#}");
}
