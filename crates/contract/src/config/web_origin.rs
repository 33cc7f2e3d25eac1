//! Origins of pages, and the headers that they may send or read: as browsers write them.

use http::HeaderName;

use super::address::is_host;
use super::kind::{Text, Wrong};
use crate::diagnostic::quoted;

/// An origin as browsers write it (RFC 6454 §6.2), `null`, or `*` for every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebOrigin(pub(crate) Box<str>);

/// A header that pages of other origins may send or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExposedHeader(pub(crate) HeaderName);

impl WebOrigin {
    /// Every origin.
    pub(crate) const ANY: &'static str = "*";
    /// What pages in a sandbox and files send.
    pub(crate) const NULL: &'static str = "null";
}

impl Text for WebOrigin {
    const NAME: &'static str = "origin";
    const LIKE: &'static str = "\"https://app.example.com\" or \"http://localhost:5173\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if [Self::ANY, Self::NULL].contains(&text) || is_origin(text) {
            return Ok(Self(text.into()));
        }
        if text.contains('*') {
            let wrong = Wrong::new(format!("{} would fit no origin: each is compared whole", quoted(text)));
            return Err(wrong.help("name every origin, or write \"*\" for all, without credentials"));
        }
        let wrong = Wrong::new(format!("{} is not an origin as browsers write it", quoted(text)));
        let corrected = corrected(text);
        Err(if is_origin(&corrected) {
            wrong
                .help(format!("write \"{corrected}\": scheme, host, and the port unless it is the usual one"))
        } else {
            wrong.help(format!("write it like {}", Self::LIKE))
        })
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

/// Whether the text is the one way in which browsers write an origin.
fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    let scheme_is_sound = scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.chars().all(plain);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let usual = usual_port(scheme);
    let is_port = |port: &str| {
        port.parse::<u16>().is_ok_and(|number| number.to_string() == port && Some(number) != usual)
    };
    scheme_is_sound && is_host(host) && port.is_none_or(is_port)
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// An origin freed of what people paste along with it.
fn corrected(text: &str) -> String {
    let text = text.trim().to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", &text));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let usual = usual_port(scheme).map(|port| format!(":{port}"));
    let authority = usual.and_then(|usual| authority.strip_suffix(&*usual)).unwrap_or(authority);
    format!("{scheme}://{authority}")
}

impl Text for ExposedHeader {
    const NAME: &'static str = "header name";
    const LIKE: &'static str = "\"x-api-key\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text == "*" {
            let wrong = Wrong::new(
                "`*` is the name of a header where credentials are sent, and every header elsewhere",
            );
            return Err(wrong.help("name each header"));
        }
        let wrong = || Wrong::new(format!("{} is not a header name", quoted(text)));
        let name = text.parse().map_err(|_| wrong().help(format!("write it like {}", Self::LIKE)))?;
        Ok(Self(name))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, help: Option<&str>) {
        match (WebOrigin::parse(text), help) {
            (Ok(origin), None) => assert_eq!(origin.text(), text),
            (Err(wrong), Some(help)) => {
                let told = format!("{}; {}", wrong.message, wrong.help.unwrap_or_default());
                assert!(told.contains(help), "{text}: {told}");
            }
            (read, _) => panic!("{text}: {read:?}"),
        }
    }

    #[test]
    fn an_origin_is_written_in_one_way() {
        for good in [
            "*",
            "null",
            "https://app.example.com",
            "https://app.example.com:8443",
            "http://localhost:5173",
            "http://[::1]:3000",
            "chrome-extension://abcdefgh",
            "https://xn--bcher-kva.example",
        ] {
            check(good, None);
        }
        check("https://app.example.com/", Some("write \"https://app.example.com\""));
        check("https://app.example.com/login?x", Some("write \"https://app.example.com\""));
        check("https://App.Example.com", Some("write \"https://app.example.com\""));
        check("https://app.example.com:443", Some("write \"https://app.example.com\""));
        check("http://app.example.com:80", Some("write \"http://app.example.com\""));
        check("app.example.com", Some("write \"https://app.example.com\""));
        check("https://*.example.com", Some("each is compared whole"));
        check("https://a.example https://b.example", Some("write it like"));
        check("https://a.example:99999", Some("write it like"));
        check("https://", Some("write it like"));
        check("", Some("write it like"));
        check("https://a.example\r\nX: y", Some("write it like"));
    }
}
