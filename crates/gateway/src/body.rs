//! Bodies on their way through: counted, timed and bounded, never collected unless a stage asks for it.
//!
//! `Sending` is the client's body on its way to the upstream, `Told` is the answer's body on its way to the client; it
//! carries the Story, which ends when the body ends or is dropped.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::HeaderName;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use portcullis_contract::ports::Clock;
use portcullis_contract::snapshot::{Application, Bounds};
use portcullis_model::Monotonic;
use thiserror::Error;
use tokio::time::{Instant, Sleep};

use crate::budget::Apart;
use crate::fields;
use crate::io::LINGER;
use crate::pace::Pace;
use crate::received::Received;
use crate::stages::shed::Place;
use crate::story::Story;
use crate::upstream::Arriving;

/// A body that the upstream is sent.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body broke off.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    /// The other side sent nothing for too long.
    #[error("nothing arrived for {0:?}")]
    Stalled(Duration),
    /// The client sent too little in the time that it was waited for.
    #[error("it came more slowly than {0} bytes a second")]
    Slow(u64),
    /// More bytes than the route allows.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// More trailers than a request may have.
    #[error("there are more trailers than a request may have")]
    Trailers,
    /// The answer had ended long before it.
    #[error("the answer ended before it")]
    Late,
    /// The connection broke, or the framing was wrong.
    #[error("{}", with_causes(.0))]
    Broken(hyper::Error),
}

/// An error and what lies beneath it: the library's own words are few.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(beneath) = cause {
        text = format!("{text}: {beneath}");
        cause = beneath.source();
    }
    text
}

/// What became of a request's body, shared between the one who sends it on and the one who waits for the answer.
pub(crate) struct Upload {
    /// The request's place among those under way: it is taken until the answer has ended and the body too.
    place: OnceLock<Place>,
    /// Whether the answer has ended.
    answered: AtomicBool,
    /// Who sends the body on, to learn of that.
    sending: AtomicWaker,
    bytes: AtomicU64,
    /// When bytes last moved, in nanoseconds of the monotonic clock.
    progress: AtomicU64,
    failure: AtomicU8,
}

/// Why a request's body broke off, as far as the answer depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UploadFailure {
    /// The client stopped sending.
    Stalled,
    /// The client sent too slowly.
    Slow,
    /// The client sent too much.
    TooLarge,
    /// The client sent too many trailers.
    Trailers,
    /// The client left or sent broken framing.
    Broken,
}

impl UploadFailure {
    /// What happened, for the operator.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stalled => "the client stopped sending its body",
            Self::Slow => "the client sent its body more slowly than `bounds.body_rate_min`",
            Self::TooLarge => "the body is larger than `body_bytes_max`",
            Self::Trailers => "there are more trailers, or longer ones, than a request may have",
            Self::Broken => "the body's framing broke or the client left",
        }
    }
}

impl Upload {
    pub(crate) fn new(now: Monotonic) -> Self {
        Self {
            place: OnceLock::new(),
            answered: AtomicBool::new(false),
            sending: AtomicWaker::new(),
            bytes: AtomicU64::new(0),
            progress: AtomicU64::new(now.0),
            failure: AtomicU8::new(0),
        }
    }

    /// The request has a place.
    pub(crate) fn takes(&self, place: Place) {
        // A request is admitted once.
        let _ = self.place.set(place);
    }

    /// The answer has ended: the rest of the body is for nobody.
    pub(crate) fn answered(&self) {
        self.answered.store(true, Ordering::Release);
        self.sending.wake();
    }

    /// Whether it has; whoever asks is woken when it does.
    fn is_answered(&self, cx: &Context<'_>) -> bool {
        self.sending.register(cx.waker());
        self.answered.load(Ordering::Acquire)
    }

    /// Notes that bytes moved.
    pub(crate) fn moved(&self, bytes: usize, now: Monotonic) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.progress.store(now.0, Ordering::Relaxed);
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// When bytes last moved.
    pub(crate) fn last_progress(&self) -> Monotonic {
        Monotonic(self.progress.load(Ordering::Relaxed))
    }

    /// Notes why the body broke off.
    pub(crate) fn failed(&self, failure: UploadFailure) {
        let code = match failure {
            UploadFailure::Stalled => 1,
            UploadFailure::TooLarge => 2,
            UploadFailure::Broken => 3,
            UploadFailure::Slow => 4,
            UploadFailure::Trailers => 5,
        };
        self.failure.store(code, Ordering::Relaxed);
    }

    /// Why the body broke off, if it did.
    pub(crate) fn failure(&self) -> Option<UploadFailure> {
        match self.failure.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(UploadFailure::Stalled),
            2 => Some(UploadFailure::TooLarge),
            4 => Some(UploadFailure::Slow),
            5 => Some(UploadFailure::Trailers),
            _ => Some(UploadFailure::Broken),
        }
    }
}

