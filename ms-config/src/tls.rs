//! Encryption towards servers.

use std::path::PathBuf;

/// Whether and how connections are encrypted: the `tls` object of a section or a server entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// How much is demanded.
    pub mode: TlsMode,
    /// Certificates to trust (PEM), as written.
    pub ca: Option<PathBuf>,
    /// The client's certificate (PEM), as written; never without `key`.
    pub cert: Option<PathBuf>,
    /// The key of `cert` (PEM), as written; never without `cert`.
    pub key: Option<PathBuf>,
}

/// How much encryption is demanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsMode {
    /// `disabled`: none.
    Disabled,
    /// `preferred`: where the server can; the default.
    #[default]
    Preferred,
    /// `required`: always, with whoever answers.
    Required,
    /// `verify_ca`: always, with a certificate of a trusted authority.
    VerifyCa,
    /// `verify_identity`: always, and the certificate names the host.
    VerifyIdentity,
}

impl TlsMode {
    /// The spellings in files.
    pub(crate) const NAMES: &'static [&'static str] =
        &["disabled", "preferred", "required", "verify_ca", "verify_identity"];

    /// The mode called `name`, in any case, with `_` or `-`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().replace('-', "_").as_str() {
            "disabled" => Some(Self::Disabled),
            "preferred" => Some(Self::Preferred),
            "required" => Some(Self::Required),
            "verify_ca" => Some(Self::VerifyCa),
            "verify_identity" => Some(Self::VerifyIdentity),
            _ => None,
        }
    }
}
