//! What makes two questions the same: text, parameters, protocol, and the type of the answer.

use std::{any::TypeId, fmt::Write, sync::Arc};

use crate::pool::Stmt;

/// Longer statements are not worth keeping: most of them were generated, and will not come again.
const LONGEST: usize = 64 << 10;

/// A question; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    answer: TypeId,
    /// The length of the text, for where it ends and the parameters begin.
    text: usize,
    /// Both, one behind the other.
    all: Arc<str>,
}

impl Key {
    /// The key of a question whose answer is a `T`; `None` when it is too long.
    pub(super) fn new<T: 'static>(stmt: &Stmt) -> Option<Self> {
        let text = stmt.sql.as_str();
        let mut all = Bounded(String::with_capacity(text.len() + 64));
        all.write_str(text).ok()?;
        if let Some(args) = &stmt.args {
            // The driver shows no other way to what is in it; a test says that all of it is there.
            write!(all, "{args:?}").ok()?;
        }
        Some(Self { answer: TypeId::of::<T>(), text: text.len(), all: all.0.into() })
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        size_of::<Self>() + self.all.len()
    }
}

/// A text that refuses to become too long.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len() + text.len() > LONGEST {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Arguments, mysql::MySqlArguments};
    use sqlx_core::sql_str::{AssertSqlSafe, SqlSafeStr};

    use super::*;

    fn stmt(sql: &str, args: Option<MySqlArguments>) -> Stmt {
        Stmt { sql: AssertSqlSafe(sql).into_sql_str(), args, persistent: true }
    }

    macro_rules! args {
        ($($value:expr),*) => {{
            #[allow(unused_mut, reason = "there may be none")]
            let mut args = MySqlArguments::default();
            $(args.add($value).unwrap();)*
            Some(args)
        }};
    }

    #[test]
    fn every_difference_makes_another_key() {
        let long = "x".repeat(1000);
        let questions = [
            stmt("SELECT ?", args![1_i64]),
            stmt("SELECT ?", args![2_i64]),
            stmt("SELECT ?", args![1_u64]),
            stmt("SELECT ?", args![1_i32]),
            stmt("SELECT ?", args![true]),
            stmt("SELECT ?", args!["1"]),
            stmt("SELECT ?", args![&b"1"[..]]),
            stmt("SELECT ?", args![""]),
            stmt("SELECT ?", args![None::<&str>]),
            stmt("SELECT ?", args![None::<i64>]),
            stmt("SELECT ?", args![1.0_f64]),
            stmt("SELECT ?", args![&*long]),
            stmt("SELECT ?", args![format!("{}y", &long[1..])]),
            stmt("SELECT ?, ?", args!["a", "bc"]),
            stmt("SELECT ?, ?", args!["ab", "c"]),
            stmt("SELECT ?, ?", args![None::<&str>, "c"]),
            stmt("SELECT ?, ?", args!["c", None::<&str>]),
            stmt("SELECT 1", args![]),
            stmt("SELECT 1", None),
            stmt("SELECT 1 ", None),
        ];
        let mut keys = std::collections::HashMap::new();
        for (at, question) in questions.iter().enumerate() {
            let before = keys.insert(Key::new::<Vec<i64>>(question).unwrap(), at);
            assert_eq!(before, None, "question {at} is another one");
            assert_eq!(keys.get(&Key::new::<Vec<i64>>(question).unwrap()), Some(&at), "and the same as itself");
        }
        assert_ne!(Key::new::<Vec<i64>>(&questions[0]), Key::new::<Option<i64>>(&questions[0]));
    }

    #[test]
    fn a_text_cannot_pass_for_parameters() {
        let with = stmt("SELECT 1", args![1_i64]);
        let shown = format!("{}{:?}", "SELECT 1", with.args.as_ref().unwrap());
        assert_ne!(Key::new::<()>(&with), Key::new::<()>(&stmt(&shown, None)));
    }

    #[test]
    fn what_is_very_long_has_no_key() {
        assert!(Key::new::<()>(&stmt(&"x".repeat(LONGEST), None)).is_some());
        assert!(Key::new::<()>(&stmt(&"x".repeat(LONGEST + 1), None)).is_none());
        assert!(Key::new::<()>(&stmt("SELECT ?", args!["x".repeat(LONGEST)])).is_none());
    }
}
