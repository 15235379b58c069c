//! Whether a replica may run a statement.
//!
//! The original plugin looked at the first token: `SELECT` was a read. That is `classic`. It sends `SELECT … FOR
//! UPDATE`, `SELECT next_id()` and `SELECT 1; DELETE …` to a replica, and `WITH …`, which reads, to the primary.
//!
//! `strict` turns the burden of proof around. A statement is a read if it begins as one (`SELECT`, `TABLE`, `VALUES`,
//! `WITH`, parenthesised, behind `EXPLAIN`) *and* nothing in its text may have an effect. Writes are known by their
//! first tokens and not read any further, so a large `INSERT` costs no more than a small one.

use crate::{
    Cause, Options, Protocol, Span,
    functions::Class,
    hint::Hints,
    scan::{Kind, Scanner, Token, is_ident, key, key_at},
    walk::{Event, Walk},
};

/// Where a statement may run by its own text, hints aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// It changes nothing: a replica may run it.
    Read,
    /// It changes something, or it cannot be proven that it does not: the primary runs it.
    Write,
    /// It speaks of the connection that ran the statement before it (`FOUND_ROWS()`, `SHOW WARNINGS`): it
    /// belongs to the connection used last, and to the primary where there is none.
    Follow,
}

/// The answer with its reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) access: Access,
    pub(crate) cause: Cause,
    pub(crate) because: Span,
    pub(crate) user_variables: bool,
}

impl Verdict {
    fn new(access: Access, cause: Cause, because: Span) -> Self {
        Verdict { access, cause, because, user_variables: false }
    }

    fn write(cause: Cause, because: Span) -> Self {
        Verdict::new(Access::Write, cause, because)
    }
}

/// The rule of the original: the first token alone. `body` is behind all leading comments.
pub(crate) fn classic(sql: &[u8], body: usize, options: &Options<'_>) -> Verdict {
    if let Some(span) = select_at(sql, body) {
        return Verdict::new(Access::Read, Cause::FirstToken, span);
    }
    let mut scanner = Scanner::new(sql, body, options.sql_mode);
    if sql.get(body).is_some_and(u8::is_ascii_alphabetic) {
        return Verdict::write(Cause::NotSelect, scanner.word());
    }
    let first = scanner.next_fine();
    match first.kind {
        Kind::End => Verdict::write(Cause::Empty, first.span()),
        Kind::Unclear(Cause::Unterminated) => Verdict::write(Cause::Unterminated, first.span()),
        _ => Verdict::write(Cause::NotSelect, first.span()),
    }
}

/// The word `SELECT`, if it stands here. A dot ends it: `SELECT.5` is a read to the original.
#[inline(always)]
fn select_at(sql: &[u8], at: usize) -> Option<Span> {
    let end = at + 6;
    let whole = sql.get(end).is_none_or(|&b| b == b'.' || !is_ident(b));
    (end <= sql.len() && key_at(sql, at, end) == SELECT && whole).then_some(Span { start: at, end })
}

/// Whether the statement begins with a letter that no verb of the allow-list has: `INSERT`, `UPDATE`, `REPLACE` do.
fn writes_by_first_letter(sql: &[u8], at: usize) -> bool {
    let first = sql.get(at).map(u8::to_ascii_uppercase);
    first.is_some_and(|first| first.is_ascii_uppercase() && !b"DESTVW".contains(&first))
}

/// The allow-list.
pub(crate) fn strict(sql: &[u8], hints: &Hints, options: &Options<'_>) -> Verdict {
    if let Some(span) = hints.executable {
        return Verdict::write(Cause::ExecutableComment, span);
    }
    let mut scanner = Scanner::new(sql, hints.body, options.sql_mode);
    let mut verdict = match select_at(sql, hints.body) {
        Some(span) => {
            scanner.at = span.end;
            read(Walk::new(&mut scanner), span, options)
        }
        None if writes_by_first_letter(sql, hints.body) => {
            return Verdict::write(Cause::Verb, scanner.word());
        }
        None => one(&mut scanner, options),
    };
    if scanner.at == sql.len() {
        return verdict; // one statement, as nearly always
    }
    // A prepared statement cannot have a second one, so what follows `;` is an error on any server.
    while verdict.access != Access::Write && options.protocol == Protocol::Text {
        let next = scanner.peek_fine();
        match next.kind {
            Kind::End => break,
            Kind::Punct(b';') => {
                scanner.next_fine();
                continue;
            }
            _ => {}
        }
        let following = one(&mut scanner, options);
        match following.access {
            Access::Write => return Verdict::write(Cause::SecondStatement, next.span()),
            Access::Follow if verdict.access == Access::Read => {
                verdict = Verdict { user_variables: verdict.user_variables, ..following };
            }
            Access::Read | Access::Follow => {}
        }
        verdict.user_variables |= following.user_variables;
    }
    verdict
}

