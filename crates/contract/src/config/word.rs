//! Names, permissions, methods, texts and files: what is written as one word or one sentence.

use std::path::PathBuf;

use http::{HeaderName, Method};
use portcullis_access::apikey::KEY_PREFIX;
use portcullis_access::forged::is_forged;
use portcullis_model::{ApplicationName, KeyName, NameError, Permission, RoleName, RouteName};
use serde_json::{Value, json};

use super::kind::{Text, Wrong};
use super::nearest;
use super::table::Label;
use crate::diagnostic::quoted;

/// The methods that the gate knows; any other is refused before routing.
pub(crate) const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Headers that mean something else, or that the gate itself sets or strips.
const RESERVED_HEADERS: [&str; 20] = [
    "accept",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// A limit's name within its application.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LimitName(pub(crate) Box<str>);

/// A name for an authority of clients' certificates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AuthorityName(pub(crate) Box<str>);

/// Whose a key is, as the upstream is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) Box<str>);

/// A sentence that clients see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence(pub(crate) Box<str>);

/// A header that may carry API keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyHeader(pub(crate) HeaderName);

/// The name of a header that the application is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DroppedHeader(pub(crate) HeaderName);

pub(crate) const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9._-]{0,63}$";

/// The names of the model, which share one grammar.
macro_rules! names {
    ($($name:ident, $what:literal, $like:literal;)+) => { $(
        impl Text for $name {
            const NAME: &'static str = $what;
            const LIKE: &'static str = $like;

            fn parse(text: &str) -> Result<Self, Wrong> {
                $name::parse(text).map_err(|problem| not_a_name(text, &problem))
            }

            fn text(&self) -> String {
                self.as_str().to_owned()
            }

            fn schema() -> Value {
                json!({ "type": "string", "pattern": NAME_PATTERN })
            }
        }
    )+ };
}

names! {
    ApplicationName, "application name", "\"shop\"";
    RouteName, "route name", "\"list-tasks\"";
    RoleName, "role name", "\"readonly\"";
}

impl Text for KeyName {
    const NAME: &'static str = "key name";
    const LIKE: &'static str = "\"ci-robot\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        refuse_key_itself(text)?;
        KeyName::parse(text).map_err(|problem| not_a_name(text, &problem))
    }

    fn text(&self) -> String {
        self.as_str().to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": NAME_PATTERN })
    }
}

/// Refuses an API key where its name or owner belongs, without repeating it.
fn refuse_key_itself(text: &str) -> Result<(), Wrong> {
    if text.starts_with(KEY_PREFIX) {
        let wrong =
            Wrong::new("this is an API key itself, which must not stand in the configuration").hide_line();
        return Err(
            wrong.help("write a name for it; `portcullis apikey hash` prints the `hash` to write beside it")
        );
    }
    Ok(())
}

/// Names that live in the configuration alone; all names share the grammar of the model's.
macro_rules! own_names {
    ($($name:ident, $what:literal, $like:literal;)+) => { $(
        impl Text for $name {
            const NAME: &'static str = $what;
            const LIKE: &'static str = $like;

            fn parse(text: &str) -> Result<Self, Wrong> {
                let name = RouteName::parse(text).map_err(|problem| not_a_name(text, &problem))?;
                Ok(Self(name.as_str().into()))
            }

            fn text(&self) -> String {
                self.0.to_string()
            }

            fn schema() -> Value {
                json!({ "type": "string", "pattern": NAME_PATTERN })
            }
        }
    )+ };
}

own_names! {
    LimitName, "limit name", "\"per-client\"";
    AuthorityName, "authority name", "\"partners\"";
}

fn not_a_name(text: &str, problem: &NameError) -> Wrong {
    let wrong = Wrong::new(format!("{} is not a name: {problem}", quoted(text)));
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c.to_ascii_lowercase() } else { '-' }
    };
    let corrected: String = text.trim().chars().map(plain).collect();
    match RouteName::parse(&corrected) {
        Ok(_) => wrong.help(format!("write \"{corrected}\"")),
        Err(_) => wrong,
    }
}

impl Label for ApplicationName {
    const PLACEHOLDER: &'static str = "NAME";
    const MOST: usize = 100;
}

impl Label for RoleName {
    const PLACEHOLDER: &'static str = "ROLE";
    const MOST: usize = 200;
}

impl Label for AuthorityName {
    const PLACEHOLDER: &'static str = "AUTHORITY";
    const MOST: usize = 100;
}

impl Label for LimitName {
    const PLACEHOLDER: &'static str = "LIMIT";
    const MOST: usize = 100;
}

