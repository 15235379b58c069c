//! Which texts are sets, and what they are printed as.
#![allow(clippy::unwrap_used, reason = "it is a test as a whole")]

use ms_gtid::{MAX_PARTS, MAX_TEXT, ParseSetError, mariadb, mysql};

const U: &str = "3E11FA47-71CA-11E1-9E33-C80AA9429562";
const V: &str = "00000000-0000-0000-0000-000000000001";

/// `U` and `V` stand for two uuids, `u` for the first as servers print it, `~` for a line break.
fn uuids(text: &str) -> String {
    text.replace('~', "\n").replace('u', &U.to_lowercase()).replace('U', U).replace('V', V)
}

#[track_caller]
fn mysql(text: &str, printed: &str) {
    let set: mysql::GtidSet = uuids(text).parse().unwrap();
    assert_eq!(set.to_string(), uuids(printed), "{text}");
    assert_eq!(set.to_string().parse(), Ok(set.clone()), "{text}");
    let one_line = set.one_line().to_string();
    assert_eq!(one_line.parse(), Ok(set), "{text}");
}

#[track_caller]
fn not_mysql(text: &str, expected: &str) {
    let error = uuids(text).parse::<mysql::GtidSet>().unwrap_err().to_string();
    assert!(error.contains(expected), "{text}: {error}");
}

#[track_caller]
fn mariadb(text: &str, printed: &str) {
    let set: mariadb::GtidSet = text.parse().unwrap();
    assert_eq!(set.to_string(), printed, "{text}");
    assert_eq!(set.to_string().parse(), Ok(set), "{text}");
}

#[test]
fn mysql_nothing_is_a_set() {
    for empty in ["", " ", ",", " ,~, ", "U", "U:tag", "U:5-3", "U:1-0", "U:tag:7-6"] {
        mysql(empty, "");
        assert!(uuids(empty).parse::<mysql::GtidSet>().unwrap().is_empty());
    }
}

#[test]
fn mysql_white_space_case_and_commas_do_not_matter() {
    mysql("U:1", "u:1");
    mysql(" U :1 ,, V:1-2:2-9:11:10,", "V:1-11,~u:1");
    mysql("U: 1 - 3 : 5", "u:1-3:5");
    mysql("U:1\t,~\r V : 2 ", "V:2,~u:1");
    mysql("{U}:1", "u:1");
    mysql("3E11FA4771CA11E19E33C80AA9429562:1", "u:1");
}

#[test]
fn mysql_ranges_join() {
    mysql("U:3-4:1-2", "u:1-4");
    mysql("U:7:1-5:3-6", "u:1-7");
    mysql("U:1,V:3,U:2", "V:3,~u:1-2");
    mysql("U:1-1", "u:1");
    mysql("U:01:0000000000000000000000000000000003", "u:1:3");
    mysql("U:9223372036854775806", "u:9223372036854775806");
    mysql("U:5-3:9", "u:9");
}

#[test]
fn mysql_a_tag_holds_for_the_numbers_behind_it() {
    mysql("U:1-3:tag:5:1-2:b:1", "u:1-3:b:1:tag:1-2:5");
    mysql("U:TAG:1,U:2", "u:2:tag:1");
    mysql("U: tag : 1:Tag:2-3", "u:tag:1-3");
    mysql("U:1:tag", "u:1");
    mysql("U:_:1", "u:_:1");
    mysql(&format!("U:{}:1", "t".repeat(32)), &format!("u:{}:1", "t".repeat(32)));
}

