//! Servers that are installed already.
//!
//! The shell of an ordinary user has no `sbin` folders on its `PATH`, and that is where Debian and Ubuntu put servers; so the
//! customary folders are looked at as well.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{Flavor, Installation, Origin};

/// Folders of servers that are often not on `PATH`.
const CUSTOMARY: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/usr/libexec", "/usr/local/mysql/bin"];

/// The first acceptable server of this flavour that is installed.
pub(super) async fn find(flavor: Flavor) -> Option<Installation> {
    let path = env::var_os("PATH").unwrap_or_default();
    for program in candidates(flavor, env::split_paths(&path)) {
        if program.is_file()
            && let Ok(found) = Installation::examine(flavor, &program, Origin::Installed).await
        {
            return Some(found);
        }
    }
    None
}

fn candidates(flavor: Flavor, path: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    // Older MariaDB packages call their server `mysqld`, so a MariaDB may stand under both names.
    let names: &[&str] = match flavor {
        Flavor::MariaDb => &["mariadbd", "mysqld"],
        Flavor::MySql => &["mysqld"],
    };
    let folders: Vec<_> = path.chain(CUSTOMARY.iter().map(PathBuf::from)).filter(|it| it.is_absolute()).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder: &PathBuf| Path::join(folder, name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_on_the_path_first_and_never_below_the_current_folder() {
        let path = ["/opt/db/bin", "bin", ""].map(PathBuf::from);
        let found = candidates(Flavor::MySql, path.into_iter());
        assert_eq!(found.first().map(PathBuf::as_path), Some(Path::new("/opt/db/bin/mysqld")));
        assert!(found.contains(&"/usr/sbin/mysqld".into()));
        assert!(found.iter().all(|it| it.is_absolute()), "{found:?}");
    }
}