/// A client's body: counted, bounded in size, and given up when the client stops sending or sends too slowly.
pub(crate) struct Sending<B> {
    inner: B,
    upload: Arc<Upload>,
    clock: Arc<dyn Clock>,
    bytes_max: u64,
    seen: u64,
    /// The longest pause; `None` where the client may pause as it likes.
    stall_timeout: Option<Duration>,
    /// `None` where the client need not keep one.
    pace: Option<Pace>,
    /// Since when the client is waited for, and until when.
    wait: Option<(Monotonic, Stall)>,
    /// How much longer the body goes on behind its answer.
    behind: Stall,
    /// Trailers at most.
    headers_max: usize,
    /// For whom the body is, when that says more of its trailers.
    application: Option<Arc<Application>>,
}

impl<B> Sending<B> {
    pub(crate) fn new(
        inner: B,
        upload: &Arc<Upload>,
        clock: &Arc<dyn Clock>,
        bytes_max: u64,
        bounds: &Bounds,
    ) -> Self {
        let (upload, clock, stall_timeout) =
            (Arc::clone(upload), Arc::clone(clock), Some(bounds.client_stall_timeout));
        let pace = Some(Pace::new(bounds.body_grace, bounds.body_rate_min));
        Self {
            inner,
            upload,
            clock,
            bytes_max,
            seen: 0,
            stall_timeout,
            pace,
            wait: None,
            behind: Stall::new(Some(LINGER)),
            headers_max: bounds.headers_max,
            application: None,
        }
    }

    /// What this application is not told in a head, it is not told in trailers either.
    pub(crate) fn towards(self, application: &Arc<Application>) -> Self {
        Self { application: Some(Arc::clone(application)), ..self }
    }

    /// From now on the client must have sent at least so many bytes a second.
    pub(crate) fn at_least(&mut self, rate: u64) {
        if let Some(pace) = &mut self.pace {
            pace.bytes_per_second = rate;
        }
        self.waited();
    }

    /// The body is one side of a conversation: it keeps no pace, and pauses for at most so long.
    pub(crate) fn converse(self, pause: Option<Duration>) -> Self {
        Self { stall_timeout: pause, pace: None, ..self }
    }

    /// The client is not waited for any more.
    fn waited(&mut self) {
        if let Some((since, _)) = self.wait.take()
            && let Some(pace) = &mut self.pace
        {
            pace.waited(self.clock.monotonic().since(since));
        }
    }

    /// Ready with what is wrong once the client was waited for too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let (clock, pace, seen) = (&self.clock, &self.pace, self.seen);
        let left = || pace.as_ref().map(|pace| pace.left(seen));
        let patience = || [self.stall_timeout, left()].into_iter().flatten().min();
        let (_, stall) = self.wait.get_or_insert_with(|| (clock.monotonic(), Stall::new(patience())));
        let after = ready!(stall.poll(cx));
        let (failure, error) = match &self.pace {
            Some(pace) if self.stall_timeout.is_none_or(|stall| after < stall) => {
                (UploadFailure::Slow, BodyError::Slow(pace.bytes_per_second))
            }
            _ => (UploadFailure::Stalled, BodyError::Stalled(after)),
        };
        self.upload.failed(failure);
        Poll::Ready(error)
    }
}

