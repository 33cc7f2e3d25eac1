//! JSON (RFC 8259), flattened as rules know it: `{"a":[{"b":1}]}` is `json.a.0.b` with the value `1`.
//!
//! A hand-written reader, because of what a parser into values loses: numbers as they are written (`1.50e3`), keys that
//! come twice, and all that stands before a mistake. Names begin with `json`; each key or place in an array is set apart
//! by a dot. `null` has an empty value; an array has its length, so that rules see its name also without a place behind it;
//! empty objects give nothing. It keeps its own stack of bounded depth.
//!
//! What only sloppy senders write and sloppy readers understand in one way (a byte order mark, control characters and
//! bytes that are no UTF-8 in strings) is an error, and is read on; after any other mistake nothing is.
//!
//! Names differ from ModSecurity 3.0.9 (`json.a.array_0.b`) and are Coraza's, which CRS's own exclusions are written for.

use memchr::memchr2;

use super::pairs::Full;
use super::{Arguments, Limits, Pairs};
use crate::transform::hex_word;

/// Reads a body. An empty one has no arguments and is no mistake.
pub fn read(body: &[u8], limits: &Limits) -> Arguments {
    let mut reader = Reader {
        body,
        at: 0,
        stack: Vec::new(),
        path: b"json".to_vec(),
        text: Vec::new(),
        pairs: Pairs::default(),
        error: None,
        limits,
    };
    if let Err(problem) = reader.document() {
        reader.note(problem);
    }
    Arguments { pairs: reader.pairs, error: reader.error }
}

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Expected(&'static str),
    Escape,
    ByteOrderMark,
    ControlCharacter,
    Utf8,
    TrailingData,
    Depth,
    Full,
}

