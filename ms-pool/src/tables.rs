//! The tables that statements name, for filters that ask.
//!
//! Routing by table needs the real tables of a text, behind aliases and inside joins and subqueries, and that takes a
//! parser that knows the whole language: the feature `table-rules`. Nothing is parsed unless a filter asks
//! ([`Pipeline::wants_tables`](ms_filters::Pipeline::wants_tables)), and what was found is kept ([`ByText`]): prepared
//! texts and others apart, so that texts that come once cannot take the places of those that come again.

#[cfg(feature = "table-rules")]
mod names; // what is in a text

#[cfg(not(feature = "table-rules"))]
mod names {
    //! Without the parser there is no text that is understood, and nobody asks.

    pub(super) struct Name {
        pub(super) database: Option<String>,
        pub(super) table: String,
    }

    pub(super) fn in_text(_: &str, _: ms_hints::SqlMode) -> Option<Vec<Name>> {
        None
    }
}

use std::sync::Arc;

use ms_filters::{TableName, Tables};
use ms_hints::{Protocol, SqlMode};

use self::names::Name;
use crate::{
    Cluster,
    by_text::{ByText, Key},
    session::Core,
};

/// Whether this build can find tables.
pub(crate) const CAN_PARSE: bool = cfg!(feature = "table-rules");

/// What is known of statements seen; see the [module](self).
#[derive(Debug, Default)]
pub(crate) struct KnownTables {
    prepared: ByText<Known>,
    text: ByText<Known>,
}

#[derive(Debug)]
struct Known {
    sql_mode: SqlMode,
    /// The default database, by which names are completed.
    database: Option<Box<str>>,
    /// `None` for a text that is not understood.
    names: Option<Box<[TableName]>>,
}

/// The tables one statement names; from [`Cluster::tables`].
#[derive(Debug)]
pub struct StatementTables<'a>(Found<'a>);

impl Default for StatementTables<'_> {
    #[inline]
    fn default() -> Self {
        StatementTables(Found::NotAsked)
    }
}

#[derive(Debug)]
enum Found<'a> {
    NotAsked,
    Kept(&'a Known),
    /// Counted and not owned because letting go of it is looked at in passing for every statement, and then costs least.
    Fresh(Arc<Known>),
}

impl StatementTables<'_> {
    /// As a filter is told them.
    #[must_use]
    #[inline]
    pub fn as_tables(&self) -> Tables<'_> {
        let known = match &self.0 {
            Found::NotAsked => return Tables::NotAsked,
            Found::Kept(known) => known,
            Found::Fresh(known) => &**known,
        };
        known.names.as_deref().map_or(Tables::Unparsable, Tables::Named)
    }
}

impl KnownTables {
    #[inline]
    fn of(&self, sql: &str, protocol: Protocol, sql_mode: SqlMode, database: Option<&str>) -> StatementTables<'_> {
        let kept = match protocol {
            Protocol::Prepared => &self.prepared,
            Protocol::Text => &self.text,
        };
        let key = Key::new(sql.as_bytes(), 0);
        let fits = |known: &Known| known.sql_mode == sql_mode && known.database.as_deref() == database;
        if let Some(known) = key.and_then(|key| kept.find(key, fits)) {
            return StatementTables(Found::Kept(known));
        }
        let known = Known::new(sql, sql_mode, database);
        let Some(key) = key else {
            return StatementTables(Found::Fresh(Arc::new(known)));
        };
        StatementTables(match kept.keep(key, known.bytes(), known) {
            Ok(known) => Found::Kept(known),
            Err(known) => Found::Fresh(Arc::new(known)),
        })
    }
}

impl Known {
    #[cold]
    fn new(sql: &str, sql_mode: SqlMode, database: Option<&str>) -> Self {
        let names = names::in_text(sql, sql_mode).map(|names| completed(names, database));
        Self { sql_mode, database: database.map(Into::into), names }
    }

    fn bytes(&self) -> usize {
        let names = self.names.as_deref().unwrap_or_default();
        let names: usize = names.iter().map(|it| it.as_str().len() + size_of::<TableName>()).sum();
        size_of::<Self>() + self.database.as_deref().map_or(0, str::len) + names
    }
}

/// Each table once, in the order of the text, with the database it is in.
fn completed(names: Vec<Name>, default: Option<&str>) -> Box<[TableName]> {
    let mut tables: Vec<TableName> = Vec::with_capacity(names.len());
    for Name { database, table } in names {
        let database = database.as_deref().or(default);
        // The table of servers for statements without one; in a default database rules may name it, as in the original.
        if database.is_none() && table.eq_ignore_ascii_case("DUAL") {
            continue;
        }
        let table = TableName::new(database, &table);
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables.into()
}

impl Cluster {
    /// The tables that `sql` names in a session of the default database, as filters would be told of them: nothing when no
    /// filter of this cluster asks, or this crate was built without its feature `table-rules`.
    #[must_use]
    pub fn tables(&self, sql: &str) -> StatementTables<'_> {
        self.find_tables(sql, Protocol::Text, self.inner.sql_mode.get(), self.default_database())
    }

    /// The same for a statement of a session.
    /// Whether a filter goes by the tables of a statement.
    #[inline]
    pub(crate) fn wants_tables(&self) -> bool {
        self.inner.tables.is_some()
    }

    /// What a statement of a session names.
    pub(crate) fn tables_in(&self, core: &Core, sql: &str, protocol: Protocol) -> StatementTables<'_> {
        let wished = core.wishes.as_deref().and_then(|it| it.database_of_session());
        let database = wished.unwrap_or_else(|| self.default_database());
        self.find_tables(sql, protocol, core.sql_mode(self), database)
    }

    fn find_tables(
        &self,
        sql: &str,
        protocol: Protocol,
        sql_mode: SqlMode,
        database: Option<&str>,
    ) -> StatementTables<'_> {
        match &self.inner.tables {
            Some(known) => known.of(sql, protocol, sql_mode, database),
            None => StatementTables(Found::NotAsked),
        }
    }

    /// The default database of new sessions: the first primary's, as the original's handle stood for that.
    fn default_database(&self) -> Option<&str> {
        self.inner.members.first().and_then(|member| member.pool.target().database())
    }
}
