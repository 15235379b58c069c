//! Patterns of names, as SQL's `LIKE` has them.
//!
//! `%` stands for any bytes, also none, `_` for exactly one byte, and `\` takes the meaning from the byte behind it.
//! Bytes are compared as they are: case counts, and a character of several bytes needs several `_`.

/// Whether the whole of `name` fits `pattern`.
///
/// A pattern that ends in the middle of an escape fits nothing.
///
/// # Examples
///
/// ```
/// use ms_hints::match_wild;
///
/// assert!(match_wild(b"shop.orders", b"shop.%"));
/// assert!(!match_wild(b"shopXorders", b"shop.%"));
/// assert!(match_wild(b"funny%table", br"funny\%table"));
/// ```
#[must_use]
pub fn match_wild(name: &[u8], pattern: &[u8]) -> bool {
    let (mut n, mut p) = (0, 0);
    // Where to go on when the present attempt fails: behind the last `%`, which then swallows one byte more. Earlier
    // ones need no second try: whatever they could swallow, the last one can as well.
    let mut retry: Option<(usize, usize)> = None;

    loop {
        let (fits, width) = match pattern.get(p) {
            Some(b'%') => {
                p += 1;
                retry = Some((n, p));
                continue;
            }
            Some(b'_') => (n < name.len(), 1),
            Some(b'\\') => (pattern.get(p + 1).is_some_and(|escaped| name.get(n) == Some(escaped)), 2),
            Some(byte) => (name.get(n) == Some(byte), 1),
            None if n == name.len() => return true,
            None => (false, 0),
        };
        if fits {
            n += 1;
            p += width;
            continue;
        }
        match retry {
            Some((from, behind)) if from < name.len() => {
                retry = Some((from + 1, behind));
                (n, p) = (from + 1, behind);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::match_wild;

    #[test]
    fn plain_bytes_match_themselves() {
        check("", "", true);
        check("tablename", "tablename", true);
        check("tablename", "tablenam", false);
        check("tablename", "tablenames", false);
        check("Table", "table", false);
    }

    #[test]
    fn an_underscore_is_one_byte() {
        check("_", "_", true);
        check("", "_", false);
        check("abc", "_", false);
        check("table1", "table_", true);
        check("tablename", "tablenam_", true);
        check("tablename", "_ablename", true);
        check("tablename", "t_blename", true);
        check("tablename", "t___ename", true);
        check("ä", "_", false);
        check("ä", "__", true);
    }

    #[test]
    fn a_percent_sign_is_any_bytes() {
        check("%", "%", true);
        check("", "%", true);
        check("", "%%", true);
        check("tablename", "%", true);
        check("tablename", "%e", true);
        check("tablename", "t%e", true);
        check("tablename", "t%%e", true);
        check("tablename", "tablenam%", true);
        check("tablename", "tablename%", true);
        check("schema_name.table_name", "schema%", true);
        check("asia_customers", "%customers", true);
        check("funnytable", "funny%table", true);
    }

    #[test]
    fn what_follows_a_percent_sign_counts() {
        check("tablename", "t%x", false);
        check("tablename", "%name", true);
        check("tablename", "%nam", false);
        check("a.b.c", "a%c", true);
        check("abc", "a%zzz", false);
        check("aXbXc", "a%X_", true);
        check("mississippi", "m%iss%pi", true);
        check("mississippi", "m%iss%si", false);
    }

    #[test]
    fn a_backslash_escapes() {
        check("tabl_name", r"tabl\_nam_", true);
        check("tabl_name", r"tabl\_name", true);
        check("tablXname", r"tabl\_name", false);
        check("tabl%name", r"tabl\%na%", true);
        check("tabl%name", r"tabl\%name", true);
        check(r"a\b", r"a\\b", true);
        check(r"\a", r"\b", false);
        check(r"\0", r"\0", false);
    }

    #[test]
    fn an_escape_without_a_byte_fits_nothing() {
        check("\\", "\\", false);
        check("", "\\", false);
        check("a", "%\\", false);
    }

    #[test]
    fn many_percent_signs_stay_cheap() {
        let name = "a".repeat(2_000);
        let pattern = "%a".repeat(100) + "b";
        check(&name, &pattern, false);
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(name in "[ab%]{0,6}", pattern in r"[ab%_\\]{0,6}") {
            prop_assert_eq!(match_wild(name.as_bytes(), pattern.as_bytes()), by_definition(name.as_bytes(), pattern.as_bytes()));
        }

        #[test]
        fn any_bytes_are_fine(name: std::vec::Vec<u8>, pattern: std::vec::Vec<u8>) {
            let _ = match_wild(&name, &pattern);
        }
    }

    /// The sentence at the top of the file, one line each; slow.
    fn by_definition(name: &[u8], pattern: &[u8]) -> bool {
        match pattern {
            [] => name.is_empty(),
            [b'%', rest @ ..] => (0..=name.len()).any(|swallowed| by_definition(&name[swallowed..], rest)),
            [b'_', rest @ ..] => !name.is_empty() && by_definition(&name[1..], rest),
            [b'\\', byte, rest @ ..] => name.first() == Some(byte) && by_definition(&name[1..], rest),
            [b'\\'] => false,
            [byte, rest @ ..] => name.first() == Some(byte) && by_definition(&name[1..], rest),
        }
    }

    #[track_caller]
    fn check(name: &str, pattern: &str, expected: bool) {
        assert_eq!(match_wild(name.as_bytes(), pattern.as_bytes()), expected, "`{name}` against `{pattern}`");
    }
}
