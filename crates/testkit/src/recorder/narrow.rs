//! The narrowest reading of HTTP/1.1: what is left when everything is taken away that any server was ever seen to
//! read in another way than its neighbour.
//!
//! One space between words, CRLF, plain names, `name: value`, one `host`, at most one length in plain digits or
//! `chunked`, chunk sizes without zeros before them and without extensions, no field that belongs to one connection.

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its method.
    pub method: String,
    /// Its target.
    pub target: String,
    /// Names in lower case and values, in their order; each byte of a value is one character.
    pub fields: Vec<(String, String)>,
    /// The body as far as it came, without the chunks around it.
    pub body: Vec<u8>,
    /// The fields behind the last chunk.
    pub trailers: Vec<(String, String)>,
}

/// How far a request was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// There is no whole head.
    Nothing,
    /// The head is there and the body is not over.
    Begun(Message),
    /// All of it is there; it took so many bytes.
    Whole(Message, usize),
}

/// Fields that belong to one connection, or that ask for another protocol.
const OF_THE_CONNECTION: [&str; 6] =
    ["connection", "expect", "http2-settings", "keep-alive", "proxy-connection", "upgrade"];

/// Reads the request that `bytes` begin with.
///
/// # Errors
/// What could be read in another way.
pub fn read(bytes: &[u8]) -> Result<Reading, String> {
    let mut rest = bytes;
    let Some(line) = line(&mut rest)? else { return Ok(Reading::Nothing) };
    let (method, target) = request_line(&line)?;
    let Some(fields) = fields(&mut rest)? else { return Ok(Reading::Nothing) };
    let framing = framing(&fields)?;
    let mut message = Message { method, target, fields, body: Vec::new(), trailers: Vec::new() };
    let is_whole = match framing {
        Framing::Length(length) => {
            message.body = take(&mut rest, length).to_vec();
            message.body.len() == length
        }
        Framing::Chunked => chunks(&mut rest, &mut message)?,
    };
    let length = bytes.len() - rest.len();
    Ok(if is_whole { Reading::Whole(message, length) } else { Reading::Begun(message) })
}

enum Framing {
    Length(usize),
    Chunked,
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(length.min(rest.len()));
    *rest = left;
    taken
}

/// The next line without its CRLF; `None` when its end is not there yet.
fn line(rest: &mut &[u8]) -> Result<Option<String>, String> {
    let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
        return match rest.strip_suffix(b"\r").unwrap_or(rest) {
            open if open.iter().any(|byte| matches!(byte, b'\r' | b'\n')) => Err("a bare CR or LF".into()),
            _ => Ok(None),
        };
    };
    let line = take(rest, end);
    take(rest, 2);
    if let Some(odd) = line.iter().find(|byte| byte.is_ascii_control() && **byte != b'\t') {
        return Err(format!("the control character {odd:#04x} in a line"));
    }
    Ok(Some(line.iter().copied().map(char::from).collect()))
}

fn request_line(line: &str) -> Result<(String, String), String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Err(format!("the request line `{line}`")) };
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("the method `{method}`"));
    }
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(format!("the target `{target}`"));
    }
    Ok((method.to_owned(), target.to_owned()))
}

/// Field lines up to an empty one.
fn fields(rest: &mut &[u8]) -> Result<Option<Vec<(String, String)>>, String> {
    let mut fields = Vec::new();
    loop {
        let Some(text) = line(rest)? else { return Ok(None) };
        if text.is_empty() {
            return Ok(Some(fields));
        }
        let (name, value) = text.split_once(": ").ok_or_else(|| format!("the field `{text}`"))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(format!("the name `{name}`"));
        }
        if value != value.trim_matches([' ', '\t']) {
            return Err(format!("white space around `{value}`"));
        }
        fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

fn framing(fields: &[(String, String)]) -> Result<Framing, String> {
    let all = |wanted: &str| fields.iter().filter(|(name, _)| name == wanted).collect::<Vec<_>>();
    if let Some((name, _)) = fields.iter().find(|(name, _)| OF_THE_CONNECTION.contains(&&**name)) {
        return Err(format!("`{name}` is not for a server behind"));
    }
    if all("host").len() != 1 {
        return Err(format!("{} hosts", all("host").len()));
    }
    // A proxy may say so of itself, and nothing else (RFC 9110 §10.1.4).
    if all("te").iter().any(|(_, value)| value != "trailers") {
        return Err("`te` is not for a server behind".into());
    }
    match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([(_, length)], []) => {
            plain_number(length, 10).map(Framing::Length).ok_or_else(|| format!("the length `{length}`"))
        }
        ([], [(_, coding)]) if coding == "chunked" => Ok(Framing::Chunked),
        other => Err(format!("two framings: {other:?}")),
    }
}

