//! One client connection, from the `accept` stage to its end: TLS where it is spoken, then HTTP/1.1 or HTTP/2.
//!
//! Everything that a client can let wait has a limit here: the handshake and its first head share one, and a socket
//! that takes nothing has another.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_contract::snapshot::Bounds;
use portcullis_model::Stage;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::channel::Channel;
use crate::gate::LiveTls;
use crate::io::{ClientIo, InTurn, keep_little_unsent};
use crate::refusal::Refusal;
use crate::server::{CutOff, Shared, handle, refuse_head};
use crate::stages::accept;
use crate::strict::Limits;
use crate::strict::inbox::Refused;
use crate::tls::{HTTP2, Handshake};

/// Smallest read buffer that the HTTP library accepts, in bytes.
const READ_BUFFER_BYTES_MIN: usize = 8192;
/// Requests that one HTTP/2 connection may have under way (RFC 9113 §5.1.2).
const STREAMS_MAX: u32 = 100;
/// Bytes of one request body that a client may send ahead.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// The same for all of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// TLS where the configuration has it, else plain HTTP.
    AsConfigured,
    /// Plain HTTP, always.
    Plain,
}

/// Serves one connection until it ends.
pub(crate) async fn serve(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, speaks: Speaks) {
    let gate = &shared.gate;
    let admitted = catch_unwind(AssertUnwindSafe(|| {
        gate.tellers.entered(Stage::Accept);
        accept::admit(gate, &shared.connections, peer.ip())
    }));
    let _admitted = match admitted {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(why)) => return shared.turn_away(peer.ip(), Refusal::busy(why)),
        Err(_panic) => {
            gate.tellers.metrics.panics.inc();
            return shared.turn_away(peer.ip(), Refusal::internal("stage `accept` broke"));
        }
    };
    // A small answer must not wait for more to come.
    let _ = stream.set_nodelay(true);
    keep_little_unsent(&stream);
    if speaks == Speaks::Plain {
        return http1(shared, stream, Channel { peer, tls: None }).await;
    }
    match secure(&shared, stream).await {
        Ok(Secure::Plain(stream)) => http1(shared, stream, Channel { peer, tls: None }).await,
        Ok(Secure::Tls(Handshake { stream, secured, protocol })) => {
            let channel = Channel { peer, tls: Some(secured) };
            if protocol.as_deref() == Some(HTTP2) {
                http2(shared, stream, channel).await;
            } else {
                http1(shared, stream, channel).await;
            }
        }
        Err(error) => {
            gate.tellers.metrics.handshakes_failed.inc();
            shared.turn_away(peer.ip(), Refusal::malformed(format!("no TLS: {error}")));
        }
    }
}

/// A connection on which HTTP can begin.
enum Secure {
    Plain(TcpStream),
    Tls(Handshake),
}

/// Shakes hands, where TLS is spoken, within the time for a head.
async fn secure(shared: &Shared, stream: TcpStream) -> io::Result<Secure> {
    let live = shared.gate.live();
    let acceptor = match &live.tls {
        LiveTls::Off => return Ok(Secure::Plain(stream)),
        LiveTls::Broken => return Err(io::Error::other("the listener's TLS is broken")),
        LiveTls::On(acceptor) => acceptor,
    };
    let shaking = acceptor.accept(stream, &live.snapshot, shared.gate.tellers.clock.as_ref());
    let shaken = tokio::select! {
        shaken = timeout(live.snapshot.bounds.head_timeout, shaking) => shaken,
        () = shared.stop.cancelled() => return Err(io::Error::other("the node is stopping")),
    };
    let handshake = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    shared.gate.tellers.metrics.handshakes.inc();
    Ok(Secure::Tls(handshake))
}

async fn http1<S>(shared: Arc<Shared>, stream: S, channel: Channel)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let channel = Arc::new(channel);
    let bounds = shared.gate.snapshot().bounds.clone();
    let refuse = {
        let (shared, peer) = (Arc::clone(&shared), channel.peer.ip());
        Box::new(move |refused: &Refused| refuse_head(&shared, peer, refused))
    };
    let io = ClientIo::new(stream, limits(&bounds), bounds.client_stall_timeout, refuse);
    let service = {
        let (shared, channel, turns) = (Arc::clone(&shared), Arc::clone(&channel), io.turns());
        service_fn(move |mut request: hyper::Request<Incoming>| {
            let (raw, turn) = turns.begin();
            if let Some(raw) = raw {
                request.extensions_mut().insert(Arc::new(raw));
            }
            let answer = handle(Arc::clone(&shared), request, Arc::clone(&channel));
            async move { Ok::<_, CutOff>(answer.await?.map(|told| InTurn::new(told, turn))) }
        })
    };
    let mut serving = pin!(http1_settings(&bounds).serve_connection(io, service));
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = shared.stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                served = serving => served,
                () = shared.cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = served
        && error.is_parse()
    {
        // The strict head lets nothing pass that the HTTP library refuses. Should it ever, the library has
        // answered 400 or 431 by itself, and the event is ours to record.
        if let Some(mut story) = shared.garbage(channel.peer.ip()) {
            story.refused(&Refusal::malformed(format!("the head is not HTTP/1.1: {error}")));
        }
    }
}

async fn http2<S>(shared: Arc<Shared>, stream: S, channel: Channel)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let channel = Arc::new(channel);
    let bounds = shared.gate.snapshot().bounds.clone();
    let service = {
        let shared = Arc::clone(&shared);
        service_fn(move |request: hyper::Request<Incoming>| {
            handle(Arc::clone(&shared), request, Arc::clone(&channel))
        })
    };
    let http = http2_settings(&bounds, &shared.tasks);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = serving.as_mut() => {}
        () = shared.stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                _ = serving => {}
                () = shared.cut.cancelled() => {}
            }
        }
    }
}

fn http1_settings(bounds: &Bounds) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.head_timeout)
        .max_buf_size(bounds.head_bytes_max.max(READ_BUFFER_BYTES_MIN))
        .max_header_size(bounds.head_bytes_max)
        .max_headers(bounds.headers_max)
        .half_close(false);
    http
}

fn http2_settings(bounds: &Bounds, tasks: &TaskTracker) -> http2::Builder<Tracked> {
    let mut http = http2::Builder::new(Tracked(tasks.clone()));
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(u32::try_from(bounds.head_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(bounds.head_timeout)
        .keep_alive_timeout(bounds.client_stall_timeout);
    http
}

fn limits(bounds: &Bounds) -> Limits {
    let Bounds { head_bytes_max, headers_max, target_bytes_max, .. } = *bounds;
    Limits { head_bytes_max, headers_max, target_bytes_max }
}

/// Runs the tasks of HTTP/2 streams where a stop waits for them.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
