//! An error and what led to it, for people.
//!
//! A good error leaves its cause to [`Error::source`]; others repeat it in their own text. Shown one after the other, nothing should
//! be said twice.

use std::error::Error;

/// The texts of an error and its causes, without those that the text before says already.
#[must_use]
pub fn causes(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(it) = next {
        let text = it.to_string();
        if !texts.last().is_some_and(|before| before.contains(&text)) {
            texts.push(text);
        }
        next = it.source();
    }
    texts
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Outer {
        text: &'static str,
        source: io::Error,
    }

    #[test]
    fn says_nothing_twice() {
        check("cannot read `f`", &["cannot read `f`", "no such file"]);
        check("cannot read `f`: no such file", &["cannot read `f`: no such file"]);
    }

    #[track_caller]
    fn check(text: &'static str, expected: &[&str]) {
        assert_eq!(causes(&Outer { text, source: io::Error::other("no such file") }), expected);
    }
}
