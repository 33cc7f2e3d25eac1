//! Events as JSON, byte for byte as `serde_json` writes them, for half of its instructions.
//!
//! Every request pays for its event. Most of an event is names that are known beforehand and need no escape, and short
//! plain texts, which `serde_json` still reads byte by byte. Whatever is not plain is left to it.

use std::fmt::Display;
use std::io::Write;

use serde::ser::{Error as _, Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};
use serde_json::{Error, Result};

/// Appends `event`, which consists of structures, lists and plain values. What no event has (maps with keys of their own,
/// tuples, variants with content) is an error.
pub(crate) fn write(event: &(impl Serialize + ?Sized), line: &mut Vec<u8>) -> Result<()> {
    event.serialize(Value(line))
}

/// Where one value is written.
struct Value<'a>(&'a mut Vec<u8>);

/// Where the members of a structure or a list are written.
struct Members<'a> {
    line: &'a mut Vec<u8>,
    /// Whether one was written.
    begun: bool,
}

impl<'a> Value<'a> {
    fn literal(self, text: &[u8]) -> Result<()> {
        self.0.extend_from_slice(text);
        Ok(())
    }

    fn number(self, number: impl itoa::Integer) -> Result<()> {
        self.literal(itoa::Buffer::new().format(number).as_bytes())
    }

    fn plain(self, text: &str) -> Result<()> {
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
        Ok(())
    }

    /// What is rare: as the library does it.
    fn rare(self, value: &(impl Serialize + ?Sized)) -> Result<()> {
        serde_json::to_writer(self.0, value)
    }

    fn members(self, opening: u8) -> Members<'a> {
        self.0.push(opening);
        Members { line: self.0, begun: false }
    }
}

impl Members<'_> {
    fn next(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            self.line.push(b',');
        }
    }
}

/// Whether a JSON string has these bytes as they are (RFC 8259 §7). Without a way out, so that many are asked at once.
fn is_plain(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |odd, byte| odd | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\'))
}

impl SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = Error;

    /// `key` is the name of a field or what it is renamed to: an identifier.
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        self.next();
        self.line.push(b'"');
        self.line.extend_from_slice(key.as_bytes());
        self.line.extend_from_slice(b"\":");
        value.serialize(Value(self.line))
    }

    fn end(self) -> Result<()> {
        self.line.push(b'}');
        Ok(())
    }
}

impl SerializeSeq for Members<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.next();
        value.serialize(Value(self.line))
    }

    fn end(self) -> Result<()> {
        self.line.push(b']');
        Ok(())
    }
}

/// The numbers that are all written in one way.
macro_rules! numbers {
    ($($name:ident($number:ty))*) => {
        $(fn $name(self, number: $number) -> Result<()> {
            self.number(number)
        })*
    };
}

impl<'a> Serializer for Value<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    numbers! {
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
    }

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.literal(if value { b"true" } else { b"false" })
    }

    fn serialize_f32(self, number: f32) -> Result<()> {
        self.rare(&number)
    }

    fn serialize_f64(self, number: f64) -> Result<()> {
        self.rare(&number)
    }

    fn serialize_char(self, letter: char) -> Result<()> {
        self.rare(&letter)
    }

    fn serialize_str(self, text: &str) -> Result<()> {
        if !is_plain(text.as_bytes()) {
            return self.rare(text);
        }
        self.plain(text)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<()> {
        let begin = self.0.len();
        write!(self.0, "\"{value}\"").map_err(Error::io)?;
        let text = self.0.get(begin + 1..self.0.len() - 1).unwrap_or_default();
        if is_plain(text) {
            return Ok(());
        }
        self.0.truncate(begin);
        self.rare(&value.to_string())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<()> {
        self.rare(bytes)
    }

    fn serialize_none(self) -> Result<()> {
        self.literal(b"null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.literal(b"null")
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.literal(b"null")
    }

    /// `variant` is an identifier, as the names of fields are.
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.plain(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<()> {
        Err(not_of_events(name))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'a>> {
        Ok(self.members(b'['))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple> {
        Err(not_of_events("tuple"))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct> {
        Err(not_of_events(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        Err(not_of_events(name))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap> {
        Err(not_of_events("map"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'a>> {
        Ok(self.members(b'{'))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant> {
        Err(not_of_events(name))
    }
}

fn not_of_events(what: &str) -> Error {
    Error::custom(format!("an event has no such thing: {what}"))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use jiff::Timestamp;
    use portcullis_model::event::EVENT_VERSION;
    use portcullis_model::{
        ApplicationName, Blame, Decision, Outcome, RequestEvent, RequestId, RouteName, SessionId, Stage,
        Verdict, WebsocketEnd,
    };
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: &(impl Serialize + ?Sized)) {
        let mut line = b"before ".to_vec();
        write(value, &mut line).unwrap();
        let expected = format!("before {}", serde_json::to_string(value).unwrap());
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    fn event(text: &str, number: u64, some: bool) -> RequestEvent {
        let when = |text: &str| some.then(|| text.into());
        RequestEvent {
            v: EVENT_VERSION,
            kind: "request",
            time: Timestamp::from_millisecond((number % 253_000_000_000_000) as i64).unwrap(),
            request_id: RequestId::from_parts(number, 7),
            client_request_id: when(text),
            trace_id: when(text),
            client: if some { IpAddr::from([192, 0, 2, 1]) } else { Ipv6Addr::LOCALHOST.into() },
            protocol: some.then_some("h2"),
            method: text.into(),
            host: when(text),
            path: text.into(),
            application: some.then(|| ApplicationName::parse("shop").unwrap()),
            route: some.then(|| RouteName::parse("all").unwrap()),
            principal: when(text),
            session: some.then_some(SessionId([7; 16])),
            status: some.then_some(404),
            outcome: Outcome::ClientGone,
            blame: some.then_some(Blame::Client),
            stage: Stage::InspectHead,
            reason: when(text),
            decisions: vec![
                Decision {
                    stage: Stage::Accept,
                    verdict: Verdict::WouldRefuse,
                    detail: text.into()
                };
                usize::from(some) * 2
            ],
            bytes_in: number,
            bytes_out: 0,
            duration_us: u64::MAX,
            upstream_us: some.then_some(number),
            websocket: some.then_some(WebsocketEnd {
                ended_by: "gate".into(),
                close_code: Some(1000),
                messages_in: 0,
                messages_out: number,
            }),
        }
    }

    proptest! {
        #[test]
        fn an_event_is_written_as_the_library_writes_it(text in any::<String>(), number: u64, some: bool) {
            check(&event(&text, number, some));
        }

        #[test]
        fn texts_of_any_length_are_plain_or_not(text in "[ -~\u{0}-\u{1f}\u{7f}-\u{9f}é\"\\\\]{0,70}") {
            check(&text);
        }
    }

    #[test]
    fn what_events_seldom_have_is_the_librarys() {
        #[derive(serde::Serialize)]
        struct Rare<'a>(&'a [f64]);

        #[derive(serde::Serialize)]
        struct Nothing;

        check(&Rare(&[1.5, -0.0, f64::NAN, 1e300]));
        check(&Nothing);
        check(&['a', '"', '\u{1}'].as_slice());
        check(&[Some(true), None, Some(false)].as_slice());
        check(&[i64::MIN, -1, 0].as_slice());
        check(&format_args!("{:?}", "quoted"));
    }

    #[test]
    fn what_no_event_has_is_an_error_and_never_half_a_line_unsaid() {
        let map = std::collections::BTreeMap::from([(1, 2)]);
        let error = write(&map, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "an event has no such thing: map");
    }
}
