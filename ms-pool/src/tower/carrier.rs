//! How a token travels: in a cookie or a header.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};

/// More tokens than a request has who means well: one cookie for each path and domain.
const MOST: usize = 8;
/// Stands for what is no text, to be refused as no token.
const NO_TEXT: &str = "?";

/// Where a request has its token, and a response puts it.
#[derive(Clone, Debug)]
pub(super) enum Carrier {
    Cookie { name: Box<str>, secure: bool },
    Header(HeaderName),
}

impl Carrier {
    pub(super) fn cookie(name: &str) -> Self {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        assert!(!name.is_empty() && name.bytes().all(legal), "`{}` is no name of a cookie", name.escape_debug());
        Self::Cookie { name: name.into(), secure: true }
    }

    pub(super) fn insecure(&mut self) {
        if let Self::Cookie { secure, .. } = self {
            *secure = false;
        }
    }

    /// The tokens of a request. A cookie without a value is one that somebody has deleted.
    pub(super) fn tokens_in<'h>(&'h self, headers: &'h HeaderMap) -> Vec<&'h str> {
        let text = |value: &'h HeaderValue| value.to_str().unwrap_or(NO_TEXT);
        match self {
            Self::Header(name) => headers.get_all(name).iter().map(text).take(MOST).collect(),
            Self::Cookie { name, .. } => {
                let pairs = headers.get_all(COOKIE).iter().flat_map(move |it| text(it).split(';'));
                let named = pairs.filter_map(|pair| {
                    let (key, value) = pair.split_once('=')?;
                    (key.trim() == &**name).then(|| value.trim().trim_matches('"'))
                });
                named.filter(|token| !token.is_empty()).take(MOST).collect()
            }
        }
    }

    /// Puts a token into a response, which is good for `lifetime`; `None` is for ever.
    pub(super) fn put(&self, headers: &mut HeaderMap, token: &str, lifetime: Option<Duration>) {
        match self {
            Self::Header(name) => {
                headers.insert(name, value(token));
            }
            Self::Cookie { name, secure } => {
                // A year is what browsers take for ever.
                let seconds = lifetime.map_or(31_536_000, |it| it.as_secs());
                let secure = if *secure { "; Secure" } else { "" };
                let cookie = format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
                headers.append(SET_COOKIE, value(&cookie));
            }
        }
    }
}

fn value(text: &str) -> HeaderValue {
    let mut value = HeaderValue::try_from(text).expect("tokens and names of cookies consist of visible characters");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_among_cookies() {
        check(&[], &[]);
        check(&["ms=AQ"], &["AQ"]);
        check(&["a=1; ms=AQ; b=2"], &["AQ"]);
        check(&["a=1;ms=\"AQ\"", "ms=AR"], &["AQ", "AR"]);
        check(&["mss=1; sms=2; ms; MS=3; a=ms=4"], &[]);
        check(&["ms=", "ms=\"\""], &[]);
        check(&[&"ms=1;".repeat(100)], &["1"; MOST]);
    }

    #[track_caller]
    fn check(cookies: &[&str], expected: &[&str]) {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        assert_eq!(Carrier::cookie("ms").tokens_in(&headers), expected);
    }

    #[test]
    fn a_header_is_a_token() {
        let mut headers = HeaderMap::new();
        let carrier = Carrier::Header(HeaderName::from_static("x-ms"));
        carrier.put(&mut headers, "AQ", None);
        assert_eq!(carrier.tokens_in(&headers), ["AQ"]);
        headers.append("x-ms", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(carrier.tokens_in(&headers), ["AQ", NO_TEXT]);
    }

    #[test]
    fn a_cookie_is_put_beside_others() {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
        let mut carrier = Carrier::cookie("ms");
        carrier.put(&mut headers, "AQ", Some(Duration::from_secs(60)));
        carrier.insecure();
        carrier.put(&mut headers, "AR", None);
        let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().map(|it| it.to_str().unwrap()).collect();
        assert_eq!(
            cookies,
            [
                "a=1",
                "ms=AQ; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure",
                "ms=AR; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax",
            ]
        );
    }

    #[test]
    #[should_panic(expected = "`a b` is no name of a cookie")]
    fn a_name_that_breaks_headers_is_refused() {
        let _ = Carrier::cookie("a b");
    }
}
