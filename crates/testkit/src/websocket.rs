//! WebSockets with a library at both ends: a client to speak to the gate, and a server behind it.
//!
//! What no library would send is written with [`crate::raw`], and [`frame`] helps to. Read next: [`stream`].

pub mod stream;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::authority::{Authority, Credentials};
use crate::deadline::WAIT;
use crate::handshake::Dialer;
use crate::raw::connect_from;

/// A client's WebSocket.
#[derive(Debug)]
pub struct Websocket {
    stream: WebSocketStream<Box<dyn Duplex>>,
    /// The head of the answer that opened it.
    pub answer: HeaderMap,
}

/// A socket, with TLS or without.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> Duplex for S {}

/// What a side heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// A Close with this code; 1005 is none (RFC 6455 §7.1.5).
    Close(u16),
    /// The connection ended without a Close.
    End,
}

impl Websocket {
    /// Opens a WebSocket at `path` of the gate at `address`; the status instead when that is not 101.
    pub async fn open(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Result<Self, StatusCode> {
        let stream = TcpStream::connect(address).await.expect("the gate listens");
        Self::over(Box::new(stream), &address.to_string(), path, fields).await
    }

    /// The same over TLS, with a gate that shows a certificate of `authority` for `host`, and this certificate for whoever
    /// asks for one.
    pub async fn open_secure(
        address: SocketAddr,
        host: &str,
        authority: &Authority,
        certificate: Option<&Credentials>,
        path: &str,
    ) -> Result<Self, StatusCode> {
        let dialer = Dialer::presenting(authority, host, certificate, "http/1.1");
        let stream = dialer.open_from(Ipv4Addr::LOCALHOST, address).await.expect("TLS");
        Self::over(Box::new(stream), &format!("{host}:{}", address.port()), path, &[]).await
    }

    /// The same from a certain address of this machine.
    pub async fn open_from(
        local: [u8; 4],
        address: SocketAddr,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Self, StatusCode> {
        let stream = connect_from(local, address).await.expect("the gate listens");
        Self::over(Box::new(stream), &address.to_string(), path, fields).await
    }

    async fn over(
        stream: Box<dyn Duplex>,
        host: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Self, StatusCode> {
        let mut request = format!("ws://{host}{path}").into_client_request().expect("a request");
        for (name, value) in fields {
            let name = HeaderName::try_from(*name).expect("a field's name");
            request.headers_mut().insert(name, HeaderValue::try_from(*value).expect("a field's value"));
        }
        let opened = timeout(WAIT, tokio_tungstenite::client_async(request, stream)).await;
        match opened.expect("an answer in time") {
            Ok((stream, answer)) => Ok(Self { stream, answer: answer.into_parts().0.headers }),
            Err(Error::Http(answer)) => Err(answer.status()),
            Err(error) => panic!("neither a WebSocket nor an answer: {error}"),
        }
    }

    /// Sends a text.
    pub async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await.expect("the text is taken");
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        timeout(WAIT, self.stream.send(message)).await.expect("it is taken in time")
    }

    /// Sends a Close with this code.
    pub async fn close(&mut self, code: u16) {
        let close = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        self.stream.close(Some(close)).await.expect("the Close is taken");
    }

    /// The next message, or how it ended. Pings and pongs are not told.
    pub async fn hear(&mut self) -> Heard {
        loop {
            match timeout(WAIT, self.stream.next()).await.expect("something is heard in time") {
                Some(Ok(Message::Text(text))) => return Heard::Text(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => return Heard::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(close))) => {
                    return Heard::Close(close.map_or(1005, |close| close.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::End,
            }
        }
    }

    /// Hears nothing and says nothing, with the connection open, for as long as this is kept.
    pub fn fall_silent(self) -> impl Duplex {
        self.stream.into_inner()
    }
}

/// A server of WebSockets. The path chooses what it does:
///
/// | path | behaviour |
/// | --- | --- |
/// | every path not below | says every message back |
/// | `/close/{code}` | closes with this code at the first message |
/// | `/drop` | ends the connection at the first message, without a Close |
/// | `/flood` | sends messages of 64 KiB as long as they are taken |
/// | `/deaf` | reads nothing |
/// | `/refuse/{status}` | answers with this status |
/// | `/protocol/{name}` | chooses this sub-protocol, whatever was offered |
pub struct WebsocketUpstream {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Seen {
    openings: Vec<(String, HeaderMap)>,
    closes: Vec<u16>,
}

impl WebsocketUpstream {
    /// Starts a server on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&noted)));
            }
        });
        Self { address, seen, task: task.abort_handle() }
    }

    /// Its base address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The targets and fields of the requests that it was sent.
    pub fn openings(&self) -> Vec<(String, HeaderMap)> {
        self.seen.lock().unwrap().openings.clone()
    }

    /// The codes of the Closes that it heard; 1005 is none.
    pub fn closes(&self) -> Vec<u16> {
        self.seen.lock().unwrap().closes.clone()
    }
}

impl Drop for WebsocketUpstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the library wants it so")]
    let answer = |request: &Request<()>, mut response: Response| {
        path = request.uri().path().to_owned();
        let opening = (request.uri().to_string(), request.headers().clone());
        seen.lock().unwrap().openings.push(opening);
        match path.trim_start_matches('/').split_once('/') {
            Some(("refuse", status)) => {
                let mut refusal = ErrorResponse::new(Some("not here".to_owned()));
                *refusal.status_mut() = status.parse().expect("a status");
                refusal.headers_mut().insert("content-length", HeaderValue::from_static("8"));
                return Err(refusal);
            }
            Some(("protocol", name)) => {
                let name = HeaderValue::try_from(name).expect("a protocol");
                response.headers_mut().insert("sec-websocket-protocol", name);
            }
            _ => {}
        }
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, answer).await else { return };
    let (behaviour, argument) = path.trim_start_matches('/').split_once('/').unwrap_or((&path[1..], ""));
    match behaviour {
        "deaf" => return std::future::pending().await,
        "flood" => {
            let message = Message::binary(vec![7; 64 << 10]);
            while socket.send(message.clone()).await.is_ok() {}
            return;
        }
        _ => {}
    }
    while let Some(Ok(message)) = socket.next().await {
        match (behaviour, message) {
            (_, Message::Close(close)) => {
                let code = close.map_or(1005, |close| close.code.into());
                seen.lock().unwrap().closes.push(code);
            }
            (_, Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            ("drop", _) => return,
            ("close", _) => {
                let code = CloseCode::from(argument.parse::<u16>().expect("a code"));
                let _ = socket.close(Some(CloseFrame { code, reason: "".into() })).await;
            }
            (_, message) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The head of a request for a WebSocket, with more fields, each with its line end.
pub fn opening(path: &str, fields: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: gate.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

/// What a good server answers to the request with this head, with more fields, each with its line end.
pub fn switch(head: &str, fields: &str) -> String {
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let accept = derive_accept_key(key.expect("a key").as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{fields}\r\n"
    )
}

/// A frame with this first byte, and with a mask as clients send it or without.
pub fn frame(first: u8, masked: Masked, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    let bit = if masked == Masked::Yes { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..126 => frame.push(bit | length as u8),
        length @ 126..0x1_0000 => {
            frame.push(bit | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(bit | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    if masked == Masked::Yes {
        let mask = [0x5a, 0x01, 0xfe, 0x33];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        frame.extend(payload);
    }
    frame
}

/// Whether a frame is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masked {
    /// As a client's.
    Yes,
    /// As a server's.
    No,
}
