//! Mistakes of operators and strange servers: one sentence that names the thing, the right number, in time.
//!
//! None of this needs a database: the files are text and the servers are not servers.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/oddity.rs"]
mod oddity;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/told.rs"]
mod told;

use std::time::{Duration, Instant};

use ms_pool::{Cluster, Error, code};
use oddity::{OddServer, Oddity};
use shop::{Shop, closed_port, socket, tcp};
use told::{Eavesdropper, told};

/// A password that must not be seen anywhere.
const SECRET: &str = "hunter2-and-more";

#[test]
fn a_file_with_a_mistake_is_refused_with_its_place() {
    check_file("{", &["ms.json"]);
    check_file("", &["ms.json"]);
    check_file("[]", &["ms.json"]);
    check_file("\u{0}\u{1}", &["ms.json"]);
    check_file(r#"{"shop": 5}"#, &["shop"]);
    check_file(r#"{"shop": {}}"#, &["master"]);
    check_file(r#"{"shop": {"master": 5, "slave": {}}}"#, &["master"]);
    check_file(r#"{"shop": {"master": "db1", "slave": {}}}"#, &["master"]);
    check_file(r#"{"shop": {"master": {"p": {"host": {}}}, "slave": {}}}"#, &["host"]);
    check_file(r#"{"shop": {"master": {"p": {"host": "h", "port": 70000}}, "slave": {}}}"#, &["port", "70000"]);
    check_key(r#""filters": {"no_such": []}"#, &["no_such"]);
    check_key(r#""filters": {"random": {"weights": {"replica": 1, "ghost": 2}}}"#, &["ghost"]);
    check_key(r#""filters": {"roundrobin": {"weights": {"replica": "heavy"}}}"#, &["shop.filters.roundrobin.weights"]);
    check_key(r#""failover": {"strategy": "master", "max_retries": 70000}"#, &["max_retries", "70000"]);
    check_key(r#""pool": {"max_connections": 0}"#, &["max_connections"]);
    check_key(r#""pool": 5"#, &["pool"]);
    check_key(r#""tls": {"mode": "strong"}"#, &["mode", "strong"]);
    check_key(r#""compat": "loose""#, &["compat", "loose"]);
    check_key(r#""server_charset": "utf8'; DROP TABLE t""#, &["server_charset"]);
}

#[track_caller]
fn check_key(key: &str, named: &[&str]) {
    let shop = Shop::new().primary("primary", &tcp("h", 1)).replica("replica", &tcp("h", 2)).with(key);
    check_file(&shop.text(), named);
}

#[track_caller]
fn check_file(text: &str, named: &[&str]) {
    let built = Cluster::builder().config_text("ms.json", text).section("shop").build();
    check_config(built.map(drop), named);
}

#[track_caller]
fn check_config(built: Result<(), Error>, named: &[&str]) {
    let error = built.expect_err("a mistake");
    let text = told(&error);
    assert_eq!(error.code(), 2000, "{text}");
    assert!(matches!(sqlx::Error::from(error), sqlx::Error::Configuration(_)), "{text}");
    for name in named {
        assert!(text.contains(name), "`{name}` is not in: {text}");
    }
}

#[test]
fn an_unknown_section_is_named_and_so_are_the_known_ones() {
    let text = Shop::new().primary("p", &tcp("h", 1)).text();
    check_config(Cluster::builder().config_text("ms.json", text).section("shpo").build().map(drop), &["shpo", "shop"]);
    let two = r#"{"one": {"master": {"p": {"host": "h"}}, "slave": {}}, "two": {"master": {"p": {"host": "h"}}, "slave": {}}}"#;
    check_config(Cluster::builder().config_text("ms.json", two).build().map(drop), &["ms.json", "one", "two"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let check =
        |path: &str| check_config(Cluster::builder().config_file(path).section("shop").build().map(drop), &[path]);
    check("/no/such/folder/ms.json");
    check("/");
    check("/dev/null");
    // Endless, and no test waits for its end.
    check("/dev/zero");
    let path = std::env::temp_dir().join(format!("ms-pool-bad-input-{}.json", std::process::id()));
    std::fs::write(&path, [0xff, 0xfe, b'{', 0x80]).unwrap();
    check(path.to_str().unwrap());
    std::fs::write(&path, "{}").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    // To the superuser a file without permissions is a file; it has no section then.
    check_config(
        Cluster::builder().config_file(&path).section("shop").build().map(drop),
        &["shop"][..usize::from(std::fs::read(&path).is_ok())],
    );
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn what_is_no_address_is_refused_without_repeating_the_password() {
    // A file named in the environment would be used, and a test cluster names one.
    if std::env::var_os("MYSQL_MS_CONFIG_FILE").is_none() {
        check_config(Cluster::builder().build().map(drop), &["primary"]);
    }
    for url in ["no url", "postgres://a:hunter2-and-more@h/db", "mysql://app:hunter2-and-more@h:notaport/db"] {
        let error = Cluster::builder().primary(url).build().unwrap_err();
        let text = format!("{} {error:?}", told(&error));
        assert!(text.contains("primary number 1") && !text.contains(SECRET), "{text}");
    }
    for address in ["mysql://a:hunter2-and-more@shop/db", "ms://a:hunter2-and-more@", "ms://a:hunter2-and-more@shop:x/"]
    {
        let error = Cluster::connect(address).await.unwrap_err();
        let text = format!("{} {error:?}", told(&error));
        assert!(!text.contains(SECRET), "{text}");
        check_config(Err(error), &["ms://user:password@section/database"]);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_gives_its_number() {
    check_connect(&tcp("127.0.0.1", closed_port()), 2003).await;
    check_connect(&socket("/no/such/folder/mysqld.sock"), 2002).await;
    check_connect(&tcp("no-such-host.invalid", 3306), 2005).await;
}

#[tokio::test]
async fn a_strange_server_is_an_error_in_time() {
    check_odd(Oddity::Silence, &[2003]).await;
    check_odd(Oddity::Goodbye, &[2013]).await;
    // Not the protocol, too short to be a packet, a packet that never ends, another kind of server.
    check_odd(Oddity::Words(vec![0]), &[2003]).await;
    check_odd(Oddity::LastWords(vec![0]), &[2013]).await;
    check_odd(Oddity::Words(vec![0xff; 64]), &[2003, 2013, 2027]).await;
    check_odd(Oddity::Words(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), &[2003, 2013, 2027]).await;
    check_odd(Oddity::LastWords(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), &[2013, 2027]).await;
    // A server that is full says so before it asks who is there.
    check_odd(Oddity::LastWords(error_packet(1040, "Too many connections")), &[1040]).await;
    check_odd(Oddity::LastWords(error_packet(1130, "Host 'h' is not allowed")), &[1130]).await;
}

fn error_packet(number: u16, text: &str) -> Vec<u8> {
    let mut payload = vec![0xff];
    payload.extend(number.to_le_bytes());
    payload.extend(text.bytes());
    let mut packet = vec![u8::try_from(payload.len()).unwrap(), 0, 0, 0];
    packet.extend(payload);
    packet
}

/// Greetings with some bytes changed: whatever a server says, nothing panics and nothing hangs.
#[tokio::test]
async fn garbled_greetings_are_errors() {
    let mut greeting = vec![10];
    greeting.extend(b"10.11.6-MariaDB\0\x01\0\0\0abcdefgh\0\xfe\xff\x2d\x02\0\xff\xc1\x15");
    greeting.extend([0; 10]);
    greeting.extend(b"abcdefghijkl\0mysql_native_password\0");
    let mut packet = vec![u8::try_from(greeting.len()).unwrap(), 0, 0, 0];
    packet.extend(greeting);
    let mut dice = fastrand_like(7);
    for round in 0..150 {
        let mut garbled = packet.clone();
        for _ in 0..=round % 4 {
            let at = 4 + dice() % (garbled.len() - 4);
            garbled[at] = u8::try_from(dice() % 256).unwrap();
        }
        garbled.truncate(if round % 3 == 0 { 1 + dice() % packet.len() } else { packet.len() });
        let length = garbled.len().saturating_sub(4);
        garbled[0] = if round % 5 == 0 { garbled[0] } else { u8::try_from(length).unwrap() };
        let server = OddServer::new(Oddity::LastWords(garbled.clone())).await;
        let shop = Shop::new().primary("odd", &tcp("127.0.0.1", server.port()));
        let began = Instant::now();
        let error = shop.builder().connect().await.expect_err("no server at all");
        assert!(began.elapsed() < Duration::from_millis(1600), "{garbled:?}");
        assert!(told(&error).contains("`odd`"), "{}", told(&error));
    }
}

/// Small numbers that look random, the same ones in every run.
fn fastrand_like(mut seed: u64) -> impl FnMut() -> usize {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 40).unwrap()
    }
}

async fn check_odd(oddity: Oddity, codes: &[u16]) {
    let server = OddServer::new(oddity.clone()).await;
    let told = connect_error(&tcp("127.0.0.1", server.port())).await;
    assert!(codes.contains(&told), "{oddity:?}: {told}");
}

async fn check_connect(address: &str, expected: u16) {
    assert_eq!(connect_error(address).await, expected, "{address}");
}

/// The number that `connect` and a statement both report, in time and with the server's name.
async fn connect_error(address: &str) -> u16 {
    let shop = Shop::new().account("app", SECRET).primary("odd", address).replica("strange", address);
    let shop = shop.with(r#""pool": {"connect_timeout_ms": 500}"#);
    let ears = Eavesdropper::default();
    let listening = ears.listen();
    let began = Instant::now();
    let refused = shop.builder().connect().await.expect_err("nobody is there");
    let db = shop.build();
    let failed = sqlx::query("SELECT 1").execute(&db).await.expect_err("nobody is there");
    // Two of what is configured, and less than two of what is not.
    assert!(began.elapsed() < Duration::from_millis(1900), "{address}: {:?}", began.elapsed());
    drop(listening);

    assert_eq!(refused.code(), code(&failed), "{refused:?} {failed:?}");
    if failed.as_database_error().is_none() {
        assert!(told(&refused).contains("`odd`"), "{}", told(&refused));
        assert!(told(&failed).contains("`strange`"), "{}", told(&failed));
    }
    let all = format!("{refused:?} {failed:?} {} {} {db:?} {}", told(&refused), told(&failed), ears.heard());
    assert!(ears.heard().contains("strange"), "{}", ears.heard());
    assert!(!all.contains(SECRET), "{all}");
    refused.code()
}
