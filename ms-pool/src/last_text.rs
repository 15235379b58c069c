//! The text of the statement before, if it is short.
//!
//! MariaDB keeps its list of warnings over a statement that uses no table and raises none. Such a statement had no warnings, but
//! the list says otherwise, and the driver drops the number that came with the answer. `SELECT 1` and its like are told by
//! their text.

/// Long enough for a hint and a health check.
const LONGEST: usize = 40;

/// A short text, copied; longer ones are forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastText {
    bytes: [u8; LONGEST],
    length: u8,
}

impl Default for LastText {
    fn default() -> Self {
        Self { bytes: [0; LONGEST], length: 0 }
    }
}

impl LastText {
    #[inline]
    pub(crate) fn keep(&mut self, sql: &[u8]) {
        self.length = 0;
        if sql.len() <= LONGEST {
            self.bytes[..sql.len()].copy_from_slice(sql);
            // It is at most `LONGEST`.
            self.length = sql.len().try_into().unwrap_or(0);
        }
    }

    pub(crate) fn forget(&mut self) {
        self.length = 0;
    }

    /// Whether it is a `SELECT` of numbers and nothing else, behind comments: it cannot raise a warning.
    pub(crate) fn is_quiet(&self) -> bool {
        let Ok(text) = std::str::from_utf8(&self.bytes[..usize::from(self.length)]) else {
            return false;
        };
        let mut rest = text.trim_start();
        while let Some((_, behind)) =
            rest.strip_prefix("/*").filter(|it| !it.starts_with(['!', 'M'])).and_then(|it| it.split_once("*/"))
        {
            rest = behind.trim_start();
        }
        let Some((_, list)) = rest.split_at_checked(6).filter(|(verb, _)| verb.eq_ignore_ascii_case("SELECT")) else {
            return false;
        };
        list.starts_with(|c: char| c.is_ascii_whitespace())
            && list.split(',').all(|item| {
                let item = item.trim();
                !item.is_empty() && item.len() <= 9 && item.bytes().all(|byte| byte.is_ascii_digit())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_quiet() {
        for (sql, expected) in [
            ("SELECT 1", true),
            (" /* a */ /*ms=master*/select 1, 2 ,34 ", true),
            ("SELECT", false),
            ("SELECT1", false),
            ("SELECT 1/0", false),
            ("SELECT a", false),
            ("SELECT 1;", false),
            ("/*! SELECT 1 */SELECT 1", false),
            ("/*ms=master SELECT 1", false),
            ("SELECT 1,", false),
            ("SELECT 99999999999999999999", false),
            ("INSERT 1", false),
            ("", false),
            ("SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12", false),
        ] {
            let mut text = LastText::default();
            text.keep(b"SELECT 7");
            text.keep(sql.as_bytes());
            assert_eq!(text.is_quiet(), expected, "{sql}");
        }
        let mut text = LastText::default();
        text.keep(b"SELECT 1");
        text.forget();
        assert!(!text.is_quiet());
    }
}
