//! Names that may stand before a parenthesis.
//!
//! `f(…)` may be a built-in that only computes, a stored function that writes, or no call at all (`IN (…)`). The text
//! alone tells only if all harmless names are known, so here they are, of MySQL 8.0 to 9 and MariaDB 10.6 to 12.
//! A name that is not here is taken for a function with effects.
//!
//! Functions that give another answer each time or to everybody ([`Class::Varies`]: `NOW`, `RAND`, `UUID`, `USER`) have no effect
//! and may run anywhere; so may `SLEEP` and `BENCHMARK`, which cost nothing but time. Functions that ask for the state of one
//! server, such as `MASTER_POS_WAIT` or `IS_USED_LOCK`, belong to the primary: a replica would give a wrong answer.
//!
//! The table is built by the compiler: open addressing over the first and last eight bytes of a name, so that a look-up
//! costs one multiplication and, nearly always, one comparison.

use crate::scan::{key, key_at};

/// What kind of name stands before a parenthesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// A built-in function without effect.
    Pure,
    /// Another one, whose answer does not follow from its arguments and the data: it is not worth keeping.
    Varies,
    /// A keyword or a type, no function.
    Syntax,
    /// Speaks of the statement before: `FOUND_ROWS`, `ROW_COUNT`.
    LastResult,
    /// Speaks of the last write: `LAST_INSERT_ID`.
    LastInsertId,
    /// Takes a lock that outlives the statement.
    Lock,
    /// Gives such locks back.
    Unlock,
    /// Advances or reads a sequence.
    Sequence,
    /// Changes nothing on the connection, but another server would answer something else.
    Server,
}

/// The class of the unquoted, unqualified name `sql[start..end]`; `None` if it is not on the list.
pub(crate) fn class_of(sql: &[u8], start: usize, end: usize) -> Option<Class> {
    let name = &sql[start..end];
    let (first, last) = if name.len() <= 8 {
        let key = key_at(sql, start, end);
        (key, key)
    } else {
        (key_at(sql, start, start + 8), key_at(sql, end - 8, end))
    };
    let mut slot = hash(first, last, name.len());
    loop {
        let (known, class) = NAMES.get(usize::from(SLOTS[slot]))?;
        if known.len() == name.len() && known.as_bytes().eq_ignore_ascii_case(name) {
            return Some(*class);
        }
        slot = (slot + 1) % SLOTS.len();
    }
}

/// Marks a slot without a name.
const FREE: u16 = u16::MAX;

/// Indices into [`NAMES`]; at most half full, so that a search for an unknown name ends soon.
const SLOTS: [u16; 2048] = {
    let mut slots = [FREE; 2048];
    let mut index = 0;
    while index < NAMES.len() {
        let name = NAMES[index].0.as_bytes();
        let (first, last) = if name.len() <= 8 {
            (key(name), key(name))
        } else {
            (key(name.split_at(8).0), key(name.split_at(name.len() - 8).1))
        };
        let mut slot = hash(first, last, name.len());
        while slots[slot] != FREE {
            slot = (slot + 1) % slots.len();
        }
        #[expect(clippy::cast_possible_truncation, reason = "the list is shorter than the table")]
        {
            slots[slot] = index as u16;
        }
        index += 1;
    }
    assert!(NAMES.len() * 2 < slots.len());
    slots
};

const fn hash(first: u64, last: u64, len: usize) -> usize {
    let mixed = (first ^ last.rotate_left(23) ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 53) as usize // eleven bits are left
}

macro_rules! names {
    ($($class:ident: $($name:literal)+;)+) => { &[$($(($name, Class::$class),)+)+] };
}

