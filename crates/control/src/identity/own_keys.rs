//! API keys that people make and end by themselves. A key outlives the session that it was made in, so whoever has got hold of
//! a session alone gets none: the password is asked for once more.

use portcullis_contract::identity::StoredApiKey;
use portcullis_model::audit::action;
use portcullis_model::{ApiKeyId, UserPrincipal};
use secrecy::SecretString;

use super::People;
use super::asked::{Caller, NewApiKey, NewOwnKey, OwnKeyProblem, PeopleProblem};
use super::log_in::after;

/// Keys of one account. An administrator may make more of them.
const OWN_KEYS_MAX: u16 = 50;

impl People {
    /// Whether keys can be made at all: there must be a secret to hash them under.
    pub fn makes_api_keys(&self) -> bool {
        self.rules.load().hash_key.is_some()
    }

    /// Makes a key of somebody's own. Its text is nowhere else.
    pub async fn make_own_key(
        &self,
        who: &UserPrincipal,
        password: &SecretString,
        new: NewOwnKey,
        caller: &Caller,
    ) -> Result<(StoredApiKey, SecretString), OwnKeyProblem> {
        let owner = self.show_password(who, password, action::API_KEY_CREATE, caller).await?.id;
        if self.api_keys(Some(owner), None, OWN_KEYS_MAX).await?.len() >= usize::from(OWN_KEYS_MAX) {
            return Err(OwnKeyProblem::TooMany(OWN_KEYS_MAX));
        }
        let NewOwnKey { name, permissions, lasts } = new;
        let expires = Some(after(self.clock.wall(), lasts));
        let new = NewApiKey { name, owner, permissions, applications: Vec::new(), expires, text: None };
        Ok(self.create_api_key(new, caller).await?)
    }

    /// Ends a key of somebody's own; another's is none of theirs.
    pub async fn end_own_key(
        &self,
        who: &UserPrincipal,
        password: &SecretString,
        id: ApiKeyId,
        caller: &Caller,
    ) -> Result<(), OwnKeyProblem> {
        let owner = self.show_password(who, password, action::API_KEY_DELETE, caller).await?.id;
        if self.api_key(id).await?.owner != owner {
            return Err(PeopleProblem::NotFound.into());
        }
        Ok(self.delete_api_key(id, caller).await?)
    }
}
