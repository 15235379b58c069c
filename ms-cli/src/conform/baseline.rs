//! What is not expected to pass yet.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// Names of scenarios, from a file with one per line; `#` begins a comment line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Baseline(BTreeSet<String>);

/// The file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the baseline `{}`", path.display())]
pub(crate) struct BaselineError {
    path: PathBuf,
    source: io::Error,
}

impl Baseline {
    pub(crate) fn read(path: &Path) -> Result<Self, BaselineError> {
        let text = fs::read_to_string(path);
        text.map(|text| Self::parse(&text)).map_err(|source| BaselineError { path: path.to_owned(), source })
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        Self(lines.filter(|it| !it.is_empty() && !it.starts_with('#')).map(str::to_owned).collect())
    }

    /// Whether the scenario is not expected to pass.
    pub(crate) fn names(&self, scenario: &str) -> bool {
        self.0.contains(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_name_nothing() {
        let baseline = Baseline::parse("# why\n\none: two\r\n  three  \n");
        assert!(baseline.names("one: two") && baseline.names("three"));
        assert_eq!(baseline.0.len(), 2);
    }
}
