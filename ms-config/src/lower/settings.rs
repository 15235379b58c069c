//! Switches of a section and of the environment.

use super::object::{Object, listed};
use crate::{
    Compat, Diagnostic, Mode, Settings, Severity, read,
    report::{Problem, Report},
    suggest::suggest,
};

/// The keys of a section that set a switch.
pub(super) const KEYS: &[&str] =
    &["enable", "multi_master", "disable_rw_split", "force_config_usage", "collect_statistics", "compat", "mode"];

/// What a section says.
pub(super) fn lower(report: &mut Report<'_>, section: &Object<'_>) -> Settings {
    let mut switch = |key: &str| {
        let field = section.get(key)?;
        read::switch(report, field.at(), field.node)
    };
    let mut settings = Settings {
        enable: switch("enable"),
        config_file: None,
        multi_master: switch("multi_master"),
        disable_rw_split: switch("disable_rw_split"),
        force_config_usage: switch("force_config_usage"),
        collect_statistics: switch("collect_statistics"),
        compat: None,
        mode: None,
    };
    if let Some(field) = section.get("force_config_usage") {
        let message = "decides what becomes of names that are no section, so a section cannot say it";
        report.add(field.at_key(), Problem::warning(message));
    }
    if let Some(field) = section.get("compat")
        && let Some(name) = field.text(report, &listed(Compat::NAMES))
    {
        settings.compat = Compat::named(name);
        if settings.compat.is_none() {
            let problem = Problem::error(format!("unknown mode `{name}`")).accepted(listed(Compat::NAMES));
            report.add(field.at(), problem.meant(name, Compat::NAMES.iter().copied()));
        }
    }
    if let Some(field) = section.get("mode")
        && let Some(name) = field.text(report, &listed(Mode::NAMES))
    {
        settings.mode = Mode::named(name);
        if settings.mode.is_none() {
            let problem = Problem::error(format!("unknown mode `{name}`")).accepted(listed(Mode::NAMES));
            report.add(field.at(), problem.meant(name, Mode::NAMES.iter().copied()));
        }
    }
    settings
}

/// What the environment says.
pub(crate) fn from_vars(var: impl Fn(&str) -> Option<String>) -> (Settings, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let var = |name: &str| var(name).filter(|value| !value.is_empty());
    let mut refuse = |name: &str, value: &str, accepted: String, suggestion: Option<&str>| {
        diagnostics.push(Diagnostic {
            severity: Severity::Error,
            file: "environment".into(),
            position: None,
            path: name.to_owned(),
            message: format!("invalid value `{value}`"),
            accepted: Some(accepted),
            suggestion: suggestion.map(str::to_owned),
        });
    };

    let mut switch = |name: &str| {
        let value = var(name)?;
        let switch = read::word(&value).or_else(|| value.eq_ignore_ascii_case("no").then_some(false));
        if switch.is_none() {
            refuse(name, &value, read::SWITCH.to_owned(), None);
        }
        switch
    };
    let mut settings = Settings {
        enable: switch("MYSQL_MS_ENABLE"),
        config_file: var("MYSQL_MS_CONFIG_FILE"),
        multi_master: switch("MYSQL_MS_MULTI_MASTER"),
        disable_rw_split: switch("MYSQL_MS_DISABLE_RW_SPLIT"),
        force_config_usage: switch("MYSQL_MS_FORCE_CONFIG_USAGE"),
        collect_statistics: switch("MYSQL_MS_COLLECT_STATISTICS"),
        compat: None,
        mode: None,
    };
    if let Some(value) = var("MYSQL_MS_MODE") {
        settings.mode = Mode::named(&value);
        if settings.mode.is_none() {
            let names = Mode::NAMES.iter().copied();
            refuse("MYSQL_MS_MODE", &value, listed(Mode::NAMES), suggest(&value, names));
        }
    }
    if let Some(value) = var("MYSQL_MS_COMPAT") {
        settings.compat = Compat::named(&value);
        if settings.compat.is_none() {
            let names = Compat::NAMES.iter().copied();
            refuse("MYSQL_MS_COMPAT", &value, listed(Compat::NAMES), suggest(&value, names));
        }
    }
    (settings, diagnostics)
}
