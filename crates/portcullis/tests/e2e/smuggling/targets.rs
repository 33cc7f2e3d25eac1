//! Request lines and hosts: which resource, at which host, spoken to how.

use super::Scene;

#[tokio::test]
async fn a_request_line_has_three_words_and_one_reading() {
    let rows = [
        ("two blanks before the target", "GET  / HTTP/1.1"),
        ("two blanks behind the target", "GET /  HTTP/1.1"),
        ("a blank at the end", "GET / HTTP/1.1 "),
        ("a blank before", " GET / HTTP/1.1"),
        ("a tab before", "\tGET / HTTP/1.1"),
        ("tabs for blanks", "GET\t/\tHTTP/1.1"),
        ("a vertical tab for a blank", "GET␋/ HTTP/1.1"),
        ("a form feed for a blank", "GET␌/ HTTP/1.1"),
        ("a CR for a blank", "GET␍/ HTTP/1.1"),
        ("NUL in the method", "G␀T / HTTP/1.1"),
        ("NUL in the target", "GET /␀smuggled HTTP/1.1"),
        ("no version", "GET /"),
        ("no target", "GET HTTP/1.1"),
        ("an empty target", "GET  HTTP/1.1"),
        ("four words", "GET / /smuggled HTTP/1.1"),
        ("a second version", "GET / HTTP/1.1 HTTP/1.1"),
        ("a version in the target", "GET /smuggled HTTP/1.1\u{a0}HTTP/1.1"),
        ("a request in the target", "GET / HTTP/1.1␊Host: a␊␊GET /smuggled HTTP/1.1"),
        ("a request behind CR", "GET / HTTP/1.1␍Host: a␍␍GET /smuggled HTTP/1.1"),
        ("lower-case version", "GET / http/1.1"),
        ("a version without a point", "GET / HTTP/11"),
        ("a version with blanks", "GET / HTTP/1 .1"),
        ("a version with a sign", "GET / HTTP/+1.1"),
        ("a long version", "GET / HTTP/1.01"),
        ("another protocol", "GET / HTCPCP/1.0"),
        ("ICY", "GET / ICY/1.1"),
        ("a method with a colon", "GET: / HTTP/1.1"),
        ("quotes around the method", "\"GET\" / HTTP/1.1"),
        ("a byte order mark", "\u{feff}GET / HTTP/1.1"),
        ("a fragment", "GET /#/smuggled HTTP/1.1"),
        ("a back-slash", "GET \\smuggled HTTP/1.1"),
        ("a relative target", "GET smuggled HTTP/1.1"),
        ("a star", "GET * HTTP/1.1"),
        ("a star and more", "OPTIONS */smuggled HTTP/1.1"),
        ("a query alone", "GET ?/smuggled HTTP/1.1"),
        ("a host and a port", "GET a:80 HTTP/1.1"),
        ("an at sign", "GET @b/smuggled HTTP/1.1"),
        ("two slashes", "GET //b/smuggled HTTP/1.1"),
        ("another scheme", "GET ftp://a/ HTTP/1.1"),
        ("a file", "GET file:///smuggled HTTP/1.1"),
        ("no slashes", "GET http:a/ HTTP/1.1"),
        ("one slash", "GET http:/a/ HTTP/1.1"),
        ("three slashes", "GET http:///smuggled HTTP/1.1"),
        ("no path", "GET http://a HTTP/1.1"),
        ("a query without a path", "GET http://a?/smuggled HTTP/1.1"),
        ("another host", "GET http://b/ HTTP/1.1"),
        ("another port", "GET http://a:81/ HTTP/1.1"),
        ("a user", "GET http://a@b/ HTTP/1.1"),
        ("a user as the host", "GET http://b@a/ HTTP/1.1"),
        ("an encoded host", "GET http://%61/ HTTP/1.1"),
        ("a back-slash for the slash", "GET http://b\\@a/ HTTP/1.1"),
        ("an absolute target in a path", "GET /http://b/../smuggled HTTP/1.1"),
        ("dots to the hidden path", "GET /x/../smuggled HTTP/1.1"),
        ("encoded dots", "GET /x/%2e%2e/smuggled HTTP/1.1"),
        ("a slash too many", "GET //smuggled HTTP/1.1"),
        ("an encoded slash", "GET /x%2fsmuggled HTTP/1.1"),
        ("a parameter", "GET /smuggled;x HTTP/1.1"),
        ("an encoded NUL", "GET /smuggled%00 HTTP/1.1"),
        ("an encoded line end", "GET /x%0d%0aX:%20y HTTP/1.1"),
        ("encoded twice", "GET /%2573muggled HTTP/1.1"),
        ("overlong UTF-8", "GET /x%c0%afsmuggled HTTP/1.1"),
    ];
    // Where the head alone is good, the connection goes on, and what follows is judged as the next request.
    let rows = rows.map(|(name, line)| (name, format!("{line}\nHost: a\nConnection: close\n\nHIDDEN")));
    Scene::check("400", rows).await;
}

