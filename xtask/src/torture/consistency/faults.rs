//! What is done to the servers meanwhile.
//!
//! One fault after the other, from a shuffled deck in which each kind occurs; when the deck is used up it is shuffled again. Each
//! ends with all servers running and following, so that the next one begins from a known state; what clients know and hold
//! carries on across them.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use tokio::time::sleep;

use super::{
    history::Loss,
    name::Earlier,
    world::{Failed, PRIMARY, REPLICAS, World},
};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A replica applies everything late.
    Delay,
    /// A replica stands still.
    Stop,
    /// All replicas stand still.
    StopAll,
    /// A replica answers nobody for a while.
    Freeze,
    /// A replica dies and comes back, at first without replication.
    KillReplica,
    /// The primary dies and comes back with all it had.
    KillPrimary,
    /// A replica's name leads to another server, which is behind.
    Swap,
    /// A replica comes back with the data it had some time ago, under the same identity.
    SetBack,
    /// The primary hands over to a replica, and answers under that one's name, following nobody.
    SwitchOver,
    /// The primary dies with writes that nobody else has, and a replica takes its place.
    LosingFailover,
}

impl Fault {
    /// Mild ones come more often than those that take servers away.
    const DECK: [Self; 14] = [
        Self::Delay,
        Self::Delay,
        Self::Delay,
        Self::Stop,
        Self::Stop,
        Self::Stop,
        Self::StopAll,
        Self::Freeze,
        Self::KillReplica,
        Self::KillPrimary,
        Self::Swap,
        Self::SetBack,
        Self::SwitchOver,
        Self::LosingFailover,
    ];

    /// In words.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Delay => "replica delayed",
            Self::Stop => "replica stands still",
            Self::StopAll => "all replicas stand still",
            Self::Freeze => "replica frozen",
            Self::KillReplica => "replica killed and restarted",
            Self::KillPrimary => "primary killed and restarted",
            Self::Swap => "another server behind a replica's name",
            Self::SetBack => "replica set back to earlier data",
            Self::SwitchOver => "primary and replica change places",
            Self::LosingFailover => "failover that loses writes",
        }
    }
}

/// Causes faults until it is told to stop; returns how often each was caused.
pub(crate) async fn cause(
    world: &World,
    mut rng: Rng,
    wanted: impl Fn() -> bool,
) -> Result<BTreeMap<Fault, u32>, Failed> {
    let mut caused = BTreeMap::new();
    let mut deck = Vec::new();
    while wanted() {
        if deck.is_empty() {
            deck = Fault::DECK.to_vec();
            rng.shuffle(&mut deck);
        }
        let Some(fault) = deck.pop() else {
            continue;
        };
        sleep(millis(&mut rng, 50..300)).await;
        world.note(format!("begins: {}", fault.title()));
        perform(fault, world, &mut rng).await?;
        world.note(format!("over: {}", fault.title()));
        *caused.entry(fault).or_default() += 1;
    }
    Ok(caused)
}

async fn perform(fault: Fault, world: &World, rng: &mut Rng) -> Result<(), Failed> {
    let name = REPLICAS[rng.usize(..REPLICAS.len())];
    let victim = world.behind(name);
    match fault {
        Fault::Delay => delay(world, &victim, rng).await,
        Fault::Stop => stop(world, &[victim], millis(rng, 300..2000)).await,
        Fault::StopAll => stop(world, &REPLICAS.map(|it| world.behind(it)), millis(rng, 300..1000)).await,
        Fault::Freeze => freeze(world, &victim, millis(rng, 200..800)).await,
        Fault::KillReplica => kill_replica(world, &victim, rng).await,
        Fault::KillPrimary => kill_primary(world, rng).await,
        Fault::Swap => swap(world, name, rng).await,
        Fault::SetBack => set_back(world, &victim, rng).await,
        Fault::SwitchOver => switch_over(world, name, rng).await,
        Fault::LosingFailover => losing_failover(world, rng).await,
    }
}

async fn delay(world: &World, victim: &str, rng: &mut Rng) -> Result<(), Failed> {
    world.servers.delay_replication(victim, rng.u32(1..=2)).await?;
    sleep(millis(rng, 1500..3000)).await;
    world.servers.delay_replication(victim, 0).await?;
    Ok(())
}

async fn stop(world: &World, victims: &[String], time: Duration) -> Result<(), Failed> {
    for it in victims {
        world.servers.stop_replication(it).await?;
    }
    sleep(time).await;
    for it in victims {
        world.servers.start_replication(it).await?;
    }
    Ok(())
}

