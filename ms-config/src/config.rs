//! The file: sections by name.
//!
//! A program asks for one section by name. It gets the section, or one of three answers: there is no such section
//! (and here is what there is), the section is broken (and here is why), or the file could not be read at all.

use std::{collections::HashMap, fmt, sync::Arc};

use crate::{Diagnostic, OwnFilters, Section, Settings, lower, path::Path, suggest::suggest};

/// What messages call a text that came from no file.
const UNNAMED: &str = "<text>";

/// How many names of sections a message lists.
const LISTED: usize = 10;

/// A file that was read: what of it can be used, and everything that is wrong with it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The sections.
    pub config: Config,
    /// Every problem, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether any section, or the file as a whole, is unusable.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The problems of the section called `name`.
    pub fn of_section(&self, name: &str) -> impl Iterator<Item = &Diagnostic> {
        let section = Path::Top.key(name).to_string();
        self.diagnostics.iter().filter(move |it| {
            // What follows must be a further step, not the rest of a longer name.
            it.path.strip_prefix(&section).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }
}

/// The sections of a file, in its order.
#[derive(Clone, Debug)]
pub struct Config {
    file: Arc<str>,
    /// An unknown section is refused with the original's words.
    force_config_usage: bool,
    sections: Vec<(String, Result<Section, BrokenSection>)>,
    /// A file may hold many thousands of sections, and a service may ask for each.
    index: HashMap<String, usize>,
    /// Why there are no sections, when the file itself could not be read.
    unreadable: Option<BrokenFile>,
}

impl Config {
    /// Reads a text that came from no file, with no settings from code or environment.
    ///
    /// Never fails: what is wrong is among the diagnostics, and asking for a section that cannot be used is an error.
    pub fn parse(text: &str) -> Parsed {
        Self::parse_file(UNNAMED, text, &Settings::default())
    }

    /// Reads `text`, which messages will say is from `file`.
    ///
    /// `settings` are those of code and environment, see [`Settings::or`]: they win over what a section says, and
    /// some of them, such as `multi_master`, decide what is an error in it.
    pub fn parse_file(file: &str, text: &str, settings: &Settings) -> Parsed {
        lower::file(file, text, settings, OwnFilters::NONE)
    }

    /// As [`Config::parse_file`], for bytes that may not be UTF-8.
    pub fn parse_bytes(file: &str, bytes: &[u8], settings: &Settings) -> Parsed {
        Self::parse_with(file, bytes, settings, OwnFilters::NONE)
    }

    /// As [`Config::parse_bytes`], for a program that brings filters along.
    pub fn parse_with(file: &str, bytes: &[u8], settings: &Settings, own: OwnFilters<'_>) -> Parsed {
        match str::from_utf8(bytes) {
            Ok(text) => lower::file(file, text, settings, own),
            Err(error) => lower::not_utf8(file, bytes, error.valid_up_to(), settings),
        }
    }

    pub(crate) fn new(
        file: Arc<str>,
        settings: &Settings,
        sections: Vec<(String, Result<Section, BrokenSection>)>,
        unreadable: Option<BrokenFile>,
    ) -> Self {
        let index = sections.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        Self { file, force_config_usage: settings.resolve().force_config_usage, sections, index, unreadable }
    }

    /// What messages call the file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The names of all sections, broken ones included, in the order of the file.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.sections.iter().map(|(name, _)| name.as_str())
    }

    /// The sections that can be used, in the order of the file.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter_map(|(_, section)| section.as_ref().ok())
    }

    /// The section called `name`, byte for byte.
    ///
    /// # Errors
    ///
    /// Fails when there is no such section, when it is broken, or when the file could not be read at all.
    pub fn section(&self, name: &str) -> Result<&Section, SectionError> {
        if let Some(file) = &self.unreadable {
            let asked_for = self.force_config_usage.then(|| name.to_owned());
            return Err(SectionError::File(Box::new(BrokenFile { asked_for, ..file.clone() })));
        }
        match self.index.get(name).map(|&at| &self.sections[at].1) {
            Some(Ok(section)) => Ok(section),
            Some(Err(broken)) => Err(SectionError::Broken(broken.clone())),
            None => Err(SectionError::Unknown(UnknownSection {
                name: name.to_owned(),
                file: Arc::clone(&self.file),
                suggestion: suggest(name, self.names()).map(str::to_owned),
                known: self.names().map(str::to_owned).collect(),
                enforced: self.force_config_usage,
            })),
        }
    }
}

/// Why a section cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SectionError {
    /// The file has no section of this name.
    #[error(transparent)]
    Unknown(UnknownSection),
    /// The section has errors.
    #[error(transparent)]
    Broken(BrokenSection),
    /// The file could not be read at all.
    #[error(transparent)]
    File(Box<BrokenFile>),
}

/// A name that is not a section of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownSection {
    /// The name.
    pub name: String,
    /// The file.
    pub file: Arc<str>,
    /// The section that was probably meant.
    pub suggestion: Option<String>,
    /// All there are, in the order of the file.
    pub known: Vec<String>,
    /// `force_config_usage` is on.
    pub enforced: bool,
}

impl std::error::Error for UnknownSection {}

impl fmt::Display for UnknownSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.enforced {
            write_exclusive(f, &self.name)?;
        }
        write!(f, "no section `{}` in `{}`", self.name, self.file)?;
        if let Some(suggestion) = &self.suggestion {
            return write!(f, "; did you mean `{suggestion}`?");
        }
        if self.known.is_empty() {
            return f.write_str(", which has no sections");
        }
        let listed: Vec<_> = self.known.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
        write!(f, "; it has {}", listed.join(", "))?;
        match self.known.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// A section that has errors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenSection {
    /// Its name.
    pub name: String,
    /// Its errors; not empty. Warnings are only in [`Parsed::diagnostics`].
    pub errors: Vec<Diagnostic>,
}

impl std::error::Error for BrokenSection {}

impl fmt::Display for BrokenSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "section `{}` cannot be used", self.name)?;
        self.errors.iter().try_for_each(|error| write!(f, "\n{error}"))
    }
}

/// A file that could not be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenFile {
    /// Why.
    pub error: Diagnostic,
    /// The section asked for, when `force_config_usage` is on.
    pub asked_for: Option<String>,
}

impl std::error::Error for BrokenFile {}

impl fmt::Display for BrokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.asked_for {
            write_exclusive(f, name)?;
        }
        write!(f, "{}", self.error)
    }
}

/// The original's words for a name that must be a section and is none.
fn write_exclusive(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let text = "Exclusive usage of configuration enforced but did not find the correct INI file section";
    write!(f, "{text} ({name}): ")
}
