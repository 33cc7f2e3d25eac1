//! A request's body as the HTTP library hands it over, and what becomes of the part that nobody read.
//!
//! Over HTTP/1.1 the connection takes care of that (see `io.rs`). Over HTTP/2 the library resets a stream whose body is
//! dropped before its end. RFC 9113 §8.1 allows that behind a whole answer, but a client that is still sending then may
//! take the reset for a failure and lose the answer (curl 7.88 does). So what nobody read is given back to the
//! stream's task, which throws it away for a short while.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::io::{LINGER, LINGER_BYTES_MAX};

/// A request's body.
pub(crate) struct Received {
    /// `None` only while it is dropped.
    body: Option<Incoming>,
    unread: Option<Arc<Unread>>,
}

impl Received {
    /// A body that its connection takes care of.
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body: Some(body), unread: None }
    }

    /// A body whose unread part goes to `unread`.
    pub(crate) fn or_back_to(body: Incoming, unread: &Arc<Unread>) -> Self {
        Self { body: Some(body), unread: Some(Arc::clone(unread)) }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let (Some(body), Some(unread)) = (self.body.take(), &self.unread)
            && !body.is_end_stream()
        {
            *unread.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Where the part of a body goes that nobody read.
#[derive(Debug, Default)]
pub(crate) struct Unread(Mutex<Option<Incoming>>);

impl Unread {
    /// Throws it away until the client has sent all, left, or had its time.
    pub(crate) async fn drain(&self) {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = body else { return };
        let mut left = LINGER_BYTES_MAX;
        let all = async {
            while left > 0
                && let Some(Ok(frame)) = body.frame().await
            {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            }
        };
        // Whether it came to an end makes no difference: the stream is over.
        let _ = timeout(LINGER, all).await;
    }
}