const SELECT: u64 = key(b"SELECT");
const TABLE: u64 = key(b"TABLE");
const VALUES: u64 = key(b"VALUES");
const WITH: u64 = key(b"WITH");
const EXPLAIN: u64 = key(b"EXPLAIN");
const DESC: u64 = key(b"DESC");
const DESCRIBE: u64 = key(b"DESCRIBE");
const ANALYZE: u64 = key(b"ANALYZE");
const EXTENDED: u64 = key(b"EXTENDED");
const FORMAT: u64 = key(b"FORMAT");
const SET: u64 = key(b"SET");
const SHOW: u64 = key(b"SHOW");
const WARNINGS: u64 = key(b"WARNINGS");
const ERRORS: u64 = key(b"ERRORS");
const COUNT: u64 = key(b"COUNT");
const FOR: u64 = key(b"FOR");

/// Judges the statement that begins here and goes behind its `;`.
fn one(scanner: &mut Scanner<'_>, options: &Options<'_>) -> Verdict {
    let mut token = scanner.next_fine();
    let first = token;
    let mut explained = false;
    loop {
        return match token.kind {
            Kind::Word => match scanner.key(token) {
                SELECT | TABLE | VALUES => read(Walk::new(scanner), token.span(), options),
                WITH => read(Walk::behind_with(scanner), token.span(), options),
                EXPLAIN | DESC | DESCRIBE if !explained => {
                    explained = true;
                    token = behind_explain(scanner);
                    continue;
                }
                SET if !explained => match behind_set_statement(scanner) {
                    Ok(next) => {
                        token = next;
                        continue;
                    }
                    Err((cause, span)) => Verdict::write(cause, span.unwrap_or(token.span())),
                },
                SHOW if !explained => show(scanner, token, options),
                _ if explained => Verdict::write(Cause::Explained, token.span()),
                _ => Verdict::write(Cause::Verb, token.span()),
            },
            Kind::Punct(b'(') => {
                token = scanner.next_fine();
                continue;
            }
            Kind::Executable => Verdict::write(Cause::ExecutableComment, token.span()),
            Kind::Unclear(cause) => Verdict::write(cause, token.span()),
            _ if explained => Verdict::write(Cause::Explained, first.span()),
            Kind::End | Kind::Punct(b';') => Verdict::write(Cause::Empty, token.span()),
            _ => Verdict::write(Cause::Verb, token.span()),
        };
    }
}

/// Looks through the rest of a statement that begins as a read.
#[inline]
fn read(mut walk: Walk<'_, '_>, first: Span, options: &Options<'_>) -> Verdict {
    let mut verdict = Verdict::new(Access::Read, Cause::OnlyReads, first);
    loop {
        let (cause, span) = match walk.next(options.read_functions) {
            Event::End => return verdict,
            Event::UserVariable => {
                verdict.user_variables = true;
                continue;
            }
            Event::Call(Some(Class::LastResult), span) => {
                if verdict.access == Access::Read {
                    (verdict.access, verdict.cause, verdict.because) = (Access::Follow, Cause::LastResult, span);
                }
                continue;
            }
            Event::Call(Some(Class::LastInsertId), span) => (Cause::LastInsertId, span),
            Event::Call(Some(Class::Sequence), span) => (Cause::Sequence, span),
            Event::Call(_, span) => (Cause::Function, span),
            Event::Certain(cause, span) => (cause, span),
        };
        return Verdict::write(cause, span);
    }
}

/// Skips the options of `EXPLAIN` and returns the first token of what is explained.
fn behind_explain(scanner: &mut Scanner<'_>) -> Token {
    loop {
        let token = scanner.next_fine();
        match scanner.key(token) {
            ANALYZE | EXTENDED => {}
            FORMAT if scanner.peek_fine().kind == Kind::Punct(b'=') => {
                scanner.next_fine();
                scanner.next_fine();
            }
            _ if scanner.is_word(token, "PARTITIONS") => {}
            _ => return token,
        }
    }
}

