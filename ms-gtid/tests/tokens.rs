//! What is issued is read again, and nothing else is.
#![allow(clippy::unwrap_used, reason = "it is a test as a whole")]

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ms_gtid::{
    Coverage, Evidence, Position, Value, mariadb, mysql,
    token::{Key, TokenError, Tokens},
};
use proptest::prelude::*;

const U: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

/// Since 1970.
fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn key(name: &str) -> Key {
    Key::new(format!("the secret of the key {name}").as_bytes()).unwrap()
}

fn signed() -> Tokens {
    Tokens::new("shop").with_keys([key("a")])
}

fn mariadb(text: &str) -> Position {
    text.parse::<mariadb::GtidSet>().unwrap().into()
}

fn mysql(text: &str) -> Position {
    text.parse::<mysql::GtidSet>().unwrap().into()
}

fn all_kinds() -> Position {
    let mut all = mariadb("0-1-42,7-2-18446744073709551615");
    all.merge(&mysql(&format!("{U}:1-5:7:9-9223372036854775806,{U}:tag:3,00000000-0000-0000-0000-000000000001:1")));
    all.merge(&Position::counter(0));
    all.merge(&Position::value(Value::new("0-1-2,0-2-3").unwrap()));
    all.merge(&Position::value(Value::new("x").unwrap()));
    all
}

#[track_caller]
fn comes_back(position: &Position) {
    for tokens in [Tokens::new("shop"), signed(), signed().without_expiry()] {
        let token = tokens.issue(position, at(1_700_000_000));
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{token}");
        assert_eq!(tokens.read(&token, at(1_700_000_000)).as_ref(), Ok(position), "{token}");
    }
}

#[test]
fn what_is_issued_is_read() {
    comes_back(&Position::new());
    comes_back(&mariadb("0-1-42"));
    comes_back(&Position::counter(u64::MAX));
    comes_back(&all_kinds());
}

/// Put together with another implementation of the algorithms: versions of tomorrow have to read a token of today.
#[test]
fn the_form_stays_what_it_is() {
    let tokens = Tokens::new("shop");
    let now = at(1_700_000_000);
    assert_eq!(tokens.issue(&mariadb("0-1-42"), now), "ASKNkAHTgIXVqgYBAAEq");
    assert_eq!(signed().issue(&mariadb("0-1-42"), now), "AWKNkAHTgIXVqgYBAAEqx0H4n6TqrkIOvk-y3BC4H1ZQx0E");
    assert_eq!(
        tokens.without_expiry().issue(&mysql(&format!("{U}:1-5:7,{U}:tag:3")), now),
        "AQGNkAHTAgA-EfpHccoR4Z4zyAqpQpViAgAEAABDdGFnAQIA"
    );
}

fn with_bit_turned(token: &str, at: usize, bit: u32) -> String {
    let mut bytes = BASE64.decode(token).unwrap();
    bytes[at] ^= 1_u8 << bit;
    BASE64.encode(bytes)
}

#[track_caller]
fn check(tokens: &Tokens, token: &str, expected: impl Into<Box<TokenError>>, text: &str) {
    let error = tokens.read(token, at(1_000)).unwrap_err();
    assert_eq!(error.to_string(), text);
    assert_eq!(error, *expected.into());
}

#[test]
fn each_refusal_has_its_name() {
    let tokens = signed();
    let written = mariadb("0-1-42");
    let issue = |tokens: &Tokens| tokens.issue(&written, at(1_000));
    let good = issue(&tokens);

    let long = good.repeat(100);
    check(&tokens, &long, TokenError::TooLong { length: long.len() }, "the token has 4400 bytes, more than 3072");
    check(&tokens, "to=ken", TokenError::Malformed { part: "base64" }, "the token is malformed, its `base64` is none");
    check(&tokens, "", TokenError::Malformed { part: "version" }, "the token is malformed, its `version` is none");
    check(
        &tokens,
        &good[..8],
        TokenError::Malformed { part: "signature" },
        "the token is malformed, its `signature` is none",
    );
    check(&tokens, "BAAA", TokenError::UnknownVersion { found: 4 }, "the token has version `4`, which is not known");
    check(&tokens, &issue(&Tokens::new("shop")), TokenError::Unsigned, "the token has no signature");

    let foreign = || TokenError::Foreign { expected: "shop".into() };
    let text = "the token is of another cluster than `shop`";
    let blog = Tokens::new("blog");
    check(&tokens, &issue(&blog.clone().with_keys([key("a")])), foreign(), text);
    check(&tokens, &issue(&blog.clone().with_keys([key("b")])), foreign(), text);
    check(&tokens, &issue(&blog), foreign(), text);
    check(&Tokens::new("shop"), &issue(&blog), foreign(), text);

    let other = key("b").id();
    let text = format!("the token was signed with the key `{other}`, which is not accepted");
    let elsewhere = issue(&Tokens::new("shop").with_keys([key("b")]));
    check(&tokens, &elsewhere, TokenError::UnknownKey { id: other }, &text);
    check(&Tokens::new("shop"), &elsewhere, TokenError::UnknownKey { id: other }, &text);

    check(&tokens, &with_bit_turned(&good, 12, 0), TokenError::Tampered, "the token's signature is not right");
}

