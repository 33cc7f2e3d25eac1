//! Readers of HTTP/1.1 that are lenient where servers are known to be, each in its own way. Smuggling is when two of
//! them see messages end at different places; so of what passes the filter, all must see the same.

/// In what a reader is lenient.
#[derive(Debug, Clone, Copy, Default)]
struct Reader {
    /// A bare LF ends a line too.
    lf: bool,
    /// A bare CR does.
    cr: bool,
    /// Any white space or control character around names and values is cut off.
    trims: bool,
    /// A line that begins with white space goes on with the field above it.
    folds: bool,
    /// `Transfer-Encoding` counts if it contains `chunked` anywhere.
    guesses: bool,
    /// A number is what its beginning looks like, behind a sign, `0x` or white space too.
    rounds: bool,
    /// Of several fields the last counts, not the first.
    last: bool,
    /// A length counts before a coding.
    length_first: bool,
    /// Whatever stands behind the data of a chunk, two bytes are skipped.
    skips: bool,
}

const STRICT: Reader = Reader {
    lf: false,
    cr: false,
    trims: false,
    folds: false,
    guesses: false,
    rounds: false,
    last: false,
    length_first: false,
    skips: false,
};

/// The strict one, one for each leniency, and those that have many.
const READERS: [Reader; 12] = [
    STRICT,
    Reader { lf: true, ..STRICT },
    Reader { cr: true, ..STRICT },
    Reader { trims: true, ..STRICT },
    Reader { folds: true, ..STRICT },
    Reader { guesses: true, ..STRICT },
    Reader { rounds: true, ..STRICT },
    Reader { last: true, ..STRICT },
    Reader { length_first: true, ..STRICT },
    Reader { skips: true, ..STRICT },
    Reader { lf: true, trims: true, guesses: true, rounds: true, last: true, skips: true, ..STRICT },
    Reader { cr: true, lf: true, folds: true, trims: true, guesses: true, length_first: true, ..STRICT },
];

/// Where the messages in `bytes` end, as every reader sees it.
pub(super) fn agreed_ends(bytes: &[u8]) -> Vec<usize> {
    let strict = STRICT.ends(bytes);
    // Fuzzing has millions of inputs for each of them.
    let one = 1 + bytes.len() % (READERS.len() - 1);
    let readers = if cfg!(fuzzing) { &READERS[one..=one] } else { &READERS[1..] };
    for reader in readers {
        assert_eq!(reader.ends(bytes), strict, "{reader:?} reads {}", bytes.escape_ascii());
    }
    strict
}

impl Reader {
    fn ends(self, bytes: &[u8]) -> Vec<usize> {
        let (mut at, mut ends) = (0, Vec::new());
        while let Some(end) = self.message(bytes, at) {
            ends.push(end);
            at = end;
        }
        ends
    }

    /// Where the message that begins at `at` ends.
    fn message(self, bytes: &[u8], mut at: usize) -> Option<usize> {
        self.line(bytes, &mut at)?;
        let fields = self.fields(bytes, &mut at)?;
        let pick = |name: &[u8]| {
            let mut named = fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
            let value = if self.last { named.next_back() } else { named.next() };
            value.map(|(_, value)| value.as_slice())
        };
        let length = pick(b"content-length").and_then(|value| self.number(value, 10));
        let coding = pick(b"transfer-encoding").is_some_and(|value| self.is_chunked(value));
        if coding && !(self.length_first && length.is_some()) {
            return self.chunks(bytes, at);
        }
        let end = at.checked_add(length.unwrap_or(0))?;
        (end <= bytes.len()).then_some(end)
    }

