//! What is there before a pool is opened.

use serde::Deserialize;
use serde_json::Value;

use super::servers::Place;

/// One preparation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum Fixture {
    /// Statements to run, one after the other, on each of the servers.
    Sql { on: Vec<Place>, sql: Vec<String> },
}

impl TryFrom<Value> for Fixture {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            test_table: Option<Vec<Place>>,
            drop: Option<Vec<Place>>,
            table: Option<String>,
            gtid_table: Option<Vec<Place>>,
            xa_tables: Option<Place>,
            sql: Option<String>,
            on: Option<Place>,
        }
        let no_fixture = || format!("{value} is no fixture");
        let it = Written::deserialize(&value).map_err(|error| error.to_string())?;
        let Written { test_table, drop, table, gtid_table, xa_tables, sql, on } = it;
        Ok(match (test_table, drop, table, gtid_table, xa_tables, sql, on) {
            (Some(on), None, None, None, None, None, None) => Self::Sql { on, sql: test_table_sql() },
            (None, Some(on), Some(table), None, None, None, None) => {
                Self::Sql { on, sql: vec![format!("DROP TABLE IF EXISTS {table}")] }
            }
            (None, None, None, Some(on), None, None, None) => Self::Sql { on, sql: gtid_table_sql() },
            (None, None, None, None, Some(on), None, None) => {
                // Empty, and ours.
                Self::Sql { on: vec![on], sql: ms_pool::XaTables::default().replace() }
            }
            (None, None, None, None, None, Some(sql), Some(on)) => Self::Sql { on: vec![on], sql: vec![sql] },
            _ => return Err(no_fixture()),
        })
    }
}

fn test_table_sql() -> Vec<String> {
    [
        "DROP TABLE IF EXISTS test",
        "CREATE TABLE test(id INT) ENGINE=InnoDB",
        "INSERT INTO test(id) VALUES (1), (2), (3), (4), (5)",
    ]
    .map(str::to_owned)
    .into()
}

fn gtid_table_sql() -> Vec<String> {
    [
        "DROP TABLE IF EXISTS trx",
        "CREATE TABLE trx(trx_id INT, last_update TIMESTAMP NULL) ENGINE=InnoDB",
        "INSERT INTO trx(trx_id) VALUES (0)",
    ]
    .map(str::to_owned)
    .into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fixtures_have_exactly_their_keys() {
        for good in [
            json!({"test_table": ["@primary", "@replica1"]}),
            json!({"drop": ["@primary"], "table": "t"}),
            json!({"gtid_table": ["@primary"]}),
            json!({"xa_tables": "@primary"}),
            json!({"sql": "DO 1", "on": "@primary"}),
        ] {
            Fixture::try_from(good).unwrap();
        }
        for bad in [
            json!({"test_table": ["@nobody"]}),
            json!({"drop": ["@primary"]}),
            json!({"sql": "DO 1"}),
            json!({"sql": "DO 1", "on": "@primary", "table": "t"}),
            json!({"tables": []}),
            json!({}),
        ] {
            Fixture::try_from(bad.clone()).expect_err(&bad.to_string());
        }
    }
}
