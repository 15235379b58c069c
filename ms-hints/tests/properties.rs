//! Claims about every text, tried on random ones.
//!
//! Texts are made of pieces that mean something to the scanner, so that quotes, comments and keywords meet in ways
//! nobody would write.

use ms_hints::{Access, Compat, Options, Protocol, Span, SqlMode, Statement};
use proptest::{collection::vec, prelude::*, sample::select};

/// Pieces of SQL; most combinations are nonsense, which is the point.
const PIECES: &[&str] = &[
    "SELECT",
    "select",
    "FOR",
    "UPDATE",
    "SHARE",
    "LOCK",
    "INTO",
    "@a",
    ":=",
    "@@identity",
    "WITH",
    "RECURSIVE",
    "AS",
    "EXPLAIN",
    "ANALYZE",
    "SET",
    "STATEMENT",
    "SHOW",
    "WARNINGS",
    "COUNT",
    "(",
    ")",
    "*",
    ",",
    ";",
    ".",
    "1",
    "1f",
    "f",
    "abs",
    "`abs`",
    "\"abs\"",
    "'x'",
    "'",
    "\"",
    "`",
    "\\",
    "''",
    "/*",
    "*/",
    "/**/",
    "/*!",
    "/*M!",
    "/*+",
    "#",
    "-- ",
    "--",
    "\n",
    " ",
    "\t",
    "[",
    "$$",
    "NEXT",
    "VALUE",
    "NEXTVAL",
    "LAST_INSERT_ID",
    "FOUND_ROWS",
    "DELETE",
    "INSERT",
    "BEGIN",
    "COMMIT",
    "AND",
    "CHAIN",
    "START",
    "TRANSACTION",
    "READ",
    "ONLY",
    "autocommit",
    "=",
    "0",
    "ms=slave",
    "/*ms=master*/",
    "/*ms=strong*/",
    "GET_LOCK",
    "CREATE",
    "TEMPORARY",
    "\u{a0}",
    "é",
    "FORMAT",
    "TABLE",
];

/// Comments and white space that may stand anywhere between tokens without a meaning.
const TRIVIA: &[&str] =
    &[" ", "\t", "\n", "\r\n", "/**/", "/* SELECT ' */", "/* ms=nothing */", "-- x'\n", "# y\n", "\u{c}"];

/// Statements of all classes, with blanks where trivia may stand.
const STATEMENTS: &[&str] = &[
    "SELECT 1",
    "SELECT a , COUNT ( * ) FROM t WHERE b IN ( 1 , 'x' )",
    "SELECT f ( 1 )",
    "SELECT shop . abs ( 1 )",
    "SELECT a FROM t FOR UPDATE",
    "SELECT a FROM t LOCK IN SHARE MODE",
    "SELECT 1 INTO @a",
    "SELECT @a := 1",
    "SELECT NEXT VALUE FOR s",
    "SELECT FOUND_ROWS ( )",
    "SELECT LAST_INSERT_ID ( )",
    "( SELECT 1 ) UNION ( SELECT 2 )",
    "WITH RECURSIVE n ( i ) AS ( SELECT 1 ) , m AS ( SELECT 2 ) SELECT i FROM n",
    "WITH a AS ( SELECT 1 ) DELETE FROM t",
    "EXPLAIN FORMAT = JSON SELECT 1",
    "EXPLAIN ANALYZE UPDATE t SET a = 1",
    "SET STATEMENT a = 1 FOR SELECT 1",
    "SET STATEMENT tx_read_only = 0 FOR SELECT 1",
    "SHOW COUNT ( * ) WARNINGS",
    "SHOW TABLES",
    "SELECT 1 ; DELETE FROM t",
    "INSERT INTO t VALUES ( 1 )",
    "START TRANSACTION READ ONLY",
    "SET autocommit = 0",
    "COMMIT AND CHAIN",
    "CREATE TEMPORARY TABLE t ( a INT )",
    "TABLE t",
    "VALUES ROW ( 1 , 2 )",
    "",
];

