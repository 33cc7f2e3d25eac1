//! `multipart/form-data` (RFC 7578, RFC 2046 §5.1), read as strictly as ModSecurity does.
//!
//! Applications differ in how they read such bodies, and an attacker sends what they read differently. So everything
//! that is not exactly as browsers write it is flagged, for rules to refuse ([`Multipart::is_strict_error`]): quotes of
//! the wrong kind, folded headers, line ends without CR, data around the parts, and so on. After a mistake the rest is
//! still read, since more is then seen by rules.
//!
//! Contents are given as ranges of the body and are not copied. Unlike ModSecurity 3.0.9 we keep the line ends inside of
//! a field's content, read headers of parts to the end, and refuse an empty boundary.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::Limits;
use super::pairs::Full;

mod boundary;
mod disposition;
#[cfg(test)]
mod tests;

use boundary::Boundary;
use disposition::Disposition;

/// A longer header of a part is a mistake.
const HEADER_BYTES_MAX: usize = 4_096;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Multipart {
    /// The parts in the order of the body, those with mistakes too.
    pub parts: Vec<Part>,
    /// What is unusual about the body.
    pub flags: Flags,
    /// What is wrong with the body.
    pub error: Option<String>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// The name of its field.
    pub name: Vec<u8>,
    /// The names of its file: `filename`, and `filename*` decoded. None, and it is a field.
    pub filenames: Vec<Vec<u8>>,
    /// Its headers as they are written, without line ends; a folded one is in one line.
    pub headers: Vec<Vec<u8>>,
    /// Where in the body its content is.
    pub content: Range<usize>,
}

impl Part {
    /// Whether it is a file and not a field.
    pub fn is_file(&self) -> bool {
        !self.filenames.is_empty()
    }
}

/// What is unusual about a body; each is a variable of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// `MULTIPART_BOUNDARY_QUOTED`: the boundary is in quotes in the Content-Type.
    pub boundary_quoted: bool,
    /// `MULTIPART_BOUNDARY_WHITESPACE`: there are spaces around the boundary's `=`.
    pub boundary_whitespace: bool,
    /// `MULTIPART_DATA_BEFORE`: there is data before the first boundary.
    pub data_before: bool,
    /// `MULTIPART_DATA_AFTER`: there is data after the last boundary.
    pub data_after: bool,
    /// `MULTIPART_HEADER_FOLDING`: a header goes on in a second line.
    pub header_folding: bool,
    /// `MULTIPART_INVALID_HEADER_FOLDING`: such a second line begins with something else than a space or a tab.
    pub invalid_header_folding: bool,
    /// `MULTIPART_LF_LINE`: a line of a boundary or a header ends with LF alone.
    pub lf_line: bool,
    /// A line of a boundary or a header ends with CRLF, as it shall.
    pub crlf_line: bool,
    /// `MULTIPART_MISSING_SEMICOLON`: there is no `;` before the boundary in the Content-Type.
    pub missing_semicolon: bool,
    /// `MULTIPART_INVALID_QUOTING`: a name is in quotes of the wrong kind.
    pub invalid_quoting: bool,
    /// `MULTIPART_INVALID_PART`: a part has no name.
    pub invalid_part: bool,
    /// `MULTIPART_UNMATCHED_BOUNDARY`.
    pub unmatched_boundary: Unmatched,
}

impl Flags {
    /// `MULTIPART_CRLF_LF_LINES`: lines end in both ways.
    pub fn has_mixed_line_ends(&self) -> bool {
        self.crlf_line && self.lf_line
    }
}

/// Whether there are lines that look like a boundary and are none. They are common in files of text (`-----BEGIN
/// CERTIFICATE-----`), where a true boundary follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum Unmatched {
    /// No: 0.
    #[default]
    None,
    /// Yes, and no boundary after them: 1.
    Last,
    /// Yes, and a boundary after them: 2.
    Followed,
}

impl Multipart {
    /// `MULTIPART_STRICT_ERROR`: anything that a browser would not send.
    pub fn is_strict_error(&self) -> bool {
        let Flags {
            boundary_quoted,
            boundary_whitespace,
            data_before,
            data_after,
            header_folding,
            invalid_header_folding,
            lf_line,
            crlf_line: _,
            missing_semicolon,
            invalid_quoting,
            invalid_part,
            unmatched_boundary: _,
        } = self.flags;
        self.error.is_some()
            || boundary_quoted
            || boundary_whitespace
            || data_before
            || data_after
            || header_folding
            || invalid_header_folding
            || lf_line
            || missing_semicolon
            || invalid_quoting
            || invalid_part
    }

    /// `FILES_COMBINED_SIZE`: how many bytes the files have together.
    pub fn file_bytes(&self) -> usize {
        self.parts.iter().filter(|part| part.is_file()).map(|part| part.content.len()).sum()
    }

