//! Frames in, verdicts out: each rule, whatever the cuts; and what goes in comes out.

use proptest::prelude::*;

use super::*;

const RULES: Rules =
    Rules { sender: Side::Upstream, message_bytes_max: 1000, compression: Compression::Refused };
const CLIENT: Rules = Rules { sender: Side::Client, ..RULES };
const AGREED: Rules = Rules { compression: Compression::Agreed, ..RULES };

/// What a machine made of its input: the bytes that passed, what began, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    passed: Vec<u8>,
    began: Vec<Began>,
    broke: Option<Breach>,
}

/// Shows the input cut at these places. The machine is asked until it wants more.
fn read(rules: Rules, input: &[u8], cuts: &[usize]) -> Read {
    let (mut frames, mut seen) =
        (Frames::new(rules), Read { passed: Vec::new(), began: Vec::new(), broke: None });
    for shown in cuts.iter().copied().chain([input.len()]) {
        loop {
            match frames.judge(&input[seen.passed.len()..shown]) {
                Ok(Step::More) => break,
                Ok(Step::Pass { bytes, began }) => {
                    assert!(bytes > 0);
                    seen.passed.extend(&input[seen.passed.len()..][..bytes]);
                    seen.began.extend(began);
                }
                Err(breach) => {
                    assert_eq!(frames.judge(&input[seen.passed.len()..]), Err(breach), "it stays broken");
                    seen.broke = Some(breach);
                    return seen;
                }
            }
        }
    }
    seen
}

/// Reads an input whole, cut once at every place, and byte by byte: the same must come of it.
#[track_caller]
fn checked(rules: Rules, input: &[u8]) -> Read {
    let whole = read(rules, input, &[]);
    for cut in 0..input.len() {
        assert_eq!(read(rules, input, &[cut]), whole, "cut at {cut}");
    }
    let everywhere: Vec<usize> = (0..input.len()).collect();
    assert_eq!(read(rules, input, &everywhere), whole, "byte by byte");
    whole
}

/// `began` in words, or the breach.
#[track_caller]
fn check(rules: Rules, input: &[u8], expected: &str) {
    let read = checked(rules, input);
    let mut words: Vec<String> = read
        .began
        .iter()
        .map(|began| match began {
            Began::Message => "message".to_owned(),
            Began::Piece(Piece::Small) => "small".to_owned(),
            Began::Piece(Piece::Large) => "large".to_owned(),
            Began::Control => "control".to_owned(),
            Began::Close(None) => "close".to_owned(),
            Began::Close(Some(code)) => format!("close {code}"),
        })
        .collect();
    words.extend(read.broke.map(|breach| format!("{}: {breach}", breach.close_code())));
    assert_eq!(words.join(", "), expected, "{input:02x?}");
    if read.broke.is_none() && !words.iter().any(|word| word.starts_with("close")) {
        assert_eq!(read.passed, input);
    }
}

/// A frame of the upstream: the first byte, and a payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..0x1_0000 => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    [&frame, payload].concat()
}

/// The same frame as a client sends it.
fn from_client(frame: &[u8]) -> Vec<u8> {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let mask = [0x1b, 0x00, 0xff, 0x81];
    let mut payload = frame[header..].to_vec();
    masked(&mut payload, mask);
    let mut head = frame[..header].to_vec();
    head[1] |= 0x80;
    [&head, &mask[..], &payload].concat()
}

#[test]
fn good_frames_pass_as_they_are() {
    check(RULES, &frame(0x81, b"hello"), "message");
    check(RULES, &frame(0x82, b""), "message");
    check(RULES, &frame(0x82, &[7; 125]), "message");
    check(RULES, &frame(0x82, &[7; 126]), "message");
    check(RULES, &frame(0x89, b""), "control");
    check(RULES, &frame(0x8a, &[7; 125]), "control");
    check(CLIENT, &from_client(&frame(0x81, b"hello")), "message");
    check(CLIENT, &from_client(&frame(0x82, &[7; 200])), "message");
    check(CLIENT, &from_client(&frame(0x8a, b"pong")), "control");
    check(RULES, b"", "");
    let large = Rules { message_bytes_max: 70_000, ..RULES };
    let sizes = [0xffff, 0x1_0000, 70_000];
    for size in sizes {
        let whole = read(large, &frame(0x82, &vec![7; size]), &[1, 3, 9, 60_000]);
        assert_eq!((whole.passed.len(), whole.broke), (frame(0x82, &vec![7; size]).len(), None));
    }
}

