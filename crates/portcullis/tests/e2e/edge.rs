//! What stands between browsers and an application at its edge: security headers, HTTPS, requests of other origins.
//!
//! The gates of these tests trust 127.0.0.1 as a proxy in front where a test needs a request that came over HTTPS.

mod cors;
mod headers;
mod redirect;

/// The section of a gate behind a load balancer on this machine.
const BEHIND_A_BALANCER: &str = "[listen]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1/32\"]\n";
