//! A filter of a program's own: reads stay in their zone while a replica there can be reached.
//!
//! Traffic between zones is slow and costs money, so replicas of the same zone come first. They are a preference and no
//! limit: when none of them can be reached, or none is there, the others take over. A filter that *narrows* could not do that,
//! for what it takes away nobody tries any more; so this one *balances*: the router asks it for a server, and again for another one while
//! those it named cannot be used.
//!
//! ```sh
//! cargo xtask test-cluster -- cargo run -p ms-pool --example zone_aware
//! ```

#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::{collections::HashMap, env};

use ms_pool::{
    Builder, Cluster, FilterConfig,
    ms_filters::{Candidates, Cx, Filter, Kind, Reason, ServerIx, Verdict},
};

/// Draws a server of the own zone, or of another one when those were tried.
#[derive(Debug)]
struct ZoneAware {
    own: String,
    /// The zone of each server, by name.
    zones: HashMap<String, String>,
}

impl ZoneAware {
    /// From `{"zones": {"replica1": "a", …}}` in the file; which zone is one's own is the machine's business.
    fn new(config: &FilterConfig<'_>, own: &str) -> Result<Self, String> {
        let zones = config.arguments.get("zones").ok_or("`zones` is missing")?;
        let mut filter = ZoneAware { own: own.to_owned(), zones: HashMap::new() };
        for (server, zone) in zones.entries() {
            if !config.primaries.iter().chain(config.replicas).any(|it| it == server) {
                return Err(format!("`zones` names `{server}`, which is no server of the section"));
            }
            let zone = zone.as_str().ok_or_else(|| format!("the zone of `{server}` is not a text"))?;
            filter.zones.insert(server.to_owned(), zone.to_owned());
        }
        Ok(filter)
    }

    fn is_near(&self, cx: &Cx<'_>, server: ServerIx) -> bool {
        self.zones.get(cx.topology.server(server).name()).is_some_and(|zone| *zone == self.own)
    }
}

impl Filter for ZoneAware {
    fn name(&self) -> &str {
        "zone_aware"
    }

    fn kind(&self) -> Kind {
        Kind::Balances
    }

    fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
        // Counted and walked twice instead of collected: a decision should allocate nothing.
        let untried = |near| {
            let list = candidates.list(cx.attempt.role()).iter().copied();
            let cx = &*cx;
            list.filter(move |it| !cx.tried.contains(it) && self.is_near(cx, *it) == near)
        };
        let near = untried(true).count() > 0;
        let count = u32::try_from(untried(near).count()).unwrap_or(u32::MAX);
        if count == 0 {
            return Verdict::Refuse(Reason::NoneUsable);
        }
        let drawn = cx.rng.below(count) as usize;
        let list = candidates.list(cx.attempt.role()).iter().copied();
        let mut fit = list.filter(|it| !cx.tried.contains(it) && self.is_near(cx, *it) == near);
        Verdict::Pick(fit.nth(drawn).expect("it was drawn from so many"), Reason::Own)
    }
}

