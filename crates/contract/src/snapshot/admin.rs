//! The listener for administrators, compiled.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{ClientAuthority, HostPattern, Tls};

/// The listener for administrators.
#[derive(Debug, Clone)]
pub struct AdminListen {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// What it is asked as, beside its own addresses. Never every host.
    pub hosts: Vec<HostPattern>,
    /// TLS, which it always speaks elsewhere than on loopback.
    pub tls: Option<AdminTls>,
}

/// TLS on the listener for administrators.
#[derive(Debug, Clone)]
pub struct AdminTls {
    /// What the node shows.
    pub tls: Tls,
    /// Who vouches for those who come.
    pub client_authority: Arc<ClientAuthority>,
}
