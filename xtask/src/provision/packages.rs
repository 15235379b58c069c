//! Which packages a server program needs to run, computed from what the archive offers.
//!
//! Nothing is installed, so nothing asks apt to resolve dependencies. What is wanted is smaller than an installation anyway: the
//! server and the shared libraries it loads. Both facts are in `apt-cache dumpavail`, so the closure is computed here, and it
//! follows **libraries only** (section `libs`): no interpreter, no debconf, no maintainer scripts.
//!
//! Version restrictions are not looked at. One suite at a time is read, and a suite is consistent in itself. A dependency that
//! nothing offers is left out as well: the trial run of the unpacked program decides whether it mattered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::flavor::Version;

/// Libraries that are dependencies on paper but not needed to run a server.
const NOT_NEEDED: [&str; 5] =
    ["libc-gconv-modules", "libc-gconv-modules-extra", "libtirpc-common", "libsasl2-modules-db", "libdb5.3t64"];

/// One package as the archive offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name, without version or architecture.
    pub name: String,
    /// Its version with epoch and revision, as in `1:10.11.19-0+deb12u1`.
    pub version: String,
    /// Bytes to download.
    pub size: u64,
    library: bool,
    /// Every inner list holds alternatives, one of which is enough.
    depends: Vec<Vec<String>>,
    provides: Vec<String>,
}

impl Package {
    /// The version of the program inside, without the packaging around it.
    #[must_use]
    pub fn upstream_version(&self) -> Option<Version> {
        let without_epoch = self.version.split_once(':').map_or(self.version.as_str(), |(_, rest)| rest);
        without_epoch.parse().ok()
    }
}

/// What an archive offers.
#[derive(Debug, Default)]
pub struct Packages {
    by_name: BTreeMap<String, Package>,
    providers: HashMap<String, Vec<String>>,
}

impl Packages {
    /// Reads the output of `apt-cache dumpavail`.
    #[must_use]
    pub fn parse(dump: &str) -> Self {
        let mut packages = Self::default();
        for stanza in dump.split("\n\n") {
            if let Some(package) = parse_stanza(stanza) {
                for virtual_name in &package.provides {
                    packages.providers.entry(virtual_name.clone()).or_default().push(package.name.clone());
                }
                packages.by_name.entry(package.name.clone()).or_insert(package);
            }
        }
        packages
    }

    /// The newest package called `name` or `name-<version>`, as in `mysql-server-core-8.0`.
    #[must_use]
    pub fn newest(&self, name: &str) -> Option<&Package> {
        let versioned = |candidate: &str| {
            let suffix = candidate.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
            suffix.is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
        };
        self.by_name.values().filter(|it| it.name == name || versioned(&it.name)).max_by_key(|it| it.upstream_version())
    }

    /// The package `root` and every library it needs, directly or not, ordered by name.
    #[must_use]
    pub fn closure<'a>(&'a self, root: &'a Package) -> Vec<&'a Package> {
        let mut found = BTreeSet::from([root.name.as_str()]);
        let mut open = vec![root];
        while let Some(package) = open.pop() {
            for alternatives in &package.depends {
                if let Some(library) = self.choose(alternatives, &found)
                    && found.insert(&library.name)
                {
                    open.push(library);
                }
            }
        }
        found.into_iter().filter_map(|name| self.by_name.get(name)).collect()
    }

    /// The library that satisfies one dependency: one already chosen, else the first alternative that exists.
    fn choose(&self, alternatives: &[String], found: &BTreeSet<&str>) -> Option<&Package> {
        let mut candidates = alternatives
            .iter()
            .flat_map(|name| {
                let real = self.by_name.get(name);
                let provided = self.providers.get(name).into_iter().flatten().filter_map(|it| self.by_name.get(it));
                real.into_iter().chain(provided)
            })
            .filter(|it| it.library && !NOT_NEEDED.contains(&it.name.as_str()));
        let first = candidates.next()?;
        if found.contains(first.name.as_str()) {
            return Some(first);
        }
        Some(candidates.find(|it| found.contains(it.name.as_str())).unwrap_or(first))
    }
}

