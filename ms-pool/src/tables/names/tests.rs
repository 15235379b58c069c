use super::*;

#[test]
fn queries_name_tables_wherever_they_stand() {
    check("SELECT 1", "");
    check("SELECT NOW(), @@version, @a", "");
    check("SELECT 1 FROM DUAL", "DUAL");
    check("SELECT COUNT(*) FROM test AS t", "test");
    check("SELECT t.a FROM db.test t WHERE t.id IN (1, 2)", "db.test");
    check("SELECT * FROM a, b c JOIN d ON c.x = d.x LEFT JOIN (SELECT * FROM e) f USING (x)", "a b d e");
    check("SELECT * FROM a NATURAL JOIN b STRAIGHT_JOIN c", "a b c");
    check("SELECT * FROM a LEFT JOIN (b CROSS JOIN c) ON a.x = b.x", "a b c");
    check("SELECT (SELECT MAX(x) FROM a), f((SELECT 1 FROM b)) FROM c ORDER BY (SELECT 1 FROM d)", "a b c d");
    check("SELECT * FROM a WHERE x IN (SELECT y FROM b) AND NOT EXISTS (SELECT 1 FROM c)", "a b c");
    check("SELECT 1 UNION SELECT 2 FROM a UNION ALL (SELECT 3 FROM b)", "a b");
    check("((SELECT 1 FROM a))", "a");
    check("VALUES ROW(1), ROW((SELECT 1 FROM a))", "a");
    check("TABLE a", "a");
    check("SELECT * FROM `a``b`.`c d`, `SELECT`", "a`b.c d SELECT");
    check(r#"SELECT "a" FROM "b""#, "b");
    check("SELECT * FROM db . a -- b\n, /* c */ d # e", "db.a d");
    check("SELECT 'FROM a' FROM b", "b");
    check("/*!40001 SELECT */ 1 /*!50000 FROM a */", "a");
    check("select 1 from A where x = ? for update", "A");
    check("DO (SELECT 1 FROM a), SLEEP(0)", "a");
    check("DO SLEEP(1)", "");
}

#[test]
fn mysqls_own_words_are_no_obstacle() {
    check("SELECT * FROM a LOCK IN SHARE MODE", "a");
    check("SELECT * FROM a FOR UPDATE SKIP LOCKED", "a");
    check("SELECT a MOD b, a DIV 2, MOD(a, 2), a XOR b, a <=> b, !a FROM t", "t");
    check("SELECT SQL_CALC_FOUND_ROWS HIGH_PRIORITY a FROM t LIMIT 5, 10", "t");
    check("SELECT * FROM a PARTITION (p0, p1) AS b USE INDEX (x)", "a");
    check("SELECT ROW_NUMBER() OVER (PARTITION BY (a) ORDER BY b) FROM t", "t");
    check("INSERT INTO a PARTITION (p0) (x) SELECT 1 FROM b", "a b");
    check("SELECT a INTO @x FROM t", "t");
    check("SELECT @a := @a + 1 FROM t", "t");
    check("SELECT a->>'$.b', MATCH (a) AGAINST ('x' IN BOOLEAN MODE), _utf8'x', 0x1F FROM t", "t");
    check("SELECT GROUP_CONCAT(DISTINCT a ORDER BY b SEPARATOR ',') FROM t GROUP BY c WITH ROLLUP", "t");
    check("SELECT DATE_ADD(NOW(), INTERVAL 1 DAY), BINARY a, CONVERT(a USING utf8mb4) FROM t", "t");
}

#[test]
fn common_table_expressions_are_no_tables_where_they_can_be_named() {
    check("WITH c AS (SELECT * FROM a) SELECT * FROM c JOIN b", "a b");
    check("WITH c AS (SELECT 1), d AS (SELECT * FROM c) SELECT * FROM d, c, e", "e");
    check("WITH a AS (SELECT * FROM a) SELECT * FROM a", "a");
    check("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b", "b");
    check("WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT * FROM c", "");
    check("WITH c AS (SELECT 1) SELECT * FROM (SELECT * FROM c WHERE EXISTS (SELECT 1 FROM c)) d", "");
    check("SELECT * FROM (WITH c AS (SELECT 1) SELECT * FROM c) d, c", "c");
    check("WITH c AS (SELECT 1) SELECT * FROM db.c", "db.c");
    check("WITH c AS (WITH d AS (SELECT 1 FROM a) SELECT * FROM d) SELECT * FROM c, d", "a d");
    check("WITH c AS (SELECT 1) UPDATE a JOIN c SET a.x = 1", "a");
}

#[test]
fn changes_of_data() {
    check("INSERT INTO a VALUES (?, ?)", "a");
    check("INSERT IGNORE a (x) VALUES (1) ON DUPLICATE KEY UPDATE x = VALUES(x), y = 2", "a");
    check("INSERT LOW_PRIORITY IGNORE INTO db.a SET x = 1", "db.a");
    check("INSERT INTO a SELECT * FROM b WHERE EXISTS (SELECT 1 FROM c) ON DUPLICATE KEY UPDATE x = 1, y = 2", "a b c");
    check("INSERT INTO a (x) VALUES ((SELECT MAX(x) FROM b))", "a b");
    check("REPLACE a VALUES (1)", "a");
    check("REPLACE DELAYED INTO a (x) SELECT REPLACE(x, 'a', 'b') FROM b", "a b");
    check("UPDATE a SET x = 1, y = 2 WHERE z = 3 ORDER BY c LIMIT 3", "a");
    check("UPDATE LOW_PRIORITY IGNORE a SET x = 1", "a");
    check("UPDATE a, db.b AS c SET a.x = c.x, a.y = 1 WHERE a.id = c.id", "a db.b");
    check("UPDATE a JOIN b ON a.id = b.id SET a.x = (SELECT 1 FROM c)", "a b c");
    check("DELETE FROM a WHERE x = 1 LIMIT 1", "a");
    check("DELETE LOW_PRIORITY QUICK IGNORE FROM a", "a");
    check("DELETE x, y FROM a AS x JOIN b AS y ON x.id = y.id", "a b");
    check("DELETE FROM x USING a AS x JOIN b", "a b");
    check("LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE db.a FIELDS TERMINATED BY ','", "db.a");
    check("TRUNCATE a", "a");
    check("TRUNCATE TABLE db.a", "db.a");
    check("HANDLER a OPEN AS b", "a");
}

#[test]
fn definitions_are_read_as_far_as_their_names() {
    check("CREATE TABLE a (id INT, KEY (id)) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 4", "a");
    check("CREATE OR REPLACE TEMPORARY TABLE IF NOT EXISTS db.a (id INT)", "db.a");
    check("CREATE TABLE a LIKE db.b", "a db.b");
    check("CREATE TABLE a (LIKE b)", "a b");
    check("CREATE TABLE a AS SELECT * FROM b", "a b");
    check("CREATE UNIQUE INDEX i ON db.a (x)", "db.a");
    check("CREATE DEFINER = u@h TRIGGER r BEFORE INSERT ON a FOR EACH ROW SET NEW.x = 1", "a");
    check("CREATE OR REPLACE VIEW v AS SELECT * FROM a JOIN b", "v a b");
    check("CREATE DATABASE a", "");
    check("CREATE DEFINER = u PROCEDURE p() SELECT 1 FROM a", "");
    check("ALTER TABLE a ENGINE=InnoDB, DROP PARTITION p0", "a");
    check("ALTER IGNORE TABLE IF EXISTS db.a ADD KEY (x)", "db.a");
    check("ALTER DATABASE a CHARACTER SET utf8mb4", "");
    check("DROP TABLE IF EXISTS a, db.b", "a db.b");
    check("DROP TEMPORARY TABLE a", "a");
    check("DROP TABLES a", "a");
    check("DROP VIEW v", "v");
    check("DROP INDEX i ON a", "a");
    check("DROP DATABASE a", "");
    check("RENAME TABLE a TO b, db.c TO d", "a b db.c d");
    check("RENAME USER a TO b", "");
    check("LOCK TABLES a READ LOCAL, db.b AS c LOW_PRIORITY WRITE", "a db.b");
    check("LOCK INSTANCE FOR BACKUP", "");
    check("OPTIMIZE NO_WRITE_TO_BINLOG TABLE a, b", "a b");
    check("ANALYZE TABLE a", "a");
    check("CHECK TABLE a QUICK", "a");
}

#[test]
fn questions_about_tables_name_them() {
    check("SHOW TABLES FROM a", "");
    check("SHOW FULL COLUMNS FROM a FROM db LIKE 'x%'", "db.a");
    check("SHOW INDEX IN db.a", "db.a");
    check("SHOW CREATE TABLE a", "a");
    check("SHOW CREATE PROCEDURE a", "");
    check("SHOW WARNINGS", "");
    check("DESC a", "a");
    check("DESCRIBE db.a 'x%'", "db.a");
    check("EXPLAIN SELECT * FROM a", "a");
    check("EXPLAIN FORMAT=JSON UPDATE a, b SET a.x = b.x", "a b");
    check("EXPLAIN EXTENDED (SELECT 1 FROM a)", "a");
    check("EXPLAIN FOR CONNECTION 5", "");
    check("ANALYZE FORMAT=JSON SELECT * FROM a", "a");
}

#[test]
fn what_names_no_table_needs_no_parser() {
    for sql in [
        "",
        ";",
        " -- nothing",
        "BEGIN",
        "START TRANSACTION READ ONLY",
        "COMMIT AND CHAIN",
        "ROLLBACK TO SAVEPOINT a",
        "XA START 'x'",
        "SET NAMES utf8mb4",
        "SET @a = 1, time_zone = '+00:00', NEW.x = f(1, 2)",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "CALL p(1, @a)",
        "USE db",
        "KILL QUERY 5",
        "GRANT SELECT ON db.a TO u",
        "UNLOCK TABLES",
    ] {
        check(sql, "");
    }
    check("SET @a = (SELECT MAX(id) FROM a)", "a");
    check("CALL p((SELECT 1 FROM a))", "a");
}

#[test]
fn all_statements_of_a_text_count() {
    check("SELECT 1; SELECT * FROM a; ;DROP TABLE b;", "a b");
    check_unknown("SELECT * FROM a; FROM b");
}

#[test]
fn what_is_not_understood_is_not_guessed() {
    for sql in [
        "SELECT",
        "SELECT * FROM",
        "SELECT * FROM a WHERE",
        "SELECT * FROM a b c",
        "SELECT 'a",
        "FROM a",
        "1",
        "`SELECT` 1",
        "DROP TABLE",
        "DROP TABLE 'a'",
        "INSERT INTO (a) VALUES (1)",
        "RENAME TABLE a",
        "LOAD DATA INFILE 'x'",
        "CREATE",
        "SET STATEMENT max_statement_time = 1 FOR SELECT * FROM a",
        "BEGIN NOT ATOMIC SELECT 1 FROM a; END",
    ] {
        check_unknown(sql);
    }
}

#[test]
fn the_mode_says_where_strings_end() {
    let with = |no_backslash_escapes| SqlMode { no_backslash_escapes, ansi_quotes: Some(false) };
    let sql = r"SELECT 'a\' FROM b, '' FROM c";
    assert_eq!(shown(sql, with(Some(false))), None, "a string, then a name without a comma");
    let sql = r"SELECT 'it\'s' FROM a";
    for (mode, expected) in [(Some(false), Some("a")), (Some(true), None), (None, None)] {
        assert_eq!(shown(sql, with(mode)).as_deref(), expected, "{mode:?}");
    }
    // Elsewhere a backslash is beside the point.
    assert_eq!(shown(r"SELECT 'a\n%' FROM a", with(None)).as_deref(), Some("a"));
}

/// Every construct that the parser answers by calling itself, to a depth that would overflow the stack of this test's
/// thread, which is that of a worker of tokio.
#[test]
fn nothing_overflows_the_stack() {
    for (before, opening, inside, closing) in NESTS {
        for depth in [1, 7, 15, 45, 100, 700, 5_000] {
            let sql = format!("{before}{}{inside}{}", opening.repeat(depth), closing.repeat(depth));
            let _ = in_text(&sql, SqlMode::default());
        }
    }
}

#[test]
fn what_people_write_is_not_too_deep() {
    let nested = format!("SELECT {}(SELECT 1 FROM a){}", "IFNULL(1, ".repeat(20), ")".repeat(20));
    check(&nested, "a");
    check(&format!("SELECT 1 FROM a WHERE {}", vec!["x = 1"; 500].join(" OR ")), "a");
    check(&format!("SELECT 1 FROM a WHERE x IN ({})", vec!["1"; 10_000].join(", ")), "a");
    check(&format!("INSERT INTO a VALUES {}", vec!["(1, 'two', 3.0)"; 5_000].join(", ")), "a");
    check(&format!("SELECT 1 FROM a{}", " JOIN a".repeat(60)), &["a"; 61].join(" "));
    check(&format!("SELECT {}1 FROM a", "NOT ".repeat(40)), "a");
}

const NESTS: &[(&str, &str, &str, &str)] = &[
    ("SELECT ", "(", "1", ")"),
    ("SELECT ", "f(", "1", ")"),
    ("SELECT ", "IF(a, b, ", "1", ")"),
    ("SELECT ", "((1, ", "1", "))"),
    ("SELECT ", "NOT ", "1", ""),
    ("SELECT ", "- ", "1", ""),
    ("SELECT ", "! ", "1", ""),
    ("SELECT ", "CASE WHEN ", "1", " THEN 1 END"),
    ("SELECT ", "CAST(", "1", " AS CHAR)"),
    ("SELECT ", "INTERVAL ", "1", " DAY"),
    ("SELECT ", "(SELECT ", "1", ")"),
    ("SELECT 1 WHERE ", "EXISTS (SELECT ", "1", ")"),
    ("SELECT 1 WHERE a IN ", "(", "SELECT 1", ")"),
    ("SELECT 1 WHERE a", " OR a", "", ""),
    ("SELECT 1", " DIV 1", "", ""),
    ("SELECT 1", " IS NULL", "", ""),
    ("SELECT 1", " COLLATE a", "", ""),
    ("SELECT a", ".a", "", ""),
    ("SELECT a", "[1]", "", ""),
    ("SELECT ", "a[", "1", "]"),
    ("SELECT ", "{a: ", "1", "}"),
    ("SELECT 'a'", " 'a'", "", ""),
    ("SELECT * FROM ", "(", "t", ")"),
    ("SELECT * FROM ", "(SELECT * FROM ", "t", ") x"),
    ("SELECT * FROM ", "(a JOIN ", "t", ")"),
    ("SELECT * FROM ", "a JOIN ", "t", ""),
    ("SELECT * FROM ", "a JOIN ", "t", " ON 1"),
    ("SELECT * FROM ", "a LEFT JOIN ", "t", " ON 1"),
    ("SELECT * FROM ", "a NATURAL JOIN (", "t", ")"),
    ("SELECT * FROM ", "a STRAIGHT_JOIN ", "t", ""),
    ("SELECT * FROM ", "a CROSS APPLY ", "t", ""),
    ("SELECT * FROM t ", "PIVOT (", "1", ")"),
    ("SELECT * FROM t MATCH_RECOGNIZE (PATTERN (", "(", "a", ")"),
    ("SELECT * FROM JSON_TABLE('a', '$' COLUMNS (", "NESTED PATH '$' COLUMNS (", "a INT PATH '$'", ")"),
    ("SELECT 1 ", "UNION SELECT 1 ", "", ""),
    ("SELECT 1 ", "UNION (SELECT 1 ", "", ")"),
    ("", "(", "SELECT 1", ")"),
    ("", "WITH a AS (", "SELECT 1", ") SELECT 1"),
    ("", "EXPLAIN ", "SELECT 1", ""),
    ("EXPLAIN ", "ANALYZE ", "SELECT 1", ""),
    ("CREATE VIEW a AS ", "CREATE VIEW v AS ", "SELECT 1", ""),
    ("INSERT INTO t ", "(", "SELECT 1", ")"),
    ("UPDATE a", ", a", " SET x = 1", ""),
    ("CREATE TABLE t (a ", "ARRAY<", "INT", ">) SELECT 1"),
    ("DO ", "(", "1", ")"),
];

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_will_do(sql in any::<String>()) {
            let _ = in_text(&sql, SqlMode::default());
        }

        #[test]
        fn any_words_will_do(words in proptest::collection::vec(word(), 0..60)) {
            let _ = in_text(&words.join(" "), SqlMode::default());
        }

        #[test]
        fn white_space_comments_and_case_of_words_do_not_matter(blank in "( |\t|\n|/\\*[a-z ]*\\*/){1,3}", upper in any::<bool>()) {
            let sql = "select * from a join db.b on a.x = b.x where y in ( select 1 from c )";
            let sql = sql.split(' ').map(|it| if upper && it != "a" && it != "db.b" && it != "c" { it.to_uppercase() } else { it.to_owned() });
            let sql = sql.collect::<Vec<_>>().join(&blank);
            prop_assert_eq!(shown(&sql, SqlMode::default()), Some("a db.b c".to_owned()));
        }
    }

    fn word() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(
            &[
                "SELECT",
                "FROM",
                "WHERE",
                "JOIN",
                "ON",
                "WITH",
                "AS",
                "(",
                ")",
                ",",
                ";",
                "a",
                "`b`",
                "'c'",
                "1",
                "=",
                "*",
                ".",
                "INSERT",
                "INTO",
                "VALUES",
                "UPDATE",
                "SET",
                "DELETE",
                "USING",
                "DROP",
                "TABLE",
                "CREATE",
                "VIEW",
                "INDEX",
                "LIKE",
                "ALTER",
                "RENAME",
                "TO",
                "LOCK",
                "IN",
                "SHARE",
                "MODE",
                "FOR",
                "UNION",
                "CASE",
                "WHEN",
                "END",
                "NOT",
                "EXPLAIN",
                "IF",
                "EXISTS",
                "SHOW",
                "COLUMNS",
                "LOAD",
                "MOD",
                "DIV",
                "INTERVAL",
                "DO",
                "CALL",
                "?",
                "@a",
                "/*!",
                "*/",
                "\"",
                "IGNORE",
                "STRAIGHT_JOIN",
                "RECURSIVE",
                "LATERAL",
                "\\'",
                "{",
                "}",
                "[",
                "]",
                "-",
                "!",
            ][..],
        )
    }
}

#[track_caller]
fn check(sql: &str, expected: &str) {
    assert_eq!(shown(sql, SqlMode::default()).as_deref(), Some(expected), "{sql}");
}

#[track_caller]
fn check_unknown(sql: &str) {
    assert_eq!(shown(sql, SqlMode::default()), None, "{sql}");
}

/// The names with blanks between them.
fn shown(sql: &str, sql_mode: SqlMode) -> Option<String> {
    let shown = |it: Name| it.database.map_or(it.table.clone(), |database| format!("{database}.{}", it.table));
    Some(in_text(sql, sql_mode)?.into_iter().map(shown).collect::<Vec<_>>().join(" "))
}
