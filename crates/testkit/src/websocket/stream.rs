//! WebSockets on streams of HTTP/2 connections (RFC 8441), one connection for each.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Duplex, Websocket};
use crate::authority::{Authority, Credentials};
use crate::deadline::{WAIT, eventually};
use crate::handshake::Dialer;
use crate::raw::connect_from;

impl Websocket {
    /// Opens a WebSocket on a stream, in the clear with prior knowledge, from a certain address of this machine; the status
    /// instead when that is not 200.
    pub async fn open_stream_from(
        local: [u8; 4],
        address: SocketAddr,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Self, StatusCode> {
        let stream = connect_from(local, address).await.expect("the gate listens");
        Self::on_stream(stream, &format!("http://{address}{path}"), fields).await
    }

    /// The same over TLS, with a gate that shows a certificate of `authority` for `host`, and this certificate for whoever
    /// asks for one.
    pub async fn open_secure_stream(
        address: SocketAddr,
        host: &str,
        authority: &Authority,
        certificate: Option<&Credentials>,
        path: &str,
    ) -> Result<Self, StatusCode> {
        let dialer = Dialer::presenting(authority, host, certificate, "h2");
        let stream = dialer.open_from(Ipv4Addr::LOCALHOST, address).await.expect("TLS");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Self::on_stream(stream, &format!("https://{host}:{}{path}", address.port()), &[]).await
    }

    async fn on_stream(
        stream: impl Duplex + 'static,
        url: &str,
        fields: &[(&str, &str)],
    ) -> Result<Self, StatusCode> {
        let shaking = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = shaking.await.expect("a connection");
        // RFC 8441 §3: only after the server has said that it takes them.
        eventually(WAIT, async || connection.is_extended_connect_protocol_enabled()).await;
        tokio::spawn(connection);
        let request = Request::builder().method(Method::CONNECT).uri(url).version(Version::HTTP_2);
        let request = request.extension(Protocol::from_static("websocket"));
        let mut request = request.header("sec-websocket-version", "13");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let answer = timeout(WAIT, sender.send_request(request)).await.expect("an answer in time");
        let answer = answer.expect("an answer");
        if answer.status() != StatusCode::OK {
            return Err(answer.status());
        }
        let fields = answer.headers().clone();
        let upgraded = hyper::upgrade::on(answer).await.expect("a stream that goes both ways");
        let stream: Box<dyn Duplex> = Box::new(TokioIo::new(upgraded));
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Ok(Self { stream, answer: fields })
    }
}
