//! Looking at a whole body, in the way that its kind asks for.
//!
//! JSON is walked without building it: a tree of many small values would take fifty times the body's size, and would
//! show only the last of several members of one name.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use portcullis_access::patterns::Patterns;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::hold::Whole;
use super::kind::Kind;
use crate::stages::Scope;
use crate::stages::suspicion::Seen;

/// Bodies larger than this are looked at on another thread, so that one request cannot hold up the others.
const ON_REACTOR_BYTES_MAX: usize = 16 * 1024;

/// What was seen in a body.
pub(super) enum Look {
    /// Nothing suspicious.
    Clean,
    /// Suspicious text.
    Seen(Seen),
    /// It is not what it says it is.
    Unreadable,
}

/// The inspection itself failed.
pub(super) struct Broke;

/// Looks at a body. Large ones wait for a free core: a flood of them must not fill the threads.
pub(super) async fn scan(scope: Scope<'_>, kind: Kind, whole: &Whole) -> Result<Look, Broke> {
    let patterns = Arc::clone(&scope.gate.patterns);
    let scanned = if whole.bytes.len() <= ON_REACTOR_BYTES_MAX {
        catch_unwind(AssertUnwindSafe(|| find(&patterns, kind, &whole.bytes))).map_err(|_| Broke)
    } else {
        let turn = Arc::clone(&scope.gate.scans).acquire_owned().await.map_err(|_| Broke)?;
        // The body stays paid for until the thread is done with it, also when the client has left.
        let whole = whole.clone();
        let scanning = tokio::task::spawn_blocking(move || {
            let found = find(&patterns, kind, &whole.bytes);
            drop(turn);
            found
        });
        scanning.await.map_err(|_| Broke)
    };
    if scanned.is_err() {
        scope.gate.tellers.metrics.panics.inc();
    }
    scanned
}

fn find(patterns: &Patterns, kind: Kind, bytes: &[u8]) -> Look {
    let found = match kind {
        Kind::Form => in_form(patterns, bytes),
        Kind::Json => match in_json(patterns, bytes) {
            Ok(found) => found,
            Err(NotJson) => return Look::Unreadable,
        },
        Kind::Text => in_text(patterns, bytes)
            .or_else(|| in_form(patterns, bytes))
            .or_else(|| in_json(patterns, bytes).ok().flatten()),
        Kind::Other => None,
    };
    found.map_or(Look::Clean, Look::Seen)
}

fn in_text(patterns: &Patterns, bytes: &[u8]) -> Option<Seen> {
    patterns.scan_bytes(bytes).map(|pattern| Seen::in_the("body", pattern))
}

fn in_form(patterns: &Patterns, bytes: &[u8]) -> Option<Seen> {
    patterns.scan_form(bytes).map(|hit| Seen::in_field(&hit))
}

/// The body is not strict JSON in UTF-8 (RFC 8259), or nested deeper than the parser's 128 levels.
struct NotJson;

/// Names and strings apart, as in a form.
fn in_json(patterns: &Patterns, bytes: &[u8]) -> Result<Option<Seen>, NotJson> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut found = None;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let walked = Walk { patterns, found: &mut found }.deserialize(&mut json).and_then(|()| json.end());
    match (found, walked) {
        (Some(seen), _) => Ok(Some(seen)),
        (None, Ok(())) => Ok(None),
        (None, Err(_)) => Err(NotJson),
    }
}

/// Walks over JSON and stops at the first suspicious string.
struct Walk<'w> {
    patterns: &'w Patterns,
    found: &'w mut Option<Seen>,
}

impl Walk<'_> {
    fn again(&mut self) -> Walk<'_> {
        Walk { patterns: self.patterns, found: self.found }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.patterns.scan(text) {
            None => Ok(()),
            Some(pattern) => {
                *self.found = Some(Seen::in_the("JSON body", pattern));
                Err(E::custom("suspicious"))
            }
        }
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut members: M) -> Result<(), M::Error> {
        while members.next_key_seed(self.again())?.is_some() {
            members.next_value_seed(self.again())?;
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(mut self, mut items: S) -> Result<(), S::Error> {
        while items.next_element_seed(self.again())?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, body: &[u8], expected: &str) {
        let said = match find(&Patterns::new().unwrap(), kind, body) {
            Look::Clean => "clean",
            Look::Seen(_) => "seen",
            Look::Unreadable => "unreadable",
        };
        assert_eq!(said, expected, "{kind:?} {}", String::from_utf8_lossy(body));
    }

    #[test]
    fn json_is_looked_at_whole_or_not_taken_for_json() {
        check(Kind::Json, br#"{"a":[1,2.5,null,true,"text"]}"#, "clean");
        check(Kind::Json, br#"{"a":"\u003cscript\u003e"}"#, "seen");
        check(Kind::Json, br#"{"<script>":1}"#, "seen");
        check(Kind::Json, br#"{"a":"<script>","a":"y"}"#, "seen");
        check(Kind::Json, b"", "clean");
        for odd in [
            &br#"{"a":"\u003cscript\u003e","n":1e999}"#[..],
            br#"{"a":NaN}"#,
            br#"{"a":"\ud800"}"#,
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\x01\"}",
            b"{\0\"\0a\0\"\0}\0",
            b"{} {}",
        ] {
            // Seen is as good as unreadable: neither reaches the upstream.
            let said = find(&Patterns::new().unwrap(), Kind::Json, odd);
            assert!(!matches!(said, Look::Clean), "{}", String::from_utf8_lossy(odd));
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        check(Kind::Json, deep.as_bytes(), "unreadable");
    }

    #[test]
    fn text_is_read_in_every_way_that_an_upstream_may_take_it() {
        check(Kind::Text, b"q=1%27+UNION+SELECT+password,2+FROM+users--+", "seen");
        check(Kind::Text, br#" {"a":"\u003cscript\u003e"}"#, "seen");
        check(Kind::Text, b"an ordinary note, {not json}", "clean");
    }
}
