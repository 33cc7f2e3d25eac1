//! Request lines, fields and hosts.

use super::{LIMITS, bytes, check, feed, told};
use crate::strict::Fault;

const GOOD: &str = "1 whole";
const REQUEST_LINE: &str =
    "0 whole, 400 the request line is not `METHOD TARGET VERSION` with one space between each";
const METHOD: &str = "0 whole, 400 the method is not a token";
const VERSION: &str = "0 whole, 400 the version is not `HTTP/` and two digits";
const UNKNOWN: &str = "0 whole, 505 the version of HTTP is not 1.0 or 1.1";
const CHARACTER: &str = "0 whole, 400 the target has a character that must be percent-encoded, or a fragment";
const FORM: &str =
    "0 whole, 400 the target is neither a path, `*` for OPTIONS, nor an absolute `http` address with a path";
const LF: &str = "0 whole, 400 a line ends in LF alone";
const CR: &str = "0 whole, 400 CR without LF";
const NUL: &str = "0 whole, 400 a NUL byte";
const CONTROL: &str = "0 whole, 400 a control character";
const FOLDED: &str =
    "0 whole, 400 a line begins with white space: a folded field, or white space before the first one";
const NAME: &str = "0 whole, 400 a field's name is not a token";
const NAME_SPACE: &str = "0 whole, 400 white space between a field's name and its colon";
const HOST: &str = "0 whole, 400 `Host` is not a host with or without a port";
const HOST_OTHER: &str = "0 whole, 400 the absolute target names another host than `Host`";

#[test]
fn a_request_line_has_one_form() {
    check(&[
        ("GET / HTTP/1.1\nHost: a\n\n", GOOD),
        ("GET / HTTP/1.0\n\n", GOOD),
        ("GET / HTTP/1.0\nHost: a\n\n", GOOD),
        ("M-SEARCH / HTTP/1.1\nHost: a\n\n", GOOD),
        ("!#$%&'*+-.^_`|~09az / HTTP/1.1\nHost: a\n\n", GOOD),
        ("GET / HTTP/1.1\nHost: a\n\nGET / HTTP/1.1\nHost: a\n\n", "2 whole"),
        ("\nGET / HTTP/1.1\nHost: a\n\n\nGET / HTTP/1.1\nHost: a\n\n", "2 whole"),
        ("GET / HTTP/1.1\nHost: a\n\n\n", GOOD),
        ("\n\nGET / HTTP/1.1\nHost: a\n\n", "0 whole, 400 more than one empty line before the request line"),
        ("GET /\n\n", REQUEST_LINE),
        ("GET\n\n", REQUEST_LINE),
        ("GET  / HTTP/1.1\nHost: a\n\n", REQUEST_LINE),
        ("GET /  HTTP/1.1\nHost: a\n\n", REQUEST_LINE),
        ("GET / HTTP/1.1 \nHost: a\n\n", REQUEST_LINE),
        ("GET  HTTP/1.1\nHost: a\n\n", REQUEST_LINE),
        ("GET /a b HTTP/1.1\nHost: a\n\n", REQUEST_LINE),
        ("GET\t/\tHTTP/1.1\nHost: a\n\n", REQUEST_LINE),
        (" GET / HTTP/1.1\nHost: a\n\n", FOLDED),
        ("\tGET / HTTP/1.1\nHost: a\n\n", METHOD),
        (" / HTTP/1.1\nHost: a\n\n", METHOD),
        ("G(T / HTTP/1.1\nHost: a\n\n", METHOD),
        ("GET: / HTTP/1.1\nHost: a\n\n", METHOD),
        ("GÉT / HTTP/1.1\nHost: a\n\n", METHOD),
        ("G␀T / HTTP/1.1\nHost: a\n\n", NUL),
        ("GET␋/ HTTP/1.1\nHost: a\n\n", CONTROL),
        ("GET␌/ HTTP/1.1\nHost: a\n\n", CONTROL),
        ("CONNECT a:80 HTTP/1.1\nHost: a:80\n\n", "0 whole, 501 CONNECT: the gate is no tunnel"),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\nHost: a\n\n",
            "0 whole, 501 the method is longer than any that is known",
        ),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\nHost: a\n\n", GOOD),
    ]);
}

