//! Who is at the other end of a connection: the socket's address, or the one that a trusted proxy names in a PROXY
//! header. Whoever it is must be admitted, and a client behind a proxy is counted as if it had connected itself.

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use portcullis_contract::Snapshot;
use portcullis_contract::snapshot::ProxyProtocol;
use portcullis_model::Stage;
use tokio::net::TcpStream;

use crate::proxy_protocol::{self, NoHeader, Source};
use crate::refusal::Refusal;
use crate::server::Shared;
use crate::stages::accept::{self, Admitted};

/// Admits the connection and says whose it is; none when it was turned away.
pub(super) async fn admit(
    shared: &Arc<Shared>,
    stream: &mut TcpStream,
    socket: SocketAddr,
) -> Option<(Admitted, SocketAddr)> {
    let gate = &shared.gate;
    let admitted = admitted(shared, socket.ip(), || {
        gate.tellers.entered(Stage::Accept);
        accept::admit(gate, &shared.connections, socket.ip())
    })?;
    let snapshot = gate.snapshot();
    if snapshot.listen.proxy_protocol == ProxyProtocol::Off {
        return Some((admitted, socket));
    }
    match named(shared, &snapshot, stream, socket.ip()).await? {
        Source::Proxy => Some((admitted, socket)),
        Source::Client(client) => {
            let admitted = self::admitted(shared, client.ip(), || admitted.of_client(client.ip()))?;
            Some((admitted, client))
        }
    }
}

/// Runs `admit`; whoever is not admitted is turned away.
fn admitted(
    shared: &Shared,
    peer: IpAddr,
    admit: impl FnOnce() -> Result<Admitted, &'static str>,
) -> Option<Admitted> {
    match catch_unwind(AssertUnwindSafe(admit)) {
        Ok(Ok(admitted)) => Some(admitted),
        Ok(Err(why)) => {
            shared.turn_away(peer, Refusal::busy(why));
            None
        }
        Err(_panic) => {
            shared.gate.tellers.metrics.panics.inc();
            shared.turn_away(peer, Refusal::internal("stage `accept` broke"));
            None
        }
    }
}

/// Whom the PROXY header names. Without a good one from a trusted proxy the connection is turned away, loudly: either
/// the configuration is wrong, or somebody tries to choose the address that he is known by.
async fn named(
    shared: &Shared,
    snapshot: &Snapshot,
    stream: &mut TcpStream,
    socket: IpAddr,
) -> Option<Source> {
    let socket = socket.to_canonical();
    let (tellers, notices) = (&shared.gate.tellers, &shared.gate.memory.notices);
    let now = tellers.clock.monotonic();
    if !snapshot.listen.trusts(socket) {
        let why = "`listen.proxy_protocol` lets only trusted proxies connect";
        notices.turned_away(socket, why, now);
        shared.turn_away(socket, Refusal::malformed(why));
        return None;
    }
    let received = tokio::select! {
        received = proxy_protocol::receive(stream, snapshot.bounds.head_timeout) => received,
        () = shared.stop.cancelled() => return None,
    };
    match received {
        Ok(source) => Some(source),
        // Balancers look in this way whether the port is open.
        Err(NoHeader::Closed | NoHeader::Io(_)) => None,
        Err(error @ (NoHeader::Fault(_) | NoHeader::Late(_))) => {
            let what = format!("was turned away: {error}, and `listen.proxy_protocol` is `required`");
            notices.proxy(socket, &what, now);
            shared.turn_away(socket, Refusal::malformed(error.to_string()));
            None
        }
    }
}
