//! `flood`: is this address asking too much, whatever it asks for?
//!
//! Counts every request per address prefix before routing, so that a scan of unknown paths counts too. Reads nothing but
//! the client's address. Answers 429. A TLS handshake, and what is no request, count in the same share.

use std::net::IpAddr;

use portcullis_access::limit::{Rate, Taken};
use portcullis_contract::snapshot::{Flood, Mode};
use portcullis_model::{Prefix, Stage};

use crate::gate::Gate;
use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::address::{Client, Standing};
use crate::story::Story;

/// Takes one request from the prefix's share.
pub(crate) fn take(scope: Scope<'_>, client: &Client, story: &mut Story) -> Result<(), Refusal> {
    story.enter(Stage::Flood);
    let Flood { mode, rate } = scope.live.snapshot.flood;
    if mode == Mode::Off || client.standing == Standing::Exempt {
        return Ok(());
    }
    let now = scope.gate.tellers.clock.monotonic();
    match scope.gate.memory.flood.take(&client.prefix.to_bytes(), &rate, now, 1) {
        Taken::Allowed { .. } => {
            story.pass("");
            Ok(())
        }
        Taken::Refused { retry_after } => {
            let why = used_up(client.prefix, &rate);
            if mode == Mode::Observe {
                story.would_refuse(why);
                return Ok(());
            }
            Err(Refusal::too_many(retry_after, why))
        }
    }
}

/// Takes one from a peer's share for what it has done without asking for anything.
pub(crate) fn take_unasked(gate: &Gate, peer: IpAddr) -> Result<(), Refusal> {
    let snapshot = gate.snapshot();
    let Flood { mode, rate } = snapshot.flood;
    if mode == Mode::Off || snapshot.is_exempt(peer) {
        return Ok(());
    }
    let (prefix, now) = (Prefix::of(peer), gate.tellers.clock.monotonic());
    match gate.memory.flood.take(&prefix.to_bytes(), &rate, now, 1) {
        Taken::Refused { retry_after } if mode == Mode::Enforce => {
            Err(Refusal::too_many(retry_after, used_up(prefix, &rate)))
        }
        Taken::Refused { .. } | Taken::Allowed { .. } => Ok(()),
    }
}

fn used_up(prefix: Prefix, rate: &Rate) -> String {
    format!("`{prefix}` used up `flood`: {} in {:?}", rate.requests, rate.window)
}
