//! URLs of servers, taken apart.
//!
//! sqlx parses them too, but its options cannot be asked for the password again, and connecting with them costs two round
//! trips more than this crate's own way. So the parameters that everybody uses are understood here; a URL with any other one
//! (`timezone`, say) is left to sqlx, which then also sends its own settings.

use std::{str::FromStr, sync::Arc};

use sqlx_core::{Url, connection::ConnectOptions};
use sqlx_mysql::{MySqlConnectOptions, MySqlSslMode};

use crate::{
    credentials::{Credentials, Password},
    pool::{Address, Charset, Configured, Dial, Tls, TlsMode},
};

/// What a builder says for servers whose URL does not.
#[derive(Debug, Default)]
pub(crate) struct Inherited<'b> {
    pub(crate) user: Option<&'b str>,
    pub(crate) credentials: Option<&'b Arc<dyn Credentials>>,
    pub(crate) database: Option<&'b str>,
}

/// How to dial the server of a URL.
///
/// # Errors
///
/// The URL is malformed, or a parameter has no meaning. The error does not repeat the URL, which may hold a password.
pub(crate) fn dial(text: &str, inherited: &Inherited<'_>) -> Result<Dial, sqlx::Error> {
    // sqlx takes any scheme, and `user:password@host` for a path.
    if !["mysql://", "mariadb://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Err(sqlx::Error::Configuration("expected `mysql://user:password@host:port/database`".into()));
    }
    // Whatever else is wrong with it, sqlx knows first.
    let mut options = MySqlConnectOptions::from_str(text)?;
    let Ok(url) = Url::parse(text) else {
        return Ok(Dial::ready(options.disable_statement_logging()));
    };
    if let (true, Some(user)) = (url.username().is_empty(), inherited.user) {
        options = options.username(user);
    }
    if let (None, Some(database)) = (options.get_database(), inherited.database) {
        options = options.database(database);
    }
    let ours = configured(&url, &options, inherited);
    if ours.is_none() && url.password().is_none() && inherited.credentials.is_some() {
        // sqlx's options hold a password and cannot ask for one.
        let why = "a URL with such parameters must hold its password itself";
        return Err(sqlx::Error::Configuration(why.into()));
    }
    // SQL text may hold secrets: nobody logs it without being asked to.
    Ok(ours.map_or_else(|| Dial::ready(options.disable_statement_logging()), |it| Dial::Configured(Box::new(it))))
}

fn configured(url: &Url, options: &MySqlConnectOptions, inherited: &Inherited<'_>) -> Option<Configured> {
    let mut tls = Tls { mode: mode(options.get_ssl_mode()), ..Tls::default() };
    let (mut charset, mut collation) = (None, None);
    for (key, value) in url.query_pairs() {
        match &*key {
            "sslmode" | "ssl-mode" | "socket" => {}
            "sslca" | "ssl-ca" => tls.ca = Some((*value).into()),
            "sslcert" | "ssl-cert" => tls.cert = Some((*value).into()),
            "sslkey" | "ssl-key" => tls.key = Some((*value).into()),
            "charset" => charset = Some(value),
            "collation" => collation = Some(value),
            _ => return None,
        }
    }
    let charset = match (charset, collation) {
        (None, None) => Charset::default(),
        (charset, collation) => Charset::new(charset.as_deref().unwrap_or("utf8mb4"), collation.as_deref()).ok()?,
    };
    let credentials: Arc<dyn Credentials> = match (url.password(), inherited.credentials) {
        (Some(password), _) => Arc::new(Password::new(percent_decoded(password)?)),
        (None, Some(inherited)) => Arc::clone(inherited),
        (None, None) => Arc::new(Password::NONE),
    };
    Some(Configured {
        address: match options.get_socket() {
            Some(path) => Address::Socket(path.clone()),
            None => Address::Tcp { host: options.get_host().to_owned(), port: options.get_port() },
        },
        user: options.get_username().into(),
        credentials,
        database: options.get_database().map(str::to_owned),
        charset,
        tls,
    })
}

fn mode(mode: MySqlSslMode) -> TlsMode {
    match mode {
        MySqlSslMode::Disabled => TlsMode::Disabled,
        MySqlSslMode::Preferred => TlsMode::Preferred,
        MySqlSslMode::Required => TlsMode::Required,
        MySqlSslMode::VerifyCa => TlsMode::VerifyCa,
        MySqlSslMode::VerifyIdentity => TlsMode::VerifyIdentity,
    }
}

/// `%41` is `A`; `None` where a percent sign is followed by something else, or the result is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
                digit(rest.next()?)? << 4 | digit(rest.next()?)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_urls_take_the_quick_way() {
        for url in [
            "mysql://app@db",
            "mysql://app:p%40ss@db:3307/shop?ssl-mode=REQUIRED&ssl-ca=/etc/ca.pem&charset=utf8mb4",
            "mysql://app@localhost/shop?socket=/run/mysqld/mysqld.sock",
        ] {
            assert!(matches!(dial(url, &Inherited::default()), Ok(Dial::Configured(_))), "{url}");
        }
    }

    #[test]
    fn what_only_sqlx_understands_is_left_to_it() {
        for url in [
            "mysql://app@db?timezone=%2B02:00",
            "mysql://app@db?statement-cache-capacity=7",
            "mysql://app@db?charset=a%27b",
        ] {
            assert!(matches!(dial(url, &Inherited::default()), Ok(Dial::Ready(_))), "{url}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_password() {
        for url in ["mysql://app:hunter2@db:port/", "app:hunter2@db", "mysql://app:hunter2@db?ssl-mode=perhaps"] {
            let error = dial(url, &Inherited::default()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn what_the_url_leaves_out_comes_from_the_builder() {
        let credentials: Arc<dyn Credentials> = Arc::new(Password::new("secret"));
        let inherited = Inherited { user: Some("app"), credentials: Some(&credentials), database: Some("shop") };
        let Ok(Dial::Configured(bare)) = dial("mysql://db", &inherited) else { panic!("it is a common URL") };
        assert_eq!((&*bare.user, bare.database.as_deref()), ("app", Some("shop")));
        assert!(Arc::ptr_eq(&bare.credentials, &credentials));
        let Ok(Dial::Configured(full)) = dial("mysql://root:x@db/test", &inherited) else {
            panic!("it is a common URL")
        };
        assert_eq!((&*full.user, full.database.as_deref()), ("root", Some("test")));
        assert!(!Arc::ptr_eq(&full.credentials, &credentials));
        assert!(dial("mysql://db?timezone=UTC", &inherited).is_err(), "sqlx cannot ask for a password");
    }

    #[test]
    fn percent_signs_are_undone() {
        assert_eq!(percent_decoded("a%2Fb%c3%a4").as_deref(), Some("a/bä"));
        for broken in ["%", "%4", "%zz", "%+1", "%ff"] {
            assert_eq!(percent_decoded(broken), None, "{broken}");
        }
    }
}