/// Skips `STATEMENT name = value, … FOR` and returns the first token behind it.
///
/// Values may be words, numbers and strings, nothing that is computed. MariaDB ends its read-only belt with
/// `tx_read_only=0`, so that name is never plain.
pub(crate) fn behind_set_statement(scanner: &mut Scanner<'_>) -> Result<Token, (Cause, Option<Span>)> {
    let token = scanner.next_fine();
    if !scanner.is_word(token, "STATEMENT") {
        return Err((Cause::Verb, None));
    }
    loop {
        let token = scanner.next_fine();
        match token.kind {
            Kind::Word if scanner.key(token) == FOR => return Ok(scanner.next_fine()),
            Kind::Word if !ends_the_belt(scanner.text(token)) => {}
            Kind::Number | Kind::Text | Kind::Punct(b'=' | b',' | b'-' | b'+') => {}
            Kind::Executable => return Err((Cause::ExecutableComment, Some(token.span()))),
            Kind::Unclear(cause) => return Err((cause, Some(token.span()))),
            _ => return Err((Cause::SetStatement, Some(token.span()))),
        }
    }
}

/// `SHOW WARNINGS`, `SHOW ERRORS` and their counts speak of the statement before; every other `SHOW` asks about a
/// server, which should be the primary.
fn show(scanner: &mut Scanner<'_>, first: Token, options: &Options<'_>) -> Verdict {
    let mut token = scanner.next_fine();
    if scanner.key(token) == COUNT {
        for expected in [b'(', b'*', b')'] {
            if scanner.next_fine().kind != Kind::Punct(expected) {
                return Verdict::write(Cause::Verb, first.span());
            }
        }
        token = scanner.next_fine();
    }
    if !matches!(scanner.key(token), WARNINGS | ERRORS) {
        return Verdict::write(Cause::Verb, first.span());
    }
    let span = Span { start: first.start, end: token.end };
    let rest = read(Walk::new(scanner), first.span(), options);
    if rest.access == Access::Write { rest } else { Verdict::new(Access::Follow, Cause::LastResult, span) }
}

/// Whether a setting is `tx_read_only` or `transaction_read_only`, with or without a scope in front.
fn ends_the_belt(name: &[u8]) -> bool {
    const END: &[u8] = b"_read_only";
    name.len() >= END.len() && name[name.len() - END.len()..].eq_ignore_ascii_case(END)
}

#[cfg(test)]
mod tests {
    use crate::{Access, Cause, Compat, Options, Protocol, SqlMode, Statement};

