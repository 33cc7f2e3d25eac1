//! `@ipMatch`: the value is an address in one of the networks.
//!
//! Addresses and networks of IPv4 and IPv6, set apart by commas. An address of IPv4 that is written as one of IPv6
//! (`::ffff:192.0.2.1`) is what it stands for. A value that is no address does not match.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::{About, Example};
use crate::{Captures, Problem};

pub(super) const ABOUT: About = About {
    names: &["ipMatch"],
    what: "the value is an address in one of the networks",
    example: Example {
        argument: "192.0.2.0/24,2001:db8::1",
        matches: Some(b"192.0.2.7"),
        passes: Some(b"198.51.100.7"),
    },
};

/// Addresses, as ranges in ascending order that do not touch.
#[derive(Debug, Default)]
pub struct Networks {
    v4: Vec<RangeInclusive<u32>>,
    v6: Vec<RangeInclusive<u128>>,
}

impl Networks {
    pub(super) fn parse(argument: &str) -> Result<Self, Problem> {
        Self::of(&ABOUT, argument.split(','))
    }

    /// Networks as they are written, of which there must be one.
    pub(super) fn of<'a>(about: &About, networks: impl Iterator<Item = &'a str>) -> Result<Self, Problem> {
        let mut all = Self::default();
        for text in networks.map(str::trim).filter(|text| !text.is_empty()) {
            let why = || {
                about.problem(format!(
                    "`{text}` is no address or network: write `192.0.2.0/24` or `2001:db8::/32`"
                ))
            };
            all.add(text).ok_or_else(why)?;
        }
        if all.v4.is_empty() && all.v6.is_empty() {
            return Err(about.problem("there is no address in it"));
        }
        all.v4 = merged(all.v4, |last| last.checked_add(1));
        all.v6 = merged(all.v6, |last| last.checked_add(1));
        Ok(all)
    }

    fn add(&mut self, text: &str) -> Option<()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(address) => {
                let free = u32::BITS.checked_sub(prefix.unwrap_or(u32::BITS))?;
                let hosts = u32::MAX.checked_shr(u32::BITS - free).unwrap_or(0);
                let network = address.to_bits() & !hosts;
                self.v4.push(network..=network | hosts);
            }
            IpAddr::V6(address) => {
                let free = u128::BITS.checked_sub(prefix.unwrap_or(u128::BITS))?;
                let hosts = u128::MAX.checked_shr(u128::BITS - free).unwrap_or(0);
                let network = address.to_bits() & !hosts;
                self.v6.push(network..=network | hosts);
            }
        }
        Some(())
    }

    pub(super) fn matches(&self, value: &[u8], captures: &mut Captures) -> bool {
        let address = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<IpAddr>().ok());
        let is_in = address.is_some_and(|address| self.holds(address));
        if is_in {
            captures.set(0, value);
        }
        is_in
    }

    fn holds(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.holds_v4(address),
            IpAddr::V6(address) => {
                address.to_ipv4_mapped().is_some_and(|address| self.holds_v4(address))
                    || self.holds_v6(address)
            }
        }
    }

    fn holds_v4(&self, address: Ipv4Addr) -> bool {
        is_in(&self.v4, &address.to_bits())
    }

    fn holds_v6(&self, address: Ipv6Addr) -> bool {
        is_in(&self.v6, &address.to_bits())
    }
}

/// Ranges in order, those that overlap or touch made one.
fn merged<T: Copy + Ord>(
    mut ranges: Vec<RangeInclusive<T>>,
    next: fn(T) -> Option<T>,
) -> Vec<RangeInclusive<T>> {
    ranges.sort_unstable_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<T>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if next(*last.end()).is_none_or(|next| *range.start() <= next) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}

fn is_in<T: Copy + Ord>(ranges: &[RangeInclusive<T>], address: &T) -> bool {
    let at = ranges.partition_point(|range| range.end() < address);
    ranges.get(at).is_some_and(|range| range.contains(address))
}
