//! The PROXY protocol: a header before the first byte of a connection, in which a proxy says for whom it connects.
//! Version 1 is a line of text, version 2 is binary (the specification is HAProxy's `doc/proxy-protocol.txt`).
//!
//! [`read`] is pure and strict, and its verdict does not depend on how the bytes were cut into packets: what is good
//! or bad of a beginning is good or bad of the whole. [`receive`] brings it to the socket.

mod receive;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

use crate::forwarded::of_one_host;

pub(crate) use receive::{NoHeader, receive};

/// Bytes of the longest line of version 1, its end included.
const LINE_BYTES_MAX: usize = 107;
/// Bytes of the longest header: what fits every TCP segment (RFC 9293 §3.7.1), so that no sender needs to cut it.
pub(crate) const HEADER_BYTES_MAX: usize = 536;

const TEXT: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and protocol, length.
const FIXED_BYTES: usize = 16;
/// The TLV that holds a checksum of the whole header.
const CRC32C: u8 = 0x03;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// It is not whole yet: all the bytes are its own.
    More,
    /// It is these first bytes.
    Header { bytes: usize, source: Source },
}

/// For whom the proxy connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A client at this address.
    Client(SocketAddr),
    /// Itself, as for a health check, or somebody that it cannot name: the connection's own address counts.
    Proxy,
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// Neither version's first bytes.
    #[error("the connection does not begin with a PROXY header")]
    NoHeader,
    /// Version 1 without its end where it must be.
    #[error("a PROXY line is longer than 107 bytes")]
    LongLine,
    /// Version 1 that is not by the letter.
    #[error("a PROXY line is malformed")]
    Line,
    /// Version 2 longer than is read.
    #[error("a PROXY header is longer than 536 bytes")]
    LongHeader,
    /// Version 2 with another version or command.
    #[error("a PROXY header has an unknown version or command")]
    Command,
    /// A client over UNIX sockets, datagrams or something unknown.
    #[error("a PROXY header names no client over TCP")]
    Family,
    /// Addresses or TLVs that do not fit the length.
    #[error("a PROXY header does not fit its length")]
    Length,
    /// The checksum that it holds is another one.
    #[error("a PROXY header has a wrong checksum")]
    Checksum,
    /// An address that no host has.
    #[error("a PROXY header names an address that is no client's")]
    Address,
}

/// Reads a header from the beginning of a connection.
pub(crate) fn read(bytes: &[u8]) -> Result<Read, Fault> {
    let begins = |mark: &[u8]| bytes.iter().zip(mark).all(|(byte, wanted)| byte == wanted);
    if begins(TEXT) {
        line(bytes)
    } else if begins(SIGNATURE) {
        binary(bytes)
    } else {
        Err(Fault::NoHeader)
    }
}

/// Whether what was refused as a request begins like a header, less the empty lines of version 2 that may have been
/// skipped before it.
pub(crate) fn is_meant(held: &[u8]) -> bool {
    let (text, binary) =
        (held.starts_with(TEXT), [0, 2, 4].into_iter().filter_map(|from| SIGNATURE.get(from..)));
    text || binary.into_iter().any(|signature| held.starts_with(signature))
}

/// Version 1.
fn line(bytes: &[u8]) -> Result<Read, Fault> {
    let shown = bytes.get(..LINE_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = shown.iter().position(|byte| !matches!(byte, b' '..=b'~')) else {
        return if bytes.len() < LINE_BYTES_MAX { Ok(Read::More) } else { Err(Fault::LongLine) };
    };
    match (shown.get(end), shown.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {}
        (Some(b'\r'), None) if end + 1 < LINE_BYTES_MAX => return Ok(Read::More),
        (Some(b'\r'), None) => return Err(Fault::LongLine),
        _ => return Err(Fault::Line),
    }
    let text = shown.get(TEXT.len()..end).and_then(|text| str::from_utf8(text).ok()).ok_or(Fault::Line)?;
    let mut words = text.split(' ');
    let source = match words.next() {
        // What follows it is nothing that anybody may rely on.
        Some("UNKNOWN") => Source::Proxy,
        Some("TCP4") => addresses::<Ipv4Addr>(words)?,
        Some("TCP6") => addresses::<Ipv6Addr>(words)?,
        _ => return Err(Fault::Line),
    };
    Ok(Read::Header { bytes: end + 2, source })
}

/// Source, destination and their ports, and nothing else.
fn addresses<'a, A>(mut words: impl Iterator<Item = &'a str>) -> Result<Source, Fault>
where
    A: Into<IpAddr> + std::str::FromStr,
{
    let mut word = || words.next().ok_or(Fault::Line);
    let address = |word: &str| word.parse::<A>().map(Into::into).map_err(|_| Fault::Line);
    let (from, _to) = (address(word()?)?, address(word()?)?);
    let (port, _) = (port(word()?)?, port(word()?)?);
    if words.next().is_some() {
        return Err(Fault::Line);
    }
    client(from, port)
}

