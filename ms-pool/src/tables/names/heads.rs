//! Statements whose first words name their tables.

use sqlparser::tokenizer::Token;

use super::{
    Name,
    cursor::{Cursor, is_one_of},
    familiar::MODIFIERS,
};

/// What the first words say.
pub(super) enum Head<'t> {
    /// These tables and no others.
    Names(Vec<Name>),
    /// The tables may be anywhere: this has to be parsed.
    Parse(&'t [Token]),
    /// The same, and what is there are expressions with commas between them.
    Calculates(&'t [Token]),
}

/// Statements that name no table, or none that rules are about, whatever follows.
const WITHOUT_TABLES: &[&str] = &[
    "BACKUP",
    "BINLOG",
    "CACHE",
    "CHANGE",
    "CLONE",
    "COMMIT",
    "DEALLOCATE",
    "EXECUTE",
    "FLUSH",
    "GET",
    "GRANT",
    "HELP",
    "IMPORT",
    "INSTALL",
    "KILL",
    "PREPARE",
    "PURGE",
    "RELEASE",
    "RESET",
    "RESIGNAL",
    "RESTART",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SHUTDOWN",
    "SIGNAL",
    "START",
    "STOP",
    "UNINSTALL",
    "UNLOCK",
    "USE",
    "XA",
];
/// Statements that can be explained.
const QUERIES: &[&str] = &["SELECT", "WITH", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"];

/// Reads the first words of one statement; `None` where they are not understood.
pub(super) fn read(statement: &[Token]) -> Option<Head<'_>> {
    let mut cursor = Cursor::new(statement);
    if cursor.take_one_of(WITHOUT_TABLES).is_some() {
        return none();
    }
    let verb = match statement.first()? {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        Token::LParen => return Some(Head::Parse(statement)),
        _ => return None,
    };
    cursor.skip();
    match &*verb {
        "SELECT" | "WITH" | "VALUES" | "UPDATE" | "DELETE" => Some(Head::Parse(statement)),
        "INSERT" | "REPLACE" => inserted(statement, cursor),
        "TABLE" | "HANDLER" => one(cursor),
        "EXPLAIN" | "DESCRIBE" | "DESC" => explained(cursor),
        "ANALYZE" if !cursor.mentions(&["TABLE", "TABLES"]) => explained(cursor),
        "ANALYZE" | "CHECK" | "CHECKSUM" | "OPTIMIZE" | "REPAIR" => maintained(cursor),
        // Of a compound statement this is only the beginning.
        "BEGIN" => {
            if cursor.is_at("NOT") {
                None
            } else {
                none()
            }
        }
        "SET" if cursor.is_at("STATEMENT") => None,
        // Only a query can bring tables into these.
        "SET" | "CALL" => {
            if cursor.mentions(&["SELECT"]) {
                Some(Head::Parse(statement))
            } else {
                none()
            }
        }
        "DO" => Some(Head::Calculates(cursor.rest())),
        "SHOW" => shown(cursor),
        "CREATE" => created(statement, cursor),
        "ALTER" => altered(statement, cursor),
        "DROP" => dropped(cursor),
        "RENAME" => renamed(cursor),
        "TRUNCATE" => {
            cursor.take("TABLE");
            one(cursor)
        }
        "LOCK" => locked(cursor),
        "LOAD" if cursor.go_behind("INTO") && cursor.take("TABLE") => one(cursor),
        _ => None,
    }
}

fn none<'t>() -> Option<Head<'t>> {
    Some(Head::Names(Vec::new()))
}

/// The name that comes next.
fn one(mut cursor: Cursor<'_>) -> Option<Head<'_>> {
    cursor.name().map(|name| Head::Names(vec![name]))
}

/// The name behind the next `ON`.
fn on(mut cursor: Cursor<'_>) -> Option<Head<'_>> {
    if cursor.go_behind("ON") { one(cursor) } else { None }
}

/// Rows take long to parse, and without a query there is nothing in them.
fn inserted<'t>(statement: &'t [Token], mut cursor: Cursor<'t>) -> Option<Head<'t>> {
    if cursor.mentions(&["SELECT", "TABLE"]) {
        return Some(Head::Parse(statement));
    }
    cursor.take_all_of(MODIFIERS);
    cursor.take("INTO");
    one(cursor)
}

/// `EXPLAIN` of a table or of a statement.
fn explained(mut cursor: Cursor<'_>) -> Option<Head<'_>> {
    if cursor.take("FOR") {
        return none();
    }
    loop {
        if cursor.take("FORMAT") {
            cursor.take_token(&Token::Eq);
            cursor.skip();
        } else if cursor.take_one_of(&["EXTENDED", "PARTITIONS", "ANALYZE"]).is_none() {
            break;
        }
    }
    cursor.take("TABLE");
    match cursor.rest() {
        [first, ..] if *first == Token::LParen || is_one_of(first, QUERIES) => Some(Head::Parse(cursor.rest())),
        _ => one(cursor),
    }
}

fn maintained(mut cursor: Cursor<'_>) -> Option<Head<'_>> {
    cursor.take_all_of(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
    cursor.take_one_of(&["TABLE", "TABLES", "VIEW"])?;
    cursor.names(|_| {}).map(Head::Names)
}

fn shown(mut cursor: Cursor<'_>) -> Option<Head<'_>> {
    if cursor.take("CREATE") {
        let table = cursor.take_one_of(&["TABLE", "VIEW", "SEQUENCE"]).is_some();
        return if table { one(cursor) } else { none() };
    }
    cursor.take_all_of(&["EXTENDED", "FULL"]);
    if cursor.take_one_of(&["COLUMNS", "FIELDS", "INDEX", "INDEXES", "KEYS"]).is_none() {
        return none();
    }
    cursor.take_one_of(&["FROM", "IN"])?;
    let mut name = cursor.name()?;
    if cursor.take_one_of(&["FROM", "IN"]).is_some() {
        name.database = Some(cursor.identifier()?.to_owned());
    }
    Some(Head::Names(vec![name]))
}

fn created<'t>(statement: &'t [Token], mut cursor: Cursor<'t>) -> Option<Head<'t>> {
    const KINDS: &[&str] = &["TABLE", "VIEW", "INDEX", "TRIGGER", "SEQUENCE"];
    const OTHERS: &[&str] = &[
        "DATABASE",
        "EVENT",
        "FUNCTION",
        "LIBRARY",
        "LOGFILE",
        "PACKAGE",
        "PROCEDURE",
        "REFERENCE",
        "RESOURCE",
        "ROLE",
        "SCHEMA",
        "SERVER",
        "TABLESPACE",
        "USER",
    ];
    // In front of the kind there are words such as `OR REPLACE` or `DEFINER = …`.
    while !cursor.rest().is_empty() {
        if cursor.take_one_of(OTHERS).is_some() {
            return none();
        }
        match cursor.take_one_of(KINDS) {
            None => cursor.skip(),
            Some("TABLE") => return created_table(statement, cursor),
            Some("VIEW") => return Some(Head::Parse(statement)),
            Some("SEQUENCE") => {
                cursor.take_if_exists();
                return one(cursor);
            }
            Some(_) => return on(cursor),
        }
    }
    None
}

fn created_table<'t>(statement: &'t [Token], mut cursor: Cursor<'t>) -> Option<Head<'t>> {
    // From a query.
    if cursor.mentions(&["SELECT", "TABLE"]) {
        return Some(Head::Parse(statement));
    }
    cursor.take_if_exists();
    let mut names = vec![cursor.name()?];
    cursor.take_token(&Token::LParen);
    if cursor.take("LIKE") {
        names.push(cursor.name()?);
    }
    Some(Head::Names(names))
}

fn altered<'t>(statement: &'t [Token], mut cursor: Cursor<'t>) -> Option<Head<'t>> {
    cursor.take_all_of(&["ONLINE", "OFFLINE", "IGNORE"]);
    if cursor.take_one_of(&["TABLE", "SEQUENCE"]).is_some() {
        cursor.take_if_exists();
        return one(cursor);
    }
    // It may stand behind `DEFINER = …`.
    if cursor.mentions(&["VIEW"]) { Some(Head::Parse(statement)) } else { none() }
}

fn dropped(mut cursor: Cursor<'_>) -> Option<Head<'_>> {
    cursor.take("TEMPORARY");
    match cursor.take_one_of(&["TABLE", "TABLES", "VIEW", "SEQUENCE", "INDEX"]) {
        None => none(),
        Some("INDEX") => on(cursor),
        Some(_) => {
            cursor.take_if_exists();
            cursor.names(|_| {}).map(Head::Names)
        }
    }
}

/// Old names and new ones: a table must not be renamed to one that belongs elsewhere.
fn renamed(mut cursor: Cursor<'_>) -> Option<Head<'_>> {
    if cursor.take_one_of(&["TABLE", "TABLES"]).is_none() {
        return none();
    }
    cursor.take_if_exists();
    let mut names = Vec::new();
    loop {
        names.push(cursor.name()?);
        if !cursor.go_behind("TO") {
            return None;
        }
        names.push(cursor.name()?);
        if !cursor.take_token(&Token::Comma) {
            return Some(Head::Names(names));
        }
    }
}

fn locked(mut cursor: Cursor<'_>) -> Option<Head<'_>> {
    if cursor.take_one_of(&["TABLE", "TABLES"]).is_none() {
        return none();
    }
    let names = cursor.names(|cursor| {
        // An alias, and which lock.
        while cursor.rest().first().is_some_and(|it| *it != Token::Comma) {
            cursor.skip();
        }
    });
    names.map(Head::Names)
}
