//! `accept`: may this connection be served at all?
//!
//! Decides by the number of open connections, in all and per address prefix. Reads nothing but the peer's address, which
//! where `listen.proxy_protocol` asks for it is first the proxy's and then the one that its header names.
//! Answers by closing: nothing has been asked yet. A banned peer keeps a few connections, so that it can read why it is
//! refused. Header size and header time are enforced by the HTTP library with the bounds of the Snapshot.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    let prefix = Prefix::of(peer);
    connections.lock().take(prefix, &gate.snapshot().bounds, Peer::of(peer, gate))?;
    gate.tellers.metrics.connections.inc();
    Ok(Admitted { connections: Arc::clone(connections), gate: Arc::clone(gate), prefix })
}

impl Admitted {
    /// The same connection, counted for the client that a proxy names as its own; or the bound that this would break.
    pub(crate) fn of_client(mut self, client: IpAddr) -> Result<Self, &'static str> {
        let to = Prefix::of(client);
        let peer = Peer::of(client, &self.gate);
        let mut counts = self.connections.lock();
        counts.give_back(self.prefix);
        let taken = counts.take(to, &self.gate.snapshot().bounds, peer);
        if taken.is_err() {
            counts.add(self.prefix);
        }
        drop(counts);
        taken?;
        self.prefix = to;
        Ok(self)
    }
}

impl Peer {
    fn of(address: IpAddr, gate: &Gate) -> Self {
        let now = gate.tellers.clock.monotonic();
        if gate.snapshot().is_exempt(address) {
            Self::Exempt
        } else if gate.memory.bans.check(Prefix::of(address), now).is_some() {
            Self::Banned
        } else {
            Self::Ordinary
        }
    }
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn take(&mut self, prefix: Prefix, bounds: &Bounds, peer: Peer) -> Result<(), &'static str> {
        if self.all >= bounds.connections_max {
            return Err("`bounds.connections_max` is reached");
        }
        let held = self.by_prefix.get(&prefix).copied().unwrap_or(0);
        if peer == Peer::Banned && held >= BANNED_CONNECTIONS_MAX {
            return Err("the address is banned");
        }
        // A trusted proxy carries many clients over its own address.
        if peer != Peer::Exempt && held >= bounds.connections_per_prefix_max {
            return Err("`bounds.connections_per_prefix_max` is reached");
        }
        self.add(prefix);
        Ok(())
    }

    fn add(&mut self, prefix: Prefix) {
        self.all += 1;
        *self.by_prefix.entry(prefix).or_default() += 1;
    }

    fn give_back(&mut self, prefix: Prefix) {
        self.all = self.all.saturating_sub(1);
        match self.by_prefix.get_mut(&prefix) {
            Some(held) if *held > 1 => *held -= 1,
            _ => drop(self.by_prefix.remove(&prefix)),
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.connections.lock().give_back(self.prefix);
        self.gate.tellers.metrics.connections.dec();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    pub(crate) fn bounds() -> Bounds {
        Bounds {
            connections_max: 8,
            connections_per_prefix_max: 5,
            streams_max: 100,
            head_bytes_max: 1,
            requests_per_connection_max: 1,
            requests_max: 1,
            requests_per_prefix_max: 1,
            headers_max: 1,
            target_bytes_max: 1,
            websockets_max: 0,
            websockets_per_prefix_max: 0,
            head_timeout: Duration::ZERO,
            client_stall_timeout: Duration::ZERO,
            body_rate_min: 1,
            held_body_rate_min: 1,
            body_grace: Duration::ZERO,
            buffered_bytes_max: 100,
            buffered_bytes_per_prefix_max: 60,
            drain_timeout: Duration::ZERO,
        }
    }

    fn fill(connections: &Connections, prefix: Prefix, peer: Peer) -> usize {
        (0..20).filter(|_| connections.lock().take(prefix, &bounds(), peer).is_ok()).count()
    }

    #[test]
    fn each_bound_holds_and_places_come_back() {
        let (here, there) = (Prefix::V6(1), Prefix::V6(2));
        let connections = Connections::default();
        assert_eq!(fill(&connections, here, Peer::Ordinary), 5, "per prefix");
        assert_eq!(fill(&connections, there, Peer::Exempt), 3, "in all, also for an exempt peer");
        (0..5).for_each(|_| connections.lock().give_back(here));
        assert_eq!(fill(&connections, here, Peer::Banned), 4, "a banned peer keeps a few");
        (0..7).for_each(|at| connections.lock().give_back(if at < 4 { here } else { there }));
        let counts = connections.0.lock().unwrap();
        assert_eq!((counts.all, counts.by_prefix.len()), (0, 0));
    }
}