    /// Keeps the first problem.
    fn note(&mut self, problem: impl AsRef<str>) {
        if self.error.is_none() {
            self.error = Some(format!("Multipart parsing error: Multipart: {}", problem.as_ref()));
        }
    }
}

/// Reads a body by the boundary that `content_type` names. An empty body has no parts and is no mistake.
pub fn read(content_type: &[u8], body: &[u8], limits: &Limits) -> Multipart {
    let mut read = Multipart::default();
    if body.is_empty() {
        return read;
    }
    match Boundary::of(content_type, &mut read.flags) {
        Ok(boundary) => {
            let mark = [b"--".as_slice(), boundary.text()].concat();
            let finder = memmem::Finder::new(&mark);
            let mut reader = Reader {
                read,
                body,
                boundary: &boundary,
                mark: finder,
                state: State::Before,
                headers: 0,
                limits,
            };
            reader.run();
            reader.read
        }
        Err(problem) => {
            read.note(problem);
            read
        }
    }
}

/// Where in the body the reader is.
#[derive(Debug)]
enum State {
    /// Before the first boundary.
    Before,
    Headers(Part),
    Content(Part),
    /// After the last boundary.
    Done,
}

/// What a line is.
enum Line {
    /// The boundary before a part.
    Boundary,
    /// The boundary after the last part.
    Last,
    Other,
}

struct Reader<'a> {
    read: Multipart,
    body: &'a [u8],
    boundary: &'a Boundary,
    /// Finds the boundary with its dashes.
    mark: memmem::Finder<'a>,
    state: State,
    /// How many headers all parts have together.
    headers: usize,
    limits: &'a Limits,
}

