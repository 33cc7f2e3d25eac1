//! Which addresses may be spoken to: public ones, and what an operator has named.
//!
//! The rest is what the IANA registries of special-purpose addresses (RFC 6890) hold: this machine, private networks, link-local
//! ones with their metadata services, and ways to write an IPv4 address in IPv6, whose inner address is judged instead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Not public, of IPv4.
const SPECIAL_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, and everything above it.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The public part of IPv6 (global unicast, RFC 4291 §2.4).
const PUBLIC_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Not public, within the public part.
const SPECIAL_V6: [(Ipv6Addr, u8); 3] = [
    // Protocol assignments, Teredo and benchmarking among them.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// 6to4 (RFC 3056): the IPv4 address stands behind the first 16 bits.
const SIX_TO_FOUR: u16 = 0x2002;
/// The well-known prefix of NAT64 (RFC 6052): the IPv4 address stands in the last 32 bits.
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Who may be spoken to.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    networks: Vec<IpNet>,
}

impl Guard {
    /// Public addresses, and those in `networks`.
    pub fn allowing(networks: Vec<IpNet>) -> Self {
        Self { networks }
    }

    /// Whether this address may be spoken to.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address)) || is_public(address)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match inner_v4(v6) {
            Some(v4) => is_public_v4(v4),
            None => is_in_v6(v6, PUBLIC_V6) && !SPECIAL_V6.iter().any(|special| is_in_v6(v6, *special)),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let holds = |(network, bits): &(Ipv4Addr, u8)| {
        Ipv4Net::new(*network, *bits).is_ok_and(|network| network.contains(&address))
    };
    !SPECIAL_V4.iter().any(holds)
}

fn is_in_v6(address: Ipv6Addr, (network, bits): (Ipv6Addr, u8)) -> bool {
    Ipv6Net::new(network, bits).is_ok_and(|network| network.contains(&address))
}

/// The IPv4 address that an IPv6 address stands for on the way.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = u128::from(address);
    let segments = address.segments();
    if segments.first() == Some(&SIX_TO_FOUR) {
        return Some(Ipv4Addr::from((bits >> 80) as u32));
    }
    segments.starts_with(&NAT64).then(|| Ipv4Addr::from(bits as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_and_named_networks_are_spoken_to() {
        let guard = Guard::allowing(vec!["10.1.0.0/16".parse().unwrap(), "fd00:1::/32".parse().unwrap()]);
        let allows = |address: &str| guard.allows(address.parse().unwrap());
        for public in [
            "1.1.1.1",
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "2606:4700::1111",
            "fd00:1::7",
            "2002:101:101::1",
            "64:ff9b::101:101",
            "::ffff:8.8.8.8",
        ] {
            assert!(allows(public), "{public}");
        }
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.2.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:7f00:1::",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd00:2::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            assert!(!allows(special), "{special}");
        }
    }
}
