//! What was found out about prepared statements, for the next time they come.
//!
//! Proving that a statement only reads means looking at all of its text, which costs about a nanosecond for two bytes. A
//! program prepares the same few texts over and over, so the answer is kept with the cluster and found again by the whole text
//! in a fraction of that. Text statements are not kept: their values are in the text, and hardly one comes twice.
//!
//! Nothing is ever replaced, so that reading takes no lock and no two processors fight over a line of memory. What comes
//! when the table is full, or finds its places taken, is classified each time; that is slower and never wrong.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use ms_hints::{Effect, Options, Protocol, SqlMode, Statement};

/// Places for statements; a power of two.
const PLACES: usize = 512;
/// Places where one statement may be: its own and those behind.
const REACH: usize = 4;
/// Longer texts are not kept: most of them were generated, and will not come again.
const LONGEST: usize = 2048;
/// Bytes of text kept in all.
const CAPACITY: usize = 256 << 10;

/// The classes of statements seen; see the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Classes {
    /// Made with the first statement: a cluster that never prepares one needs none.
    places: OnceLock<Box<[OnceLock<Box<Known>>]>>,
    bytes: AtomicUsize,
}

/// A statement as the router is asked about it.
pub(crate) struct Question<'a> {
    pub(crate) statement: Statement<'a>,
    /// Only for statements that are not proven reads: what they leave behind.
    pub(crate) effect: Effect,
}

#[derive(Debug)]
struct Known {
    text: Box<[u8]>,
    sql_mode: SqlMode,
    /// Its text is taken out: that would have to be borrowed.
    statement: Statement<'static>,
    effect: Effect,
}

