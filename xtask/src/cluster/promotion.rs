//! Another primary.
//!
//! What an operator or a failover tool does, with nothing forgotten: the chosen replica stops following and takes writes, whoever else
//! runs follows it, and the former primary refuses writes from here on. What the former primary had and nobody else is lost when
//! it is given up, which is what tests of failovers want; it follows nobody until it is [made anew](super::renewal).

use super::{Error, Role, Server, State, dialect::Dialect, topology};

/// Makes `chosen` the primary that is followed.
pub(super) async fn promote(servers: &[Server], chosen: &Server, dialect: &dyn Dialect) -> Result<(), Error> {
    if chosen.role() == Role::Primary {
        return Err(Error::Primary { server: chosen.name().to_owned() });
    }
    let former = servers.iter().find(|it| it.role() == Role::Primary);
    if let Some(former) = former {
        former.set_role(Role::Replica);
        if former.state().await == State::Running {
            demote(former, dialect).await?;
        }
    }
    run(chosen, dialect.promote()).await?;
    chosen.set_role(Role::Primary);
    for it in servers.iter().filter(|it| it.role() == Role::Replica) {
        let is_former = former.is_some_and(|former| former.name() == it.name());
        if !is_former && it.state().await == State::Running {
            topology::follow(it, chosen, dialect).await?;
        }
    }
    Ok(())
}

/// Makes a server refuse writes.
pub(super) async fn demote(server: &Server, dialect: &dyn Dialect) -> Result<(), Error> {
    run(server, dialect.demote()).await
}

async fn run(server: &Server, statements: &[&str]) -> Result<(), Error> {
    for statement in statements {
        server.sql(statement).await?;
    }
    Ok(())
}
