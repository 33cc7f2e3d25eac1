//! What holds for every input, tried with inputs that are nearly good.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{LIMITS, bytes, feed};
use crate::strict::laws::{self, same};

/// Connections that are good in all their parts, for taking apart.
pub(super) const SEEDS: [&str; 12] = [
    "GET / HTTP/1.1\nHost: a\n\n",
    "GET /a/b?c=d HTTP/1.1\nhost: example.com:80\nAccept: */*\nX-Y:\t z \n\nGET / HTTP/1.1\nHost: a\n\n",
    "POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhelloGET / HTTP/1.1\nHost: a\n\n",
    "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\nGET / HTTP/1.1\nHost: a\n\n",
    "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5;x=y\nhello\nA\n0123456789\n0\nX: y\n\n",
    "\nPUT http://a/b HTTP/1.1\nHost: A\nExpect: 100-continue\nContent-Length: 1\n\nx",
    "POST / HTTP/1.0\nContent-Length: 3\nConnection: keep-alive\n\nabcGET / HTTP/1.0\nConnection: close\n\n",
    "OPTIONS * HTTP/1.1\nHost: [::1]:80\n\n\nDELETE /x HTTP/1.1\nHost: a\n\n",
    "POST / HTTP/1.1\nHost: a\nContent-Length: 6\nTransfer-Encoding: chunked\n\n0\n\nG",
    "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nContent-Length: 6\n\nhello!",
    "POST / HTTP/1.1\nHost: a\nTransfer-Encoding : chunked\n\n0\n\n",
    "HEAD / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: upgrade\n\nGET / HTTP/1.1\nHost: a\n\n",
];

/// Pieces that make a difference to somebody.
const SPLINTERS: [&[u8]; 36] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\n\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x7f",
    b"\xff",
    b":",
    b";",
    b",",
    b"0",
    b"5",
    b"-",
    b"+",
    b"0x",
    b"a",
    b"chunked",
    b"identity",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"X: y\r\n",
    b" X: y\r\n",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HTTP/1.0",
    b"#",
    b"?",
    b"/",
    b"http://a/",
];

/// Replaces `length` bytes somewhere by a splinter.
type Change = (prop::sample::Index, usize, prop::sample::Index);

/// A seed with some changes; with none it is good.
pub(super) fn nearly_good() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..4_usize, any::<prop::sample::Index>());
    (prop::sample::select(SEEDS.to_vec()), vec(change, 0..4))
        .prop_map(|(seed, changes)| changed(seed, changes))
}

fn changed(seed: &str, changes: Vec<Change>) -> Vec<u8> {
    let mut input = bytes(seed);
    for (place, length, splinter) in changes {
        let start = place.index(input.len() + 1);
        let end = (start + length).min(input.len());
        input.splice(start..end, SPLINTERS[splinter.index(SPLINTERS.len())].iter().copied());
    }
    input
}

/// `input` in pieces that end at `cuts`.
fn pieces<'a>(input: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    ends.push(input.len());
    ends.sort_unstable();
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| &input[start..*end]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn packets_do_not_matter(input in nearly_good(), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        let whole = feed(LIMITS, [&*input]);
        same(&whole, &feed(LIMITS, input.chunks(1)));
        same(&whole, &feed(LIMITS, pieces(&input, &cuts)));
    }

    #[test]
    fn what_passes_is_what_came_and_has_one_reading(input in nearly_good()) {
        laws::hold(&input);
    }

    #[test]
    fn noise_never_panics(input in vec(any::<u8>(), 0..600)) {
        laws::hold(&input);
    }

    #[test]
    fn noise_after_a_good_beginning_never_panics(
        seed in prop::sample::select(SEEDS.to_vec()),
        at in any::<prop::sample::Index>(),
        noise in vec(any::<u8>(), 0..300),
    ) {
        let mut input = bytes(seed);
        let at = at.index(input.len() + 1);
        input.truncate(at);
        input.extend(noise);
        laws::hold(&input);
    }
}
