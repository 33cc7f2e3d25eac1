//! Answers on their streams: one whose client gives it no window is given up alone.
//!
//! The library does not ask a body for more before the client has room for it. So an attacker who asks for much
//! and opens no window would hold the upstream's connection for ever, and its own would look alive. Every answer
//! therefore says whom it waits for, and its task is dropped when that is the client for too long: the library
//! then resets the stream, and only that. Behind an answer the rest of the request is taken in for a short while.
//!
//! A stream that becomes a WebSocket has no answer but a head. Behind it the library begins a second task, which writes
//! what is said to the client, and would wait for its windows for ever: that task ends with the client's half.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::Executor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::Stall;
use crate::received::{Received, Unread};
use crate::websocket::client::Stream;

/// Bytes that an answer hands over at once. The time for each begins anew, so this is how slow a client may read: with
/// `client_stall_timeout` of 30 seconds, half a kilobyte in a second.
const PORTION_BYTES: usize = 16 << 10;

/// Whom an answer waits for.
#[derive(Debug, Default)]
pub(super) struct Flow(AtomicU64);

/// The lowest bit says that the client is waited for; above it portions are counted.
const FOR_CLIENT: u64 = 1;

impl Flow {
    /// The client is to take another portion.
    fn handed_over(&self) {
        let portions = self.0.load(Ordering::Relaxed) | FOR_CLIENT;
        self.0.store(portions.wrapping_add(2), Ordering::Relaxed);
    }

    /// There is nothing to hand over yet.
    fn waits_for_us(&self) {
        self.0.store(self.0.load(Ordering::Relaxed) & !FOR_CLIENT, Ordering::Relaxed);
    }

    /// Which portion the client is to take, when it is to take one.
    fn waits_for_client(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|portions| portions & FOR_CLIENT != 0)
    }
}

/// What an answer shares with the task that sends it.
#[derive(Default)]
struct Begun {
    flow: Arc<Flow>,
    unread: Arc<Unread>,
    /// When its stream may become a WebSocket: what ends the task that then writes for it.
    writer: Option<CancellationToken>,
}

tokio::task_local! {
    /// The same, within the answer's task.
    static WRITER: CancellationToken;
}

/// Runs the tasks of a connection's answers.
#[derive(Clone)]
pub(super) struct Answers {
    tasks: TaskTracker,
    stall_timeout: Duration,
    /// The answer that has begun and whose task has not: the library begins both in one go.
    begun: Arc<Mutex<Option<Begun>>>,
}

impl Answers {
    pub(super) fn new(tasks: TaskTracker, stall_timeout: Duration) -> Self {
        Self { tasks, stall_timeout, begun: Arc::default() }
    }

    /// An answer begins; its task is the next one that is run.
    pub(super) fn begin(&self, mut request: Request<Incoming>) -> (Request<Received>, Arc<Flow>) {
        let mut begun = Begun::default();
        if request.method() == Method::CONNECT {
            let stream = Stream { writer: CancellationToken::new(), stall_timeout: self.stall_timeout };
            begun.writer = Some(stream.writer.clone());
            request.extensions_mut().insert(stream);
        }
        let (flow, unread) = (Arc::clone(&begun.flow), Arc::clone(&begun.unread));
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
        (request.map(|body| Received::or_back_to(body, &unread)), flow)
    }
}

impl<F> Executor<F> for Answers
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        // Asked first: an answer's task may run beside the connection's, which has just begun another answer.
        if let Ok(writer) = WRITER.try_with(CancellationToken::clone) {
            self.tasks.spawn(async move {
                tokio::select! {
                    () = task => {}
                    () = writer.cancelled() => {}
                }
            });
            return;
        }
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Begun { flow, unread, writer } = begun.unwrap_or_default();
        let stall_timeout = self.stall_timeout;
        let answer = async move {
            if unless_stalled(task, flow, stall_timeout).await == Sent::Whole {
                unread.drain().await;
            }
        };
        match writer {
            Some(writer) => drop(self.tasks.spawn(WRITER.scope(writer, answer))),
            None => drop(self.tasks.spawn(answer)),
        }
    }
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Whole,
    /// Its client did not take it.
    Stalled,
}

/// Runs `task` to its end, or until the client has not taken a portion for `after`.
async fn unless_stalled(task: impl Future<Output = ()>, flow: Arc<Flow>, after: Duration) -> Sent {
    let (mut task, mut stall, mut last) = (pin!(task), Stall::new(Some(after)), None);
    poll_fn(|cx| {
        if task.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Sent::Whole);
        }
        let waits = flow.waits_for_client();
        if waits != last {
            stall.reset();
            last = waits;
        }
        if waits.is_some() { stall.poll(cx).map(|_| Sent::Stalled) } else { Poll::Pending }
    })
    .await
}

/// A body in portions, which says whom it waits for.
pub(super) struct Flowing<B> {
    inner: B,
    /// What was received and not handed over yet.
    rest: Bytes,
    flow: Arc<Flow>,
}

impl<B> Flowing<B> {
    pub(super) fn new(inner: B, flow: Arc<Flow>) -> Self {
        Self { inner, rest: Bytes::new(), flow }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Flowing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            this.flow.waits_for_us();
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Ok(Ok(data))) => this.rest = data,
            }
        }
        this.flow.handed_over();
        let portion = this.rest.split_to(this.rest.len().min(PORTION_BYTES));
        Poll::Ready(Some(Ok(Frame::data(portion))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::default();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
