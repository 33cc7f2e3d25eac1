//! What a token says of its bearer, as types; and the text of it.

use portcullis_model::{Permission, Permissions, RoleName};
use serde_json::{Value, json};
use thiserror::Error;

use super::Refusal;
use super::json::Object;

/// Longest of each single text, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;

/// Most roles, scopes and permissions, of each. The token's own length is the narrower limit.
const LIST_MAX: usize = 128;

/// What a token says of its bearer. Who issued it, for whom and for how long is the matter of
/// [`super::Profile`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: the account, as the gate knows it.
    pub subject: Box<str>,
    /// `user_id`: the account as the application knows it, where that differs.
    pub user_id: Option<Box<str>>,
    /// `sid`: the session that the token hangs on; ending the session ends the token.
    pub session: Option<Box<str>>,
    /// `jti`: the token's own name, to revoke it by. Only a token that an application made may lack it.
    pub token_id: Option<Box<str>>,
    /// `client_id`: the program that asked for the token (RFC 9068 §2.2).
    pub client: Option<Box<str>>,
    /// `roles`.
    pub roles: Vec<RoleName>,
    /// `scope`: written with spaces between (RFC 8693 §4.2).
    pub scope: Vec<Box<str>>,
    /// `permissions`: at most what the roles hold; none unless given.
    pub permissions: Permissions,
}

/// What cannot be written into a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("claim `{0}` is empty, too long, or has a character that it cannot have")]
pub struct ClaimsProblem(pub &'static str);

impl Claims {
    /// Writes the claims, each within its limits.
    pub(super) fn write(&self) -> Result<Object, ClaimsProblem> {
        let mut object = Object::new();
        let texts = [
            ("sub", Some(&self.subject)),
            ("user_id", self.user_id.as_ref()),
            ("sid", self.session.as_ref()),
            ("jti", self.token_id.as_ref()),
            ("client_id", self.client.as_ref()),
        ];
        for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            if !is_text(text) {
                return Err(ClaimsProblem(name));
            }
            object.insert(name.to_owned(), Value::from(&**text));
        }
        if self.roles.len() > LIST_MAX {
            return Err(ClaimsProblem("roles"));
        }
        object.insert("roles".to_owned(), json!(self.roles));
        if self.scope.len() > LIST_MAX || !self.scope.iter().all(|scope| is_scope(scope)) {
            return Err(ClaimsProblem("scope"));
        }
        if !self.scope.is_empty() {
            object.insert("scope".to_owned(), self.scope.join(" ").into());
        }
        let permissions: Vec<&str> = self.permissions.iter().map(Permission::as_str).collect();
        if permissions.len() > LIST_MAX {
            return Err(ClaimsProblem("permissions"));
        }
        object.insert("permissions".to_owned(), permissions.into());
        Ok(object)
    }

    /// Reads the claims; what else the object holds is no matter of ours (RFC 7519 §4).
    pub(super) fn read(object: &Object) -> Result<Self, Refusal> {
        let scope = match text(object, "scope", is_scopes)? {
            Some(scopes) => scopes.split(' ').map(Into::into).collect(),
            None => Vec::new(),
        };
        let role = |text: &str| RoleName::parse(text).ok();
        let permission = |text: &str| Permission::parse(text).ok();
        Ok(Self {
            subject: text(object, "sub", is_text)?.ok_or(Refusal::Claim("sub"))?.into(),
            user_id: text(object, "user_id", is_text)?.map(Into::into),
            session: text(object, "sid", is_text)?.map(Into::into),
            token_id: text(object, "jti", is_text)?.map(Into::into),
            client: text(object, "client_id", is_text)?.map(Into::into),
            roles: list(object, "roles", role)?,
            scope,
            permissions: list(object, "permissions", permission)?.into_iter().collect(),
        })
    }
}

/// Reads a text that may be missing, but not be something else.
fn text<'a>(
    object: &'a Object,
    name: &'static str,
    is_good: impl Fn(&str) -> bool,
) -> Result<Option<&'a str>, Refusal> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if is_good(text) => Ok(Some(text)),
        Some(_) => Err(Refusal::Claim(name)),
    }
}

/// Reads a list that may be missing. One item that cannot be read makes the whole an error: half a list of rights
/// would be a guess.
fn list<T>(object: &Object, name: &'static str, item: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Refusal> {
    match object.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= LIST_MAX => {
            let items = items.iter().map(|value| value.as_str().and_then(&item));
            items.collect::<Option<_>>().ok_or(Refusal::Claim(name))
        }
        Some(_) => Err(Refusal::Claim(name)),
    }
}

fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}

/// Whether a text is one scope (RFC 6749 §3.3).
fn is_scope(text: &str) -> bool {
    let is_good = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && text.bytes().all(is_good)
}

fn is_scopes(text: &str) -> bool {
    text.split(' ').count() <= LIST_MAX && text.split(' ').all(is_scope)
}
