//! What a command is told about its cluster.
//!
//! Tests in other crates know nothing of this one: they read variables. Numbers count from 1, and the first primary has none, so
//! the common case is `MS_TEST_PRIMARY` and `MS_TEST_REPLICA_1`.

use super::Cluster;

/// The variables, in the order they are shown.
pub(super) fn variables(cluster: &Cluster) -> Vec<(String, String)> {
    let mut list: Vec<(String, String)> = Vec::new();
    let mut add = |name: String, value: String| list.push((name, value));
    add("MYSQL_MS_CONFIG_FILE".to_owned(), cluster.config_file().display().to_string());
    add("MS_TEST_FLAVOR".to_owned(), cluster.flavor().key().to_owned());
    add("MS_TEST_VERSION".to_owned(), cluster.version().to_string());
    for server in cluster.servers() {
        let suffix = suffix(server.name());
        add(format!("MS_TEST_{suffix}"), server.url());
        add(format!("MS_TEST_SOCKET_{suffix}"), server.socket().display().to_string());
    }
    // What sqlx's own test macro looks for.
    add("DATABASE_URL".to_owned(), cluster.servers()[0].url());
    add("MS_TEST_CONTROL".to_owned(), cluster.control_socket().display().to_string());
    add("MS_TEST_CA".to_owned(), cluster.certificates().ca.display().to_string());
    add("MS_TEST_WRONG_CA".to_owned(), cluster.certificates().wrong_ca.display().to_string());
    list
}

/// The variables as a file that a shell can read.
pub(super) fn script(variables: &[(String, String)]) -> String {
    // A quote inside quotes is written by leaving them; only the path of a temporary folder could hold one.
    variables.iter().map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''"))).collect()
}

/// `PRIMARY`, `PRIMARY_2`, `REPLICA_1` …
fn suffix(server: &str) -> String {
    let digits = server.find(|c: char| c.is_ascii_digit()).unwrap_or(server.len());
    let (word, number) = server.split_at(digits);
    let separator = if number.is_empty() { "" } else { "_" };
    format!("{}{separator}{number}", word.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_servers() {
        for (server, expected) in
            [("primary", "PRIMARY"), ("primary2", "PRIMARY_2"), ("replica10", "REPLICA_10"), ("server1", "SERVER_1")]
        {
            assert_eq!(suffix(server), expected);
        }
    }

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        assert_eq!(script(&[("A".to_owned(), "it's".to_owned())]), "export A='it'\\''s'\n");
    }
}
