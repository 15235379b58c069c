//! `tls`: of a section, and of a server entry on top of it.

use std::path::PathBuf;

use super::object::{Field, Object, listed};
use crate::{
    Tls, TlsMode,
    report::{Problem, Report},
};

const KEYS: &[&str] = &["mode", "ca", "cert", "key"];
const ACCEPTED: &str = "an object with `mode`, `ca`, `cert`, `key`";

/// `base` with the keys of `field` on top.
pub(super) fn lower(report: &mut Report<'_>, field: Option<&Field<'_>>, base: &Tls) -> Tls {
    let mut tls = base.clone();
    let Some(object) = field.and_then(|field| Object::expect(report, field, ACCEPTED)) else { return tls };
    object.warn_unknown(report, KEYS);

    if let Some(field) = object.get("mode")
        && let Some(name) = field.text(report, &listed(TlsMode::NAMES))
    {
        match TlsMode::named(name) {
            Some(mode) => tls.mode = mode,
            None => {
                let problem = Problem::error(format!("unknown mode `{name}`")).accepted(listed(TlsMode::NAMES));
                report.add(field.at(), problem.meant(name, TlsMode::NAMES.iter().copied()));
            }
        }
    }
    let mut path = |key: &str, value: &mut Option<PathBuf>| {
        if let Some(field) = object.get(key)
            && let Some(path) = field.text(report, "the path of a PEM file")
        {
            *value = Some(PathBuf::from(path));
        }
    };
    path("ca", &mut tls.ca);
    path("cert", &mut tls.cert);
    path("key", &mut tls.key);

    if tls.cert.is_some() != tls.key.is_some() {
        let (given, missing) = if tls.cert.is_some() { ("cert", "key") } else { ("key", "cert") };
        report.add(object.at(), Problem::error(format!("`{given}` is of no use without `{missing}`")));
    }
    if tls.mode == TlsMode::Disabled && (tls.ca.is_some() || tls.cert.is_some()) {
        report.add(object.at(), Problem::warning("mode `disabled` makes no use of certificates"));
    }
    tls
}
