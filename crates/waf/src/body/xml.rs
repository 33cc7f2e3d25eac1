//! XML: the texts between tags, and the values of attributes.
//!
//! The reading is `quick-xml`'s, event by event. Of entities only the five that XML itself knows and numbers of
//! characters are replaced; nothing is ever loaded or expanded. A document type declaration is an error, since that is
//! where entities come from, and a text of its own for rules to look at.
//!
//! A text goes from one tag to the next, over comments and CDATA, as programs see it that ask an element for its text;
//! spaces around it are cut off. What was read before a mistake is given.

use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::reader::Reader as Events;

use super::pairs::Full;
use super::{Limits, Pairs};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// The names of elements, with each text right inside of them: `XML:/*`.
    pub texts: Pairs,
    /// The names of attributes, with their values: `XML://@*`.
    pub attributes: Pairs,
    /// What is wrong with the document; what comes after it may be missing.
    pub error: Option<String>,
}

/// Encodings in which the bytes of ASCII mean what they look like. In another one a body could say one thing to us and
/// another to its reader.
const ENCODINGS: &[&str] = &["utf-8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"];

/// Reads a body. An empty one has no text and is no mistake.
pub fn read(body: &[u8], limits: &Limits) -> Document {
    let mut reader = Reader {
        document: Document::default(),
        text: Vec::new(),
        names: String::new(),
        open: Vec::new(),
        has_root: false,
        limits,
    };
    let lossy = String::from_utf8_lossy(body);
    if matches!(lossy, std::borrow::Cow::Owned(_)) && !declares_other_encoding(body) {
        reader.note("bytes that are no UTF-8");
    }
    if let Err(Stop) = reader.document(&lossy) {
        reader.flush_last();
    }
    reader.document
}

/// Whether the declaration at the beginning names one of the encodings that are not UTF-8.
fn declares_other_encoding(body: &[u8]) -> bool {
    let declaration = body.strip_prefix(b"<?xml").and_then(|rest| rest.split(|byte| *byte == b'>').next());
    let declaration = declaration.unwrap_or_default().to_ascii_lowercase();
    let names = |encoding: &&str| memchr::memmem::find(&declaration, encoding.as_bytes()).is_some();
    ENCODINGS.iter().filter(|encoding| !encoding.ends_with("utf-8")).any(names)
}

/// The rest cannot be read.
struct Stop;

struct Reader<'a> {
    document: Document,
    /// The text since the last tag.
    text: Vec<u8>,
    /// The names of the elements that are open, one after the other.
    names: String,
    /// Where each name begins.
    open: Vec<usize>,
    has_root: bool,
    limits: &'a Limits,
}

impl Reader<'_> {
    fn document(&mut self, body: &str) -> Result<(), Stop> {
        let mut events = Events::from_str(body);
        loop {
            let event = events.read_event().map_err(|problem| self.stop(&problem.to_string()))?;
            match event {
                Event::Start(tag) => {
                    self.start(&tag)?;
                    if self.open.len() >= self.limits.depth_max {
                        return Err(self
                            .stop(&format!("more than {} elements in one another", self.limits.depth_max)));
                    }
                    self.open.push(self.names.len());
                    self.names.push_str(tag.name().as_ref());
                }
                Event::Empty(tag) => self.start(&tag)?,
                Event::End(_) => {
                    self.flush()?;
                    self.names.truncate(self.open.pop().unwrap_or_default());
                }
                Event::Text(text) => self.add(&text.into_inner()),
                Event::CData(text) => self.add(&text.into_inner()),
                Event::GeneralRef(reference) => {
                    if !resolve(&reference.into_inner(), &mut self.text) {
                        self.note("an entity that XML itself does not know");
                    }
                }
                Event::DocType(declaration) => {
                    self.note("a document type declaration");
                    self.text.extend_from_slice(declaration.into_inner().as_bytes());
                    self.flush()?;
                }
                Event::Decl(declaration) => self.declaration(&declaration),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        self.flush()?;
        if !self.open.is_empty() {
            self.note("an element that is not closed");
        } else if !self.has_root && !body.is_empty() {
            self.note("no element");
        }
        Ok(())
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), Stop> {
        self.flush()?;
        if self.open.is_empty() && std::mem::replace(&mut self.has_root, true) {
            self.note("more than one outermost element");
        }
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|problem| self.stop(&problem.to_string()))?;
            let mut is_known = true;
            let pushed = self.document.attributes.push_with(
                self.limits,
                |bytes| bytes.extend_from_slice(attribute.key.as_ref().as_bytes()),
                |bytes| is_known = unescape(&attribute.value, bytes),
            );
            if !is_known {
                self.note("an entity that XML itself does not know");
            }
            pushed.map_err(|Full| self.stop(&Full::error(self.limits)))?;
        }
        Ok(())
    }

    fn add(&mut self, text: &str) {
        if self.open.is_empty() && !text.trim_ascii().is_empty() {
            self.note("text outside of all elements");
        }
        self.text.extend_from_slice(text.as_bytes());
    }

    fn declaration(&mut self, declaration: &BytesDecl<'_>) {
        if let Some(encoding) = declaration.encoding() {
            let encoding = encoding.unwrap_or_default();
            if !ENCODINGS.iter().any(|known| known.eq_ignore_ascii_case(&encoding)) {
                self.note("an encoding that is not read here");
            }
        }
    }

    /// Ends the text since the last tag.
    fn flush(&mut self) -> Result<(), Stop> {
        let text = self.text.trim_ascii();
        let name = self.names.get(self.open.last().copied().unwrap_or_default()..).unwrap_or_default();
        let full =
            !text.is_empty() && self.document.texts.push(self.limits, name.as_bytes(), text) == Err(Full);
        self.text.clear();
        if full { Err(self.stop(&Full::error(self.limits))) } else { Ok(()) }
    }

    /// What was read before a mistake is a text too. There may be no room for it; then that is the mistake.
    fn flush_last(&mut self) {
        if self.flush().is_err() {
            self.text.clear();
        }
    }

    fn stop(&mut self, problem: &str) -> Stop {
        self.note(problem);
        Stop
    }

    /// Keeps the first problem.
    fn note(&mut self, problem: &str) {
        if self.document.error.is_none() {
            self.document.error = Some(format!("XML parsing error: {problem}"));
        }
    }
}

/// Writes `text` with its references replaced; false when one of them is not known, which then stays.
fn unescape(text: &str, output: &mut Vec<u8>) -> bool {
    let mut is_known = true;
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        output.extend_from_slice(before.as_bytes());
        rest = from;
        match from.split_once(';') {
            Some((name, after)) if resolve(name, output) => rest = after,
            _ => {
                is_known = false;
                output.push(b'&');
            }
        }
    }
    output.extend_from_slice(rest.as_bytes());
    is_known
}

/// Writes the character that a reference stands for, `lt` or `#60` or `#x3c`; false when it is not known.
fn resolve(name: &str, output: &mut Vec<u8>) -> bool {
    let character = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix('#') {
            Some(number) => {
                let (digits, base) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
                u32::from_str_radix(digits, base).ok().and_then(char::from_u32)
            }
            None => None,
        },
    };
    let Some(character) = character else { return false };
    output.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    true
}
