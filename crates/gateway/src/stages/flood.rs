//! `flood`: is this address asking too much, whatever it asks for?
//!
//! Counts every request per address prefix before routing, so that a scan of unknown paths counts too. Reads nothing but
//! the client's address. Answers 429.

use portcullis_access::limit::Taken;
use portcullis_contract::snapshot::{Flood, Mode};
use portcullis_model::Stage;

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
            let why = format!("`{}` used up `flood`: {} in {:?}", client.prefix, rate.requests, rate.window);
            if mode == Mode::Observe {
                story.would_refuse(why);
                return Ok(());
            }
            Err(Refusal::too_many(retry_after, why))
        }
    }
}
