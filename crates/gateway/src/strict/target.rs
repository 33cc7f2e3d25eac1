//! Targets and hosts: the forms of RFC 9112 §3.2, and nothing that one server cuts where another does not.

use std::net::Ipv6Addr;

use super::Fault;

/// The longest target that the HTTP library can hold, whatever the configuration allows.
pub(super) const TARGET_BYTES_MAX: usize = 65_534;

/// Judges a target by itself.
pub(crate) fn judge(method: &[u8], target: &[u8]) -> Result<(), Fault> {
    let query = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at_checked(query).unwrap_or_default();
    if !path.iter().all(|byte| is_target(*byte) && !matches!(byte, b'\\' | b'`')) {
        return Err(Fault::TargetCharacter);
    }
    if !query.iter().all(|byte| is_target(*byte)) {
        return Err(Fault::TargetCharacter);
    }
    let well_formed = match target {
        [b'/', ..] => true,
        b"*" => method == b"OPTIONS",
        _ => authority(target).is_some_and(is_authority),
    };
    if well_formed { Ok(()) } else { Err(Fault::TargetForm) }
}

/// Visible ASCII without `"`, `#`, `<` and `>`, which every browser encodes and which the library cuts or
/// refuses. RFC 3986 also wants `^`, `{`, `|` and `}` encoded, in queries the back-slash and the back-tick
/// too; the browsers' rules (WHATWG URL, query state) do not, so that half of the web would be refused. They
/// pass as they came, and `normalize` gives those in a path their one spelling.
fn is_target(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'"' | b'#' | b'<' | b'>')
}

/// The authority of an absolute target with a path, without saying that it is a good one.
pub(super) fn authority(target: &[u8]) -> Option<&[u8]> {
    let scheme = |name: &[u8]| {
        let (begin, rest) = target.split_at_checked(name.len())?;
        begin.eq_ignore_ascii_case(name).then_some(rest)
    };
    let rest = scheme(b"http://").or_else(|| scheme(b"https://"))?;
    rest.get(..rest.iter().position(|byte| *byte == b'/')?)
}

/// Whether `text` is a host with or without a port: an IPv6 address in brackets, or what names and IPv4
/// addresses are made of. RFC 3986 allows more in a name (`,`, `;`, `%`, …) than any resolver does, and user
/// names before it: those only serve to make two readers see two hosts.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    let (host_is_good, rest) = if let [b'[', inside @ ..] = text {
        let end = inside.iter().position(|byte| *byte == b']').unwrap_or(inside.len());
        let (address, rest) = inside.split_at_checked(end).unwrap_or_default();
        let address = std::str::from_utf8(address).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
        (address.is_some() && rest.first() == Some(&b']'), rest.get(1..).unwrap_or_default())
    } else {
        let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end).unwrap_or_default();
        (is_name(name), rest)
    };
    host_is_good
        && match rest {
            [] => true,
            [b':', port @ ..] => is_port(port),
            _ => false,
        }
}

/// DNS knows no longer name than this.
const HOST_BYTES_MAX: usize = 255;

fn is_name(name: &[u8]) -> bool {
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    name.len() <= HOST_BYTES_MAX
        && name.iter().all(is_good)
        && name.first().is_some_and(|first| !matches!(first, b'-' | b'.'))
}

fn is_port(port: &[u8]) -> bool {
    // `parse` would take a sign.
    let port = std::str::from_utf8(port).ok().filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    port.is_some_and(|port| port.len() <= 5 && port.parse::<u16>().is_ok())
}
