//! Answers' bodies as scripts, and the count of those that were not wanted to their end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::broadcast::Receiver;
use tokio::time::sleep;

use super::State;
use crate::payload::Payload;

/// A step of a scripted body.
pub(super) enum Step {
    Send(Bytes),
    Pause(Duration),
    /// Neither sends nor ends.
    Hang,
    /// Fails, which makes the server drop the connection.
    Break,
}

/// A body of unknown length that follows `steps`.
pub(super) fn scripted<S>(steps: S) -> Payload
where
    S: IntoIterator<Item = Step>,
    S::IntoIter: Send + 'static,
{
    let frames = stream::unfold(steps.into_iter(), |mut steps| async move {
        loop {
            match steps.next()? {
                Step::Send(data) => return Some((Ok(Frame::data(data)), steps)),
                Step::Pause(time) => sleep(time).await,
                Step::Hang => std::future::pending::<()>().await,
                Step::Break => return Some((Err(io::Error::other("the script breaks here")), steps)),
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Server-sent events: one every `every` (numbered from 0), and one for each that the test sends; ends after `count`.
pub(super) fn events(sent: Receiver<String>, every: Option<Duration>, count: u64) -> Payload {
    let frames = stream::unfold((sent, 0), move |(mut sent, number)| async move {
        if number == count {
            return None;
        }
        let tick = async {
            match every {
                Some(every) => sleep(every).await,
                None => std::future::pending().await,
            }
        };
        let data = tokio::select! {
            () = tick => format!("tick {number}"),
            event = sent.recv() => event.ok()?,
        };
        let event = format!("id: {number}\ndata: {data}\n\n");
        Some((Ok(Frame::data(event.into())), (sent, number + 1)))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Counts an exchange as aborted unless it was told that it came to its end.
pub(super) struct Exchange {
    state: Arc<State>,
    is_over: bool,
}

impl Exchange {
    pub(super) fn begin(state: &Arc<State>) -> Self {
        Self { state: Arc::clone(state), is_over: false }
    }

    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// The body, whose end is the exchange's end.
    pub(super) fn over(mut self, body: Payload) -> Payload {
        self.is_over |= body.is_end_stream();
        Watched { body, exchange: self }.boxed_unsync()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.is_over {
            self.state.aborted.fetch_add(1, Ordering::SeqCst);
        }
    }
}

struct Watched {
    body: Payload,
    exchange: Exchange,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let ended = matches!(&polled, Poll::Ready(None | Some(Err(_))));
        if ended || self.body.is_end_stream() {
            self.exchange.end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