    #[test]
    fn reads_are_reads() {
        for sql in [
            "SELECT 1",
            "select id from orders where a = 'x' and b in (1, 2) or (c = 3 and not (d)) -- done",
            "SELECT DISTINCT(a) FROM t WHERE EXISTS (SELECT 1) AND a = ANY (SELECT 2) AND b LIKE ('x')",
            "(SELECT 1)",
            "((SELECT 1) UNION (SELECT 2)) LIMIT 1",
            "SELECT 1;",
            "SELECT 1; -- end",
            "SELECT 1; SELECT 2",
            "TABLE orders ORDER BY id",
            "VALUES ROW(1, 2), ROW(3, 4)",
            "VALUES (1), (2)",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "WITH a (x, y) AS (SELECT 1, 2), b (z) AS (SELECT 3) SELECT * FROM a, b",
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
            "WITH RECURSIVE n(i) AS (SELECT 1), `m` (j) AS (SELECT 1) (SELECT i FROM n) ORDER BY i",
            "SELECT * FROM (WITH RECURSIVE n(i) AS (SELECT 1) SELECT i FROM n) x",
            "SELECT * FROM (SELECT 1, 2) AS t (a, b)",
            "SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$', b VARCHAR(9) PATH '$.b')) AS t",
            "SELECT CAST(a AS DECIMAL(10, 2)), CONVERT(b, CHAR(3)), CONVERT(c USING utf8mb4) FROM t",
            "SELECT a, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) FROM t WINDOW w AS (ORDER BY a)",
            "SELECT a FROM t USE INDEX (x) FORCE INDEX FOR ORDER BY (y) PARTITION (p0) JOIN u USING (id)",
            "SELECT COUNT(*), SUM(DISTINCT a), GROUP_CONCAT(b SEPARATOR ',') FROM t GROUP BY c HAVING (COUNT(*) > 1)",
            "SELECT NOW(), RAND(), UUID(), SLEEP(0), VERSION(), DATABASE(), CONNECTION_ID()",
            "SELECT INSERT('abc', 1, 1, 'x'), REPLACE (a, b, c), REPLACE/**/(a, b, c), IF(a, b, c), LEFT(a, 1)",
            "SELECT @@version, @@session.sql_mode, @@GLOBAL.read_only",
            "SELECT @a = 1",
            "SELECT /*+ MAX_EXECUTION_TIME(100) */ COUNT(*) FROM t",
            "SELECT /* FOR UPDATE */ 1 -- INTO x\n # := y",
            "SELECT 'FOR UPDATE', \"INTO\", `INTO`, `lock`.`into`, t.`update`, t.update, `t`.into, t.lock FROM t",
            "SELECT 'it''s; DELETE FROM t', \"a\"\"b\" FROM t",
            "SELECT 2*/*c*/3",
            "SELECT update_time, for_sale, into_x, locked, share, value, nextval FROM t",
            "SELECT SUBSTRING('abc' FROM 1 FOR 2), a FROM t FOR SYSTEM_TIME AS OF TIMESTAMP'2020-01-01'",
            "SELECT a -> '$.b', a ->> '$.c', -1, - -1, a--1 FROM t",
            "EXPLAIN SELECT 1",
            "EXPLAIN FORMAT=JSON SELECT 1",
            "EXPLAIN FORMAT = 'json' SELECT 1",
            "EXPLAIN EXTENDED SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "EXPLAIN ANALYZE FORMAT=TREE SELECT 1",
            "DESCRIBE SELECT 1",
            "DESC TABLE t",
            "EXPLAIN WITH a AS (SELECT 1) SELECT * FROM a",
            "EXPLAIN (SELECT 1)",
            "SET STATEMENT max_statement_time = 1, sort_buffer_size=100 FOR SELECT 1",
            "SELECT\u{b}1",
            "\u{a0}\u{3000} SELECT 1",
        ] {
            check(sql, Access::Read, Cause::OnlyReads);
        }
    }

    #[test]
    fn the_span_of_a_read_is_its_first_word() {
        because(" (SELECT 1)", "SELECT");
        because("EXPLAIN TABLE t", "TABLE");
    }

    #[test]
    fn locking_reads_are_writes() {
        because("SELECT a FROM t FOR UPDATE", "FOR UPDATE");
        because("SELECT a FROM t FOR/**/UPDATE NOWAIT", "FOR/**/UPDATE");
        because("SELECT a FROM t FOR\n-- x\nSHARE OF t SKIP LOCKED", "FOR\n-- x\nSHARE");
        because("SELECT a FROM t LOCK IN SHARE MODE", "LOCK");
        because("SELECT a FROM t WHERE a=1.FOR UPDATE", "FOR UPDATE");
        because("SELECT a FROM t WHERE a=1FOR SHARE", "FOR SHARE");
        because("SELECT * FROM (SELECT a FROM t FOR UPDATE) x", "FOR UPDATE");
        check("SELECT a FROM t for update", Access::Write, Cause::Locking);
        check("SELECT a FROM t LOCK IN SHARE MODE", Access::Write, Cause::Locking);
        check("EXPLAIN SELECT a FROM t FOR UPDATE", Access::Write, Cause::Locking);
    }

    #[test]
    fn storing_the_result_is_a_write() {
        for sql in [
            "SELECT 1 INTO @a",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "SELECT a INTO DUMPFILE '/tmp/x' FROM t",
            "SELECT 1/**/INTO/**/@a",
            "SELECT 1.INTO @a",
            "TABLE t INTO OUTFILE '/tmp/x'",
            "(SELECT 1) INTO @a",
            "EXPLAIN FORMAT=JSON SELECT 1 INTO @a",
        ] {
            check(sql, Access::Write, Cause::Into);
            assert!(of(sql).1.eq_ignore_ascii_case("into"), "{sql}");
        }
    }

