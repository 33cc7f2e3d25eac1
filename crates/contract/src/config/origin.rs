//! The origins of pages: `https://shop.example.com`, or `*` for every one.

use portcullis_access::origin::Origin;

use super::kind::{Text, Wrong};
use crate::diagnostic::quoted;

/// A page's origin, or every page's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageOrigin {
    This(Origin),
    Any,
}

impl Text for PageOrigin {
    const NAME: &'static str = "origin";
    const LIKE: &'static str = "\"https://shop.example.com\" or \"http://localhost:3000\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let wrong = Wrong::new(format!("{} is not the origin of a page", quoted(text)));
        if text == "null" {
            return Err(
                wrong.help("pages without an origin of their own all say `null`: name those that have one")
            );
        }
        let origin = Origin::parse(text).map_err(|_| wrong.clone().help(likely(text)))?;
        // What is compared is not the text, but what two people read in it should be the same.
        if origin.to_string() != text {
            return Err(wrong.help(format!("browsers write it \"{origin}\"")));
        }
        Ok(Self::This(origin))
    }

    fn text(&self) -> String {
        match self {
            Self::This(origin) => origin.to_string(),
            Self::Any => "*".to_owned(),
        }
    }
}

/// What was probably meant.
fn likely(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = if scheme == "ws" || scheme == "http" { "http" } else { "https" };
    match Origin::parse(&format!("{scheme}://{host}")) {
        Ok(origin) => format!("write \"{origin}\""),
        Err(_) if host.contains('*') => "name each host: a page of any other host would be let in".to_owned(),
        Err(_) => format!("write it like {}", PageOrigin::LIKE),
    }
}
