//! How a client is connected: from where, and with what protection.

use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_contract::snapshot::Reached;

use crate::client_certificate::ClientCertificate;
use crate::stages::accept::Admitted;

/// One client connection, as its requests see it.
pub(crate) struct Channel {
    /// The other end of the connection.
    pub(crate) peer: SocketAddr,
    /// Whether requests come over it, or questions of another proxy about requests.
    pub(crate) reached: Reached,
    /// What the handshake said; `None` in the clear.
    pub(crate) tls: Option<Secured>,
    /// Its place among the open ones, which a WebSocket keeps when HTTP has ended.
    pub(crate) _place: Option<Admitted>,
}

/// What is kept of a TLS handshake.
#[derive(Debug)]
pub(crate) struct Secured {
    /// The host that the client asked for (RFC 6066 §3), lower case.
    pub(crate) server_name: Option<Box<str>>,
    /// The client's certificate, when it presented one that the handshake has taken.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
}
