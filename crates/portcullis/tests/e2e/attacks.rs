//! What a security review found, each as its attacker does it: the gate stays up, sees, and lets nothing past.
//!
//! One module per thing that is attacked. A test here is never made softer: it is what was once possible.

mod addresses;
mod bodies;
mod credentials;
mod fields;
mod log;
mod paths;
mod scans;
mod upstreams;

use std::net::IpAddr;

use portcullis_testkit::{Client, RawConnection, RawHead};

use crate::guard::World;

/// One of the ten patterns in a query.
const ATTACK: &str = "/open?q=1+union+select+null";

/// A client at another address of this machine.
fn from(last: u8) -> Client {
    Client::from_address(IpAddr::from([127, 0, 0, last]))
}

/// The status of one request written by hand, with `Connection: close` left to the test.
async fn exchange(world: &World, request: impl AsRef<[u8]>) -> (RawHead, String) {
    let mut connection = RawConnection::open(world.gate.address("public")).await;
    // The gate may refuse before all of it was sent.
    let _ = connection.try_send(request).await;
    let (head, body) = connection.read_answer().await;
    (head, String::from_utf8_lossy(&body).into_owned())
}

/// `piece` again and again, at most so many bytes.
fn repeated(piece: &str, bytes: usize) -> String {
    piece.repeat(bytes / piece.len())
}
