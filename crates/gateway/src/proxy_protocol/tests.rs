//! The reader by tables and by properties: any bytes, any cut.

use proptest::prelude::*;

use super::*;

/// What is read of a header with other bytes behind it: the client, `proxy`, `more` or the fault; and a cut anywhere
/// must not change it.
fn shown(header: &[u8]) -> String {
    let verdict = read(header);
    for cut in 0..header.len() {
        let early = read(&header[..cut]);
        assert!(
            early == Ok(Read::More) || early == verdict,
            "{early:?} at {cut} of {}",
            header.escape_ascii()
        );
    }
    let behind = [header, b"\r\nGET / HTTP/1.1\r\n"].concat();
    match verdict {
        Ok(Read::More) => "more".into(),
        Ok(Read::Header { bytes, source }) => {
            assert_eq!(bytes, header.len());
            assert_eq!(read(&behind), verdict);
            match source {
                Source::Client(address) => address.to_string(),
                Source::Proxy => "proxy".into(),
            }
        }
        Err(fault) => {
            assert_eq!(read(&behind), verdict);
            format!("{fault:?}")
        }
    }
}

#[test]
fn a_line_is_read_by_the_letter() {
    let check = |line: &str, expected: &str| assert_eq!(shown(line.as_bytes()), expected, "{line:?}");
    check("PROXY TCP4 192.0.2.1 203.0.113.2 56324 443\r\n", "192.0.2.1:56324");
    check("PROXY TCP4 192.0.2.1 203.0.113.2 0 65535\r\n", "192.0.2.1:0");
    check("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "[2001:db8::1]:1");
    check("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:203.0.113.2 1 2\r\n", "192.0.2.1:1");
    let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    check(&format!("PROXY TCP6 {all} {all} 65535 65535\r\n"), "Address");
    check("PROXY UNKNOWN\r\n", "proxy");
    check(&format!("PROXY UNKNOWN {all} {all} 65535 65535\r\n"), "proxy");
    check("PROXY UNKNOWN anything at all\r\n", "proxy");
    check(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(91)), "proxy");
    check(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)), "LongLine");
    check(&format!("PROXY UNKNOWN {}", "x".repeat(93)), "LongLine");
    for beginning in
        ["", "P", "PROXY", "PROXY ", "PROXY TCP4 192.0.2.1", "PROXY TCP9 \x7e", "PROXY UNKNOWN\r"]
    {
        check(beginning, "more");
    }
    for odd in [
        "PROXY \r\n",
        "PROXY  TCP4 192.0.2.1 203.0.113.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.2 1\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.2  2\r\n",
        "PROXY TCP4 192.0.2.01 203.0.113.2 1 2\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 203.0.113.2 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UDP4 192.0.2.1 203.0.113.2 1 2\r\n",
        "PROXY tcp4 192.0.2.1 203.0.113.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.2 1 2\n",
        "PROXY TCP4 192.0.2.1 203.0.113.2 1 2\r\r\n",
        "PROXY TCP4\t192.0.2.1 203.0.113.2 1 2\r\n",
        "PROXY UNKNOWN \u{e9}\r\n",
        "PROXY UNKNOWN \0\r\n",
    ] {
        check(odd, "Line");
    }
    for nobody in ["0.0.0.0", "224.0.0.1", "255.255.255.255"] {
        check(&format!("PROXY TCP4 {nobody} 203.0.113.2 1 2\r\n"), "Address");
    }
    for other in
        ["GET / HTTP/1.1\r\n", "proxy TCP4", "PROXX", "\x16\x03\x01", "\r\n\r\nG", "\r\n\r\n\0\r\nQUIT\r"]
    {
        check(other, "NoHeader");
    }
}

/// A header of version 2.
fn binary(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, payload].concat()
}

const V4: [u8; 12] = [192, 0, 2, 1, 203, 0, 113, 2, 0xdc, 0x04, 1, 0xbb];

fn v6(from: [u8; 2]) -> Vec<u8> {
    [&[from[0], from[1], 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0x20; 16], &[0, 1, 0, 2]]
        .concat()
}

fn v4_with(tlvs: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[&V4, tlvs].concat())
}

/// The same with the right checksum in its last four bytes.
fn summed(mut header: Vec<u8>) -> Vec<u8> {
    let at = header.len() - 4;
    let sum = crc32c(&header, at).to_be_bytes();
    header[at..].copy_from_slice(&sum);
    header
}

