//! An upstream that keeps every byte it is sent, and reads them by the narrowest rules there are.
//!
//! Smuggling needs two servers that read the same bytes differently. So this one accepts only what no server can
//! read in two ways (see [`narrow`]): whatever else reaches it is a finding, though a lenient server might have
//! understood it.

pub mod narrow;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

pub use narrow::{Message, Reading};

/// A server that answers each request with `METHOD TARGET` in the body and keeps its connections open. Targets that
/// begin with `/early` are answered as soon as their head is there.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    connections: Connections,
    task: AbortHandle,
}

/// What came on each connection, in the order in which they were opened.
type Connections = Arc<Mutex<Vec<Received>>>;

/// What came on a connection and was not taken yet.
#[derive(Debug, Default)]
struct Received {
    bytes: Vec<u8>,
    bytes_total: usize,
    /// Whether there are more of them than were looked at.
    is_fresh: bool,
    /// Whether the request that these begin with was told before it was whole.
    is_told: bool,
}

impl Received {
    fn keep(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        self.bytes_total += piece.len();
        self.is_fresh = true;
    }
}

impl Recorder {
    /// Starts the server on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let connections = Connections::default();
        let shared = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut connections = shared.lock().unwrap();
                    connections.push(Received::default());
                    connections.len() - 1
                };
                tokio::spawn(serve(stream, number, Arc::clone(&shared)));
            }
        });
        Self { address, connections, task: task.abort_handle() }
    }

    /// Its base address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many bytes came in all.
    pub fn bytes_total(&self) -> usize {
        self.connections.lock().unwrap().iter().map(|received| received.bytes_total).sum()
    }

    /// The requests that came since it was asked last, connection by connection; one whose body is not over counts too.
    ///
    /// # Errors
    /// What some server could read differently, with its bytes.
    pub fn take_requests(&self) -> Result<Vec<Message>, String> {
        let mut requests = Vec::new();
        for (number, received) in self.connections.lock().unwrap().iter_mut().enumerate() {
            if !std::mem::take(&mut received.is_fresh) {
                continue;
            }
            let odd = |why, bytes: &[u8]| format!("{why}, on connection {number}: {}", bytes.escape_ascii());
            loop {
                let read = narrow::read(&received.bytes).map_err(|why| odd(why, &received.bytes))?;
                let (message, length) = match read {
                    Reading::Whole(message, length) => (message, Some(length)),
                    Reading::Begun(message) => (message, None),
                    Reading::Nothing => break,
                };
                if !std::mem::replace(&mut received.is_told, length.is_none()) {
                    requests.push(message);
                }
                match length {
                    Some(length) => drop(received.bytes.drain(..length)),
                    None => break,
                }
            }
        }
        Ok(requests)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, number: usize, connections: Connections) {
    let (mut held, mut answered) = (Vec::new(), Answered::No);
    loop {
        loop {
            let (message, length) = match narrow::read(&held) {
                // A server that does not understand a request ends its connection.
                Err(_) => return,
                Ok(Reading::Nothing) => break,
                Ok(Reading::Begun(message)) if message.target.starts_with("/early") => (message, 0),
                Ok(Reading::Begun(_)) => break,
                Ok(Reading::Whole(message, length)) => (message, length),
            };
            if answered == Answered::No && stream.write_all(&answer(&message)).await.is_err() {
                return;
            }
            answered = if length == 0 { Answered::Early } else { Answered::No };
            held.drain(..length);
            if length == 0 {
                break;
            }
        }
        let mut piece = Vec::new();
        match stream.read_buf(&mut piece).await {
            Ok(1..) => {
                held.extend_from_slice(&piece);
                if let Some(received) = connections.lock().unwrap().get_mut(number) {
                    received.keep(&piece);
                }
            }
            _ => return,
        }
    }
}

/// Whether the request that is being received was answered already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    No,
    Early,
}

fn answer(message: &Message) -> Vec<u8> {
    let text = format!("{} {}", message.method, message.target);
    let body = if message.method == "HEAD" { "" } else { &text };
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", text.len())
        .into_bytes()
}
