//! The origins of pages, as browsers write them: `https://shop.example.com`, `null`, or `*` for every one.

use portcullis_access::origin::Origin;

use super::kind::{Text, Wrong};
use crate::diagnostic::quoted;

/// A page's origin (RFC 6454 §6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageOrigin {
    This(Origin),
    /// What pages in a sandbox and files send: many, and nobody's own.
    Null,
    /// Every page's.
    Any,
}

impl Text for PageOrigin {
    const NAME: &'static str = "origin";
    const LIKE: &'static str = "\"https://shop.example.com\" or \"http://localhost:3000\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let wrong = Wrong::new(format!("{} is not an origin as browsers write it", quoted(text)));
        let origin = Origin::parse(text).map_err(|_| wrong.clone().help(likely(text)))?;
        // What two people read in it should be the same, whatever is compared.
        if origin.to_string() != text {
            return Err(wrong.help(format!("write \"{origin}\"")));
        }
        Ok(Self::This(origin))
    }

    fn text(&self) -> String {
        match self {
            Self::This(origin) => origin.to_string(),
            Self::Null => "null".to_owned(),
            Self::Any => "*".to_owned(),
        }
    }
}

/// What was probably meant: an origin freed of what people paste along with it.
fn likely(text: &str) -> String {
    if text.contains('*') {
        return "each origin is compared whole: name every one that is meant".to_owned();
    }
    let text = text.trim().to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", &text));
    let scheme = match scheme {
        "ws" => "http",
        "wss" => "https",
        other => other,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match Origin::parse(&format!("{scheme}://{authority}")) {
        Ok(origin) => format!("write \"{origin}\""),
        Err(_) => format!("write it like {}", PageOrigin::LIKE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, help: Option<&str>) {
        match (PageOrigin::parse(text), help) {
            (Ok(origin), None) => assert_eq!(origin.text(), text),
            (Err(wrong), Some(help)) => {
                let told = wrong.help.unwrap_or_default();
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
        for (pasted, meant) in [
            ("https://app.example.com/", "https://app.example.com"),
            ("https://app.example.com/login?x", "https://app.example.com"),
            ("https://App.Example.com", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://app.example.com:80", "http://app.example.com"),
            ("app.example.com", "https://app.example.com"),
            ("wss://app.example.com/live", "https://app.example.com"),
        ] {
            check(pasted, Some(&format!("write \"{meant}\"")));
        }
        check("https://*.example.com", Some("compared whole"));
        for other in [
            "https://a.example https://b.example",
            "https://a.example:99999",
            "https://",
            "",
            "https://a\r\nX: y",
        ] {
            check(other, Some("write it like"));
        }
    }
}