#[rustfmt::skip]
const NAMES: &[(&str, Class)] = names! {
    // Keywords and clauses. All are reserved or cannot be called without quotes or a schema.
    Syntax: "ALL" "AND" "ANY" "AS" "BETWEEN" "BY" "CASE" "COLLATE" "COLUMNS" "CROSS" "CUBE" "DISTINCT" "DISTINCTROW" "DIV"
        "ELSE" "END" "ESCAPE" "EXCEPT" "EXISTS" "FETCH" "FILTER" "FROM" "HAVING" "IN" "INDEX"
        "INNER" "INTERSECT" "INTERVAL" "IS" "JOIN" "KEY" "LATERAL" "LIKE" "LIMIT" "MEMBER" "MINUS"
        "NATURAL" "NOT" "OF" "OFFSET" "ON" "OR" "OVER" "PARTITION" "RANGE" "REGEXP" "RETURNING" "RLIKE" "ROWS" "SELECT"
        "SOME" "SOUNDS" "STRAIGHT_JOIN" "TABLESAMPLE" "THEN" "UNION" "USING" "WHEN" "WHERE" "WITHIN" "XOR";
    // Types, in CAST, CONVERT and JSON_TABLE.
    Syntax: "BIGINT" "BIT" "BLOB" "BOOL" "BOOLEAN" "DATETIME" "DEC" "DECIMAL" "DOUBLE" "FIXED" "FLOAT" "INET4" "INET6" "INT"
        "INTEGER" "LONGTEXT" "MEDIUMINT" "MEDIUMTEXT" "NCHAR" "NUMERIC" "NVARCHAR" "PRECISION" "REAL" "SIGNED" "SMALLINT"
        "TEXT" "TINYINT" "TINYTEXT" "UNSIGNED" "VARBINARY" "VARCHAR" "VECTOR";
    // Comparison, control flow, casts.
    Pure: "ANY_VALUE" "BINARY" "CAST" "CHAR" "CHARACTER" "CHARSET" "COALESCE" "COERCIBILITY" "COLLATION" "CONVERT" "DEFAULT"
        "GREATEST" "IF" "IFNULL" "ISNULL" "LEAST" "NAME_CONST" "NULLIF" "NVL" "NVL2" "ROW" "STRCMP" "VALUE" "VALUES";
    // Numbers.
    Pure: "ABS" "ACOS" "ASIN" "ATAN" "ATAN2" "BIT_COUNT" "CEIL" "CEILING" "CONV" "COS" "COT" "CRC32" "CRC32C" "DEGREES"
        "EXP" "FLOOR" "FORMAT" "LN" "LOG" "LOG10" "LOG2" "MOD" "OCT" "PI" "POW" "POWER" "RADIANS" "ROUND" "SIGN"
        "SIN" "SQRT" "TAN" "TRUNCATE";
    // Text and bytes.
    Pure: "ADD_MONTHS" "AES_DECRYPT" "AES_ENCRYPT" "ASCII" "BIN" "BIT_LENGTH" "CHARACTER_LENGTH" "CHAR_LENGTH" "CHR" "COMPRESS" "CONCAT"
        "CONCAT_OPERATOR_ORACLE" "CONCAT_WS" "DECODE" "DES_DECRYPT" "DES_ENCRYPT" "ELT" "ENCODE" "EXPORT_SET" "EXTRACTVALUE"
        "FIELD" "FIND_IN_SET" "FROM_BASE64" "HEX" "INSERT" "INSTR" "KDF" "LCASE" "LEFT" "LENGTH" "LENGTHB" "LOCATE" "LOWER"
        "LPAD" "LTRIM" "MAKE_SET" "MATCH" "AGAINST" "MD5" "MID" "NATURAL_SORT_KEY" "OCTET_LENGTH" "OLD_PASSWORD" "ORD" "PASSWORD" "POSITION"
        "QUOTE" "REGEXP_INSTR" "REGEXP_LIKE" "REGEXP_REPLACE" "REGEXP_SUBSTR" "REPEAT" "REPLACE" "REVERSE"
        "RIGHT" "RPAD" "RTRIM" "SFORMAT" "SHA" "SHA1" "SHA2" "SOUNDEX" "SPACE" "STATEMENT_DIGEST" "STATEMENT_DIGEST_TEXT"
        "SUBSTR" "SUBSTRING" "SUBSTRING_INDEX" "TO_BASE64" "TO_CHAR" "TO_NUMBER" "TRIM" "TRIM_ORACLE" "UCASE" "UNCOMPRESS"
        "UNCOMPRESSED_LENGTH" "UNHEX" "UPDATEXML" "UPPER" "WEIGHT_STRING" "XMLTYPE";
    // Dates and times.
    Pure: "ADDDATE" "ADDTIME" "CONVERT_TZ" "DATE"
        "DATEDIFF" "DATE_ADD" "DATE_FORMAT" "DATE_SUB" "DAY" "DAYNAME" "DAYOFMONTH" "DAYOFWEEK" "DAYOFYEAR" "EXTRACT"
        "FROM_DAYS" "FROM_UNIXTIME" "GET_FORMAT" "HOUR" "LAST_DAY" "MAKEDATE" "MAKETIME"
        "MICROSECOND" "MINUTE" "MONTH" "MONTHNAME" "MONTHS_BETWEEN" "PERIOD_ADD" "PERIOD_DIFF" "QUARTER" "SECOND" "SEC_TO_TIME"
        "STR_TO_DATE" "SUBDATE" "SUBTIME" "TIME" "TIMEDIFF" "TIMESTAMP" "TIMESTAMPADD" "TIMESTAMPDIFF"
        "TIME_FORMAT" "TIME_TO_SEC" "TO_DATE" "TO_DAYS" "TO_SECONDS" "WEEK"
        "WEEKDAY" "WEEKOFYEAR" "YEAR" "YEARWEEK";
    // Aggregates and windows.
    Pure: "AVG" "BIT_AND" "BIT_OR" "BIT_XOR" "COUNT" "CUME_DIST" "DENSE_RANK" "FIRST_VALUE" "GROUPING" "GROUP_CONCAT"
        "JSON_ARRAYAGG" "JSON_OBJECTAGG" "LAG" "LAST_VALUE" "LEAD" "MAX" "MEDIAN" "MIN" "NTH_VALUE" "NTILE" "PERCENTILE_CONT"
        "PERCENTILE_DISC" "PERCENT_RANK" "RANK" "ROW_NUMBER" "STD" "STDDEV" "STDDEV_POP" "STDDEV_SAMP" "ST_COLLECT" "SUM"
        "VARIANCE" "VAR_POP" "VAR_SAMP";
    // JSON.
    Pure: "JSON" "JSON_ARRAY" "JSON_ARRAY_APPEND" "JSON_ARRAY_INSERT" "JSON_ARRAY_INTERSECT" "JSON_COMPACT" "JSON_CONTAINS" "JSON_CONTAINS_PATH"
        "JSON_DEPTH" "JSON_DETAILED" "JSON_DUALITY_OBJECT" "JSON_EQUALS" "JSON_EXISTS" "JSON_EXTRACT" "JSON_INSERT" "JSON_KEYS" "JSON_KEY_VALUE" "JSON_LENGTH" "JSON_LOOSE"
        "JSON_MERGE" "JSON_MERGE_PATCH" "JSON_MERGE_PRESERVE" "JSON_NORMALIZE" "JSON_OBJECT" "JSON_OBJECT_FILTER_KEYS" "JSON_OBJECT_TO_ARRAY"
        "JSON_OVERLAPS" "JSON_PRETTY" "JSON_QUERY" "JSON_QUOTE" "JSON_REMOVE" "JSON_REPLACE" "JSON_SCHEMA_VALID"
        "JSON_SCHEMA_VALIDATION_REPORT" "JSON_SEARCH" "JSON_SET" "JSON_STORAGE_FREE" "JSON_STORAGE_SIZE" "JSON_TABLE" "JSON_TYPE"
        "JSON_UNQUOTE" "JSON_VALID" "JSON_VALUE";
    // Who and where; identifiers; addresses; sets of transactions; vectors; columns MariaDB packs.
    Pure: "BIN_TO_UUID" "COLUMN_ADD" "COLUMN_CHECK" "COLUMN_CREATE" "COLUMN_DELETE" "COLUMN_EXISTS" "COLUMN_GET"
        "COLUMN_JSON" "COLUMN_LIST" "FORMAT_BYTES"
        "FORMAT_PICO_TIME" "FROM_VECTOR" "GTID_SUBSET" "GTID_SUBTRACT" "INET6_ATON" "INET6_NTOA" "INET_ATON" "INET_NTOA" "IS_IPV4"
        "IS_IPV4_COMPAT" "IS_IPV4_MAPPED" "IS_IPV6" "IS_UUID"
        "STRING_TO_VECTOR" "TO_VECTOR" "UUID_TO_BIN" "VECTOR_DIM"
        "VECTOR_TO_STRING" "VEC_DISTANCE" "VEC_DISTANCE_COSINE" "VEC_DISTANCE_EUCLIDEAN" "VEC_FROMTEXT" "VEC_TOTEXT";
    // Time, chance, who is asking, and which server answers.
    Varies: "BENCHMARK" "CONNECTION_ID" "CURDATE" "CURRENT_DATE" "CURRENT_ROLE" "CURRENT_TIME" "CURRENT_TIMESTAMP" "CURRENT_USER"
        "CURTIME" "DATABASE" "ENCRYPT" "ICU_VERSION" "LOCALTIME" "LOCALTIMESTAMP" "NOW" "PS_CURRENT_THREAD_ID" "PS_THREAD_ID"
        "RAND" "RANDOM_BYTES" "ROLES_GRAPHML" "SCHEMA" "SESSION_USER" "SLEEP" "SYSDATE" "SYSTEM_USER" "SYSTIMESTAMP" "SYS_GUID"
        "UNIX_TIMESTAMP" "USER" "UTC_DATE" "UTC_TIME" "UTC_TIMESTAMP" "UUID" "UUID_SHORT" "UUID_V4" "UUID_V7"
        "VALIDATE_PASSWORD_STRENGTH" "VERSION";
    // Geometry.
    Pure: "AREA" "ASBINARY" "ASTEXT" "ASWKB" "ASWKT" "BOUNDARY" "BUFFER" "CENTROID" "CONTAINS" "CONVEXHULL" "CROSSES" "DIMENSION"
        "DISJOINT" "DISTANCE" "ENDPOINT" "ENVELOPE" "EQUALS" "EXTERIORRING" "GEOMCOLLECTION" "GEOMCOLLFROMTEXT" "GEOMCOLLFROMWKB"
        "GEOMETRYCOLLECTION" "GEOMETRYCOLLECTIONFROMTEXT" "GEOMETRYCOLLECTIONFROMWKB" "GEOMETRYFROMTEXT" "GEOMETRYFROMWKB" "GEOMETRYN"
        "GEOMETRYTYPE" "GEOMFROMTEXT" "GEOMFROMWKB" "GLENGTH" "INTERIORRINGN" "INTERSECTS" "ISCLOSED" "ISEMPTY" "ISRING" "ISSIMPLE"
        "LINEFROMTEXT" "LINEFROMWKB" "LINESTRING" "LINESTRINGFROMTEXT" "LINESTRINGFROMWKB" "MBRCONTAINS" "MBRCOVEREDBY" "MBRCOVERS"
        "MBRDISJOINT" "MBREQUAL" "MBREQUALS" "MBRINTERSECTS" "MBROVERLAPS" "MBRTOUCHES" "MBRWITHIN" "MLINEFROMTEXT" "MLINEFROMWKB"
        "MPOINTFROMTEXT" "MPOINTFROMWKB" "MPOLYFROMTEXT" "MPOLYFROMWKB" "MULTILINESTRING" "MULTILINESTRINGFROMTEXT"
        "MULTILINESTRINGFROMWKB" "MULTIPOINT" "MULTIPOINTFROMTEXT" "MULTIPOINTFROMWKB" "MULTIPOLYGON" "MULTIPOLYGONFROMTEXT"
        "MULTIPOLYGONFROMWKB" "NUMGEOMETRIES" "NUMINTERIORRINGS" "NUMPOINTS" "OVERLAPS" "POINT" "POINTFROMTEXT" "POINTFROMWKB"
        "POINTN" "POINTONSURFACE" "POLYFROMTEXT" "POLYFROMWKB" "POLYGON" "POLYGONFROMTEXT" "POLYGONFROMWKB" "SRID" "STARTPOINT"
        "ST_AREA" "ST_ASBINARY" "ST_ASGEOJSON" "ST_ASTEXT" "ST_ASWKB" "ST_ASWKT" "ST_BOUNDARY" "ST_BUFFER" "ST_BUFFER_STRATEGY"
        "ST_CENTROID" "ST_CONTAINS" "ST_CONVEXHULL" "ST_CROSSES" "ST_DIFFERENCE" "ST_DIMENSION" "ST_DISJOINT" "ST_DISTANCE"
        "ST_DISTANCE_SPHERE" "ST_ENDPOINT" "ST_ENVELOPE" "ST_EQUALS" "ST_EXTERIORRING" "ST_FRECHETDISTANCE" "ST_GEOHASH"
        "ST_GEOMCOLLFROMTEXT" "ST_GEOMCOLLFROMTXT" "ST_GEOMCOLLFROMWKB" "ST_GEOMETRYCOLLECTIONFROMTEXT"
        "ST_GEOMETRYCOLLECTIONFROMWKB" "ST_GEOMETRYFROMTEXT" "ST_GEOMETRYFROMWKB" "ST_GEOMETRYN" "ST_GEOMETRYTYPE"
        "ST_GEOMFROMGEOJSON" "ST_GEOMFROMTEXT" "ST_GEOMFROMWKB" "ST_HAUSDORFFDISTANCE" "ST_INTERIORRINGN" "ST_INTERSECTION"
        "ST_INTERSECTS" "ST_ISCLOSED" "ST_ISEMPTY" "ST_ISRING" "ST_ISSIMPLE" "ST_ISVALID" "ST_LATFROMGEOHASH" "ST_LATITUDE"
        "ST_LENGTH" "ST_LINEFROMTEXT" "ST_LINEFROMWKB" "ST_LINEINTERPOLATEPOINT" "ST_LINEINTERPOLATEPOINTS"
        "ST_LINESTRINGFROMTEXT" "ST_LINESTRINGFROMWKB" "ST_LONGFROMGEOHASH" "ST_LONGITUDE" "ST_MAKEENVELOPE" "ST_MLINEFROMTEXT"
        "ST_MLINEFROMWKB" "ST_MPOINTFROMTEXT" "ST_MPOINTFROMWKB" "ST_MPOLYFROMTEXT" "ST_MPOLYFROMWKB"
        "ST_MULTILINESTRINGFROMTEXT" "ST_MULTILINESTRINGFROMWKB" "ST_MULTIPOINTFROMTEXT" "ST_MULTIPOINTFROMWKB"
        "ST_MULTIPOLYGONFROMTEXT" "ST_MULTIPOLYGONFROMWKB" "ST_NUMGEOMETRIES" "ST_NUMINTERIORRING" "ST_NUMINTERIORRINGS"
        "ST_NUMPOINTS" "ST_OVERLAPS" "ST_POINTATDISTANCE" "ST_POINTFROMGEOHASH" "ST_POINTFROMTEXT" "ST_POINTFROMWKB" "ST_POINTN"
        "ST_POINTONSURFACE" "ST_POLYFROMTEXT" "ST_POLYFROMWKB" "ST_POLYGONFROMTEXT" "ST_POLYGONFROMWKB" "ST_RELATE" "ST_SIMPLIFY"
        "ST_SRID" "ST_STARTPOINT" "ST_SWAPXY" "ST_SYMDIFFERENCE" "ST_TOUCHES" "ST_TRANSFORM" "ST_UNION" "ST_VALIDATE" "ST_WITHIN"
        "ST_X" "ST_Y" "TOUCHES" "X" "Y";
    LastResult: "FOUND_ROWS" "ROW_COUNT";
    LastInsertId: "LAST_INSERT_ID";
    Lock: "GET_LOCK";
    Unlock: "RELEASE_ALL_LOCKS" "RELEASE_LOCK";
    Sequence: "CURRVAL" "LASTVAL" "NEXTVAL" "SETVAL";
    Server: "BINLOG_GTID_POS" "IS_FREE_LOCK" "IS_USED_LOCK" "LOAD_FILE" "MASTER_GTID_WAIT" "MASTER_POS_WAIT" "SOURCE_POS_WAIT"
        "WAIT_FOR_EXECUTED_GTID_SET";
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (name, class) in NAMES {
            check(name, Some(*class));
            check(&name.to_ascii_lowercase(), Some(*class));
        }
    }

    #[test]
    fn names_are_unique_upper_case_words() {
        for (index, (name, _)) in NAMES.iter().enumerate() {
            assert!(NAMES[..index].iter().all(|(other, _)| other != name), "`{name}` is there twice");
            assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'), "`{name}`");
        }
    }

    #[test]
    fn other_names_are_not_found() {
        check("my_func", None);
        check("abs2", None);
        check("ab", None);
        check("load_fil", None);
        check("sys_exec", None);
        check("a_name_that_is_much_longer_than_all_of_them_together", None);
    }

    #[test]
    fn a_look_up_ends_soon() {
        // The longest run of used slots bounds the search for an unknown name.
        let longest = SLOTS.split(|&slot| slot == FREE).map(<[u16]>::len).max().unwrap();
        assert!(longest <= 16, "{longest}");
    }

    #[track_caller]
    fn check(name: &str, expected: Option<Class>) {
        assert_eq!(class_of(name.as_bytes(), 0, name.len()), expected, "`{name}`");
    }
}
