//! API keys: how a key is made and recognised, what is stored of it, and who it stands for (ID-05).
//!
//! A key is `pcl_`, then 43 characters that carry 256 random bits, then 6 that check the rest: 53 in all, of
//! the alphabet `0-9A-Za-z` (base 62, most significant digit first, padded with `0`). The last six are the
//! CRC-32 (IEEE) of the 47 characters before them. Prefix and checksum let a secret scanner recognise a
//! leaked key, and let the gate turn away typing errors without a look-up; they protect nothing by
//! themselves.
//!
//! The key itself is never stored, only its HMAC. Randomness and time are arguments; reading secrets from
//! files is `contract`'s work. Read next: `apikey/form.rs` for what is refused before any look-up.

mod form;
mod hash;

use std::collections::HashMap;
use std::fmt;

use jiff::Timestamp;
use portcullis_model::{ApiKeyPrincipal, ApplicationName, KeyName, Permissions, RoleName};
use thiserror::Error;

pub use form::{KEY_BYTES_MAX, KEY_BYTES_MIN, KEY_PREFIX, KeyFormProblem, check_form, generate};
pub use hash::{HASH_KEY_BYTES_MIN, HashKey, HashKeyError, KeyHash, KeyHashError};

/// One API key, as the configuration declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public name.
    pub name: KeyName,
    /// Whose it is, as the upstream knows them.
    pub owner: Box<str>,
    /// The owner's roles.
    pub roles: Vec<RoleName>,
    /// What it may do, already narrowed to what the owner's roles hold (AZ-02); nothing unless given.
    pub permissions: Permissions,
    /// The applications that it is good for; empty means all.
    pub applications: Vec<ApplicationName>,
    /// When it ends, by the wall clock: at this instant it is refused. `None` means never.
    pub expires: Option<Timestamp>,
    /// What is stored of the key itself.
    pub hash: KeyHash,
}

/// Why a presented key is refused. The reason is for the operator's log; the client hears the same of all of
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyRefusal {
    /// The text cannot be one of our keys, or is one that everybody knows.
    #[error(transparent)]
    Form(#[from] KeyFormProblem),
    /// No such key is declared.
    #[error("the api key is not known")]
    Unknown,
    /// The key was good once.
    #[error("the api key has expired")]
    Expired,
    /// The key is good, for other applications.
    #[error("the api key is not good for this application")]
    OtherApplication,
}

/// All keys that are declared, found by their hash. The default holds none and refuses every key.
#[derive(Default)]
pub struct KeyRing {
    hash_key: Option<HashKey>,
    // How long a look-up takes says something about the hash that was looked for. An attacker who does not
    // know the hash key cannot choose hashes, so what they measure is noise.
    by_hash: HashMap<KeyHash, ApiKey>,
    by_name: HashMap<KeyName, KeyHash>,
}

impl ApiKey {
    /// Whether it is good for an application.
    pub fn is_for(&self, application: &ApplicationName) -> bool {
        self.applications.is_empty() || self.applications.contains(application)
    }

    /// Who it stands for.
    pub fn principal(&self) -> ApiKeyPrincipal {
        ApiKeyPrincipal {
            key: self.name.clone(),
            owner: self.owner.clone(),
            roles: self.roles.clone(),
            permissions: self.permissions.clone(),
            stored: None,
            ends: self.expires,
        }
    }
}

impl KeyRing {
    /// A ring of these keys. Without a hash key nothing can be verified and every key is unknown. Of two keys
    /// with one hash the first counts.
    pub fn new(hash_key: Option<HashKey>, keys: Vec<ApiKey>) -> Self {
        let mut by_hash = HashMap::with_capacity(keys.len());
        let mut by_name = HashMap::with_capacity(keys.len());
        for key in keys {
            by_name.entry(key.name.clone()).or_insert(key.hash);
            by_hash.entry(key.hash).or_insert(key);
        }
        Self { hash_key, by_hash, by_name }
    }

    /// Finds out who a presented key stands for, for one application at the wall clock's `now`. The form is
    /// checked before anything is hashed or looked up.
    pub fn verify(
        &self,
        presented: &str,
        application: &ApplicationName,
        now: Timestamp,
    ) -> Result<ApiKeyPrincipal, KeyRefusal> {
        check_form(presented)?;
        let hash_key = self.hash_key.as_ref().ok_or(KeyRefusal::Unknown)?;
        let key = self.by_hash.get(&hash_key.hash(presented)).ok_or(KeyRefusal::Unknown)?;
        if key.expires.is_some_and(|expires| expires <= now) {
            return Err(KeyRefusal::Expired);
        }
        if !key.is_for(application) {
            return Err(KeyRefusal::OtherApplication);
        }
        Ok(key.principal())
    }

    /// The key of that name, whether it is still good or not.
    pub fn named(&self, name: &KeyName) -> Option<&ApiKey> {
        self.by_hash.get(self.by_name.get(name)?)
    }

    /// The secret under which keys are hashed, also those that are kept elsewhere.
    pub fn hash_key(&self) -> Option<&HashKey> {
        self.hash_key.as_ref()
    }

    /// How many keys are declared.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// True when no key is declared.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
