//! The filter by tables of text: what goes in, what comes out.
//!
//! In a table `\n` stands for CRLF; `␊`, `␍`, `␀`, `␋` and `␌` stand for the single bytes LF, CR, NUL, VT and
//! FF.

mod chunks;
mod connection;
mod heads;
mod library;
mod properties;
mod smuggling;

use super::inbox::{Heads, Inbox, Ready};
use super::laws::{LIMITS, Outcome, feed};
use super::{Fault, Filter, Limits};
use bytes::BufMut;

/// A table's text as bytes.
fn bytes(text: &str) -> Vec<u8> {
    let singles = [("␊", "\n"), ("␍", "\r"), ("␀", "\0"), ("␋", "\x0b"), ("␌", "\x0c")];
    let text = text.replace('\n', "\r\n");
    singles.iter().fold(text, |text, (sign, byte)| text.replace(sign, byte)).into_bytes()
}

/// The outcome in words: how many requests passed whole, whether another has begun, and what is wrong.
fn told(input: &[u8]) -> String {
    let outcome = feed(LIMITS, [input]);
    let mut text = format!("{} whole", outcome.whole);
    if outcome.heads.len() > outcome.whole {
        text.push_str(", one begun");
    }
    match outcome.fault {
        Some(fault) => text.push_str(&format!(", {} {fault}", fault.status())),
        None if outcome.held > 0 => text.push_str(", more to come"),
        None => {}
    }
    text
}

