//! Targets by chance: pieces of paths that mean something to somebody, and single bytes.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers from a seed (xorshift64*). The seed is taken from `PORTCULLIS_SEED`, else from the clock, and printed when the
/// test fails.
pub(super) struct Random {
    seed: u64,
    state: u64,
}

/// Segments and parts of segments.
const PIECES: [&str; 58] = [
    "admin",
    "Admin",
    "ADMIN",
    "api",
    "tasks",
    "mine",
    "files",
    "café",
    "caf%C3%A9",
    "caf%c3%a9",
    "a",
    "b.txt",
    "~x",
    "a b",
    "%20",
    "+",
    "%2B",
    "%61dmin",
    "adm%69n",
    "%2e",
    "%2E%2e",
    ".",
    "..",
    "...",
    "..;",
    "%2f",
    "%2F",
    "%5c",
    "\\",
    "/",
    "//",
    "/./",
    "/../",
    ";",
    ";x=y",
    "%3b",
    "%3B",
    "%00",
    "%0a",
    "%0d%0a",
    "%09",
    "%7f",
    "%25",
    "%2525",
    "%252e",
    "%25%32%65",
    "%c0%ae",
    "%e0%80%af",
    "%ff",
    "%F0%9F%92%A9",
    "%",
    "%4",
    "%zz",
    "%u002e",
    "!$&'()*,=:@",
    "[]{}|^`",
    "é",
    "http://a/",
];

const QUERIES: [&str; 8] = ["?", "?a=b", "??", "?a=%2e%2e/", "?/../", "?%00", "?a=b;c", "?a#b"];

impl Random {
    pub(super) fn seeded() -> Self {
        let given = std::env::var("PORTCULLIS_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = given.unwrap_or_else(clock).max(1);
        Self { seed, state: seed }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    /// A target; about half of them are harmless, so that the others are not all that is tried.
    pub(super) fn target(&mut self) -> Vec<u8> {
        let mut target = Vec::new();
        let tame = self.below(2) == 0;
        for _ in 0..=self.below(4) {
            target.extend_from_slice(b"/");
            for _ in 0..self.below(3) {
                self.piece(tame, &mut target);
            }
        }
        if self.below(6) == 0 {
            target.extend_from_slice(QUERIES[self.below(QUERIES.len())].as_bytes());
        }
        target
    }

    fn piece(&mut self, tame: bool, target: &mut Vec<u8>) {
        match self.below(if tame { 10 } else { 12 }) {
            0..8 => {
                let pieces = if tame { &PIECES[..20] } else { &PIECES[..] };
                let piece = pieces[self.below(pieces.len())];
                // A blank would end the target, and what it is behind that.
                target.extend_from_slice(piece.replace(' ', "%20").as_bytes());
            }
            8 => target.push(b"abcxyzABC0189-_.~"[self.below(17)]),
            9 => target.extend_from_slice(format!("%{:02X}", 0x20 + self.below(0x5f)).as_bytes()),
            10 => target.extend_from_slice(format!("%{:02x}", self.below(256)).as_bytes()),
            _ => target.push(0x21 + self.below(0xdf - 1) as u8),
        }
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "again with PORTCULLIS_SEED={}", self.seed);
        }
    }
}

/// Whether nobody could read the target in a second way.
pub(super) fn is_plain(target: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_~/".contains(byte);
    target.iter().all(plain) && !target.windows(2).any(|two| two == b"//")
}

/// With every `%XX` decoded.
pub(super) fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut rest, mut bytes) = (path, Vec::new());
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|two| str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}
