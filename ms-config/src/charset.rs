//! Character sets a server can be told to use.

use std::fmt;

/// The names that the original's client library knew, and `gb18030`, which came later.
const NAMES: &[&str] = &[
    "armscii8", "ascii", "big5", "binary", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932",
    "dec8", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r",
    "koi8u", "latin1", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ucs2", "ujis",
    "utf16", "utf16le", "utf32", "utf8", "utf8mb3", "utf8mb4",
];

/// A character set that servers know.
///
/// ```
/// use ms_config::Charset;
///
/// assert_eq!(Charset::named("UTF8MB4").map(Charset::as_str), Some("utf8mb4"));
/// assert_eq!(Charset::named("klingon"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Charset(&'static str);

impl Charset {
    /// All names, sorted.
    pub(crate) const NAMES: &'static [&'static str] = NAMES;

    /// The character set called `name`, in any case; `None` where there is none.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|known| known.eq_ignore_ascii_case(name)).map(|known| Self(known))
    }

    /// Its name, in lower case.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
