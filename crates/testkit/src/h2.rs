//! HTTP/2 frames that the test writes itself, for what no proper client would send.
//!
//! Header blocks are written as plain literals, so that a test can see what it sends; answers are decoded by a
//! library. Read next: [`frames`].

pub mod frames;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::deadline::WAIT;
use crate::raw::Ending;
use frames::{ACK, END_HEADERS, END_STREAM, Frame, kind};

/// What a client sends first (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The payload of the ping by which [`Connection::settle`] knows that all before it was read.
const MARK: [u8; 8] = *b"settled?";

/// Something that carries bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An HTTP/2 connection whose frames the test writes itself.
pub struct Connection {
    stream: Box<dyn Stream>,
    /// Received and not read as a frame yet.
    kept: Vec<u8>,
    /// Read and put back for a later call.
    waiting: VecDeque<Frame>,
    hpack: loona_hpack::Decoder<'static>,
    next_stream: u32,
    deadline: Duration,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("next_stream", &self.next_stream).finish_non_exhaustive()
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its fields, `:status` apart.
    pub fields: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Vec<(String, String)>,
}

impl Answered {
    /// The first field of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What became of a stream, or of the whole connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The stream was answered whole.
    Answered(Answered),
    /// The stream was reset with this code.
    Reset(u32),
    /// The connection was ended: the code of its GOAWAY, if there was one.
    Ended(Option<u32>),
}

impl Fate {
    /// In a few words: `200`, `RST 1`, `GOAWAY 11`, `closed`.
    pub fn brief(&self) -> String {
        match self {
            Self::Answered(answer) => answer.status.to_string(),
            Self::Reset(code) => format!("RST {code}"),
            Self::Ended(Some(code)) => format!("GOAWAY {code}"),
            Self::Ended(None) => "closed".to_owned(),
        }
    }
}

