//! Where this machine gets its packages from.
//!
//! Servers are downloaded from the archive the machine itself trusts: same mirror, same keys. apt has two file forms for that,
//! one entry per line (`deb [signed-by=K] URI SUITE COMPONENT…`) and stanzas of fields (deb822, files ending in `.sources`). Both
//! are read here and written back as stanzas into a private list.
//!
//! Only the distribution's own archive is kept. Third-party repositories hold other builds of the same servers, and one that
//! is broken must not stop anybody's tests.

use std::{fs, io, path::Path};

/// One archive entry: some suites of some mirrors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The mirrors, all with the same content.
    pub uris: Vec<String>,
    /// `bookworm`, `bookworm-updates` …
    pub suites: Vec<String>,
    /// `main`, `universe` …
    pub components: Vec<String>,
    /// The fields that decide about trust, as they were written; a key may be given in full, over many lines.
    pub trust: Vec<(String, String)>,
}

/// The fields kept: keys, and what snapshots of old archives need.
const TRUST_FIELDS: [&str; 5] = ["Signed-By", "Trusted", "Check-Valid-Until", "Allow-Insecure", "Allow-Weak"];

impl Entry {
    /// Whether this is the distribution's own archive.
    #[must_use]
    pub fn is_archive(&self) -> bool {
        if !self.components.iter().any(|it| it == "main") {
            return false;
        }
        match self.trust.iter().find(|(field, _)| field == "Signed-By") {
            // A path names its owner; a key given in full does not.
            Some((_, key)) if key.contains('/') && !key.contains("BEGIN PGP") => {
                key.contains("debian-archive") || key.contains("ubuntu-archive")
            }
            _ => self.uris.iter().any(|it| names_an_archive(it)),
        }
    }

    /// Whether this is Debian's main archive, the one that has an `unstable` suite.
    #[must_use]
    pub fn is_debian_main(&self) -> bool {
        let security = |it: &String| it.contains("security");
        let ubuntu = self.uris.iter().any(|it| it.contains("ubuntu"));
        self.is_archive() && !ubuntu && !self.suites.iter().any(security) && !self.uris.iter().any(security)
    }

    /// The same mirrors and keys with other suites.
    #[must_use]
    pub fn with_suite(&self, suite: &str) -> Self {
        Self { suites: vec![suite.to_owned()], components: vec!["main".to_owned()], ..self.clone() }
    }

    /// This entry as a stanza that makes apt fetch package lists for one architecture and nothing else.
    #[must_use]
    pub fn to_stanza(&self, architecture: &str) -> String {
        let mut stanza = format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\nArchitectures: {architecture}\nTargets: Packages\n",
            self.uris.join(" "),
            self.suites.join(" "),
            self.components.join(" "),
        );
        for (field, value) in &self.trust {
            stanza += &format!("{field}: {value}\n");
        }
        stanza
    }
}

/// The archive entries of this machine, from `sources.list` and `sources.list.d` below `etc_apt`.
///
/// Where no entry looks like the distribution's own archive (an in-house mirror), all of them are returned.
///
/// # Errors
///
/// Fails when `sources.list.d` exists and cannot be read. Missing files are empty files.
pub fn machine_archive(etc_apt: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = parse_lines(&fs::read_to_string(etc_apt.join("sources.list")).unwrap_or_default());
    let mut files = match fs::read_dir(etc_apt.join("sources.list.d")) {
        Ok(files) => files.collect::<Result<Vec<_>, _>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files.iter().map(fs::DirEntry::path) {
        // An unreadable file (third-party sources with a password in them) is not the distribution's.
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        match file.extension().and_then(|it| it.to_str()) {
            Some("list") => entries.extend(parse_lines(&text)),
            Some("sources") => entries.extend(parse_stanzas(&text)),
            _ => {}
        }
    }

    let own: Vec<_> = entries.iter().filter(|it| it.is_archive()).cloned().collect();
    Ok(if own.is_empty() { entries } else { own })
}

/// Reads the form with one entry per line.
fn parse_lines(text: &str) -> Vec<Entry> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?;
    let mut rest = line.trim().strip_prefix("deb")?;
    // `deb-src` also starts with `deb`.
    if !rest.starts_with([' ', '\t', '[']) {
        return None;
    }
    let mut trust = Vec::new();
    if let Some(bracketed) = rest.trim_start().strip_prefix('[') {
        let (options, after) = bracketed.split_once(']')?;
        rest = after;
        for (key, value) in options.split_whitespace().filter_map(|it| it.split_once('=')) {
            if let Some(field) = TRUST_FIELDS.into_iter().find(|it| it.eq_ignore_ascii_case(key)) {
                trust.push((field.to_owned(), value.replace(',', " ")));
            }
        }
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (uri, suite) = (words.next()?, words.next()?);
    let components: Vec<_> = words.collect();
    (!uri.starts_with("cdrom:")).then(|| Entry { uris: vec![uri], suites: vec![suite], components, trust })
}

/// Reads the form with one stanza per entry.
fn parse_stanzas(text: &str) -> Vec<Entry> {
    // A comment may stand between the lines of a field and does not end the stanza.
    let lines: Vec<_> = text.lines().filter(|it| !it.starts_with('#')).collect();
    lines.split(|it| it.trim().is_empty()).filter_map(parse_stanza).collect()
}

fn parse_stanza(lines: &[&str]) -> Option<Entry> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut()?;
            value.push('\n');
            value.push_str(line);
        } else {
            let (field, value) = line.split_once(':')?;
            fields.push((field, value.trim().to_owned()));
        }
    }
    let field =
        |name: &str| fields.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let words = |name: &str| field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>();

    let disabled = field("Enabled").is_some_and(|it| it.eq_ignore_ascii_case("no"));
    let (uris, suites) = (words("URIs"), words("Suites"));
    if disabled || uris.is_empty() || suites.is_empty() || !words("Types").iter().any(|it| it == "deb") {
        return None;
    }
    let trust = TRUST_FIELDS.into_iter().filter_map(|it| Some((it.to_owned(), field(it)?.to_owned()))).collect();
    Some(Entry { uris, suites, components: words("Components"), trust })
}

