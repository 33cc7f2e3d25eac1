//! HTTP/2 connections of clients: the library reads and writes the protocol, the watch stands before it, and every
//! stream is answered like any other request.
//!
//! What this file adds is the end of connections: idle ones, those that asked enough, those that the watch gives up, those that the gate leaves because it stops. And it counts: a request that the library refused by
//! itself never reaches the walk, so it is told here.

mod answers;
mod begin;
mod watched;

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_contract::ports::Clock;
use portcullis_contract::snapshot::Bounds;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::io::LINGER;
use crate::received::Received;
use crate::strict::h2::{FRAME_BYTES_MAX, Fault, Limits};
use answers::{Answers, Flow, Flowing};
pub(crate) use begin::begin;
use watched::{Watched, Watching};

/// Bytes of one request's body that may wait to be read: enough to upload ten megabytes in a second over a line of
/// 25 ms.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// Bytes of bodies that may wait on one connection, whatever it has open: with all connections that are allowed this is
/// what uploads that nobody reads can cost.
const CONNECTION_WINDOW_BYTES: u32 = 512 << 10;
/// Bytes of one answer that wait for the socket. With all streams open a connection holds a hundred times as much, until
/// the watch ends it.
const UNSENT_BYTES_MAX: usize = 16 << 10;
/// Requests that a client may take back before we have looked at them.
const UNSEEN_RESETS_MAX: usize = 20;
/// Streams that the library resets for what a client sent there, for as long as a connection lives. The watch counts them
/// when they are said; this is the bound for what a client provokes in one go, before we have said anything.
const STREAM_ERRORS_MAX: usize = 200;

/// On what terms a connection is served.
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    /// Requests on one connection; then the client is asked to open another one.
    pub(crate) requests_max: u64,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where the tasks of answers are counted.
    pub(crate) tasks: TaskTracker,
    /// Asks to end after the requests that are open.
    pub(crate) stop: CancellationToken,
    /// Ends whatever is still there.
    pub(crate) cut: CancellationToken,
}

/// What no request's story tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untold {
    /// The library refused a request, or the client left before anybody saw it.
    Request,
    /// The connection was ended for this.
    Connection(Fault),
}

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// We said that we leave; open streams are finished.
    Leaving(Instant),
    /// The watch gave it up; the client is being told.
    Ending,
}

/// What may end a connection, or the time to look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happened {
    Ended,
    /// The client has asked all that it may, or was told so.
    AskedEnough,
    Stop,
    Look,
}

/// Serves one connection to its end.
pub(crate) async fn serve<S, A, F, B, E>(stream: S, terms: Terms, answer: A, tell: impl Fn(Untold))
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Received>) -> F,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    let Terms { limits, requests_max, clock, tasks, stop, cut } = terms;
    let watching = Arc::new(Watching::new(limits, clock));
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&watching), limits.stall_timeout));
    let answers = Answers::new(tasks, limits.stall_timeout);
    let service = {
        let (answers, watching) = (answers.clone(), Arc::clone(&watching));
        service_fn(move |request: Request<Incoming>| {
            watching.arrived();
            let (request, flow) = answers.begin(request);
            let answering = answer(request);
            answered(answering, flow, Arc::clone(&watching))
        })
    };
    let mut serving = pin!(settings(limits, answers).serve_connection(io, service));
    let (mut phase, mut told) = (Phase::Open, 0);
    let mut look = pin!(tokio::time::sleep(limits.head_timeout.min(limits.stall_timeout)));
    loop {
        let served = poll_fn(|cx| {
            let polled = serving.as_mut().poll(cx);
            let lost = watching.lost();
            (told..lost).for_each(|_| tell(Untold::Request));
            told = told.max(lost);
            match polled {
                Poll::Ready(_) => Poll::Ready(Happened::Ended),
                Poll::Pending if phase == Phase::Open && watching.is_enough(requests_max) => {
                    Poll::Ready(Happened::AskedEnough)
                }
                Poll::Pending => Poll::Pending,
            }
        });
        let happened = tokio::select! {
            biased;
            () = cut.cancelled() => Happened::Ended,
            () = stop.cancelled(), if phase == Phase::Open => Happened::Stop,
            happened = served => happened,
            () = look.as_mut() => Happened::Look,
        };
        let now = Instant::now();
        match next(happened, phase, &watching, now) {
            Next::Leave => {
                serving.as_mut().graceful_shutdown();
                phase = Phase::Leaving(now);
                look.as_mut().reset(now + LINGER);
            }
            Next::Look(at) => look.as_mut().reset(at),
            Next::End => {
                phase = Phase::Ending;
                look.as_mut().reset(now + LINGER + LINGER);
            }
            Next::Drop => break,
        }
    }
    (told..watching.lost_at_last()).for_each(|_| tell(Untold::Request));
    if let Some(fault) = watching.fault() {
        tell(Untold::Connection(fault));
    }
}

/// The answer as the library sends it.
async fn answered<B, E>(
    answering: impl Future<Output = Result<Response<B>, E>>,
    flow: Arc<Flow>,
    watching: Arc<Watching>,
) -> Result<Response<Flowing<B>>, E> {
    let answer = answering.await?;
    // The library leaves the field out: HTTP/2 says it with a GOAWAY (RFC 9113 §6.8, §8.2.2).
    if answer.headers().contains_key(header::CONNECTION) {
        watching.closes();
    }
    Ok(answer.map(|body| Flowing::new(body, flow)))
}

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Say that we leave, and finish what is open.
    Leave,
    /// Look again then.
    Look(Instant),
    /// Tell the client that it has gone too far.
    End,
    Drop,
}

fn next(happened: Happened, phase: Phase, watching: &Watching, now: Instant) -> Next {
    match happened {
        Happened::Ended => return Next::Drop,
        Happened::AskedEnough | Happened::Stop => return Next::Leave,
        Happened::Look => {}
    }
    match (phase, watching.due()) {
        (Phase::Ending, _) => Next::Drop,
        (_, Err(_)) => Next::End,
        // A client that is there would have answered our ping, and we had left.
        (Phase::Leaving(since), Ok(_)) if watching.is_idle() && now >= since + LINGER => Next::Drop,
        (Phase::Leaving(_), Ok(_)) => Next::Look(now + LINGER),
        (Phase::Open, Ok(None)) => Next::Leave,
        (Phase::Open, Ok(Some(after))) => Next::Look(now + after),
    }
}

/// The part of the bounds that HTTP/2 knows.
pub(crate) fn limits(bounds: &Bounds) -> Limits {
    Limits {
        head_bytes_max: bounds.head_bytes_max,
        streams_max: bounds.streams_max as usize,
        head_timeout: bounds.head_timeout,
        stall_timeout: bounds.client_stall_timeout,
    }
}

fn settings(limits: Limits, answers: Answers) -> http2::Builder<Answers> {
    let mut http = http2::Builder::new(answers);
    http.timer(TokioTimer::new())
        // Also where no route takes WebSockets: one may after a reload, and what is announced stands for the connection.
        .enable_connect_protocol()
        .max_concurrent_streams(u32::try_from(limits.streams_max).unwrap_or(u32::MAX))
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_frame_size(FRAME_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(UNSENT_BYTES_MAX)
        .max_pending_accept_reset_streams(UNSEEN_RESETS_MAX)
        .max_local_error_reset_streams(STREAM_ERRORS_MAX)
        // A client that is gone for good must not hold its streams: an event stream may be silent for hours.
        .keep_alive_interval(limits.stall_timeout)
        .keep_alive_timeout(limits.stall_timeout);
    http
}
