//! Who logs in, and where the password is.
//!
//! A password never comes as an argument: arguments are visible to everybody on the machine and stay in the shell's
//! history. It is asked for, or read from a variable or a file; and what the configuration file says wins over all of
//! them, as it does over the arguments of a service's connect call.

use std::{path::PathBuf, sync::Arc};

use ms_pool::{Builder, Credentials, FromEnv, FromFile, Password};

use crate::failure::Failure;

/// The account for servers whose entry in the file does not name one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Account (for servers whose entry in the file leaves it open)")]
pub(crate) struct AccountArgs {
    /// The user to log in as
    #[arg(short, long, value_name = "NAME")]
    user: Option<String>,

    /// Ask for the password on the terminal, without showing it
    #[arg(short = 'p', long, group = "password")]
    ask_password: bool,

    /// Take the password from this environment variable
    #[arg(long, value_name = "VARIABLE", group = "password")]
    password_env: Option<String>,

    /// Take the password from this file, without the line break at its end
    #[arg(long, value_name = "FILE", group = "password")]
    password_file: Option<PathBuf>,

    /// The database to select
    #[arg(short = 'D', long, value_name = "NAME")]
    database: Option<String>,
}

/// The account, with whatever had to be asked for.
#[derive(Debug)]
pub(crate) struct Account {
    user: Option<String>,
    database: Option<String>,
    credentials: Option<Arc<dyn Credentials>>,
}

impl AccountArgs {
    /// Asks for the password if it has to be asked for; a variable or a file is read at every connect instead.
    pub(crate) fn read(&self) -> Result<Account, Failure> {
        let credentials: Option<Arc<dyn Credentials>> = match (&self.password_env, &self.password_file) {
            (Some(variable), _) => Some(Arc::new(FromEnv::new(variable))),
            (_, Some(path)) => Some(Arc::new(FromFile::new(path))),
            _ if self.ask_password => Some(Arc::new(self.ask()?)),
            _ => None,
        };
        Ok(Account { user: self.user.clone(), database: self.database.clone(), credentials })
    }

    fn ask(&self) -> Result<Password, Failure> {
        let whose = self.user.as_ref().map(|user| format!(" for user {user}")).unwrap_or_default();
        // The terminal is opened by itself: standard input may be the SQL.
        let answer = rpassword::prompt_password(format!("Password{whose}: "));
        answer.map(Password::new).map_err(|source| Failure::Prompt { source })
    }
}

impl Account {
    /// Tells the builder.
    pub(crate) fn apply(&self, mut builder: Builder) -> Builder {
        if let Some(user) = &self.user {
            builder = builder.user(user);
        }
        if let Some(database) = &self.database {
            builder = builder.database(database);
        }
        if let Some(credentials) = &self.credentials {
            builder = builder.password(Arc::clone(credentials));
        }
        builder
    }
}
