//! Keeps the servers that hold the tables of a statement.
//!
//! Where tables are spread over servers, rules say which ones have which: a pattern of `database.table`, and for each role
//! a list of servers. Rules are tried in their order, for each role by itself: the first one that matches and has a list
//! for the role decides, so a rule without replicas leaves them to a later one. Several tables of a statement must be on
//! one server, so each narrows what the one before left. The lists apply to every statement, reads and writes; which side
//! it goes to is decided afterwards.
//!
//! Nothing is guessed, because a write on the wrong server creates data that nobody will find:
//!
//! - a table that no rule matches is an error, also with failover: that is for servers that cannot be reached;
//! - a statement whose tables are not known may run only on servers that every rule names, where any table would be fine.
//!
//! A statement that names no table may run anywhere.

use ms_hints::match_wild;

use crate::{
    attempt::Target,
    candidates::Candidates,
    filter::{Cx, Filter, Kind, Verdict},
    reason::Reason,
    request::Request,
    server::{PerRole, Role},
    tables::{TableName, Tables},
    topology::Topology,
    why::Why,
};

/// How many tables an error names.
const NAMED: usize = 4;

/// One rule: tables, and the servers that have them by their positions among the configured servers of their role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRule {
    /// What `database.table` is matched with, as [`match_wild`] does.
    pub pattern: String,
    /// Positions among the primaries, in the order in which they are offered; `None` leaves it to later rules.
    pub primaries: Option<Vec<usize>>,
    /// Positions among the replicas, likewise.
    pub replicas: Option<Vec<usize>>,
}

/// The `table` filter.
#[derive(Clone, Debug)]
pub struct Table {
    /// What errors call the rules.
    rule_set: Box<str>,
    rules: Box<[Rule]>,
    /// The servers that every rule names.
    everywhere: PerRole<Box<[usize]>>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: Box<[u8]>,
    servers: PerRole<Option<Box<[usize]>>>,
}

impl Table {
    /// A filter with these rules; `rule_set` is what errors call them, such as `shop.filters.table.rules`.
    #[must_use]
    pub fn new(rule_set: impl Into<Box<str>>, rules: impl IntoIterator<Item = TableRule>) -> Self {
        let rules: Box<[Rule]> = rules.into_iter().map(Rule::new).collect();
        let everywhere =
            PerRole { primary: everywhere(&rules, Role::Primary), replica: everywhere(&rules, Role::Replica) };
        Table { rule_set: rule_set.into(), rules, everywhere }
    }

    /// The servers for a table, per role as the first rule that has some says; `None` when no rule matches.
    fn servers(&self, table: &TableName) -> Option<PerRole<&[usize]>> {
        let mut found: PerRole<Option<&[usize]>> = PerRole { primary: None, replica: None };
        let mut matched = false;
        for rule in self.rules.iter().filter(|it| it.matches(table)) {
            matched = true;
            found.primary = found.primary.or(rule.servers.primary.as_deref());
            found.replica = found.replica.or(rule.servers.replica.as_deref());
            if found.primary.is_some() && found.replica.is_some() {
                break;
            }
        }
        matched
            .then(|| PerRole { primary: found.primary.unwrap_or_default(), replica: found.replica.unwrap_or_default() })
    }

    /// Keeps the servers for all of the tables.
    ///
    /// # Errors
    ///
    /// Why there are none, when that does not depend on what was left of the candidates.
    fn narrow(&self, topology: &Topology, candidates: &mut Candidates, tables: &[TableName]) -> Result<(), Reason> {
        for table in tables {
            if !table.has_database() {
                return Err(Reason::TableWithoutDatabase);
            }
            let servers = self.servers(table).ok_or(Reason::TableUnmatched)?;
            select(topology, candidates, &servers);
        }
        Ok(())
    }

