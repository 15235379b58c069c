//! Servers that accept connections and then misbehave, in the same process.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What an odd server does with everybody who comes.
#[derive(Clone, Debug)]
pub(crate) enum Oddity {
    /// Says nothing, for ever.
    Silence,
    /// Hangs up.
    Goodbye,
    /// Says this and waits.
    Words(Vec<u8>),
    /// Says this and hangs up.
    LastWords(Vec<u8>),
}

/// Listens until dropped.
pub(crate) struct OddServer {
    address: SocketAddr,
    listener: JoinHandle<()>,
}

impl OddServer {
    pub(crate) async fn new(oddity: Oddity) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = socket.accept().await {
                tokio::spawn(behave(client, oddity.clone()));
            }
        });
        Self { address, listener }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for OddServer {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn behave(mut client: TcpStream, oddity: Oddity) {
    let (words, stays) = match oddity {
        Oddity::Silence => (Vec::new(), true),
        Oddity::Goodbye => (Vec::new(), false),
        Oddity::Words(words) => (words, true),
        Oddity::LastWords(words) => (words, false),
    };
    let _ = client.write_all(&words).await;
    if stays {
        // Until the client has had enough.
        while let Ok(1..) = client.read(&mut [0; 1024]).await {}
    }
}
