//! HTTP/2 to one server: a few connections, each shared by many requests (RFC 9113).
//!
//! What one client does must not hold up another whose request shares the connection. So a client that reads slowly
//! uses up its own window and never that of the connection, and a connection that is full gets a second one beside it.

use std::future::{Future as _, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::uri::Authority;
use http::{Request, Response, Uri, Version, header};
use hyper::client::conn::http2::{self, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::body::{RequestBody, with_causes};
use crate::strict;
use crate::upstream::connector::{Connector, Counted, Offered};
use crate::upstream::{ANSWER_HEAD_BYTES_MAX, Arriving, NoAnswer, Unanswered};

/// Requests on one connection at most, where the server itself allows more.
const STREAMS_MAX: usize = 256;
/// Requests on the first connection before the server has said what it allows (RFC 9113 §6.5.2 asks it to allow them).
const STREAMS_FIRST: usize = 100;
/// Connections to one server at most. Beyond them, requests wait until the server allows more.
const LANES_MAX: usize = 16;
/// What a server may send ahead of a client that reads slowly, in bytes for each request: what it costs the gate.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// The same for all requests of a connection together: the most there can be (RFC 9113 §6.9.1), because each has its
/// own bound, and readers that stop must not stop the others.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// What of a request waits here until the server takes it, in bytes.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How often a request that was not sent at all is given to another connection.
const CHOICES_MAX: usize = 3;

/// The connections to one server.
pub(crate) struct Lanes {
    connector: Connector,
    idle_timeout: Duration,
    open: Mutex<Vec<Lane>>,
    /// How many requests the server allows on one connection, as far as it has said on any.
    allowed: Arc<AtomicUsize>,
    /// One connection is opened at a time: whoever waits for one may find room on it.
    opening: tokio::sync::Mutex<()>,
    failed: Mutex<Failed>,
}

/// What became of the last connection that could not be opened.
#[derive(Default, Clone)]
struct Failed {
    count: u64,
    why: String,
}

/// One connection.
struct Lane {
    sender: SendRequest<RequestBody>,
    load: Arc<Load>,
}

/// What a connection is used for.
struct Load {
    streams: AtomicUsize,
    /// How many the server allows on this one.
    allowed: AtomicUsize,
    /// Whether the server has answered anything, and so has said what it allows.
    answered: AtomicBool,
    /// Whether it was used since somebody looked last.
    used: AtomicBool,
}

/// A request's place on a connection, until its answer has been read or given up.
pub(crate) struct Stream(Arc<Load>);

/// What became of a request.
pub(crate) enum Sent {
    /// The server answered.
    Answered(Response<Arriving>),
    /// The server wants HTTP/1.1; the request was not sent.
    WantsHttp1(Request<RequestBody>),
}

impl Lanes {
    pub(crate) fn new(connector: Connector, idle_timeout: Duration) -> Arc<Self> {
        let (open, opening, failed) = (Mutex::default(), tokio::sync::Mutex::default(), Mutex::default());
        let allowed = Arc::new(AtomicUsize::new(STREAMS_FIRST));
        Arc::new(Self { connector, idle_timeout, open, allowed, opening, failed })
    }

    /// Whether the server is never asked over HTTP/1.1.
    pub(crate) fn is_the_only_way(&self) -> bool {
        self.connector.offered() == Offered::Http2
    }

    /// Sends a request and waits for the head of the answer, whose body carries the place on the connection with it.
    pub(crate) async fn send(self: &Arc<Self>, request: Request<RequestBody>) -> Result<Sent, Unanswered> {
        let Some(mut place) = self.place().await? else { return Ok(Sent::WantsHttp1(request)) };
        let mut request = to_http2(request).map_err(|error| silent(format!("not sent: {error}")))?;
        for _ in 1..CHOICES_MAX {
            let (mut sender, stream) = place;
            match sender.try_send_request(request).await {
                Ok(response) => {
                    strict::answer::judge(response.headers()).map_err(|fault| Unanswered {
                        how: NoAnswer::Odd,
                        why: format!("an answer with two meanings: {fault}"),
                    })?;
                    stream.0.answered.store(true, Ordering::Relaxed);
                    return Ok(Sent::Answered(response.map(|body| Arriving::over_shared(body, stream))));
                }
                // The connection ended between choice and use, as when a server restarts: nothing was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(silent(with_causes(error.error()))),
                },
            }
            place = match self.place().await? {
                Some(next) => next,
                None => return Err(silent("the server wants HTTP/1.1 from now on".into())),
            };
        }
        Err(unreachable("every connection ended before the request was sent".into()))
    }

    /// A place for one request: on an open connection, or on a new one. `None` when the server wants HTTP/1.1.
    async fn place(self: &Arc<Self>) -> Result<Option<(SendRequest<RequestBody>, Stream)>, Unanswered> {
        if let Some(place) = self.free(Room::Some) {
            return Ok(Some(place));
        }
        let before = self.failed().count;
        let _turn = self.opening.lock().await;
        if let Some(place) = self.free(Room::Some) {
            return Ok(Some(place));
        }
        // Those who waited for a connection that failed share its fate: one after the other would take for ever.
        let failed = self.failed();
        if failed.count > before {
            return Err(unreachable(failed.why));
        }
        if self.count() >= LANES_MAX
            && let Some(place) = self.free(Room::None)
        {
            return Ok(Some(place));
        }
        let opened = self.connector.clone().connect().await;
        let socket = opened.map_err(|error| {
            let why = with_causes(&error);
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            *failed = Failed { count: failed.count + 1, why: why.clone() };
            unreachable(why)
        })?;
        if !socket.speaks_http2() {
            return Ok(None);
        }
        self.add(socket).await?;
        Ok(self.free(Room::None))
    }

    async fn add(self: &Arc<Self>, socket: Counted) -> Result<(), Unanswered> {
        let shaken = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_max_send_streams(self.allowed.load(Ordering::Relaxed))
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(u32::try_from(ANSWER_HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
            .handshake(socket)
            .await;
        let (sender, connection) = shaken.map_err(|error| unreachable(with_causes(&error)))?;
        let load = Load {
            streams: AtomicUsize::new(0),
            allowed: AtomicUsize::new(connection.current_max_send_streams()),
            answered: AtomicBool::new(false),
            used: AtomicBool::new(false),
        };
        let load = Arc::new(load);
        let lanes = Arc::downgrade(self);
        tokio::spawn(keep(
            connection,
            Arc::clone(&load),
            Arc::clone(&self.allowed),
            lanes,
            self.idle_timeout,
        ));
        self.lanes(|open| open.push(Lane { sender, load }));
        Ok(())
    }

    /// A place on an open connection, on the oldest that has room; with [`Room::None`], on the one with the least load.
    fn free(&self, wanted: Room) -> Option<(SendRequest<RequestBody>, Stream)> {
        self.lanes(|open| {
            open.retain(|lane| !lane.sender.is_closed());
            let found = match wanted {
                Room::Some => open.iter().find(|lane| lane.has_room()),
                Room::None => open.iter().min_by_key(|lane| lane.load.streams.load(Ordering::Relaxed)),
            };
            found.map(|lane| (lane.sender.clone(), Stream::begin(&lane.load)))
        })
    }

    fn count(&self) -> usize {
        self.lanes(|open| open.len())
    }

    fn failed(&self) -> Failed {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lanes<T>(&self, step: impl FnOnce(&mut Vec<Lane>) -> T) -> T {
        step(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a connection has to have room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Some,
    None,
}

impl Lane {
    fn has_room(&self) -> bool {
        self.load.streams.load(Ordering::Relaxed) < self.load.allowed.load(Ordering::Relaxed).min(STREAMS_MAX)
    }
}

impl Stream {
    fn begin(load: &Arc<Load>) -> Self {
        load.streams.fetch_add(1, Ordering::Relaxed);
        load.used.store(true, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Moves a connection's bytes until it ends, and lets go of one that nobody has used for a while.
async fn keep(
    connection: Connection<Counted, RequestBody, TokioExecutor>,
    load: Arc<Load>,
    allowed: Arc<AtomicUsize>,
    lanes: Weak<Lanes>,
    idle_timeout: Duration,
) {
    let mut connection = std::pin::pin!(connection);
    loop {
        let moving = poll_fn(|cx| {
            let polled = connection.as_mut().poll(cx);
            let most = connection.current_max_send_streams();
            load.allowed.store(most, Ordering::Relaxed);
            if load.answered.load(Ordering::Relaxed) {
                allowed.store(most, Ordering::Relaxed);
            }
            polled
        });
        tokio::select! {
            ended = moving => {
                if let Err(error) = ended {
                    tracing::debug!(error = with_causes(&error), "a connection to a server broke");
                }
                return;
            }
            () = tokio::time::sleep(idle_timeout) => {
                let is_idle = load.streams.load(Ordering::Relaxed) == 0;
                if !load.used.swap(false, Ordering::Relaxed) && is_idle
                    && let Some(lanes) = lanes.upgrade()
                {
                    // Without a sender the connection comes to its end.
                    lanes.lanes(|open| open.retain(|lane| !Arc::ptr_eq(&lane.load, &load)));
                }
            }
        }
    }
}

/// The request in the form of HTTP/2: what `Host` said becomes `:authority`, and nothing else says it (RFC 9113 §8.3.1).
fn to_http2(request: Request<RequestBody>) -> Result<Request<RequestBody>, http::Error> {
    let (mut head, body) = request.into_parts();
    if let Some(host) = head.headers.remove(header::HOST) {
        let mut parts = head.uri.into_parts();
        parts.authority = Some(Authority::try_from(host.as_bytes())?);
        head.uri = Uri::from_parts(parts)?;
    }
    head.version = Version::HTTP_2;
    Ok(Request::from_parts(head, body))
}

fn silent(why: String) -> Unanswered {
    Unanswered { how: NoAnswer::Silent, why }
}

fn unreachable(why: String) -> Unanswered {
    Unanswered { how: NoAnswer::Unreachable, why }
}
