//! Switches from code, environment and section.
//!
//! Four places can set a switch, the first that does wins: the program, the environment (`MYSQL_MS_…`), the
//! section, the default. [`Settings`] is one place's say, with gaps; [`Settings::or`] puts one above another;
//! [`Settings::resolve`] fills what is left with the defaults.

use crate::{Compat, Diagnostic, Mode, lower};

/// What one place says about each switch; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether statements are split at all.
    pub enable: Option<bool>,
    /// The configuration file. Not a key of a section, which is inside one.
    pub config_file: Option<String>,
    /// Use every primary of a section, not only the first.
    pub multi_master: Option<bool>,
    /// Send everything to the primary.
    pub disable_rw_split: Option<bool>,
    /// Refuse to connect to what is not a section.
    pub force_config_usage: Option<bool>,
    /// Let the statistics count. Where no place says anything, `ms-pool` counts.
    pub collect_statistics: Option<bool>,
    /// As the original, or strict.
    pub compat: Option<Compat>,
    /// How far statements leave the primaries.
    pub mode: Option<Mode>,
}

/// The switches in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Switches {
    /// Whether statements are split at all. On unless set: a program that builds a cluster means it. (The original
    /// was an extension that every connection of a process went through, and had to be switched on.)
    pub enable: bool,
    /// Use every primary of a section, not only the first; off unless set.
    pub multi_master: bool,
    /// Send everything to the primary; off unless set.
    pub disable_rw_split: bool,
    /// Refuse to connect to what is not a section; off unless set.
    pub force_config_usage: bool,
    /// Let the statistics count; off unless set, as in the original. `ms-pool` does not go by this alone: it counts
    /// unless somebody switched it off, and only [`Settings`] tell that from "nobody said anything".
    pub collect_statistics: bool,
    /// As the original, or strict; strict unless set.
    pub compat: Compat,
    /// How far statements leave the primaries; as far as they may unless set.
    pub mode: Mode,
}

impl Settings {
    /// Reads `MYSQL_MS_ENABLE`, `MYSQL_MS_CONFIG_FILE`, `MYSQL_MS_MULTI_MASTER`, `MYSQL_MS_DISABLE_RW_SPLIT`,
    /// `MYSQL_MS_FORCE_CONFIG_USAGE`, `MYSQL_MS_COLLECT_STATISTICS`, `MYSQL_MS_COMPAT` and `MYSQL_MS_MODE` through `var`.
    ///
    /// An empty variable is not set. A value that means nothing is an error among the diagnostics, and not set.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> (Self, Vec<Diagnostic>) {
        lower::from_vars(var)
    }

    /// These settings, with gaps filled from `lower`.
    #[must_use = "the settings are not changed in place"]
    pub fn or(self, lower: &Self) -> Self {
        Self {
            enable: self.enable.or(lower.enable),
            config_file: self.config_file.or_else(|| lower.config_file.clone()),
            multi_master: self.multi_master.or(lower.multi_master),
            disable_rw_split: self.disable_rw_split.or(lower.disable_rw_split),
            force_config_usage: self.force_config_usage.or(lower.force_config_usage),
            collect_statistics: self.collect_statistics.or(lower.collect_statistics),
            compat: self.compat.or(lower.compat),
            mode: self.mode.or(lower.mode),
        }
    }

    /// These settings, which are those of the program, above those of the environment.
    ///
    /// As [`Settings::or`], with one exception: an environment that says [`Mode::PrimaryOnly`] is obeyed whatever the
    /// program says. Whoever runs a service that misbehaves must be able to pull the brake without building it anew.
    ///
    /// ```
    /// use ms_config::{Mode, Settings};
    ///
    /// let mode = |mode| Settings { mode: Some(mode), ..Settings::default() };
    /// assert_eq!(mode(Mode::Auto).above_environment(&mode(Mode::PrimaryOnly)).mode, Some(Mode::PrimaryOnly));
    /// assert_eq!(mode(Mode::OptIn).above_environment(&mode(Mode::Auto)).mode, Some(Mode::OptIn));
    /// ```
    #[must_use = "the settings are not changed in place"]
    pub fn above_environment(self, environment: &Self) -> Self {
        let brake = environment.mode.filter(|mode| *mode == Mode::PrimaryOnly);
        let settings = self.or(environment);
        Self { mode: brake.or(settings.mode), ..settings }
    }

    /// The switches in force when nobody else has a say.
    pub fn resolve(&self) -> Switches {
        Switches {
            enable: self.enable.unwrap_or(true),
            multi_master: self.multi_master.unwrap_or(false),
            disable_rw_split: self.disable_rw_split.unwrap_or(false),
            force_config_usage: self.force_config_usage.unwrap_or(false),
            collect_statistics: self.collect_statistics.unwrap_or(false),
            compat: self.compat.unwrap_or_default(),
            mode: self.mode.unwrap_or_default(),
        }
    }
}
