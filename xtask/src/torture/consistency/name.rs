//! A name that clients know and that can lead to another server tomorrow.
//!
//! It is a port that passes everything on to a server. When it is led elsewhere, connections that were made before may
//! stay where they are, as after a change in the DNS, or be cut, as when an address moves to another machine.

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What becomes of connections made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// They go on talking to the former server.
    Stay,
    /// They break.
    Break,
}

/// Listens until dropped.
#[derive(Debug)]
pub(crate) struct Name {
    port: u16,
    leads_to: Arc<AtomicU16>,
    /// Counts how often connections were cut.
    cuts: watch::Sender<u64>,
    serving: JoinHandle<()>,
}

impl Name {
    /// A new name for the server at `port` of this machine.
    pub(crate) async fn of(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let own = listener.local_addr()?.port();
        let leads_to = Arc::new(AtomicU16::new(port));
        let (cuts, cut) = watch::channel(0);
        let serving = tokio::spawn(serve(listener, Arc::clone(&leads_to), cut));
        Ok(Self { port: own, leads_to, cuts, serving })
    }

    /// The port that clients dial.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From here on it is the name of the server at another port.
    pub(crate) fn lead_to(&self, port: u16, earlier: Earlier) {
        self.leads_to.store(port, Ordering::SeqCst);
        if earlier == Earlier::Break {
            self.cuts.send_modify(|it| *it += 1);
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, leads_to: Arc<AtomicU16>, cut: watch::Receiver<u64>) {
    // Connections end with the name.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // A failed accept is a client that went away.
            Ok((client, _)) = listener.accept() => {
                connections.spawn(carry(client, Arc::clone(&leads_to), cut.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until a side ends it or it is cut. Errors are ends, and concern its client alone.
async fn carry(mut client: TcpStream, leads_to: Arc<AtomicU16>, mut cut: watch::Receiver<u64>) {
    // Marked as seen before the server is chosen: a cut after that is for us.
    cut.mark_unchanged();
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, leads_to.load(Ordering::SeqCst))).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = cut.changed() => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A server that says its letter to everybody, and echoes.
    async fn server(letter: u8) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    client.write_all(&[letter]).await.unwrap();
                    let (mut input, mut output) = client.split();
                    tokio::io::copy(&mut input, &mut output).await
                });
            }
        });
        port
    }

    async fn dial(name: &Name) -> (TcpStream, u8) {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, name.port())).await.unwrap();
        let letter = client.read_u8().await.unwrap();
        (client, letter)
    }

    #[tokio::test]
    async fn new_connections_go_where_the_name_leads_now() {
        let name = Name::of(server(b'a').await).await.unwrap();
        let (mut early, letter) = dial(&name).await;
        assert_eq!(letter, b'a');

        name.lead_to(server(b'b').await, Earlier::Stay);
        assert_eq!(dial(&name).await.1, b'b');
        early.write_u8(b'x').await.unwrap();
        assert_eq!(early.read_u8().await.unwrap(), b'x', "it stayed where it was");

        name.lead_to(server(b'c').await, Earlier::Break);
        assert!(early.read_u8().await.is_err(), "it was cut");
        assert_eq!(dial(&name).await.1, b'c');
    }
}
