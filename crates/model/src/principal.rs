//! Who asks: the answer of the `authenticate` stage.

use serde::Serialize;

use crate::{KeyName, Permissions, RoleName};

/// Who a request is made by. Sessions, tokens and client certificates join with their issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// No credential was presented.
    Anonymous,
    /// A verified API key.
    ApiKey(ApiKeyPrincipal),
}

/// What a verified API key says of its bearer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiKeyPrincipal {
    /// The key's public name.
    pub key: KeyName,
    /// The owner, as the upstream knows them.
    pub owner: Box<str>,
    /// The owner's roles.
    pub roles: Vec<RoleName>,
    /// What the key may do: already narrowed to what its owner's roles hold.
    pub permissions: Permissions,
}

impl Principal {
    /// The name that logs and the upstream see; `None` for an anonymous request.
    pub fn owner(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::ApiKey(key) => Some(&key.owner),
        }
    }
}
