//! Who asks: the answer of the `authenticate` stage.

use jiff::Timestamp;

use crate::{ApiKeyId, KeyName, Permissions, RoleName, SessionId, UserId, UserName};

/// Who a request is made by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// No credential was presented.
    Anonymous,
    /// A verified API key.
    ApiKey(ApiKeyPrincipal),
    /// Somebody who logged in.
    User(UserPrincipal),
    /// The bearer of a client certificate, on a route that asks for that and for nothing else.
    Certificate(CertificatePrincipal),
}

/// What a verified API key says of its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyPrincipal {
    /// The key's public name.
    pub key: KeyName,
    /// The owner, as the upstream knows them.
    pub owner: Box<str>,
    /// The owner's roles.
    pub roles: Vec<RoleName>,
    /// What the key may do: already narrowed to what its owner's roles hold.
    pub permissions: Permissions,
    /// What it is in the store, where it is kept there and not in the configuration.
    pub stored: Option<StoredKey>,
    /// When it ends; `None` means never.
    pub ends: Option<Timestamp>,
}

/// An API key that is kept in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredKey {
    /// Its public id.
    pub id: ApiKeyId,
    /// The account whose it is: with that the key ends, and can do no more than it can.
    pub owner: UserId,
}

/// Somebody who logged in, and the session by which they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPrincipal {
    /// The account.
    pub id: UserId,
    /// The name, as the upstream is told.
    pub name: UserName,
    /// The name that an application knows the account by, where it has another one.
    pub user_id: Option<Box<str>>,
    /// Their roles.
    pub roles: Vec<RoleName>,
    /// What they may do: what their roles hold, or less where a token says so.
    pub permissions: Permissions,
    /// The log-in.
    pub session: SessionId,
    /// What said so.
    pub shown: Shown,
    /// When that ends, whatever happens: the session, or the token that was shown.
    pub ends: Timestamp,
}

/// What a client certificate says of its bearer, whom its authority vouches for. It has no roles: what its bearer may do
/// is what the routes that ask for it let them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificatePrincipal {
    /// Its subject, such as `CN=client.example.com, O=Example`: no user has such a name.
    pub subject: Box<str>,
}

/// What a client shows to be known by a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A cookie, which browsers add by themselves, whoever wrote the page.
    Cookie,
    /// An access token, which only a program of the user's adds.
    Token,
}

impl Principal {
    /// The name that logs and the upstream see; `None` for an anonymous request.
    pub fn owner(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::ApiKey(key) => Some(&key.owner),
            Self::User(user) => Some(user.name.as_str()),
            Self::Certificate(certificate) => Some(&certificate.subject),
        }
    }

    /// Their roles; none for an anonymous request.
    pub fn roles(&self) -> &[RoleName] {
        match self {
            Self::Anonymous | Self::Certificate(_) => &[],
            Self::ApiKey(key) => &key.roles,
            Self::User(user) => &user.roles,
        }
    }

    /// What they may do; `None` for those of whom that is not said.
    pub fn permissions(&self) -> Option<&Permissions> {
        match self {
            Self::Anonymous | Self::Certificate(_) => None,
            Self::ApiKey(key) => Some(&key.permissions),
            Self::User(user) => Some(&user.permissions),
        }
    }

    /// Whether a browser adds what they showed by itself, to requests of anybody's page.
    pub fn is_added_by_browsers(&self) -> bool {
        matches!(self, Self::User(UserPrincipal { shown: Shown::Cookie, .. }) | Self::Certificate(_))
    }
}
