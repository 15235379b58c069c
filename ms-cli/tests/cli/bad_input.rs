use expect_test::{Expect, expect};

use crate::run::{Folder, SHOP};

#[test]
fn usage_is_2() {
    check("none", &[], |_| (), 2, "Usage: ms <COMMAND>");
    check("command", &["exlpain"], |_| (), 2, "unrecognized subcommand 'exlpain'");
    check("no-sql", &["explain", "-c", "ms.json"], |_| (), 2, "<SQL>");
    check("no-source", &["exec", "-c", "ms.json"], |_| (), 2, "<FILE>");
    check("two-sources", &["exec", "-c", "ms.json", "-e", "DO 1", "a.sql"], |_| (), 2, "cannot be used with");
    check(
        "two-passwords",
        &["servers", "-c", "ms.json", "-p", "--password-env", "P"],
        |_| (),
        2,
        "cannot be used with",
    );
}

#[test]
fn the_configuration_is_3() {
    check("missing", &["check", "nix.json"], |_| (), 3, "cannot read the configuration file `nix.json`: No such file");
    check("folder", &["explain", "-c", ".", "SELECT 1"], |_| (), 3, "`.`");
    check(
        "section",
        &["explain", "-c", "ms.json", "-s", "shpo", "DO 1"],
        |_| (),
        3,
        "no section `shpo` in `ms.json`; did you mean `shop`?",
    );
    check("not-json", &["check", "ms.json"], |it| it.write("ms.json", "{"), 3, "ms.json:1:");
    check("not-utf8", &["check", "ms.json"], |it| it.write("ms.json", b"{\"a\xff\": 1}"), 3, "ms.json:1:4: error:");
    let two = r#"{"a": {"master": {"m": {"host": "h"}}}, "b": {"master": {"m": {"host": "h"}}}}"#;
    check(
        "unnamed",
        &["exec", "-c", "ms.json", "-e", "DO 1"],
        |it| it.write("ms.json", two),
        3,
        "2 sections, name one",
    );
    let unknown = SHOP.replace("\"roundrobin\": []", "\"random\": {\"weights\": {\"nobody\": 1}}");
    check("weights", &["servers", "-c", "ms.json"], |it| it.write("ms.json", &unknown), 3, "nobody");
}

#[test]
fn an_assumption_must_make_sense() {
    let assume = |fact: &'static str| ["explain", "-c", "ms.json", "--assume", fact, "SELECT 1"];
    check("assume-server", &assume("copy9=down"), |_| (), 2, "only `main`, `copy1`, `copy2` are");
    check("assume-fact", &assume("copy1=drunk"), |_| (), 2, "`drunk` means nothing");
    check("last-used", &["explain", "-c", "ms.json", "--last-used", "x", "SELECT 1"], |_| (), 2, "`--last-used x`");
}

#[test]
fn sql_must_be_text() {
    let folder = Folder::with_config("bytes", SHOP);
    let ended = folder.run_with_input(&["exec", "-c", "ms.json", "-"], b"SELECT 1;\nSELECT '\xe9'");
    expect![[r#"
        ms: error: the SQL from `standard input` is not UTF-8: line 2 holds the byte 0xe9
        ms: help: convert it first, for example with `iconv -f latin1 -t utf-8`
        exit code 2
    "#]]
    .assert_eq(&ended.transcript());
    check("sql-file", &["exec", "-c", "ms.json", "nix.sql"], |_| (), 2, "cannot read SQL from `nix.sql`");
}

#[test]
fn a_password_needs_a_terminal_a_variable_or_a_file() {
    let exec = |option: &[&'static str]| [&["exec", "-c", "ms.json", "-e", "DO 1"], option].concat();
    check("variable", &exec(&["--password-env", "MS_CLI_NOT_SET"]), |_| (), 3, "variable `MS_CLI_NOT_SET` is not set");
    check("file", &exec(&["--password-file", "nix"]), |_| (), 3, "`nix` cannot be read");
}

#[test]
fn help_has_examples_and_exit_codes() {
    let folder = Folder::new("help");
    for command in ["check", "explain", "exec", "servers", "status", "gtid"] {
        let ended = folder.run(&[command, "--help"]);
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("Examples:") && ended.stdout.contains("Exits with 0"), "{}", ended.stdout);
        assert!(!ended.stdout.contains("--password <"), "no password on a command line: {}", ended.stdout);
    }
    exit_codes(
        &folder,
        &expect![[r#"
            0  done
            1  findings, an SQL error, or output that could not be written
            2  usage: arguments, SQL that cannot be read, no terminal to ask for a password
            3  configuration: missing, unreadable or broken file, unknown section, bad environment
            4  no server: none that may run the statement can be reached and logged in to
            130  interrupted
        "#]],
    );
}

fn exit_codes(folder: &Folder, expected: &Expect) {
    let help = folder.run(&["--help"]).stdout;
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let (codes, _) = codes.split_once("\n\n").unwrap();
    let codes: Vec<_> = codes.lines().map(str::trim).collect();
    expected.assert_eq(&format!("{}\n", codes.join("\n")));
}

/// Runs `ms` in a folder that `prepare` may have changed.
#[track_caller]
fn check(test: &str, arguments: &[&str], prepare: impl FnOnce(&Folder), code: i32, stated: &str) {
    let folder = Folder::with_config(&format!("bad-{test}"), SHOP);
    prepare(&folder);
    let ended = folder.run(arguments);
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert!(text.contains(stated), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}
