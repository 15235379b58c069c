//! Says the same in words that the parser knows.
//!
//! The library reads many dialects and some of MySQL's words not at all. Where they do not matter for the tables of a
//! statement they are taken out, or said in another way, before it is parsed.

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, Word},
};

use super::cursor::{Cursor, is_one_of, is_word};

/// Words behind the verb of a statement that changes data.
pub(super) const MODIFIERS: &[&str] = &["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "IGNORE"];

/// The statement in familiar words.
pub(super) fn familiar(statement: &[Token]) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::with_capacity(statement.len());
    let mut rest = Cursor::new(statement);
    // Between `UPDATE` and `SET`, and how deep in parentheses.
    let (mut updated, mut depth) = (false, 0_usize);
    while let Some(token) = rest.rest().first() {
        rest.skip();
        let said = match token {
            Token::LParen => {
                depth += 1;
                token.clone()
            }
            Token::RParen => {
                depth = depth.saturating_sub(1);
                token.clone()
            }
            // `UPDATE a, b SET …`.
            Token::Comma if updated && depth == 0 => word("JOIN", Keyword::JOIN),
            Token::ExclamationMark => word("NOT", Keyword::NOT),
            it if is_word(it, "LOCK") && starts_with(rest, &["IN", "SHARE", "MODE"]) => {
                (0..3).for_each(|_| rest.skip());
                continue;
            }
            // Behind a table; the one of a window function has no parenthesis there.
            it if is_word(it, "PARTITION") && rest.rest().first() == Some(&Token::LParen) => {
                while rest.rest().first().is_some_and(|it| *it != Token::RParen) {
                    rest.skip();
                }
                rest.skip();
                continue;
            }
            // The parser copies whatever stands before a `DIV`, and takes a `MOD` between two values for an alias.
            it if is_word(it, "DIV") => Token::Div,
            it if is_word(it, "MOD") && rest.rest().first() != Some(&Token::LParen) => Token::Mod,
            it if is_one_of(it, &["INSERT", "REPLACE", "UPDATE", "DELETE"]) => {
                // Not in `FOR UPDATE` or `ON DUPLICATE KEY UPDATE`.
                updated |= is_word(it, "UPDATE") && matches!(tokens.last(), None | Some(Token::RParen));
                rest.take_all_of(MODIFIERS);
                it.clone()
            }
            it => {
                updated &= !(depth == 0 && is_word(it, "SET"));
                it.clone()
            }
        };
        tokens.push(said);
    }
    tokens
}

fn starts_with(mut cursor: Cursor<'_>, words: &[&str]) -> bool {
    words.iter().all(|word| cursor.take(word))
}

fn word(value: &str, keyword: Keyword) -> Token {
    Token::Word(Word { value: value.to_owned(), quote_style: None, keyword })
}
