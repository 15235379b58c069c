//! A server with other data than it had.
//!
//! Two things happen to servers in real operation that no restart shows. One that cannot follow any more is *made anew* from a copy
//! of another one's data, as somebody else: under a new `server_id` and UUID, because transactions of its former life may be known
//! to clients and to nobody else. And one is *set back* to a copy of its own, as the same server: whoever believes that servers only
//! ever get further is wrong about it.
//!
//! Data is copied while its server is killed, so what is copied is what a crash leaves, which every server can start from.

use std::{fs, io, path::PathBuf};

use super::{Error, Role, Server, dialect::Dialect, template, topology};

/// Numbers of servers that were made anew are a multiple of this apart from their first.
const NEXT_LIFE: u32 = 1000;

/// Gives `server` a copy of the data of `donor`, and lets it follow the primary as a new server.
pub(super) async fn renew(
    servers: &[Server],
    server: &Server,
    donor: &Server,
    dialect: &dyn Dialect,
) -> Result<(), Error> {
    let Some(primary) = servers.iter().find(|it| it.role() == Role::Primary && it.name() != server.name()) else {
        return Err(Error::Primary { server: server.name().to_owned() });
    };
    server.kill9().await?;
    remove(server.data())?;
    donor.kill9().await?;
    let copied = template::copy_data(&donor.data(), &server.data()).await;
    donor.start().await?;
    copied?;

    let id = server.id() + NEXT_LIFE;
    let files = |source| Error::Files { path: server.data(), source };
    dialect.individualise(&server.data(), server.port(), id).map_err(files)?;
    server.set_id(id);
    server.set_role(Role::Replica);
    server.start_with(&[dialect.without_replication()]).await?;
    topology::follow(server, primary, dialect).await
}

/// Keeps a copy of the data of `server` as it is now, in place of the copy before.
pub(super) async fn save(server: &Server) -> Result<(), Error> {
    remove(saved(server))?;
    server.kill9().await?;
    let copied = template::copy_data(&server.data(), &saved(server)).await;
    server.start().await?;
    copied
}

/// Sets a server back to the copy that was kept, and starts it without replication.
pub(super) async fn restore(server: &Server, dialect: &dyn Dialect) -> Result<(), Error> {
    server.kill9().await?;
    remove(server.data())?;
    template::copy_data(&saved(server), &server.data()).await?;
    server.start_with(&[dialect.without_replication()]).await
}

fn saved(server: &Server) -> PathBuf {
    server.data().with_extension("saved")
}

fn remove(folder: PathBuf) -> Result<(), Error> {
    match fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Files { path: folder, source }),
        _ => Ok(()),
    }
}