#[test]
fn a_token_is_good_for_its_lifetime() {
    let tokens = signed().with_lifetime(Duration::from_secs(60));
    let token = tokens.issue(&mariadb("0-1-42"), at(1_000));
    // What counts is what was said when it was issued.
    let read = |now| signed().read(&token, now);
    assert!(read(at(0)).is_ok());
    assert!(read(at(1_060)).is_ok());
    assert_eq!(read(at(1_065)), Err(TokenError::Expired { ago: Duration::from_secs(5) }));
    assert_eq!(read(at(1_065)).unwrap_err().to_string(), "the token has expired, 5 s ago");

    // Clocks that are out of all range.
    let ever = tokens.with_lifetime(Duration::MAX);
    assert!(ever.read(&ever.issue(&Position::new(), at(1_000)), at(1 << 40)).is_ok());
    let last = Duration::MAX;
    assert!(ever.read(&ever.issue(&Position::new(), last), last).is_ok());
}

#[test]
fn keys_rotate() {
    let now = at(1_000);
    let [first, then, last] =
        [vec![key("a")], vec![key("b"), key("a")], vec![key("b")]].map(|keys| Tokens::new("shop").with_keys(keys));
    let (old, new) = (first.issue(&all_kinds(), now), then.issue(&all_kinds(), now));
    assert_eq!(then.read(&old, now), Ok(all_kinds()));
    assert_eq!(then.read(&new, now), Ok(all_kinds()));
    assert_eq!(last.read(&new, now), Ok(all_kinds()));
    assert_eq!(last.read(&old, now), Err(TokenError::UnknownKey { id: key("a").id() }));
    assert!(format!("{then:?}").contains(&format!("Key({})", key("b").id())));
}

#[test]
fn several_ask_for_what_each_asks_for() {
    let (tokens, now) = (signed(), at(1_000));
    let texts = ["0-1-42", "0-1-41,0-2-3", "7-1-1"].map(|text| tokens.issue(&mariadb(text), now));
    let all = tokens.read_all(texts.iter().map(String::as_str), now).unwrap();
    assert_eq!(all, mariadb("0-1-42,0-2-3,7-1-1"));
    let unsigned = Tokens::new("shop").issue(&mariadb("0-1-1"), now);
    assert_eq!(tokens.read_all([&*texts[0], &unsigned], now), Err(TokenError::Unsigned));
    assert_eq!(tokens.read_all([], now), Ok(Position::new()));
}

/// A shorter one may ask for more and never for less.
#[track_caller]
fn shrinks(position: &Position, saturated: bool) {
    let tokens = signed();
    let token = tokens.issue(position, at(1_000));
    assert!(token.len() <= Tokens::MAX_TEXT, "{}", token.len());
    let read = tokens.read(&token, at(1_000)).unwrap();
    assert_eq!(read.is_saturated(), saturated);
    if !saturated {
        assert_eq!(Evidence::passed(&read).covers(position), Coverage::Reached);
        assert!(token.len() > Tokens::MAX_TEXT / 3, "{} bytes are left", Tokens::MAX_TEXT - token.len());
    }
}

#[test]
fn what_is_too_large_asks_for_more() {
    // Ranges of one server, far apart.
    let ranges: String = (1..=1_000_u64).map(|n| format!(":{}", n * 1_000_000)).collect();
    shrinks(&mysql(&format!("{U}{ranges}")), false);
    // Servers that are too many.
    let servers: Vec<String> = (0..1_000).map(|n| format!("00000000-0000-0000-0000-{n:012}:1")).collect();
    shrinks(&mysql(&servers.join(",")), true);
    let servers: Vec<String> = (0..1_000).map(|n| format!("{n}-1-18446744073709551615")).collect();
    shrinks(&mariadb(&servers.join(",")), true);
    shrinks(&Position::value(Value::new(&"x".repeat(Value::MAX)).unwrap()), true);
    let mut odd = mysql(&format!("{U}:1"));
    // A number no server gives.
    let mut id: mysql::Gtid = format!("{U}:1").parse().unwrap();
    id.sequence = u64::MAX;
    odd.merge(&id.into());
    shrinks(&odd, true);
}

/// Tokens as an attacker would write them where nothing is signed: behind the cluster's name, these bytes.
fn forged(flags: u8, body: &[u8]) -> Result<Position, TokenError> {
    let mut bytes = BASE64.decode(Tokens::new("shop").without_expiry().issue(&Position::new(), at(0))).unwrap();
    bytes[1] = flags;
    bytes.extend(body);
    Tokens::new("shop").read(&BASE64.encode(bytes), at(0))
}

