//! Security headers, compiled: what each answer carries, ready to be sent.

use http::{HeaderName, HeaderValue};

/// The security headers of a route, or of an application where no route was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityHeaders {
    /// What becomes of a header that the upstream sent by itself.
    pub upstream: UpstreamsOwn,
    /// Names and values for every answer.
    pub always: Vec<(HeaderName, HeaderValue)>,
    /// `Strict-Transport-Security`, for answers over HTTPS.
    pub strict_transport_security: Option<HeaderValue>,
}

/// What becomes of a security header that the upstream sent by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamsOwn {
    /// It stays, and ours is not added.
    Keep,
    /// Ours takes its place.
    Replace,
}
