//! A head: the request line and its fields, judged line by line as they arrive.
//!
//! Whatever could decide differently for two readers where a request goes or where its body ends is refused
//! here (RFC 9112 §6.3 and §11.2). What is good is kept as it came: target, order and case of fields, for
//! whoever must see what the client really sent.

use super::line::{self, CRLF_BYTES, Line};
use super::{Fault, Framing, Limits, length, target};

/// Bytes of a method. The longest registered one has 17.
const METHOD_BYTES_MAX: usize = 32;
/// Bytes of a field's name. The longest registered ones have some 50.
const NAME_BYTES_MAX: usize = 256;
/// Fields of a usual head, so that there is one allocation for them.
const FIELDS_USUAL: usize = 16;

/// A head as it came.
#[derive(Debug)]
pub(crate) struct RawHead {
    bytes: Box<[u8]>,
    target: Span,
    fields: Vec<Field>,
}

/// The place of a part within a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

/// The places of a field's name and of its value without the white space around it.
#[derive(Debug, Clone, Copy)]
struct Field {
    name: Span,
    value: Span,
}

/// How far a head was read.
pub(super) enum Read {
    /// There is more to come.
    More,
    /// An empty line stands before the request line.
    EmptyLine,
    /// All of it is there and good; it takes the first `pass` bytes.
    Whole { pass: usize, framing: Framing, head: RawHead },
}

/// A head of which some lines may have been judged already.
#[derive(Debug, Default)]
pub(super) struct Draft {
    empty_line: Seen,
    /// Where the present line begins.
    line: usize,
    /// Up to where it was looked at.
    looked: usize,
    request: Option<Request>,
    fields: Vec<Field>,
    host: Option<Span>,
    length: Option<u64>,
    chunked: Seen,
    expect: Seen,
}

/// What may be there once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    No,
    Yes,
}

/// A request line.
#[derive(Debug, Clone, Copy)]
struct Request {
    target: Span,
    version: Version,
}

/// The versions that are spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

impl RawHead {
    /// All of it, with the empty line that ends it.
    #[cfg_attr(
        not(any(test, fuzzing)),
        expect(dead_code, reason = "the rule engine reads it, in a later issue")
    )]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The target, byte for byte.
    #[cfg_attr(
        not(any(test, fuzzing)),
        expect(dead_code, reason = "the rule engine reads it, in a later issue")
    )]
    pub(crate) fn target(&self) -> &[u8] {
        self.target.of(&self.bytes)
    }

    /// Names and values of all fields, in their order and in their case.
    #[cfg_attr(
        not(any(test, fuzzing)),
        expect(dead_code, reason = "the rule engine reads it, in a later issue")
    )]
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (field.name.of(&self.bytes), field.value.of(&self.bytes)))
    }
}

impl Span {
    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The place of `part`, which begins `offset` bytes after the beginning of a head.
    fn at(offset: usize, part: &[u8]) -> Self {
        Self { start: offset, end: offset + part.len() }
    }
}

impl Draft {
    /// Reads on in `held`, which begins with the head. The verdict depends on the bytes alone, never on how
    /// they were cut into packets: each line is judged when its end is there, and not before the ones above
    /// it.
    pub(super) fn read(&mut self, held: &[u8], limits: &Limits) -> Result<Read, Fault> {
        loop {
            let (bytes_max, too_long) = match self.request {
                None => request_line_max(held, limits),
                Some(_) => (limits.head_bytes_max, Fault::HeadLong),
            };
            let allowed = held.get(..bytes_max).unwrap_or(held);
            let end = match line::find(allowed, self.looked)? {
                Line::Whole(end) => end,
                Line::Open(_) if allowed.len() < held.len() => return Err(too_long),
                Line::Open(looked) => {
                    self.looked = looked;
                    return Ok(Read::More);
                }
            };
            let (start, text) = (self.line, held.get(self.line..end).unwrap_or_default());
            self.line = end + CRLF_BYTES;
            self.looked = self.line;
            match (&self.request, text) {
                (None, []) if self.empty_line == Seen::Yes => return Err(Fault::EmptyLines),
                (None, []) => {
                    *self = Self { empty_line: Seen::Yes, ..Self::default() };
                    return Ok(Read::EmptyLine);
                }
                (None, _) => self.request = Some(request_line(text, limits)?),
                (Some(request), []) => return self.whole(*request, held),
                (Some(request), _) => self.field(start, text, request.version, limits)?,
            }
        }
    }

    fn field(&mut self, start: usize, text: &[u8], version: Version, limits: &Limits) -> Result<(), Fault> {
        if self.fields.len() >= limits.headers_max {
            return Err(Fault::Fields);
        }
        let (name, value) = field(text)?;
        let name_at = Span::at(start, name);
        // The value is a part of the line, so what was trimmed before it is what is left.
        let after_colon = text.get(name.len() + 1..).unwrap_or_default();
        let before = after_colon.iter().take_while(|byte| line::is_space(**byte)).count();
        let value_at = Span::at(name_at.end + 1 + before.min(after_colon.len() - value.len()), value);
        self.rules(name, value, value_at, version)?;
        if self.fields.is_empty() {
            self.fields.reserve(FIELDS_USUAL);
        }
        self.fields.push(Field { name: name_at, value: value_at });
        Ok(())
    }