    #[test]
    fn assignments_are_writes() {
        check("SELECT @a := 1", Access::Write, Cause::Assignment);
        check("SELECT @a:=@a+1 FROM t, (SELECT @a:=0) x", Access::Write, Cause::Assignment);
        because("SELECT @`a` := 1", ":=");
    }

    #[test]
    fn sequences_are_writes() {
        check("SELECT NEXT VALUE FOR s", Access::Write, Cause::Sequence);
        check("SELECT PREVIOUS VALUE FOR s", Access::Write, Cause::Sequence);
        because("SELECT NEXT VALUE/**/FOR s", "VALUE/**/FOR");
        check("SELECT NEXTVAL(s)", Access::Write, Cause::Sequence);
        check("SELECT lastval (s)", Access::Write, Cause::Sequence);
        check("SELECT SETVAL(s, 1)", Access::Write, Cause::Sequence);
        check("SELECT s.NEXTVAL", Access::Write, Cause::Sequence);
        check("SELECT db.s.currval", Access::Write, Cause::Sequence);
        check("SELECT `s`.nextval", Access::Write, Cause::Sequence);
        check("SELECT s . nextval", Access::Write, Cause::Sequence);
    }

    #[test]
    fn comments_that_run_are_writes() {
        check("SELECT 1 /*!INTO @a*/", Access::Write, Cause::ExecutableComment);
        check("SELECT 1 /*M!100100 , f() */", Access::Write, Cause::ExecutableComment);
        check("/*! SELECT */ 1", Access::Write, Cause::ExecutableComment);
        check("/*!50000 DELETE FROM t */; SELECT 1", Access::Write, Cause::ExecutableComment);
        check("/*!ms=slave*/ SELECT 1", Access::Write, Cause::ExecutableComment);
        check("EXPLAIN /*!50100 FORMAT=JSON */ SELECT 1", Access::Write, Cause::ExecutableComment);
    }

    #[test]
    fn comments_do_not_nest() {
        check("SELECT 1 /* /* */ */", Access::Write, Cause::NestedComment);
        check("SELECT 1 /* /* */ INTO @a */", Access::Write, Cause::Into);
        check("/* /* */ DELETE FROM t -- */ SELECT 1", Access::Write, Cause::Verb);
        check("/* routes/*.rs */ SELECT 1", Access::Read, Cause::OnlyReads);
    }

    #[test]
    fn unknown_functions_are_writes() {
        for (sql, name) in [
            ("SELECT f()", "f"),
            ("SELECT f (1)", "f"),
            ("SELECT f/**/(1)", "f"),
            ("SELECT f -- x\n (1)", "f"),
            ("SELECT f #x\n\t/**/ (1)", "f"),
            ("SELECT shop.f(1)", "shop.f"),
            ("SELECT shop.abs(1)", "shop.abs"),
            ("SELECT shop . abs(1)", "abs"),
            ("SELECT shop./**/abs(1)", "abs"),
            ("SELECT shop . abs/**/(1)", "abs"),
            ("SELECT shop./**/abs/**/(1)", "abs"),
            ("SELECT shop -- x\n . -- y\n abs(1)", "abs"),
            ("SELECT `abs`(1)", "`abs`"),
            ("SELECT `shop`.abs(1)", "abs"),
            ("SELECT `shop`.`abs` (1)", "`shop`.`abs`"),
            ("SELECT \"abs\"(1)", "\"abs\""),
            ("SELECT 1abs(1)", "abs"),
            ("SELECT GET_LOCK('a', 1)", "GET_LOCK"),
            ("SELECT RELEASE_LOCK('a')", "RELEASE_LOCK"),
            ("SELECT LOAD_FILE('/etc/passwd')", "LOAD_FILE"),
            ("SELECT MASTER_POS_WAIT('a', 4)", "MASTER_POS_WAIT"),
            ("SELECT ABS(f(1))", "f"),
            ("SELECT * FROM (SELECT f(1)) AS t (a)", "f"),
            ("SELECT 1 FROM t WHERE a IN (f(1))", "f"),
            ("SELECT t.as, f(1) FROM t", "f"),
            ("SELECT a AS b, f(1) FROM t", "f"),
            ("WITH a AS (SELECT f(1)) SELECT 1", "f"),
            ("WITH a (x) AS (SELECT 1) SELECT f(1)", "f"),
            ("WITH a (x) AS (SELECT 1) (SELECT 1) ORDER BY f(1)", "f"),
            ("WITH a (x) AS (SELECT 1) SELECT 1, f(1)", "f"),
            ("EXPLAIN SELECT f(1)", "f"),
            ("VALUES ROW(f(1))", "f"),
        ] {
            check(sql, Access::Write, Cause::Function);
            because(sql, name);
        }
    }