async fn freeze(world: &World, victim: &str, time: Duration) -> Result<(), Failed> {
    let victim = world.servers.server(victim)?;
    victim.pause().await?;
    sleep(time).await;
    victim.resume().await?;
    Ok(())
}

async fn kill_replica(world: &World, victim: &str, rng: &mut Rng) -> Result<(), Failed> {
    // Stopped for a while first: it has something to catch up with.
    world.servers.stop_replication(victim).await?;
    sleep(millis(rng, 0..500)).await;
    world.broke(victim);
    world.servers.server(victim)?.kill9().await?;
    sleep(millis(rng, 0..500)).await;
    world.servers.server(victim)?.start().await?;
    world.broke(victim);
    world.servers.stop_replication(victim).await?;
    sleep(millis(rng, 0..700)).await;
    world.servers.start_replication(victim).await?;
    Ok(())
}

async fn kill_primary(world: &World, rng: &mut Rng) -> Result<(), Failed> {
    let primary = world.servers.server(&world.behind(PRIMARY))?;
    primary.kill9().await?;
    sleep(millis(rng, 0..300)).await;
    primary.start().await?;
    Ok(())
}

async fn swap(world: &World, name: &'static str, rng: &mut Rng) -> Result<(), Failed> {
    let other = world.standing_by();
    world.servers.stop_replication(&other).await?;
    sleep(millis(rng, 200..800)).await;
    let earlier = if rng.bool() { Earlier::Stay } else { Earlier::Break };
    world.lead(name, &other, earlier)?;
    sleep(millis(rng, 300..1500)).await;
    world.servers.start_replication(&other).await?;
    Ok(())
}

async fn set_back(world: &World, victim: &str, rng: &mut Rng) -> Result<(), Failed> {
    world.broke(victim);
    world.servers.save(victim).await?;
    world.broke(victim);
    // It follows again, clients read from it and learn how far it is.
    sleep(millis(rng, 500..1500)).await;
    world.broke(victim);
    world.servers.restore(victim).await?;
    world.broke(victim);
    sleep(millis(rng, 300..1000)).await;
    world.servers.start_replication(victim).await?;
    Ok(())
}

async fn switch_over(world: &World, name: &'static str, rng: &mut Rng) -> Result<(), Failed> {
    let (former, chosen) = (world.behind(PRIMARY), world.behind(name));
    // Nothing is written any more, so nothing is lost.
    world.servers.demote(&former).await?;
    world.servers.wait_sync().await?;
    world.servers.promote(&chosen).await?;
    world.lead(PRIMARY, &chosen, Earlier::Break)?;
    world.lead(name, &former, Earlier::Break)?;
    sleep(millis(rng, 300..1500)).await;
    renew(world, &former).await
}

async fn losing_failover(world: &World, rng: &mut Rng) -> Result<(), Failed> {
    let former = world.behind(PRIMARY);
    let (named, spare) = (REPLICAS.map(|it| world.behind(it)), world.standing_by());
    let others = [&*named[0], &*named[1], &*spare];
    for it in others {
        world.servers.stop_replication(it).await?;
    }
    // What is acknowledged now will be lost.
    sleep(millis(rng, 50..400)).await;
    let killing = world.now();
    world.servers.server(&former)?.kill9().await?;
    let dead = world.now();

    // Only a named one, so that its name gets another server as well.
    let chosen = world.servers.most_advanced(&others).await?.to_owned();
    let kept = world.versions(&chosen).await?;
    sleep(millis(rng, 0..300)).await;
    world.servers.promote(&chosen).await?;
    let reopened = world.now();
    // Written down first: reads that come after know of it.
    world.lost(Loss { killing, dead, reopened, kept });
    if let Some(at) = named.iter().position(|it| *it == chosen) {
        world.lead(REPLICAS[at], &spare, Earlier::Break)?;
    }
    world.lead(PRIMARY, &chosen, Earlier::Break)?;
    sleep(millis(rng, 300..1000)).await;
    renew(world, &former).await
}

/// Makes a server anew from one that follows and is read least.
async fn renew(world: &World, server: &str) -> Result<(), Failed> {
    let spare = world.standing_by();
    let donor = if spare == server { world.behind(REPLICAS[0]) } else { spare };
    for it in [server, &donor] {
        world.broke(it);
    }
    world.servers.renew(server, &donor).await?;
    for it in [server, &donor] {
        world.broke(it);
    }
    Ok(())
}

fn millis(rng: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}