#[test]
fn only_two_versions_are_spoken() {
    check(&[
        (
            "PRI * HTTP/2.0\n\nSM\n\n",
            "0 whole, 505 HTTP/2 with prior knowledge, on a listener that speaks HTTP/1.1",
        ),
        ("GET / HTTP/2.0\nHost: a\n\n", UNKNOWN),
        ("GET / HTTP/0.9\nHost: a\n\n", UNKNOWN),
        ("GET / HTTP/1.2\nHost: a\n\n", UNKNOWN),
        ("GET / HTTP/9.9\nHost: a\n\n", UNKNOWN),
        ("GET / HTTP/1.10\nHost: a\n\n", VERSION),
        ("GET / HTTP/11\nHost: a\n\n", VERSION),
        ("GET / HTTP/1,1\nHost: a\n\n", VERSION),
        ("GET / HTTP/1.\nHost: a\n\n", VERSION),
        ("GET / http/1.1\nHost: a\n\n", VERSION),
        ("GET / HTTPS/1.1\nHost: a\n\n", VERSION),
        ("GET / HTTP/+1.1\nHost: a\n\n", VERSION),
        ("GET / HTTP/1.1\t\nHost: a\n\n", VERSION),
        ("GET / HTTP/1.1␋\nHost: a\n\n", CONTROL),
    ]);
}

#[test]
fn a_target_has_one_of_three_forms() {
    check(&[
        ("GET /a/b?c=d&e HTTP/1.1\nHost: a\n\n", GOOD),
        ("GET /%00%zz HTTP/1.1\nHost: a\n\n", GOOD),
        ("GET /a?b?c=/d HTTP/1.1\nHost: a\n\n", GOOD),
        // What browsers send as it is.
        ("GET /a|b^{c}?q={1|2}`\\^ HTTP/1.1\nHost: a\n\n", GOOD),
        ("OPTIONS * HTTP/1.1\nHost: a\n\n", GOOD),
        ("GET * HTTP/1.1\nHost: a\n\n", FORM),
        ("OPTIONS ** HTTP/1.1\nHost: a\n\n", FORM),
        ("GET a HTTP/1.1\nHost: a\n\n", FORM),
        ("GET a:80 HTTP/1.1\nHost: a\n\n", FORM),
        ("GET ?a HTTP/1.1\nHost: a\n\n", FORM),
        ("GET \\a HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /a\\b HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /a`b HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /a#b HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /a?b#c HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /a\"b HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /<a> HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /?a=<b> HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /é HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /?é HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /a\tb HTTP/1.1\nHost: a\n\n", CHARACTER),
        ("GET /a␀b HTTP/1.1\nHost: a\n\n", NUL),
        ("GET /a\u{7f}b HTTP/1.1\nHost: a\n\n", CONTROL),
        ("GET /a␍b HTTP/1.1\nHost: a\n\n", CR),
        ("GET /a␊b HTTP/1.1\nHost: a\n\n", LF),
    ]);
}

