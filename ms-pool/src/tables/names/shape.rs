//! How much stack a statement may take to parse.
//!
//! The parser, whoever walks its tree and whoever frees it call themselves for whatever is nested, chained by operators
//! or joined. A stack that overflows takes the process along, and the parser's own limit covers only a part of this; so
//! tokens are counted first. The counts are upper bounds: what only looks deep costs a thread of its own, or is not parsed.

use sqlparser::tokenizer::Token;

use super::cursor::is_one_of;

/// What a statement needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The stack of any thread will do.
    Flat,
    /// It needs a large one.
    Deep,
    /// More than anybody would write.
    TooDeep,
}

#[derive(Debug, Default)]
struct Counts {
    /// Parentheses and brackets open at once.
    nested: usize,
    /// Tokens that may hang on each other.
    chained: usize,
    joins: usize,
}

const FLAT: Counts = Counts { nested: 8, chained: 250, joins: 16 };
/// Servers join at most 61 tables, but a statement may have several joins.
const DEEP: Counts = Counts { nested: 60, chained: 4_000, joins: 200 };

impl Shape {
    pub(super) fn of(tokens: &[Token]) -> Self {
        let counts = Counts::of(tokens);
        let within = |most: &Counts| {
            counts.nested <= most.nested && counts.chained <= most.chained && counts.joins <= most.joins
        };
        if within(&FLAT) {
            Shape::Flat
        } else if within(&DEEP) {
            Shape::Deep
        } else {
            Shape::TooDeep
        }
    }

    /// How often the parser's own counted functions may call each other.
    pub(super) fn recursion(self) -> usize {
        if self == Shape::Flat { 16 } else { 150 }
    }

    /// Enough for the parser and what it makes: up to 25 KiB for each call that it counts, 8 for each join, 1 for each
    /// link of a chain, measured with and without optimisation.
    pub(super) const LARGE_STACK: usize = 16 << 20;
}

impl Counts {
    fn of(tokens: &[Token]) -> Self {
        let mut most = Counts::default();
        // How long the chain is here, and how long it was where each open parenthesis stands.
        let (mut chain, mut outside) = (0, Vec::new());
        for token in tokens {
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => outside.push(chain),
                // What was inside is beside what follows.
                Token::RParen | Token::RBracket | Token::RBrace => chain = outside.pop().unwrap_or(chain),
                // The elements of a list are beside each other.
                Token::Comma => chain = outside.last().copied().unwrap_or(0),
                it if is_one_of(it, &["JOIN", "STRAIGHT_JOIN"]) => most.joins += 1,
                _ => {}
            }
            chain += 1;
            most.chained = most.chained.max(chain);
            most.nested = most.nested.max(outside.len());
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::names::tokens;

    #[test]
    fn what_is_beside_each_other_is_not_above_each_other() {
        check("SELECT 1 FROM t WHERE a IN (1, 2, 3)", (1, 9, 0));
        check("VALUES (1, 2), (3, 4), (5, 6)", (1, 3, 0));
        check("SELECT f(1) + f(2) + f(3)", (1, 10, 0));
        check("SELECT ((((1))))", (4, 6, 0));
        check("SELECT 1 FROM a JOIN b STRAIGHT_JOIN c", (0, 8, 2));
        check("", (0, 0, 0));
        check(")))", (0, 3, 0));
    }

    #[track_caller]
    fn check(sql: &str, (nested, chained, joins): (usize, usize, usize)) {
        let counts = Counts::of(&tokens(sql).unwrap());
        assert_eq!((counts.nested, counts.chained, counts.joins), (nested, chained, joins), "{sql}");
    }
}