#[test]
fn mysql_everything_else_is_refused() {
    for (text, expected) in [
        ("U:", "a number or a tag at byte 37, found ``"),
        ("U::1", "a number or a tag"),
        ("U:+1", "a number or a tag"),
        ("U:-1", "a number or a tag"),
        ("U:0", "within 1..="),
        ("U:0-3", "within 1..="),
        ("U:1-", "within 0..="),
        ("U:9223372036854775807", "within 1..="),
        ("U:1-9223372036854775807", "within 0..="),
        ("U:1-18446744073709551616", "within 0..="),
        ("U:1 2", "expected `,` at byte 39, found `2`"),
        ("U:1;", "expected `,`"),
        ("U:1.5", "expected `,`"),
        ("U:1:U:2", "expected `,`"),
        ("U:ta-g:1", "expected `,`"),
        ("U V", "expected `,`"),
        ("x", "uuid"),
        ("+U:1", "uuid"),
        ("{U:1", "uuid"),
        ("{3E11FA4771CA11E19E33C80AA9429562}:1", "uuid"),
        ("3E11FA47-71CA-11E1-9E33-C80AA942956:1", "uuid"),
        ("3E11FA47-71CA-11E1-9E33-C80AA94295621:1", "uuid"),
        ("3E11FA47-71CA11E1-9E33-C80AA9429562:1", "uuid"),
        ("--------------------------------:1", "uuid"),
        ("ö", "found `ö`"),
        ("U:ö", "found `ö`"),
    ] {
        not_mysql(text, expected);
    }
    not_mysql(&format!("U:{}:1", "t".repeat(33)), "a tag of at most 32 characters");
}

#[test]
fn mariadb_ids_are_ordered_and_the_highest_counts() {
    mariadb("", "");
    mariadb(" ~".replace('~', "\n").as_str(), "");
    mariadb("0-1-42", "0-1-42");
    mariadb("7-1-3,0-1-42", "0-1-42,7-1-3");
    mariadb("0-1-42,0-1-7", "0-1-42");
    mariadb("0-3-9,0-1-42", "0-3-9,0-1-42");
    mariadb("0-9-1,0-1-42", "0-9-1,0-1-42");
    mariadb(" 0-1-1 ,\n 2-1-01 ", "0-1-1,2-1-1");
    mariadb("4294967295-4294967295-18446744073709551615", "4294967295-4294967295-18446744073709551615");
}

#[test]
fn mariadb_everything_else_is_refused() {
    for text in [
        ",",
        "0-1-1,",
        ",0-1-1",
        "0-1-1,,0-1-2",
        "0-1",
        "0-1-",
        "-0-1-1",
        "0--1-1",
        "0-1-+1",
        "0 -1-1",
        "0-1-1 0-1-2",
        "0-1-1-1",
        "4294967296-1-1",
        "0-4294967296-1",
        "0-1-18446744073709551616",
        "x",
        "ö",
        U,
    ] {
        let error = text.parse::<mariadb::GtidSet>().unwrap_err();
        assert!(matches!(error, ParseSetError::Malformed { .. }), "{text}: {error}");
    }
}

#[test]
fn size_is_bounded() {
    let long = " ".repeat(MAX_TEXT + 1);
    assert_eq!(long.parse::<mysql::GtidSet>(), Err(ParseSetError::TooLong));
    assert_eq!(long.parse::<mariadb::GtidSet>(), Err(ParseSetError::TooLong));
    assert!(long[1..].parse::<mysql::GtidSet>().is_ok());

    // What counts is what has to be read, not what is left after joining.
    let ones = |n: usize| format!("{U}{}", ":1".repeat(n));
    assert!(ones(MAX_PARTS).parse::<mysql::GtidSet>().is_ok());
    assert_eq!(ones(MAX_PARTS + 1).parse::<mysql::GtidSet>(), Err(ParseSetError::TooManyParts));
    let tags = format!("{U}{}", ":a".repeat(MAX_PARTS + 1));
    assert_eq!(tags.parse::<mysql::GtidSet>(), Err(ParseSetError::TooManyParts));
    let ids = |n: usize| vec!["0-1-1"; n].join(",");
    assert!(ids(MAX_PARTS).parse::<mariadb::GtidSet>().is_ok());
    assert_eq!(ids(MAX_PARTS + 1).parse::<mariadb::GtidSet>(), Err(ParseSetError::TooManyParts));

    let error = "9".repeat(MAX_TEXT).parse::<mysql::GtidSet>().unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
}
