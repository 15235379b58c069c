//! One value of a result, for people and for programs.
//!
//! `ms exec` does not know what it will be sent, so nothing is decoded into a type of Rust: the text protocol sends
//! every value as the server would print it, and that is what is shown. Only two questions are asked of the column's
//! type: is it a number (aligned right; bare in JSON), and is it binary (shown as `0x…`).

use std::fmt::Write as _;

use comfy_table::Cell;
use sqlx::{Column, MySql, Row, Type, TypeInfo, mysql::MySqlColumn, mysql::MySqlRow, mysql::MySqlTypeInfo};

use crate::table;

/// One value as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    /// A whole or floating-point number, in the server's digits.
    Number(String),
    /// Text, dates, decimals, JSON.
    Text(String),
    Binary(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Binary,
}

impl Value {
    /// The value of one column of a row of the text protocol.
    pub(crate) fn read(row: &MySqlRow, column: &MySqlColumn) -> Self {
        match row.try_get_unchecked::<Option<&[u8]>, _>(column.ordinal()) {
            Ok(Some(bytes)) => Self::new(kind(column.type_info()), bytes),
            Ok(None) => Self::Null,
            // The index is the row's own and bytes are always bytes.
            Err(_) => Self::Null,
        }
    }

    fn new(kind: Kind, bytes: &[u8]) -> Self {
        match (kind, str::from_utf8(bytes)) {
            (Kind::Number, Ok(text)) => Self::Number(text.to_owned()),
            (Kind::Text, Ok(text)) => Self::Text(text.to_owned()),
            // Text in a character set other than the connection's.
            (_, Err(_)) | (Kind::Binary, _) => Self::Binary(bytes.to_vec()),
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// The value in a table.
    pub(crate) fn cell(&self) -> Cell {
        match self {
            Self::Null => table::absent("NULL"),
            Self::Number(text) | Self::Text(text) => table::text(text),
            Self::Binary(bytes) => table::text(hex(bytes)),
        }
    }

    /// The value in JSON: decimals stay text, for a JSON number is a double to most readers.
    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Number(digits) => {
                let signed = digits.parse::<i64>().ok().map(Into::into);
                let unsigned = || digits.parse::<u64>().ok().map(Into::into);
                let float = || serde_json::Number::from_f64(digits.parse().ok()?).map(Into::into);
                signed.or_else(unsigned).or_else(float).unwrap_or_else(|| digits.as_str().into())
            }
            Self::Text(text) => text.as_str().into(),
            Self::Binary(bytes) => hex(bytes).into(),
        }
    }
}

fn kind(type_info: &MySqlTypeInfo) -> Kind {
    // The name says BINARY for text with a `_bin` collation as well; compatibility goes by the character set.
    if <str as Type<MySql>>::compatible(type_info) {
        return Kind::Text;
    }
    match type_info.name() {
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" | "BIT" | "GEOMETRY" => Kind::Binary,
        "BOOLEAN" | "FLOAT" | "DOUBLE" | "YEAR" => Kind::Number,
        name if name.contains("INT") => Kind::Number,
        _ => Kind::Text,
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // a string takes everything
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bare_in_json_and_keep_every_digit() {
        check(Kind::Number, b"-7", "-7");
        check(Kind::Number, b"18446744073709551615", "18446744073709551615");
        check(Kind::Number, b"1.5e10", "15000000000.0");
        check(Kind::Text, b"12.50", "\"12.50\"");
    }

    #[test]
    fn bytes_are_hexadecimal() {
        check(Kind::Binary, b"ab", "\"0x6162\"");
        check(Kind::Text, b"\xff", "\"0xff\"");
        check(Kind::Binary, b"", "\"0x\"");
    }

    #[test]
    fn null_is_null() {
        assert_eq!(Value::Null.json().to_string(), "null");
    }

    #[track_caller]
    fn check(kind: Kind, bytes: &[u8], json: &str) {
        assert_eq!(Value::new(kind, bytes).json().to_string(), json);
    }
}
