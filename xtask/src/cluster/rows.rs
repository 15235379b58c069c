//! What a statement returned, as text.

use serde_json::Value;
use sqlx::{Column, Row, ValueRef, mysql::MySqlRow};

/// Rows as a person would read them: every value is text or `NULL`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The names of the columns; empty when there are no rows.
    pub columns: Vec<String>,
    /// The values, in the order of the columns.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// The first value of the first row, unless it is `NULL`.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }

    /// The value of a column in the first row, unless it is `NULL`.
    #[must_use]
    pub fn value(&self, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|it| it == column)?;
        self.rows.first()?.get(index)?.as_deref()
    }

    /// The rows as an array of arrays of strings.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let value = |it: &Option<String>| it.clone().map_or(Value::Null, Value::String);
        self.rows.iter().map(|row| Value::Array(row.iter().map(value).collect())).collect()
    }

    pub(super) fn push(&mut self, row: &MySqlRow) -> Result<(), sqlx::Error> {
        self.columns = row.columns().iter().map(|it| it.name().to_owned()).collect();
        let values = (0..row.len()).map(|index| {
            if row.try_get_raw(index)?.is_null() {
                return Ok(None);
            }
            // In the text protocol every type is sent as text, so the column's type may be left out of account.
            let bytes: Vec<u8> = row.try_get_unchecked(index)?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        });
        self.rows.push(values.collect::<Result<_, sqlx::Error>>()?);
        Ok(())
    }
}