    /// The rules for fields that say where the request goes and where it ends. Each may be there once: which
    /// of two counts is what servers disagree about.
    fn rules(&mut self, name: &[u8], value: &[u8], place: Span, version: Version) -> Result<(), Fault> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"host") {
            if self.host.replace(place).is_some() {
                return Err(Fault::HostTwice);
            }
            return if target::is_authority(value) { Ok(()) } else { Err(Fault::Host) };
        }
        if is(b"content-length") {
            if self.length.is_some() {
                return Err(Fault::LengthTwice);
            }
            self.length = Some(length::plain(value)?);
            return self.one_framing();
        }
        if is(b"transfer-encoding") {
            if self.chunked == Seen::Yes {
                return Err(Fault::CodingTwice);
            }
            if version == Version::Http10 {
                return Err(Fault::CodingOld);
            }
            coding(value)?;
            self.chunked = Seen::Yes;
            return self.one_framing();
        }
        if is(b"expect") {
            if self.expect == Seen::Yes || !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Fault::Expect);
            }
            self.expect = Seen::Yes;
        }
        Ok(())
    }

    /// CL.TE and TE.CL: RFC 9112 §6.1 lets a server drop the length, but then somebody behind it may not.
    fn one_framing(&self) -> Result<(), Fault> {
        match (self.length, self.chunked) {
            (Some(_), Seen::Yes) => Err(Fault::LengthAndCoding),
            _ => Ok(()),
        }
    }

    /// The empty line is there: what must be said was said, and one thing only.
    fn whole(&mut self, request: Request, held: &[u8]) -> Result<Read, Fault> {
        let host = self.host.map(|host| host.of(held));
        if host.is_none() && request.version == Version::Http11 {
            return Err(Fault::HostMissing);
        }
        // RFC 9112 §3.2.2 lets the target win over `Host`; which one wins is what an attacker would like to
        // choose.
        if let (Some(target), Some(host)) = (target::authority(request.target.of(held)), host)
            && !target.eq_ignore_ascii_case(host)
        {
            return Err(Fault::HostOther);
        }
        let framing = match self.chunked {
            Seen::Yes => Framing::Chunked,
            Seen::No => Framing::Length(self.length.unwrap_or(0)),
        };
        let (pass, fields) = (self.line, std::mem::take(&mut self.fields));
        let bytes = held.get(..pass).unwrap_or_default().into();
        Ok(Read::Whole { pass, framing, head: RawHead { bytes, target: request.target, fields } })
    }
}

/// How long a request line may be, and what is wrong with it when it is longer.
fn request_line_max(held: &[u8], limits: &Limits) -> (usize, Fault) {
    let rest = " ".len() + " HTTP/1.1\r\n".len();
    let line_max = METHOD_BYTES_MAX + limits.target_bytes_max.min(target::TARGET_BYTES_MAX) + rest;
    let method_ends = held.iter().take(METHOD_BYTES_MAX + 1).any(|byte| *byte == b' ');
    let fault = if method_ends { Fault::TargetLong } else { Fault::MethodLong };
    (line_max.min(limits.head_bytes_max), fault)
}

/// Judges a request line (RFC 9112 §3), which stands at the beginning of its head.
fn request_line(text: &[u8], limits: &Limits) -> Result<Request, Fault> {
    let mut parts = text.split(|byte| *byte == b' ');
    let (method, target, version) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(target), Some(version), None) => (method, target, version),
        _ if line::is_space(text.first().copied().unwrap_or_default()) => return Err(Fault::Folded),
        _ => return Err(Fault::RequestLine),
    };
    if target.is_empty() {
        return Err(Fault::RequestLine);
    }
    if !line::is_token(method) {
        return Err(Fault::Method);
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        b"HTTP/2.0" if method == b"PRI" => return Err(Fault::Http2),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Fault::VersionUnknown),
        _ => return Err(Fault::Version),
    };
    if method.len() > METHOD_BYTES_MAX {
        return Err(Fault::MethodLong);
    }
    // A tunnel would carry bytes that nobody looks at.
    if method == b"CONNECT" {
        return Err(Fault::Tunnel);
    }
    if target.len() > limits.target_bytes_max.min(target::TARGET_BYTES_MAX) {
        return Err(Fault::TargetLong);
    }
    target::judge(method, target)?;
    Ok(Request { target: Span::at(method.len() + 1, target), version })
}

/// Judges a field line by itself (RFC 9112 §5); gives its name and its value.
pub(super) fn field(text: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    // Obsolete folding (RFC 9112 §5.2): a continued value for some, another field for others.
    if text.first().is_some_and(|byte| line::is_space(*byte)) {
        return Err(Fault::Folded);
    }
    let colon = text.iter().position(|byte| *byte == b':').ok_or(Fault::Colon)?;
    let (name, value) = text.split_at_checked(colon).unwrap_or_default();
    match name.last() {
        None => return Err(Fault::NameEmpty),
        // RFC 9112 §5.1: `Transfer-Encoding : chunked` was read by some servers and not by others.
        Some(last) if line::is_space(*last) => return Err(Fault::NameSpace),
        Some(_) if name.len() > NAME_BYTES_MAX => return Err(Fault::NameLong),
        Some(_) if !line::is_token(name) => return Err(Fault::Name),
        Some(_) => {}
    }
    Ok((name, line::trimmed(value.get(1..).unwrap_or_default())))
}

/// `chunked`, once, in any case, and nothing else (RFC 9112 §6.1, §7).
pub(super) fn coding(value: &[u8]) -> Result<(), Fault> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    // A body whose end would be known, if only we knew the coding inside: honest, so it gets the honest
    // status.
    let mut codings = value.rsplit(|byte| *byte == b',').map(line::trimmed);
    let last_is_chunked = codings.next().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
    let known = |coding: &[u8]| {
        let names: [&[u8]; 5] = [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"];
        names.iter().any(|name| coding.eq_ignore_ascii_case(name))
    };
    Err(if last_is_chunked && codings.all(known) { Fault::CodingUnknown } else { Fault::Coding })
}
