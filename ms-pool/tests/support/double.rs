//! Doubles of a real server: one that says it has no TLS, and one that answers at another address.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The capability to switch to TLS.
const CLIENT_SSL: u8 = 0x08;

/// What a client is shown of the server's first words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Greeting {
    AsItIs,
    WithoutTls,
}

/// Listens until dropped.
pub(crate) struct Double {
    address: SocketAddr,
    listener: JoinHandle<()>,
}

impl Double {
    /// Whatever the server of this URL can do, its double cannot do TLS.
    pub(crate) async fn without_tls(url: &str) -> Self {
        Self::new(url, "127.0.0.1", Greeting::WithoutTls).await
    }

    /// The server under an address that its certificate does not name.
    pub(crate) async fn at(host: &str, url: &str) -> Self {
        Self::new(url, host, Greeting::AsItIs).await
    }

    async fn new(url: &str, host: &str, greeting: Greeting) -> Self {
        let server = crate::support::address(url);
        let socket = TcpListener::bind((host, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = socket.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        let _ = carry(client, server, greeting).await;
                    }
                });
            }
        });
        Self { address, listener }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, shown: Greeting) -> std::io::Result<()> {
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    let mut header = [0; 4];
    server.read_exact(&mut header).await?;
    let mut greeting = vec![0; usize::from(header[0])];
    server.read_exact(&mut greeting).await?;
    // Protocol number, version text with its end, connection number, half of the scramble, a filler; then capabilities.
    let version = greeting.iter().position(|it| *it == 0).unwrap();
    let upper_half_of_lower = version + 1 + 4 + 8 + 1 + 1;
    if shown == Greeting::WithoutTls {
        greeting[upper_half_of_lower] &= !CLIENT_SSL;
    }
    client.write_all(&header).await?;
    client.write_all(&greeting).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
