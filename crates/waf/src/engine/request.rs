//! Requests and responses → values.
//!
//! Targets and header fields are taken as the client sent them. Only arguments and the path are decoded, once.

use crate::body::{self, Limits};
use crate::engine::values::{List, Values};
use crate::lang::{Processor, Variable};

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The client's address.
    pub client: &'a str,
    /// The client's port.
    pub client_port: u16,
    /// The address at which it came in.
    pub server: &'a str,
    /// The port at which it came in.
    pub server_port: u16,
    /// A name for this request, different from all others.
    pub unique_id: &'a str,
    /// When it came, in seconds since 1970.
    pub unix_s: u64,
}

/// The head of a request, as it was sent.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The target, byte for byte.
    pub target: &'a [u8],
    /// The protocol, like `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// Header fields, in the order in which they were sent.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

/// Sets what is known before the request is.
pub(crate) fn origin(values: &mut Values, origin: &Origin<'_>) {
    values.set(Variable::RemoteAddr, origin.client.as_bytes());
    values.set(Variable::RemoteHost, origin.client.as_bytes());
    values.set(Variable::RemotePort, origin.client_port.to_string().as_bytes());
    values.set(Variable::ServerAddr, origin.server.as_bytes());
    values.set(Variable::ServerPort, origin.server_port.to_string().as_bytes());
    values.set(Variable::UniqueId, origin.unique_id.as_bytes());
    for flag in [
        Variable::InboundDataError,
        Variable::OutboundDataError,
        Variable::ReqbodyError,
        Variable::ReqbodyProcessorError,
        Variable::UrlencodedError,
        Variable::MultipartStrictError,
        Variable::MultipartUnmatchedBoundary,
        Variable::ArgsCombinedSize,
        Variable::FilesCombinedSize,
        Variable::RequestBodyLength,
    ] {
        values.set(flag, b"0");
    }
    time(values, origin.unix_s);
}

/// The time, in UTC: rules that look at it should not depend on where the machine stands.
fn time(values: &mut Values, unix_s: u64) {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let (year, month, day) = date(days);
    let texts = [
        (Variable::Time, format!("{hour:02}:{minute:02}:{second:02}")),
        (Variable::TimeDay, day.to_string()),
        (Variable::TimeEpoch, unix_s.to_string()),
        (Variable::TimeHour, hour.to_string()),
        (Variable::TimeMin, minute.to_string()),
        (Variable::TimeMon, (month - 1).to_string()),
        (Variable::TimeSec, second.to_string()),
        // 1970-01-01 was a Thursday.
        (Variable::TimeWday, ((days + 4) % 7).to_string()),
        (Variable::TimeYear, year.to_string()),
    ];
    texts.iter().for_each(|(variable, text)| values.set(*variable, text.as_bytes()));
}

/// Days since 1970 → year, month, day of the Gregorian calendar. Years begin in March, so that the leap day is the last.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

/// What the head of a request tells besides its values.
pub(crate) struct Read {
    /// How the body is to be read.
    pub(crate) processor: Option<Processor>,
    /// What is wrong with the query.
    pub(crate) error: Option<String>,
}

/// Sets what the head of the request tells.
pub(crate) fn head(values: &mut Values, head: &RequestHead<'_>, separator: u8, arguments_max: usize) -> Read {
    let line = [head.method, head.target, head.protocol].join(&b' ');
    let line = values.keep(&line);
    values.set_kept(Variable::RequestLine, line);
    let method = head.method.len();
    let target = values.part(line, method + 1, method + 1 + head.target.len());
    let method = values.part(line, 0, method);
    values.set_kept(Variable::RequestMethod, method);
    values.set_kept(Variable::RequestUriRaw, target);
    values.set(Variable::RequestProtocol, head.protocol);
    let error = uri(values, head.target, separator, arguments_max);
    let mut processor = None;
    for (name, value) in head.headers {
        values.push(List::RequestHeaders, name, value);
        if name.eq_ignore_ascii_case(b"cookie") {
            cookies(values, value);
        } else if name.eq_ignore_ascii_case(b"content-type") {
            processor = processor_of(value);
        } else if name.eq_ignore_ascii_case(b"host") {
            let end = value.iter().rposition(|byte| *byte == b':').filter(|_| !value.ends_with(b"]"));
            values.set(Variable::ServerName, value.get(..end.unwrap_or(value.len())).unwrap_or(value));
        } else if name.eq_ignore_ascii_case(b"authorization") {
            values.set(Variable::AuthType, value.split(|byte| *byte == b' ').next().unwrap_or_default());
        }
    }
    Read { processor, error }
}