impl Text for Permission {
    const NAME: &'static str = "permission";
    const LIKE: &'static str = "\"read:tasks\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        Permission::parse(text).map_err(|problem| {
            let wrong = Wrong::new(format!("{} is not a permission: {problem}", quoted(text)));
            let corrected = text.trim().to_lowercase().replace(['.', '/', ' '], ":");
            match Permission::parse(&corrected) {
                Ok(_) => wrong.help(format!("write \"{corrected}\"")),
                Err(_) => wrong,
            }
        })
    }

    fn text(&self) -> String {
        self.as_str().to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[a-z0-9_-]+(:([a-z0-9_-]+|\\*))?$", "maxLength": 96 })
    }
}

impl Text for Method {
    const NAME: &'static str = "method";
    const LIKE: &'static str = "\"GET\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Some(method) = METHODS.into_iter().find(|method| method.as_str() == text) {
            return Ok(method);
        }
        let wrong = Wrong::new(format!("{} is not a method that the gate lets through", quoted(text)));
        Err(match nearest::to(text, METHODS.iter().map(Method::as_str)) {
            Some(near) => wrong.help(format!("did you mean \"{near}\"?")),
            None => wrong.help("known are GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS"),
        })
    }

    fn text(&self) -> String {
        self.as_str().to_owned()
    }

    fn schema() -> Value {
        json!({ "enum": METHODS.map(|method| method.as_str().to_owned()) })
    }
}

impl Text for KeyHeader {
    const NAME: &'static str = "header name";
    const LIKE: &'static str = "\"X-API-Key\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = Wrong::new(format!("{} is not a header name", quoted(text)));
        let name: HeaderName =
            text.parse().map_err(|_| wrong.help(format!("write it like {}", Self::LIKE)))?;
        if is_forged(name.as_str()) || RESERVED_HEADERS.contains(&name.as_str()) {
            let wrong = Wrong::new(format!("the header {} has another meaning", quoted(text)));
            let help = match name.as_str() {
                "authorization" => "leave this out: a key in `Authorization: Bearer` is always understood",
                _ => "choose a header of your own, such as \"X-API-Key\"",
            };
            return Err(wrong.help(help));
        }
        Ok(Self(name))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

impl Text for DroppedHeader {
    const NAME: &'static str = "header name";
    const LIKE: &'static str = "\"X-User-Id\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = || Wrong::new(format!("{} is not a header name", quoted(text)));
        let name: HeaderName =
            text.parse().map_err(|_| wrong().help(format!("write it like {}", Self::LIKE)))?;
        let why = match name.as_str() {
            "host" | "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" => "is the gate's own word",
            own if own.starts_with("x-portcullis-") => "is the gate's own word",
            "connection" | "content-length" | "te" | "transfer-encoding" | "upgrade" => {
                "belongs to the connection and is written anew"
            }
            "content-encoding" | "content-type" => "says what the body is, which is judged by it",
            _ => return Ok(Self(name)),
        };
        let wrong = Wrong::new(format!("the header {} cannot be left out: it {why}", quoted(text)));
        Err(wrong.help("take it out of the list"))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }
}

impl Text for Owner {
    const NAME: &'static str = "owner";
    const LIKE: &'static str = "\"ci@example.com\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        const BYTES_MAX: usize = 128;
        refuse_key_itself(text)?;
        // It is sent to the upstream in a header, where other characters have no agreed meaning (RFC 9110 §5.5).
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && text.trim() == text;
        if plain && (1..=BYTES_MAX).contains(&text.len()) {
            return Ok(Self(text.into()));
        }
        let wrong = Wrong::new(format!("{} cannot be sent to the application in a header", quoted(text)));
        Err(wrong.help("write 1 to 128 characters of ASCII, without a space at either end"))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": 128 })
    }
}

impl Text for Sentence {
    const NAME: &'static str = "text";
    const LIKE: &'static str = "\"Too many requests\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        const CHARS_MAX: usize = 200;
        let length = text.chars().count();
        if text.trim().is_empty() || length > CHARS_MAX {
            return Err(Wrong::new(format!(
                "a text for clients has 1 to {CHARS_MAX} characters, this one has {length}"
            )));
        }
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            let message = format!(
                "`{}` is a control character, which a text for clients must not hold",
                c.escape_default()
            );
            return Err(Wrong::new(message).help("write it as one plain line"));
        }
        Ok(Self(text.into()))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": 200 })
    }
}

/// A header that pages of other origins may send or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExposedHeader(pub(crate) HeaderName);

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

/// A path, for kinds that name a `what` and are written like `like`.
pub(crate) fn path(text: &str, what: &str, like: &str) -> Result<PathBuf, Wrong> {
    if text.is_empty() || text.contains('\0') {
        return Err(Wrong::new(format!("does not name a {what}")).help(format!("write it like {like}")));
    }
    Ok(PathBuf::from(text))
}

impl Text for PathBuf {
    const NAME: &'static str = "folder";
    const LIKE: &'static str = "\"state\" or \"/var/lib/portcullis\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        path(text, Self::NAME, Self::LIKE)
    }

    fn text(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}