#[test]
fn a_host_is_named_once_and_clearly() {
    check(&[
        ("GET / HTTP/1.1\nHost: example.com\n\n", GOOD),
        ("GET / HTTP/1.1\nHost: EXAMPLE.com.:443\n\n", GOOD),
        ("GET / HTTP/1.1\nHost:a\n\n", GOOD),
        ("GET / HTTP/1.1\nHost: \t a \t\n\n", GOOD),
        ("GET / HTTP/1.1\nHost: 192.0.2.1:80\n\n", GOOD),
        ("GET / HTTP/1.1\nHost: [2001:db8::1]:80\n\n", GOOD),
        ("GET / HTTP/1.1\nHost: my_service:8080\n\n", GOOD),
        ("GET http://a/ HTTP/1.1\nHost: A\n\n", GOOD),
        ("GET HTTPS://a:8443/b?c HTTP/1.1\nHost: a:8443\n\n", GOOD),
        ("GET http://a/ HTTP/1.0\n\n", GOOD),
        ("GET / HTTP/1.1\n\n", "0 whole, 400 there is no `Host`"),
        ("GET http://a/ HTTP/1.1\n\n", "0 whole, 400 there is no `Host`"),
        ("GET / HTTP/1.1\nHost: a\nHost: a\n\n", "0 whole, 400 there is more than one `Host`"),
        ("GET / HTTP/1.1\nHost: a\nhOsT: b\n\n", "0 whole, 400 there is more than one `Host`"),
        ("GET / HTTP/1.0\nHost: a\nHost: b\n\n", "0 whole, 400 there is more than one `Host`"),
        ("GET / HTTP/1.1\nHost:\n\n", HOST),
        ("GET / HTTP/1.1\nHost: a, b\n\n", HOST),
        ("GET / HTTP/1.1\nHost: a,b\n\n", HOST),
        ("GET / HTTP/1.1\nHost: a b\n\n", HOST),
        ("GET / HTTP/1.1\nHost: u@a\n\n", HOST),
        ("GET / HTTP/1.1\nHost: a/b\n\n", HOST),
        ("GET / HTTP/1.1\nHost: http://a\n\n", HOST),
        ("GET / HTTP/1.1\nHost: a%2eb\n\n", HOST),
        ("GET / HTTP/1.1\nHost: é\n\n", HOST),
        ("GET / HTTP/1.1\nHost: .a\n\n", HOST),
        ("GET / HTTP/1.1\nHost: -a\n\n", HOST),
        ("GET / HTTP/1.1\nHost: :80\n\n", HOST),
        ("GET / HTTP/1.1\nHost: a:\n\n", HOST),
        ("GET / HTTP/1.1\nHost: a:+80\n\n", HOST),
        ("GET / HTTP/1.1\nHost: a:80:80\n\n", HOST),
        ("GET / HTTP/1.1\nHost: a:99999\n\n", HOST),
        ("GET / HTTP/1.1\nHost: a:000080\n\n", HOST),
        ("GET / HTTP/1.1\nHost: ::1\n\n", HOST),
        ("GET / HTTP/1.1\nHost: [::1\n\n", HOST),
        ("GET / HTTP/1.1\nHost: [::1]a\n\n", HOST),
        ("GET / HTTP/1.1\nHost: [fe80::1%eth0]\n\n", HOST),
        ("GET / HTTP/1.1\nHost: []\n\n", HOST),
        ("GET http://b/ HTTP/1.1\nHost: a\n\n", HOST_OTHER),
        ("GET http://a:80/ HTTP/1.1\nHost: a\n\n", HOST_OTHER),
        ("GET http://a.evil/ HTTP/1.1\nHost: a\n\n", HOST_OTHER),
        ("GET http://a HTTP/1.1\nHost: a\n\n", FORM),
        ("GET http://a?b HTTP/1.1\nHost: a\n\n", FORM),
        ("GET http://a@b/ HTTP/1.1\nHost: b\n\n", FORM),
        ("GET http:///a HTTP/1.1\nHost: a\n\n", FORM),
        ("GET http:/a HTTP/1.1\nHost: a\n\n", FORM),
        ("GET ftp://a/ HTTP/1.1\nHost: a\n\n", FORM),
        ("GET http://a\\b/ HTTP/1.1\nHost: a\n\n", CHARACTER),
    ]);
}

#[test]
fn a_field_is_a_token_a_colon_and_visible_text() {
    let field = |text: &str| told(&bytes(&format!("GET / HTTP/1.1\nHost: a\n{text}\n\n")));
    for (text, expected) in [
        ("X: a b\tc", GOOD),
        ("X:", GOOD),
        ("X:y", GOOD),
        ("X: ~!@#$%^&*()_+{}|\\\":?><", GOOD),
        ("X: é", GOOD),
        ("!#$%&'*+-.^_`|~: tokens are wild", GOOD),
        ("X: a: b", GOOD),
        (" X: y", FOLDED),
        ("\tX: y", FOLDED),
        ("X: y\n z", FOLDED),
        ("X: y\n\tz", FOLDED),
        ("X: y\n ", FOLDED),
        ("X : y", NAME_SPACE),
        ("X\t: y", NAME_SPACE),
        (": y", "0 whole, 400 a field without a name"),
        ("X y", "0 whole, 400 a field without a colon"),
        ("X Y: z", NAME),
        ("X(): z", NAME),
        ("X@: z", NAME),
        ("\"X\": z", NAME),
        ("é: z", NAME),
        ("X␀: y", NUL),
        ("X: ␀", NUL),
        ("X␋: y", CONTROL),
        ("X: y␋", CONTROL),
        ("X: y␌z", CONTROL),
        ("X: \x1b[2J", CONTROL),
        ("X: \x08", CONTROL),
        ("X: \x7f", CONTROL),
        ("X: y␍", CR),
        ("X: y␍z", CR),
        ("X␍: y", CR),
        ("X: y␊Z: w", LF),
        ("X␊: y", LF),
        ("Expect: 100-continue", GOOD),
        ("expect: 100-Continue", GOOD),
        ("Expect: 200-ok", "0 whole, 417 `Expect` asks for something else than `100-continue`, or twice"),
        ("Expect:", "0 whole, 417 `Expect` asks for something else than `100-continue`, or twice"),
        (
            "Expect: 100-continue\nExpect: 100-continue",
            "0 whole, 417 `Expect` asks for something else than `100-continue`, or twice",
        ),
    ] {
        assert_eq!(field(text), expected, "{text:?}");
    }
}

