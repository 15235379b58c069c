//! Whether a statement would get the same answer again, as long as the data is the same.
//!
//! An answer that is kept is given to somebody else, later. So it must follow from the data and the parameters alone: not
//! from the time, from chance, from who asks, from what the connection has set up or from which server happens to answer. As ever
//! what is not known to be harmless counts as harmful; a statement that is not kept costs no more than without a cache.
//!
//! This looks at the whole text a second time, so only whoever keeps answers asks for it.

use crate::{
    Access, Compat, Options, Protocol, Span, SqlMode, Statement,
    functions::{Class, class_of},
    scan::{Kind, Scanner, Token},
};

/// What keeps it from being the same; the first such place.
pub(crate) fn varies_by(sql: &[u8], protocol: Protocol, sql_mode: SqlMode) -> Option<Span> {
    // Without own functions: that they only read says nothing about what they answer.
    let options = Options { compat: Compat::Strict, protocol, sql_mode, read_functions: &[] };
    let statement = Statement::parse(sql, &options);
    if statement.access != Access::Read {
        return Some(statement.because);
    }
    let mut scanner = Scanner::new(sql, statement.body, sql_mode);
    loop {
        let token = scanner.next_fine();
        let varies = match token.kind {
            Kind::End => return None,
            Kind::Word => word(&scanner, token),
            Kind::Name => is_of_server(scanner.text(token)),
            Kind::Variable | Kind::SystemVariable | Kind::Unclear(_) => true,
            _ => false,
        };
        if varies {
            return Some(token.span());
        }
    }
}

fn word(scanner: &Scanner<'_>, token: Token) -> bool {
    let varies = class_of(scanner.sql, token.start, token.end) == Some(Class::Varies);
    let called = || scanner.peek_fine().kind == Kind::Punct(b'(');
    (varies && (called() || BARE.iter().any(|it| scanner.is_word(token, it))))
        || scanner.is_word(token, "TABLESAMPLE")
        || is_of_server(scanner.text(token))
}

/// Functions that need no parentheses, none of which can be the name of a column without quotes.
const BARE: &[&str] = &[
    "CURRENT_DATE",
    "CURRENT_ROLE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "SYSDATE",
    "SYSTIMESTAMP",
    "UTC_DATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
];

/// A table in which a server tells of itself, and a replica something else than the primary.
fn is_of_server(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"`").unwrap_or(name);
    [&b"information_schema"[..], b"performance_schema", b"mysql", b"sys"].iter().any(|schema| {
        let Some((start, rest)) = name.split_at_checked(schema.len()) else {
            return false;
        };
        let ends = rest.strip_prefix(b"`").unwrap_or(rest);
        start.eq_ignore_ascii_case(schema) && ends.starts_with(b".")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_data_and_parameters_is_the_same_again() {
        for sql in [
            "SELECT 1",
            "SELECT id, name FROM items WHERE id = ? ORDER BY name LIMIT 10",
            "/* top ten */ WITH t AS (SELECT item, SUM(n) AS s FROM sold GROUP BY item) SELECT * FROM t",
            "SELECT now, user, `current_date`, t.rand FROM t WHERE uuid = 'NOW()' -- NOW()",
            "SELECT DATE_FORMAT(day, '%Y'), CAST(a AS CHAR), MATCH (a) AGAINST ('x') FROM t",
            "SELECT mysql, sys FROM systems",
            "TABLE items",
        ] {
            check(sql, None);
        }
    }

    #[test]
    fn time_chance_users_and_servers_are_not() {
        check("SELECT NOW()", Some("NOW"));
        check("SELECT a FROM t WHERE day = CURRENT_DATE", Some("CURRENT_DATE"));
        check("SELECT current_timestamp (6)", Some("current_timestamp"));
        check("SELECT a FROM t ORDER BY RAND() LIMIT 1", Some("RAND"));
        check("SELECT UUID/**/(), a", Some("UUID"));
        check("SELECT CURRENT_USER, a", Some("CURRENT_USER"));
        check("SELECT DATABASE(), a", Some("DATABASE"));
        check("SELECT @a", Some("@a"));
        check("SELECT @@server_id", Some("@@server_id"));
        check("SELECT a FROM t TABLESAMPLE (1)", Some("TABLESAMPLE"));
        check("SELECT id FROM information_schema.processlist", Some("information_schema.processlist"));
        check("SELECT * FROM `Performance_Schema`.`threads`", Some("`Performance_Schema`.`threads`"));
    }

    #[test]
    fn what_may_write_and_what_is_not_known_are_not() {
        check("INSERT INTO t VALUES (1)", Some("INSERT"));
        check("SELECT a FROM t FOR UPDATE", Some("FOR UPDATE"));
        check("SELECT FOUND_ROWS()", Some("FOUND_ROWS"));
        check("SHOW WARNINGS", Some("SHOW WARNINGS"));
        check("SELECT price(1)", Some("price"));
        check("", Some(""));
    }

    /// In `classic` the first word alone makes a read, and own functions are trusted by who lists them: not here.
    #[test]
    fn no_rules_and_no_lists_matter() {
        let options = Options { compat: Compat::Classic, read_functions: &["price"], ..Options::default() };
        for sql in ["SELECT price(1)", "SELECT a FROM t FOR UPDATE", "SELECT 1; DELETE FROM t"] {
            assert_eq!(Statement::parse(sql.as_bytes(), &options).access, Access::Read, "{sql}");
            assert!(Statement::parse(sql.as_bytes(), &options).varies_by().is_some(), "{sql}");
        }
    }

    #[track_caller]
    fn check(sql: &str, expected: Option<&str>) {
        let span = Statement::parse(sql.as_bytes(), &Options::default()).varies_by();
        assert_eq!(span.map(|span| &sql[span.start..span.end]), expected, "{sql}");
    }
}
