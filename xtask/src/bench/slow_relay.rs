//! A network that is always slower than the client.
//!
//! How many instructions a client needs for an answer depends on whether the answer is there when it looks: if not, it goes to
//! sleep and is woken. A near server answers in the time in which a client under valgrind gets from sending to looking, so
//! that is a coin toss for each statement, and counts differ by a tenth from run to run. Through this relay no answer is ever
//! there at the first look, and each arrives whole; what is left is the same every time.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
    time::sleep,
};

/// Long for a computer, short for who waits for the result.
const DELAY: Duration = Duration::from_millis(1);
/// More than the answers that are counted.
const LARGEST: usize = 64 << 10;

/// A port that leads to another one, slowly; closed when dropped.
#[derive(Debug)]
pub(super) struct SlowRelay {
    pub(super) port: u16,
    serving: JoinHandle<()>,
}

impl SlowRelay {
    /// Opens a port that leads to `port` of this machine.
    pub(super) async fn to(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let own = listener.local_addr()?.port();
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A side that hangs up ends its connection and is no news.
                tokio::spawn(async move { connect(client, port).await.ok() });
            }
        });
        Ok(Self { port: own, serving })
    }
}

impl Drop for SlowRelay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn connect(client: TcpStream, port: u16) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    tokio::select! {
        asked = copy(&mut from_client, &mut to_server) => asked.map(|_| ()),
        answered = answer(from_server, to_client) => answered,
    }
}

async fn answer(mut from_server: OwnedReadHalf, mut to_client: OwnedWriteHalf) -> io::Result<()> {
    let mut buffer = vec![0; LARGEST];
    loop {
        let mut length = from_server.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        sleep(DELAY).await;
        // An answer that the server sent in two parts is passed on as one.
        while length < buffer.len() {
            match from_server.try_read(&mut buffer[length..]) {
                Ok(0) | Err(_) => break,
                Ok(more) => length += more,
            }
        }
        to_client.write_all(&buffer[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn answers_arrive_late_and_whole() {
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let relay = SlowRelay::to(server.local_addr().unwrap().port()).await.unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", relay.port)).await.unwrap();
        let (mut served, _) = server.accept().await.unwrap();

        client.write_all(b"ask").await.unwrap();
        let mut asked = [0; 3];
        served.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"ask");

        let sent = Instant::now();
        served.write_all(b"ans").await.unwrap();
        served.write_all(b"wer").await.unwrap();
        let mut answer = [0; 16];
        let length = client.read(&mut answer).await.unwrap();
        assert_eq!(&answer[..length], b"answer");
        assert!(sent.elapsed() >= DELAY);
    }
}
