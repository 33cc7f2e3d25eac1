//! How a client is connected: from where, and with what protection.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_contract::snapshot::ClientAuthority;

use crate::stages::accept::Admitted;

/// One client connection, as its requests see it.
pub(crate) struct Channel {
    /// The other end of the connection.
    pub(crate) peer: SocketAddr,
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
    /// The client's certificate, when it presented one that an authority of ours signed.
    pub(crate) certificate: Option<ClientCertificate>,
}

/// A client's certificate that was verified.
#[derive(Debug)]
pub(crate) struct ClientCertificate {
    /// The authorities that it can be traced to, as they were when it was verified.
    pub(crate) authorities: Vec<Arc<ClientAuthority>>,
    /// Whom it names.
    pub(crate) subject: Box<str>,
    /// When it ends: a connection may outlive it.
    pub(crate) not_after: Timestamp,
}
