//! Which tables a statement names.
//!
//! Finding them takes a parser that knows the whole language, and routing should not depend on one. So they are found
//! outside and are one more fact about the statement, asked for only where a filter looks at them.

/// The tables a statement names, as far as somebody has looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tables<'a> {
    /// Nobody has looked.
    #[default]
    NotAsked,
    /// The text was not understood: it may name any.
    Unparsable,
    /// These, in the order of the text; empty where it names none.
    Named(&'a [TableName]),
}

/// A table as rules see it: `database.table`, without quotes.
///
/// ```
/// use ms_filters::TableName;
///
/// assert_eq!(TableName::new(Some("shop"), "orders").as_str(), "shop.orders");
/// assert!(!TableName::new(None, "orders").has_database());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableName {
    text: Box<str>,
    has_database: bool,
}

impl TableName {
    /// A table of `database`; `None` where neither the statement nor its session names one.
    #[must_use]
    pub fn new(database: Option<&str>, table: &str) -> Self {
        let text = match database {
            Some(database) => [database, ".", table].concat(),
            None => table.to_owned(),
        };
        TableName { text: text.into(), has_database: database.is_some() }
    }

    /// The name that patterns are matched with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is known whose table it is.
    #[must_use]
    pub fn has_database(&self) -> bool {
        self.has_database
    }
}
