//! What bodies of parts give, and what is flagged.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { count_max: 100, depth_max: 20, bytes_max: 100_000 };

const TYPE: &str = "multipart/form-data; boundary=B";

/// One line for each part, one for what is flagged, one for what is wrong.
fn shown(content_type: &str, body: &[u8]) -> String {
    let read = read(content_type.as_bytes(), body, &LIMITS);
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let mut lines = Vec::new();
    for part in &read.parts {
        let files: Vec<String> = part.filenames.iter().map(|name| format!(" <{}>", text(name))).collect();
        let content = text(body.get(part.content.clone()).unwrap());
        lines.push(format!("{}{}={content}", text(&part.name), files.concat()));
    }
    let flags = format!("{:?}", read.flags);
    let flags = flags.trim_start_matches("Flags { ").trim_end_matches(" }");
    let raised: Vec<&str> = flags
        .split(", ")
        .filter_map(|flag| flag.strip_suffix(": true"))
        .filter(|flag| *flag != "crlf_line")
        .collect();
    if !raised.is_empty() {
        lines.push(format!("! {}", raised.join(" ")));
    }
    match read.flags.unmatched_boundary {
        Unmatched::None => {}
        other => lines.push(format!("! unmatched {other:?}")),
    }
    lines
        .extend(read.error.as_deref().map(|error| error.replace("Multipart parsing error: Multipart: ", "")));
    assert_eq!(read.is_strict_error(), read.error.is_some() || !raised.is_empty());
    lines.join("\n")
}

fn check(body: &str, expected: &str) {
    assert_eq!(shown(TYPE, body.as_bytes()), expected, "{body}");
}

/// A body of one field.
fn with_header(headers: &str, expected: &str) {
    check(&format!("--B\r\n{headers}\r\n\r\nv\r\n--B--\r\n"), expected);
}

fn disposition(text: &str, expected: &str) {
    with_header(&format!("Content-Disposition: {text}"), expected);
}

#[test]
fn fields_and_files() {
    check(
        "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv1\r\nv2\r\n--B\r\nContent-Disposition: form-data; name=\"f\"; \
         filename=\"x.php\"\r\nContent-Type: text/plain\r\n\r\nDATA\r\n\r\n--B--\r\n",
        "a=v1\\r\\nv2\nf <x.php>=DATA\\r\\n",
    );
    check("--B\r\ncontent-disposition:form-data;name=a\r\n\r\n\r\n--B--", "a=");
    check("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--B--\r\n", "a=");
    check("", "");
}

#[test]
fn headers_are_given_as_they_are_written() {
    let body = b"--B\r\nContent-disposition: form-data; name=\"_charset_\"\r\nX-A:  b \r\n c\r\n\r\nutf-7\r\n--B--\r\n";
    let read = read(TYPE.as_bytes(), body, &LIMITS);
    let headers: Vec<_> =
        read.parts[0].headers.iter().map(|header| String::from_utf8_lossy(header)).collect();
    assert_eq!(headers, ["Content-disposition: form-data; name=\"_charset_\"", "X-A:  b  c"]);
    assert_eq!(read.parts[0].name, b"_charset_");
}

#[test]
fn sizes_are_of_files_alone() {
    let body = b"--B\r\nContent-Disposition: form-data; name=a; filename=x\r\n\r\n12345\r\n--B\r\nContent-Disposition: form-data; \
                 name=b\r\n\r\n12\r\n--B--\r\n";
    assert_eq!(read(TYPE.as_bytes(), body, &LIMITS).file_bytes(), 5);
}

#[test]
fn names() {
    disposition("form-data; name=\"a\\\"b\\c\\\\\"", "a\\\"b\\\\c\\\\=v");
    disposition("form-data; name=\"a'b\"", "a\\'b=v");
    disposition("form-data; name=\"a\"; filename=\"\"", "a=v");
    disposition("form-data; name=\"a\" ; filename = \"x\" ; ", "a <x>=v");
    disposition("form-data; name=\"a\"; filename=\"q\"; filename*=UTF-8''x%2ephp", "a <q> <x.php>=v");
    disposition("form-data; name='a'", "a=v\n! invalid_quoting");
    disposition(
        "form-data; name=a\"b\"",
        "a=v\n! invalid_quoting invalid_part\nInvalid Content-Disposition header (-12): form-data; name=a\\\"b\\\".",
    );
}

#[test]
fn dispositions_that_are_wrong() {
    let wrong = |text: &str, part: &str, code: &str| {
        let shown = text.as_bytes().escape_ascii();
        disposition(
            text,
            &format!("{part}=v\n! invalid_part\nInvalid Content-Disposition header ({code}): {shown}."),
        );
    };
    wrong("attachment; name=a", "", "-1");
    wrong("form-data name=a", "", "-12");
    wrong("form-data; name", "", "-4");
    wrong("form-data; name x", "", "-13");
    wrong("form-data; name=", "", "-6");
    wrong("form-data; name=\"a", "a", "-7");
    wrong("form-data; name=\"a\\", "", "-8");
    wrong("form-data; name=a; name=b", "a", "-14");
    wrong("form-data; name=a; filename=x; filename=y", "a <x>", "-15");
    wrong("form-data; name=a; size=5", "a", "-11");
    wrong("form-data; name=a; filename*=UTF-8''x%2ephp", "a <x.php>", "-11");
    disposition("form-data", "=v\n! invalid_part\nContent-Disposition header missing name field.");
}

