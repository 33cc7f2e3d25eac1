//! What operators match and what not.

use proptest::prelude::*;

use super::*;
use crate::load::Memory;

fn files() -> Memory {
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    Memory(
        [
            file("scanners.data", "# Tools\nsqlmap\n\nNikto\r\n  # indented\n in query\nwith # inside\n"),
            file("networks.data", "# Ours\n2001:db8::/32\n10.0.0.0/8\n\n"),
            file("empty.data", "# nothing\n\n"),
            file("words.data", "other\n"),
        ]
        .into(),
    )
}

fn parse(name: &str, argument: &str) -> Result<Operator, Problem> {
    Operator::parse(name, argument, &mut Source { loader: &mut files(), from: "rules.conf" })
}

/// What a value gives: the first capture, when it matches.
fn ask(name: &str, argument: &str, value: &[u8]) -> Option<String> {
    let mut captures = Captures::default();
    let is_match = match Comparison::named(name) {
        Some(comparison) => comparison.matches(value, argument.as_bytes(), &mut captures),
        None => parse(name, argument).unwrap().matches(value, &mut captures),
    };
    let part = captures.text(0).unwrap_or_default();
    assert!(is_match || part.is_empty());
    is_match.then(|| part.escape_ascii().to_string())
}

/// Values that match, with the part that does, and values that do not.
fn check(name: &str, argument: &str, matches: &[(&[u8], &str)], passes: &[&[u8]]) {
    for (value, part) in matches {
        assert_eq!(
            ask(name, argument, value).as_deref(),
            Some(*part),
            "{name} {argument} {}",
            value.escape_ascii()
        );
    }
    for value in passes {
        assert_eq!(ask(name, argument, value), None, "{name} {argument} {}", value.escape_ascii());
    }
}

fn problem(name: &str, argument: &str) -> String {
    parse(name, argument).unwrap_err().to_string()
}

#[test]
fn every_operator_does_what_its_example_says() {
    let comparisons = Comparison::ALL.iter().map(|one| one.about());
    for about in comparisons.chain(OPERATORS.iter().map(|(about, _)| *about)) {
        for name in about.names {
            let Example { argument, matches, passes } = about.example;
            assert!(matches.is_none_or(|value| ask(name, argument, value).is_some()), "{name}");
            assert!(passes.is_none_or(|value| ask(name, argument, value).is_none()), "{name}");
            assert!(matches.is_some() || passes.is_some());
        }
        assert!(!about.what.is_empty());
    }
}

#[test]
fn names_are_known_in_any_case_of_letters() {
    assert_eq!(Comparison::named("BEGINSWITH"), Some(Comparison::BeginsWith));
    assert_eq!(Comparison::named("begins"), None);
    assert!(parse("VALIDATEURLENCODING", "").is_ok());
    assert_eq!(Operator::what("pmf"), Operator::what("pmFromFile"));
    for comparison in Comparison::ALL {
        assert_eq!(Comparison::named(comparison.name()), Some(*comparison));
    }
}

#[test]
fn what_cannot_be_carried_out_is_refused_with_advice() {
    assert_eq!(problem("nonsense", ""), "unknown operator `nonsense`");
    assert!(problem("RBL", "list.example").contains("@ipMatchFromFile"));
    for name in [
        "geoLookup",
        "gsbLookup",
        "inspectFile",
        "fuzzyHash",
        "rsub",
        "validateDTD",
        "validateSchema",
        "validateHash",
    ] {
        assert!(problem(name, "x").starts_with(&format!("`@{name}`: ")), "{name}");
    }
}

#[test]
fn texts() {
    check("beginsWith", "ab", &[(b"ab", "ab"), (b"abc", "ab")], &[b"", b"a", b"Ab", b"cab"]);
    check("beginsWith", "", &[(b"", ""), (b"a", "")], &[]);
    check("endsWith", "ab", &[(b"ab", "ab"), (b"cab", "ab")], &[b"", b"b", b"aB", b"abc"]);
    check("contains", "#", &[(b"a#b", "#")], &[b"", b"a"]);
    check("contains", "", &[(b"", "")], &[]);
    check("strmatch", "ab", &[(b"cabd", "ab")], &[b"aB"]);
    check("streq", "POST", &[(b"POST", "POST")], &[b"POST ", b"post", b""]);
    check("streq", "", &[(b"", "")], &[b" "]);
    check("within", "GET HEAD", &[(b"GET", "GET"), (b"", ""), (b"T H", "T H")], &[b"get", b"GET HEAD "]);
    check("within", "", &[(b"", "")], &[b"a"]);
}

#[test]
fn words() {
    let word: &[(&[u8], &str)] = &[
        (b"or", "or"),
        (b"or 1", "or"),
        (b"1or2", "or"),
        (b"for or", "or"),
        (b"\xffor\xff", "or"),
        (b"_or_", "or"),
    ];
    check("containsWord", "or", word, &[b"", b"o", b"for", b"ord", b"orfor", b"OR"]);
    check("containsWord", "", &[(b"", ""), (b"a", "")], &[]);
}