#[test]
fn a_line_ends_in_crlf_wherever_it_stands() {
    check(&[
        ("␊GET / HTTP/1.1\nHost: a\n\n", LF),
        ("GET / HTTP/1.1␊Host: a\n\n", LF),
        ("GET / HTTP/1.1\nHost: a␊\n", LF),
        ("GET / HTTP/1.1\nHost: a\n␊", LF),
        ("GET / HTTP/1.1\nHost: a\nX: y␊␊GET /smuggled HTTP/1.1\nHost: a\n\n", LF),
        ("GET / HTTP/1.1␊Host: a␊␊", LF),
        ("␍GET / HTTP/1.1\nHost: a\n\n", CR),
        ("GET / HTTP/1.1␍Host: a\n\n", CR),
        ("GET / HTTP/1.1\nHost: a␍X: y\n\n", CR),
        ("GET / HTTP/1.1\nHost: a␍\n\n", CR),
        ("GET / HTTP/1.1\nHost: a\n␍GET", CR),
        ("GET / HTTP/1.1\nHost: a\n␍\n", CR),
        ("GET / HTTP/1.1␍\nHost: a\n\n", CR),
        ("␀GET / HTTP/1.1\nHost: a\n\n", NUL),
        ("GET / HTTP/1.1\n␀\n", NUL),
    ]);
}

#[test]
fn every_bound_is_exact() {
    let long = |path: usize| format!("GET /{} HTTP/1.1\nHost: a\n\n", "p".repeat(path - 1));
    assert_eq!(told(&bytes(&long(128))), GOOD);
    assert_eq!(told(&bytes(&long(129))), "0 whole, 414 the target is longer than `bounds.target_bytes_max`");
    assert_eq!(told(&bytes(&long(900))), "0 whole, 414 the target is longer than `bounds.target_bytes_max`");
    let host = |length: usize| format!("GET / HTTP/1.1\nHost: {}:80\n\n", "h".repeat(length));
    assert_eq!((&*told(&bytes(&host(255))), &*told(&bytes(&host(256)))), (GOOD, HOST));
    let fields = |count: usize| format!("GET / HTTP/1.1\nHost: a\n{}\n", "X: y\n".repeat(count - 1));
    assert_eq!(told(&bytes(&fields(8))), GOOD);
    assert_eq!(told(&bytes(&fields(9))), "0 whole, 431 more fields than `bounds.headers_max`");
    let name = |length: usize| format!("GET / HTTP/1.1\nHost: a\n{}: y\n\n", "n".repeat(length));
    assert_eq!(told(&bytes(&name(256))), GOOD);
    assert_eq!(told(&bytes(&name(257))), "0 whole, 431 a field's name is too long");
    let head = |length: usize| {
        let rest = bytes("GET / HTTP/1.1\nHost: a\nX: \n\n").len();
        bytes(&format!("GET / HTTP/1.1\nHost: a\nX: {}\n\n", "v".repeat(length - rest)))
    };
    assert_eq!(told(&head(1024)), GOOD);
    assert_eq!(told(&head(1025)), "0 whole, 431 the head is longer than `bounds.head_bytes_max`");
    assert_eq!(feed(LIMITS, [&head(2000)[..1024]]).fault, None);
    assert_eq!(feed(LIMITS, [&head(2000)[..1025]]).fault, Some(Fault::HeadLong));
}
