//! One client connection, from the `accept` stage to its end: TLS where it is spoken, then HTTP/1.1 or HTTP/2 (see
//! `http2.rs`).
//!
//! Everything that a client can let wait has a limit here: the handshake, and then each head, has the same time for
//! itself, and a socket that takes nothing has another.

mod left;
mod peer;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderValue, StatusCode, Version, header};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioTimer;
use portcullis_contract::snapshot::{Bounds, Reached};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::channel::Channel;
use crate::gate::LiveTls;
use crate::http2;
use crate::io::{ClientIo, InTurn, keep_little_unsent};
use crate::received::Received;
use crate::refusal::Refusal;
use crate::server::{Shared, handle, refuse_head};
use crate::stages::flood;
use crate::strict::Limits;
use crate::strict::inbox::Refused;
use crate::tls::{HTTP2, Handshake, NoHandshake};
use left::Left;

/// Smallest read buffer that the HTTP library accepts, in bytes.
const READ_BUFFER_BYTES_MIN: usize = 8192;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// TLS where the configuration has it, else plain HTTP.
    AsConfigured,
    /// Plain HTTP, always.
    Plain,
    /// Questions of another proxy, in plain HTTP/1.1.
    Questions,
}

/// The request was cut off when the gate had to stop: its stream ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the request was cut off")]
struct CutOff;

/// Serves one connection until it ends.
pub(crate) async fn serve(shared: Arc<Shared>, mut stream: TcpStream, peer: SocketAddr, speaks: Speaks) {
    let gate = &shared.gate;
    if speaks == Speaks::Questions {
        return Box::pin(questions(shared, stream, peer)).await;
    }
    let admitted = Box::pin(peer::admit(&shared, &mut stream, peer)).await;
    let Some((place, peer)) = admitted else { return };
    // A small answer must not wait for more to come.
    let _ = stream.set_nodelay(true);
    keep_little_unsent(&stream);
    if speaks == Speaks::Plain {
        let channel = Channel { peer, reached: Reached::Through, tls: None, _place: Some(place) };
        return Box::pin(plain(shared, stream, channel)).await;
    }
    // Boxed, each of them: an idle connection holds what it speaks and not room for what it might have spoken.
    let secured = Box::pin(secure(&shared, stream, peer.ip())).await;
    match secured {
        Ok(Secure::Plain(stream)) => {
            let channel = Channel { peer, reached: Reached::Through, tls: None, _place: Some(place) };
            Box::pin(plain(shared, stream, channel)).await;
        }
        Ok(Secure::Tls(Handshake { stream, secured, protocol })) => {
            let channel =
                Channel { peer, reached: Reached::Through, tls: Some(secured), _place: Some(place) };
            if protocol.as_deref() == Some(HTTP2) {
                Box::pin(http2(shared, stream, channel)).await;
            } else {
                Box::pin(http1(shared, stream, channel)).await;
            }
        }
        Ok(Secure::Proof) => {}
        Err(NoHandshake::Refused(refusal)) => shared.turn_away(peer.ip(), refusal),
        Err(error @ NoHandshake::Broken(_)) => {
            gate.tellers.metrics.handshakes_failed.inc();
            shared.turn_away(peer.ip(), Refusal::malformed(error.to_string()));
        }
    }
}

/// Serves a proxy that asks about requests of its clients. Each of those counts by itself, the proxy's connections only
/// together: they are bounded as clients' are.
async fn questions(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let snapshot = shared.gate.snapshot();
    let may_ask = snapshot.forward_auth.as_ref().is_some_and(|asked| asked.trusts(peer.ip()));
    if !may_ask {
        let why = "only `forward_auth.trusted_proxies` may ask, and this peer is none of them";
        return shared.turn_away(peer.ip(), Refusal::forbidden(why));
    }
    let Ok(_room) = Arc::clone(&shared.questions).try_acquire_owned() else {
        let why = "proxies that ask have `bounds.connections_max` connections already";
        return shared.turn_away(peer.ip(), Refusal::busy(why));
    };
    let _ = stream.set_nodelay(true);
    keep_little_unsent(&stream);
    let channel = Channel { peer, reached: Reached::Asked, tls: None, _place: None };
    Box::pin(http1(shared, stream, channel)).await;
}

/// A connection on which HTTP can begin.
enum Secure {
    Plain(TcpStream),
    Tls(Handshake),
    /// Not HTTP at all: a certificate authority looked for its proof, which the handshake was.
    Proof,
}