/// What makes a write of any read in front of it.
const EFFECTS: &[&str] = &[
    "+ f(1)",
    ", f (1)",
    "+ f/**/(1)",
    "+ shop.abs(1)",
    "+ shop . abs (1)",
    "+ `abs`(1)",
    "+ GET_LOCK('a', 1)",
    "INTO @a",
    "FOR UPDATE",
    "FOR/**/SHARE",
    "LOCK IN SHARE MODE",
    ", @a:=1",
    ", NEXT VALUE FOR s",
    "/*!INTO @a*/",
    "; DELETE FROM t",
    "; SELECT f(1)",
    "'",
    "`",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_classified(sql: Vec<u8>, options in options()) {
        looks_sound(&sql, &options);
    }

    #[test]
    fn any_pieces_are_classified(pieces in vec(select(PIECES), 0..24), options in options()) {
        looks_sound(pieces.concat().as_bytes(), &options);
        looks_sound(pieces.join(" ").as_bytes(), &options);
    }

    #[test]
    fn a_text_cut_anywhere_is_classified(sql in select(STATEMENTS), cut in 0..100_usize, options in options()) {
        looks_sound(&sql.as_bytes()[..cut.min(sql.len())], &options);
    }

    #[test]
    fn leading_comments_never_change_the_class(
        trivia in vec(select(TRIVIA), 0..6),
        sql in select(STATEMENTS),
        options in options(),
    ) {
        same(sql, &(trivia.concat() + sql), &options)?;
    }

    #[test]
    fn leading_comments_never_change_the_class_of_nonsense(
        trivia in vec(select(TRIVIA), 0..6),
        pieces in vec(select(PIECES), 0..16),
        options in options(),
    ) {
        let sql = pieces.concat();
        same(&sql, &(trivia.concat() + &sql), &options)?;
    }

    #[test]
    fn white_space_and_comments_never_change_the_class(
        sql in select(STATEMENTS),
        trivia in vec(select(TRIVIA), 40),
        options in options(),
    ) {
        let mut trivia = trivia.into_iter();
        let spread: String = sql.split(' ').flat_map(|word| [word, trivia.next().unwrap_or(" ")]).collect();
        same(sql, &spread, &options)?;
    }

    #[test]
    fn letter_case_never_changes_the_class(sql in select(STATEMENTS), upper: Vec<bool>, options in options()) {
        let mut upper = upper.into_iter().cycle();
        let mixed: String = sql
            .chars()
            .map(|c| if upper.next() == Some(true) { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
            .collect();
        same(sql, &mixed, &options)?;
    }

    #[test]
    fn what_is_proven_to_read_stays_so_when_more_is_known(pieces in vec(select(PIECES), 0..24)) {
        let sql = format!("SELECT {}", pieces.concat());
        let unknown = Statement::parse(sql.as_bytes(), &Options::default()).access;
        if unknown == Access::Write {
            return Ok(());
        }
        // Not knowing the mode is only allowed to cost reads, so every mode agrees on what is a read without it.
        for (nbe, ansi) in [(false, false), (false, true), (true, false), (true, true)] {
            let sql_mode = SqlMode { no_backslash_escapes: Some(nbe), ansi_quotes: Some(ansi) };
            let known = Statement::parse(sql.as_bytes(), &Options { sql_mode, ..Options::default() });
            prop_assert_eq!(known.access, unknown, "{} {:?}", sql, sql_mode);
        }
    }

    #[test]
    fn nothing_hides_what_follows_a_read(pieces in vec(select(PIECES), 0..8), effect in select(EFFECTS)) {
        let sql = format!("SELECT {}", pieces.concat());
        let of = |sql: &str| Statement::parse(sql.as_bytes(), &Options::default()).access;
        // A read is a whole text: no quote or comment is open at its end, but for one that the line ends.
        if of(&sql) == Access::Write || (sql.contains(';') && sql.contains("WITH")) {
            return Ok(()); // behind `WITH`, `f (1)` is a table
        }
        let sql = format!("{sql}\n{effect}");
        prop_assert_eq!(of(&sql), Access::Write, "{}", sql);
    }
}

fn options() -> impl Strategy<Value = Options<'static>> {
    let compat = select(&[Compat::Classic, Compat::Strict][..]);
    let protocol = select(&[Protocol::Text, Protocol::Prepared][..]);
    (compat, protocol, any::<Option<bool>>(), any::<Option<bool>>()).prop_map(|(compat, protocol, nbe, ansi)| Options {
        compat,
        protocol,
        sql_mode: SqlMode { no_backslash_escapes: nbe, ansi_quotes: ansi },
        read_functions: &["price"],
    })
}

/// Nothing panics, every span is inside the text, every comment is where it says.
#[track_caller]
fn looks_sound(sql: &[u8], options: &Options<'_>) {
    let statement = Statement::parse(sql, options);
    let _ = statement.effect();
    let _ = statement.target();
    let inside = |span: Span| assert!(span.start <= span.end && span.end <= sql.len(), "{span:?} of {}", sql.len());
    for span in [statement.because, statement.route_span, statement.level_span] {
        inside(span);
    }
    assert!(statement.body <= sql.len());
    assert_eq!(statement.route.is_some(), statement.route_span.start < statement.route_span.end);
    assert_eq!(statement.level.is_some(), statement.level_span.start < statement.level_span.end);
    if statement.access == Access::Read && options.compat == Compat::Strict {
        let first = &sql[statement.because.start..statement.because.end];
        assert!(["SELECT", "TABLE", "VALUES", "WITH"].iter().any(|it| first.eq_ignore_ascii_case(it.as_bytes())));
    }
    let mut at = 0;
    for comment in statement.leading_comments() {
        inside(comment.span);
        assert!(at <= comment.span.start && comment.span.end <= statement.body);
        assert_eq!(comment.text, &sql[comment.content.start..comment.content.end]);
        at = comment.span.end;
    }
}

/// Both texts mean the same.
fn same(one: &str, other: &str, options: &Options<'_>) -> Result<(), TestCaseError> {
    let (a, b) = (Statement::parse(one.as_bytes(), options), Statement::parse(other.as_bytes(), options));
    prop_assert_eq!((a.access, a.cause), (b.access, b.cause), "{:?} and {:?}", one, other);
    prop_assert_eq!(a.route, b.route, "{:?} and {:?}", one, other);
    prop_assert_eq!(a.effect(), b.effect(), "{:?} and {:?}", one, other);
    Ok(())
}
