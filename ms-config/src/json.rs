//! Text to JSON tree, within limits.
//!
//! The original reads strict JSON, so this does: no comments, no trailing commas, no single quotes. Depth and size
//! are bounded before a tree is built, because the tree is built by recursion. Nothing of the text is ever quoted in
//! a message: any string in a broken file may be a password.

use jsonc_parser::{CollectOptions, ParseOptions, ParseStringErrorKind, ast, errors::ParseErrorKind};

/// The original's limit.
const DEEPEST: usize = 512;

/// A configuration of a hundred thousand servers is smaller.
const LARGEST: usize = 16 << 20;

/// Why a text is no tree, and the byte where that shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) offset: usize,
    pub(crate) why: &'static str,
}

/// The JSON value of `text`.
pub(crate) fn parse(text: &str) -> Result<ast::Value<'_>, Refused> {
    if text.len() > LARGEST {
        return Err(Refused { offset: LARGEST, why: "the text is larger than 16 MiB" });
    }
    check_bytes(text)?;

    let options = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    match jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &options) {
        Ok(parsed) => parsed.value.ok_or(Refused { offset: text.len(), why: "there is nothing but white space" }),
        Err(error) => Err(Refused { offset: error.range().start, why: why(error.kind()) }),
    }
}

/// What the parser would let pass, or fall over: a byte order mark, control characters, exotic white space, depth.
fn check_bytes(text: &str) -> Result<(), Refused> {
    if text.starts_with('\u{feff}') {
        return Err(Refused { offset: 0, why: "the text starts with a byte order mark; save it as UTF-8 without one" });
    }

    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (offset, byte) in text.bytes().enumerate() {
        let refuse = |why| Err(Refused { offset, why });
        if in_string {
            match byte {
                _ if byte < b' ' => return refuse("a string holds a control character; write it as an escape"),
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' if depth == DEEPEST => return refuse("values are nested too deeply"),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if !(b' '..0x80).contains(&byte) => return refuse("unexpected character outside of a string"),
            _ => {}
        }
    }
    Ok(())
}

/// One sentence for each of the parser's reasons, without any of the text.
fn why(kind: &ParseErrorKind) -> &'static str {
    use ParseErrorKind as Kind;
    match kind {
        Kind::CommentsNotAllowed | Kind::UnterminatedCommentBlock => "comments are not allowed in JSON",
        Kind::TrailingCommasNotAllowed => "a comma must be followed by another entry",
        Kind::SingleQuotedStringsNotAllowed => "strings are written in double quotes",
        Kind::ExpectedStringObjectProperty => "a key is written in double quotes",
        Kind::ExpectedColonAfterObjectKey => "a key must be followed by a colon",
        Kind::ExpectedObjectValue => "a key has no value",
        Kind::ExpectedComma => "a comma is missing here",
        Kind::MultipleRootJsonValues => "there is more text behind the end of the value",
        Kind::UnterminatedObject => "this object is never closed",
        Kind::UnterminatedArray => "this array is never closed",
        Kind::NestingDepthExceeded => "values are nested too deeply",
        Kind::String(ParseStringErrorKind::UnterminatedStringLiteral) => "this string is never closed",
        Kind::String(_) => "a string holds an escape that JSON does not know",
        Kind::BareDecimalPointNumbersNotAllowed
        | Kind::ExpectedDigit
        | Kind::ExpectedDigitFollowingNegativeSign
        | Kind::ExpectedPlusMinusOrDigitInNumberLiteral
        | Kind::HexadecimalNumbersNotAllowed
        | Kind::NonFiniteNumbersNotAllowed
        | Kind::UnaryPlusNumbersNotAllowed => "this is not a JSON number",
        _ => "a key or a value was expected here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_json_is_accepted() {
        for text in ["{}", " [1, -2.5e3, \"\\u00e4\\n\", null, true] \r\n\t", "\"ä\"", "0", r#""\ud83d\ude00""#] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_json_does_not_have_is_refused_where_it_stands() {
        check("// hello\n{}", 0, "comments are not allowed in JSON");
        check("{} /* hello */", 3, "comments are not allowed in JSON");
        check("{\"a\": 1,}", 7, "a comma must be followed by another entry");
        check("[1,]", 2, "a comma must be followed by another entry");
        check("[1 2]", 2, "a comma is missing here");
        check("{\"a\": 1 \"b\": 2}", 7, "a comma is missing here");
        check("{'a': 1}", 1, "strings are written in double quotes");
        check("{a: 1}", 1, "a key is written in double quotes");
        check("[0x10]", 1, "this is not a JSON number");
        check("[+1]", 1, "this is not a JSON number");
        check("[1.]", 1, "this is not a JSON number");
        check("[NaN]", 1, "a key or a value was expected here");
        check("{\"a\" 1}", 5, "a key must be followed by a colon");
        check("{\"a\":", 5, "a key has no value");
        check("{\"a\": 1", 0, "this object is never closed");
        check("[1", 0, "this array is never closed");
        check("[\"x", 1, "this string is never closed");
        check("{} {}", 3, "there is more text behind the end of the value");
        check("[\"\\x41\"]", 2, "a string holds an escape that JSON does not know");
        check("[\"\\ud83d\"]", 2, "a string holds an escape that JSON does not know");
        check("   ", 3, "there is nothing but white space");
    }

    #[test]
    fn what_the_parser_lets_pass_is_refused_before_it() {
        check("[\"a\nb\"]", 3, "a string holds a control character; write it as an escape");
        check("\u{a0}{}", 0, "unexpected character outside of a string");
        check("{}\u{b}", 2, "unexpected character outside of a string");
        check("\u{feff}{}", 0, "the text starts with a byte order mark; save it as UTF-8 without one");
    }

    #[test]
    fn depth_is_bounded_before_the_tree_is_built() {
        assert!(parse(&format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST))).is_ok());
        check(&"[".repeat(DEEPEST + 1), DEEPEST, "values are nested too deeply");
        check(&"{\"a\":".repeat(1_000_000), 5 * DEEPEST, "values are nested too deeply");
        // Brackets inside of strings do not nest.
        assert!(parse(&format!("[\"\\\"{}\"]", "[".repeat(100_000))).is_ok());
    }

    #[test]
    fn size_is_bounded() {
        let text = format!("{{}}{}", " ".repeat(LARGEST));
        check(&text, LARGEST, "the text is larger than 16 MiB");
    }

    #[track_caller]
    fn check(text: &str, offset: usize, why: &'static str) {
        assert_eq!(parse(text).err(), Some(Refused { offset, why }));
    }
}