/// A container that is open.
#[derive(Debug, Clone, Copy)]
struct Container {
    /// How long the path to it is.
    path_bytes: usize,
    /// The place of the element that is read, in an array.
    place: Option<usize>,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// A key, or the end of the object when it is the first.
    FirstKey,
    /// A value, or the end of the array.
    FirstElement,
    Key,
    /// A comma or the end of the container; the end of the document outside of all.
    AfterValue,
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    stack: Vec<Container>,
    path: Vec<u8>,
    /// The string that was read last.
    text: Vec<u8>,
    pairs: Pairs,
    error: Option<String>,
    limits: &'a Limits,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), Problem> {
        if self.body.starts_with(b"\xef\xbb\xbf") {
            self.note(Problem::ByteOrderMark);
            self.at = 3;
        }
        self.skip_space();
        if self.peek().is_none() {
            return Ok(());
        }
        let mut next = Next::Value;
        loop {
            self.skip_space();
            next = match next {
                Next::Value => self.value()?,
                Next::FirstElement if self.peek() == Some(b']') => self.close_array(0)?,
                Next::FirstElement => {
                    self.enter_element(0);
                    self.value()?
                }
                Next::FirstKey if self.peek() == Some(b'}') => self.close(),
                Next::FirstKey | Next::Key => self.key()?,
                Next::AfterValue => match self.stack.last().copied() {
                    Some(container) => self.after_value(container)?,
                    None if self.peek().is_some() => return Err(Problem::TrailingData),
                    None => return Ok(()),
                },
            };
        }
    }

    fn value(&mut self) -> Result<Next, Problem> {
        let begin = self.at;
        match self.peek() {
            Some(b'{') => return self.open(None),
            Some(b'[') => return self.open(Some(0)),
            Some(b'"') => {
                self.text.clear();
                self.string()?;
                let Self { pairs, path, text, limits, .. } = self;
                return pairs
                    .push(limits, path, text)
                    .map(|()| Next::AfterValue)
                    .map_err(|Full| Problem::Full);
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => {
                self.word(b"null")?;
                return self
                    .pairs
                    .push(self.limits, &self.path, b"")
                    .map(|()| Next::AfterValue)
                    .map_err(|Full| Problem::Full);
            }
            _ => return Err(Problem::Expected("a value")),
        }
        let written = self.body.get(begin..self.at).unwrap_or_default();
        self.pairs
            .push(self.limits, &self.path, written)
            .map(|()| Next::AfterValue)
            .map_err(|Full| Problem::Full)
    }

    fn open(&mut self, place: Option<usize>) -> Result<Next, Problem> {
        if self.stack.len() >= self.limits.depth_max {
            return Err(Problem::Depth);
        }
        self.at += 1;
        self.stack.push(Container { path_bytes: self.path.len(), place });
        Ok(if place.is_some() { Next::FirstElement } else { Next::FirstKey })
    }

    fn close(&mut self) -> Next {
        self.at += 1;
        if let Some(container) = self.stack.pop() {
            self.path.truncate(container.path_bytes);
        }
        Next::AfterValue
    }

    /// The path is that of the array.
    fn close_array(&mut self, length: usize) -> Result<Next, Problem> {
        let length = length.to_string();
        self.pairs.push(self.limits, &self.path, length.as_bytes()).map_err(|Full| Problem::Full)?;
        Ok(self.close())
    }

    fn after_value(&mut self, container: Container) -> Result<Next, Problem> {
        self.path.truncate(container.path_bytes);
        match (self.peek(), container.place) {
            (Some(b'}'), None) => Ok(self.close()),
            (Some(b']'), Some(place)) => self.close_array(place + 1),
            (Some(b','), None) => {
                self.at += 1;
                Ok(Next::Key)
            }
            (Some(b','), Some(place)) => {
                self.at += 1;
                self.enter_element(place + 1);
                Ok(Next::Value)
            }
            (_, None) => Err(Problem::Expected("`,` or `}`")),
            (_, Some(_)) => Err(Problem::Expected("`,` or `]`")),
        }
    }

    /// The path becomes that of an element of the innermost array.
    fn enter_element(&mut self, place: usize) {
        if let Some(container) = self.stack.last_mut() {
            container.place = Some(place);
        }
        self.path.push(b'.');
        self.path.extend_from_slice(place.to_string().as_bytes());
    }

    fn key(&mut self) -> Result<Next, Problem> {
        if self.peek() != Some(b'"') {
            return Err(Problem::Expected("a key in `\"`"));
        }
        self.text.clear();
        self.string()?;
        self.path.push(b'.');
        self.path.extend_from_slice(&self.text);
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(Problem::Expected("`:`"));
        }
        self.at += 1;
        Ok(Next::Value)
    }

    /// Reads a string, from its first to its last `"`, into `text`.
    fn string(&mut self) -> Result<(), Problem> {
        self.at += 1;
        loop {
            let rest = self.body.get(self.at..).unwrap_or_default();
            let end = memchr2(b'"', b'\\', rest).ok_or(Problem::Expected("`\"`"))?;
            let (plain, from) = rest.split_at_checked(end).unwrap_or_default();
            if plain.iter().any(u8::is_ascii_control) && plain.iter().any(|byte| *byte < b' ') {
                self.note(Problem::ControlCharacter);
            }
            if std::str::from_utf8(plain).is_err() {
                self.note(Problem::Utf8);
            }
            self.text.extend_from_slice(plain);
            self.at += end + 1;
            if from.first() == Some(&b'"') {
                return Ok(());
            }
            self.escape()?;
        }
    }

    /// Reads what comes after a backslash.
    fn escape(&mut self) -> Result<(), Problem> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let (byte, length) = match rest {
            [b'u', ..] => return self.unicode_escape(),
            [same @ (b'"' | b'\\' | b'/'), ..] => (*same, 1),
            [b'b', ..] => (0x08, 1),
            [b'f', ..] => (0x0c, 1),
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b't', ..] => (b'\t', 1),
            _ => return Err(Problem::Escape),
        };
        self.text.push(byte);
        self.at += length;
        Ok(())
    }

    /// Reads `uHHHH`, and the second half of a pair of surrogates. One without its other half is U+FFFD.
    fn unicode_escape(&mut self) -> Result<(), Problem> {
        let unit = |rest: &[u8]| match rest {
            [b'u', a, b, c, d, ..] => hex_word([*a, *b, *c, *d]),
            _ => None,
        };
        let rest = self.body.get(self.at..).unwrap_or_default();
        let first = unit(rest).ok_or(Problem::Escape)?;
        self.at += 5;
        let second = rest.get(5..).and_then(|after| after.strip_prefix(b"\\")).and_then(unit);
        let pair = second.map(|second| char::decode_utf16([first, second]).next());
        let character = match pair {
            Some(Some(Ok(character))) if (0xd800..0xdc00).contains(&first) => {
                self.at += 6;
                character
            }
            _ => char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER),
        };
        self.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn number(&mut self) -> Result<(), Problem> {
        self.skip_if(b"-");
        if self.skip_if(b"0") == 0 && self.skip_digits() == 0 {
            return Err(Problem::Expected("a digit"));
        }
        if self.skip_if(b".") > 0 && self.skip_digits() == 0 {
            return Err(Problem::Expected("a digit"));
        }
        if self.skip_if(b"eE") > 0 {
            self.skip_if(b"+-");
            if self.skip_digits() == 0 {
                return Err(Problem::Expected("a digit"));
            }
        }
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Problem> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Problem::Expected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// Passes over one of `bytes`, if it is next; how many that are.
    fn skip_if(&mut self, bytes: &[u8]) -> usize {
        let count = usize::from(self.peek().is_some_and(|byte| bytes.contains(&byte)));
        self.at += count;
        count
    }

    fn skip_digits(&mut self) -> usize {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - begin
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Keeps the first problem, with its place.
    fn note(&mut self, problem: Problem) {
        if self.error.is_none() {
            let text = match problem {
                Problem::Expected(what) => format!("expected {what}"),
                Problem::Escape => "unknown escape in a string".to_owned(),
                Problem::ByteOrderMark => "byte order mark".to_owned(),
                Problem::ControlCharacter => "control character in a string".to_owned(),
                Problem::Utf8 => "bytes that are no UTF-8 in a string".to_owned(),
                Problem::TrailingData => "data after the document".to_owned(),
                Problem::Depth => format!("more than {} containers in one another", self.limits.depth_max),
                Problem::Full => Full::error(self.limits),
            };
            self.error = Some(format!("JSON parsing error: {text} at byte {}", self.at));
        }
    }
}