/// Whether a mirror's address ends in an archive's customary folder, or is a list of mirrors that an image was given.
fn names_an_archive(uri: &str) -> bool {
    const FOLDERS: [&str; 4] = ["debian", "debian-security", "ubuntu", "ubuntu-ports"];
    uri.starts_with("mirror") || uri.split('/').skip(3).any(|it| FOLDERS.contains(&it))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn reads_lines_with_and_without_options() {
        check(
            &parse_lines(
                "# the archive\n\
                 deb http://archive.example/debian bookworm main contrib # trailing\n\
                 deb-src http://archive.example/debian bookworm main\n\
                 deb [ arch=amd64,arm64 signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg ] http://a.example/ubuntu noble main\n\
                 deb [trusted=yes check-valid-until=no] http://b.example/debian/ trixie main\n\
                 deb cdrom:[Debian 12]/ bookworm main\n",
            ),
            &expect![[r#"
                http://archive.example/debian | bookworm | main contrib | [] | archive
                http://a.example/ubuntu | noble | main | [("Signed-By", "/usr/share/keyrings/ubuntu-archive-keyring.gpg")] | archive
                http://b.example/debian/ | trixie | main | [("Trusted", "yes"), ("Check-Valid-Until", "no")] | archive
            "#]],
        );
    }

    #[test]
    fn reads_stanzas() {
        check(
            &parse_stanzas(
                "Types: deb deb-src\n# a snapshot\nURIs: http://archive.example/debian\n http://second.example/debian\n\
                 suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\
                 \n\
                 Types: deb\nURIs: http://x.example/debian\nSuites: s\nComponents: main\nEnabled: no\n\
                 \n\
                 Types: deb-src\nURIs: http://x.example/debian\nSuites: s\nComponents: main\n",
            ),
            &expect![[r#"
                http://archive.example/debian http://second.example/debian | bookworm bookworm-updates | main | [("Signed-By", "/usr/share/keyrings/debian-archive-keyring.gpg")] | archive
            "#]],
        );
    }

    #[test]
    fn keeps_a_key_given_in_full() {
        let entries = parse_stanzas(
            "Types: deb\nURIs: mirror+file:/etc/apt/mirrors/debian.list\nSuites: trixie\nComponents: main\n\
             Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc/def=\n -----END PGP PUBLIC KEY BLOCK-----\n",
        );
        expect![[r#"
            Types: deb
            URIs: mirror+file:/etc/apt/mirrors/debian.list
            Suites: trixie
            Components: main
            Architectures: arm64
            Targets: Packages
            Signed-By: 
             -----BEGIN PGP PUBLIC KEY BLOCK-----
             .
             abc/def=
             -----END PGP PUBLIC KEY BLOCK-----
        "#]]
        .assert_eq(&entries[0].to_stanza("arm64"));
        assert!(entries[0].is_archive() && entries[0].is_debian_main());
    }

    #[test]
    fn third_parties_are_not_the_archive() {
        check(
            &parse_lines(
                "deb https://download.docker.example/linux/debian bookworm stable\n\
                 deb [signed-by=/etc/apt/keyrings/mariadb.asc] https://mirror.example/repo/11.4/debian bookworm main\n\
                 deb https://deb.nodesource.example/node_20.x nodistro main\n",
            ),
            &expect![[r#"
                https://download.docker.example/linux/debian | bookworm | stable | [] | third party
                https://mirror.example/repo/11.4/debian | bookworm | main | [("Signed-By", "/etc/apt/keyrings/mariadb.asc")] | third party
                https://deb.nodesource.example/node_20.x | nodistro | main | [] | third party
            "#]],
        );
    }

    #[test]
    fn only_debians_main_archive_has_an_unstable_suite() {
        let lines = "deb http://archive.example/debian-security bookworm-security main\n\
                     deb http://archive.ubuntu.com/ubuntu noble main\n\
                     deb http://snapshot.example/archive/debian/20250520T000000Z bookworm main\n";
        let main: Vec<_> = parse_lines(lines).into_iter().filter(Entry::is_debian_main).collect();
        let [entry] = main.as_slice() else { panic!("{main:?}") };
        assert_eq!(entry.with_suite("unstable").suites, ["unstable"]);
        assert!(entry.uris[0].starts_with("http://snapshot"));
    }

    #[track_caller]
    fn check(entries: &[Entry], expected: &Expect) {
        let mut text = String::new();
        for it in entries {
            let kind = if it.is_archive() { "archive" } else { "third party" };
            let (uris, suites, components) = (it.uris.join(" "), it.suites.join(" "), it.components.join(" "));
            text += &format!("{uris} | {suites} | {components} | {:?} | {kind}\n", it.trust);
        }
        expected.assert_eq(&text);
    }
}
