//! Text made fit for a string literal, for SQL that is put together by hand.
//!
//! What has to be escaped depends on two things only a connection knows: the character set, because in some a quote can be
//! half of a character, and `sql_mode`, because with `NO_BACKSLASH_ESCAPES` a backslash protects nothing. Escaping without
//! a connection is therefore only possible where both are settled by other means. Bound arguments have none of these
//! troubles.

use crate::{Error, Session, pool::Charset};

/// The original's words.
const NO_CONNECTION: &str = "string escaping doesn't work without established connection. \
     Possible solution is to add server_charset to your configuration";

impl Session {
    /// Escapes `text` for use between *single quotes* in a statement of this session. Prefer bound arguments.
    ///
    /// Follows the `sql_mode` that the session's connections began with. In `classic` a session that changes it itself is on
    /// its own, and before the first connection the servers are taken to be without `NO_BACKSLASH_ESCAPES`; in `strict`
    /// both are refused.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], and in the first case a warning event:
    ///
    /// - in `classic`, while the session has no connection and neither [`set_charset`](Self::set_charset) nor
    ///   `server_charset` says which character set there will be;
    /// - in `strict`, while `sql_mode` is not known for certain;
    /// - when quotes and backslashes can be halves of characters in the character set.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(db: ms_pool::Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut session = db.session();
    /// sqlx::query("DO 1").execute(&mut session).await?;
    /// assert_eq!(session.escape("it's")?, r"it\'s");
    /// # Ok(())
    /// # }
    /// ```
    pub fn escape(&self, text: &str) -> Result<String, Error> {
        let inner = &*self.cluster.inner;
        let strict = inner.rules.is_strict();
        let wished = self.core.wishes.as_ref().is_some_and(|it| it.charset().is_some());
        // In `strict` every connection begins with a known character set, and there is no behaviour to be compatible with.
        if !strict && !wished && !inner.server_charset && self.slots.0.is_empty() {
            inner.hooks.warn(NO_CONNECTION);
            return Err(Error::Refused { why: NO_CONNECTION.into() });
        }
        if Charset::hides_ascii(self.charset()) {
            let why = format!("text cannot be escaped safely in the character set `{}`", self.charset());
            return Err(Error::Refused { why: why.into() });
        }
        let mode = self.core.sql_mode(&self.cluster).no_backslash_escapes;
        match mode.or_else(|| (!strict).then(|| self.connections_mode())) {
            Some(true) => Ok(text.replace('\'', "''")),
            Some(false) => Ok(with_backslashes(text)),
            None => {
                let why =
                    "text cannot be escaped safely while the connections' `sql_mode` is not known: bind it instead";
                Err(Error::Refused { why: why.into() })
            }
        }
    }

    /// Whether the connection used last began with `NO_BACKSLASH_ESCAPES`.
    fn connections_mode(&self) -> bool {
        let slot = self.core.last_used.and_then(|server| self.slots.get(server)).or(self.slots.0.last());
        slot.is_some_and(|slot| {
            let modes = &slot.lease.identity().sql_mode;
            modes.split(',').any(|it| it.trim().eq_ignore_ascii_case("NO_BACKSLASH_ESCAPES"))
        })
    }
}

fn with_backslashes(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for it in text.chars() {
        let letter = match it {
            '\0' => '0',
            '\n' => 'n',
            '\r' => 'r',
            '\x1a' => 'Z',
            '\\' | '\'' | '"' => it,
            _ => {
                escaped.push(it);
                continue;
            }
        };
        escaped.push('\\');
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_literal_or_a_line_is_escaped() {
        check("", "");
        check("a'b\"c\\d", r#"a\'b\"c\\d"#);
        check("\0\n\r\x1a\t%_", "\\0\\n\\r\\Z\t%_");
        check("čaj 🍵", "čaj 🍵");
    }

    #[track_caller]
    fn check(text: &str, escaped: &str) {
        assert_eq!(with_backslashes(text), escaped);
    }

    #[test]
    fn without_a_connection_it_depends_on_what_is_known() {
        let escape = |file: &str| {
            let db = crate::Cluster::builder().config_text("ms.json", file).build().unwrap();
            db.session().escape("it's").map_err(|error| error.to_string())
        };
        let servers = r#""master": [{"host": "10.0.0.1"}], "slave": []"#;
        let file = |rest: &str| format!(r#"{{"shop": {{{servers}, {rest}}}}}"#);
        assert_eq!(escape(&file(r#""compat": "classic""#)), Err(NO_CONNECTION.to_owned()));
        assert_eq!(escape(&file(r#""compat": "classic", "server_charset": "utf8""#)).as_deref(), Ok(r"it\'s"));
        assert!(escape(&file(r#""compat": "classic", "server_charset": "gbk""#)).unwrap_err().contains("`gbk`"));
        assert!(escape(&file(r#""compat": "strict""#)).unwrap_err().contains("sql_mode"));
    }
}