/// Checks rows of input and outcome.
#[track_caller]
fn check(rows: &[(&str, &str)]) {
    let wrong: Vec<String> = rows
        .iter()
        .map(|(input, expected)| (input, expected, told(&bytes(input))))
        .filter(|(_, expected, told)| told != *expected)
        .map(|(input, expected, told)| format!("{input:?}\n   expected: {expected}\n   told:     {told}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_head_is_kept_as_it_came() {
    let input = bytes("GET /a%2Fb?C=d HTTP/1.1\nhOST: a\nX-Two:  2 \t\nx-one:\nX-TWO: two, 2\n\n");
    let outcome = feed(LIMITS, [&*input]);
    let head = &outcome.heads[0];
    assert_eq!(head.target(), b"/a%2Fb?C=d");
    let fields: Vec<_> = head
        .fields()
        .map(|(n, v)| (String::from_utf8_lossy(n).into_owned(), String::from_utf8_lossy(v).into_owned()))
        .collect();
    let expected = [("hOST", "a"), ("X-Two", "2"), ("x-one", ""), ("X-TWO", "two, 2")];
    assert_eq!(fields, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[test]
fn what_goes_no_further_is_one_empty_line_and_chunk_extensions() {
    let input = bytes(
        "\nPOST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3;a=b\nabc\n0;c\nX: y\n\n\n\
         GET / HTTP/1.0\n\n",
    );
    let expected = bytes(
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3\nabc\n0\nX: y\n\nGET / HTTP/1.0\n\n",
    );
    let outcome = feed(LIMITS, [&*input]);
    assert_eq!(String::from_utf8(outcome.passed), String::from_utf8(expected));
}

#[test]
fn a_fault_lasts() {
    let mut filter = Filter::new(LIMITS);
    assert_eq!(filter.judge(b"\0"), Err(Fault::Nul));
    assert_eq!(filter.judge(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Err(Fault::Nul));
}

#[test]
fn nothing_of_a_head_goes_on_before_it_is_whole() {
    let head = bytes("GET / HTTP/1.1\nHost: a\n\n");
    for length in 0..head.len() {
        let outcome = feed(LIMITS, [&head[..length]]);
        assert_eq!((outcome.passed.len(), outcome.fault, outcome.held), (0, None, length));
    }
}

#[test]
fn a_fault_is_found_as_soon_as_it_can_be() {
    // A TLS greeting has no line end that one could wait for.
    assert_eq!(told(b"\x16\x03\x01\x02\x00\x01"), "0 whole, 400 a control character");
    assert_eq!(told(b"GET / HTTP/1.1\r\nHost : a"), "0 whole, more to come");
    assert_eq!(
        told(b"GET / HTTP/1.1\r\nHost : a\r\n"),
        "0 whole, 400 white space between a field's name and its colon"
    );
    assert_eq!(told(&b"M".repeat(400)), "0 whole, 501 the method is longer than any that is known");
}

/// Takes all that may go on.
fn take(inbox: &mut Inbox, heads: Heads, room: usize) -> (Vec<u8>, String) {
    let mut taken = Vec::new();
    loop {
        match inbox.ready(heads) {
            Ready::Bytes(bytes) => {
                let bytes = bytes[..bytes.len().min(room)].to_vec();
                inbox.gone(bytes.len());
                taken.extend(bytes);
            }
            other => return (taken, format!("{other:?}")),
        }
    }
}

fn put(inbox: &mut Inbox, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let mut room = inbox.room();
        let fits = bytes.len().min(room.remaining_mut());
        assert!(fits > 0, "an inbox that waits for more has room for it");
        room.put_slice(&bytes[..fits]);
        inbox.received();
        bytes = &bytes[fits..];
    }
}

#[test]
fn an_inbox_hands_out_bytes_in_any_portions() {
    let input = bytes("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3;x\nabc\n0\n\n");
    let expected = bytes("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n");
    for room in [1, 2, 7, 1000] {
        let mut inbox = Inbox::new(LIMITS);
        let mut taken = Vec::new();
        for byte in &input {
            put(&mut inbox, &[*byte]);
            taken.extend(take(&mut inbox, Heads::Welcome, room).0);
        }
        assert_eq!(taken, expected, "{room}");
    }
}

#[test]
fn the_next_head_waits_for_its_turn_and_a_body_does_not() {
    let mut inbox = Inbox::new(LIMITS);
    put(&mut inbox, &bytes("PUT / HTTP/1.1\nHost: a\nContent-Length: 4\n\nab"));
    assert_eq!(take(&mut inbox, Heads::Welcome, 999).1, "More");
    assert!(inbox.take_head().is_some());
    put(&mut inbox, b"cd\0\0\0");
    assert_eq!(take(&mut inbox, Heads::Wait, 999), (b"cd".to_vec(), "Waiting".to_owned()));
    assert_eq!(take(&mut inbox, Heads::Welcome, 999).1, "Refused(Nul, Head)");
}

#[test]
fn an_inbox_grows_for_a_large_head_and_shrinks_after_it() {
    let limits = Limits { head_bytes_max: 100_000, headers_max: 8, target_bytes_max: 128 };
    let mut inbox = Inbox::new(limits);
    let usual = inbox.room().remaining_mut();
    for _ in 0..3 {
        let head = bytes(&format!("GET / HTTP/1.1\nHost: a\nX: {}\n\n", "x".repeat(99_900)));
        put(&mut inbox, &head);
        assert_eq!(take(&mut inbox, Heads::Welcome, 999).0, head);
        assert_eq!(inbox.room().remaining_mut(), usual);
    }
    let mut endless = Inbox::new(limits);
    put(&mut endless, b"GET / HTTP/1.1\r\nX: ");
    put(&mut endless, &[b'x'; 100_000]);
    assert_eq!(take(&mut endless, Heads::Welcome, 999).1, "Refused(HeadLong, Head)");
}

#[test]
fn a_glimpse_of_a_refused_head_shows_no_secret() {
    for (input, method, path) in [
        ("GET /a/b?token=secret HTTP/1.1\nBad : x\n", "GET", "/a/b"),
        ("GET /a#secret HTTP/1.1\n", "GET", "/a"),
        ("GET http://me:secret@a/ HTTP/1.1\n", "GET", ""),
        ("G␀T / HTTP/1.1\n", "", ""),
        ("secret /secret\n\n", "", ""),
        ("{\"a\": 1}\n", "", ""),
        ("␀", "", ""),
    ] {
        let mut inbox = Inbox::new(LIMITS);
        put(&mut inbox, &bytes(input));
        let Ready::Refused(fault, _) = inbox.ready(Heads::Welcome) else { panic!("{input}") };
        let refused = inbox.glimpse(fault);
        assert_eq!((&*refused.method, &*refused.path), (method, path), "{input}");
    }
}
