//! Why a command could not do its work: a sentence that names the thing, its causes, and the way out.

use std::{error::Error as StdError, io, path::PathBuf};

use anstyle::{AnsiColor, Style};

use crate::exit::Exit;

/// Why a command ended before its work was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file `{}`", path.display())]
    ConfigFile { path: PathBuf, source: io::Error },

    /// The configuration file is something else.
    #[error("the configuration file `{}` is larger than {limit} bytes", path.display())]
    ConfigSize { path: PathBuf, limit: u64 },

    /// The file or the section cannot be used.
    #[error(transparent)]
    Cluster { source: ms_pool::Error },

    /// Global transactions have nowhere to be written down.
    #[error("section `{section}` has no store of global transactions, `xa.state_store`")]
    NoStore { section: String },

    /// Nor in the file that is to be the store.
    #[error("there is no file `{}`", file.display())]
    NoStoreFile { file: PathBuf },

    /// The store of global transactions, or a call about them, failed.
    #[error(transparent)]
    GlobalTransactions { source: ms_pool::Error },

    /// The file with SQL cannot be read.
    #[error("cannot read SQL from `{from}`")]
    SqlSource { from: String, source: io::Error },

    /// The SQL is not text.
    #[error("the SQL from `{from}` is not UTF-8: line {line} holds the byte 0x{byte:02x}")]
    SqlNotUtf8 { from: String, line: usize, byte: u8 },

    /// `--assume` speaks of no server.
    #[error("`--assume {assumption}` names no server of the section, only {} are", known.join(", "))]
    AssumedServer { assumption: String, known: Vec<String> },

    /// `--assume` says something that is not understood.
    #[error("`--assume {assumption}`: `{word}` means nothing")]
    Assumed { assumption: String, word: String },

    /// The last used server is none of the section's.
    #[error("`--last-used {name}` is no server of the section, only {} are", known.join(", "))]
    LastUsed { name: String, known: Vec<String> },

    /// The password cannot be asked for.
    #[error("cannot ask for the password on a terminal")]
    Prompt { source: io::Error },

    /// The runtime did not start.
    #[error("cannot start the runtime")]
    Runtime { source: io::Error },

    /// The output cannot be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

/// Not reached, not resolved, lost, not agreed on encryption; a login or a database refused.
const NO_SERVER: [u16; 9] = [2002, 2003, 2005, 2006, 2013, 2026, 1044, 1045, 1049];

impl Failure {
    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::ConfigFile { .. }
            | Self::ConfigSize { .. }
            | Self::Cluster { .. }
            | Self::NoStore { .. }
            | Self::NoStoreFile { .. } => Exit::Configuration,
            Self::GlobalTransactions { source } if NO_SERVER.contains(&source.code()) => Exit::NoServer,
            Self::SqlSource { .. }
            | Self::SqlNotUtf8 { .. }
            | Self::AssumedServer { .. }
            | Self::Assumed { .. }
            | Self::LastUsed { .. }
            | Self::Prompt { .. } => Exit::Usage,
            Self::GlobalTransactions { .. } | Self::Runtime { .. } | Self::Output(_) => Exit::Findings,
        }
    }

    /// Prints it to standard error.
    pub(crate) fn report(&self) {
        // Whoever closed the pipe has seen enough.
        if matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return;
        }
        error(&chain(self));
        if let Some(way_out) = self.way_out() {
            complain("help", AnsiColor::Cyan.on_default().bold(), way_out);
        }
    }

    fn way_out(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoStore { .. } => {
                "`\"xa\": {\"state_store\": {\"mysql\": {\"host\": …, \"user\": …, \"db\": …}}}` names a server for it"
            }
            Self::NoStoreFile { .. } => {
                "the service makes it; `--store-file` takes the path that is given to `Builder::xa_store`"
            }
            Self::ConfigFile { .. } => "name the file with `-c FILE` or in MYSQL_MS_CONFIG_FILE",
            Self::SqlNotUtf8 { .. } => "convert it first, for example with `iconv -f latin1 -t utf-8`",
            Self::Assumed { .. } => {
                "NAME=FACT[,FACT…] with the facts `down`, `up`, `open`, `failed`, `lag=SECONDS`, `reached`, `behind`, `load=N`"
            }
            Self::Prompt { .. } => "without a terminal use `--password-env NAME` or `--password-file PATH`",
            _ => return None,
        })
    }
}

/// Prints an error that is a statement's and not the command's.
pub(crate) fn error(text: &str) {
    complain("error", AnsiColor::Red.on_default().bold(), text);
}

/// Prints something that does not end the command.
pub(crate) fn warn(text: &str) {
    complain("warning", AnsiColor::Yellow.on_default().bold(), text);
}

/// An error and its causes, outermost first.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Transparent wrappers say what they wrap.
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Prints a line that has a label of its own.
pub(crate) fn pass_on(line: &str) {
    use std::io::Write;
    let _ = writeln!(anstream::stderr(), "{line}"); // as below
}

fn complain(what: &str, style: Style, text: &str) {
    use std::io::Write;
    // Standard error may be closed, and then there is nobody left to tell.
    let _ = writeln!(anstream::stderr(), "ms: {style}{what}:{style:#} {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_their_errors_and_are_not_said_twice() {
        let failure = Failure::SqlSource { from: "a.sql".to_owned(), source: io::Error::other("the disk is gone") };
        assert_eq!(chain(&failure), "cannot read SQL from `a.sql`: the disk is gone");
        let nested = io::Error::other(io::Error::other("the disk is gone"));
        assert_eq!(chain(&nested), "the disk is gone");
    }
}