/// A builder that knows the filter; everything else is as ever.
fn builder(own_zone: String) -> Builder {
    Cluster::builder().filter("zone_aware", move |config| Ok(Box::new(ZoneAware::new(config, &own_zone)?)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The servers of the test cluster, in a chain that ends with the new filter.
    let server = |url: String| {
        let address = url.split('@').nth(1).and_then(|it| it.split('/').next()).unwrap_or_default().to_owned();
        let (host, port) = address.split_once(':').unwrap_or((&address, "3306"));
        format!(r#"{{"host": "{host}", "port": {port}, "user": "app", "password": "app", "db": "test"}}"#)
    };
    let file = format!(
        r#"{{"shop": {{
            "master": {{"primary": {}}},
            "slave": {{"replica1": {}, "replica2": {}}},
            "filters": {{"zone_aware": {{"zones": {{"replica1": "fra", "replica2": "ams"}}}}}},
            "failover": {{"strategy": "loop_before_primary"}}
        }}}}"#,
        server(env::var("MS_TEST_PRIMARY")?),
        server(env::var("MS_TEST_REPLICA_1")?),
        server(env::var("MS_TEST_REPLICA_2")?),
    );
    for zone in ["fra", "ams"] {
        println!("a service in {zone}");
        let db = builder(zone.to_owned())
            .config_text("ms.json", file.as_str())
            .on_decision(|decision| println!("  {decision}"))
            .connect()
            .await?;
        for _ in 0..3 {
            sqlx::query("SELECT 1").execute(&db).await?;
        }
        db.close().await;
    }
    // The parser of one's own arguments is worth a look, too.
    let broken = file.replace("replica2\": \"ams", "replica3\": \"ams");
    let Err(error) = builder("fra".to_owned()).config_text("ms.json", broken).build() else {
        return Err("a zone for a server that does not exist".into());
    };
    println!("{error}: {}", std::error::Error::source(&error).unwrap_or(&error));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, time::Duration};

    use ms_pool::ms_filters::{Inputs, Outcome, Request, Rng, Scratch, ServerState, SessionMemory, Step, View};

    use super::*;

    #[test]
    fn the_own_zone_comes_first() {
        check("fra", &[], &["f1", "f2"]);
        check("ams", &[], &["a1"]);
    }

    #[test]
    fn the_others_take_over_when_nobody_there_can_be_reached() {
        check("fra", &["f1"], &["f2"]);
        check("fra", &["f1", "f2"], &["a1", "x"]);
        check("ams", &["a1", "f1"], &["f2", "x"]);
        check("fra", &["f1", "f2", "a1", "x"], &["main"]);
    }

    #[test]
    fn a_zone_without_servers_has_no_preference() {
        check("nowhere", &[], &["f1", "f2", "a1", "x"]);
    }

    #[test]
    fn wrong_arguments_are_told_with_their_place() {
        for (arguments, expected) in [
            ("{}", "`zones` is missing"),
            (r#"{"zones": {"f9": "fra"}}"#, "`zones` names `f9`, which is no server of the section"),
            (r#"{"zones": {"f1": 7}}"#, "the zone of `f1` is not a text"),
        ] {
            let error = builder("fra".to_owned()).config_text("ms.json", file(arguments)).build().unwrap_err();
            let place = error.to_string();
            assert!(place.starts_with("ms.json:5:29: shop.filters.zone_aware: filter `zone_aware`"), "{place}");
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(cause, expected);
        }
    }

    /// The servers that reads go to from `zone` while those of `dead` cannot be reached.
    #[track_caller]
    fn check(zone: &str, dead: &[&str], expected: &[&str]) {
        let arguments = r#"{"zones": {"f1": "fra", "f2": "fra", "a1": "ams"}}"#;
        let db = builder(zone.to_owned()).config_text("ms.json", file(arguments)).build().unwrap();
        let used: HashSet<String> = (0..200).map(|seed| read(&db, dead, seed)).collect();
        assert_eq!(used, expected.iter().map(|&it| it.to_owned()).collect());
    }

    fn file(arguments: &str) -> String {
        format!(
            r#"{{"shop": {{
                "master": {{"main": {{"host": "10.0.0.1"}}}},
                "slave": {{"f1": {{"host": "10.0.0.2"}}, "f2": {{"host": "10.0.0.3"}},
                          "a1": {{"host": "10.0.0.4"}}, "x": {{"host": "10.0.0.5"}}}},
                "filters": {{"zone_aware": {arguments}}},
                "failover": {{"strategy": "loop_before_primary", "max_retries": 0}}
            }}}}"#
        )
    }

    /// Nothing is known about any server.
    struct Nothing;

    impl View for Nothing {
        fn server(&self, _: ServerIx) -> ServerState {
            ServerState::default()
        }
    }

    /// Asks the cluster's router and answers it without a server.
    fn read(db: &Cluster, dead: &[&str], seed: u64) -> String {
        let router = db.router();
        let statement = db.classify("SELECT 1");
        let request = Request::new(&statement);
        let (mut rng, mut session, mut scratch) = (Rng::from_seed(seed), SessionMemory::default(), Scratch::default());
        let cluster = router.cluster_memory();
        let mut inputs = Inputs {
            request: &request,
            view: &Nothing,
            now: Duration::ZERO,
            rng: &mut rng,
            session: &mut session,
            cluster: &cluster,
            scratch: &mut scratch,
            sink: None,
        };
        let (mut attempt, mut step) = router.start(&mut inputs);
        while let Step::Open(server) = step {
            let is_dead = dead.contains(&router.topology().server(server).name());
            let outcome = if is_dead { Outcome::OpenFailed } else { Outcome::Opened };
            step = router.after(&mut attempt, &mut inputs, outcome);
        }
        let Step::Use(server) = step else { panic!("{step:?}") };
        router.topology().server(server).name().to_owned()
    }
}
