//! Bytes on a TCP connection, for what no proper client or server would send.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::deadline::WAIT;

/// How the other side ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It closed in order.
    Closed,
    /// It reset the connection.
    Reset,
    /// It did not end it before the deadline.
    StillOpen,
}

/// The head of an answer, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawHead {
    /// The status code.
    pub status: u16,
    /// Header fields in order, names as sent, values without the white space around them.
    pub fields: Vec<(String, String)>,
    /// The whole head as text, with its empty line.
    pub text: String,
}

impl RawHead {
    /// The first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    fn parse(text: String) -> Self {
        let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("this is no answer: {text}"));
        let fields = lines.filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        Self { status, fields, text }
    }
}

/// Connects from a certain local address, such as `127.0.0.7`. Small writes go out at once.
pub(crate) async fn connect_from(local: impl Into<IpAddr>, address: SocketAddr) -> io::Result<TcpStream> {
    let local = local.into();
    let socket = if local.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(address).await
}

/// A TCP connection whose bytes the test writes itself.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    /// Received and not yet asked for.
    kept: Vec<u8>,
    deadline: Duration,
}

impl RawConnection {
    /// Connects to `address`.
    pub async fn open(address: SocketAddr) -> Self {
        Self::around(TcpStream::connect(address).await.expect("the connection is accepted"))
    }

    /// Connects to `address` from a certain local address, such as `127.0.0.7`.
    pub async fn open_from(local: impl Into<IpAddr>, address: SocketAddr) -> Self {
        Self::around(connect_from(local, address).await.expect("the connection is accepted"))
    }

    pub(crate) fn around(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a fresh connection");
        Self { stream, kept: Vec::new(), deadline: WAIT }
    }

    /// Sets the longest wait of every later call.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The connection's own address: what the gate sees as its peer.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("an open connection")
    }

    /// Sends all of `bytes`; panics when the other side does not take them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the bytes are taken");
    }

    /// Sends all of `bytes`.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        timeout(self.deadline, self.stream.write_all(bytes.as_ref())).await?
    }

    /// Sends `bytes` in pieces of `piece_bytes` with a pause after each; stops early when the other side ends the
    /// connection, and says how many bytes went out.
    pub async fn send_slowly(&mut self, bytes: &[u8], piece_bytes: usize, pause: Duration) -> usize {
        let mut sent = 0;
        for piece in bytes.chunks(piece_bytes) {
            if self.try_send(piece).await.is_err() {
                break;
            }
            sent += piece.len();
            sleep(pause).await;
        }
        sent
    }

    /// Reads one answer's head, an interim one (1xx) too; what follows is kept.
    pub async fn read_head(&mut self) -> RawHead {
        RawHead::parse(self.read_to(b"\r\n\r\n").await)
    }

    /// Reads a request's head as text, with its empty line; what follows is kept.
    pub async fn read_request(&mut self) -> String {
        self.read_to(b"\r\n\r\n").await
    }

    /// Reads exactly `length` bytes.
    pub async fn read_exact(&mut self, length: usize) -> Vec<u8> {
        while self.kept.len() < length {
            let Ok(1..) = self.receive().await else {
                panic!("{length} bytes expected, got: {}", String::from_utf8_lossy(&self.kept));
            };
        }
        self.kept.drain(..length).collect()
    }

    /// Reads a final answer and its body, by its length, its chunks or the connection's end.
    pub async fn read_answer(&mut self) -> (RawHead, Vec<u8>) {
        let mut head = self.read_head().await;
        while head.status < 200 {
            head = self.read_head().await;
        }
        let body = match head.status {
            204 | 304 => Vec::new(),
            _ => self.read_body(&head).await,
        };
        (head, body)
    }

    /// Reads answers until the other side ends the connection in order or by a reset; panics at the deadline. To
    /// `HEAD` there is no body, so the caller says which answers those are, counted from 0.
    pub async fn read_answers(&mut self, to_head: &[usize]) -> Vec<(RawHead, Vec<u8>)> {
        let mut answers = Vec::new();
        while !self.is_at_end().await {
            let head = self.read_head().await;
            let body = match head.status {
                100..200 => continue,
                204 | 304 => Vec::new(),
                _ if to_head.contains(&answers.len()) => Vec::new(),
                _ => self.read_body(&head).await,
            };
            answers.push((head, body));
        }
        answers
    }

    /// Whether something came, or the other side has ended the connection; waits for nothing.
    pub fn has_something_to_read(&mut self) -> bool {
        !self.kept.is_empty() || self.stream.try_read_buf(&mut self.kept).is_ok()
    }

    /// Whether the other side has ended the connection and nothing is left to read.
    async fn is_at_end(&mut self) -> bool {
        if !self.kept.is_empty() {
            return false;
        }
        match self.receive().await {
            Ok(bytes) => bytes == 0,
            Err(e) if e.kind() == io::ErrorKind::TimedOut => panic!("neither an answer nor an end"),
            Err(_reset) => true,
        }
    }

    async fn read_body(&mut self, head: &RawHead) -> Vec<u8> {
        if head.field("transfer-encoding").is_some() {
            self.read_chunks().await
        } else if let Some(length) = head.field("content-length") {
            let length = length.parse().expect("a length is a number");
            self.read_exact(length).await
        } else {
            self.read_to_end().await.0
        }
    }

    /// Reads whatever comes until the other side ends the connection or the deadline passes.
    pub async fn read_to_end(&mut self) -> (Vec<u8>, Ending) {
        let ending = loop {
            match self.receive().await {
                Ok(0) => break Ending::Closed,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::TimedOut => break Ending::StillOpen,
                Err(_) => break Ending::Reset,
            }
        };
        (std::mem::take(&mut self.kept), ending)
    }

    /// Says that nothing more will be sent; what the other side sends can still be read.
    pub async fn half_close(&mut self) {
        self.stream.shutdown().await.expect("an open connection");
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        self.stream.set_zero_linger().expect("an open connection");
    }

    async fn read_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.read_to(b"\r\n").await;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).unwrap_or_else(|e| panic!("chunk `{line}`: {e}"));
            if size == 0 {
                while self.read_to(b"\r\n").await != "\r\n" {}
                return body;
            }
            body.extend(self.read_exact(size).await);
            assert_eq!(self.read_exact(2).await, b"\r\n", "a chunk ends with a line end");
        }
    }

    async fn read_to(&mut self, mark: &[u8]) -> String {
        loop {
            if let Some(at) = self.kept.windows(mark.len()).position(|window| window == mark) {
                let read = self.kept.drain(..at + mark.len()).collect();
                return String::from_utf8(read).expect("heads are text");
            }
            match self.receive().await {
                Ok(1..) => {}
                other => panic!("{other:?} after: {}", String::from_utf8_lossy(&self.kept)),
            }
        }
    }

    async fn receive(&mut self) -> io::Result<usize> {
        timeout(self.deadline, self.stream.read_buf(&mut self.kept)).await?
    }
}