#[tokio::test]
async fn methods_and_versions_that_nobody_needs_open_nothing() {
    let rest = "Host: a\nConnection: close\n\nHIDDEN";
    let unknown = [
        ("CONNECT to a host", "CONNECT a:80"),
        ("CONNECT to a path", "CONNECT /"),
        ("TRACE", "TRACE /"),
        ("TRACK", "TRACK /"),
        ("DEBUG", "DEBUG /"),
        ("lower case", "get /"),
        ("a method of WebDAV", "PROPFIND /"),
        ("a long method", "GETGETGETGETGETGETGETGETGETGETGETGETGET /"),
        ("a method with a dash", "M-SEARCH /"),
    ];
    Scene::check("501", unknown.map(|(name, line)| (name, format!("{line} HTTP/1.1\n{rest}")))).await;
    let versions = ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"];
    Scene::check("505", versions.map(|version| (version, format!("GET / {version}\n{rest}")))).await;
    let preface = "PRI * HTTP/2.0\n\nSM\n\nHIDDEN".to_owned();
    let odd = "PRI * HTTP/1.1\nHost: a\n\nSM\n\nHIDDEN".to_owned();
    Scene::check("505", [("the preface of HTTP/2", preface)]).await;
    Scene::check("400", [("the preface of HTTP/2 as HTTP/1.1", odd)]).await;
}

#[tokio::test]
async fn a_request_has_one_host() {
    let hosts = [
        ("none", "X: y"),
        ("an empty one", "Host:"),
        ("two of the same", "Host: a\nHost: a"),
        ("two", "Host: a\nHost: b"),
        ("two in two cases", "Host: a\nhOST: b"),
        ("two, apart", "Host: a\nX: y\nHost: b"),
        ("two with an empty one", "Host: a\nHost:"),
        ("a list", "Host: a, b"),
        ("a list without a blank", "Host: a,b"),
        ("two with a blank", "Host: a b"),
        ("blank before the colon", "Host : a"),
        ("a second with a blank before the colon", "Host: a\nHost : b"),
        ("a second behind LF", "Host: a␊Host: b"),
        ("a second behind CR", "Host: a␍Host: b"),
        ("a second in a fold", "Host: a\n Host: b"),
        ("folded", "Host:\n a"),
        ("a second before it, with a blank", " Host: b\nHost: a"),
        ("NUL", "Host: a␀b"),
        ("vertical tab", "Host: a␋"),
        ("a path", "Host: a/smuggled"),
        ("a query", "Host: a?b"),
        ("a fragment", "Host: a#b"),
        ("a user", "Host: b@a"),
        ("a back-slash", "Host: a\\b"),
        ("a scheme", "Host: http://a"),
        ("an encoded host", "Host: %61"),
        ("a port that is none", "Host: a:b"),
        ("a port with a sign", "Host: a:+80"),
        ("an empty port and more", "Host: a::80"),
        ("a port too large", "Host: a:65536"),
        ("two ports", "Host: a:80:81"),
        ("a user as a port", "Host: a:80@b"),
        ("half a bracket", "Host: [::1"),
        ("no address in brackets", "Host: [a]"),
        ("more behind a bracket", "Host: [::1]b"),
        ("a zone", "Host: [fe80::1%25eth0]"),
        ("quotes", "Host: \"a\""),
        ("a letter beyond ASCII", "Host: ä"),
        ("a wide full stop", "Host: a。b"),
        ("a dash first", "Host: -a"),
        ("a dot first", "Host: .a"),
    ];
    let rows =
        hosts.map(|(name, fields)| (name, format!("GET / HTTP/1.1\n{fields}\nConnection: close\n\nHIDDEN")));
    Scene::check("400", rows).await;
    let others = [
        ("X-Forwarded-Host", "b"),
        ("X-Host", "b"),
        ("Forwarded", "host=b"),
        ("X-Original-URL", "/smuggled"),
    ];
    let rows = others.map(|(name, value)| {
        (name, format!("GET / HTTP/1.1\nHost: a\n{name}: {value}\nConnection: close\n\nHIDDEN"))
    });
    Scene::check("200", rows).await;
}
