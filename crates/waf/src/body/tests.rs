//! What forms, JSON and XML give, and what holds for every body.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { count_max: 1_000, depth_max: 20, bytes_max: 100_000 };

fn shown(pairs: &Pairs) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()))
        .collect();
    pairs.join(" & ")
}

fn form(text: &str, expected: &str) {
    let form = urlencoded::read(text.as_bytes(), b'&', &LIMITS);
    let broken = if form.has_broken_escape { " !" } else { "" };
    assert_eq!(format!("{}{broken}", shown(&form.pairs)), expected, "{text}");
    assert_eq!(form.error, None);
}

#[test]
fn forms() {
    form("", "");
    form("a=1&b=2", "a=1 & b=2");
    form("a=1&&b=2&", "a=1 & b=2");
    form("=x&a&=", "=x & a= & =");
    form("a==b&a=c", "a==b & a=c");
    form("a%3Db=c%26+d", "a=b=c& d");
    form("%00a=%ff", "\\x00a=\\xff");
    form("a;b=2;c", "a;b=2;c");
    form("a=%zz", "a=%zz !");
    form("a=b%4&%=1", "a=b%4 & %=1 !");
    form("a=%u0041", "a=%u0041 !");
    let form = urlencoded::read(b"a=1;b=2&c", b';', &LIMITS);
    assert_eq!(shown(&form.pairs), "a=1 & b=2&c");
}

#[test]
fn a_form_with_too_many_arguments_is_wrong() {
    let limits = Limits { count_max: 2, ..LIMITS };
    assert_eq!(urlencoded::read(b"a&b", b'&', &limits).error, None);
    let form = urlencoded::read(b"a&b&c", b'&', &limits);
    assert_eq!((form.pairs.len(), form.error.is_some()), (2, true));
    let limits = Limits { bytes_max: 5, ..LIMITS };
    let form = urlencoded::read(b"a=bb&c=dd", b'&', &limits);
    assert_eq!((shown(&form.pairs).as_str(), form.error.is_some()), ("a=bb", true));
}

fn document(text: &[u8], expected: &str, error: Option<&str>) {
    let read = json::read(text, &LIMITS);
    assert_eq!(shown(&read.pairs), expected, "{}", text.escape_ascii());
    let error = error.map(|error| format!("JSON parsing error: {error}"));
    assert_eq!(read.error, error, "{}", text.escape_ascii());
}

