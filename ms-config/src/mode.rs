//! How far a service trusts its replicas.

/// How far statements leave the primaries: the steps of moving a service to read-write splitting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Everything runs on the primaries.
    PrimaryOnly,
    /// Everything runs on the primaries, and where it would have gone is on record.
    Observe,
    /// Replicas run what asks for one.
    OptIn,
    /// Replicas run what may run there; the default.
    #[default]
    Auto,
}

impl Mode {
    /// The spellings in files and in the environment.
    pub(crate) const NAMES: &'static [&'static str] = &["primary_only", "observe", "opt_in", "auto"];

    /// The mode called `name`, in any case; `-` may stand for `_`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().replace('-', "_").as_str() {
            "primary_only" => Some(Self::PrimaryOnly),
            "observe" => Some(Self::Observe),
            "opt_in" => Some(Self::OptIn),
            "auto" => Some(Self::Auto),
            _ => None,
        }
    }

    /// The spelling in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrimaryOnly => "primary_only",
            Self::Observe => "observe",
            Self::OptIn => "opt_in",
            Self::Auto => "auto",
        }
    }
}
