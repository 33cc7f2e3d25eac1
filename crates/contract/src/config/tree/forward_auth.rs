//! The settings of forward-auth: another proxy asks for each request whether it may go on.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::super::kind::{Kind, List, Node, Shown};
use super::super::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use crate::diagnostic::Problems;
use crate::snapshot::Dialect;

settings! {
    /// The listener where another proxy asks, before it passes a request on, whether that may be: nginx with `auth_request`,
    /// Caddy with `forward_auth`, Traefik with `ForwardAuth`. It answers for applications with `forward_auth = true`. What is
    /// in bodies, and what the application answers, only a gate that the requests go through can look at.
    struct ForwardAuth {
        /// Address and port, reached by the proxy alone.
        address: SocketAddr = "127.0.0.1:9091", example "10.0.0.5:9091";
        /// The proxies that may ask. Whoever else connects is turned away. In the field where they name the hops before
        /// them, their own addresses are passed over.
        trusted_proxies: List<IpNet> = ["127.0.0.1/32", "::1/128"], example ["10.0.0.7/32"];
        /// Which proxy asks, and so by which headers it says what was asked of it: `nginx` by `X-Original-URL` and
        /// `X-Original-Method`, `caddy` and `traefik` by `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`; each by
        /// `X-Forwarded-For`. Headers of another dialect came from a client, and are refused.
        proxy: Dialect = required, example "nginx";
    }
}