/// A server whose connections the test answers itself, one after the other.
#[derive(Debug)]
pub struct RawServer(TcpListener);

impl RawServer {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port"))
    }

    /// Its base address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("a bound port"))
    }

    /// The next connection; panics when none comes.
    pub async fn accept(&self) -> RawConnection {
        let accepted = timeout(WAIT, self.0.accept()).await.expect("a connection comes");
        RawConnection::around(accepted.expect("a connection").0)
    }
}

/// A server that answers every connection with the same bytes, whatever it is asked, and closes: for answers that
/// no proper server would send.
#[derive(Debug)]
pub struct RawUpstream {
    address: SocketAddr,
    task: AbortHandle,
}

/// How a server ends its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    Good,
    Bad,
}

impl RawUpstream {
    /// Starts a server that sends `answer` once it has read a request's head.
    pub async fn start(answer: impl Into<Vec<u8>>) -> Self {
        Self::ending(answer.into(), Manners::Good).await
    }

    /// The same, and closes the connection at once, whatever is still to come: the rest of an upload meets a reset.
    pub async fn start_abrupt(answer: impl Into<Vec<u8>>) -> Self {
        Self::ending(answer.into(), Manners::Bad).await
    }

    async fn ending(answer: Vec<u8>, manners: Manners) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut connection = RawConnection::around(stream);
                    connection.read_to(b"\r\n\r\n").await;
                    let _ = connection.try_send(answer).await;
                    if manners == Manners::Bad {
                        return;
                    }
                    let _ = connection.stream.shutdown().await;
                    // Closing with unread bytes would be a reset, which may overtake the answer.
                    connection.read_to_end().await;
                });
            }
        });
        Self { address, task: task.abort_handle() }
    }

    /// Its base address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_raw_answer_is_read_by_length_and_by_chunks() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nhello",
        ] {
            let upstream = RawUpstream::start(answer).await;
            let mut connection = RawConnection::open(upstream.address).await;
            connection.send("GET / HTTP/1.1\r\n\r\n").await;
            let (head, body) = connection.read_answer().await;
            assert_eq!((head.status, &*body), (200, &b"hello"[..]), "{answer}");
        }
    }
}
