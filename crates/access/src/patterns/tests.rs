//! What must fire, what must not, and that the quick look agrees with the ten expressions one by one.
//!
//! Whoever loosens or tightens an expression adds the text that made them do so here or in
//! `benign_posts.txt`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use regex::Regex;

use super::*;

const BENIGN_POSTS: &str = include_str!("benign_posts.txt");

thread_local! {
    static PATTERNS: Patterns = Patterns::new().unwrap();
    static ONE_BY_ONE: Vec<Regex> =
        Pattern::ALL.iter().map(|pattern| Regex::new(forms::expression(*pattern)).unwrap()).collect();
}

fn scan(value: &str) -> Option<Pattern> {
    PATTERNS.with(|patterns| patterns.scan(value))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Every input fires as a value, and as a value and as a name of a query, encoded once and twice.
#[track_caller]
fn check(expected: Pattern, inputs: &[&str]) {
    PATTERNS.with(|patterns| {
        for input in inputs {
            assert_eq!(patterns.scan(input), Some(expected), "as it stands: {input}");
            assert_eq!(patterns.scan_bytes(input.as_bytes()), Some(expected), "as bytes: {input}");
            let (once, twice) = (encoded(input), encoded(&encoded(input)));
            let seen = |raw: &str| patterns.scan_query(raw).map(|hit| (hit.pattern, hit.place));
            assert_eq!(seen(&format!("a=b&q={once}")), Some((expected, Place::Value)), "encoded: {input}");
            assert_eq!(seen(&format!("{once}=1")), Some((expected, Place::Name)), "as a name: {input}");
            let plus = once.replace("%20", "+");
            assert_eq!(seen(&format!("q={plus}")), Some((expected, Place::Value)), "with plus: {input}");
            // An input with `%XX` of its own is encoded twice already, and three times is not looked for.
            if !input.contains('%') {
                assert_eq!(seen(&format!("q={twice}&a")), Some((expected, Place::Value)), "twice: {input}");
                assert_eq!(patterns.scan_path(&format!("/{twice}")), patterns.scan(&format!("/{input}")));
            }
        }
    });
}

#[track_caller]
fn check_clean(value: &str) {
    assert_eq!(scan(value), None, "{value}");
}

#[test]
fn union_select_fires() {
    check(
        Pattern::UnionSelect,
        &[
            "SELECT * FROM users WHERE id = 1 UNION SELECT * FROM passwords",
            "1 union select null,null--",
            "1 UNION ALL SELECT 1,2,3",
            "-1' uNiOn\tSeLeCt\n1,group_concat(name),3 from users#",
            "x' UNION/**/SELECT/**/password/**/FROM/**/users-- -",
            "1/*!50000UnIoN*//*!50000SeLeCt*/1,2",
            "1 union--x\nselect 1",
            "1 union%23x%0aselect 1",
            "1)union(select(1),2,3)",
            "0union select @@version",
            "\\Nunion select 1",
            "union select username, password from users",
            "union select password from users where id=1",
            "' union select name from sqlite_master where type='table'--",
            "\" UNION SELECT 'a','b' FROM dual",
            "1 union distinct select concat(user(),0x3a,version())",
            "1 union select all 1",
            "1 union all select top 1 name from sysobjects",
            "' union select name collate x, 1 union select 2 --",
            "a union select case when 1=1 then 1 else 2 end",
            "a union select login||':'||hash, 1 from users",
            "1 union select t.* from t",
            "1 union select -1,0x414141,1e3",
            "1 union select 'x' into outfile '/tmp/x'",
            "\u{a0}1\u{a0}union\u{a0}select\u{a0}1",
        ],
    );
}

#[test]
fn drop_table_fires() {
    check(
        Pattern::DropTable,
        &[
            "drop table users",
            "DROP TABLE users;",
            "'; DROP TABLE users; --",
            "1; drop table users",
            "Robert'); DROP TABLE Students;--",
            "x'; dRoP/**/tAbLe/**/users#",
            "please drop table if exists users",
            "a drop table users cascade",
            "a drop table users;--",
            "a drop table users--",
            "\"; drop\ttable\n`users`",
            "; drop table [dbo].[users]",
            "drop table users, orders",
            "; drop temporary table t",
            "1 drop table users",
            "drop table users; select * from x",
            "x drop table a; drop table b",
        ],
    );
}

#[test]
fn delete_from_fires() {
    check(
        Pattern::DeleteFrom,
        &[
            "delete from users where id=1",
            "DELETE FROM users WHERE 1=1",
            "1; delete from users",
            "'; DELETE FROM users --",
            "x'); delete from users;",
            "delete/**/from/**/users/**/where/**/name/**/like/**/'a%'",
            "delete from users--",
            "delete from users;--",
            "delete from users/*",
            "id=1;delete from users",
            "delete\tfrom\n`users` where `id` in (1,2)",
            "delete from a where b is not null",
            "delete from users where not exists (select 1)",
            "delete from users where (id > 4)",
            "delete from users where 1",
            "delete from users; drop schema x",
            "delete from users where 'a'='a'",
        ],
    );
}

#[test]
fn script_tag_fires() {
    check(
        Pattern::ScriptTag,
        &[
            "<script>alert(1)</script>",
            "<SCRIPT SRC=//evil.example/x.js>",
            "\"><script>",
            "<script/x>alert(1)</script>",
            "<ScRiPt\n>alert(1)</sCrIpT>",
            "<script",
            "<svg><x:script xlink:href=x />",
            "a<script\u{c}src=x>",
        ],
    );
}

#[test]
fn javascript_url_fires() {
    check(
        Pattern::JavascriptUrl,
        &[
            "javascript:alert(1)",
            "JaVaScRiPt:alert(document.cookie)",
            " \u{1}javascript:alert(1)",
            "java\tscript:alert(1)",
            "j\na\rv\ta\nscript\n:alert(1)",
            "java&Tab;script&colon;alert(1)",
            "jav&#x0A;ascript&#58;alert(1)",
            "<a href=\"javascript:alert(1)\">",
            "<a href=javascript:void(0)>",
            "[x](javascript:alert(1))",
            "<javascript:alert(1)>",
            "javascript://%0aalert(1)",
            "javascript:/*--></title>*/alert(1)",
            "javascript: alert(1)",
            "<iframe src='javascript: alert(1);'>",
            "javascript:document.location='//evil.example'",
            "javascript:window[\"alert\"]",
            "javascript:location=name",
            "javascript:alert`1`",
            "javascript:(()=>{})",
            "javascript:void 0",
            "see javascript:history.back()",
        ],
    );
}

#[test]
fn event_handler_fires() {
    check(
        Pattern::EventHandler,
        &[
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)>",
            "\" onmouseover=\"alert(1)",
            "' ONFOCUS = 'alert(1)' autofocus '",
            "onclick=alert(1)",
            "\"onclick=alert(1)",
            "<body\nonload\t=\talert(1)>",
            "<details/open/ontoggle=alert(1)>",
            "x\u{c}onpointerrawupdate=a",
            "<video onloadstart=alert(1)>",
            "<marquee onstart=alert(1)>",
        ],
    );
}

