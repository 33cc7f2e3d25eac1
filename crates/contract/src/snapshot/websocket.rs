//! What a route says of WebSockets.

use std::time::Duration;

use portcullis_access::limit::Rate;
use portcullis_access::origin::Origins;

/// How a route takes WebSockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Websocket {
    /// The pages that may open one.
    pub origins: Origins,
    /// What becomes of a request that names no page.
    pub missing_origin: MissingOrigin,
    /// Largest message of a client, in bytes, over all its frames.
    pub message_bytes_max: u64,
    /// How many messages a client may send, in which time.
    pub rate: Rate,
    /// Longest time in which nothing passes.
    pub idle_timeout: Duration,
    /// Whether the two sides may agree on compression.
    pub compression: Compression,
}

/// What becomes of a request for a WebSocket that has no `Origin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingOrigin {
    /// It is let in with a verified API key only: no page can send one.
    WithKey,
    /// It is let in as any other request.
    Allowed,
}

/// Whether permessage-deflate (RFC 7692) may be agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// An offer goes on to the application.
    Agreed,
    /// No offer goes on, so nothing is agreed on.
    Refused,
}