fn parse_stanza(stanza: &str) -> Option<Package> {
    let (mut name, mut version, mut size, mut library) = (None, "", 0, false);
    let (mut depends, mut provides) = (Vec::new(), Vec::new());
    for line in stanza.lines() {
        let Some((field, value)) = line.split_once(": ") else {
            continue;
        };
        match field {
            "Package" => name = Some(value),
            "Version" => version = value,
            "Size" => size = value.parse().unwrap_or(0),
            // Ubuntu writes `universe/libs`.
            "Section" => library = value.rsplit('/').next() == Some("libs"),
            "Depends" | "Pre-Depends" => {
                depends.extend(value.split(',').map(|it| it.split('|').map(bare_name).collect()));
            }
            "Provides" => provides.extend(value.split(',').map(bare_name)),
            _ => {}
        }
    }
    Some(Package { name: name?.to_owned(), version: version.to_owned(), size, library, depends, provides })
}

/// `libc6` out of ` libc6:any (>= 2.34)`.
fn bare_name(relation: &str) -> String {
    let relation = relation.trim();
    relation.split([' ', ':', '(']).next().unwrap_or(relation).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_libraries_to_the_end() {
        check(&[("server", "liba"), ("liba", "libb"), ("libb", ""), ("libc", "")], "liba libb server");
    }

    #[test]
    fn strips_versions_and_architectures() {
        check(
            &[("server", "liba (>= 1:2.3~), libb:any,libc(<<2)"), ("liba", ""), ("libb", ""), ("libc", "")],
            "liba libb libc server",
        );
    }

    #[test]
    fn takes_the_first_alternative_that_exists() {
        check(&[("server", "libgone | libb | liba"), ("liba", ""), ("libb", "")], "libb server");
    }

    #[test]
    fn prefers_an_alternative_already_chosen() {
        check(&[("server", "libb, liba | libb"), ("liba", ""), ("libb", "")], "libb server");
    }

    #[test]
    fn finds_the_provider_of_a_virtual_package() {
        check(&[("server", "libvirtual"), ("libreal+libvirtual", "")], "libreal server");
    }

    #[test]
    fn leaves_programs_and_what_nobody_offers_out() {
        check(
            &[("server", "perl:any, libgone, liba"), ("perl", "libperl"), ("libperl", ""), ("liba", "")],
            "liba server",
        );
    }

    #[test]
    fn leaves_the_skipped_libraries_out() {
        check(
            &[("server", "libc6"), ("libc6", "libc-gconv-modules-extra"), ("libc-gconv-modules-extra", "")],
            "libc6 server",
        );
    }

    #[test]
    fn survives_a_circle() {
        check(&[("server", "liba"), ("liba", "libb"), ("libb", "liba")], "liba libb server");
    }

    #[test]
    fn reads_the_fields_of_a_real_stanza() {
        let packages = Packages::parse(
            "Package: mariadb-server-core\nSource: mariadb\nVersion: 1:10.11.19-0+deb12u1\nPre-Depends: libc6 (>= 2.36)\n\
             Depends: libaio1\nProvides: virtual-mysql-server-core (= 1)\nDescription: a server\n with: a second line\n\
             Section: universe/database\nSize: 7342456\n",
        );
        let package = packages.newest("mariadb-server-core").unwrap();
        assert_eq!((package.size, package.library), (7_342_456, false));
        assert_eq!(package.depends, [["libc6"], ["libaio1"]]);
        assert_eq!(package.provides, ["virtual-mysql-server-core"]);
        assert_eq!(package.upstream_version().unwrap().to_string(), "10.11.19");
    }

    #[test]
    fn newest_of_a_family_goes_by_version_number() {
        let dump = "Package: s\nVersion: 9.1.0-1\n\nPackage: s-8.0\nVersion: 8.0.36\n\nPackage: s-10.6\nVersion: 1:10.6.18\n\n\
                    Package: s-extra\nVersion: 99.0";
        assert_eq!(Packages::parse(dump).newest("s").unwrap().name, "s-10.6");
        assert_eq!(Packages::parse(dump).newest("t"), None);
    }

    /// Rows are a name (`name+virtual` where it provides one) and its dependencies; names starting with `lib` are libraries.
    #[track_caller]
    fn check(rows: &[(&str, &str)], expected: &str) {
        let dump: Vec<_> = rows
            .iter()
            .map(|(name, depends)| {
                let (name, provides) = name.split_once('+').unwrap_or((name, ""));
                let section = if name.starts_with("lib") { "libs" } else { "database" };
                format!("Package: {name}\nVersion: 1\nDepends: {depends}\nProvides: {provides}\nSection: {section}\n")
            })
            .collect();
        let packages = Packages::parse(&dump.join("\n"));
        let names: Vec<_> = packages.closure(&packages.by_name["server"]).iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names.join(" "), expected);
    }
}
