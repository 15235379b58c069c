//! Act three: a replica that stands still gives old answers, and who wrote is not sent there.

use std::time::Duration;

use ms_pool::{Scope, Session};
use sqlx::Row;
use tokio::time::{Instant, sleep};
use xtask::cluster::Cluster;

use super::{Failed, claim, named, shop::Shop};
use crate::screen::{Column, Screen, bad, good, text};
use comfy_table::Cell;

const FROZEN: &str = "replica1";
const OTHER: &str = "replica2";
const WRITE: &str = "UPDATE orders SET state = 'paid' WHERE id = 1";
const READ: &str = "SELECT state FROM orders WHERE id = 1";
const OLD: &str = "new";
const NEW: &str = "paid";

/// How long the other replica may take to catch up.
const PATIENCE: Duration = Duration::from_secs(10);

/// One answer.
struct Answer {
    who: &'static str,
    server: String,
    state: String,
}

pub(super) async fn act(shop: &Shop, cluster: &Cluster, screen: &mut Screen) -> Result<(), Failed> {
    screen.heading("3. A replica lags, and who wrote does not notice")?;
    screen.paragraph(&format!(
        "Replication is stopped on {FROZEN}; it goes on answering with what it has. Then order 1 is paid, through a scope: \
         `db.scope()`. All of these read it at that moment, on replicas:",
    ))?;
    // Everything before this has arrived everywhere: what is old afterwards is old because of what happens now.
    cluster.wait_sync().await?;
    cluster.stop_replication(FROZEN).await?;
    let scope = shop.db.scope();
    sqlx::query(WRITE).execute(&scope).await.map_err(Failed::statement(WRITE))?;
    let token = scope.token().await.map_err(Failed::Position)?.unwrap_or_default();
    arrived(cluster, OTHER).await?;

    let elsewhere = shop.another_process()?;
    let stranger = "somebody else";
    let mut session = elsewhere.session();
    // Replicas take turns: two reads ask both.
    let mut answers = vec![ask(stranger, &mut session).await?, ask(stranger, &mut session).await?];
    answers.sort_by(|a, b| a.server.cmp(&b.server));
    // A session of its own each time, so that nothing but the position keeps it from the replica that stands still.
    for _ in 0..4 {
        answers.push(ask("the scope", &mut scope.session()).await?);
    }
    let told = elsewhere.at(&token).map_err(Failed::Position)?;
    for _ in 0..4 {
        answers.push(ask("another process, with the token", &mut told.session()).await?);
    }
    let [stale, fresh, exact @ ..] = &answers[..] else { unreachable!("there are ten") };
    let shown = [stale, fresh, &exact[0], &exact[4]].map(|it| row(shop, it));
    screen.table(
        [Column::Text("who reads"), Column::Name("server"), Column::Name("state"), Column::Name("that is")],
        shown,
    )?;
    let is = |it: &Answer, server, state| it.server == server && it.state == state;
    let seen = |it: &Answer| format!("`{}` from `{}`", it.state, it.server);
    claim("a replica that does not replicate is stale", is(stale, FROZEN, OLD), || seen(stale))?;
    claim("the other replica has the write", is(fresh, OTHER, NEW), || seen(fresh))?;
    for answer in exact {
        claim("who wrote it, or was told, reads it from a replica that has it", is(answer, OTHER, NEW), || {
            seen(answer)
        })?;
    }

    cluster.start_replication(FROZEN).await?;
    cluster.wait_sync().await?;
    thawed(&scope).await?;
    elsewhere.close().await;
    screen.paragraph(&format!(
        "The token is `{token}`: the position of the write, {} characters for a cookie, a header or a job. Four reads each were made \
         with it and through the scope, and none went to {FROZEN}. It replicates again and has the write now.",
        token.len()
    ))?;
    Ok(())
}

fn row(shop: &Shop, it: &Answer) -> [Cell; 4] {
    let note = if it.state == NEW { good("as written") } else { bad("stale") };
    [text(it.who), named(&shop.db, &it.server), text(&it.state), note]
}

/// All replicas have it again.
async fn thawed(scope: &Scope) -> Result<(), Failed> {
    for _ in 0..2 {
        let answer = ask("the scope", &mut scope.session()).await?;
        claim("a replica that replicates again has the write", answer.state == NEW, || answer.state.clone())?;
    }
    Ok(())
}

async fn ask(who: &'static str, session: &mut Session) -> Result<Answer, Failed> {
    let row = sqlx::raw_sql(READ).fetch_one(&mut *session).await.map_err(Failed::statement(READ))?;
    let state = row.try_get(0).map_err(Failed::statement(READ))?;
    let server = session.last_used().map_or_else(String::new, |it| it.name.to_owned());
    Ok(Answer { who, server, state })
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
