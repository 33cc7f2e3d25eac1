//! `accept`: may this connection be served at all?
//!
//! Decides by the number of open connections, in all and per address prefix. Reads nothing but the peer's address.
//! Answers by closing: nothing has been asked yet. A banned peer keeps a few connections, so that it can read why it is
//! refused. Header size and header time are enforced by the HTTP library with the bounds of the Snapshot.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_contract::snapshot::Bounds;
use portcullis_model::Prefix;

use crate::gate::Gate;

/// Connections that a banned prefix may hold.
const BANNED_CONNECTIONS_MAX: usize = 4;

/// Open connections per prefix. It cannot outgrow `bounds.connections_max`, because an entry lives as long as one of
/// its connections.
#[derive(Default)]
pub(crate) struct Connections(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    all: usize,
    by_prefix: HashMap<Prefix, usize>,
}

/// What bounds apply to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Ordinary,
    /// Trusted proxies and exempt addresses: they carry many clients.
    Exempt,
    Banned,
}

/// A connection that is served; gives its place back when dropped.
#[must_use]
pub(crate) struct Admitted {
    connections: Arc<Connections>,
    gate: Arc<Gate>,
    prefix: Prefix,
}

/// Admits a connection, or says which bound it would break.
pub(crate) fn admit(
    gate: &Arc<Gate>,
    connections: &Arc<Connections>,
    peer: IpAddr,
) -> Result<Admitted, &'static str> {
    let live = gate.live();
    let prefix = Prefix::of(peer);
    let now = gate.tellers.clock.monotonic();
    let peer = if live.snapshot.is_exempt(peer) {
        Peer::Exempt
    } else if gate.memory.bans.check(prefix, now).is_some() {
        Peer::Banned
    } else {
        Peer::Ordinary
    };
    connections.take(prefix, &live.snapshot.bounds, peer)?;
    gate.tellers.metrics.connections.inc();
    Ok(Admitted { connections: Arc::clone(connections), gate: Arc::clone(gate), prefix })
}

impl Connections {
    fn take(&self, prefix: Prefix, bounds: &Bounds, peer: Peer) -> Result<(), &'static str> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= bounds.connections_max {
            return Err("`bounds.connections_max` is reached");
        }
        let held = counts.by_prefix.get(&prefix).copied().unwrap_or(0);
        if peer == Peer::Banned && held >= BANNED_CONNECTIONS_MAX {
            return Err("the address is banned");
        }
        // A trusted proxy carries many clients over its own address.
        if peer != Peer::Exempt && held >= bounds.connections_per_prefix_max {
            return Err("`bounds.connections_per_prefix_max` is reached");
        }
        counts.all += 1;
        counts.by_prefix.insert(prefix, held + 1);
        Ok(())
    }

    fn give_back(&self, prefix: Prefix) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        match counts.by_prefix.get_mut(&prefix) {
            Some(held) if *held > 1 => *held -= 1,
            _ => drop(counts.by_prefix.remove(&prefix)),
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.connections.give_back(self.prefix);
        self.gate.tellers.metrics.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn bounds() -> Bounds {
        Bounds {
            connections_max: 8,
            connections_per_prefix_max: 5,
            streams_max: 100,
            head_bytes_max: 1,
            headers_max: 1,
            target_bytes_max: 1,
            head_timeout: Duration::ZERO,
            client_stall_timeout: Duration::ZERO,
            buffered_bytes_max: 1,
            drain_timeout: Duration::ZERO,
        }
    }

    fn fill(connections: &Connections, prefix: Prefix, peer: Peer) -> usize {
        (0..20).filter(|_| connections.take(prefix, &bounds(), peer).is_ok()).count()
    }

    #[test]
    fn each_bound_holds_and_places_come_back() {
        let (here, there) = (Prefix::V6(1), Prefix::V6(2));
        let connections = Connections::default();
        assert_eq!(fill(&connections, here, Peer::Ordinary), 5, "per prefix");
        assert_eq!(fill(&connections, there, Peer::Exempt), 3, "in all, also for an exempt peer");
        (0..5).for_each(|_| connections.give_back(here));
        assert_eq!(fill(&connections, here, Peer::Banned), 4, "a banned peer keeps a few");
        (0..7).for_each(|at| connections.give_back(if at < 4 { here } else { there }));
        let counts = connections.0.lock().unwrap();
        assert_eq!((counts.all, counts.by_prefix.len()), (0, 0));
    }
}