    #[test]
    fn own_functions_can_be_listed() {
        let options = Options { read_functions: &["price", "shop.tax"], ..Options::default() };
        check_with(&options, "SELECT PRICE(1), `price` (2), shop.tax(3)", Access::Read, Cause::OnlyReads);
        check_with(&options, "SELECT tax(1)", Access::Write, Cause::Function);
        check_with(&options, "SELECT other.price(1)", Access::Write, Cause::Function);
        check_with(&options, "SELECT other . price(1)", Access::Write, Cause::Function);
        check_with(&options, "SELECT 1price(1)", Access::Write, Cause::Function);
    }

    #[test]
    fn what_the_last_statement_left_is_asked_where_it_ran() {
        check("SELECT FOUND_ROWS()", Access::Follow, Cause::LastResult);
        check("SELECT row_count ()", Access::Follow, Cause::LastResult);
        check("SELECT @@warning_count, @@session.error_count", Access::Follow, Cause::LastResult);
        check("SHOW WARNINGS", Access::Follow, Cause::LastResult);
        check("SHOW WARNINGS LIMIT 1", Access::Follow, Cause::LastResult);
        check("show errors;", Access::Follow, Cause::LastResult);
        check("SHOW COUNT(*) WARNINGS", Access::Follow, Cause::LastResult);
        check("SHOW COUNT (*) ERRORS", Access::Follow, Cause::LastResult);
        because("SELECT FOUND_ROWS()", "FOUND_ROWS");
        because("SHOW COUNT(*) ERRORS", "SHOW COUNT(*) ERRORS");
        check("SELECT FOUND_ROWS(), f(1)", Access::Write, Cause::Function);
    }

    #[test]
    fn what_the_last_write_left_is_asked_at_the_primary() {
        check("SELECT LAST_INSERT_ID()", Access::Write, Cause::LastInsertId);
        check("SELECT LAST_INSERT_ID(5)", Access::Write, Cause::LastInsertId);
        check("SELECT FOUND_ROWS(), LAST_INSERT_ID()", Access::Write, Cause::LastInsertId);
        check("SELECT @@last_insert_id", Access::Write, Cause::LastInsertId);
        check("SELECT @@session.identity", Access::Write, Cause::LastInsertId);
        check("SELECT @@last_gtid", Access::Write, Cause::LastInsertId);
        check("SELECT @@session . identity", Access::Write, Cause::Unclear);
        check("SELECT @@`identity`", Access::Write, Cause::Unclear);
    }

    #[test]
    fn everything_else_is_a_write() {
        for sql in [
            "INSERT INTO t VALUES (1)",
            "REPLACE t VALUES (1)",
            "UPDATE t SET a = 1",
            "DELETE FROM t",
            "CALL p()",
            "DO SLEEP(1)",
            "SET @a = 1",
            "SET GLOBAL a = 1",
            "SET TRANSACTION READ WRITE",
            "BEGIN",
            "START TRANSACTION READ ONLY",
            "LOCK TABLES t READ",
            "KILL 5",
            "SHOW TABLES",
            "SHOW COUNT(x) WARNINGS",
            "SHOW COUNT(*) TABLES",
            "HANDLER t OPEN",
            "HELP 'x'",
            "USE shop",
            "ANALYZE SELECT 1",
            "SELECTED 1",
            "SELECTX",
            "123",
            "(DELETE FROM t)",
            "!",
        ] {
            check(sql, Access::Write, Cause::Verb);
        }
        because(" /* x */ INSERT INTO t VALUES (1)", "INSERT");
    }