/// How a body of this type is read. XML and JSON only are when a rule says so.
fn processor_of(content_type: &[u8]) -> Option<Processor> {
    let begins =
        |with: &[u8]| content_type.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if begins(b"application/x-www-form-urlencoded") {
        Some(Processor::UrlEncoded)
    } else if begins(b"multipart/form-data") {
        Some(Processor::Multipart)
    } else {
        None
    }
}

/// Path and query of the target; what is wrong with the query, if anything.
fn uri(values: &mut Values, target: &[u8], separator: u8, arguments_max: usize) -> Option<String> {
    let own = without_host(target);
    let (path, query) = match own.iter().position(|byte| *byte == b'?') {
        Some(at) => (own.get(..at).unwrap_or(own), own.get(at + 1..).unwrap_or_default()),
        None => (own, &b""[..]),
    };
    values.set(Variable::RequestUri, own);
    values.set(Variable::QueryString, query);
    let path = percent_decoded(path);
    let kept = values.keep(&path);
    values.set_kept(Variable::RequestFilename, kept);
    values.set_kept(Variable::PathInfo, kept);
    let last = path.iter().rposition(|byte| matches!(byte, b'/' | b'\\')).map_or(0, |at| at + 1);
    let basename = values.part(kept, last, path.len());
    values.set_kept(Variable::RequestBasename, basename);
    let limits = Limits { count_max: arguments_max, ..Limits::recommended(query.len()) };
    let form = body::urlencoded::read(query, separator, &limits);
    if form.has_broken_escape {
        values.set(Variable::UrlencodedError, b"1");
    }
    form.pairs.iter().for_each(|(name, value)| values.push(List::Query, name, value));
    form.error
}

/// The target without `scheme://host`.
fn without_host(target: &[u8]) -> &[u8] {
    let Some(scheme) =
        target.windows(3).position(|window| window == b"://").filter(|_| !target.starts_with(b"/"))
    else {
        return target;
    };
    let after = target.get(scheme + 3..).unwrap_or_default();
    match after.iter().position(|byte| matches!(byte, b'/' | b'?')) {
        Some(path) => after.get(path..).unwrap_or_default(),
        None => b"/",
    }
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    crate::transform::Transformation::UrlDecode.apply(text).into_owned()
}

fn cookies(values: &mut Values, text: &[u8]) {
    for pair in text.split(|byte| *byte == b';') {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match at {
            Some(at) => (pair.get(..at).unwrap_or(pair), pair.get(at + 1..).unwrap_or_default()),
            None => (pair, &b""[..]),
        };
        let name = name.trim_ascii_start();
        if !name.is_empty() {
            values.push(List::Cookies, name, value);
        }
    }
}

/// Sets what the head of the response tells.
pub(crate) fn response_head(values: &mut Values, status: u16, protocol: &[u8], headers: &[(&[u8], &[u8])]) {
    values.set(Variable::ResponseStatus, status.to_string().as_bytes());
    values.set(Variable::ResponseProtocol, protocol);
    let line = [protocol, status.to_string().as_bytes()].join(&b' ');
    values.set(Variable::StatusLine, &line);
    for (name, value) in headers {
        values.push(List::ResponseHeaders, name, value);
        if name.eq_ignore_ascii_case(b"content-type") {
            let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
            values.set(Variable::ResponseContentType, media_type.trim_ascii());
        }
    }
}
