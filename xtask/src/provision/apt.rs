//! Package lists and downloads of our own.
//!
//! apt can work entirely in folders it is given: no root, no change to the machine, and no use of the machine's own lists, which
//! are empty in most images. One configuration file says so. The machine's configuration is read before it, so proxies and
//! certificates stay in force; what a distribution hooks into an update does not.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    process::Command,
    time::{MissedTickBehavior, interval},
};

use super::{
    Error,
    packages::{Package, Packages},
    sources::Entry,
};
use crate::progress::Step;

/// A download that grows by nothing for so long is given up.
const STALLED_AFTER: Duration = Duration::from_secs(90);

/// Lists younger than this are used as they are.
const LISTS_STAY_FRESH: Duration = Duration::from_secs(30 * 60);

/// An apt that lives in a folder.
#[derive(Debug)]
pub(super) struct Apt {
    home: PathBuf,
}

impl Apt {
    /// Sets up apt in `home` for the archive named by `entries`.
    pub(super) fn open(home: &Path, entries: &[Entry], architecture: &str) -> Result<Self, Error> {
        for folder in ["lists/partial", "cache/archives/partial", "state", "sources", "none"] {
            let folder = home.join(folder);
            fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        }
        let stanzas: Vec<_> = entries.iter().map(|it| it.to_stanza(architecture)).collect();
        let it = Self { home: home.to_owned() };
        it.write("sources/archive.sources", &stanzas.join("\n"))?;
        it.write("status", "")?;
        it.write("apt.conf", &configuration(home))?;
        Ok(it)
    }

    /// Whether an earlier run fetched every list not long ago.
    pub(super) fn has_fresh_lists(&self) -> bool {
        let fetched = self.home.join("lists/fetched").metadata().and_then(|it| it.modified());
        let age = fetched.ok().and_then(|it| SystemTime::now().duration_since(it).ok());
        age.is_some_and(|it| it < LISTS_STAY_FRESH)
    }

    /// Fetches the package lists.
    ///
    /// A suite that cannot be fetched is not an error here: what counts is whether the server is in what was.
    pub(super) async fn update(&self) -> Result<(), Error> {
        let mut command = self.command("apt-get");
        // Without the mode a suite that could not be fetched is a warning, and the exit code says that all is well.
        command.args(["--option", "APT::Update::Error-Mode=any", "update"]);
        match run(command, "apt-get update", &self.home.join("lists"), |_| {}).await {
            Ok(_) => self.write("lists/fetched", ""),
            // Nothing came at all: say why instead of "not offered".
            Err(error) if !self.has_lists() => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// Reads the package lists.
    pub(super) async fn packages(&self) -> Result<Packages, Error> {
        let mut command = self.command("apt-cache");
        command.arg("dumpavail");
        let dump = run(command, "apt-cache dumpavail", &self.home, |_| {}).await?;
        Ok(Packages::parse(&dump))
    }

    /// Downloads packages into the empty folder `into`; apt checks their signatures.
    pub(super) async fn download(&self, packages: &[&Package], into: &Path, step: &Step) -> Result<(), Error> {
        let total = packages.iter().map(|it| it.size).sum();
        let mut command = self.command("apt-get");
        command.arg("download").args(packages.iter().map(|it| &it.name)).current_dir(into);
        run(command, "apt-get download", into, |bytes| step.bytes(bytes, total)).await.map(drop)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--config-file").arg(self.home.join("apt.conf")).arg("--quiet").arg("--quiet");
        command
    }

    fn has_lists(&self) -> bool {
        let is_list = |it: fs::DirEntry| it.file_name().to_string_lossy().contains("_Packages");
        fs::read_dir(self.home.join("lists")).is_ok_and(|mut it| it.any(|it| it.is_ok_and(is_list)))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.home.join(name);
        fs::write(&path, text).map_err(Error::io(&path))
    }
}

/// The name dpkg has for this machine's architecture.
pub(super) async fn architecture() -> Result<String, Error> {
    let mut command = Command::new("dpkg");
    command.arg("--print-architecture");
    Ok(run(command, "dpkg --print-architecture", Path::new("/"), |_| {}).await?.trim().to_owned())
}

/// Unpacks a package without installing it.
pub(super) async fn unpack(package: &Path, prefix: &Path) -> Result<(), Error> {
    let mut command = Command::new("dpkg-deb");
    command.arg("--extract").arg(package).arg(prefix);
    run(command, "dpkg-deb --extract", Path::new("/"), |_| {}).await.map(drop)
}

fn configuration(home: &Path) -> String {
    let at = |name: &str| home.join(name).display().to_string();
    let (lists, state, cache) = (at("lists"), at("state"), at("cache"));
    let (status, sources, none) = (at("status"), at("sources"), at("none"));
    // `status` is empty: with the machine's own, a newer version installed from elsewhere would be chosen and not be
    // found in the archive. The sandbox user cannot read a build folder below somebody's home.
    format!(
        r#"Dir::State "{state}";
Dir::State::Lists "{lists}";
Dir::State::status "{status}";
Dir::Cache "{cache}";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{sources}";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{none}";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
#clear APT::Default-Release;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"#
    )
}

/// Runs a tool to its end and returns what it printed, unless `growing` stops growing before; `grown` hears its size.
async fn run(mut command: Command, name: &str, growing: &Path, grown: impl Fn(u64)) -> Result<String, Error> {
    let no_tool = |source| Error::NoTool { command: name.to_owned(), source };
    // In a group of its own: Ctrl-C is for us to hear, and we kill what runs.
    command.env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true).process_group(0);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = command.spawn().map_err(no_tool)?.wait_with_output();
    tokio::pin!(done);

    let mut ticks = interval(Duration::from_millis(200));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut size, mut since) = (0, Instant::now());
    let output = loop {
        tokio::select! {
            output = &mut done => break output.map_err(no_tool)?,
            _ = ticks.tick() => {
                let now = size_below(growing);
                if now != size {
                    (size, since) = (now, Instant::now());
                    grown(size);
                } else if since.elapsed() > STALLED_AFTER {
                    return Err(Error::Stalled { command: name.to_owned(), seconds: STALLED_AFTER.as_secs() });
                }
            }
        }
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Tool { command: name.to_owned(), output: last_lines(&String::from_utf8_lossy(&output.stderr)) })
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// Bytes in a folder and the folder `partial` in it.
fn size_below(folder: &Path) -> u64 {
    let files = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |it: fs::DirEntry| it.metadata().map_or(0, |it| if it.is_file() { it.len() } else { 0 });
    files(folder).chain(files(&folder.join("partial"))).map(size).sum()
}
