//! Heads: where a field ends, where the head ends, and names that are none.

use super::Scene;

#[tokio::test]
async fn a_head_ends_at_one_place() {
    let rows = [
        ("LF ends all lines", "GET / HTTP/1.1␊Host: a␊␊HIDDEN"),
        ("LF ends the request line", "GET / HTTP/1.1␊Host: a\n\nHIDDEN"),
        ("LF ends a field", "GET / HTTP/1.1\nHost: a␊X: y\n\nHIDDEN"),
        ("LF ends the head", "GET / HTTP/1.1\nHost: a\n␊HIDDEN"),
        ("LF LF ends the head", "GET / HTTP/1.1\nHost: a␊␊HIDDEN"),
        ("LF CR LF ends the head", "GET / HTTP/1.1\nHost: a␊\nHIDDEN"),
        ("CR ends all lines", "GET / HTTP/1.1␍Host: a␍␍HIDDEN"),
        ("CR CR ends the head", "GET / HTTP/1.1\nHost: a␍␍HIDDEN"),
        ("CR LF CR ends the head", "GET / HTTP/1.1\nHost: a\n␍HIDDEN"),
        ("CR CR LF ends a field", "GET / HTTP/1.1\nHost: a\nX: y␍\n\nHIDDEN"),
        ("LF CR ends a field", "GET / HTTP/1.1\nHost: a\nX: y␊␍\n\nHIDDEN"),
        ("NUL ends a field", "GET / HTTP/1.1\nHost: a\nX: y␀\n\nHIDDEN"),
        ("a line of a blank", "GET / HTTP/1.1\nHost: a\n \nHIDDEN"),
        ("a line of a tab", "GET / HTTP/1.1\nHost: a\n\t\nHIDDEN"),
        ("a line of a blank first", "GET / HTTP/1.1\n \nHost: a\n\nHIDDEN"),
        ("a line of NUL", "GET / HTTP/1.1\nHost: a\n␀\n\nHIDDEN"),
        ("an empty line first of all, and another", "\n\nGET / HTTP/1.1\nHost: a\n\nHIDDEN"),
        ("LF first of all", "␊GET / HTTP/1.1\nHost: a\n\nHIDDEN"),
        ("CR first of all", "␍GET / HTTP/1.1\nHost: a\n\nHIDDEN"),
        ("a fold", "GET / HTTP/1.1\nHost: a\nX: y\n z\n\nHIDDEN"),
        ("a fold with a tab", "GET / HTTP/1.1\nHost: a\nX: y\n\tz\n\nHIDDEN"),
        ("a fold of the request line", "GET / HTTP/1.1\n X: y\nHost: a\n\nHIDDEN"),
        ("a fold that is a request", "GET / HTTP/1.1\nHost: a\nX: y\n GET /smuggled HTTP/1.1\n\n"),
        ("a request behind LF in a value", "GET / HTTP/1.1\nHost: a\nX: y␊␊HIDDEN"),
        ("a request behind CR in a value", "GET / HTTP/1.1\nHost: a\nX: y␍␍HIDDEN"),
        ("no request line", "Host: a\n\nHIDDEN"),
        ("HTTP/0.9", "GET /\n\nHIDDEN"),
    ];
    Scene::check("400", rows.map(|(name, text)| (name, text.to_owned()))).await;
}

#[tokio::test]
async fn a_field_has_a_name_that_is_a_token() {
    let fields = [
        ("no colon", "X"),
        ("a request line", "GET /smuggled HTTP/1.1"),
        ("no name", ": y"),
        ("a blank for a name", " : y"),
        ("blank before the colon", "X : y"),
        ("tab before the colon", "X\t: y"),
        ("a blank within", "X Y: z"),
        ("a slash", "X/Y: z"),
        ("brackets", "X(Y): z"),
        ("an at sign", "X@Y: z"),
        ("a comma", "X,Y: z"),
        ("a semicolon", "X;Y: z"),
        ("quotes", "\"X\": z"),
        ("a back-slash", "X\\Y: z"),
        ("an equals sign", "X=Y: z"),
        ("braces", "{X}: z"),
        ("a letter beyond ASCII", "Xä: z"),
        ("NUL", "X␀Y: z"),
        ("CR", "X␍Y: z"),
        ("LF", "X␊Y: z"),
        ("DEL", "X\u{7f}: z"),
        ("an escape", "\u{1b}X: z"),
        ("a pseudo-header of HTTP/2", ":path: /smuggled"),
        ("another one", ":authority: b"),
    ];
    let rows = fields.map(|(name, field)| (name, format!("GET / HTTP/1.1\nHost: a\n{field}\n\nHIDDEN")));
    Scene::check("400", rows).await;
    let long = format!("GET / HTTP/1.1\nHost: a\n{}: y\n\nHIDDEN", "X".repeat(300));
    let huge = format!("GET / HTTP/1.1\nHost: a\nX: {}\n\nHIDDEN", "y".repeat(100_000));
    let many = format!("GET / HTTP/1.1\nHost: a\n{}\nHIDDEN", "X: y\n".repeat(1000));
    Scene::check("431", [("a long name", long), ("a long value", huge), ("many fields", many)]).await;
}

/// What these say is between two neighbours. None of it may reach the upstream (the recorder refuses it).
#[tokio::test]
async fn fields_of_the_connection_stay_on_it() {
    let fields = [
        ("Connection names a framing field", "Connection: close, transfer-encoding, content-length"),
        ("Connection names the host", "Connection: host"),
        ("Connection names what we set", "Connection: x-forwarded-for, x-portcullis-request-id"),
        ("Keep-Alive", "Keep-Alive: timeout=5"),
        ("Proxy-Connection", "Proxy-Connection: keep-alive"),
        ("TE", "TE: trailers, chunked"),
        ("Trailer", "Trailer: Content-Length"),
        ("Upgrade", "Upgrade: h2c"),
        ("the settings of HTTP/2", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        ("Max-Forwards", "Max-Forwards: 0"),
        ("a value beyond ASCII", "X: ä"),
        ("a name of an underscore", "_: y"),
        ("a length with an underscore", "content_length: 5"),
        ("many commas in Connection", "Connection: ,,, ,close,,"),
    ];
    let rows = fields.map(|(name, field)| {
        (name, format!("GET / HTTP/1.1\nHost: a\nConnection: close\n{field}\n\nHIDDEN"))
    });
    Scene::check("200", rows).await;
}

#[tokio::test]
async fn a_connection_names_a_few_fields_of_its_own() {
    let naming = |count: usize| {
        let names: Vec<String> = (1..count).map(|number| format!("x-{number}")).collect();
        format!("GET / HTTP/1.1\nHost: a\nConnection: close\nConnection: {}\n\nHIDDEN", names.join(","))
    };
    Scene::check("200", [("as many as allowed", naming(32))]).await;
    let commas = "a,".repeat(15_000);
    let commas = format!("GET / HTTP/1.1\nHost: a\nConnection: close,{commas}\n\nHIDDEN");
    Scene::check("400", [("one more", naming(33)), ("as many as a head holds", commas)]).await;
}