#[test]
fn headers_that_are_wrong() {
    let a = "Content-Disposition: form-data; name=a";
    with_header("X: y", "=v\n! invalid_part\nPart missing Content-Disposition header.");
    with_header(&format!("{a}\r\nfoo"), "a=v\nInvalid part header (colon missing): foo");
    with_header(&format!("{a}\r\n: foo"), "a=v\nInvalid part header (header name missing).");
    with_header(&format!("{a}\r\nX\x0e: y"), "a=v\nInvalid part header (contains invalid character).");
    with_header(&format!("{a}\r\nX y: z"), "a=v\nInvalid part header (contains invalid character).");
    with_header(&format!("{a}\r\nX: \0"), "a=v\nNul byte in part headers.");
    with_header(
        &format!("{a}\r\ncontent-disposition: form-data; name=b"),
        "a=v\nDuplicate part header: content-disposition.",
    );
    with_header("Content-Disposition: form-data;\r\n name=a", "a=v\n! header_folding");
    with_header(&format!("{a};\r\n\x0bfilename=x"), "a <x>=v\n! header_folding invalid_header_folding");
    with_header(
        &format!(" {a}"),
        "=v\n! header_folding\nInvalid part header (folding error).".replace("=v", "a=v").as_str(),
    );
    let long = format!("{a}\r\nX: {}", "y".repeat(5_000));
    with_header(&long, "a=v\nPart header line over 4096 bytes long");
}

#[test]
fn lines_and_what_is_around_the_parts() {
    let a = "Content-Disposition: form-data; name=a";
    check(&format!("--B\n{a}\n\nv\n--B--\n"), "a=v\n! lf_line");
    check(&format!("--B\r\n{a}\n\r\nv\r\n--B--\r\n"), "a=v\n! lf_line");
    check(&format!("x\r\n--B\r\n{a}\r\n\r\nv\r\n--B--\r\n"), "a=v\n! data_before");
    check(&format!("--B\r\n{a}\r\n\r\nv\r\n--B--\r\n\r\n"), "a=v\n! data_after");
    check(&format!("--B\r\n{a}\r\n\r\nv\r\n"), "a=v\nFinal boundary missing.");
    check(
        &format!("--B\r\n{a}\r\n\r\nv\r\n--B"),
        "a=v\n! invalid_part\nPart missing Content-Disposition header."
            .replace("a=v\n!", "a=v\n=\n!")
            .as_str(),
    );
    check(
        &format!("--B\r\n{a}\r\n--B--\r\n"),
        "a=\n! invalid_part\nPart headers without an empty line after them.",
    );
    check("nothing", "! data_before\nNo boundaries found in payload.");
}

#[test]
fn what_looks_like_a_boundary() {
    let body = |inside: &str, rest: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=a\r\n\r\n{inside}\r\n{rest}")
    };
    check(&body("--C", "--B--\r\n"), "a=--C\n! unmatched Followed");
    check(&body("x--B", "--B--\r\n"), "a=x--B\n! unmatched Followed");
    check(&body("--C", ""), "a=--C\n! unmatched Last\nFinal boundary missing.");
    check(&body("--Bx", "--B--\r\n"), "a=--Bx\nInvalid boundary: --Bx");
    check(&body("--B--x", "--B--\r\n"), "a=--B--x\nInvalid boundary: --B--x");
    check(&body("-- B", "--B--\r\n"), "a=-- B\n! unmatched Followed\nInvalid boundary (whitespace).");
    check(&body("--", "--B--\r\n"), "a=--\n! unmatched Followed");
    let quoted = shown("multipart/form-data; boundary=\"B\"", body("--\"B\"", "--B--\r\n").as_bytes());
    assert_eq!(quoted, "a=--\\\"B\\\"\n! boundary_quoted\n! unmatched Followed\nInvalid boundary (quotes).");
}