#[test]
fn pieces_make_a_message_and_control_frames_may_stand_between() {
    let pieces =
        [frame(0x01, b"he"), frame(0x89, b"?"), frame(0x00, b"ll"), frame(0x80, b"o"), frame(0x81, b"x")];
    check(RULES, &pieces.concat(), "message, control, small, small, message");
    let large = [frame(0x02, b""), frame(0x80, &[0; 1024])].concat();
    check(Rules { message_bytes_max: 1024, ..RULES }, &large, "message, large");
    let small = [frame(0x02, b""), frame(0x80, &[0; 1000])].concat();
    check(RULES, &small, "message, small");
}

#[test]
fn what_may_not_follow_is_refused() {
    check(RULES, &frame(0x80, b"x"), "1002: a piece continues no message");
    check(RULES, &frame(0x00, b"x"), "1002: a piece continues no message");
    let second = [frame(0x01, b"a"), frame(0x81, b"b")].concat();
    check(RULES, &second, "message, 1002: a message begins within another");
    let after = [frame(0x81, b"a"), frame(0x80, b"b")].concat();
    check(RULES, &after, "message, 1002: a piece continues no message");
    check(RULES, &frame(0x09, b"x"), "1002: a control frame is cut into pieces");
    check(RULES, &frame(0x08, b""), "1002: a control frame is cut into pieces");
    check(RULES, &frame(0x89, &[0; 126]), "1002: a control frame has more than 125 bytes");
    check(RULES, &[0x88, 127, 0, 0, 0, 0, 0, 0, 0, 2], "1002: a control frame has more than 125 bytes");
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        check(
            RULES,
            &frame(0x80 | opcode, b""),
            &format!("1002: a frame has the reserved opcode {opcode:#x}"),
        );
    }
    let reserved = "1002: a frame has a reserved bit that no extension gave a meaning";
    for bit in [0x40, 0x20, 0x10, 0x70] {
        check(RULES, &frame(0x81 | bit, b""), reserved);
        check(RULES, &frame(0x89 | bit, b""), reserved);
    }
    check(AGREED, &frame(0xc1, b"x"), "message");
    check(AGREED, &frame(0xc2, b"x"), "message");
    check(AGREED, &frame(0xa1, b"x"), reserved);
    check(AGREED, &frame(0x91, b"x"), reserved);
    check(AGREED, &frame(0xc9, b""), reserved);
    check(AGREED, &frame(0xc8, b""), reserved);
    check(AGREED, &[frame(0x41, b"x"), frame(0x80, b"y")].concat(), "message, small");
    check(AGREED, &[frame(0x41, b"x"), frame(0xc0, b"y")].concat(), &format!("message, {reserved}"));
}

#[test]
fn clients_mask_and_upstreams_do_not() {
    check(CLIENT, &frame(0x81, b"x"), "1002: a frame of the client is not masked");
    check(CLIENT, &frame(0x89, b""), "1002: a frame of the client is not masked");
    check(RULES, &from_client(&frame(0x81, b"x")), "1002: a frame of the upstream is masked");
    check(RULES, &from_client(&frame(0x88, b"")), "1002: a frame of the upstream is masked");
}