#[test]
fn json_becomes_names_and_values() {
    for (text, expected) in [
        ("", ""),
        (" \n", ""),
        ("5", "json=5"),
        (r#""x""#, "json=x"),
        ("[1,2]", "json.0=1 & json.1=2 & json=2"),
        (
            r#"{"a":{"b":[1,"x",null,true,false,{"c":[]}]},"a":2,"e":{}}"#,
            "json.a.b.0=1 & json.a.b.1=x & json.a.b.2= & json.a.b.3=true & json.a.b.4=false & json.a.b.5.c=0 & json.a.b=6 \
             & json.a=2",
        ),
        (
            "[[1],[2,[3]],[[],[4]]]",
            "json.0.0=1 & json.0=1 & json.1.0=2 & json.1.1.0=3 & json.1.1=1 & json.1=2 & json.2.0=0 & json.2.1.0=4 & json.2.1=1 \
             & json.2=2 & json=3",
        ),
        (r#"[{"a":1},{"a":2}]"#, "json.0.a=1 & json.1.a=2 & json=2"),
        (r#" { "a" : [ 1 , 2 ] , "b" : { } } "#, "json.a.0=1 & json.a.1=2 & json.a=2"),
        (r#"{"":1,"a.b":2}"#, "json.=1 & json.a.b=2"),
        (
            r#"{"a":1.50e3,"b":-0,"c":1E+400,"d":0.5}"#,
            "json.a=1.50e3 & json.b=-0 & json.c=1E+400 & json.d=0.5",
        ),
        (r#"["\"\\\/\b\f\n\r\t\u0041\u00e9"]"#, "json.0=\\\"\\\\/\\x08\\x0c\\n\\r\\tA\\xc3\\xa9 & json=1"),
        (r#"["\ud83d\ude00"]"#, "json.0=\\xf0\\x9f\\x98\\x80 & json=1"),
        // Half a pair of surrogates.
        (
            r#"["\ud83dx","\ude00","\ud83d\u0041"]"#,
            "json.0=\\xef\\xbf\\xbdx & json.1=\\xef\\xbf\\xbd & json.2=\\xef\\xbf\\xbdA & json=3",
        ),
        (r#"{"\u0061":"b"}"#, "json.a=b"),
    ] {
        document(text.as_bytes(), expected, None);
    }
}

#[test]
fn what_is_before_a_mistake_in_json_is_given() {
    for (text, expected, error) in [
        (r#"{"a":1"#, "json.a=1", "expected `,` or `}` at byte 6"),
        (r#"{"a":1} x"#, "json.a=1", "data after the document at byte 8"),
        (r#"{"a":01}"#, "json.a=0", "expected `,` or `}` at byte 6"),
        ("[1,]", "json.0=1", "expected a value at byte 3"),
        ("[1 2]", "json.0=1", "expected `,` or `]` at byte 3"),
        (r#"{"a":1,}"#, "json.a=1", "expected a key in `\"` at byte 7"),
        (r#"{a:1}"#, "", "expected a key in `\"` at byte 1"),
        (r#"{"a" 1}"#, "", "expected `:` at byte 5"),
        ("[1,nul]", "json.0=1", "expected a value at byte 3"),
        (r#"["a"#, "", "expected `\"` at byte 2"),
        (r#"["a\q"]"#, "", "unknown escape in a string at byte 4"),
        (r#"["\u00g0"]"#, "", "unknown escape in a string at byte 3"),
        ("[1.]", "", "expected a digit at byte 3"),
        ("[-]", "", "expected a digit at byte 2"),
        ("[1e]", "", "expected a digit at byte 3"),
        ("/**/1", "", "expected a value at byte 0"),
        ("]", "", "expected a value at byte 0"),
    ] {
        document(text.as_bytes(), expected, Some(error));
    }
}

#[test]
fn what_readers_of_json_put_up_with_is_wrong_and_read_on() {
    document(b"\xef\xbb\xbf[1]", "json.0=1 & json=1", Some("byte order mark at byte 0"));
    document(
        b"[\"a\xff\",2]",
        "json.0=a\\xff & json.1=2 & json=2",
        Some("bytes that are no UTF-8 in a string at byte 2"),
    );
    document(
        b"[\"a\nb\",2]",
        "json.0=a\\nb & json.1=2 & json=2",
        Some("control character in a string at byte 2"),
    );
}

#[test]
fn json_cannot_be_deep_or_make_more_than_is_allowed() {
    let nested = |depth: usize| format!("{}5{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    document(nested(20).as_bytes(), &format!("json{}=5", ".a".repeat(20)), None);
    document(nested(21).as_bytes(), "", Some("more than 20 containers in one another at byte 100"));
    // Each value would repeat the long name.
    let text = format!(r#"{{"{}":[{}1]}}"#, "k".repeat(10_000), "1,".repeat(900));
    let read = json::read(text.as_bytes(), &LIMITS);
    assert!(
        read.pairs.bytes() <= LIMITS.bytes_max && read.error.is_some_and(|error| error.contains("more than"))
    );
}

fn xml(text: &str, texts: &str, attributes: &str, error: Option<&str>) {
    let read = xml::read(text.as_bytes(), &LIMITS);
    assert_eq!(
        (shown(&read.texts).as_str(), shown(&read.attributes).as_str()),
        (texts, attributes),
        "{text}"
    );
    assert_eq!(read.error, error.map(|error| format!("XML parsing error: {error}")), "{text}");
}

#[test]
fn xml_becomes_texts_and_attributes() {
    xml("", "", "", None);
    xml("<a/>", "", "", None);
    xml(
        r#"<?xml version="1.0" encoding="UTF-8"?><a b="c" d='e'>t<x f="g"/> u </a>"#,
        "a=t & a=u",
        "b=c & d=e & f=g",
        None,
    );
    xml("<a><b> 1 </b>\n<c>2</c></a>\n", "b=1 & c=2", "", None);
    xml("<a>&lt;s&#99;r&#x69;pt&gt;&amp;&quot;&apos;</a>", "a=<script>&\\\"\\'", "", None);
    xml("<a>x<!-- c -->y<![CDATA[<z>]]><?pi?>&amp;</a>", "a=xy<z>&", "", None);
    xml(r#"<a b="&lt;&#39;x"/>"#, "", "b=<\\'x", None);
    xml("<n:a xmlns:n='u' n:b='c'>t</n:a>", "n:a=t", "xmlns:n=u & n:b=c", None);
}

#[test]
fn what_is_before_a_mistake_in_xml_is_given() {
    xml("<a>t", "a=t", "", Some("an element that is not closed"));
    xml("<a>t</a>x", "a=t & =x", "", Some("text outside of all elements"));
    xml("<a>t</a><b>u</b>", "a=t & b=u", "", Some("more than one outermost element"));
    xml("<a>&x;t</a>", "a=t", "", Some("an entity that XML itself does not know"));
    xml(r#"<a b="&x;&amp"/>"#, "", "b=&x;&amp", Some("an entity that XML itself does not know"));
    xml("text", "=text", "", Some("text outside of all elements"));
    xml("<?xml version='1.0'?>", "", "", Some("no element"));
    xml(
        "<?xml version='1.0' encoding='utf-7'?><a>+ADw-</a>",
        "a=+ADw-",
        "",
        Some("an encoding that is not read here"),
    );
    let mismatch = xml::read(b"<a>t</b>", &LIMITS);
    assert_eq!((shown(&mismatch.texts).as_str(), mismatch.error.is_some()), ("a=t", true));
}

#[test]
fn a_document_type_declaration_is_wrong_and_shown_to_rules() {
    xml(
        r#"<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>"#,
        "=a [<!ENTITY x SYSTEM \\\"file:///etc/passwd\\\">]",
        "",
        Some("a document type declaration"),
    );
}

#[test]
fn bytes_of_xml_in_other_encodings() {
    let read = xml::read(b"<?xml version='1.0' encoding='ISO-8859-1'?><a>caf\xe9</a>", &LIMITS);
    assert_eq!((shown(&read.texts).as_str(), read.error), ("a=caf\\xef\\xbf\\xbd", None));
    let read = xml::read(b"<a>caf\xe9</a>", &LIMITS);
    assert!(read.error.is_some_and(|error| error.contains("no UTF-8")));
    let utf16: Vec<u8> = "<a>select</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(xml::read(&utf16, &LIMITS).error.is_some());
    assert!(xml::read(&[b"\xff\xfe".as_slice(), &utf16].concat(), &LIMITS).error.is_some());
}

#[test]
fn xml_cannot_be_deep_or_make_more_than_is_allowed() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    xml(&nested(20), "", "", None);
    xml(&nested(21), "", "", Some("more than 20 elements in one another"));
    let many = format!("<a {}/>", "b='' ".repeat(2_000));
    let read = xml::read(many.as_bytes(), &LIMITS);
    assert_eq!((read.attributes.len(), read.error.is_some()), (LIMITS.count_max, true));
}

/// Bytes that are rich in what readers look for.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let words = vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"b\":",
        "1",
        "-0.5e3",
        "null",
        "true",
        "\\",
        "\\u0041",
        "\\ud83d",
        " ",
        "<a>",
        "</a>",
        "<b c=\"d\">",
        "<b",
        "/>",
        "&lt;",
        "&#65;",
        "&",
        ";",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?xml ",
        "?>",
        "<!DOCTYPE ",
        "=",
        "%",
        "%41",
        "+",
        "a",
        "\n",
        "'",
    ];
    let piece = prop_oneof![
        9 => proptest::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn limits() -> impl Strategy<Value = Limits> {
    (0..10_usize, 0..5_usize, 0..100_usize).prop_map(|(count_max, depth_max, bytes_max)| Limits {
        count_max,
        depth_max,
        bytes_max,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn limits_hold_for_every_body(body in body(), limits in limits()) {
        for pairs in [
            urlencoded::read(&body, b'&', &limits).pairs,
            json::read(&body, &limits).pairs,
            xml::read(&body, &limits).texts,
            xml::read(&body, &limits).attributes,
        ] {
            prop_assert!(pairs.len() <= limits.count_max && pairs.bytes() <= limits.bytes_max);
            prop_assert_eq!(pairs.iter().count(), pairs.len());
        }
    }

    /// A reader of JSON that others wrote finds the same, and refuses the same.
    #[test]
    fn json_is_what_serde_takes_for_it(body in body()) {
        let theirs = serde_json::from_slice::<serde_json::Value>(&body);
        let ours = json::read(&body, &LIMITS);
        let is_lenient = ours.error.as_ref().is_some_and(|error| error.contains("byte order mark"));
        if !body.trim_ascii().is_empty() && !is_lenient {
            // Half a pair of surrogates and numbers beyond a double are syntax, and mistakes for serde.
            let text = String::from_utf8_lossy(&body).to_lowercase();
            prop_assert!(theirs.is_ok() == ours.error.is_none() || text.contains("\\ud83d"), "{:?} {:?}", theirs, ours);
        }
    }

    #[test]
    fn what_serde_writes_is_read_without_a_mistake(
        value in proptest::collection::vec((".{0,5}", proptest::collection::vec(".{0,5}", 0..3)), 0..5)
    ) {
        let text = serde_json::to_vec(&value).unwrap();
        let read = json::read(&text, &LIMITS);
        prop_assert_eq!(read.error, None);
        let mut expected = Vec::new();
        for (name, values) in &value {
            expected.push(name.clone());
            expected.extend(values.iter().cloned());
            expected.extend([values.len().to_string(), "2".to_owned()]);
        }
        expected.push(value.len().to_string());
        let expected: Vec<&[u8]> = expected.iter().map(String::as_bytes).collect();
        prop_assert_eq!(read.pairs.iter().map(|(_, value)| value).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_encoded_is_read_as_it_was(pairs in proptest::collection::vec((".{1,5}", ".{0,5}"), 0..5)) {
        let text = serde_urlencoded::to_string(&pairs).unwrap();
        let form = urlencoded::read(text.as_bytes(), b'&', &LIMITS);
        let expected: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        prop_assert_eq!(form.pairs.iter().collect::<Vec<_>>(), expected);
        prop_assert!(!form.has_broken_escape);
    }
}