impl Connection {
    /// Connects in the clear and says nothing.
    pub async fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the connection is accepted");
        stream.set_nodelay(true).expect("a fresh connection");
        Self::around(stream)
    }

    /// Connects in the clear, with prior knowledge, and exchanges settings.
    pub async fn open(address: SocketAddr) -> Self {
        Self::silent(address).await.greet(&[]).await
    }

    /// A connection over what carries bytes, which has said nothing yet.
    pub fn around(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            kept: Vec::new(),
            waiting: VecDeque::new(),
            hpack: loona_hpack::Decoder::new(),
            next_stream: 1,
            deadline: WAIT,
        }
    }

    /// Sends preface and settings, and acknowledges the other side's.
    #[must_use]
    pub async fn greet(mut self, settings: &[(u16, u32)]) -> Self {
        self.send([PREFACE.to_vec(), frames::settings(settings)].concat()).await;
        let theirs = self.frame().await.expect("the gate's settings");
        assert_eq!((theirs.kind, theirs.flags & ACK), (kind::SETTINGS, 0), "{theirs:?}");
        self.send(frames::frame(kind::SETTINGS, ACK, 0, &[])).await;
        self
    }

    /// Sets the longest wait of every later call.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends all of `bytes`; panics when the other side does not take them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the bytes are taken");
    }

    /// Sends all of `bytes`.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        timeout(self.deadline, async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
        .await?
    }

    /// A stream that was not used yet.
    pub fn fresh(&mut self) -> u32 {
        self.next_stream += 2;
        self.next_stream - 2
    }

    /// Sends a request without a body on a fresh stream.
    pub async fn request(&mut self, fields: &[(&str, &str)]) -> u32 {
        let stream = self.fresh();
        self.send(frames::headers(stream, END_HEADERS | END_STREAM, fields)).await;
        stream
    }

    /// Asks for a path and reads the answer.
    pub async fn get(&mut self, path: &str) -> Answered {
        let stream = self.request(&get(path)).await;
        match self.fate(stream).await {
            Fate::Answered(answer) => answer,
            other => panic!("GET {path}: {}", other.brief()),
        }
    }

    /// The next frame; `None` when the other side has closed.
    pub async fn frame(&mut self) -> Option<Frame> {
        if let Some(frame) = self.waiting.pop_front() {
            return Some(frame);
        }
        let mut frame = self.next().await?;
        if frame.kind == kind::HEADERS {
            let mut ends = frame.flags & END_HEADERS != 0;
            while !ends {
                let more = self.next().await?;
                assert_eq!(more.kind, kind::CONTINUATION, "{more:?}");
                ends = more.flags & END_HEADERS != 0;
                frame.payload.extend(more.payload);
            }
            // In the order in which they come, whoever asks for them: each changes the table for the next.
            let fields = self.hpack.decode(&frame.payload).expect("a header block").into_iter();
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            frame.fields = fields.map(|(name, value)| (text(name), text(value))).collect();
        }
        Some(frame)
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::take(&mut self.kept) {
                return Some(frame);
            }
            match timeout(self.deadline, self.stream.read_buf(&mut self.kept)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => return None,
                Err(_) => panic!("no frame came within {:?}", self.deadline),
            }
        }
    }

    /// Waits until everything that was sent so far was read, and returns the frames that came meanwhile; panics when
    /// the connection is ended instead.
    pub async fn settle(&mut self) -> Vec<Frame> {
        let mut came = Vec::new();
        self.send(frames::frame(kind::PING, 0, 0, &MARK)).await;
        loop {
            match self.frame().await {
                Some(frame) if frame.kind == kind::PING && frame.payload == MARK => return came,
                Some(frame) if frame.kind == kind::GO_AWAY => panic!("{frame:?}"),
                Some(frame) => came.push(frame),
                None => panic!("the connection was ended; before that came {came:?}"),
            }
        }
    }

    /// Reads until `stream` is answered or reset, or the connection ends. Frames of other streams wait.
    pub async fn fate(&mut self, stream: u32) -> Fate {
        let (mut aside, mut answer, mut body) = (Vec::new(), None::<Answered>, Vec::new());
        let fate = loop {
            let Some(frame) = self.frame().await else { break Fate::Ended(None) };
            if frame.kind == kind::GO_AWAY && frame.number(4) != 0 {
                break Fate::Ended(Some(frame.number(4)));
            }
            if frame.stream != stream {
                if frame.kind == kind::PING && frame.flags & ACK == 0 {
                    self.send(frames::frame(kind::PING, ACK, 0, &frame.payload)).await;
                } else if frame.stream != 0 {
                    aside.push(frame);
                }
                continue;
            }
            let ends = frame.flags & END_STREAM != 0;
            match frame.kind {
                kind::RESET => break Fate::Reset(frame.number(0)),
                kind::HEADERS => match &mut answer {
                    Some(answer) => answer.trailers = frame.fields,
                    None => answer = Some(answered(frame.fields)),
                },
                kind::DATA => body.extend(frame.payload),
                _ => continue,
            }
            if let Some(answer) = answer.as_mut().filter(|_| ends) {
                answer.body = std::mem::take(&mut body);
                break Fate::Answered(answer.clone());
            }
        };
        // Before those that nobody has looked at yet: a stream's frames keep their order.
        aside.into_iter().rev().for_each(|frame| self.waiting.push_front(frame));
        fate
    }

    /// Reads until the connection ends, pings answered: the code of the last GOAWAY, if there was one.
    pub async fn end(&mut self) -> Fate {
        let mut code = None;
        while let Some(frame) = self.frame().await {
            match frame.kind {
                kind::GO_AWAY => code = Some(frame.number(4)),
                kind::PING if frame.flags & ACK == 0 => {
                    // Who ends the connection may not listen any more.
                    let _ = self.try_send(frames::frame(kind::PING, ACK, 0, &frame.payload)).await;
                }
                _ => {}
            }
        }
        Fate::Ended(code)
    }

    /// Says that nothing more will be sent.
    pub async fn half_close(&mut self) {
        self.stream.shutdown().await.expect("an open connection");
    }

    /// How the connection ends, whatever comes before.
    pub async fn ending(&mut self) -> Ending {
        let mut rest = Vec::new();
        match timeout(self.deadline, self.stream.read_to_end(&mut rest)).await {
            Ok(Ok(_)) => Ending::Closed,
            Ok(Err(_)) => Ending::Reset,
            Err(_) => Ending::StillOpen,
        }
    }
}

/// The fields of a plain GET.
pub fn get(path: &str) -> [(&str, &str); 4] {
    [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "gate.test")]
}

fn answered(mut fields: Vec<(String, String)>) -> Answered {
    assert!(fields.first().is_some_and(|(name, _)| name == ":status"), "{fields:?}");
    let status = fields.remove(0).1.parse().expect("a status");
    Answered { status, fields, body: Vec::new(), trailers: Vec::new() }
}