#[test]
fn content_types() {
    let a = "--B\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n--B--\r\n";
    let check = |content_type: &str, expected: &str| {
        assert_eq!(shown(content_type, a.as_bytes()), expected, "{content_type}")
    };
    check("Multipart/Form-Data;boundary=B", "a=v");
    check("multipart/form-data; boundary=B; charset=utf-8", "a=v");
    check("multipart/form-data; boundary=\"B\"", "a=v\n! boundary_quoted");
    check("multipart/form-data boundary=B", "a=v\n! missing_semicolon");
    check("multipart/form-data; boundary =B", "a=v\n! boundary_whitespace");
    check(
        "multipart/form-data; boundary= B",
        "! boundary_whitespace data_before\n! unmatched Last\nNo boundaries found in payload.",
    );
    for (content_type, problem) in [
        ("", "Content-Type header not available."),
        ("multipart/mixed; boundary=B", "Invalid MIME type."),
        ("multipart/form-data", "Boundary not found in C-T."),
        ("multipart/form-data; BOUNDARY=B", "Invalid boundary in C-T (case sensitivity)."),
        ("multipart/form-data; boundary=B; boundary=C", "Multiple boundary parameters in C-T."),
        ("multipart/form-data; charset=x; boundary=B", "Invalid boundary in C-T (malformed)."),
        ("multipart/form-data; boundary", "Invalid boundary in C-T (malformed)."),
        ("multipart/form-data; boundaryx=B", "Invalid boundary in C-T (parameter name)."),
        ("multipart/form-data; boundary=\"B", "Invalid boundary in C-T (quote)."),
        ("multipart/form-data; boundary=B*", "Invalid boundary in C-T (characters)."),
        ("multipart/form-data; boundary=B ", "Invalid boundary in C-T (characters)."),
        ("multipart/form-data; boundary=", "Invalid boundary in C-T (empty)."),
        ("multipart/form-data; boundary=\"\"", "! boundary_quoted\nInvalid boundary in C-T (empty)."),
    ] {
        check(content_type, problem);
    }
    assert_eq!(shown("multipart/form-data; boundary=boundary", b"--boundary--\r\n"), "");
    assert_eq!(shown(&format!("{TYPE}; {}", "x".repeat(2_000)), b"x"), "Invalid boundary in C-T (length).");
}

#[test]
fn there_cannot_be_more_parts_and_headers_than_is_allowed() {
    let part = "--B\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n";
    let body = |count| format!("{}--B--\r\n", part.repeat(count));
    let count = |count| {
        let read = read(TYPE.as_bytes(), body(count).as_bytes(), &LIMITS);
        (read.parts.len(), read.error.is_some())
    };
    assert_eq!((count(100), count(101), count(500)), ((100, false), (100, true), (100, true)));
    let headers: String = (0..200).map(|number| format!("X{number}: y\r\n")).collect();
    let read = read(TYPE.as_bytes(), format!("--B\r\n{headers}\r\n--B--\r\n").as_bytes(), &LIMITS);
    assert_eq!((read.parts[0].headers.len(), read.error.is_some()), (100, true));
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let words = vec![
        "--B",
        "--B--",
        "\r\n",
        "\n",
        "\r\n--B\r\n",
        "Content-Disposition: form-data; name=a",
        "\r\n\r\n",
        "; name=\"b\"",
        "; filename=\"x\"",
        "; filename*=UTF-8''y%2e",
        "X: y",
        " ",
        "\t",
        "--",
        "\"",
        "'",
        "\\",
        "--C",
        ":",
        "\0",
        "v",
    ];
    let piece = prop_oneof![
        9 => proptest::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn contents_are_parts_of_the_body_in_order(body in body(), count_max in 0..10_usize) {
        let read = read(TYPE.as_bytes(), &body, &Limits { count_max, ..LIMITS });
        let mut last = 0;
        for part in &read.parts {
            prop_assert!(part.content.start <= part.content.end && part.content.end <= body.len());
            prop_assert!(part.content.start >= last || part.content.is_empty());
            last = last.max(part.content.end);
        }
        prop_assert!(read.parts.len() <= count_max);
        prop_assert!(read.parts.iter().map(|part| part.headers.len()).sum::<usize>() <= count_max);
    }

    #[test]
    fn any_content_type_is_borne(content_type in proptest::collection::vec(any::<u8>(), 0..40), tail in ".{0,20}") {
        let content_type = [b"multipart/form-data".as_slice(), &content_type, b"boundary", tail.as_bytes()].concat();
        let read = read(&content_type, b"--B\r\n", &LIMITS);
        prop_assert!(read.error.is_some());
    }

    /// A body as browsers write it is read as it was, and nothing is flagged.
    #[test]
    fn what_browsers_send_is_read_as_it_was(
        fields in proptest::collection::vec(("[a-z \"\\\\]{1,5}", "[ -~\r\n]{0,9}", any::<bool>()), 1..5)
    ) {
        let mut body = String::new();
        for (name, value, is_file) in &fields {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            let file = if *is_file { "; filename=\"x.txt\"\r\nContent-Type: text/plain" } else { "" };
            body += &format!("--Bound7\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n");
        }
        body += "--Bound7--\r\n";
        let read = read(b"multipart/form-data; boundary=Bound7", body.as_bytes(), &LIMITS);
        prop_assert_eq!(&read.error, &None);
        prop_assert!(!read.is_strict_error());
        prop_assert_eq!(read.parts.len(), fields.len());
        for (part, (name, value, is_file)) in read.parts.iter().zip(&fields) {
            prop_assert_eq!(&part.name, name.as_bytes());
            prop_assert_eq!(&body[part.content.clone()], value.as_str());
            prop_assert_eq!(part.is_file(), *is_file);
        }
    }
}
