//! Act three: a replica that stands still gives old answers, and a hint avoids them.

use std::time::Duration;

use ms_pool::Session;
use sqlx::Row;
use tokio::time::{Instant, sleep};
use xtask::cluster::Cluster;

use super::{Failed, claim, named, shop::Shop};
use crate::screen::{Column, Screen, bad, good, text};

const FROZEN: &str = "replica1";
const WRITE: &str = "UPDATE orders SET state = 'paid' WHERE id = 1";
const READ: &str = "SELECT state FROM orders WHERE id = 1";
const HINTED: &str = "/*ms=primary*/ SELECT state FROM orders WHERE id = 1";
const OLD: &str = "new";
const NEW: &str = "paid";

/// How long the other replica may take to catch up.
const PATIENCE: Duration = Duration::from_secs(10);

/// One answer.
struct Answer {
    sql: &'static str,
    server: String,
    state: String,
}

pub(super) async fn act(shop: &Shop, cluster: &Cluster, screen: &mut Screen) -> Result<(), Failed> {
    screen.heading("3. A replica lags, and a hint avoids it")?;
    screen.paragraph(&format!(
        "Replication is stopped on {FROZEN}; it goes on answering with what it has. Then order 1 is paid on the primary, and read \
         again.",
    ))?;
    // Everything before this has arrived everywhere: what is old afterwards is old because of what happens now.
    cluster.wait_sync().await?;
    cluster.stop_replication(FROZEN).await?;
    let mut session = shop.db.session();
    sqlx::raw_sql(WRITE).execute(&mut session).await.map_err(Failed::statement(WRITE))?;
    arrived(cluster, "replica2").await?;

    // Replicas take turns: two reads ask both.
    let mut answers = [ask(&mut session, READ).await?, ask(&mut session, READ).await?];
    answers.sort_by(|a, b| a.server.cmp(&b.server));
    let [stale, fresh] = &answers;
    let hinted = ask(&mut session, HINTED).await?;
    let rows = [stale, fresh, &hinted].map(|it| {
        let note = if it.state == NEW { good("as written") } else { bad("stale") };
        [text(it.sql), named(&shop.db, &it.server), text(&it.state), note]
    });
    let columns = [Column::Text("statement"), Column::Name("server"), Column::Name("state"), Column::Name("that is")];
    screen.table(columns, rows)?;
    let is = |it: &Answer, server, state| it.server == server && it.state == state;
    let seen = |it: &Answer| format!("`{}` from `{}`", it.state, it.server);
    claim("a replica that does not replicate is stale", is(stale, FROZEN, OLD), || seen(stale))?;
    claim("the other replica has the write", is(fresh, "replica2", NEW), || seen(fresh))?;
    claim("a hint gets the write from the primary", is(&hinted, "primary", NEW), || seen(&hinted))?;

    cluster.start_replication(FROZEN).await?;
    cluster.wait_sync().await?;
    for _ in 0..2 {
        let answer = ask(&mut session, READ).await?;
        claim("a replica that replicates again has the write", answer.state == NEW, || seen(&answer))?;
    }
    screen.paragraph(&format!(
        "The same statement, two answers: that is what the level `eventual` allows. The hint, or `db.primary()` in code, asks where \
         the truth is. {FROZEN} replicates again and has the write now.",
    ))?;
    Ok(())
}

async fn ask(session: &mut Session, sql: &'static str) -> Result<Answer, Failed> {
    let row = sqlx::raw_sql(sql).fetch_one(&mut *session).await.map_err(Failed::statement(sql))?;
    let state = row.try_get(0).map_err(Failed::statement(sql))?;
    let server = session.last_used().map_or_else(String::new, |it| it.name.to_owned());
    Ok(Answer { sql, server, state })
}

/// Waits until one replica has the write; waiting for all of them would wait for the one that stands still.
async fn arrived(cluster: &Cluster, name: &str) -> Result<(), Failed> {
    let deadline = Instant::now() + PATIENCE;
    let read = format!("SELECT state FROM test.orders WHERE id = 1 AND state = '{NEW}'");
    while cluster.server(name)?.sql(&read).await?.first().is_none() {
        claim(format!("the write reaches `{name}`"), Instant::now() < deadline, || "nothing".to_owned())?;
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
