//! What was given behind `--`, read as `cargo test` would read it.
//!
//! `cargo test [OPTIONS] [NAME] [-- OPTIONS]`: cargo builds what the first options select, and hands the name and the last options
//! to every test program. Because the programs are not run by cargo here, the three have to be told apart.

/// Options of `cargo test` that are followed by a value of their own.
const WITH_VALUE: &[&str] = &[
    "-p",
    "--package",
    "--exclude",
    "--bin",
    "--example",
    "--test",
    "--bench",
    "-F",
    "--features",
    "-j",
    "--jobs",
    "--profile",
    "--target",
    "--target-dir",
    "--manifest-path",
    "--color",
    "--config",
    "-Z",
];

/// Options that select some of the targets, and with them no documentation.
const TARGETS: &[&str] =
    &["--lib", "--bin", "--bins", "--example", "--examples", "--test", "--tests", "--bench", "--benches"];

/// The arguments by who is to get them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    cargo: Vec<String>,
    /// A part of the names of the tests to run.
    pub(super) filter: Option<String>,
    /// For the test programs.
    pub(super) harness: Vec<String>,
    /// Whether documentation is tested too.
    pub(super) doc_tests: bool,
}

impl Arguments {
    /// Tells them apart.
    pub(super) fn split(words: &[String]) -> Self {
        let mut it = Self { doc_tests: true, ..Self::default() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                it.harness = words.cloned().collect();
                break;
            }
            let option = word.split_once('=').map_or(word.as_str(), |(option, _)| option);
            it.doc_tests &= !TARGETS.contains(&option);
            if !word.starts_with('-') && it.filter.is_none() {
                it.filter = Some(word.clone());
                continue;
            }
            it.cargo.push(word.clone());
            if WITH_VALUE.contains(&word.as_str()) {
                it.cargo.extend(words.next().cloned());
            }
        }
        it
    }

    /// What selects and builds the tests; the whole workspace unless packages are named.
    pub(super) fn for_cargo(&self) -> impl Iterator<Item = &str> {
        let names_package = |it: &String| it.starts_with("-p") || it.starts_with("--package") || it == "--workspace";
        let workspace = (!self.cargo.iter().any(names_package)).then_some("--workspace");
        workspace.into_iter().chain(self.cargo.iter().map(String::as_str))
    }

    /// Whether the user wants to see what passing tests print.
    pub(super) fn shows_output(&self) -> bool {
        self.harness.iter().any(|it| it == "--nocapture" || it == "--no-capture" || it == "--show-output")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_tested_when_nothing_is_said() {
        check("", "--workspace", None, "", true);
        check("--release", "--workspace --release", None, "", true);
    }

    #[test]
    fn a_package_takes_the_place_of_the_workspace() {
        check("-p ms-pool", "-p ms-pool", None, "", true);
        check("--package=ms-pool", "--package=ms-pool", None, "", true);
    }

    #[test]
    fn a_bare_word_is_a_name_unless_an_option_wants_it() {
        check("hints", "--workspace", Some("hints"), "", true);
        check("-p ms-pool hints", "-p ms-pool", Some("hints"), "", true);
        check("--test cluster_routing", "--workspace --test cluster_routing", None, "", false);
    }

    #[test]
    fn the_rest_goes_to_the_test_programs() {
        check("hints -- --nocapture", "--workspace", Some("hints"), "--nocapture", true);
        check("-- --skip -- x", "--workspace", None, "--skip -- x", true);
    }

    #[test]
    fn selected_targets_leave_the_documentation_out() {
        check("--lib", "--workspace --lib", None, "", false);
        check("--bin=ms", "--workspace --bin=ms", None, "", false);
    }

    #[track_caller]
    fn check(words: &str, cargo: &str, filter: Option<&str>, harness: &str, doc_tests: bool) {
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        let it = Arguments::split(&words);
        assert_eq!(it.for_cargo().collect::<Vec<_>>().join(" "), cargo);
        assert_eq!((it.filter.as_deref(), it.harness.join(" ").as_str(), it.doc_tests), (filter, harness, doc_tests));
    }
}