#[test]
fn a_binary_header_is_read_by_the_letter() {
    let check =
        |header: &[u8], expected: &str| assert_eq!(shown(header), expected, "{}", header.escape_ascii());
    check(&v4_with(b""), "192.0.2.1:56324");
    check(&binary(0x21, 0x21, &v6([0x20, 0x01])), "[2001:db8::1]:1");
    check(&binary(0x21, 0x21, &v6([0xff, 0x02])), "Address");
    check(&binary(0x20, 0x00, b""), "proxy");
    // What stands in a LOCAL header counts for nothing, whatever it is.
    check(&binary(0x20, 0x11, &V4), "proxy");
    check(&binary(0x20, 0xff, b"odd"), "proxy");
    check(&binary(0x21, 0x00, b""), "proxy");
    check(&binary(0x21, 0x00, &[7; 30]), "proxy");
    check(&v4_with(&[0x04, 0, 3, 1, 2, 3]), "192.0.2.1:56324");
    check(&v4_with(&[0xea, 0, 0, 0x01, 0, 2, b'h', b'2']), "192.0.2.1:56324");
    check(&v4_with(&[&[0x20, 2, 1][..], &[0; 513]].concat()), "LongHeader");
    check(&v4_with(&[&[0x20, 1, 0xf9][..], &[0; 505]].concat()), "192.0.2.1:56324");
    check(&v4_with(&[&[0x20, 1, 0xfa][..], &[0; 506]].concat()), "LongHeader");
    check(&[SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(), "LongHeader");
    check(&[SIGNATURE, &[0x21]].concat(), "more");
    check(&v4_with(b"")[..27], "more");
    for command in [0x00, 0x11, 0x22, 0x2f, 0x31] {
        check(&binary(command, 0x11, &V4), "Command");
    }
    for family in [0x01, 0x10, 0x12, 0x13, 0x20, 0x22, 0x31, 0x32, 0x41] {
        check(&binary(0x21, family, &[1; 216]), "Family");
    }
    check(&binary(0x21, 0x11, &V4[..11]), "Length");
    check(&binary(0x21, 0x11, b""), "Length");
    check(&binary(0x21, 0x21, &[1; 35]), "Length");
    check(&v4_with(&[0x04, 0]), "Length");
    check(&v4_with(&[0x04, 0, 3, 1, 2]), "Length");
    check(&v4_with(&[0x04, 0xff, 0xff, 1]), "Length");
}

#[test]
fn a_checksum_must_be_right_and_there_is_at_most_one() {
    assert_eq!(crc32c(b"123456789", 9), 0xe306_9283, "RFC 3720 appendix B.4 names this polynomial");
    let blank = [CRC32C, 0, 4, 0, 0, 0, 0];
    let good = summed(v4_with(&blank));
    assert_eq!(shown(&good), "192.0.2.1:56324");
    for at in SIGNATURE.len() + 4..good.len() {
        let mut turned = good.clone();
        turned[at] ^= 1;
        assert!(matches!(&*shown(&turned), "Checksum" | "Length" | "192.0.2.1:56324"), "{at}");
        // Only the name of the TLV itself can make it another one.
        let is_kind = at == FIXED_BYTES + V4.len();
        assert_eq!(shown(&turned) == "192.0.2.1:56324", is_kind, "{at}");
    }
    assert_eq!(shown(&v4_with(&[CRC32C, 0, 3, 0, 0, 0])), "Length");
    assert_eq!(shown(&summed(v4_with(&[blank, blank].concat()))), "Checksum");
}

/// Bytes that begin as a header does, or not at all.
fn beginnings() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>();
    let tail = prop::collection::vec(byte, 0..600);
    let binary = (
        prop_oneof![Just(0x20_u8), Just(0x21)],
        prop_oneof![Just(0x11_u8), Just(0x21), any::<u8>()],
        0..80_u16,
        tail.clone(),
    )
        .prop_map(|(command, family, length, tail)| {
            [SIGNATURE, &[command, family], &length.to_be_bytes(), &tail].concat()
        });
    let line = "PROXY (TCP4|TCP6|UNKNOWN)?[ 0-9a-f:.]{0,110}(\r\n)?".prop_map(String::into_bytes);
    prop_oneof![tail, binary, line]
}

proptest! {
    #[test]
    fn no_bytes_panic_and_no_cut_changes_the_verdict(bytes in beginnings(), cut in any::<prop::sample::Index>()) {
        let verdict = read(&bytes);
        let cut = cut.index(bytes.len() + 1);
        let early = read(&bytes[..cut]);
        prop_assert!(early == Ok(Read::More) || early == verdict);
        match verdict {
            Ok(Read::More) => prop_assert!(bytes.len() < HEADER_BYTES_MAX),
            Ok(Read::Header { bytes: header, .. }) => {
                prop_assert!(header <= bytes.len() && header <= HEADER_BYTES_MAX);
                prop_assert!(cut < header || early == verdict);
            }
            Err(_) => {}
        }
    }

    #[test]
    fn what_is_written_by_the_letter_is_read_again(octets: [u8; 16], port: u16) {
        let v4 = Ipv4Addr::from([octets[0], octets[1], octets[2], octets[3]]);
        let v6 = Ipv6Addr::from(octets);
        let ports = port.to_be_bytes();
        for (line, header, address) in [
            (
                format!("PROXY TCP4 {v4} 10.0.0.1 {port} 80\r\n"),
                binary(0x21, 0x11, &[&v4.octets()[..], &[10; 4], &ports, &[0, 80]].concat()),
                IpAddr::from(v4),
            ),
            (
                format!("PROXY TCP6 {v6} 2001:db8::2 {port} 80\r\n"),
                binary(0x21, 0x21, &[&octets[..], &[10; 16], &ports, &[0, 80]].concat()),
                IpAddr::from(v6),
            ),
        ] {
            let expected = match of_one_host(address) {
                Some(address) => Ok(Source::Client(SocketAddr::new(address, port))),
                None => Err(Fault::Address),
            };
            let of = |bytes: &[u8]| read(bytes).map(|read| match read {
                Read::Header { source, .. } => Some(source),
                Read::More => None,
            });
            prop_assert_eq!(of(line.as_bytes()), expected.map(Some));
            prop_assert_eq!(of(&header), expected.map(Some));
        }
    }
}
