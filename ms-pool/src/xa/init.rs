//! Makes the tables of a store, or replaces those that the original has left.
//!
//! What is there decides what may be done: tables of ours are left alone whatever is asked for, tables of the original are replaced
//! only when that is asked for, and a table that is neither is somebody's data under a name that was misspelt.

use super::{ServerStore, XaFailure, XaTables, XaTablesError, store::failed};
use crate::{Cluster, Error, error::server_error};
use ms_xa::StoreError;

/// `ER_NO_SUCH_TABLE`.
const NO_SUCH_TABLE: u16 = 1146;

/// What [`Cluster::xa_init`] may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XaInitOptions {
    upgrade: bool,
    force: bool,
}

impl XaInitOptions {
    /// Replace tables of the original's shape. What they hold is dropped: the original wrote too little to finish a transaction by.
    #[must_use]
    pub fn upgrade(mut self, upgrade: bool) -> Self {
        self.upgrade = upgrade;
        self
    }

    /// Replace them even though a transaction in them is not finished.
    #[must_use]
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }
}

/// What [`Cluster::xa_init`] has done, by the names of tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XaInitialized {
    /// Those that were not there.
    pub created: Vec<String>,
    /// Those that were the original's, or stood beside such.
    pub replaced: Vec<String>,
    /// Those that were right already.
    pub kept: Vec<String>,
}

/// What a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Missing,
    Ours,
    Original,
    Foreign,
}

/// Columns that the original's tables have, by which they are known, and those that only ours have.
const COLUMNS: [(&[&str], &[&str]); 3] = [
    (&["store_trx_id", "gtrid", "intend", "finished"], &["tag", "owner", "lease", "decision"]),
    (&["fk_store_trx_id", "bqual", "participant_id", "scheme"], &["branch", "server_run", "settled"]),
    (&["gc_id", "gtrid", "fk_store_trx_id", "attempts"], &[]),
];

impl Shape {
    /// By the columns of a table, each with its type.
    fn of(columns: &[(String, String)], [original, ours]: [&[&str]; 2]) -> Self {
        let has = |name: &&str| columns.iter().any(|(column, _)| column == name);
        // Names were numbers once.
        let takes_names = columns.iter().all(|(column, kind)| column != "gtrid" || kind.starts_with("varbinary"));
        match () {
            () if !original.iter().all(has) => Self::Foreign,
            () if ours.iter().all(has) && takes_names => Self::Ours,
            () => Self::Original,
        }
    }
}

impl Cluster {
    /// The tables of the section's store; `None` without one on a server.
    #[must_use]
    pub fn xa_tables(&self) -> Option<&XaTables> {
        Some(self.inner.globals.store.as_ref()?.server()?.names())
    }

    /// Makes the tables of the section's store that are missing.
    ///
    /// `ms xa init` does this; a service that sets up its own schema may do it itself. The account has to be allowed to.
    ///
    /// # Errors
    ///
    /// [`Error::GlobalTransaction`] without a store and when it cannot be asked; for tables of the original's shape, unless
    /// [upgrading](XaInitOptions::upgrade) is allowed; for those with a transaction that is not finished, unless that is
    /// [forced](XaInitOptions::force); for tables that are no store's. Nothing was changed then.
    ///
    /// # Cancel safety
    ///
    /// To be called again when it was dropped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), ms_pool::Error> {
    /// let done = db.xa_init(ms_pool::XaInitOptions::default()).await?;
    /// println!("{} tables made, {} were there", done.created.len(), done.kept.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn xa_init(&self, options: XaInitOptions) -> Result<XaInitialized, Error> {
        let Some(store) = self.inner.globals.store.as_ref().and_then(|it| it.server()) else {
            return Err(Error::xa_unchanged("there is no `xa.state_store` whose tables could be made"));
        };
        store.init(options).await.map_err(|error| failed(XaFailure::Unchanged, &error))
    }
}