impl<B> Body for Sending<B>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.upload.is_answered(cx) && this.behind.poll(cx).is_ready() {
            return Poll::Ready(Some(Err(BodyError::Late)));
        }
        let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => return this.wait(cx).map(|error| Some(Err(error))),
        };
        this.waited();
        Poll::Ready(match frame {
            None => None,
            Some(Err(error)) => {
                this.upload.failed(UploadFailure::Broken);
                Some(Err(BodyError::Broken(error)))
            }
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.upload.moved(bytes, this.clock.monotonic());
                this.seen = this.seen.saturating_add(bytes as u64);
                if this.seen > this.bytes_max {
                    this.upload.failed(UploadFailure::TooLarge);
                    return Poll::Ready(Some(Err(BodyError::TooLarge(this.bytes_max))));
                }
                if frame.trailers_ref().is_some_and(|all| fields::are_too_many(all, this.headers_max)) {
                    this.upload.failed(UploadFailure::Trailers);
                    return Poll::Ready(Some(Err(BodyError::Trailers)));
                }
                let is_kept = |name: &HeaderName| {
                    this.application.as_ref().is_some_and(|application| application.keeps(name))
                };
                Some(Ok(without(frame, |name| fields::is_no_trailer(name.as_str()) || is_kept(name))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Trailers without the fields whose name `is_bad`; data as it is.
fn without(mut frame: Frame<Bytes>, is_bad: impl Fn(&HeaderName) -> bool) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        fields::take_away(trailers, is_bad);
    }
    frame
}

/// A body that was held, as far as it was held, and the rest of it as it comes.
pub(crate) struct Replay {
    held: VecDeque<Frame<Bytes>>,
    rest: Option<Sending<Received>>,
    /// The share of the byte budget; given back when the body has been sent on.
    _apart: Option<Arc<Apart>>,
}

impl Replay {
    pub(crate) fn new(
        held: VecDeque<Frame<Bytes>>,
        rest: Option<Sending<Received>>,
        apart: Option<Arc<Apart>>,
    ) -> Self {
        Self { held, rest, _apart: apart }
    }
}

impl Body for Replay {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(frame) = this.held.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match &mut this.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    /// Exact only when all of it is held and no trailers follow: with an exact length the client library would send
    /// `Content-Length` and drop the trailers.
    fn size_hint(&self) -> SizeHint {
        let held: u64 = self.held.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let rest = self.rest.as_ref().map_or(Some(0), |rest| rest.size_hint().exact());
        match rest.filter(|_| self.held.iter().all(Frame::is_data)) {
            Some(rest) => SizeHint::with_exact(held + rest),
            None => SizeHint::default(),
        }
    }
}

/// The answer's body, with the Story in it.
pub(crate) struct Told {
    inner: Answering,
    story: Option<Story>,
    remaining: Option<u64>,
    stall: Stall,
}

/// Where an answer's body comes from.
pub(crate) enum Answering {
    /// Our own words.
    Ours(Option<Bytes>),
    /// The upstream's, as it comes.
    Theirs(Arriving),
}

impl Told {
    /// `silent` says that no body will follow the head, as for HEAD, 204 and 304 (RFC 9110 §6.4.1): then the story
    /// ends well as soon as the head has been handed over.
    pub(crate) fn new(inner: Answering, mut story: Story, silent: Silent, idle: Option<Duration>) -> Self {
        let hint = match &inner {
            Answering::Ours(bytes) => Some(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Answering::Theirs(body) => body.size_hint().exact(),
        };
        if silent == Silent::Yes || hint == Some(0) {
            story.answered();
        }
        Self { inner, story: Some(story), remaining: hint, stall: Stall::new(idle) }
    }

    /// No body, and no story: it goes on elsewhere.
    pub(crate) fn nothing() -> Self {
        Self { inner: Answering::Ours(None), story: None, remaining: Some(0), stall: Stall::new(None) }
    }

    fn delivered(&mut self, bytes: usize) {
        let Some(story) = &mut self.story else { return };
        story.sent(bytes as u64);
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(bytes as u64);
            // With a known length the server never polls past the last byte, so the end must be seen here.
            if *remaining == 0 {
                story.answered();
            }
        }
    }

    fn broke(&mut self, why: &str) -> Poll<Option<Result<Frame<Bytes>, AnswerBroke>>> {
        if let Some(mut story) = self.story.take() {
            // When the upload fails, its connection goes, and the answer with it: that is not the upstream's fault.
            match story.upload().failure() {
                Some(failure) => story.client_broke(failure.as_str()),
                None => story.upstream_broke(why),
            }
        }
        Poll::Ready(Some(Err(AnswerBroke)))
    }
}

/// Whether an answer has a body at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silent {
    /// Only a head is sent.
    Yes,
    /// A body may follow.
    No,
}

/// The answer broke off; the connection to the client is closed so that it cannot take the part for the whole.
#[derive(Debug, Error)]
#[error("the answer broke off")]
pub(crate) struct AnswerBroke;

impl Body for Told {
    type Data = Bytes;
    type Error = AnswerBroke;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerBroke>>> {
        let this = self.get_mut();
        let polled = match &mut this.inner {
            Answering::Ours(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Answering::Theirs(body) => Pin::new(body).poll_frame(cx),
        };
        let frame = match polled {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let after = ready!(this.stall.poll(cx));
                return this.broke(&format!("the upstream sent nothing for {after:?}"));
            }
        };
        this.stall.reset();
        match frame {
            None => {
                if let Some(mut story) = this.story.take() {
                    story.answered();
                }
                Poll::Ready(None)
            }
            Some(Err(error)) => this.broke(&format!("the upstream broke off its answer: {error}")),
            Some(Ok(frame)) => {
                this.delivered(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(without(frame, |name| fields::is_unwanted(name.as_str())))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Answering::Ours(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Answering::Theirs(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Answering::Ours(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Answering::Theirs(body) => body.size_hint(),
        }
    }
}

/// A pause that may not last too long. The timer exists only while something is waited for.
pub(crate) struct Stall {
    after: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// `None` allows any pause.
    pub(crate) fn new(after: Option<Duration>) -> Self {
        Self { after, timer: None }
    }

    /// Ready once nothing has moved for the allowed time.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let Some(after) = self.after else { return Poll::Pending };
        let timer =
            self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + after)));
        timer.as_mut().poll(cx).map(|()| after)
    }

    /// A write to a client that does not get on for too long is an error.
    pub(crate) fn in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.reset();
            return written;
        }
        self.poll(cx).map(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")))
    }

    /// Something moved.
    pub(crate) fn reset(&mut self) {
        self.timer = None;
    }
}
