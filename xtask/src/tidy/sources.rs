//! What the text of a crate must and must not hold.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::TidyError;

/// Crates that decide: same arguments, same answer.
const PURE: &[&str] = &["ms-config", "ms-filters", "ms-gtid", "ms-hints", "ms-xa", "ms-fabric"];

/// What makes an answer depend on more than the arguments.
const IMPURE: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "std::env",
    "std::fs",
    // Addresses are values; what opens sockets is not.
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "UnixStream",
    "std::process",
    "fastrand",
    "rand::",
    "println!",
];

/// Module names that say nothing about what is inside.
const NAMELESS: &[&str] = &["utils.rs", "util.rs", "helpers.rs", "common.rs", "misc.rs"];

/// Every broken rule, as a sentence with the file's name.
pub(super) fn problems(root: &Path) -> Result<Vec<String>, TidyError> {
    let mut problems = Vec::new();
    for package in PURE.iter().chain(&["ms-pool", "ms-cli", "xtask"]) {
        let sources = root.join(package).join("src");
        let mut files = Vec::new();
        rust_files(&sources, &mut files)?;
        for file in files {
            let text = fs::read_to_string(&file).map_err(|source| unreadable(&file, source))?;
            let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            problems.extend(check(&name, &text, PURE.contains(package)));
        }
    }
    Ok(problems)
}

fn check(name: &str, text: &str, pure: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let is_root = ["src/lib.rs", "src/main.rs"].iter().any(|root| name.ends_with(root));
    if is_root && !text.contains("#![forbid(unsafe_code)]") {
        problems.push(format!("{name}: lacks #![forbid(unsafe_code)]"));
    }
    if NAMELESS.iter().any(|nameless| name.rsplit('/').next() == Some(nameless)) {
        problems.push(format!("{name}: name the file after the idea in it"));
    }
    if pure {
        // Tests come last in a file and may do what they like; so may a module that is tests as a whole.
        let shipped = if name.contains("/tests") { "" } else { text.split("#[cfg(test)]\nmod").next().unwrap_or(text) };
        for (line, code) in (1..).zip(shipped.lines()) {
            let code = code.split("//").next().unwrap_or(code);
            for impure in IMPURE.iter().filter(|impure| code.contains(**impure)) {
                problems.push(format!("{name}:{line}: `{impure}` makes a decision depend on more than its arguments"));
            }
        }
    }
    problems
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), TidyError> {
    for entry in fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
        let path = entry.map_err(|source| unreadable(folder, source))?.path();
        if path.is_dir() {
            rust_files(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    into.sort();
    Ok(())
}

fn unreadable(path: &Path, source: std::io::Error) -> TidyError {
    TidyError::Read { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_forbids_unsafe_code() {
        assert_eq!(check("ms-x/src/lib.rs", "//! x\n", false).len(), 1);
        assert_eq!(check("ms-x/src/lib.rs", "#![forbid(unsafe_code)]\n", false), Vec::<String>::new());
    }

    #[test]
    fn a_deciding_crate_reads_no_clock() {
        let code = "fn f() { let now = Instant::now(); }\n";
        assert_eq!(check("ms-x/src/a.rs", code, true).len(), 1);
        assert_eq!(check("ms-x/src/a.rs", code, false), Vec::<String>::new());
        assert_eq!(check("ms-x/src/a.rs", "// not Instant::now\n", true), Vec::<String>::new());
        assert_eq!(
            check("ms-x/src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{code}}}\n"), true),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_file_is_named_after_its_idea() {
        assert_eq!(check("ms-x/src/utils.rs", "", false).len(), 1);
    }
}
