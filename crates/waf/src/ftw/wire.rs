//! The request of a stage, as go-ftw would send it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ftw::schema::{FtwError, Input};
use crate::ftw::template;

const FORM: &str = "application/x-www-form-urlencoded";

/// A request, in the parts that rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Vec<u8>,
    /// The target, as it is sent.
    pub target: Vec<u8>,
    /// The protocol.
    pub protocol: Vec<u8>,
    /// Header fields in the order in which they are sent.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    pub(crate) fn of(input: &Input) -> Result<Self, FtwError> {
        if let Some(encoded) = input.encoded_request.as_deref().filter(|encoded| !encoded.is_empty()) {
            return Ok(Self::parse(&decode("encoded_request", encoded)?));
        }
        let is_completed = input.autocomplete_headers.or(input.stop_magic.map(|stop| !stop)).unwrap_or(true);
        let mut body = match (&input.data, &input.encoded_data) {
            (Some(data), _) => template::expand(data)?.into_bytes(),
            (None, Some(encoded)) => decode("encoded_data", encoded)?,
            (None, None) => Vec::new(),
        };
        let method = input.method.clone().unwrap_or_else(|| "GET".to_owned());
        // go-ftw sorts the fields of a map by name.
        let mut headers: Vec<(String, String)> =
            input.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let ordered = input.ordered_headers.iter();
        headers.extend(ordered.map(|header| (header.name.clone(), header.value.clone())));
        if is_completed && !body.is_empty() {
            add(&mut headers, "Content-Type", FORM);
            if value(&headers, "Content-Type") == FORM {
                body = encoded_form(body);
            }
        }
        if value(&headers, "Content-Type").starts_with("multipart/form-data;") {
            body = with_crlf(&body);
        }
        if is_completed {
            add(&mut headers, "Connection", "close");
            let has_body = method.starts_with("POST")
                || method.contains("PUT")
                || method.contains("PATCH")
                || method.ends_with("DELETE");
            if has_body || !body.is_empty() {
                add(&mut headers, "Content-Length", &body.len().to_string());
            }
        }
        Ok(Self {
            method: method.into_bytes(),
            target: input.uri.clone().unwrap_or_else(|| "/".to_owned()).into_bytes(),
            protocol: input.version.clone().unwrap_or_else(|| "HTTP/1.1".to_owned()).into_bytes(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.into_bytes(), value.into_bytes()))
                .collect(),
            body,
        })
    }

    /// Takes a request apart as it stands on the wire. Whatever cannot be told apart is a part of what it follows.
    pub fn parse(bytes: &[u8]) -> Self {
        let (head, body) =
            split(bytes, b"\r\n\r\n").or_else(|| split(bytes, b"\n\n")).unwrap_or((bytes, b""));
        let mut lines =
            head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let line = lines.next().unwrap_or_default();
        let (method, rest) = split(line, b" ").unwrap_or((line, b""));
        let end = rest.iter().rposition(|byte| *byte == b' ');
        let (target, protocol) = match end {
            Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default()),
            None => (rest, &b""[..]),
        };
        let headers = lines.filter_map(|line| split(line, b":"));
        Self {
            method: method.to_vec(),
            target: target.to_vec(),
            protocol: protocol.to_vec(),
            headers: headers.map(|(name, value)| (name.to_vec(), value.trim_ascii().to_vec())).collect(),
            body: body.to_vec(),
        }
    }
}

fn split<'a>(bytes: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(by.len()).position(|window| window == by)?;
    Some((bytes.get(..at)?, bytes.get(at + by.len()..)?))
}

fn decode(field: &'static str, encoded: &str) -> Result<Vec<u8>, FtwError> {
    let encoded: String = encoded.split_whitespace().collect();
    STANDARD.decode(encoded).map_err(|_| FtwError::Base64(field))
}

/// go-ftw compares names as they are written.
fn value<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
}

fn add(headers: &mut Vec<(String, String)>, name: &str, text: &str) {
    if value(headers, name).is_empty() {
        headers.push((name.to_owned(), text.to_owned()));
    }
}

fn with_crlf(body: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    lines.join(&b"\r\n"[..])
}

/// A form in which nothing is encoded yet is encoded, name by name and value by value.
fn encoded_form(body: Vec<u8>) -> Vec<u8> {
    if body.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return body;
    }
    let pairs: Vec<Vec<u8>> = body
        .split(|byte| *byte == b'&')
        .map(|pair| match split(pair, b"=") {
            Some((name, value)) => [escape(name), vec![b'='], escape(value)].concat(),
            None => escape(pair),
        })
        .collect();
    pairs.join(&b'&')
}

fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            other => out.extend(format!("%{other:02X}").bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(input: Input) -> Request {
        Request::of(&input).unwrap()
    }

    fn names(request: &Request) -> Vec<String> {
        let show = |(name, value): &(Vec<u8>, Vec<u8>)| {
            format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        };
        request.headers.iter().map(show).collect()
    }

    #[test]
    fn headers_are_completed_and_forms_encoded() {
        let input = Input {
            method: Some("POST".into()),
            data: Some("a=b c&d=<e>&f".into()),
            headers: [("Host".to_owned(), "localhost".to_owned())].into(),
            ..Input::default()
        };
        let completed = request(input.clone());
        assert_eq!(completed.body, b"a=b+c&d=%3Ce%3E&f");
        let form = "Content-Type: application/x-www-form-urlencoded";
        assert_eq!(names(&completed), ["Host: localhost", form, "Connection: close", "Content-Length: 17"]);
        let plain = request(Input { autocomplete_headers: Some(false), ..input });
        assert_eq!(plain.body, b"a=b c&d=<e>&f");
        assert_eq!(names(&plain), ["Host: localhost"]);
    }

    #[test]
    fn what_is_encoded_stays() {
        let input = Input { data: Some("a=%20+".into()), ..Input::default() };
        assert_eq!(request(input).body, b"a=%20+");
    }

    #[test]
    fn lines_of_multipart_bodies_end_in_crlf() {
        let headers = [("Content-Type".to_owned(), "multipart/form-data; boundary=b".to_owned())];
        let input = Input { data: Some("--b\nx\n".into()), headers: headers.into(), ..Input::default() };
        assert_eq!(request(input).body, b"--b\r\nx\r\n");
    }

    #[test]
    fn whole_requests_are_taken_apart() {
        let request = Request::parse(b"GET /a b HTTP/1.0\r\nHost: x\r\nA:b \r\n\r\nbody\r\n\r\n");
        assert_eq!((&request.method[..], &request.target[..]), (&b"GET"[..], &b"/a b"[..]));
        assert_eq!(request.protocol, b"HTTP/1.0");
        assert_eq!(names(&request), ["Host: x", "A: b"]);
        assert_eq!(request.body, b"body\r\n\r\n");
        assert_eq!(Request::parse(b"").method, b"");
    }
}
