//! A bad network between a client and a server, in the same process.
//!
//! A [`Relay`] listens on a port of its own and passes bytes on to a server. On command it lets a certain number of
//! the server's bytes through and then stalls or cuts, or delays everything: the only way to stop an answer at a
//! chosen byte. It can also be led to another server, as an address can.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What happens to the server's bytes, on all connections together.
#[derive(Debug, Clone, Copy)]
pub enum Weather {
    /// They pass.
    Fair,
    /// So many pass, then none until the weather changes.
    StallAfter(u64),
    /// So many pass, then the connection is closed on both sides.
    CutAfter(u64),
    /// Each piece is this late.
    Delay(Duration),
}

/// Listens until dropped.
pub struct Relay {
    address: SocketAddr,
    sky: Arc<Sky>,
    listener: JoinHandle<()>,
}

struct Sky {
    server: Mutex<String>,
    weather: Mutex<Weather>,
    changed: Notify,
    passed: AtomicU64,
    accepted: AtomicUsize,
}

/// What to do with a piece that arrived.
enum Verdict {
    Pass(usize),
    Wait,
    Cut,
    Late(Duration),
}

impl Relay {
    /// Opens a way to `server` (`host:port`) in fair weather.
    pub async fn to(server: String) -> io::Result<Self> {
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let sky = Arc::new(Sky {
            server: Mutex::new(server),
            weather: Mutex::new(Weather::Fair),
            changed: Notify::new(),
            passed: AtomicU64::new(0),
            accepted: AtomicUsize::new(0),
        });
        let above = Arc::clone(&sky);
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = socket.accept().await {
                above.accepted.fetch_add(1, Ordering::Relaxed);
                let server = above.server.lock().unwrap().clone();
                tokio::spawn(carry(client, server, Arc::clone(&above)));
            }
        });
        Ok(Self { address, sky, listener })
    }

    /// The port to dial instead of the server's.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Leads connections made from here on to another server; the others stay.
    pub fn lead_to(&self, server: String) {
        *self.sky.server.lock().unwrap() = server;
    }

    /// Changes the weather; bytes are counted from here.
    pub fn set(&self, weather: Weather) {
        *self.sky.weather.lock().unwrap() = weather;
        self.sky.changed.notify_waiters();
    }

    /// Bytes of the server that went through so far.
    pub fn passed(&self) -> u64 {
        self.sky.passed.load(Ordering::Relaxed)
    }

    /// Connections made through here so far.
    pub fn accepted(&self) -> usize {
        self.sky.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Sky {
    fn judge(&self, arrived: usize) -> Verdict {
        let mut weather = self.weather.lock().unwrap();
        match &mut *weather {
            Weather::Fair => Verdict::Pass(arrived),
            Weather::Delay(time) => Verdict::Late(*time),
            Weather::StallAfter(0) => Verdict::Wait,
            Weather::CutAfter(0) => Verdict::Cut,
            Weather::StallAfter(left) | Weather::CutAfter(left) => {
                let now = (*left).min(arrived as u64);
                *left -= now;
                Verdict::Pass(usize::try_from(now).expect("at most what arrived"))
            }
        }
    }
}

/// One connection, until either side ends it or the weather does.
async fn carry(client: TcpStream, server: String, sky: Arc<Sky>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // When one direction ends, both sockets are dropped.
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        _ = async {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(arrived @ 1..) = from_server.read(&mut buffer).await {
                if !pass(&buffer[..arrived], &mut to_client, &sky).await {
                    break;
                }
            }
        } => {}
    }
}

/// Whether the connection goes on.
async fn pass(mut piece: &[u8], to: &mut (impl AsyncWriteExt + Unpin), sky: &Sky) -> bool {
    while !piece.is_empty() {
        let changed = sky.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let now = match sky.judge(piece.len()) {
            Verdict::Pass(now) => now,
            Verdict::Wait => {
                changed.await;
                continue;
            }
            Verdict::Late(time) => {
                tokio::time::sleep(time).await;
                piece.len()
            }
            Verdict::Cut => return false,
        };
        if to.write_all(&piece[..now]).await.is_err() {
            return false;
        }
        sky.passed.fetch_add(now as u64, Ordering::Relaxed);
        piece = &piece[now..];
    }
    true
}