    fn refuse(&self, cx: &mut Cx<'_>, reason: Reason) -> Verdict {
        // What the original says of a read is about replicas.
        if cx.attempt.class.target == Target::Side(Role::Replica)
            && let Some(text) = Why::new(Reason::TableWithoutReplica).warning()
        {
            cx.warnings.push(text);
        }
        Verdict::Refuse(reason)
    }
}

impl Rule {
    fn new(rule: TableRule) -> Self {
        let servers = PerRole { primary: rule.primaries.map(Vec::into), replica: rule.replicas.map(Vec::into) };
        Rule { pattern: rule.pattern.into_bytes().into(), servers }
    }

    fn matches(&self, table: &TableName) -> bool {
        match_wild(table.as_str().as_bytes(), &self.pattern)
    }
}

/// What all rules name, in the order of the first one. A rule without a list for the role names nobody.
fn everywhere(rules: &[Rule], role: Role) -> Box<[usize]> {
    let mut lists = rules.iter().map(|it| it.servers.of(role).as_deref().unwrap_or_default());
    let first = lists.next().unwrap_or_default();
    let rest: Vec<&[usize]> = lists.collect();
    first.iter().copied().filter(|it| rest.iter().all(|list| list.contains(it))).collect()
}

fn select<S: AsRef<[usize]>>(topology: &Topology, candidates: &mut Candidates, servers: &PerRole<S>) {
    for role in [Role::Primary, Role::Replica] {
        let configured = topology.list(role);
        let positions = servers.of(role).as_ref().iter();
        candidates.select(role, positions.filter_map(|it| configured.get(*it)).copied());
    }
}

impl Filter for Table {
    fn name(&self) -> &str {
        "table"
    }

    fn kind(&self) -> Kind {
        Kind::Narrows
    }

    fn wants_tables(&self) -> bool {
        true
    }

    fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
        if cx.request.is_pinned() {
            return Verdict::Keep(Reason::Pinned);
        }
        let sides = |candidates: &Candidates| PerRole {
            primary: candidates.primaries().is_empty(),
            replica: candidates.replicas().is_empty(),
        };
        let before = sides(candidates);
        let reason = match cx.request.tables {
            Tables::Named([]) => return Verdict::Keep(Reason::NoTable),
            Tables::Named(tables) => match self.narrow(cx.topology, candidates, tables) {
                Ok(()) => Reason::TableRules,
                Err(reason) => return self.refuse(cx, reason),
            },
            Tables::NotAsked | Tables::Unparsable => {
                select(cx.topology, candidates, &self.everywhere);
                Reason::TablesUnknown
            }
        };
        let after = sides(candidates);
        cx.attempt.emptied_by_tables =
            PerRole { primary: after.primary && !before.primary, replica: after.replica && !before.replica };
        match candidates.is_empty() {
            true if reason == Reason::TableRules => self.refuse(cx, Reason::TableWithoutServer),
            true => self.refuse(cx, reason),
            false => Verdict::Keep(reason),
        }
    }

    fn explain(&self, request: &Request<'_>, why: Why) -> Option<String> {
        let of_interest: fn(&Self, &TableName) -> bool = match why.reason() {
            Reason::TableUnmatched => |table, it| table.servers(it).is_none(),
            Reason::TableWithoutDatabase => |_, it| !it.has_database(),
            Reason::TableWithoutServer
            | Reason::TableWithoutPrimary
            | Reason::TableWithoutReplica
            | Reason::TablesUnknown => |_, _| true,
            _ => return None,
        };
        let tables = match request.tables {
            Tables::Named(tables) => tables,
            Tables::NotAsked | Tables::Unparsable => &[],
        };
        let names: Vec<String> = tables
            .iter()
            .filter(|it| of_interest(self, it))
            .take(NAMED)
            .map(|it| format!("`{}`", it.as_str()))
            .collect();
        let what = match names.len() {
            0 => "any table".to_owned(),
            1 => format!("table {}", names[0]),
            _ => format!("tables {}", names.join(", ")),
        };
        Some(format!("{what} by the rules `{}`", self.rule_set))
    }
}