#[test]
fn a_length_has_one_form() {
    let long = "1002: a length is not in its shortest form";
    check(RULES, &[&[0x82, 126, 0, 125][..], &[0; 125]].concat(), long);
    check(RULES, &[0x82, 126, 0, 0], long);
    check(RULES, &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], long);
    check(RULES, &[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1], long);
    check(RULES, &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], "1002: a length has its highest bit set");
    check(
        RULES,
        &[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        "1002: a length has its highest bit set",
    );
    let endless = Rules { message_bytes_max: u64::MAX, ..RULES };
    check(endless, &[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "message");
    let twice = [
        &[0x02, 126, 0xff, 0xff][..],
        &[0; 0xffff],
        &[0x00, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    assert_eq!(read(endless, &twice.concat(), &[]).broke, None);
}

#[test]
fn a_message_is_bounded_over_all_its_pieces_and_refused_by_its_header() {
    let large = "1009: a message has more than 1000 bytes";
    check(RULES, &frame(0x82, &[0; 1000]), "message");
    check(RULES, &[0x82, 126, 0x03, 0xe9], large);
    check(RULES, &[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0], large);
    let pieces =
        [frame(0x02, &[0; 600]), frame(0x00, &[0; 400]), frame(0x00, b""), frame(0x89, &[0; 100])].concat();
    check(RULES, &pieces, "message, small, small, control");
    check(RULES, &[&pieces[..], &[0x80, 1]].concat(), &format!("message, small, small, control, {large}"));
    let next = [&pieces[..], &frame(0x80, b""), &frame(0x82, &[0; 1000])].concat();
    check(RULES, &next, "message, small, small, control, small, message");
}

#[test]
fn a_close_says_why_and_is_the_last() {
    check(RULES, &frame(0x88, b""), "close");
    check(RULES, &frame(0x88, b"\x03\xe8"), "close 1000");
    check(
        RULES,
        &frame(0x88, "\x03\u{0}".as_bytes()),
        "1002: a Close has the code 768, which may not be sent",
    );
    check(RULES, &frame(0x88, &[&[0x0f, 0xa0][..], "bye é".as_bytes()].concat()), "close 4000");
    check(CLIENT, &from_client(&frame(0x88, b"\x03\xe9going")), "close 1001");
    check(RULES, &frame(0x88, b"\x03"), "1002: a Close has one byte, which is half a code");
    check(RULES, &frame(0x88, b"\x03\xe8\xc3\x28"), "1007: the reason of a Close is not UTF-8");
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535_u16] {
        let expected = format!("1002: a Close has the code {code}, which may not be sent");
        check(RULES, &frame(0x88, &code.to_be_bytes()), &expected);
    }
    for code in [1000, 1003, 1007, 1014, 3000, 4999_u16] {
        check(RULES, &frame(0x88, &code.to_be_bytes()), &format!("close {code}"));
    }
    let behind = [frame(0x88, b"\x03\xe8"), frame(0x81, b"x")].concat();
    let read = checked(RULES, &behind);
    assert_eq!((read.passed, read.broke), (frame(0x88, b"\x03\xe8"), None), "nothing passes behind it");
}

#[test]
fn something_can_be_said_between_frames_and_not_within_one() {
    let mut frames = Frames::new(RULES);
    assert!(frames.is_between());
    assert_eq!(frames.judge(b"\x01\x02ab"), Ok(Step::Pass { bytes: 2, began: Some(Began::Message) }));
    assert!(!frames.is_between());
    assert_eq!(frames.judge(b"a"), Ok(Step::Pass { bytes: 1, began: None }));
    assert!(!frames.is_between());
    assert_eq!(frames.judge(b"b"), Ok(Step::Pass { bytes: 1, began: None }));
    assert!(frames.is_between() && !frames.is_closed());
    // Also between the pieces of a message (RFC 6455 §5.4).
    assert_eq!(frames.judge(b"\x88\x00"), Ok(Step::Pass { bytes: 2, began: Some(Began::Close(None)) }));
    assert!(frames.is_between() && frames.is_closed());
}

#[test]
fn a_close_of_ours_is_a_good_one() {
    check(RULES, &close(1001, None), "close 1001");
    check(CLIENT, &close(1009, Some([1, 2, 3, 4])), "close 1009");
}

#[test]
fn whatever_is_judged_whole_fits_in_the_window() {
    let longest = from_client(&frame(0x89, &[0; 125]));
    assert!(longest.len() <= WINDOW_BYTES_MIN);
    assert!([0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4].len() <= WINDOW_BYTES_MIN);
}

/// Good conversations: messages in any number of pieces with control frames between them.
fn conversations() -> impl Strategy<Value = Vec<u8>> {
    let payload = || prop::collection::vec(any::<u8>(), 0..300);
    let message = (prop::collection::vec((payload(), any::<bool>()), 1..5), any::<bool>());
    prop::collection::vec(message, 0..6).prop_map(|messages| {
        let mut bytes = Vec::new();
        for (pieces, is_text) in messages {
            let count = pieces.len();
            for (at, (payload, pinged)) in pieces.into_iter().enumerate() {
                let opcode = if at > 0 {
                    CONTINUATION
                } else if is_text {
                    TEXT
                } else {
                    BINARY
                };
                let fin = if at + 1 == count { 0x80 } else { 0 };
                bytes.extend(frame(fin | opcode, &payload));
                if pinged {
                    bytes.extend(frame(0x80 | PING, &payload[..payload.len().min(125)]));
                }
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn what_goes_in_comes_out_however_it_is_cut(
        input in conversations(),
        mut cuts in prop::collection::vec(0..2_000_usize, 0..20),
    ) {
        let roomy = Rules { message_bytes_max: 10_000, ..RULES };
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(input.len()));
        cuts.sort_unstable();
        let read = read(roomy, &input, &cuts);
        prop_assert_eq!((read.passed, read.broke), (input, None));
    }

    #[test]
    fn no_bytes_surprise_it_and_cuts_change_nothing(
        input in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x81), Just(0x88), Just(126)], 0..200),
        mut cuts in prop::collection::vec(0..200_usize, 0..10),
        from_client in any::<bool>(),
    ) {
        let rules = if from_client { CLIENT } else { AGREED };
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(input.len()));
        cuts.sort_unstable();
        prop_assert_eq!(read(rules, &input, &cuts), read(rules, &input, &[]));
    }
}