/// Digits without a sign and without zeros before them.
fn plain_number(text: &str, radix: u32) -> Option<usize> {
    let digits = text.chars().all(|digit| digit.is_digit(radix));
    let plain = text == "0" || !text.starts_with('0');
    usize::from_str_radix(text, radix).ok().filter(|_| digits && plain)
}

/// Reads chunks and trailers; says whether they came to their end.
fn chunks(rest: &mut &[u8], message: &mut Message) -> Result<bool, String> {
    loop {
        let Some(size) = line(rest)? else { return Ok(false) };
        let length = plain_number(&size, 16).ok_or_else(|| format!("the chunk size `{size}`"))?;
        if length == 0 {
            break;
        }
        let data = take(rest, length);
        message.body.extend_from_slice(data);
        if data.len() < length || rest.len() < 2 {
            return Ok(false);
        }
        if take(rest, 2) != b"\r\n" {
            return Err("a chunk that is longer than its size".into());
        }
    }
    match fields(rest)? {
        Some(trailers) => {
            message.trailers = trailers;
            Ok(true)
        }
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(input: &str) -> String {
        match read(input.replace('\n', "\r\n").as_bytes()) {
            Ok(Reading::Nothing) => "nothing".into(),
            Ok(Reading::Begun(message)) => format!("begun {}", message.target),
            Ok(Reading::Whole(message, _)) => {
                format!("{} {:?}", message.target, String::from_utf8_lossy(&message.body))
            }
            Err(why) => why,
        }
    }

    #[test]
    fn only_what_has_one_reading_is_read() {
        for (input, expected) in [
            ("GET /a HTTP/1.1\nhost: a\n\n", "/a \"\""),
            ("POST /a HTTP/1.1\nhost: a\ncontent-length: 2\n\nhi", "/a \"hi\""),
            ("POST /a HTTP/1.1\nhost: a\ncontent-length: 2\n\nh", "begun /a"),
            ("POST /a HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n2\nhi\n0\nx: y\n\n", "/a \"hi\""),
            ("POST /a HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n2\nhi\n0\n", "begun /a"),
            ("GET /a HTTP/1.1\nhost: a\n", "nothing"),
            ("GET  /a HTTP/1.1\nhost: a\n\n", "the request line `GET  /a HTTP/1.1`"),
            ("GET /a HTTP/1.1\nhost: a\nhost: a\n\n", "2 hosts"),
            ("GET /a HTTP/1.1\nhost: a\nx_y: z\n\n", "the name `x_y`"),
            ("GET /a HTTP/1.1\nhost: a\nx:y\n\n", "the field `x:y`"),
            ("GET /a HTTP/1.1\nhost: a\nupgrade: h2c\n\n", "`upgrade` is not for a server behind"),
            ("POST /a HTTP/1.1\nhost: a\ncontent-length: 02\n\nhi", "the length `02`"),
            ("POST /a HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n02\nhi\n0\n\n", "the chunk size `02`"),
            (
                "POST /a HTTP/1.1\nhost: a\ntransfer-encoding: chunked\n\n1\nhi\n0\n\n",
                "a chunk that is longer than its size",
            ),
        ] {
            assert_eq!(told(input), expected, "{input:?}");
        }
        let both = "POST /a HTTP/1.1\nhost: a\ncontent-length: 2\ntransfer-encoding: chunked\n\nhi";
        assert!(told(both).starts_with("two framings"), "{}", told(both));
        assert_eq!(read(b"GET /a HTTP/1.1\nhost: a\n\n"), Err("a bare CR or LF".into()));
    }
}
