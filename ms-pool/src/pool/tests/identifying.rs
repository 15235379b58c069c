//! What a real server says about itself, and what a new connection was told.

use sqlx_core::connection::Connection;
use sqlx_core::row::Row;
use sqlx_mysql::MySqlConnection;

use super::world::*;
use crate::error::code;
use crate::pool::*;
use crate::probe::Flavour;

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_server_tells_who_it_is_and_two_are_not_the_same() {
    let (replica, _alone) = replica().await;
    let (first, second) = (pool(&primary(), 1), pool(&replica, 1));
    let (mut on_primary, on_replica) = (lease(&first).await.unwrap(), lease(&second).await.unwrap());
    let it = on_primary.identity().clone();
    assert_ne!(it.key, on_replica.identity().key);
    assert_eq!((it.read_only, on_replica.identity().read_only), (false, true));
    assert_eq!(
        it.connection_id,
        u64::try_from(number(&mut on_primary, text("SELECT CONNECTION_ID()")).await.unwrap()).unwrap()
    );
    let by_name = if it.version.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql };
    assert_eq!(it.flavour, by_name);
    assert!(it.started.is_some());
    assert_eq!(first.identity().unwrap().key, it.key);
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn a_session_is_set_up_as_sqlx_would() {
    let url = primary();
    let pool = pool(&url, 1);
    let mut ours = lease(&pool).await.unwrap();
    let mut theirs = MySqlConnection::connect(url.as_str()).await.unwrap();
    let question = "SELECT @@sql_mode, @@time_zone, @@character_set_client, @@character_set_results, \
                    @@character_set_connection, @@collation_connection";
    let mine = &ours.run_text(question, SOON).await.unwrap()[0];
    let other = sqlx::raw_sql(question).fetch_one(&mut theirs).await.unwrap();
    for column in 0..6 {
        let of = |row: &sqlx_mysql::MySqlRow| row.try_get_unchecked::<String, _>(column).unwrap();
        assert_eq!(of(mine), of(&other));
    }
    assert!(ours.identity().sql_mode.contains("PIPES_AS_CONCAT"));
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn the_belt_refuses_writes_and_init_statements_run() {
    let url = primary();
    let mut target = target(&url, url.port().unwrap());
    target.belt = Belt::ReadOnly;
    target.init = vec!["SET @a = 41".into(), "SET @a = @a + 1; -- the answer".into()];
    let mut lease = lease(&ServerPool::new(target, limits(1))).await.unwrap();
    assert_eq!(number(&mut lease, text("SELECT @a")).await.unwrap(), 42);
    let error = lease.run_text("CREATE TABLE test.belt_pool (a INT)", SOON).await.unwrap_err();
    assert_eq!(code(&error), 1792);
    assert!(lease.is_ready(), "a server's error is a complete answer");
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test"]
async fn options_handed_in_ready_made_work_as_they_are() {
    let options: sqlx_mysql::MySqlConnectOptions = primary().as_str().parse().unwrap();
    let dial = Dial::ready(options.timezone("+03:00".to_owned()));
    let pool = ServerPool::new(Target { server: "db".into(), dial, belt: Belt::Off, init: vec![] }, limits(1));
    let mut lease = lease(&pool).await.unwrap();
    let rows = lease.run_text("SELECT @@time_zone", SOON).await.unwrap();
    assert_eq!(rows[0].try_get_unchecked::<String, _>(0).unwrap(), "+03:00");
}
