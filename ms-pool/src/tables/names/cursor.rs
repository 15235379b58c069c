//! A statement, token by token.

use sqlparser::tokenizer::Token;

use super::Name;

/// A place in a statement.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    rest: &'t [Token],
}

impl<'t> Cursor<'t> {
    pub(super) fn new(statement: &'t [Token]) -> Self {
        Self { rest: statement }
    }

    /// What was not taken yet.
    pub(super) fn rest(self) -> &'t [Token] {
        self.rest
    }

    /// Takes one token; at the end there is nothing to take.
    pub(super) fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// Whether `word` comes next.
    pub(super) fn is_at(self, word: &str) -> bool {
        self.rest.first().is_some_and(|it| is_word(it, word))
    }

    /// Takes `word` if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let found = self.is_at(word);
        if found {
            self.skip();
        }
        found
    }

    /// Takes whichever of `words` comes next.
    pub(super) fn take_one_of(&mut self, words: &'static [&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.take(word))
    }

    /// Takes all of `words` that come next, in any order.
    pub(super) fn take_all_of(&mut self, words: &'static [&'static str]) {
        while self.take_one_of(words).is_some() {}
    }

    /// Takes `IF EXISTS` or `IF NOT EXISTS`.
    pub(super) fn take_if_exists(&mut self) {
        if self.take("IF") {
            self.take("NOT");
            self.take("EXISTS");
        }
    }

    /// Takes `token` if it comes next.
    pub(super) fn take_token(&mut self, token: &Token) -> bool {
        let found = self.rest.first() == Some(token);
        if found {
            self.skip();
        }
        found
    }

    /// Goes behind the next `word`; `false` when there is none.
    pub(super) fn go_behind(&mut self, word: &str) -> bool {
        while !self.rest.is_empty() {
            if self.take(word) {
                return true;
            }
            self.skip();
        }
        false
    }

    /// Whether one of `words` stands anywhere in what was not taken yet.
    pub(super) fn mentions(self, words: &[&str]) -> bool {
        self.rest.iter().any(|it| words.iter().any(|word| is_word(it, word)))
    }

    /// A word or a quoted name.
    pub(super) fn identifier(&mut self) -> Option<&'t str> {
        let name = match self.rest.first()? {
            Token::Word(word) => &*word.value,
            // With `ANSI_QUOTES`.
            Token::DoubleQuotedString(name) => name,
            _ => return None,
        };
        self.skip();
        Some(name)
    }

    /// `table` or `database.table`.
    pub(super) fn name(&mut self) -> Option<Name> {
        let first = self.identifier()?;
        if !self.take_token(&Token::Period) {
            return Some(Name { database: None, table: first.to_owned() });
        }
        let table = self.identifier()?.to_owned();
        Some(Name { database: Some(first.to_owned()), table })
    }

    /// Names with commas between them; `aside` takes what else stands behind each.
    pub(super) fn names(&mut self, aside: impl Fn(&mut Self)) -> Option<Vec<Name>> {
        let mut names = Vec::new();
        loop {
            names.push(self.name()?);
            aside(self);
            if !self.take_token(&Token::Comma) {
                return Some(names);
            }
        }
    }
}

/// Whether a token is this word, in any case and without quotes.
pub(super) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(it) if it.quote_style.is_none() && it.value.eq_ignore_ascii_case(word))
}

/// Whether a token is one of these words.
pub(super) fn is_one_of(token: &Token, words: &[&str]) -> bool {
    words.iter().any(|word| is_word(token, word))
}
