//! The connections to one server: opened when needed, lent to one request at a time, kept while idle.
//!
//! A connection has no task of its own. Whoever holds it drives it: first the request that waits for the answer's head,
//! then the answer's body. So a request costs no hand-over between tasks, and dropping it, on whatever path, closes a
//! connection that is not finished. One whose answer was read whole goes back by itself.
//!
//! Nobody drives an idle connection. Should its server close it or speak out of turn, that is seen before a byte of
//! the next request is written, and at the latest when the idle ones are looked through, every second.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, Entry};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use portcullis_contract::snapshot::Upstream;
use thiserror::Error;
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::strict::{self, Fault};
use crate::upstream::ANSWER_HEAD_BYTES_MAX;
use crate::upstream::connector::Connector;
use crate::upstream::lanes::Stream;

/// How often idle connections are looked through.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// All connections to one server.
pub(crate) struct Connections {
    connector: Connector,
    idle: Mutex<Vec<Idle>>,
    idle_max: usize,
    idle_timeout: Duration,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// What moves the bytes of a connection, as long as somebody polls it, and hands it over when it changes its protocol.
type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection and the means to ask something over it.
struct Connection {
    requests: SendRequest<RequestBody>,
    /// `None` when the connection has ended.
    driver: Option<Driver>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    /// No connection could be opened.
    #[error("no connection")]
    Unreachable(#[source] io::Error),
    /// The connection broke, or what came over it was no answer.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// Where the answer ends can be read in two ways.
    #[error("an answer with two meanings")]
    Ambiguous(#[from] Fault),
}

impl Connections {
    /// Connections that `connector` opens and `upstream` bounds.
    pub(crate) fn new(connector: Connector, upstream: &Upstream) -> Arc<Self> {
        let (idle_max, idle_timeout) = (upstream.idle_connections_max, upstream.idle_timeout);
        let connections = Arc::new(Self { connector, idle: Mutex::default(), idle_max, idle_timeout });
        tokio::spawn(keep_tidy(Arc::downgrade(&connections)));
        connections
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Arriving>, AskError> {
        let has_body = !request.body().is_end_stream();
        to_origin_form(&mut request);
        if has_body && !request.headers().contains_key(header::CONTENT_LENGTH) {
            // The library would leave out the body of a GET or HEAD whose length it does not know.
            request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        loop {
            let (mut connection, is_new) = match self.take_idle() {
                Some(connection) => (connection, false),
                // Apart: requests that find a connection hold no room for opening one.
                None => (Box::pin(self.open()).await?, true),
            };
            match connection.ask(request).await {
                Ok(response) => {
                    strict::answer::judge(response.headers())?;
                    let connection = (!may_say_more(&response)).then_some(connection);
                    return Ok(self.arriving(response, connection, has_body));
                }
                // An idle connection had ended, and nothing was written. Each is tried once, then a new one.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    fn arriving(
        self: &Arc<Self>,
        response: Response<Incoming>,
        connection: Option<Connection>,
        has_body: bool,
    ) -> Response<Arriving> {
        // Where both sides are still sending, a client that reads only when it has sent everything must not keep its
        // own upload waiting. And what follows a 101 is not for us to drive.
        let needs_a_task = has_body || response.status() == StatusCode::SWITCHING_PROTOCOLS;
        response.map(|body| {
            let over = Over::Own { connection, home: Arc::clone(self) };
            let mut arriving = Arriving { body, over };
            arriving.give_back_when_finished();
            if needs_a_task && let Some(connection) = arriving.take_connection() {
                tokio::spawn(Arc::clone(self).finish(connection));
            }
            arriving
        })
    }

    /// Drives a connection until its answer was read whole, or it has ended.
    async fn finish(self: Arc<Self>, mut connection: Connection) {
        poll_fn(|cx| match connection.drive(cx) {
            Poll::Pending if !connection.is_finished() => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
        self.give_back(connection);
    }

    async fn open(&self) -> Result<Connection, AskError> {
        let stream = self.connector.clone().connect().await.map_err(AskError::Unreachable)?;
        let mut http = http1::Builder::new();
        let (requests, driver) = http.max_buf_size(ANSWER_HEAD_BYTES_MAX).handshake(stream).await?;
        Ok(Connection { requests, driver: Some(Box::pin(driver.with_upgrades())) })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that has been idle for the shortest time, so that those that are not needed end.
    fn take_idle(&self) -> Option<Connection> {
        let youngest = self.idle().pop()?;
        (youngest.since.elapsed() < self.idle_timeout).then_some(youngest.connection)
    }

    fn give_back(&self, connection: Connection) {
        if !connection.is_finished() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() < self.idle_max {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Closes the connections that have been idle for too long, and those that their server has closed.
    fn tidy(&self) {
        let now = Instant::now();
        let mut nobody = Context::from_waker(Waker::noop());
        let is_young = |since: Instant| now.saturating_duration_since(since) < self.idle_timeout;
        self.idle()
            .retain_mut(|idle| is_young(idle.since) && idle.connection.drive(&mut nobody).is_pending());
    }
}

/// Whether the server announces a body where none can follow (RFC 9110 §15.3.5), as some applications do. It may send
/// it all the same, and that would be the beginning of the next answer: nobody may wait for that one here.
fn may_say_more(response: &Response<Incoming>) -> bool {
    let announces = |name| response.headers().get(name).is_some_and(|value| value != "0");
    response.status() == StatusCode::NO_CONTENT
        && [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].into_iter().any(announces)
}

/// The target without the server's address, which goes into `Host` when nothing is there (RFC 9112 §3.2).
fn to_origin_form(request: &mut Request<RequestBody>) {
    let target = std::mem::take(request.uri_mut()).into_parts();
    if let Entry::Vacant(host) = request.headers_mut().entry(header::HOST)
        && let Some(value) = target.authority.and_then(|host| HeaderValue::from_str(host.as_str()).ok())
    {
        host.insert(value);
    }
    if let Some(target) = target.path_and_query {
        *request.uri_mut() = target.into();
    }
}

/// Tidies up for as long as somebody refers to the connections.
async fn keep_tidy(connections: Weak<Connections>) {
    while let Some(held) = connections.upgrade() {
        held.tidy();
        drop(held);
        tokio::time::sleep(TIDY_EVERY).await;
    }
}

impl Connection {
    /// Reads and writes as much as can be now; ready when the connection has ended.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(driver) = &mut self.driver {
            // What ended it, it has told whoever waits for an answer or for the rest of one.
            let _ = ready!(driver.as_mut().poll(cx));
            self.driver = None;
        }
        Poll::Ready(())
    }

    /// Whether there is nothing under way, and another request can be sent.
    fn is_finished(&self) -> bool {
        self.driver.is_some() && self.requests.is_ready()
    }

    /// Sends a request and waits for the head of its answer. The request comes back when nothing of it was written.
    async fn ask(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        let mut answer = pin!(self.requests.try_send_request(request));
        poll_fn(|cx| {
            let _ = self.drive(cx);
            answer.as_mut().poll(cx)
        })
        .await
    }
}

/// The body of an answer, as it comes.
pub(crate) struct Arriving {
    body: Incoming,
    over: Over,
}

/// What brings an answer.
enum Over {
    /// A connection of its own, until the answer is there.
    Own { connection: Option<Connection>, home: Arc<Connections> },
    /// A place on a connection that is shared, and driven by a task of its own.
    Shared { _place: Stream },
}

impl Arriving {
    /// An answer over a connection that is shared.
    pub(crate) fn over_shared(body: Incoming, place: Stream) -> Self {
        Self { body, over: Over::Shared { _place: place } }
    }

    fn give_back_when_finished(&mut self) {
        if let Over::Own { connection, home } = &mut self.over
            && let Some(connection) = connection.take_if(|connection| connection.is_finished())
        {
            home.give_back(connection);
        }
    }

    /// Takes away the connection, so that somebody else drives it.
    fn take_connection(&mut self) -> Option<Connection> {
        match &mut self.over {
            Over::Own { connection, .. } => connection.take(),
            Over::Shared { .. } => None,
        }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        if let Over::Own { connection: Some(connection), .. } = &mut this.over {
            let _ = connection.drive(cx);
            this.give_back_when_finished();
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
