//! A real HTTP server in the test's process, on a port of its own, that records what it is asked. It speaks HTTP/1.1 or,
//! where told, HTTP/2; in the clear or over TLS.
//!
//! The path chooses the behaviour (see [`behaviour`] for the list), so one server serves all tests. Read next:
//! [`behaviour`].

pub mod behaviour;
mod grpc;
mod script;
mod seen;
mod wire;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, broadcast};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::deadline::{WAIT, eventually, within};
pub use seen::SeenRequest;

/// Requests on one connection of HTTP/2 at a time, unless told otherwise.
const STREAMS_MAX: u32 = 200;
/// Large enough for every head that a test lets through the gate.
const READ_BUFFER_BYTES: usize = 1 << 20;

/// The server. Dropping it closes its port and its connections.
pub struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// What is spoken on a connection.
#[derive(Clone)]
enum Spoken {
    /// HTTP/1.1 in the clear.
    Http1,
    /// HTTP/2 in the clear, which the client must know (RFC 9113 §3.3), with so many requests on a connection.
    Http2(u32),
    /// TLS; ALPN says what is spoken above it.
    Tls(TlsAcceptor),
}

/// What the server's connections share.
struct State {
    spoken: Spoken,
    /// How many connections spoke TLS to its end of the handshake.
    secured: AtomicU64,
    seen: Mutex<seen::Seen>,
    connections_open: AtomicUsize,
    connections_total: AtomicU64,
    aborted: AtomicU64,
    /// Events for everyone who listens on `/sse`.
    events: broadcast::Sender<String>,
    /// Cuts every open connection.
    cut: Notify,
    /// Lets every connection of HTTP/2 end after its present requests.
    retired: Notify,
}