impl Reader<'_> {
    fn run(&mut self) {
        let mut at = 0;
        let mut boundaries = 0_usize;
        while at < self.body.len() {
            if matches!(self.state, State::Done) {
                self.read.flags.data_after = true;
                break;
            }
            let rest = self.body.get(at..).unwrap_or_default();
            let length = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let line = rest.get(..length).unwrap_or_default();
            let kind = self.kind(line);
            if !matches!(kind, Line::Other) {
                boundaries += 1;
                // The line end before a boundary is a part of it.
                self.note_line_end(self.body.get(..at).unwrap_or_default());
                self.note_line_end(line);
                self.end_part(at);
            }
            match kind {
                Line::Boundary if self.read.parts.len() >= self.limits.count_max => {
                    self.read.note(Full::error(self.limits));
                    return;
                }
                Line::Boundary => self.state = State::Headers(Part::default()),
                Line::Last => self.state = State::Done,
                Line::Other => self.line(line, at + length),
            }
            at += length;
        }
        if !matches!(self.state, State::Done) {
            self.end_part(self.body.len());
            let problem =
                if boundaries > 0 { "Final boundary missing." } else { "No boundaries found in payload." };
            self.read.note(problem);
        }
    }

    /// What `line` is, by what it begins with.
    fn kind(&mut self, line: &[u8]) -> Line {
        let (text, end) = split_end(line);
        let boundary = self.boundary.text();
        let Some(rest) = text.strip_prefix(b"--").filter(|rest| !rest.is_empty() || line.len() > 3) else {
            if self.mark.find(text).is_some() {
                self.read.flags.unmatched_boundary = Unmatched::Last;
            }
            return Line::Other;
        };
        let kind = match rest.strip_prefix(boundary) {
            Some(b"") => Line::Boundary,
            Some(b"--") => Line::Last,
            Some(_) => {
                self.read.note(format!("Invalid boundary: {}", excerpt(text)));
                Line::Other
            }
            None => {
                let is = |text: &[u8]| text.starts_with(boundary);
                if self.read.flags.boundary_quoted && rest.strip_prefix(b"\"").is_some_and(is) {
                    self.read.note("Invalid boundary (quotes).");
                } else if is(rest.trim_ascii_start()) {
                    self.read.note("Invalid boundary (whitespace).");
                }
                self.read.flags.unmatched_boundary = Unmatched::Last;
                Line::Other
            }
        };
        let is_boundary = !matches!(kind, Line::Other) && !end.is_empty();
        if is_boundary && self.read.flags.unmatched_boundary == Unmatched::Last {
            self.read.flags.unmatched_boundary = Unmatched::Followed;
        }
        kind
    }

    /// A line that is no boundary; what comes after it begins at `next`.
    fn line(&mut self, line: &[u8], next: usize) {
        match std::mem::replace(&mut self.state, State::Before) {
            State::Before => self.read.flags.data_before = true,
            State::Headers(mut part) => {
                self.state = if split_end(line).0.is_empty() {
                    self.note_line_end(line);
                    self.end_headers(&mut part);
                    part.content = next..next;
                    State::Content(part)
                } else {
                    self.header(&mut part, line);
                    State::Headers(part)
                };
            }
            other @ (State::Content(_) | State::Done) => self.state = other,
        }
    }

    fn header(&mut self, part: &mut Part, line: &[u8]) {
        self.note_line_end(line);
        let (text, _) = split_end(line);
        if text.contains(&0) {
            self.read.note("Nul byte in part headers.");
        }
        self.headers += 1;
        if line.len() > HEADER_BYTES_MAX {
            self.read.note(format!("Part header line over {HEADER_BYTES_MAX} bytes long"));
        } else if self.headers > self.limits.count_max {
            self.read.note(Full::error(self.limits));
        } else if text.first().is_some_and(|byte| is_space(*byte)) {
            self.folded(part, text);
        } else {
            self.check_header(part, text);
            part.headers.push(text.to_vec());
        }
    }

    /// A line that goes on with the header before it.
    fn folded(&mut self, part: &mut Part, text: &[u8]) {
        self.read.flags.header_folding = true;
        let spaces = text.iter().take_while(|byte| is_space(**byte)).count();
        let (spaces, rest) = text.split_at_checked(spaces).unwrap_or_default();
        if spaces.iter().any(|byte| !matches!(byte, b' ' | b'\t')) {
            self.read.flags.invalid_header_folding = true;
        }
        match part.headers.last_mut() {
            Some(header) if header.len() + rest.len() < HEADER_BYTES_MAX => {
                header.push(b' ');
                header.extend_from_slice(rest);
            }
            Some(_) => self.read.note("Part header too long."),
            None => {
                self.read.note("Invalid part header (folding error).");
                part.headers.push(rest.to_vec());
            }
        }
    }

    fn check_header(&mut self, part: &Part, text: &[u8]) {
        let name = text.split(|byte| *byte == b':').next().unwrap_or_default();
        if name.len() == text.len() {
            self.read.note(format!("Invalid part header (colon missing): {}", excerpt(text)));
        } else if name.is_empty() {
            self.read.note("Invalid part header (header name missing).");
        } else if !name.iter().all(u8::is_ascii_graphic) {
            self.read.note("Invalid part header (contains invalid character).");
        } else if part.headers.iter().any(|known| value_of(known, name).is_some()) {
            self.read.note(format!("Duplicate part header: {}.", excerpt(name)));
        }
    }

    /// The empty line after the headers: they tell what the part is.
    fn end_headers(&mut self, part: &mut Part) {
        let Some(value) = part.headers.iter().find_map(|header| value_of(header, b"content-disposition"))
        else {
            self.read.note("Part missing Content-Disposition header.");
            self.read.flags.invalid_part = true;
            return;
        };
        let Disposition { name, filename, filename_extended, has_wrong_quotes, problem } =
            Disposition::read(value);
        self.read.flags.invalid_quoting |= has_wrong_quotes;
        if let Some(code) = problem {
            self.read.note(format!("Invalid Content-Disposition header ({code}): {}.", excerpt(value)));
        } else if name.is_empty() {
            self.read.note("Content-Disposition header missing name field.");
        }
        self.read.flags.invalid_part |= problem.is_some() || name.is_empty();
        part.name = name;
        part.filenames = [filename, filename_extended].into_iter().filter(|name| !name.is_empty()).collect();
    }

    /// The part ends before `end`, where a boundary begins; the line end before that belongs to the boundary.
    fn end_part(&mut self, end: usize) {
        let mut part = match std::mem::replace(&mut self.state, State::Before) {
            State::Content(part) => part,
            State::Headers(mut part) => {
                self.end_headers(&mut part);
                self.read.note("Part headers without an empty line after them.");
                self.read.flags.invalid_part = true;
                part
            }
            State::Before | State::Done => return,
        };
        if part.content.start > 0 {
            let content = self.body.get(part.content.start..end).unwrap_or_default();
            part.content.end = part.content.start + split_end(content).0.len();
        }
        self.read.parts.push(part);
    }

    fn note_line_end(&mut self, line: &[u8]) {
        match split_end(line).1 {
            b"\r\n" => self.read.flags.crlf_line = true,
            b"\n" => self.read.flags.lf_line = true,
            _ => {}
        }
    }
}

/// A line and its end, which the last one may lack.
fn split_end(line: &[u8]) -> (&[u8], &[u8]) {
    let text = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
    line.split_at_checked(text.len()).unwrap_or((line, &[]))
}

/// The value of `header`, when it is called `name`.
fn value_of<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (known, value) = header.split_at_checked(name.len())?;
    known.eq_ignore_ascii_case(name).then(|| value.strip_prefix(b":").map(skip_space))?
}

/// `text` without the spaces and tabs at its beginning.
fn skip_space(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(spaces..).unwrap_or_default()
}

/// What C's `isspace` takes for a space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The beginning of what a client wrote, for a message.
fn excerpt(text: &[u8]) -> String {
    text.get(..100).unwrap_or(text).escape_ascii().to_string()
}
