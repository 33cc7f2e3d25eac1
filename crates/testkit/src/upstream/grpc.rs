//! What a gRPC server does, as far as a proxy can tell: messages both ways at once, and the outcome in trailers.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;

use super::State;
use crate::payload::{Payload, whole};

/// Sends each piece of the request back as it comes, and at its end the outcome and the request's own trailers.
pub(super) fn echo(state: &Arc<State>, number: u64, incoming: Incoming) -> Response<Payload> {
    let state = Arc::clone(state);
    let frames = stream::unfold(Some((incoming, HeaderMap::new())), move |reading| {
        let state = Arc::clone(&state);
        async move {
            let (mut incoming, mut trailers) = reading?;
            loop {
                match incoming.frame().await {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => return Some((Ok(Frame::data(data)), Some((incoming, trailers)))),
                        Err(other) => trailers = other.into_trailers().unwrap_or_default(),
                    },
                    Some(Err(error)) => return Some((Err(io::Error::other(error)), None)),
                    None => break,
                }
            }
            state.seen.lock().unwrap().update(number, |seen| {
                seen.trailers = Some(trailers.clone());
                seen.is_whole = true;
            });
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            Some((Ok(Frame::<Bytes>::trailers(trailers)), None))
        }
    });
    with_type(Response::new(StreamBody::new(frames).boxed_unsync()))
}

/// An outcome without any message.
pub(super) fn refusal() -> Response<Payload> {
    let mut answer = with_type(Response::new(whole("")));
    answer.headers_mut().insert("grpc-status", HeaderValue::from_static("7"));
    answer.headers_mut().insert("grpc-message", HeaderValue::from_static("not for you"));
    answer
}

fn with_type(mut answer: Response<Payload>) -> Response<Payload> {
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    answer
}
