//! What proxies say of the hops before them.

use std::net::{IpAddr, Ipv4Addr};

use crate::forwarded::{Hop, forwarded, of_one_host, x_forwarded_for};

/// Laws of both readers: what stands to the left of an element changes nothing, hops are bounded by commas, and an
/// address is always one that a host can have, in the one form in which addresses are compared.
pub fn hold(input: &[u8]) {
    let commas = input.iter().filter(|byte| **byte == b',').count();
    let (theirs, of_old): (Vec<_>, Vec<_>) = (forwarded(input).collect(), x_forwarded_for(input).collect());
    assert!(!theirs.is_empty() && theirs.len() <= commas + 1);
    assert_eq!(of_old.len(), commas + 1);
    for hop in theirs.iter().chain(&of_old).flatten() {
        assert_eq!(of_one_host(hop.address), Some(hop.address), "{}", input.escape_ascii());
    }
    let near = Some(Hop { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)), scheme: None });
    // Whatever a client wrote, the element that its proxy adds behind it is read as it was written.
    for added in [&b"for=192.0.2.9"[..], b"for=\"192.0.2.9:80\";note=\"a,\\\"b\""] {
        let line = [input, b", ", added].concat();
        assert_eq!(forwarded(&line).next(), Some(near), "{}", line.escape_ascii());
    }
    let line = [input, b", 192.0.2.9"].concat();
    assert_eq!(x_forwarded_for(&line).next(), Some(near), "{}", line.escape_ascii());
    // What a hop says does not depend on what a farther one said: alone it reads the same.
    let last = input.rsplit(|byte| *byte == b',').next().unwrap();
    assert_eq!(x_forwarded_for(last).next(), of_old.first().copied());
}
