//! Makes entries short enough: the longest texts are cut first, each at a character, and each cut says what the whole was.
//!
//! A cut of a personal text stands among the personal fields and is sealed with them: its hash would tell whoever can
//! guess the text.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_model::audit::{Change, Cut, Entry, Personal, RequestFacts, SealedPersonal};
use serde::Serialize;

/// How long texts may be, as JSON and in bytes, in one attempt after the other.
pub(super) const LEVELS: [usize; 6] = [16_384, 4_096, 1_024, 256, 64, 16];
/// Of this many bytes of a level, one decision is kept; a decision has a text and three words.
const BYTES_FOR_A_DECISION: usize = 16;
/// Bytes of words in an entry of which next to nothing is left.
const WORD_BYTES_LEFT: usize = 64;

/// An entry taken apart: what is written in the clear, and what is sealed.
pub(super) struct Parts {
    pub(super) clear: Entry<SealedPersonal>,
    pub(super) personal: Personal,
    pub(super) about: Option<Box<Personal>>,
}

impl Parts {
    pub(super) fn of(mut entry: Entry<Personal>) -> Self {
        entry.hide_method();
        let (personal, about) = (std::mem::take(&mut entry.personal), entry.about.take());
        Self { clear: entry.with(SealedPersonal(None), None), personal, about }
    }

    /// Cuts every text that is longer than `level`.
    pub(super) fn cut(&mut self, level: usize) {
        clear(&mut self.clear, level);
        self.sealed().for_each(|part| personal(part, level));
    }

    /// Leaves of the personal parts who it was and from where, and of the rest what every entry has: for entries that
    /// nothing else makes short enough.
    pub(super) fn cut_to_nothing(&mut self) {
        let entry = &mut self.clear;
        (entry.personal, entry.about) = (SealedPersonal(None), None);
        let whole_entry = whole("entry", &json(entry));
        (entry.details, entry.change, entry.cut) = (None, None, vec![whole_entry]);
        entry.action = shortened(&entry.action, WORD_BYTES_LEFT).to_owned().into();
        if let Some(request) = &mut entry.request {
            (request.protocol, request.websocket) = (None, None);
        }
        for part in self.sealed() {
            let whole = whole("personal", &json(part));
            let principal = part.principal.take().map(|who| shortened(&who, WORD_BYTES_LEFT).into());
            *part = Personal { principal, client: part.client, cut: vec![whole], ..Personal::default() };
        }
    }

    fn sealed(&mut self) -> impl Iterator<Item = &mut Personal> {
        std::iter::once(&mut self.personal).chain(self.about.as_deref_mut())
    }
}

fn clear(entry: &mut Entry<SealedPersonal>, level: usize) {
    let Entry { request, details, change, cut, action, .. } = entry;
    shorten_word("action", action, cut, level);
    if let Some(text) = details {
        shorten("details", text, cut, level);
    }
    if let Some(RequestFacts { protocol, websocket, .. }) = request {
        if let Some(protocol) = protocol {
            shorten_word("request.protocol", protocol, cut, level);
        }
        if let Some(websocket) = websocket {
            shorten_word("request.websocket.ended_by", &mut websocket.ended_by, cut, level);
        }
    }
    if let Some(Change { setting, old, new }) = change {
        shorten("change.setting", setting, cut, level);
        for (name, text) in [("change.old", old), ("change.new", new)] {
            if let Some(text) = text {
                shorten(name, text, cut, level);
            }
        }
    }
}

fn personal(part: &mut Personal, level: usize) {
    let Personal {
        principal,
        session,
        client: _,
        host,
        path,
        method,
        resource,
        client_request_id,
        trace_id,
        reason,
        decisions,
        cut,
    } = part;
    for (name, text) in [
        ("principal", principal),
        ("session", session),
        ("host", host),
        ("path", path),
        ("method", method),
        ("resource", resource),
        ("client_request_id", client_request_id),
        ("trace_id", trace_id),
        ("reason", reason),
    ] {
        if let Some(text) = text {
            shorten(name, text, cut, level);
        }
    }
    let kept = (level / BYTES_FOR_A_DECISION).max(1);
    if decisions.len() > kept {
        add(cut, "decisions", |name| whole(name, &json(decisions)));
        decisions.truncate(kept);
    }
    for (at, decision) in decisions.iter_mut().enumerate() {
        shorten(&format!("decisions.{at}.detail"), &mut decision.detail, cut, level);
    }
}

/// Cuts one text, and says so.
fn shorten(name: &str, text: &mut Box<str>, cuts: &mut Vec<Cut>, level: usize) {
    let short = shortened(text, level);
    if short.len() < text.len() {
        add(cuts, name, |name| whole(name, text.as_bytes()));
        *text = short.into();
    }
}

fn shorten_word(name: &str, text: &mut Cow<'static, str>, cuts: &mut Vec<Cut>, level: usize) {
    let mut boxed: Box<str> = text.as_ref().into();
    shorten(name, &mut boxed, cuts, level);
    if boxed.len() < text.len() {
        *text = String::from(boxed).into();
    }
}

/// Says that a field was cut, unless an attempt before has said it: that one saw the whole.
fn add(cuts: &mut Vec<Cut>, name: &str, cut: impl FnOnce(&str) -> Cut) {
    if !cuts.iter().any(|known| known.field.as_ref() == name) {
        cuts.push(cut(name));
    }
}

fn whole(field: &str, bytes: &[u8]) -> Cut {
    let digits = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Cut { field: field.into(), bytes: bytes.len() as u64, sha256: digits.into() }
}

/// The JSON of something, which is always possible for what entries are made of.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// The longest beginning of a text that has at most so many bytes as JSON.
fn shortened(text: &str, level: usize) -> &str {
    let mut bytes = 0;
    let end = text.char_indices().find_map(|(at, letter)| {
        bytes += bytes_in_json(letter);
        (bytes > level).then_some(at)
    });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Bytes of a character within a JSON text (RFC 8259 §7).
fn bytes_in_json(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}