/// A number without sign or leading zeros.
fn port(word: &str) -> Result<u16, Fault> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| is_plain).ok_or(Fault::Line)
}

fn client(address: IpAddr, port: u16) -> Result<Source, Fault> {
    let address = of_one_host(address).ok_or(Fault::Address)?;
    Ok(Source::Client(SocketAddr::new(address, port)))
}

/// Version 2.
fn binary(bytes: &[u8]) -> Result<Read, Fault> {
    let fixed: Option<&[u8; FIXED_BYTES]> = bytes.first_chunk();
    let Some([.., command, family, high, low]) = fixed else {
        // What is there of them is judged all the same: a verdict is not put off.
        return bytes.get(SIGNATURE.len()).map_or(Ok(()), |command| known(*command)).map(|()| Read::More);
    };
    known(*command)?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let whole = FIXED_BYTES + length;
    if whole > HEADER_BYTES_MAX {
        return Err(Fault::LongHeader);
    }
    let Some(header) = bytes.get(..whole) else { return Ok(Read::More) };
    let payload = header.get(FIXED_BYTES..).unwrap_or_default();
    let source = match (*command, *family) {
        // What a proxy says of its own connection is nobody's business.
        (LOCAL, _) => Source::Proxy,
        (_, 0x00) => Source::Proxy,
        (_, 0x11) => of_client::<4, Ipv4Addr>(header, payload)?,
        (_, 0x21) => of_client::<16, Ipv6Addr>(header, payload)?,
        _ => return Err(Fault::Family),
    };
    Ok(Read::Header { bytes: whole, source })
}

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

fn known(command: u8) -> Result<(), Fault> {
    if matches!(command, LOCAL | PROXY) { Ok(()) } else { Err(Fault::Command) }
}

/// Two addresses of `N` bytes, two ports, and TLVs.
fn of_client<const N: usize, A: From<[u8; N]> + Into<IpAddr>>(
    header: &[u8],
    payload: &[u8],
) -> Result<Source, Fault> {
    let split = payload.split_first_chunk::<N>().and_then(|(from, rest)| Some((from, rest.get(N..)?)));
    let (from, rest) = split.ok_or(Fault::Length)?;
    let ([high, low, _, _], tlvs) = rest.split_first_chunk::<4>().ok_or(Fault::Length)?;
    check_tlvs(header, tlvs)?;
    client(A::from(*from).into(), u16::from_be_bytes([*high, *low]))
}

/// TLVs are not needed, but they must fill the header to its end, and a checksum must be right.
fn check_tlvs(header: &[u8], mut tlvs: &[u8]) -> Result<(), Fault> {
    let mut sum = None;
    while let Some(([kind, high, low], rest)) = tlvs.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(Fault::Length)?;
        if *kind == CRC32C {
            let value = u32::from_be_bytes(value.try_into().map_err(|_| Fault::Length)?);
            if sum.replace((value, header.len() - rest.len() - length)).is_some() {
                return Err(Fault::Checksum);
            }
        }
        tlvs = rest;
    }
    if !tlvs.is_empty() {
        return Err(Fault::Length);
    }
    match sum {
        Some((sum, at)) if sum != crc32c(header, at) => Err(Fault::Checksum),
        _ => Ok(()),
    }
}

/// The CRC-32C (RFC 9260 appendix A) of a header in whose checksum, the four bytes from `blank` on, is taken for zero.
/// Bit by bit: it is done once for a connection, over at most 536 bytes.
fn crc32c(header: &[u8], blank: usize) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let byte_at = |(at, byte): (usize, &u8)| if (blank..blank + 4).contains(&at) { 0 } else { *byte };
    let sum = header.iter().enumerate().map(byte_at).fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (POLYNOMIAL * (sum & 1)))
    });
    !sum
}

#[cfg(test)]
mod tests;