    /// The next line, without its end.
    fn line<'a>(self, bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
        let rest = &bytes[*at..];
        let is_end = |from: &[u8]| match from {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] if self.lf => 1,
            [b'\r', ..] if self.cr => 1,
            _ => 0,
        };
        let may_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let places = rest.iter().enumerate().filter(|(_, byte)| may_end(byte));
        let place = places.map(|(place, _)| place).find(|place| is_end(&rest[*place..]) > 0)?;
        *at += place + is_end(&rest[place..]);
        Some(&rest[..place])
    }

    fn fields(self, bytes: &[u8], at: &mut usize) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        loop {
            let line = self.line(bytes, at)?;
            if line.is_empty() {
                return Some(fields);
            }
            if self.folds
                && matches!(line[0], b' ' | b'\t')
                && let Some((_, value)) = fields.last_mut()
            {
                value.extend_from_slice(line);
                continue;
            }
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let value = line.get(colon + 1..).unwrap_or_default();
            let name = if self.trims { self.trimmed(&line[..colon]) } else { &line[..colon] };
            fields.push((name.to_vec(), self.trimmed(value).to_vec()));
        }
    }

    fn trimmed(self, text: &[u8]) -> &[u8] {
        let cut =
            |byte: &u8| matches!(byte, b' ' | b'\t') || (self.trims && (*byte <= b' ' || *byte >= 0x7f));
        let start = text.iter().position(|byte| !cut(byte)).unwrap_or(text.len());
        let end = text.iter().rposition(|byte| !cut(byte)).map_or(start, |last| last + 1);
        &text[start..end]
    }

    fn is_chunked(self, value: &[u8]) -> bool {
        let lower = value.to_ascii_lowercase();
        lower == b"chunked" || (self.guesses && lower.windows(7).any(|window| window == b"chunked"))
    }

    fn number(self, mut text: &[u8], radix: u32) -> Option<usize> {
        if self.rounds {
            text = self.trimmed(text);
            text = text.strip_prefix(b"+").unwrap_or(text);
            text = text.strip_prefix(b"0x").or(text.strip_prefix(b"0X")).unwrap_or(text);
        }
        let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
        let digits = text.iter().take_while(|byte| is_digit(byte)).count();
        if digits == 0 || (!self.rounds && digits < text.len()) {
            return None;
        }
        let digits = String::from_utf8_lossy(&text[..digits]).into_owned();
        usize::from_str_radix(&digits, radix).ok()
    }

    fn chunks(self, bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            let line = self.line(bytes, &mut at)?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size = self.number(self.trimmed(size), 16)?;
            if size == 0 {
                self.fields(bytes, &mut at)?;
                return Some(at);
            }
            at = at.checked_add(size).filter(|end| *end <= bytes.len())?;
            if self.skips {
                at = (at + 2 <= bytes.len()).then_some(at + 2)?;
            } else if !self.line(bytes, &mut at)?.is_empty() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each leniency makes a difference, so that agreeing means something.
    #[test]
    fn what_the_filter_refuses_is_read_differently_by_somebody() {
        for input in [
            "POST / HTTP/1.1\nHost: a\nContent-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n",
            "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nContent-Length: 0\n\nhello",
            "POST / HTTP/1.1\nHost: a\nContent-Length : 5\n\nhello",
            "POST / HTTP/1.1\nHost: a\nContent-Length\u{b}: 5\n\nhello",
            "POST / HTTP/1.1\nHost: a\nContent-Length: +5\n\nhello",
            "POST / HTTP/1.1\nHost: a\nX: y\n Content-Length: 5\n\nhello",
            "POST / HTTP/1.1\nHost: a\nX: y␊Content-Length: 5\n\nhello",
            "POST / HTTP/1.1\nHost: a\nX: y␍Content-Length: 5\n\nhello",
            "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked\n\n0\n\n",
            "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0x1\nx\n0\n\n",
            "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n1\nxAA0\n\n",
        ] {
            let bytes = input.replace('\n', "\r\n").replace('␊', "\n").replace('␍', "\r").into_bytes();
            let all = READERS.map(|reader| reader.ends(&bytes));
            let differ = all.iter().any(|ends| *ends != all[0]);
            assert!(differ, "{input:?}: {all:?}");
        }
    }
}