#[test]
fn parent_slash_fires() {
    check(
        Pattern::ParentSlash,
        &[
            "../../etc/passwd",
            "/var/www/../../etc/passwd",
            "a../b",
            "..;/manager/html",
            "file:///../x",
            "..%2f..%2fetc%2fpasswd",
            "%2e%2e/",
            "..%c0%afetc",
            "%c0%ae%c0%ae/",
            "..%e0%80%afetc",
            "%e0%80%ae%e0%80%ae/",
            "..%f0%80%80%afetc",
        ],
    );
}

#[test]
fn parent_backslash_fires() {
    check(
        Pattern::ParentBackslash,
        &[r"..\..\windows\win.ini", r"c:\a\..\b", r"..%5c..%5cboot.ini", r"%2e%2e\", r"x..\", "..%c1%9cx"],
    );
}

#[test]
fn eval_call_fires() {
    check(
        Pattern::EvalCall,
        &[
            "eval(atob('YQ=='))",
            "window.EVAL(name)",
            "@eval($_POST[x])",
            "eval ($_GET['x'])",
            "eval/**/(String.fromCharCode(97))",
            "x;eval(\t1+1)",
            "eval ('alert(1)')",
            "setTimeout_eval(x)",
        ],
    );
}

#[test]
fn exec_call_fires() {
    check(
        Pattern::ExecCall,
        &[
            "exec('ls')",
            "shell_exec($_GET[c])",
            "__import__('os');exec(\"import os\")",
            "Runtime.getRuntime().exec(cmd)",
            "EXEC ('drop user x')",
            "1; exec (@q)--",
            "exec(\nx)",
            "exec (base64_decode('x'))",
        ],
    );
}

/// The posts of `benign_posts.txt`, as names and values.
fn benign_posts() -> Vec<Vec<(String, String)>> {
    let plain = |text: &str| text.trim().replace("\\n", "\n").replace("\\t", "\t").replace(r"\\", "\\");
    let field = |text: &str| {
        let (name, value) = text.split_once(": ").unwrap_or((text.trim_end_matches(':'), ""));
        (plain(name), plain(value))
    };
    let lines = BENIGN_POSTS.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    lines.map(|line| line.split(" | ").map(field).collect()).collect()
}

#[test]
fn ordinary_form_posts_never_count() {
    let posts = benign_posts();
    assert!(posts.len() >= 80, "{}", posts.len());
    let mut wrong = Vec::new();
    for post in &posts {
        let text = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
        let fields: Vec<String> = post.iter().map(text).collect();
        let form = fields.join("&").replace("%20", "+");
        wrong.extend(PATTERNS.with(|patterns| patterns.scan_form(form.as_bytes())).map(|hit| (hit, post)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_guides_harmless_words_are_harmless() {
    for value in
        ["month=", "phone=", "content=", "Delete from basket", "drop the table tennis class", "exec (CEO)"]
    {
        check_clean(value);
    }
    for raw in ["month=11&phone=1&content=x", "action=Delete+from+basket", "on=click&onclick=1&on%20sale=2"] {
        assert_eq!(PATTERNS.with(|patterns| patterns.scan_query(raw)), None, "{raw}");
    }
}

#[test]
fn names_and_values_never_run_together() {
    let seen =
        |raw: &str| PATTERNS.with(|patterns| patterns.scan_query(raw)).map(|hit| (hit.pattern, hit.place));
    assert_eq!(seen("onclick=alert"), None);
    assert_eq!(seen("union=select&select=1,2"), None);
    assert_eq!(seen("a=..&/=b"), None);
    assert_eq!(seen("a=1&onclick%3Dalert=2"), Some((Pattern::EventHandler, Place::Name)));
    assert_eq!(seen("a=x=../y"), Some((Pattern::ParentSlash, Place::Value)));
    assert_eq!(seen("../"), Some((Pattern::ParentSlash, Place::Name)));
    assert_eq!(seen("&&=&a=&=b"), None);
}

#[test]
fn a_hit_names_its_field_briefly_and_safely() {
    let raw = format!("a%0d%0a%1b{}=../", "é".repeat(100));
    let hit = PATTERNS.with(|patterns| patterns.scan_query(&raw)).unwrap();
    assert_eq!(&*hit.name, format!("a\u{fffd}\u{fffd}\u{fffd}{}", "é".repeat(60)));
    // Right-to-left override, zero-width blank, line separator.
    let hit = PATTERNS.with(|patterns| patterns.scan_query("a%e2%80%aeb%e2%80%8bc%e2%80%a8=../")).unwrap();
    assert_eq!(&*hit.name, "a\u{fffd}b\u{fffd}c\u{fffd}");
}

#[test]
fn plus_is_a_blank_in_queries_and_itself_in_paths() {
    let value = "1+union+select+1,2";
    PATTERNS.with(|patterns| {
        assert!(patterns.scan_query(&format!("q={value}")).is_some());
        assert_eq!(patterns.scan_path(&format!("/{value}")), None);
    });
}

#[test]
fn comments_become_blanks() {
    let check = |text: &str, expected: Option<&str>| {
        assert_eq!(decode::comments_as_blanks(text).as_deref(), expected, "{text}");
    };
    check("a b", None);
    check("a/**/b", Some("a b"));
    check("a/* x */b/*y*/c", Some("a b c"));
    check("/*!50000union*/ select", Some(" union  select"));
    check("/*M!100 a*/b", Some("  a b"));
    check("a/*b", Some("a/*b"));
    check("a/*x*/b/*c", Some("a b/*c"));
    check("/*/*!x*/", Some(" "));
}

#[test]
fn what_lenient_readers_take_for_ascii_fires() {
    for (input, expected) in [
        ("%u003cscript%u003e", Pattern::ScriptTag),
        ("%U003Cscript>", Pattern::ScriptTag),
        ("%uff1cscript%uff1e", Pattern::ScriptTag),
        ("\u{ff1c}script\u{ff1e}alert(1)", Pattern::ScriptTag),
        ("1 \u{ff35}\u{ff2e}\u{ff29}\u{ff2f}\u{ff2e} select null,null--", Pattern::UnionSelect),
        ("%u002e%u002e%u002f", Pattern::ParentSlash),
        ("\u{ff0e}\u{ff0e}\u{ff3c}windows", Pattern::ParentBackslash),
        ("1 union%u002f**%u002fselect null,null--", Pattern::UnionSelect),
        ("..%25u002f", Pattern::ParentSlash),
    ] {
        assert_eq!(scan(input), Some(expected), "{input}");
        let query = format!("q={}", encoded(input));
        let seen = PATTERNS.with(|patterns| patterns.scan_query(&query)).map(|hit| hit.pattern);
        assert_eq!(seen, Some(expected), "{query}");
    }
    PATTERNS.with(|patterns| {
        assert_eq!(patterns.scan_query("q=%u003cscript%3e").map(|hit| hit.pattern), Some(Pattern::ScriptTag));
        assert_eq!(patterns.scan_bytes(b"..\xe0\x80\xafetc"), Some(Pattern::ParentSlash));
        assert_eq!(patterns.scan_bytes(b"..\xc0\xafetc"), Some(Pattern::ParentSlash));
    });
    for clean in ["%u", "%u12", "%uzzzz", "100%unlikely", "\u{ff08}\u{682a}\u{ff09}", "%ud800", "é%u00e9"] {
        check_clean(clean);
    }
}

/// An attacker chooses the text; a megabyte of it must never hold a thread for longer than a megabyte is worth.
#[test]
#[expect(clippy::disallowed_methods, reason = "the time that a scan takes is what is tested")]
fn a_scan_takes_time_linear_in_what_an_attacker_writes() {
    let repeated = |piece: &str, bytes: usize| piece.repeat(bytes / piece.len() + 1);
    let pieces = [
        "/*!",
        "/*M!",
        "/*",
        "/*!*/",
        "*/",
        "/**/",
        "/*!1/*",
        "%",
        "%u",
        "%u0",
        "%25",
        "\u{ff0f}*",
        "<",
        "o",
        "on",
        " on",
        "../",
        "..",
        "union ",
        "union select ",
        "drop table a ",
        "java",
        "&#",
        "delete from a ",
        "eval ",
        "/*!union/*M!select",
        "<%/*!o on../",
    ];
    for piece in pieces {
        let (quarter, whole) = (repeated(piece, 256 << 10), repeated(piece, 1 << 20));
        let took = |text: &str| {
            let started = std::time::Instant::now();
            let _ = PATTERNS
                .with(|patterns| (patterns.scan_bytes(text.as_bytes()), patterns.scan_form(text.as_bytes())));
            started.elapsed()
        };
        let (of_quarter, of_whole) = (took(&quarter), took(&whole));
        // Quadratic work would be sixteen times as much; the seconds are for a machine that does other things too.
        let bound = of_quarter * 8 + std::time::Duration::from_secs(2);
        assert!(of_whole < bound, "`{piece}`: 256 KiB took {of_quarter:?}, 1 MiB {of_whole:?}");
    }
}

#[test]
fn broken_bytes_are_read_without_fuss() {
    PATTERNS.with(|patterns| {
        assert_eq!(patterns.scan_bytes(b"\xff\xfe../\x80"), Some(Pattern::ParentSlash));
        assert_eq!(patterns.scan_form(b"\xff=%zz%2&%=%&a%c3=%c0"), None);
        assert_eq!(patterns.scan(""), None);
    });
}

#[test]
fn every_pattern_has_its_own_name() {
    let names: std::collections::BTreeSet<_> = Pattern::ALL.iter().map(|pattern| pattern.as_str()).collect();
    assert_eq!(names.len(), 10);
    assert!(Pattern::ALL.is_sorted());
}

/// What [`Patterns::scan`] must find, by the ten expressions one after the other over every form of the
/// value.
fn scan_plainly(value: &str) -> Option<Pattern> {
    let mut forms = vec![value.to_owned()];
    forms.extend(decode::comments_as_blanks(value));
    let decoded = decode::percent_again(value);
    let fitted = decode::best_fit(decoded.as_deref().unwrap_or(value));
    for form in decoded.into_iter().chain(fitted) {
        let uncommented = decode::comments_as_blanks(&form);
        forms.push(form);
        forms.extend(uncommented);
    }
    ONE_BY_ONE.with(|expressions| {
        let first = |form: &String| expressions.iter().position(|expression| expression.is_match(form));
        forms.iter().find_map(first).map(|index| Pattern::ALL[index])
    })
}

/// Texts made of what the expressions look for, so that near misses and hits both come up often.
fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "union",
        " ",
        "select",
        "*",
        "1",
        ",",
        "null",
        "from",
        "users",
        "drop",
        "table",
        ";",
        "--",
        "'",
        "delete",
        "where",
        "=",
        "<",
        "script",
        ">",
        "java",
        "javascript:",
        "alert(",
        "on",
        "onclick",
        "load",
        "..",
        "/",
        "\\",
        ".",
        "eval",
        "exec",
        "(",
        ")",
        "s",
        "/*",
        "*/",
        "!",
        "%20",
        "%2f",
        "%",
        "+",
        "é",
        "\n",
        "\t",
        "#",
        "&",
        "basket",
        "%u003c",
        "%u",
        "\u{ff1c}",
        "\u{ff0f}",
    ]);
    prop::collection::vec(fragment, 0..24).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_quick_look_agrees_with_the_ten_expressions(value in fragments()) {
        prop_assert_eq!(scan(&value), scan_plainly(&value));
    }

    #[test]
    fn no_input_makes_a_scan_fail(raw in prop::collection::vec(any::<u8>(), 0..200)) {
        PATTERNS.with(|patterns| {
            let _ = (patterns.scan_form(&raw), patterns.scan_bytes(&raw));
            let _ = patterns.scan_path(&String::from_utf8_lossy(&raw));
        });
    }
}
