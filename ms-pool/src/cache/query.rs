//! Queries whose rows have a type of their own.
//!
//! Whether two answers are the same is a question of their keys, and how rows become values is part of that. The type of a
//! [`query_as`](sqlx::query_as) or [`query_scalar`](sqlx::query_scalar) says it. A closure does not: two of them may make different
//! things of the same rows, and there is no telling them apart. So `query().map(…)`, and the macros, which expand to it, are
//! left out.

use std::any::Any;

use sqlx::query::{QueryAs, QueryScalar};
use sqlx_core::{arguments::IntoArguments, from_row::FromRow};
use sqlx_mysql::{MySql, MySqlRow};

use crate::pool::Stmt;

/// A query whose rows become values of one type, by its type alone: `query_as` and `query_scalar`.
///
/// Not for others to implement.
pub trait TypedQuery: Sealed {
    /// What a row becomes.
    type Output: Any + Clone + Send + Sync;

    /// Makes a value of a row.
    ///
    /// # Errors
    ///
    /// Fails when a column is missing or of another type.
    fn decode(row: &MySqlRow) -> Result<Self::Output, sqlx::Error>;
}

/// The part that is nobody's business. Without a lifetime, or the futures of whoever asks could not be sent between threads.
pub trait Sealed: Send {
    /// Takes the query apart.
    fn take(self) -> Result<Taken, sqlx::Error>;
}

/// A query, taken apart.
pub struct Taken(pub(super) Stmt);

impl<'q, O, A> Sealed for QueryAs<'q, MySql, O, A>
where
    O: Send,
    A: Send + IntoArguments<MySql> + 'q,
{
    fn take(self) -> Result<Taken, sqlx::Error> {
        Stmt::take(self).map(Taken)
    }
}

impl<'q, O, A> TypedQuery for QueryAs<'q, MySql, O, A>
where
    O: Any + Clone + Send + Sync + for<'r> FromRow<'r, MySqlRow>,
    A: Send + IntoArguments<MySql> + 'q,
{
    type Output = O;

    fn decode(row: &MySqlRow) -> Result<O, sqlx::Error> {
        O::from_row(row)
    }
}

impl<'q, O, A> Sealed for QueryScalar<'q, MySql, O, A>
where
    O: Send,
    A: Send + IntoArguments<MySql> + 'q,
{
    fn take(self) -> Result<Taken, sqlx::Error> {
        Stmt::take(self).map(Taken)
    }
}

impl<'q, O, A> TypedQuery for QueryScalar<'q, MySql, O, A>
where
    O: Any + Clone + Send + Sync,
    (O,): for<'r> FromRow<'r, MySqlRow>,
    A: Send + IntoArguments<MySql> + 'q,
{
    type Output = O;

    fn decode(row: &MySqlRow) -> Result<O, sqlx::Error> {
        Ok(<(O,)>::from_row(row)?.0)
    }
}
