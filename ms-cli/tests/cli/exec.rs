//! What `ms exec` does before there is a server.

use crate::run::{Ended, Folder, SHOP, nobody_reads};

#[test]
fn a_script_without_statements_needs_no_server() {
    let folder = Folder::with_config("exec-empty", SHOP);
    let ended = folder.run_with_input(&["exec", "-c", "ms.json", "-"], b" ; -- nothing\n");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_panic() {
    let folder = Folder::with_config("exec-pipe", SHOP);
    let arguments: &[&[&str]] =
        &[&["check", "ms.json"], &["explain", "-c", "ms.json", "SELECT 1"], &["servers", "-c", "ms.json"]];
    for arguments in arguments {
        let ended = Ended::of(folder.ms(arguments).stdout(nobody_reads()).output().unwrap());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{arguments:?}");
    }
}

#[test]
fn colours_stay_out_of_pipes_and_come_when_forced() {
    let folder = Folder::with_config("exec-colours", SHOP);
    let run = |variable: &str| {
        let mut command = folder.ms(&["explain", "-c", "ms.json", "SELECT 1"]);
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env(variable, "1");
        Ended::of(command.output().unwrap()).stdout.contains('\u{1b}')
    };
    assert!(!run("MS_CLI_NOTHING"));
    assert!(run("CLICOLOR_FORCE"));
    assert!(!run("NO_COLOR"));
}
