//! From the archive into a prefix.
//!
//! One process at a time does this; the others wait and then find the result.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::{
    Error, Flavor, Installation,
    apt::{self, Apt},
    packages::{Package, Packages},
    prefix,
    sources::{self, Entry},
};
use crate::progress::{Progress, Step};

/// What servers do not read; it is half of some packages.
const CHAFF: [&str; 6] = ["doc", "man", "locale", "lintian", "perl5", "bash-completion"];

/// Returns the unpacked server, after getting it if need be.
pub(super) async fn provision(flavor: Flavor, servers: &Path, progress: &Progress) -> Result<Installation, Error> {
    let _alone = lock(&servers.join("provision.lock"), progress).await?;
    if let Some(found) = prefix::newest(flavor, servers).await {
        return Ok(found);
    }

    let etc_apt = Path::new("/etc/apt");
    let entries = sources::machine_archive(etc_apt).map_err(Error::io(etc_apt))?;
    let architecture = apt::architecture().await?;
    let mut archives = vec![Archive { home: servers.join("apt-machine"), entries: entries.clone() }];
    if let Some(debian) = entries.iter().find(|it| it.is_debian_main()) {
        archives.push(Archive { home: servers.join("apt-unstable"), entries: vec![debian.with_suite("unstable")] });
    }

    let mut outcome = Err(Error::NotOffered { package: flavor.package(), oldest: flavor.oldest_accepted() });
    for archive in &archives {
        outcome = archive.get(flavor, &architecture, servers, progress).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// One archive to look into.
#[derive(Debug)]
struct Archive {
    home: PathBuf,
    entries: Vec<Entry>,
}

impl Archive {
    async fn get(
        &self,
        flavor: Flavor,
        architecture: &str,
        servers: &Path,
        progress: &Progress,
    ) -> Result<Installation, Error> {
        let apt = Apt::open(&self.home, &self.entries, architecture)?;
        if apt.has_fresh_lists() {
            match get(&apt, flavor, servers, progress).await {
                // Lists that were fresh a while ago may name packages that have been replaced since.
                Err(Error::Tool { .. } | Error::DoesNotRun { .. }) => {}
                outcome => return outcome,
            }
        }
        let step = progress.step(format!("{flavor}: fetching package lists"));
        apt.update().await?;
        drop(step);
        get(&apt, flavor, servers, progress).await
    }
}

/// Downloads and unpacks what the package lists offer.
async fn get(apt: &Apt, flavor: Flavor, servers: &Path, progress: &Progress) -> Result<Installation, Error> {
    let step = progress.step(format!("{flavor}: reading package lists"));
    let packages = apt.packages().await?;
    let (server, version) = acceptable(&packages, flavor)?;
    let wanted = packages.closure(server);
    let megabytes = wanted.iter().map(|it| it.size).sum::<u64>() / 1_000_000;
    step.finish(&format!("{flavor}: {version} is offered, {} packages, {megabytes} MB", wanted.len()));

    let step = progress.step(format!("{flavor}: downloading"));
    let folder = prefix::folder(flavor, version, servers);
    let half_made = folder.with_added_extension("new");
    let debs = half_made.join("debs");
    remove(&half_made)?;
    fs::create_dir_all(&debs).map_err(Error::io(&debs))?;
    apt.download(&wanted, &debs, &step).await?;
    step.finish(&format!("{flavor}: downloaded"));

    let step = progress.step(format!("{flavor}: unpacking"));
    unpack_all(&debs, &half_made, &step).await?;
    remove(&debs)?;
    for chaff in CHAFF {
        remove(&half_made.join("usr/share").join(chaff))?;
    }
    // Only a server that runs here gets its stamp.
    prefix::open(flavor, &half_made).await?;
    prefix::stamp(&half_made).map_err(Error::io(&half_made))?;
    remove(&folder)?;
    fs::rename(&half_made, &folder).map_err(Error::io(&folder))?;
    step.finish(&format!("{flavor}: unpacked"));
    prefix::open(flavor, &folder).await
}

fn acceptable(packages: &Packages, flavor: Flavor) -> Result<(&Package, super::Version), Error> {
    let oldest = flavor.oldest_accepted();
    let server = packages.newest(flavor.package());
    let found = server.and_then(|it| Some((it, it.upstream_version()?)));
    found.filter(|(_, it)| *it >= oldest).ok_or(Error::NotOffered { package: flavor.package(), oldest })
}

async fn unpack_all(debs: &Path, prefix: &Path, step: &Step) -> Result<(), Error> {
    let files = fs::read_dir(debs).and_then(|it| it.map(|it| it.map(|it| it.path())).collect::<Result<Vec<_>, _>>());
    let files = files.map_err(Error::io(debs))?;
    let (files, done) = (&files, &AtomicUsize::new(0));
    let lanes = thread::available_parallelism().map_or(1, usize::from);
    let lane = |first: usize| async move {
        for file in files.iter().skip(first).step_by(lanes) {
            apt::unpack(file, prefix).await?;
            step.count(done.fetch_add(1, Ordering::Relaxed) + 1, files.len());
        }
        Ok(())
    };
    try_join_all((0..lanes).map(lane)).await.map(drop)
}

/// Waits until no other process holds the lock; it is held while the returned file is open.
pub(crate) async fn lock(path: &Path, progress: &Progress) -> Result<File, Error> {
    let file = File::options().create(true).append(true).open(path).map_err(Error::io(path))?;
    let mut waiting = None;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                waiting.get_or_insert_with(|| progress.step("waiting for another process that is preparing servers"));
                sleep(Duration::from_millis(100)).await;
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(path)(error)),
        }
    }
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder)(error)),
        _ => Ok(()),
    }
}
