//! Which privilege to give to which account.

/// A `GRANT` for the account that `CURRENT_USER()` names.
pub(crate) fn grant(privilege: &str, on: &str, account: Option<&str>) -> String {
    // The host is behind the last `@`; a user's name may have one.
    let account = account.and_then(|it| it.rsplit_once('@'));
    let account =
        account.map_or_else(|| "CURRENT_USER".to_owned(), |(user, host)| format!("{}@{}", quoted(user), quoted(host)));
    format!("GRANT {privilege} ON {on} TO {account}")
}

fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\\', "\\\\").replace('\'', "''"))
}
