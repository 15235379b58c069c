//! What `compat` means for a section.
//!
//! `strict`, the default, differs from the original where the original was a trap. An operator who moves a file over
//! should be told what changes for that file, and only that: a section without replicas has no read-only belt.

use ms_config::{Compat, FailureMemory, Filter, Section, Settings, Strategy, TrxStickiness, XaOnClose};

/// The mode of a section, who chose it, and its consequences as sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CompatReport {
    pub(crate) compat: Compat,
    /// Who chose it.
    pub(crate) source: &'static str,
    pub(crate) points: Vec<String>,
}

impl CompatReport {
    /// The report of one section; `settings` are those of the environment.
    pub(crate) fn of(section: &Section, settings: &Settings) -> Self {
        let source = match (settings.compat, section.settings.compat) {
            (Some(_), _) => "from MYSQL_MS_COMPAT",
            (None, Some(_)) => "from the section",
            (None, None) => "the default",
        };
        let compat = section.switches.compat;
        let mut points = match compat {
            Compat::Classic => classic(section),
            Compat::Strict => strict(section),
        };
        points.extend(forgotten(section));
        Self { compat, source, points }
    }
}

fn classic(section: &Section) -> Vec<String> {
    let mut points = Vec::new();
    if let Some(point) = nothing_to_split(section) {
        points.push(point.to_owned());
    } else {
        points.push(
            "a statement is a read when its first token is `SELECT`: `SELECT … FOR UPDATE` and functions that write \
             go to replicas, `SHOW` and `WITH … SELECT` to the primary"
                .to_owned(),
        );
        points.push("nothing keeps such a write from changing a replica: its connections stay as they are".to_owned());
    }
    if !section.read_functions.is_empty() {
        points.push("`read_functions` has no effect: functions are not looked at".to_owned());
    }
    points.push(
        "`BEGIN`, `COMMIT` and `SET autocommit` sent as SQL text are not seen: statements of such a transaction are \
         still split; use the API's `begin()`"
            .to_owned(),
    );
    if section.replicas.is_empty() {
        return points;
    }
    points.push(
        "a read that needs a variable, temporary table or lock of its session is routed like any other read".to_owned(),
    );
    points.push(match section.trx_stickiness {
        None | Some(TrxStickiness::Disabled) => {
            "`trx_stickiness` is off: what `start_transaction` begins does not bind reads to its server, `begin()` does"
                .to_owned()
        }
        Some(_) => sticky(section).to_owned(),
    });
    points.extend(level(section).map(str::to_owned));
    if section.failover.memory == FailureMemory::Session {
        points.push("`remember_failed`: a server that failed is left out for the rest of the session".to_owned());
    }
    points
}

/// Where transactions run that are bound to a server.
fn sticky(section: &Section) -> &'static str {
    match section.trx_stickiness {
        Some(TrxStickiness::Primary) => "a transaction keeps to one primary, also if it is read-only",
        _ => "a transaction keeps to one server: a primary, or a replica if it is read-only",
    }
}

fn strict(section: &Section) -> Vec<String> {
    let mut points = Vec::new();
    if let Some(point) = nothing_to_split(section) {
        points.push(point.to_owned());
    } else {
        points.push(
            "a statement is a read when it provably changes nothing: `SELECT … FOR UPDATE`, `INTO`, functions that \
             are not known and everything doubtful go to the primary"
                .to_owned(),
        );
        points.push(match section.read_functions.as_slice() {
            [] => {
                "own functions that only read go to replicas when `read_functions` lists them; it lists none".to_owned()
            }
            functions => {
                let names: Vec<_> = functions.iter().map(|it| format!("`{it}`")).collect();
                format!("calls of {} count as reads", names.join(", "))
            }
        });
    }
    points.push(format!("{}; SQL text that begins or ends one is seen in a session", sticky(section)));
    if section.trx_stickiness == Some(TrxStickiness::Disabled) {
        points.push("`trx_stickiness` cannot be off in `strict`: a transaction would be torn apart".to_owned());
    }
    if !section.replicas.is_empty() {
        points.push(
            "in a session statements go where their temporary tables, variables and locks are; time zone, SQL mode and the \
             like are set on all its connections"
                .to_owned(),
        );
        points.push(if section.retry_reads {
            "a read whose connection breaks before it has answered is run once more".to_owned()
        } else {
            "`retry_reads` is off: a read whose connection breaks fails".to_owned()
        });
        points.push(
            "connections to replicas are read only (`SET SESSION TRANSACTION READ ONLY`): a write that gets there is \
             refused with error 1792, and a read that turns out to write runs on the primary instead"
                .to_owned(),
        );
    }
    points.extend(level(section).map(str::to_owned));
    points.extend(failures(section));
    points
}

/// What becomes of a server that cannot be reached; a lone one is tried whatever is remembered.
fn failures(section: &Section) -> Option<String> {
    if section.primaries.len() + section.replicas.len() < 2 {
        return None;
    }
    Some(match section.failover.memory {
        FailureMemory::Cluster { retry_after } => format!(
            "a server that cannot be reached is left out by all sessions for {} seconds, up to a minute when it fails \
             again, while another one is left (`retry_after_s`, `\"remember_failed\": 0`)",
            retry_after.as_secs()
        ),
        _ => "`remember_failed` is off: each statement that draws a server that cannot be reached tries it".to_owned(),
    })
}