impl Upstream {
    /// Starts a server on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::speaking(Spoken::Http1).await
    }

    /// Starts a server that speaks HTTP/2 in the clear and nothing else.
    pub async fn start_http2() -> Self {
        Self::speaking(Spoken::Http2(STREAMS_MAX)).await
    }

    /// The same with so many requests on a connection.
    pub async fn start_http2_with(streams_max: u32) -> Self {
        Self::speaking(Spoken::Http2(streams_max)).await
    }

    /// Starts a server that speaks TLS, and above it what ALPN says.
    pub async fn start_tls(config: Arc<ServerConfig>) -> Self {
        Self::speaking(Spoken::Tls(config.into())).await
    }

    async fn speaking(spoken: Spoken) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let state = Arc::new(State {
            spoken,
            secured: AtomicU64::new(0),
            seen: Mutex::default(),
            connections_open: AtomicUsize::new(0),
            connections_total: AtomicU64::new(0),
            aborted: AtomicU64::new(0),
            events: broadcast::channel(1024).0,
            cut: Notify::new(),
            retired: Notify::new(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base address, without a slash at the end: what `upstream` in a configuration takes.
    pub fn url(&self) -> String {
        let scheme = if matches!(self.state.spoken, Spoken::Tls(_)) { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The last 10,000 requests in the order in which their heads came; one that is still being received is among
    /// them with what came so far.
    pub fn requests_seen(&self) -> Vec<SeenRequest> {
        self.state.seen.lock().unwrap().kept()
    }

    /// How many requests came in all.
    pub fn requests_total(&self) -> u64 {
        self.state.seen.lock().unwrap().total()
    }

    /// The last request for that path (without its query), if there was one.
    pub fn last_request(&self, path: &str) -> Option<SeenRequest> {
        self.requests_seen().into_iter().rev().find(|request| request.path() == path)
    }

    /// How many connections are open now.
    pub fn connections_open(&self) -> usize {
        self.state.connections_open.load(Ordering::SeqCst)
    }

    /// How many connections were accepted in all.
    pub fn connections_total(&self) -> u64 {
        self.state.connections_total.load(Ordering::SeqCst)
    }

    /// How many connections came to the end of a TLS handshake.
    pub fn handshakes_total(&self) -> u64 {
        self.state.secured.load(Ordering::SeqCst)
    }

    /// How many exchanges ended because the other side went away: in the request's body, before the answer, or
    /// before all of the answer was handed over.
    pub fn aborted(&self) -> u64 {
        self.state.aborted.load(Ordering::SeqCst)
    }

    /// Sends an event to everyone who listens on `/sse`; says how many that are.
    pub fn send_event(&self, data: &str) -> usize {
        self.state.events.send(data.to_owned()).unwrap_or(0)
    }

    /// Closes every open connection, idle ones too, and goes on accepting: what a restarted server does to a pool.
    pub async fn drop_connections(&self) {
        // Again and again: a connection that was just accepted does not listen yet.
        let cut = || async {
            self.state.cut.notify_waiters();
            self.connections_open() == 0
        };
        eventually(WAIT, cut).await;
    }

    /// Tells every connection of HTTP/2 to end after its present requests, by GOAWAY: what a server that is replaced
    /// does.
    pub fn retire_connections(&self) {
        self.state.retired.notify_waiters();
    }

    /// Closes the port and every connection.
    pub async fn stop(&mut self) {
        self.accepting.abort();
        eventually(WAIT, || async { self.accepting.is_finished() }).await;
        eventually(WAIT, || async { self.connections_open() == 0 }).await;
    }

    /// Listens again on the same port, stopped before or not; what was seen and counted stays.
    pub async fn restart_on_same_port(&mut self) {
        self.stop().await;
        let listener = within(WAIT, || async { TcpListener::bind(self.address).await.ok() }).await;
        let listener = listener.expect("the port is still free");
        self.accepting = tokio::spawn(accept(listener, Arc::clone(&self.state)));
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Dropped with this task, and its connections with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let number = state.connections_total.fetch_add(1, Ordering::SeqCst);
        connections.spawn(serve(stream, number, OpenConnection::count(&state)));
    }
}

async fn serve(stream: TcpStream, connection: u64, open: OpenConnection) {
    let state = Arc::clone(&open.0);
    let _ = stream.set_nodelay(true);
    let (wire, control) = wire::Wire::new(stream);
    let served = async {
        match &state.spoken {
            Spoken::Http1 => speak_http1(&state, wire, control, connection).await,
            Spoken::Http2(streams_max) => {
                speak_http2(&state, wire, control, connection, *streams_max).await;
            }
            Spoken::Tls(acceptor) => {
                let Ok(secure) = acceptor.accept(wire).await else { return };
                state.secured.fetch_add(1, Ordering::SeqCst);
                if secure.get_ref().1.alpn_protocol() == Some(b"h2") {
                    speak_http2(&state, secure, control, connection, STREAMS_MAX).await;
                } else {
                    speak_http1(&state, secure, control, connection).await;
                }
            }
        }
    };
    tokio::select! {
        () = served => {}
        () = state.cut.notified() => {}
    }
}

async fn speak_http1<S>(state: &Arc<State>, stream: S, control: wire::Control, connection: u64)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service =
        service_fn(|request| behaviour::answer(Arc::clone(state), control.clone(), connection, request));
    let mut server = http1::Builder::new();
    server.max_buf_size(READ_BUFFER_BYTES).max_headers(10_000);
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn speak_http2<S>(
    state: &Arc<State>,
    stream: S,
    control: wire::Control,
    connection: u64,
    streams_max: u32,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service =
        service_fn(|request| behaviour::answer(Arc::clone(state), control.clone(), connection, request));
    let mut server = http2::Builder::new(TokioExecutor::new());
    server.max_concurrent_streams(streams_max);
    let mut serving = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = &mut serving => return,
        () = state.retired.notified() => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

/// Counts a connection as open for as long as it lives.
struct OpenConnection(Arc<State>);

impl OpenConnection {
    fn count(state: &Arc<State>) -> Self {
        state.connections_open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
