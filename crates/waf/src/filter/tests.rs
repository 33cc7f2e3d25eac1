//! What is read off patterns, and that it keeps out nothing that they match.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use regex::bytes::{Regex, RegexBuilder};

use super::*;
use crate::load::{Memory, Source};

fn filter(pattern: &str) -> Filter {
    Filter::of_pattern(pattern).unwrap()
}

/// Lists of literals: one a line, set apart by spaces.
fn literals(pattern: &str, expected: &[&str]) {
    let lists = filter(pattern).literals;
    let shown: Vec<String> = lists
        .iter()
        .map(|list| {
            list.iter().map(|literal| literal.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(shown, expected, "{pattern}");
}

fn classes(pattern: &str, expected: &[&str]) {
    let shown: Vec<String> =
        filter(pattern).classes.iter().map(|class| class.iter().map(char::from).collect()).collect();
    assert_eq!(shown, expected, "{pattern}");
}

#[test]
fn literals_of_which_one_is_in_every_match() {
    literals("(?i)union.{0,9}select", &["select", "union"]);
    literals("(?i)(?:un|ba)ion", &["baion union"]);
    literals(r"\bon(?:load|error)\s*=", &["onerror onload"]);
    literals("(?i)s(?:elect|leep)[^a-z]+x", &["select sleep"]);
    literals("a(?:bc)?dd", &["abcdd add"]);
    literals("(?:ab){2}c", &["ababc"]);
    literals("(?:ab)+c", &["abc"]);
    literals("x(?:ab){1,3}", &["xab"]);
    literals("document[.]cookie", &["document.cookie"]);
    literals("[0-2]xyz", &["0xyz 1xyz 2xyz"]);
    literals(r"^https?://[^/]+/etc/passwd$", &["/etc/passwd", "http:// https://"]);
    literals("abcdefghijklmnopqrstuvwxyz0123456789", &["abcdefghijklmnopqrstuvwxyz0123456789"]);
    // Too common, or nothing at all.
    literals("a", &[]);
    literals("[a-z]+", &[]);
    literals("(?:union|)", &[]);
    literals("(?:union)?x*", &[]);
    literals("", &[]);
    literals("^$", &[]);
    literals("union|.", &[]);
}

#[test]
fn a_literal_that_has_another_one_adds_nothing() {
    literals("(?:select|selection|unselected|union)", &["select union"]);
    assert_eq!(literals::without_parts(vec![b"ab".to_vec(), b"xab".to_vec(), b"b".to_vec()]), [b"b"]);
}

#[test]
fn many_branches_are_still_a_list() {
    let words: Vec<String> = (0..300).map(|number| format!("word{number:03}x")).collect();
    assert_eq!(filter(&words.join("|")).literals[0].len(), 300);
    let words: Vec<String> = (0..2_000).map(|number| format!("{number:04}word")).collect();
    assert!(filter(&words.join("|")).literals.iter().all(|list| list.len() <= 400));
}

#[test]
fn bytes_of_which_one_is_in_every_match() {
    classes("<script", &["<", "p", "c", "s"]);
    classes("(?i)<x", &["<", "Xx"]);
    classes("[;|]|`", &["`|;"].map(|_| ";`|"));
    classes("a+b?[<>]*;", &[";", "a"]);
    classes("(?:<|a)(?:b|>)", &[">b", "<a"]);
    classes("(?:x|)", &[]);
    classes("[^a]", &[]);
    classes("[a-z]+", &[]);
}

#[test]
fn lengths() {
    for (pattern, length_min) in
        [("", 0), ("abc", 3), ("a{3,}b?", 3), ("a|bc", 1), ("^a$", 1), ("(?:ab|c)*", 0)]
    {
        assert_eq!(filter(pattern).length_min, length_min, "{pattern}");
    }
}

#[test]
fn operators_and_comparisons() {
    let parse = |name: &str, argument: &str| {
        let loader = &mut Memory::default();
        Filter::of_operator(&Operator::parse(name, argument, &mut Source { loader, from: "" }).unwrap())
    };
    let phrases = parse("pm", "Union SELECT xselectx or");
    assert_eq!((phrases.length_min, phrases.literals.len()), (2, 1));
    assert_eq!(phrases.literals[0], [b"or".to_vec(), b"select".to_vec(), b"union".to_vec()]);
    assert!(phrases.admits(b"FOR") && !phrases.admits(b"and"));
    let range = parse("validateByteRange", "1-255");
    assert!(range.admits(b"a\0") && !range.admits(b"a"));
    let any = parse("unconditionalMatch", "");
    assert!(any.admits(b""));
    assert!(!parse("noMatch", "").admits(b"a"));
    let contains = Filter::of_comparison(Comparison::Contains, b"-->");
    assert!(contains.admits(b"a-->") && !contains.admits(b"a->"));
    assert_eq!(Filter::of_comparison(Comparison::Eq, b"0"), Filter::default());
    assert_eq!(Filter::of_comparison(Comparison::Within, b"abc"), Filter::default());
    assert_eq!(Filter::of_comparison(Comparison::Streq, b""), Filter::default());
}

#[test]
fn what_is_no_pattern_is_said_so() {
    assert!(Filter::of_pattern("(").unwrap_err().to_string().starts_with("`@rx`: "));
}

/// Patterns in the manner of rules, with few letters, so that values match by chance too.
fn pattern() -> BoxedStrategy<String> {
    let words = vec![
        "a",
        "b",
        "ab",
        "select",
        "un",
        "<",
        "\\s",
        "\\d",
        "[a-c]",
        "[^a]",
        ".",
        "\\b",
        "^",
        "$",
        "\\(",
        "[ \\t]",
        "\\x00",
        "[\\x80-\\xff]",
        "or",
        "=",
        "[<>]",
        "(?i:Q)",
        "",
    ];
    let leaf = proptest::sample::select(words).prop_map(str::to_owned);
    let tree = leaf.prop_recursive(5, 40, 5, |inner| {
        let counts = prop_oneof![
            Just("?".to_owned()), Just("*".to_owned()), Just("+".to_owned()), Just("+?".to_owned()),
            (0..3_u32, 0..3_u32).prop_map(|(min, more)| format!("{{{min},{}}}", min + more)),
            (0..8_u32).prop_map(|count| format!("{{{count}}}")),
        ];
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 1..5).prop_map(|parts| parts.concat()),
            2 => proptest::collection::vec(inner.clone(), 1..5).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => (inner.clone(), counts).prop_map(|(part, count)| format!("(?:{part}){count}")),
            1 => inner.prop_map(|part| format!("(?i:{part})")),
        ]
    });
    tree.boxed()
}

fn compile(pattern: &str) -> Regex {
    RegexBuilder::new(pattern).unicode(false).dot_matches_new_line(true).build().unwrap()
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    let words = vec![
        "a", "b", "AB", "select", "UN", "un", "<", " ", "1", "(", "OR", "or", "=", ">", "q", "Q", "\0", "\n",
        "c",
    ];
    proptest::collection::vec(proptest::sample::select(words).prop_map(str::as_bytes), 0..8)
        .prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn what_matches_is_never_kept_out(pattern in pattern(), values in proptest::collection::vec(noise(), 20)) {
        let (regex, filter) = (compile(&pattern), filter(&pattern));
        for value in values.iter().filter(|value| regex.is_match(value)) {
            prop_assert!(filter.admits(value), "{} {:?} {}", pattern, filter, value.escape_ascii());
        }
    }

    /// Values that are made to match, which chance seldom gives.
    #[test]
    fn what_a_pattern_makes_is_never_kept_out(
        (pattern, value) in pattern()
            .prop_filter("no anchors inside", |pattern| !pattern.contains(['^', '$']) && !pattern.contains("\\b"))
            .prop_flat_map(|pattern| {
                let made = proptest::string::bytes_regex(&format!("(?s-u){pattern}")).unwrap();
                (Just(pattern), made)
            }),
        before in noise(),
        after in noise(),
    ) {
        let (regex, filter) = (compile(&pattern), filter(&pattern));
        for value in [value.clone(), [before, value, after].concat()] {
            prop_assert!(regex.is_match(&value));
            prop_assert!(filter.admits(&value), "{} {:?} {}", pattern, filter, value.escape_ascii());
        }
    }
}