impl Classes {
    /// What a statement is and what it leaves behind: as it was found the first time, or as `classify` finds it now.
    ///
    /// The options other than protocol and mode have to be the same with every call.
    #[inline]
    pub(crate) fn of<'a>(
        &self,
        text: &'a [u8],
        options: &Options<'_>,
        classify: impl FnOnce(&'a [u8]) -> Question<'a>,
    ) -> Question<'a> {
        if options.protocol != Protocol::Prepared || text.len() > LONGEST {
            return classify(text);
        }
        let hash = hash(text, options.sql_mode);
        if let Some(places) = self.places.get() {
            for place in reach(places, hash) {
                match place.get() {
                    Some(known) if *known.text == *text && known.sql_mode == options.sql_mode => {
                        let mut question: Question<'a> = Question { statement: known.statement, effect: known.effect };
                        question.statement.sql = text;
                        return question;
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        }
        let question = classify(text);
        self.keep(hash, &question, options);
        question
    }

    #[cold]
    fn keep(&self, hash: usize, question: &Question<'_>, options: &Options<'_>) {
        let Question { statement, effect } = question;
        let length = statement.sql.len();
        if self.bytes.load(Relaxed) + length > CAPACITY {
            return;
        }
        let places = self.places.get_or_init(|| (0..PLACES).map(|_| OnceLock::new()).collect());
        let Some(free) = reach(places, hash).find(|place| place.get().is_none()) else {
            return;
        };
        let known = Known {
            text: statement.sql.into(),
            sql_mode: options.sql_mode,
            statement: without_text(statement, options),
            effect: *effect,
        };
        // Of two who find the same place free one is kept; the other will come again.
        if free.set(Box::new(known)).is_ok() {
            self.bytes.fetch_add(length, Relaxed);
        }
    }
}

#[inline]
fn reach(places: &[OnceLock<Box<Known>>], hash: usize) -> impl Iterator<Item = &OnceLock<Box<Known>>> {
    (hash..hash + REACH).map(|place| &places[place % PLACES])
}

/// The same statement but for its text.
fn without_text(statement: &Statement<'_>, options: &Options<'_>) -> Statement<'static> {
    let mut bare = Statement::parse(b"", options);
    bare.access = statement.access;
    bare.cause = statement.cause;
    bare.because = statement.because;
    bare.route = statement.route;
    bare.route_span = statement.route_span;
    bare.level = statement.level;
    bare.level_span = statement.level_span;
    bare.counts = statement.counts;
    bare.body = statement.body;
    bare.user_variables = statement.user_variables;
    bare
}

/// Good enough to spread texts over places; equality is decided by the texts themselves.
#[inline]
fn hash(text: &[u8], sql_mode: SqlMode) -> usize {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let known = u64::from(sql_mode.no_backslash_escapes.is_some());
    let mut hash = text.len() as u64 ^ (known << 32);
    let mut words = text.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("it has eight bytes"));
        hash = (hash.rotate_left(5) ^ word).wrapping_mul(ODD);
    }
    for byte in words.remainder() {
        hash = (hash.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(ODD);
    }
    // The upper bits are the well mixed ones.
    usize::try_from(hash >> 48).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use ms_hints::Compat;

    use super::*;

    const TEXTS: [&str; 8] = [
        "",
        "SELECT 1",
        "SELECT a FROM t WHERE id = ?",
        "/*ms=master*/SELECT a FROM t WHERE id = ?",
        "SELECT @a, LAST_INSERT_ID()",
        "SELECT GET_LOCK(?, 1)",
        "INSERT INTO t (a) VALUES (?)",
        "SET autocommit = 0",
    ];

    #[test]
    fn a_known_statement_is_what_it_was_the_first_time() {
        for compat in [Compat::Classic, Compat::Strict] {
            let classes = Classes::default();
            let options = Options { compat, ..prepared() };
            for text in TEXTS {
                let (fresh, found) = find(&classes, text, &options);
                assert_eq!(found, Found::Anew, "{text}");
                assert_eq!(find(&classes, text, &options), (fresh, Found::Known), "{text}");
            }
        }
    }

    #[test]
    fn another_mode_is_another_statement() {
        let classes = Classes::default();
        let mut options = prepared();
        let text = r#"SELECT "a\" FROM t"#;
        assert_eq!(find(&classes, text, &options).1, Found::Anew);
        options.sql_mode = SqlMode { no_backslash_escapes: Some(false), ansi_quotes: Some(false) };
        assert_eq!(find(&classes, text, &options).1, Found::Anew);
        options.sql_mode.ansi_quotes = Some(true);
        assert_eq!(find(&classes, text, &options).1, Found::Anew);
        assert_eq!(find(&classes, text, &options).1, Found::Known);
    }

    #[test]
    fn what_will_hardly_come_again_is_not_kept() {
        let classes = Classes::default();
        for (text, options) in [("SELECT 1", Options::default()), (&*" ".repeat(LONGEST + 1), prepared())] {
            find(&classes, text, &options);
            assert_eq!(find(&classes, text, &options).1, Found::Anew);
        }
    }

    #[test]
    fn the_bytes_kept_are_bounded_and_what_is_kept_stays() {
        let classes = Classes::default();
        find(&classes, "SELECT 1", &prepared());
        for number in 0..10_000 {
            find(&classes, &format!("SELECT {number}{}", " ".repeat(1_000)), &prepared());
        }
        let bytes = classes.bytes.load(Relaxed);
        assert!((CAPACITY / 2..=CAPACITY).contains(&bytes), "{bytes}");
        assert_eq!(find(&classes, "SELECT 1", &prepared()).1, Found::Known);
    }

    fn prepared() -> Options<'static> {
        Options { protocol: Protocol::Prepared, ..Options::default() }
    }

    #[derive(Debug, PartialEq)]
    enum Found {
        Known,
        Anew,
    }

    /// All there is to a statement, and whether it had to be classified.
    #[track_caller]
    fn find(classes: &Classes, text: &str, options: &Options<'_>) -> (String, Found) {
        let mut found = Found::Known;
        let Question { statement, effect } = classes.of(text.as_bytes(), options, |text| {
            found = Found::Anew;
            let statement = Statement::parse(text, options);
            Question { statement, effect: statement.effect() }
        });
        assert_eq!(statement.sql, text.as_bytes());
        (format!("{statement:?} {effect:?}"), found)
    }
}
