//! `Sec-WebSocket-Extensions` (RFC 6455 §9.1), and the one extension that may pass: permessage-deflate (RFC 7692).
//!
//! An extension may change what frames mean. The gate reads frames, so what it does not know is not offered to the
//! upstream, and an upstream that names what was not offered is not believed.

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_EXTENSIONS;
use portcullis_contract::snapshot::Compression;

use super::handshake::is_token;

const DEFLATE: &str = "permessage-deflate";
/// Extensions, or offers of one, in a list.
const EXTENSIONS_MAX: usize = 16;

/// An extension as it was named, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extension {
    name: Box<str>,
    parameters: Vec<(Box<str>, Option<Box<str>>)>,
}

/// What is no list of extensions, or names one that was not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Odd;

/// The extensions that a head names.
pub(super) fn read(headers: &HeaderMap) -> Result<Vec<Extension>, Odd> {
    let mut extensions = Vec::new();
    for line in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
        // No parameter that is known takes a quoted value, so a comma always ends an extension.
        for text in line.to_str().map_err(|_| Odd)?.split(',') {
            if extensions.len() == EXTENSIONS_MAX {
                return Err(Odd);
            }
            extensions.push(one(text)?);
        }
    }
    Ok(extensions)
}

fn one(text: &str) -> Result<Extension, Odd> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| is_token(name)).ok_or(Odd)?.into();
    let mut parameters: Vec<(Box<str>, Option<Box<str>>)> = Vec::new();
    for part in parts {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value.trim())),
            None => (part, None),
        };
        let value =
            value.map(|value| value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value));
        if !is_token(key) || value.is_some_and(|value| !is_token(value)) {
            return Err(Odd);
        }
        if parameters.iter().any(|(known, _)| **known == *key) {
            return Err(Odd);
        }
        parameters.push((key.into(), value.map(Into::into)));
    }
    Ok(Extension { name, parameters })
}

/// The offers of compression among them, each written anew. One with a parameter that is not known is none.
pub(super) fn offers_of_compression(offered: &[Extension]) -> Vec<Box<str>> {
    let is_good = |extension: &&Extension| *extension.name == *DEFLATE && extension.is_known(Said::ByClient);
    offered.iter().filter(is_good).map(|extension| extension.text().into()).collect()
}

/// What the upstream took of what was offered: nothing, or compression.
pub(super) fn agreed(taken: &[Extension], offers: &[Box<str>]) -> Result<Compression, Odd> {
    match taken {
        [] => Ok(Compression::Refused),
        [one] => {
            let bits = "client_max_window_bits";
            let may_limit_the_client = offers.iter().any(|offer| offer.contains(bits));
            let limits_the_client = one.parameters.iter().any(|(key, _)| **key == *bits);
            let is_good = *one.name == *DEFLATE && one.is_known(Said::ByUpstream) && !offers.is_empty();
            if is_good && (may_limit_the_client || !limits_the_client) {
                Ok(Compression::Agreed)
            } else {
                Err(Odd)
            }
        }
        _ => Err(Odd),
    }
}

/// Who names parameters: one of them may stand alone in an offer only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    ByClient,
    ByUpstream,
}

impl Extension {
    /// RFC 7692 §7.1: the four parameters, and what each may be.
    fn is_known(&self, said: Said) -> bool {
        let is_bits = |value: &str| matches!(value, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15");
        self.parameters.iter().all(|(key, value)| match (&**key, value) {
            ("server_no_context_takeover" | "client_no_context_takeover", None) => true,
            ("client_max_window_bits", None) => said == Said::ByClient,
            ("server_max_window_bits" | "client_max_window_bits", Some(value)) => is_bits(value),
            _ => false,
        })
    }

    fn text(&self) -> String {
        let mut text = self.name.to_string();
        for (key, value) in &self.parameters {
            text.push_str("; ");
            text.push_str(key);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        }
        text
    }
}
