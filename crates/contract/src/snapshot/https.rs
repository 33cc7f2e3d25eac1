//! What becomes of requests over plain HTTP, decided once for each application.

/// What becomes of a request over plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlainHttp {
    /// It is treated like any other.
    Allow,
    /// The client is told to come back over HTTPS.
    Redirect {
        /// Where to: a host, with a port if it is not 443. `None` leads to the host that was asked for, provided that
        /// the application names it.
        public_host: Option<Box<str>>,
    },
    /// 403.
    Refuse,
}