#[test]
fn numbers() {
    check("eq", "5", &[(b"5", "5"), (b" \t+5x", " \\t+5x"), (b"05", "05")], &[b"", b"x5", b"-5", b"50"]);
    check("eq", "0", &[(b"", ""), (b"zero", "zero"), (b"-0", "-0")], &[b"1"]);
    check("lt", "-3", &[(b"-4", "-4")], &[b"-3", b"0"]);
    check(
        "ge",
        "2147483648",
        &[(b"99999999999999999999", "99999999999999999999")],
        &[b"-99999999999999999999"],
    );
    check("gt", "1", &[(b"2", "2")], &[b"1", b"0"]);
    check("le", "", &[(b"0", "0")], &[b"1"]);
}

#[test]
fn phrases() {
    check("pm", "Union select", &[(b"a UNION b", "UNION"), (b"selectunion", "select")], &[b"", b"unio n"]);
    check("pm", "?>", &[(b"a?>", "?>")], &[b"?", b">"]);
    check("pm", "( )", &[(b"f(", "("), (b")", ")")], &[b"f"]);
    check("pm", "A|42 43|D", &[(b"abcd", "abcd")], &[b"a|42|d"]);
    check("pm", r#""\:x\"""#, &[(b":x\"", ":x\\\"")], &[b"x"]);
    // Not written as Snort would: meant as it stands.
    check("pm", "a|b", &[(b"a|b", "a|b")], &[b"a", b"b", b"ab"]);
    check("pm", r"C:\x", &[(br"c:\X", r"c:\\X")], &[b"c:x"]);
    check("pm", "\u{e9}", &[("\u{e9}".as_bytes(), "\\xc3\\xa9")], &["\u{c9}".as_bytes()]);
    assert_eq!(problem("pm", " "), "`@pm`: there is no phrase in it");
}

#[test]
fn phrases_of_files() {
    let found: &[(&[u8], &str)] =
        &[(b"x NIKTO", "NIKTO"), (b"error in query", " in query"), (b"with # inside", "with # inside")];
    check("pmFromFile", "scanners.data", found, &[b"tools", b"indented", b"in query", b"#"]);
    check("pmf", "scanners.data words.data", &[(b"other", "other"), (b"sqlmap", "sqlmap")], &[]);
    assert_eq!(problem("pmFromFile", "missing.data"), "`missing.data`: there is no such file");
    assert_eq!(problem("pmFromFile", "empty.data"), "`@pmFromFile`: there is no phrase in it");
    assert!(problem("pmFromFile", "https://example.org/list").contains("fetches nothing"));
}

#[test]
fn addresses() {
    let argument = "127.0.0.1, ::1,10.0.0.0/8,2001:db8::/33,192.0.2.128/25,192.0.2.0/25";
    check(
        "ipMatch",
        argument,
        &[
            (b"127.0.0.1", "127.0.0.1"),
            (b"::ffff:10.255.255.255", "::ffff:10.255.255.255"),
            (b"2001:db8:7fff::1", "2001:db8:7fff::1"),
            (b"192.0.2.255", "192.0.2.255"),
        ],
        &[
            b"",
            b"127.0.0.2",
            b"11.0.0.0",
            b"9.255.255.255",
            b"2001:db8:8000::",
            b"::2",
            b"10.0.0.0/8",
            b"10.1",
            b"\xff",
        ],
    );
    check("ipMatch", "0.0.0.0/0", &[(b"255.255.255.255", "255.255.255.255")], &[b"::1"]);
    check("ipMatch", "::/0", &[(b"ffff::", "ffff::")], &[b"1.2.3.4"]);
    check("ipMatchF", "networks.data", &[(b"10.1.2.3", "10.1.2.3")], &[b"11.1.2.3"]);
    for wrong in ["10.0.0.0/33", "::/129", "10.0.0", "10.0.0.0/255.0.0.0", "host.example", "1.2.3.4/"] {
        assert!(problem("ipMatch", wrong).contains("no address or network"), "{wrong}");
    }
    assert!(problem("ipMatch", " , ").contains("no address in it"));
    assert!(problem("ipMatchFromFile", "scanners.data").contains("`sqlmap`"));
}

#[test]
fn bytes() {
    check("validateByteRange", "1-255", &[(b"a\0b", "\\x00")], &[b"", b"\x01\xff"]);
    check("validateByteRange", "9, 10 ,32-126", &[(b"a\rb", "\\r"), (b"\x7f", "\\x7f")], &[b"a\t\n~"]);
    check("validateByteRange", "0-255", &[], &[b"\0\xff"]);
    for wrong in ["", "256", "-1", "9-1", "1-2-3", "a", "1,,2"] {
        assert!(problem("validateByteRange", wrong).contains("no range of bytes"), "{wrong}");
    }
}

#[test]
fn encodings() {
    check(
        "validateUrlEncoding",
        "",
        &[(b"a%", "%"), (b"%4", "%4"), (b"%20%zz", "%zz"), (b"%%41", "%%4")],
        &[b"", b"%41%fF", b"+"],
    );
    check(
        "validateUtf8Encoding",
        "",
        &[
            (b"a\xff", "\\xff"),
            (b"\xc3", "\\xc3"),
            (b"\xe0\x80\xaf", "\\xe0"),
            (b"\xed\xa0\x80", "\\xed"),
            (b"\xf4\x90\x80\x80", "\\xf4"),
        ],
        &[b"", b"a", "\u{e9}\u{10ffff}".as_bytes()],
    );
}

#[test]
fn numbers_that_prove_themselves() {
    // 13 digits match first, and are no card; 16 from the same place are.
    check(
        "verifyCC",
        r"\d{13,16}",
        &[(b"x4111111111111111", "4111111111111111")],
        &[b"4111111111111", b"", b"0"],
    );
    // The pattern takes a digit too many in front.
    check("verifyCC", r"\d{16}", &[(b"94111111111111111", "4111111111111111")], &[]);
    check(
        "verifyCPF",
        r"[\d.-]{11,14}",
        &[(b"52998224725", "52998224725")],
        &[b"111.111.111-11", b"012.345.678-90"],
    );
    check(
        "verifySSN",
        r"[\d-]{9,11}",
        &[(b"078-05-1120", "078-05-1120")],
        &[b"123456789", b"000-12-3456", b"740-12-3456", b"078-00-1120", b"078-05-0000"],
    );
    check("verifySVNR", r"\d{10}", &[(b"1237010180", "1237010180")], &[b"1230010180", b"0000000000"]);
    assert!(problem("verifyCC", "").contains("regular expression"));
    assert!(problem("verifyCC", "(").starts_with("`@verifyCC`"));
}

#[test]
fn injections() {
    check(
        "detectSQLi",
        "",
        &[(b"1' or 1=1 --", "s&1c"), (b"1 union select 2", "1UE1")],
        &[b"", b"O'Neill", b"select", b"a b c d"],
    );
    check(
        "detectXSS",
        "",
        &[(b"<script>", "<script>"), (b"\" onerror=x", "\\\" onerror=x")],
        &[b"", b"a<b", b"a=b"],
    );
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"select",
        b"union",
        b" or ",
        b"1",
        b"'",
        b"\"",
        b"--",
        b"/*",
        b"*/",
        b"#",
        b"(",
        b")",
        b"=",
        b"<",
        b">",
        b"script",
        b" onerror",
        b"=x",
        b"javascript:",
        b"href",
        b"<!--",
        b"-->",
        b"%",
        b"%41",
        b"\xc3\xa9",
        b"\xff",
        b"\0",
        b"`",
        b"@",
        b"a.b",
        b"10.0.0.1",
        b"::1",
        b"4111111111111111",
        b"\\",
        b" ",
        b";",
        b",",
        b"style",
        b"svg",
        b"/",
    ];
    let piece = prop_oneof![
        3 => proptest::sample::select(words).prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn without_a_trigger_nothing_matches(value in value(), which in 0..OPERATORS.len()) {
        let about = OPERATORS[which].0;
        let operator = parse(about.name(), about.example.argument).unwrap();
        if let Some(triggers) = operator.triggers() {
            let tame: Vec<u8> = value.into_iter().filter(|byte| !triggers.contains(*byte)).collect();
            prop_assert!(!operator.matches(&tame, &mut Captures::default()), "{:?}", about);
        }
    }

    /// The promise of `@detectXSS`, asked of the library itself.
    #[test]
    fn without_a_trigger_libinjection_finds_no_script(value in value()) {
        let tame: Vec<u8> = value.into_iter().filter(|byte| !detect_xss::TRIGGERS.contains(*byte)).collect();
        prop_assert!(!libinjectionrs::detect_xss(&tame).is_injection());
    }

    #[test]
    fn what_matched_is_a_part_of_the_value(value in value(), argument in value(), which in 0..Comparison::ALL.len()) {
        let mut captures = Captures::default();
        let is_match = Comparison::ALL[which].matches(&value, &argument, &mut captures);
        prop_assert_eq!(is_match, captures.text(0).is_some());
        if let Some(part) = captures.text(0) {
            prop_assert!(part.is_empty() || value.windows(part.len()).any(|window| window == part));
        }
    }

    #[test]
    fn networks_are_what_their_prefix_says(bits in any::<u32>(), prefix in 0..=32_u32, other in any::<u32>()) {
        let address = std::net::Ipv4Addr::from_bits(bits);
        let other = bits ^ (other >> (prefix / 2));
        let is_near = prefix == 0 || bits >> (32 - prefix) == other >> (32 - prefix);
        let value = std::net::Ipv4Addr::from_bits(other).to_string();
        prop_assert_eq!(ask("ipMatch", &format!("{address}/{prefix}"), value.as_bytes()).is_some(), is_near);
    }
}
