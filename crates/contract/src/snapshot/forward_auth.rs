//! Forward-auth: another proxy asks whether a request may go on, and passes it on itself.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The listener where another proxy asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardAuth {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Who may ask.
    pub trusted_proxies: Vec<IpNet>,
    /// How they ask.
    pub dialect: Dialect,
}

impl ForwardAuth {
    /// Whether `address` is one of a proxy that may ask.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }
}

/// The headers by which a proxy says what was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `X-Original-URL` and `X-Original-Method`, as a configuration of nginx sets them.
    Nginx,
    /// `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`, as Caddy's `forward_auth` sends them.
    Caddy,
    /// The same, as Traefik's `ForwardAuth` sends them.
    Traefik,
}

/// How requests for an application reach the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// They go through it.
    Through,
    /// Another proxy asks, and passes them on.
    Asked,
}
