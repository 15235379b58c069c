//! What `ms explain` found out, as text and as JSON.

use std::io::{self, Write};

use ms_filters::{Decision, Request, Role, ServerIx, Share, Shares, Step, Tables};
use ms_hints::{Access, Level, Route, Span, Statement};
use serde_json::{Value, json};

use crate::{
    dry_run::{Asked, DryRun},
    out::{BAD, BOLD, DIM, GOOD, NOTABLE, Out},
    reasons::{reasons, role},
    table::{self, Table, visible},
};

/// A statement, and everything that was decided for it.
pub(crate) struct Explanation<'a> {
    pub(crate) section: Option<&'a str>,
    pub(crate) sql: &'a str,
    pub(crate) statement: &'a Statement<'a>,
    pub(crate) request: &'a Request<'a>,
    pub(crate) shares: &'a Shares,
    pub(crate) run: &'a DryRun<'a>,
    pub(crate) decision: &'a Decision,
    pub(crate) end: Step,
    pub(crate) note: Option<&'a str>,
}

impl Explanation<'_> {
    /// One JSON object; `docs/cli.md` describes it.
    pub(crate) fn json(&self) -> Value {
        let router = self.run.router();
        let statement = self.statement;
        let server = self.server();
        json!({
            "section": self.section,
            "sql": self.sql,
            "access": access(statement.access),
            "cause": {
                "code": statement.cause.code(),
                "text": statement.cause.sentence(),
                "sql": self.span(statement.because),
            },
            "hints": { "route": statement.route.map(route), "level": statement.level.map(level) },
            "tables": self.tables(),
            "server": server.map(|it| self.name(it)),
            "role": server.map(|it| role(self.role(it))),
            "error": self.error(),
            "why": self.line(),
            "reasons": reasons(router, self.decision),
            "removed": self.run.record().removals().map(|(filter, server, reason)| json!({
                "filter": filter,
                "server": self.name(server),
                "reason": reason.code(),
                "text": reason.sentence(),
            })).collect::<Vec<_>>(),
            "candidates": self.shares.iter().map(|it| self.share(it)).collect::<Vec<_>>(),
            "asked": self.run.asked().iter().map(|it| self.question(*it)).collect::<Vec<_>>(),
            "note": self.note,
        })
    }

    /// The same for people.
    pub(crate) fn print(&self, out: &mut Out) -> io::Result<()> {
        writeln!(out, "{BOLD}{}{BOLD:#}", visible(self.sql))?;
        self.print_class(out)?;
        match (self.server(), self.error()) {
            (Some(server), None) => {
                let (name, role) = (self.name(server), role(self.role(server)));
                writeln!(out, "goes to {GOOD}{name}{GOOD:#} ({role})")?;
            }
            (_, error) => writeln!(out, "{BAD}gets no server{BAD:#}: {}", error.unwrap_or_default())?,
        }
        writeln!(out, "{DIM}{}{DIM:#}", self.line())?;

        writeln!(out, "\nsteps")?;
        self.steps().print(out)?;
        self.print_removed(out)?;
        if !self.shares.is_empty() {
            writeln!(out, "\ncandidates, before anything is asked")?;
            self.candidates().print(out)?;
        }
        self.print_asked(out)?;
        if let Some(note) = self.note {
            writeln!(out, "\n{NOTABLE}note{NOTABLE:#}: {note}")?;
        }
        Ok(())
    }

    fn print_class(&self, out: &mut Out) -> io::Result<()> {
        let statement = self.statement;
        write!(out, "is a {}: {}", access(statement.access), statement.cause.sentence())?;
        match self.span(statement.because) {
            Some(sql) => writeln!(out, " (`{}`)", visible(sql))?,
            None => writeln!(out)?,
        }
        if let Some(asked) = statement.route {
            writeln!(out, "has a hint that asks for {}", asks_for(asked))?;
        }
        if let Some(asked) = statement.level {
            writeln!(out, "has a hint that asks for service level {}, which nothing looks at yet", level(asked))?;
        }
        match self.tables().as_deref() {
            _ if self.request.tables == Tables::NotAsked => Ok(()),
            None => writeln!(out, "names tables that cannot be found in its text"),
            Some([]) => writeln!(out, "names no table"),
            Some([table]) => writeln!(out, "names table {}", visible(table)),
            Some(tables) => writeln!(out, "names tables {}", visible(&tables.join(", "))),
        }
    }

    fn steps(&self) -> Table {
        let mut table = Table::new(["", "by", "reason", "leads to"]);
        for (number, step) in (1..).zip(reasons(self.run.router(), self.decision)) {
            table.row([
                table::number(number.to_string()),
                table::text(step.filter.unwrap_or("router")),
                table::text(step.text),
                table::text(step.result.words()),
            ]);
        }
        if self.decision.lost() > 0 {
            let more = format!("{} more, which are not kept", self.decision.lost());
            table.row([table::absent("…"), table::absent(""), table::absent(&more), table::absent("")]);
        }
        table
    }

    fn print_removed(&self, out: &mut Out) -> io::Result<()> {
        for (position, (filter, server, reason)) in self.run.record().removals().enumerate() {
            if position == 0 {
                writeln!(out, "\ntaken away")?;
            }
            writeln!(out, "- `{}` by {filter}: {}", self.name(server), reason.sentence())?;
        }
        Ok(())
    }

    fn candidates(&self) -> Table {
        let mut table = Table::new(["server", "role", "share", ""]);
        for share in self.shares.iter() {
            let part = match share.part {
                Some(part) => table::number(format!("{:.1} %", 100.0 * part)),
                None => table::absent("?"),
            };
            let state = match (self.run.assumptions().is_down(share.server), share.next) {
                (true, _) => table::bad("down"),
                (false, true) => table::good("next"),
                (false, false) => table::text(""),
            };
            table.row([table::text(self.name(share.server)), table::text(role(self.role(share.server))), part, state]);
        }
        table
    }

    fn print_asked(&self, out: &mut Out) -> io::Result<()> {
        for (position, asked) in self.run.asked().iter().enumerate() {
            if position == 0 {
                writeln!(out, "\nwould be asked")?;
            }
            match *asked {
                Asked::Connect { server, fails } => {
                    let end = if fails { ", which fails" } else { "" };
                    writeln!(out, "- `{}`: a connection{end}", self.name(server))?;
                }
                Asked::Facts(facts) => writeln!(out, "- every candidate replica: {}", wanted(facts).join(", "))?,
            }
        }
        Ok(())
    }

    /// The server the statement would run on.
    fn server(&self) -> Option<ServerIx> {
        match self.end {
            Step::Use(server) => Some(server),
            _ => None,
        }
    }

    /// Why it would not run.
    /// The tables that rules were asked about; `None` where nobody asked or they could not be found.
    fn tables(&self) -> Option<Vec<&str>> {
        match self.request.tables {
            Tables::Named(tables) => Some(tables.iter().map(|it| it.as_str()).collect()),
            Tables::NotAsked | Tables::Unparsable => None,
        }
    }

    fn error(&self) -> Option<String> {
        match self.end {
            Step::Give(server) => {
                Some(format!("`{}` cannot be reached, and nothing else may be tried", self.name(server)))
            }
            Step::Fail(why) => Some(self.run.router().explain(self.request, why)),
            _ => None,
        }
    }

    fn line(&self) -> String {
        self.decision.display(self.run.router(), Some(&self.statement.cause)).to_string()
    }

    fn share(&self, share: Share) -> Value {
        json!({
            "server": self.name(share.server),
            "role": role(self.role(share.server)),
            "share": share.part,
            "next": share.next,
            "down": self.run.assumptions().is_down(share.server),
        })
    }

    fn question(&self, asked: Asked) -> Value {
        match asked {
            Asked::Connect { server, fails } => json!({ "connect": self.name(server), "fails": fails }),
            Asked::Facts(facts) => json!({ "facts": wanted(facts) }),
        }
    }

    fn name(&self, server: ServerIx) -> &str {
        self.run.router().topology().server(server).name()
    }

    fn role(&self, server: ServerIx) -> Role {
        self.run.router().topology().server(server).role()
    }

    /// The text of a span, unless it is empty.
    fn span(&self, span: Span) -> Option<&str> {
        self.sql.get(span.start..span.end).filter(|it| !it.is_empty())
    }
}

fn access(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
        Access::Follow => "follow-up",
    }
}

fn route(route: Route) -> &'static str {
    match route {
        Route::Primary => "primary",
        Route::Replica => "replica",
        Route::LastUsed => "last_used",
    }
}

fn asks_for(route: Route) -> &'static str {
    match route {
        Route::Primary => "a primary",
        Route::Replica => "a replica",
        Route::LastUsed => "the connection used last",
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Eventual => "eventual",
        Level::Session => "session",
        Level::Strong => "strong",
    }
}

fn wanted(facts: ms_filters::Facts) -> Vec<&'static str> {
    let wanted = [(facts.lag, "lag"), (facts.freshness, "freshness")];
    wanted.into_iter().filter_map(|(asked, name)| asked.then_some(name)).collect()
}
