//! The unit in which addresses are counted and banned: a /32 for IPv4, a /64 for IPv6.
//!
//! One IPv6 customer commands a whole /64, so counting single IPv6 addresses would let anyone start afresh at will.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

/// An address prefix: /32 of IPv4, /64 of IPv6; an IPv4 address mapped into IPv6 counts as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Prefix {
    /// A single IPv4 address.
    V4(Ipv4Addr),
    /// The upper 64 bits of an IPv6 address.
    V6(u64),
}

impl Prefix {
    /// The prefix that an address counts for.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => Self::V6((u128::from(v6) >> 64) as u64),
        }
    }

    /// The lowest address in it.
    pub fn first(self) -> IpAddr {
        match self {
            Self::V4(v4) => v4.into(),
            Self::V6(upper) => Ipv6Addr::from(u128::from(upper) << 64).into(),
        }
    }

    /// How many bits of an address it is.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4(_) => 32,
            Self::V6(_) => 64,
        }
    }

    /// The prefix as bytes for hashing, first byte telling the family.
    pub fn to_bytes(self) -> [u8; 9] {
        let mut bytes = [0; 9];
        let (family, rest) = match self {
            Self::V4(v4) => (4, u64::from(u32::from(v4))),
            Self::V6(upper) => (6, upper),
        };
        for (to, from) in bytes.iter_mut().zip(std::iter::once(family).chain(rest.to_be_bytes())) {
            *to = from;
        }
        bytes
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.bits())
    }
}

impl Serialize for Prefix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: &str) {
        assert_eq!(Prefix::of(address.parse().unwrap()).to_string(), expected);
    }

    #[test]
    fn addresses_count_by_prefix() {
        check("192.0.2.7", "192.0.2.7/32");
        check("::ffff:192.0.2.7", "192.0.2.7/32");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
    }

    #[test]
    fn families_never_collide() {
        let v4 = Prefix::of("0.0.0.1".parse().unwrap());
        let v6 = Prefix::V6(1);
        assert_ne!(v4.to_bytes(), v6.to_bytes());
    }
}
