//! `address`: where does the request come from, and is that place banned?
//!
//! Reads the peer's address and, from trusted proxies only, `X-Forwarded-For`: the right-most hop that is not itself a
//! trusted proxy is the client. Answers 429 to a banned prefix.

use std::net::IpAddr;

use portcullis_model::{Prefix, Stage};

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::normalize::Request;
use crate::story::Story;

/// Where a request comes from.
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    pub(crate) prefix: Prefix,
    /// Whether the address is never banned and never limited by address.
    pub(crate) standing: Standing,
}

/// Whether bans and limits by address apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They do.
    Ordinary,
    /// The operator exempted this address.
    Exempt,
}

/// Locates the client and turns a banned one away.
pub(crate) fn locate(scope: Scope<'_>, request: &Request, story: &mut Story) -> Result<Client, Refusal> {
    story.enter(Stage::Address);
    let snapshot = &scope.live.snapshot;
    let peer = request.peer.ip().to_canonical();
    let trusted = |address: IpAddr| snapshot.listen.trusted_proxies.iter().any(|net| net.contains(&address));
    let address = client_address(peer, &request.forwarded_for, trusted);
    story.saw_client(address);
    if !trusted(peer) && !request.forwarded_for.is_empty() {
        story.note("the peer is no trusted proxy; its `X-Forwarded-For` was ignored");
    }
    let standing = if snapshot.is_exempt(address) { Standing::Exempt } else { Standing::Ordinary };
    let prefix = Prefix::of(address);
    let now = scope.gate.tellers.clock.monotonic();
    match scope.gate.memory.bans.check(prefix, now) {
        Some(ban) if standing == Standing::Ordinary => {
            let why = format!("`{prefix}` is banned: {}", ban.reason);
            Err(Refusal::banned(ban.until.since(now), why))
        }
        _ => {
            story.pass("");
            Ok(Client { address, prefix, standing })
        }
    }
}

/// The right-most hop that is not a trusted proxy; when all are, the left-most.
fn client_address(peer: IpAddr, forwarded_for: &[IpAddr], trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let hops = forwarded_for.iter().map(IpAddr::to_canonical).chain([peer]).rev();
    let mut nearest = peer;
    for hop in hops {
        nearest = hop;
        if !trusted(hop) {
            break;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let trusted = |a: IpAddr| a.to_string().starts_with("10.");
        let forwarded: Vec<IpAddr> = forwarded.iter().map(|a| a.parse().unwrap()).collect();
        assert_eq!(client_address(peer.parse().unwrap(), &forwarded, trusted).to_string(), expected);
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check("192.0.2.1", &[], "192.0.2.1");
        check("192.0.2.1", &["6.6.6.6"], "192.0.2.1");
        check("10.0.0.1", &["192.0.2.9"], "192.0.2.9");
        check("10.0.0.1", &["6.6.6.6", "192.0.2.9", "10.0.0.2"], "192.0.2.9");
        check("10.0.0.1", &["10.0.0.3", "10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &["::ffff:192.0.2.9"], "192.0.2.9");
    }
}