#[test]
fn what_is_announced_has_to_come() {
    assert_eq!(forged(0, &[]), Ok(Position::new()));
    let (mysql, mariadb) = ("GTID set of MySQL", "GTIDs of MariaDB");
    let uuid = [7; 16];
    let stream = |tail: &[u8]| [&[1, 0][..], &uuid, tail].concat();
    assert!(forged(1, &stream(&[1, 0, 0])).is_ok());
    let half = |tag: u8| [&[1, tag, 0x82, 4][..], &[0; 1028]].concat(); // 514 ranges
    let too_many = [&[2, 1][..], &uuid, &half(b'a')[1..], &[1 + 64], &half(b'b')[1..]].concat();
    assert!(forged(1, &too_many[..]).is_err(), "the limit is for all servers together");
    let enough = [&[1, 1][..], &uuid, &half(b'a')[1..]].concat();
    assert!(forged(1, &enough[..]).is_ok());
    for (part, flags, body) in [
        ("end", 0, vec![0]),
        ("flags", 0x80, vec![]),
        ("expiry", 0x20, vec![]),
        (mariadb, 2, vec![]),
        (mariadb, 2, vec![1, 0, 1]),
        (mariadb, 2, vec![0xff, 0xff, 0x03, 0, 0, 0]), // 65535 entries
        (mariadb, 2, vec![1, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 1]), // a domain of more than 32 bits
        (mysql, 1, vec![1, 64, 0, 0]),                 // the server before the first
        (mysql, 1, stream(&[2, 0, 0])),                // one of two ranges
        (mysql, 1, stream(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0])), // u64::MAX
        (mysql, 1, stream(&[1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0])), // LAST + 1
        (mysql, 1, [&[1, 2][..], &uuid, b"9x", &[1, 0, 0]].concat()), // no tag
        (mysql, 1, [&[1, 33][..], &uuid, &[b'x'; 33], &[1, 0, 0]].concat()),
        ("counter", 4, vec![0xff; 11]),
        ("value", 8, vec![1, 3, b'1', b';', b'2']),
        ("value", 8, vec![1, 2, 0xc3, 0x28]), // not UTF-8
        ("value", 8, vec![17; 18]),           // more than a position has
    ] {
        assert_eq!(forged(flags, &body), Err(TokenError::Malformed { part }), "{body:?}");
    }
}

fn positions() -> impl Strategy<Value = Position> {
    let number = prop_oneof![1_u64..50, 1_u64..1 << 62];
    let ranges = prop::collection::vec((0..3_usize, number.clone(), 0_u64..30), 0..20);
    let entries = prop::collection::vec((any::<u32>(), 0_u32..3, any::<u64>()), 0..8);
    let values = prop::collection::vec("[0-9A-Za-z:._]{1,20}", 0..4);
    (ranges, entries, any::<Option<u64>>(), values).prop_map(|(ranges, entries, count, values)| {
        let mut position = Position::new();
        for (stream, first, more) in ranges {
            let tag = ["", ":tag", ":a_much_longer_tag"][stream];
            position.merge(&mysql(&format!("{U}{tag}:{first}-{}", first + more)));
        }
        for (domain, server, sequence) in entries {
            position.merge(&mariadb::Gtid { domain, server, sequence }.into());
        }
        if let Some(count) = count {
            position.merge(&Position::counter(count));
        }
        for value in values {
            position.merge(&Position::value(Value::new(&value).unwrap()));
        }
        position
    })
}

proptest! {
    #[test]
    fn every_position_comes_back(position in positions(), now in any::<u32>()) {
        let tokens = signed();
        let token = tokens.issue(&position, at(now.into()));
        prop_assert_eq!(tokens.read(&token, at(now.into())), Ok(position));
    }

    #[test]
    fn any_text_is_read_without_panic(text in any::<String>(), base64 in "[A-Za-z0-9_-]{0,80}") {
        for text in [&text, &base64] {
            prop_assert!(signed().read(text, at(0)).is_err());
            let _ = Tokens::new("shop").read(text, at(0));
        }
    }

    #[test]
    fn any_bytes_behind_the_header_are_read_without_panic(flags in any::<u8>(), body in any::<Vec<u8>>()) {
        if let Ok(position) = forged(flags, &body) {
            prop_assert!(position.mysql().interval_count() <= Position::MAX_RANGES);
            prop_assert!(position.values().count() <= Position::MAX_VALUES);
        }
    }

    /// Whichever bit is turned: there is no second token with the same signature.
    #[test]
    fn no_changed_token_is_taken(position in positions(), at_byte in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let token = signed().issue(&position, at(0));
        let length = BASE64.decode(&token).unwrap().len();
        prop_assert!(signed().read(&with_bit_turned(&token, at_byte.index(length), bit), at(0)).is_err());
    }
}