    #[test]
    fn explaining_a_write_is_a_write() {
        check("EXPLAIN UPDATE t SET a = 1", Access::Write, Cause::Explained);
        check("EXPLAIN ANALYZE DELETE FROM t", Access::Write, Cause::Explained);
        check("EXPLAIN FOR CONNECTION 5", Access::Write, Cause::Explained);
        check("EXPLAIN FORMAT=JSON INTO @a SELECT 1", Access::Write, Cause::Explained);
        check("EXPLAIN EXPLAIN SELECT 1", Access::Write, Cause::Explained);
        check("EXPLAIN SET STATEMENT a=1 FOR SELECT 1", Access::Write, Cause::Explained);
        check("EXPLAIN", Access::Write, Cause::Explained);
        check("DESC t", Access::Write, Cause::Explained);
    }

    #[test]
    fn common_table_expressions_can_write() {
        check("WITH a AS (SELECT 1) DELETE FROM t USING t JOIN a", Access::Write, Cause::InnerWrite);
        check("WITH a (x) AS (SELECT 1) UPDATE t, a SET t.x = a.x", Access::Write, Cause::InnerWrite);
        check("WITH a AS (DELETE FROM t RETURNING id) SELECT * FROM a", Access::Write, Cause::InnerWrite);
        check("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", Access::Write, Cause::InnerWrite);
        check("WITH a AS (SELECT 1) REPLACE t SELECT * FROM a", Access::Write, Cause::InnerWrite);
        because("WITH a AS (SELECT 1) DELETE FROM t", "DELETE");
    }

    #[test]
    fn set_statement_is_looked_into() {
        check("SET STATEMENT a = 1 FOR INSERT INTO t VALUES (1)", Access::Write, Cause::Verb);
        check("SET STATEMENT a = 1 FOR SELECT f(1)", Access::Write, Cause::Function);
        check("SET STATEMENT tx_read_only = 0 FOR SELECT 1", Access::Write, Cause::SetStatement);
        check("SET STATEMENT session.transaction_read_only=0 FOR SELECT 1", Access::Write, Cause::SetStatement);
        check("SET STATEMENT a = f(1) FOR SELECT 1", Access::Write, Cause::SetStatement);
        check("SET STATEMENT `tx_read_only` = 0 FOR SELECT 1", Access::Write, Cause::SetStatement);
        check("SET STATEMENT a = @b FOR SELECT 1", Access::Write, Cause::SetStatement);
        check("SET STATEMENT a = 1", Access::Write, Cause::SetStatement);
        check("SET STATEMENT a = 1 FOR SHOW WARNINGS", Access::Follow, Cause::LastResult);
    }

    #[test]
    fn a_later_statement_counts_in_text_only() {
        check("SELECT 1; DELETE FROM t", Access::Write, Cause::SecondStatement);
        check("SELECT 1; SELECT f(1)", Access::Write, Cause::SecondStatement);
        check("SELECT 1;/*!DELETE FROM t*/", Access::Write, Cause::SecondStatement);
        check("SHOW WARNINGS; DELETE FROM t", Access::Write, Cause::SecondStatement);
        check("SELECT 1; SHOW WARNINGS", Access::Follow, Cause::LastResult);
        because("SELECT 1; SELECT 2;\nDELETE FROM t", "DELETE");
        let prepared = Options { protocol: Protocol::Prepared, ..Options::default() };
        check_with(&prepared, "SELECT 1; DELETE FROM t", Access::Read, Cause::OnlyReads);
        check_with(&prepared, "SELECT f(1); SELECT 1", Access::Write, Cause::Function);
    }

    #[test]
    fn what_has_no_end_is_a_write() {
        check("SELECT 'a", Access::Write, Cause::Unterminated);
        check("SELECT `a", Access::Write, Cause::Unterminated);
        check("SELECT \"a", Access::Write, Cause::Unterminated);
        check("SELECT 1 /* a", Access::Write, Cause::Unterminated);
        check("/* SELECT 1", Access::Write, Cause::Unterminated);
        check("", Access::Write, Cause::Empty);
        check(" -- SELECT 1", Access::Write, Cause::Empty);
        check(";SELECT 1", Access::Write, Cause::Empty);
        check("(", Access::Write, Cause::Empty);
    }

    #[test]
    fn servers_that_disagree_make_a_write() {
        check("SELECT [it's], f(1), 'x'", Access::Write, Cause::Unclear);
        check("SELECT $$ it's $$, f(1), 'x'", Access::Write, Cause::Unclear);
        check("SELECT /*+ QB_NAME(`*/ 1 -- `) */ INTO @a", Access::Write, Cause::Unclear);
    }

