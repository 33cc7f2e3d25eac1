//! Any entry fits, opens again, and says what was cut.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis_model::audit::{
    Change, Cut, ENTRY_BYTES_MAX, Entry, Kind, Outcome, Personal, RequestFacts, Severity, Told, action,
};
use portcullis_model::{Decision, RequestId, Stage, Verdict, WebsocketEnd};
use portcullis_protect::{DataKey, Place, Purpose, Sealed};
use portcullis_store::audit::{SealError, SealWith, decode, seal};
use proptest::prelude::*;
use zeroize::Zeroizing;

const ORIGIN: &str = "node.example/log";

fn key(number: u8) -> DataKey {
    DataKey::generate([number; 16], Zeroizing::new([number.wrapping_add(1); 32]), Purpose::Subject)
}

fn sealed(entry: Entry<Personal>, bytes_max: usize) -> Result<Vec<u8>, SealError> {
    let (personal, about) = (key(1), key(2));
    let nonces = [[3; 12], [4; 12]];
    let with = SealWith { origin: ORIGIN, personal: Some(&personal), about: Some(&about), nonces, bytes_max };
    seal(entry, &with)
}

/// What is in a sealed part, at its place.
fn opened(part: &str, id: RequestId, field: &str, key: &DataKey) -> Personal {
    let sealed = Sealed::parse(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let elsewhere = Place::Entry { origin: ORIGIN, entry: &id.to_hex(), field: "elsewhere" };
    assert!(sealed.open(key, elsewhere).is_err());
    let place = Place::Entry { origin: ORIGIN, entry: &id.to_hex(), field };
    serde_json::from_slice(&sealed.open(key, place).unwrap()).unwrap()
}

/// A text as it was, or its beginning together with what the whole was.
#[track_caller]
fn check(name: &str, before: Option<&str>, after: Option<&str>, cuts: &[Cut]) {
    let cut = cuts.iter().find(|cut| cut.field.as_ref() == name);
    let (Some(before), Some(after)) = (before, after) else {
        return assert_eq!((before, cut), (after, None), "{name}");
    };
    match cut {
        None => assert_eq!(before, after, "{name}"),
        Some(cut) => {
            assert!(before.starts_with(after) && after.len() < before.len(), "{name}");
            let hash: String =
                digest(&SHA256, before.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!((cut.bytes, cut.sha256.as_ref()), (before.len() as u64, hash.as_str()), "{name}");
        }
    }
}

fn check_personal(before: &Personal, after: &Personal) {
    assert_eq!(before.client, after.client);
    if after.cut.iter().any(|cut| cut.field.as_ref() == "personal") {
        // Next to nothing is left, and that is said.
        assert_eq!((after.cut.len(), after.decisions.len()), (1, 0));
        return;
    }
    let text = |text: &Option<Box<str>>| text.clone();
    for (name, of) in [
        ("principal", (|part| &part.principal) as fn(&Personal) -> &Option<Box<str>>),
        ("session", |part| &part.session),
        ("host", |part| &part.host),
        ("path", |part| &part.path),
        ("resource", |part| &part.resource),
        ("client_request_id", |part| &part.client_request_id),
        ("trace_id", |part| &part.trace_id),
        ("reason", |part| &part.reason),
    ] {
        check(name, text(of(before)).as_deref(), text(of(after)).as_deref(), &after.cut);
    }
    let is_cut = after.cut.iter().any(|cut| cut.field.as_ref() == "decisions");
    assert_eq!(is_cut, after.decisions.len() < before.decisions.len());
    for (at, (before, after_one)) in before.decisions.iter().zip(&after.decisions).enumerate() {
        assert_eq!((before.stage, before.verdict), (after_one.stage, after_one.verdict));
        let name = format!("decisions.{at}.detail");
        check(&name, Some(&before.detail), Some(&after_one.detail), &after.cut);
    }
}

fn check_entry(before: &Entry<Personal>, bytes_max: usize) {
    let bytes = sealed(before.clone(), bytes_max).unwrap();
    assert!(bytes.len() <= bytes_max, "{} bytes", bytes.len());
    assert!(!bytes.contains(&b'\n'), "one line");
    let after = decode(&bytes).unwrap();
    assert_eq!(
        (after.id, after.time, after.kind, after.outcome),
        (before.id, before.time, before.kind, before.outcome)
    );
    let personal = after.personal.0.as_ref().map(|part| opened(part, before.id, "personal", &key(1)));
    let mut expected = before.personal.clone();
    let request = before.request.as_ref().unwrap();
    let hidden =
        after.request.as_ref().unwrap().method.as_ref() == "other" && request.method.as_ref() != "other";
    assert_eq!(hidden, request.method.as_ref() != "GET");
    if hidden {
        expected.method = Some(request.method.clone());
    }
    check_personal(&expected, &personal.unwrap_or_default());
    let about = after.about.as_ref().and_then(|part| part.0.as_ref());
    let about = about.map(|part| opened(part, before.id, "about", &key(2)));
    check_personal(&before.about.as_deref().cloned().unwrap_or_default(), &about.unwrap_or_default());
    if after.cut.iter().any(|cut| cut.field.as_ref() == "entry") {
        return assert_eq!((after.details, after.change), (None, None));
    }
    check("details", before.details.as_deref(), after.details.as_deref(), &after.cut);
    let change = |entry: &Option<Change>| entry.as_ref().and_then(|change| change.old.clone());
    check("change.old", change(&before.change).as_deref(), change(&after.change).as_deref(), &after.cut);
}

/// Texts of any length, of letters that JSON writes in one, two, four or six bytes.
fn text(most: usize) -> impl Strategy<Value = Box<str>> {
    let piece = prop_oneof![
        4 => Just("a"), 1 => Just("ü"), 1 => Just("\u{1}"), 1 => Just("\"\\"), 1 => Just("𝄞"), 1 => Just("\n{}"),
    ];
    let length = prop_oneof![8 => 0..20_usize, 1 => 0..most];
    (piece, length).prop_map(|(piece, length)| piece.repeat(length).into())
}

fn maybe(most: usize) -> impl Strategy<Value = Option<Box<str>>> {
    prop::option::of(text(most))
}

fn personal(most: usize) -> impl Strategy<Value = Personal> {
    let texts = prop::collection::vec(maybe(most), 8);
    let client = prop::option::of(any::<[u8; 16]>().prop_map(std::net::IpAddr::from));
    let many = prop_oneof![4 => 0..15_usize, 1 => 0..500_usize];
    let decisions = (many, text(most / 100 + 1)).prop_map(|(count, detail)| {
        let decision = Decision { stage: Stage::InspectBody, verdict: Verdict::Note, detail };
        vec![decision; count]
    });
    (texts, client, decisions).prop_map(|(texts, client, decisions)| {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().flatten();
        Personal {
            principal: next(),
            session: next(),
            client,
            host: next(),
            path: next(),
            method: None,
            resource: next(),
            client_request_id: next(),
            trace_id: next(),
            reason: next(),
            decisions,
            cut: Vec::new(),
        }
    })
}

fn entry(most: usize) -> impl Strategy<Value = Entry<Personal>> {
    let words = (text(most), maybe(most), maybe(most), text(most / 10));
    let method = prop_oneof![3 => Just("GET".into()), 1 => text(most).prop_filter("one of ours", |text| text.as_ref() != "GET")];
    (personal(most), prop::option::of(personal(most)), words, method).prop_map(
        |(personal, about, words, method)| {
            let (ended_by, details, old, setting) = words;
            let time = "2026-03-01T12:00:00Z".parse().unwrap();
            let mut entry = Entry::new(
                RequestId::from_parts(7, 9),
                time,
                Kind::ApiRequest,
                action::REQUEST,
                Severity::Info,
                Outcome::Success,
            );
            let websocket = WebsocketEnd {
                ended_by: Cow::Owned(ended_by.into()),
                close_code: None,
                messages_in: 1,
                messages_out: 2,
            };
            entry.request = Some(RequestFacts {
                id: RequestId::from_parts(7, 8),
                told: Told::End,
                protocol: Some(Cow::Borrowed("h2")),
                method,
                status: Some(200),
                stage: Stage::Respond,
                blame: None,
                bytes_in: u64::MAX,
                bytes_out: u64::MAX,
                duration_us: u64::MAX,
                upstream_us: Some(u64::MAX),
                websocket: Some(websocket),
            });
            (entry.details, entry.personal, entry.about) = (details, personal, about.map(Box::new));
            entry.change = Some(Change { setting, old, new: None });
            entry
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_entry_fits_opens_again_and_says_what_was_cut(entry in entry(90_000)) {
        check_entry(&entry, ENTRY_BYTES_MAX);
    }

    #[test]
    fn and_so_does_one_that_may_be_two_kilobytes_long(entry in entry(9_000)) {
        check_entry(&entry, 2048);
    }

    #[test]
    fn what_is_short_is_whole(entry in entry(30)) {
        let few = |part: &Personal| part.decisions.len() < 20;
        prop_assume!(few(&entry.personal) && entry.about.as_deref().is_none_or(few));
        let after = decode(&sealed(entry, ENTRY_BYTES_MAX).unwrap()).unwrap();
        let personal = after.personal.0.map(|part| opened(&part, after.id, "personal", &key(1)));
        prop_assert_eq!((after.cut, personal.unwrap_or_default().cut), (vec![], vec![]));
    }
}

#[test]
fn the_longest_of_all_texts_fits_and_keeps_its_beginning() {
    for letter in ["a", "\u{0}", "𝄞", "\""] {
        let long: Box<str> = letter.repeat(256 << 10).into();
        let mut personal = Personal { client: "192.0.2.1".parse().ok(), ..Personal::default() };
        for text in [&mut personal.path, &mut personal.host, &mut personal.reason, &mut personal.trace_id] {
            *text = Some(long.clone());
        }
        let time = "2026-03-01T12:00:00Z".parse().unwrap();
        let (kind, severity, outcome) = (Kind::SystemEvent, Severity::Info, Outcome::Success);
        let id = RequestId::from_parts(7, 9);
        let mut entry = Entry::new(id, time, kind, action::REQUEST, severity, outcome);
        (entry.details, entry.personal) = (Some(long.clone()), personal.clone());
        let bytes = sealed(entry.clone(), ENTRY_BYTES_MAX).unwrap();
        assert!((20_000..=ENTRY_BYTES_MAX).contains(&bytes.len()), "{letter:?} {}", bytes.len());
        let after = decode(&bytes).unwrap();
        let after = opened(after.personal.0.as_ref().unwrap(), id, "personal", &key(1));
        check_personal(&personal, &after);
        assert!(after.path.unwrap().len() > 600);
        let none =
            SealWith { origin: ORIGIN, personal: None, about: None, nonces: [[0; 12]; 2], bytes_max: 2048 };
        assert_eq!(seal(entry, &none), Err(SealError::NoKey));
    }
}
