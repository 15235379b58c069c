//! As the original did, or strict.

/// Which of two behaviours is asked for where the original's was a trap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compat {
    /// What the original did.
    Classic,
    /// What is safe; the default.
    #[default]
    Strict,
}

impl Compat {
    /// The spellings in files and in the environment.
    pub(crate) const NAMES: &'static [&'static str] = &["classic", "strict"];

    /// The mode called `name`, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "classic" => Some(Self::Classic),
            "strict" => Some(Self::Strict),
            _ => None,
        }
    }

    /// The spelling in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Strict => "strict",
        }
    }
}