    #[test]
    fn backslashes_wait_for_the_mode() {
        let sql = r"SELECT 'it\'s' FROM t";
        check(sql, Access::Write, Cause::UnknownSqlMode);
        check_in(Some(false), None, sql, Access::Read, Cause::OnlyReads);
        check_in(Some(true), None, sql, Access::Write, Cause::Unterminated);
        // Escaped, the call is text; as it is, the text ends before.
        let sql = r"SELECT '\', f(1), '\'";
        check_in(Some(true), None, sql, Access::Write, Cause::Function);
        check_in(Some(false), None, sql, Access::Write, Cause::Unterminated);
        check(r"SELECT 'a\\', '\n'", Access::Read, Cause::OnlyReads);
    }

    #[test]
    fn double_quotes_wait_for_two_modes() {
        let sql = r#"SELECT "a\"b""#;
        check(sql, Access::Write, Cause::UnknownSqlMode);
        check_in(Some(false), None, sql, Access::Write, Cause::UnknownSqlMode);
        check_in(Some(false), Some(false), sql, Access::Read, Cause::OnlyReads);
        check_in(Some(false), Some(true), sql, Access::Write, Cause::Unterminated);
        check_in(Some(true), None, sql, Access::Write, Cause::Unterminated);
        check(r#"SELECT "it's", 'a "b" c'"#, Access::Read, Cause::OnlyReads);
    }

    #[test]
    fn user_variables_are_noted() {
        let noted = |sql: &str| Statement::parse(sql.as_bytes(), &Options::default()).user_variables;
        assert!(noted("SELECT @a"));
        assert!(noted("SELECT 1; SELECT @`a`"));
        assert!(!noted("SELECT @@version, '@a'"));
    }

    #[test]
    fn classic_looks_at_the_first_token() {
        let classic = Options { compat: Compat::Classic, ..Options::default() };
        for sql in [
            "SELECT 1",
            "sElEct/* insert */ '1'a _two from dual",
            "SELECT'1'",
            "SELECT/**/1",
            "SELECT.5",
            "SeleCT!1",
            "\r\n\u{a0}SELECT 1",
            "SELECT id FROM t FOR UPDATE",
            "SELECT 1; DELETE FROM t",
            "SELECT GET_LOCK('a', 1)",
            "/*! x */ SELECT 1",
            "select",
        ] {
            check_with(&classic, sql, Access::Read, Cause::FirstToken);
        }
        for sql in ["(SELECT 1)", "WITH a AS (SELECT 1) SELECT 1", "SHOW TABLES", "TABLE t", "SELECTED", "?SELECT 1"] {
            check_with(&classic, sql, Access::Write, Cause::NotSelect);
        }
        for sql in ["'SELECT 1'", "`SELECT`", "--SELECT 1\n", "_SELECT", "SELECT$", "SELECTé", "1SELECT"] {
            check_with(&classic, sql, Access::Write, Cause::NotSelect);
        }
        check_with(&classic, "", Access::Write, Cause::Empty);
        check_with(&classic, "/* SELECT 1", Access::Write, Cause::Unterminated);
    }

    #[track_caller]
    fn check(sql: &str, access: Access, cause: Cause) {
        check_with(&Options::default(), sql, access, cause);
    }

    #[track_caller]
    fn check_in(nbe: Option<bool>, ansi: Option<bool>, sql: &str, access: Access, cause: Cause) {
        let sql_mode = SqlMode { no_backslash_escapes: nbe, ansi_quotes: ansi };
        check_with(&Options { sql_mode, ..Options::default() }, sql, access, cause);
    }

    #[track_caller]
    fn check_with(options: &Options<'_>, sql: &str, access: Access, cause: Cause) {
        let statement = Statement::parse(sql.as_bytes(), options);
        assert_eq!((statement.access, statement.cause), (access, cause), "{sql}");
    }

    #[track_caller]
    fn because(sql: &str, expected: &str) {
        assert_eq!(of(sql).1, expected, "{sql}");
    }

    fn of(sql: &str) -> (Cause, &str) {
        let statement = Statement::parse(sql.as_bytes(), &Options::default());
        (statement.cause, &sql[statement.because.start..statement.because.end])
    }
}