/// What becomes of global transactions after a crash, where nothing is written down.
fn forgotten(section: &Section) -> Option<String> {
    let xa = section.xa.as_ref().filter(|it| it.state_store.is_none())?;
    let close = match xa.on_close {
        XaOnClose::RollBack => "",
        XaOnClose::RecordFailure => ", and `rollback_on_close: 0` has nowhere to record a failure",
    };
    Some(format!(
        "`xa` has no `state_store`: what a crash leaves prepared holds its locks until somebody ends it by hand{close}"
    ))
}

fn nothing_to_split(section: &Section) -> Option<&'static str> {
    if !section.switches.enable {
        return Some("`enable` is off: every statement goes to the primary, whatever it is");
    }
    if section.switches.disable_rw_split {
        return Some("`disable_rw_split` is on: every statement goes to the primary, whatever it is");
    }
    if !section.replicas.is_empty() {
        return None;
    }
    Some(match section.failover.strategy {
        // As the original: nobody asked for reads on the primary.
        Strategy::Disabled => {
            "there are no replicas and `failover` is off, so every read fails; `\"failover\": \"master\"` sends reads to \
             the primary"
        }
        Strategy::Primary | Strategy::LoopBeforePrimary => {
            "there are no replicas: reads go to the primary because `failover` allows it"
        }
    })
}

/// How fresh reads are; `None` where a filter decides.
fn level(section: &Section) -> Option<&'static str> {
    if section.replicas.is_empty() || section.filters.iter().any(|it| matches!(it, Filter::QualityOfService { .. })) {
        return None;
    }
    Some(match (section.switches.compat, section.master_on_write) {
        (Compat::Strict, _) => {
            "the service level is session: a read goes to a replica that has what its reader wrote (through `&Cluster` the \
             process, through a scope the request), waits for one for a moment, or goes to the primary"
        }
        (_, true) => {
            "the service level is eventual, but `master_on_write` is on: after its first write a session reads from the primary"
        }
        (_, false) => {
            "the service level is eventual: a replica may not have yet what was just written, and is not waited for; \
             in a session `\"master_on_write\": 1` avoids it, elsewhere `db.primary()`"
        }
    })
}

#[cfg(test)]
mod tests {
    use ms_config::Config;

    use super::*;

    const PRIMARY: &str = r#""master": {"p": {"host": "10.0.0.1"}}"#;
    const REPLICA: &str = r#", "slave": {"r": {"host": "10.0.0.2"}}"#;

    #[test]
    fn the_source_of_the_mode_is_named() {
        let report = |keys: &str, settings: &Settings| {
            let report = report(keys, settings);
            (report.compat, report.source)
        };
        let environment = Settings { compat: Some(Compat::Classic), ..Settings::default() };
        assert_eq!(report("", &Settings::default()), (Compat::Strict, "the default"));
        assert_eq!(report(r#", "compat": "classic""#, &Settings::default()), (Compat::Classic, "from the section"));
        assert_eq!(report(r#", "compat": "strict""#, &environment), (Compat::Classic, "from MYSQL_MS_COMPAT"));
    }

    #[test]
    fn each_mode_has_a_service_level_of_its_own() {
        check(r#", "compat": "strict""#, "the service level is session");
        check(r#", "compat": "classic""#, "the service level is eventual");
        check(r#", "compat": "classic", "master_on_write": 1"#, "`master_on_write` is on");
    }

    #[test]
    fn what_the_file_says_decides_what_is_told() {
        check(r#", "compat": "strict", "read_functions": ["price"]"#, "`price`");
        check(r#", "compat": "strict", "disable_rw_split": 1"#, "`disable_rw_split` is on");
        check(r#", "compat": "classic", "read_functions": ["price"]"#, "no effect");
        check(r#", "compat": "strict""#, "left out by all sessions for 10 seconds");
        check(r#", "failover": {"retry_after_s": 3}"#, "left out by all sessions for 3 seconds");
        check(r#", "failover": {"remember_failed": 0}"#, "`remember_failed` is off");
        check(r#", "compat": "classic", "failover": {"remember_failed": 1}"#, "for the rest of the session");
    }

    #[test]
    fn global_transactions_without_a_store_are_told_what_a_crash_costs() {
        check(r#", "xa": {}"#, "`xa` has no `state_store`");
        check(r#", "xa": {"rollback_on_close": 0}, "compat": "classic""#, "nowhere to record a failure");
        let stored = report(r#", "xa": {"state_store": {"mysql": {"host": "10.0.0.3"}}}"#, &Settings::default());
        assert!(stored.points.iter().all(|it| !it.contains("state_store")), "{stored:#?}");
    }

    #[test]
    fn a_section_without_replicas_is_told_what_becomes_of_reads() {
        check(r#", "slave": []"#, "every read fails");
        check(r#", "slave": [], "failover": "master""#, "reads go to the primary");
    }

    #[track_caller]
    fn check(keys: &str, part: &str) {
        let report = report(keys, &Settings::default());
        assert!(report.points.iter().any(|it| it.contains(part)), "{report:#?}");
    }

    #[track_caller]
    fn report(keys: &str, settings: &Settings) -> CompatReport {
        let replica = if keys.contains("slave") { "" } else { REPLICA };
        let parsed = Config::parse_file("t.json", &format!("{{\"s\": {{{PRIMARY}{replica}{keys}}}}}"), settings);
        CompatReport::of(parsed.config.section("s").unwrap(), settings)
    }
}
