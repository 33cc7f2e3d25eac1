//! Bodies of any size in constant memory, with a content whose checksum both ends can compute.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::mpsc;

/// The one body type of the testkit's client and upstream.
pub type Payload = UnsyncBoxBody<Bytes, io::Error>;

/// Byte `i` of a pattern is `i % PERIOD`: a prime, so that no power-of-two mistake goes unseen.
const PERIOD: u8 = 251;
/// A whole number of periods, so that every chunk is the same and can be shared.
const CHUNK_BYTES: usize = PERIOD as usize * 64;

/// A body that is at hand as a whole.
pub fn whole(bytes: impl Into<Bytes>) -> Payload {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body of `length` pattern bytes, made while it is sent; its length is declared.
pub fn pattern(length: u64) -> Payload {
    Pattern { left: length, chunk: pattern_chunk() }.boxed_unsync()
}

/// The CRC-32 of `length` pattern bytes.
pub fn pattern_crc32(length: u64) -> u32 {
    let chunk = pattern_chunk();
    let mut hasher = crc32fast::Hasher::new();
    let mut left = length;
    while left > 0 {
        let part = take(&chunk, left);
        left -= part.len() as u64;
        hasher.update(&part);
    }
    hasher.finalize()
}

/// The pattern's bytes again and again, starting at the pattern's begin.
pub fn pattern_chunk() -> Bytes {
    (0..PERIOD).cycle().take(CHUNK_BYTES).collect()
}

fn take(chunk: &Bytes, left: u64) -> Bytes {
    let length = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
    chunk.slice(..length)
}

/// A body whose pieces are sent one by one, as the test goes on.
pub fn conversation() -> (Speaker, Payload) {
    let (say, said) = mpsc::unbounded_channel();
    let frames =
        stream::unfold(said, |mut said| async move { said.recv().await.map(|frame| (Ok(frame), said)) });
    (Speaker(say), StreamBody::new(frames).boxed_unsync())
}

/// Says what a [`conversation`] sends; dropping it ends the body.
#[derive(Debug)]
pub struct Speaker(mpsc::UnboundedSender<Frame<Bytes>>);

impl Speaker {
    /// Sends a piece, if anybody still listens.
    pub fn say(&self, piece: impl Into<Bytes>) {
        let _ = self.0.send(Frame::data(piece.into()));
    }

    /// Ends the body with these trailers.
    pub fn end_with(self, trailers: &[(&'static str, &'static str)]) {
        let fields = trailers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let _ = self.0.send(Frame::trailers(fields.collect()));
    }
}

struct Pattern {
    left: u64,
    chunk: Bytes,
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let part = take(&self.chunk, self.left);
        self.left -= part.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pattern_has_the_length_and_the_checksum_that_it_declares() {
        for length in [0, 1, 251, 16_064, 16_065, 100_000] {
            let body = pattern(length).collect().await.unwrap().to_bytes();
            assert_eq!(body.len() as u64, length);
            assert_eq!(crc32fast::hash(&body), pattern_crc32(length));
        }
    }
}