impl ServerStore {
    async fn init(&self, options: XaInitOptions) -> Result<XaInitialized, StoreError> {
        let tables = self.names();
        let names = [&tables.transactions, &tables.participants, &tables.collections];
        let mut shapes = [Shape::Missing; 3];
        for ((shape, quoted), (original, ours)) in shapes.iter_mut().zip(tables.quoted()).zip(COLUMNS) {
            *shape = self.shape(&quoted, [original, ours]).await?;
        }
        let with = |shape: Shape| names.iter().zip(shapes).filter(move |(_, it)| *it == shape).map(|(name, _)| *name);
        if let Some(name) = with(Shape::Foreign).next() {
            return Err(StoreError::Refused(
                format!("the table `{name}` is there and is none of a state store").into(),
            ));
        }
        let mut done = XaInitialized { created: with(Shape::Missing).cloned().collect(), ..XaInitialized::default() };
        let olds: Vec<_> = with(Shape::Original).cloned().collect();
        if olds.is_empty() {
            done.kept = with(Shape::Ours).cloned().collect();
            self.run_all(tables.create()).await?;
            return Ok(done);
        }
        if !options.upgrade {
            return Err(StoreError::Refused(Box::new(XaTablesError { what: olds.join(", ") })));
        }
        let unfinished = if shapes[0] == Shape::Missing { 0 } else { self.unfinished().await? };
        if unfinished > 0 && !options.force {
            let text = format!(
                "{unfinished} of the transactions in `{}` are not finished, and what is known of them would be dropped: wait for \
                 them, or finish them by hand and force it",
                tables.transactions
            );
            return Err(StoreError::Refused(text.into()));
        }
        // They refer to each other, so those that are right go as well.
        done.replaced =
            names.iter().zip(shapes).filter(|(_, it)| *it != Shape::Missing).map(|(it, _)| (*it).clone()).collect();
        self.run_all(tables.replace()).await?;
        Ok(done)
    }

    async fn shape(&self, table: &str, known: [&[&str]; 2]) -> Result<Shape, StoreError> {
        match self.columns(table).await {
            Ok(columns) => Ok(Shape::of(&columns, known)),
            Err(StoreError::Refused(error) | StoreError::Lost(error)) if is_missing(&*error) => Ok(Shape::Missing),
            Err(error) => Err(error),
        }
    }

    async fn run_all(&self, statements: Vec<String>) -> Result<(), StoreError> {
        for sql in statements {
            self.run(sql).await?;
        }
        Ok(())
    }
}

fn is_missing(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let spoken = error.downcast_ref::<sqlx::Error>().and_then(server_error);
    spoken.is_some_and(|it| it.number() == NO_SUCH_TABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_known_by_their_columns() {
        #[track_caller]
        fn check(table: usize, columns: &[(&str, &str)], is: Shape) {
            let columns: Vec<_> = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect();
            let (original, ours) = COLUMNS[table];
            assert_eq!(Shape::of(&columns, [original, ours]), is);
        }
        let gc = |gtrid| [("gc_id", "int"), ("gtrid", gtrid), ("fk_store_trx_id", "int"), ("attempts", "smallint")];
        check(2, &gc("varbinary(64)"), Shape::Ours);
        check(2, &gc("int(11)"), Shape::Original);
        check(2, &[("id", "int"), ("gtrid", "varbinary(64)")], Shape::Foreign);
        let mut trx =
            vec![("store_trx_id", "int"), ("gtrid", "varbinary(64)"), ("intend", "enum"), ("finished", "enum")];
        check(0, &trx, Shape::Original);
        trx.extend([("tag", "bigint"), ("owner", "varbinary(64)"), ("lease", "datetime"), ("decision", "enum")]);
        check(0, &trx, Shape::Ours);
        trx[1].1 = "int";
        check(0, &trx, Shape::Original);
    }

    #[test]
    fn what_is_made_is_known_again() {
        for (sql, (original, ours)) in XaTables::default().create().iter().zip(COLUMNS) {
            let columns: Vec<_> = sql
                .lines()
                .filter_map(|line| line.trim().split_once(' '))
                .map(|(name, rest)| (name.to_owned(), rest.to_lowercase()))
                .collect();
            assert_eq!(Shape::of(&columns, [original, ours]), Shape::Ours, "{sql}");
        }
    }
}