/// Shakes hands, where TLS is spoken, within the time for a head. A handshake counts for the flood limit: it costs more
/// than most requests, and a client that keeps its connections needs few.
async fn secure(shared: &Shared, stream: TcpStream, peer: IpAddr) -> Result<Secure, NoHandshake> {
    let gate = &shared.gate;
    let live = gate.live();
    let acceptor = match &live.tls {
        LiveTls::Off => return Ok(Secure::Plain(stream)),
        LiveTls::Broken => return Err(io::Error::other("the listener's TLS is broken").into()),
        LiveTls::On(acceptor) => acceptor,
    };
    let may_begin = || flood::take_unasked(gate, peer);
    let shaking = acceptor.accept(stream, &live.snapshot, may_begin);
    let shaken = tokio::select! {
        shaken = timeout(live.snapshot.bounds.head_timeout, shaking) => shaken,
        () = shared.stop.cancelled() => return Err(io::Error::other("the node is stopping").into()),
    };
    let handshake = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    gate.tellers.metrics.handshakes.inc();
    Ok(handshake.map_or(Secure::Proof, Secure::Tls))
}

/// HTTP in the clear: HTTP/1.1, and HTTP/2 with prior knowledge where that is allowed.
async fn plain(shared: Arc<Shared>, stream: TcpStream, channel: Channel) {
    let snapshot = shared.gate.snapshot();
    if !snapshot.listen.plain_http2 {
        return Box::pin(http1(shared, stream, channel)).await;
    }
    let begun = tokio::select! {
        begun = timeout(snapshot.bounds.head_timeout, http2::begin(stream)) => begun,
        () = shared.stop.cancelled() => return,
    };
    match begun {
        Ok(Ok((stream, Version::HTTP_2))) => Box::pin(http2(shared, stream, channel)).await,
        Ok(Ok((stream, _))) => Box::pin(http1(shared, stream, channel)).await,
        // It left, or said nothing.
        Ok(Err(_)) | Err(_) => {}
    }
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
    let left = Left::default();
    let service = {
        let (shared, channel, turns) = (Arc::clone(&shared), Arc::clone(&channel), io.turns());
        let (asked, most) = (AtomicUsize::new(0), bounds.requests_per_connection_max);
        let left = left.clone();
        service_fn(move |mut request: hyper::Request<Incoming>| {
            let is_last = asked.fetch_add(1, Ordering::Relaxed) + 1 >= most;
            let (raw, turn) = turns.begin();
            if let Some(raw) = raw {
                request.extensions_mut().insert(Arc::new(raw));
            }
            left.by(&request);
            let left = left.clone();
            let answer = handle(Arc::clone(&shared), request.map(Received::new), Arc::clone(&channel));
            async move {
                let answer = answer.await;
                let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
                if switches {
                    turn.switches();
                    left.to_another_protocol();
                }
                let mut answer = answer.map(|told| InTurn::new(told, turn));
                // What follows a switch of protocols is no request any more.
                if is_last && !switches {
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let serving = http1_settings(&bounds).serve_connection(io, service).with_upgrades();
    match until_done(serving, &shared).await {
        Some(Ok(())) => left.end(&shared.cut).await,
        Some(Err(error)) if error.is_parse() => {
            // The strict head lets nothing pass that the HTTP library refuses. Should it ever, the library has
            // answered 400 or 431 by itself, and the event is ours to record.
            if let Some(mut story) = shared.garbage(channel.peer.ip()) {
                story.refused(&Refusal::malformed(format!("the head is not HTTP/1.1: {error}")));
            }
        }
        Some(Err(_)) | None => {}
    }
}

/// Serves until the connection is done, and lets go of it; `None` when it was cut off.
async fn until_done<I, S, B>(
    serving: http1::UpgradeableConnection<I, S>,
    shared: &Shared,
) -> Option<hyper::Result<()>>
where
    I: Read + Write + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut serving = pin!(serving);
    tokio::select! {
        served = serving.as_mut() => return Some(served),
        () = shared.stop.cancelled() => serving.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        served = serving => Some(served),
        () = shared.cut.cancelled() => None,
    }
}

async fn http2<S>(shared: Arc<Shared>, stream: S, channel: Channel)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = channel.peer.ip();
    let channel = Arc::new(channel);
    let bounds = shared.gate.snapshot().bounds.clone();
    let terms = http2::Terms {
        limits: http2::limits(&bounds),
        requests_max: bounds.requests_per_connection_max as u64,
        clock: Arc::clone(&shared.gate.tellers.clock),
        tasks: shared.tasks.clone(),
        stop: shared.stop.clone(),
        cut: shared.cut.clone(),
    };
    let answer = |request| {
        let answer = handle(Arc::clone(&shared), request, Arc::clone(&channel));
        let shared = Arc::clone(&shared);
        // A stream has a task of its own: what ends its connection must end it too.
        async move {
            let mut answer = tokio::select! {
                answer = answer => answer,
                () = shared.cut.cancelled() => return Err(CutOff),
            };
            // A proxy has others' requests on the same connection: what one client did must not end it.
            if shared.gate.snapshot().listen.trusts(peer) {
                answer.headers_mut().remove(header::CONNECTION);
            }
            Ok(answer)
        }
    };
    http2::serve(stream, terms, answer, |untold| shared.untold(peer, untold)).await;
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

fn limits(bounds: &Bounds) -> Limits {
    let Bounds { head_bytes_max, headers_max, target_bytes_max, .. } = *bounds;
    Limits { head_bytes_max, headers_max, target_bytes_max }
}
