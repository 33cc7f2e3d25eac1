//! API keys that are kept in the store: made, imported, rotated, ended.

use std::time::Duration;

use jiff::Timestamp;
use portcullis_access::apikey::{self, HashKey};
use portcullis_contract::identity::{Changed, Gone, StoreProblem, StoredApiKey, User};
use portcullis_model::audit::{Severity, action};
use portcullis_model::{ApiKeyId, KeyName, UserId};
use secrecy::{ExposeSecret, SecretString};

use super::People;
use super::asked::{Caller, NewApiKey, PeopleProblem};
use super::events::Event;
use super::log_in::after;

/// Most permissions of a key, and most applications: each is looked at whenever the key is asked for, and told to upstreams.
const WORDS_MAX: usize = 128;

impl People {
    /// Makes or imports a key. Its text is nowhere else: who loses it rotates the key.
    pub async fn create_api_key(
        &self,
        new: NewApiKey,
        caller: &Caller,
    ) -> Result<(StoredApiKey, SecretString), PeopleProblem> {
        if new.permissions.iter().count().max(new.applications.len()) > WORDS_MAX {
            return Err(PeopleProblem::TooMany(WORDS_MAX));
        }
        let owner = self.user(new.owner).await?;
        let held = self.who(&owner).permissions;
        if !held.imply_all(&new.permissions) {
            let surplus = new.permissions.iter().filter(|one| !held.imply(one)).cloned();
            return Err(PeopleProblem::TooMuch(surplus.collect()));
        }
        self.check_known(&new.permissions)?;
        let known = &self.rules.load_full().applications;
        if let Some(unknown) = new.applications.iter().find(|name| !known.contains_key(*name)) {
            return Err(PeopleProblem::UnknownApplication(unknown.clone()));
        }
        let now = self.clock.wall();
        if new.expires.is_some_and(|expires| expires <= now) {
            return Err(PeopleProblem::Past);
        }
        let (text, said) = match new.text {
            Some(text) => (text, "imported"),
            None => (apikey::generate(&self.random()), "made"),
        };
        apikey::check_form(text.expose_secret())?;
        let hash = self.hash_key()?.hash(text.expose_secret());
        if self.store.api_keys.by_hash(&hash).await?.is_some() {
            return Err(PeopleProblem::KeyTaken);
        }
        let key = StoredApiKey {
            id: ApiKeyId(*self.random::<16>()),
            name: new.name,
            owner: owner.id,
            permissions: new.permissions,
            applications: new.applications,
            created: now,
            expires: new.expires,
            used: None,
            hash,
            before: None,
        };
        let ends = key.expires.map_or("it never ends".to_owned(), |expires| format!("until {expires}"));
        let event = Event::change(action::API_KEY_CREATE).about(&owner.name);
        let event = event.details(format!("key {}, {said}, {ends}", key.id));
        let event = event.was_and_is("apikey.permissions", None, Some(key.permissions.to_string()));
        let intended = self.recorder.intend(event, caller).await?;
        let intended = intended.unless(changed(self.store.api_keys.create(&key).await))?;
        intended.done().await?;
        Ok((key, text))
    }

    /// Gives a key another text. The one before is good beside it for so long.
    pub async fn rotate_api_key(
        &self,
        id: ApiKeyId,
        overlap: Duration,
        caller: &Caller,
    ) -> Result<SecretString, PeopleProblem> {
        let (key, owner) = self.key_and_owner(id).await?;
        let text = apikey::generate(&self.random());
        let until = after(self.clock.wall(), overlap);
        let hash = self.hash_key()?.hash(text.expose_secret());
        let event = key_event(action::API_KEY_ROTATE, &key, owner.as_ref());
        let event = event.details(format!("key {id}; the text before is good until {until}"));
        let intended = self.recorder.intend(event, caller).await?;
        let intended = intended.unless(changed(self.store.api_keys.rotate(id, &hash, until).await))?;
        self.gone(&[Gone::ApiKey(id)]);
        intended.done().await?;
        Ok(text)
    }

    /// Ends a key.
    pub async fn delete_api_key(&self, id: ApiKeyId, caller: &Caller) -> Result<(), PeopleProblem> {
        let (key, owner) = self.key_and_owner(id).await?;
        let event = key_event(action::API_KEY_DELETE, &key, owner.as_ref()).severity(Severity::Medium);
        let event = event.was_and_is("apikey.permissions", Some(key.permissions.to_string()), None);
        let intended = self.recorder.intend(event.details(format!("key {id}")), caller).await?;
        let deleted = self.store.api_keys.delete(id).await;
        let intended =
            intended.unless(deleted.map(|was_there| (!was_there).then_some(PeopleProblem::NotFound)))?;
        self.gone(&[Gone::ApiKey(id)]);
        intended.done().await
    }

    /// An owner's keys, or all, in the order of their ids, at most `count` of those after `after`.
    pub async fn api_keys(
        &self,
        owner: Option<UserId>,
        after: Option<ApiKeyId>,
        count: u16,
    ) -> Result<Vec<StoredApiKey>, PeopleProblem> {
        Ok(self.store.api_keys.page(owner, after, count).await?)
    }

    /// A key of that id.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<StoredApiKey, PeopleProblem> {
        self.store.api_keys.by_id(id).await?.ok_or(PeopleProblem::NotFound)
    }

    /// The key of that name.
    pub async fn api_key_named(&self, name: &KeyName) -> Result<StoredApiKey, PeopleProblem> {
        self.store.api_keys.by_name(name).await?.ok_or(PeopleProblem::NotFound)
    }

    /// When a key ends that is made now and of which nobody says more.
    pub fn api_key_ends(&self) -> Timestamp {
        let days = u64::try_from(super::API_KEY_DAYS).unwrap_or(0);
        after(self.clock.wall(), Duration::from_secs(days * 86_400))
    }

    async fn key_and_owner(&self, id: ApiKeyId) -> Result<(StoredApiKey, Option<User>), PeopleProblem> {
        let key = self.api_key(id).await?;
        let owner = self.store.users.by_id(key.owner).await?;
        Ok((key, owner))
    }

    fn hash_key(&self) -> Result<HashKey, PeopleProblem> {
        self.rules.load().hash_key.clone().ok_or(PeopleProblem::NoHashKey)
    }
}

/// Why the store did not make a change, if it did not: nobody else has the name, and the key or its owner is there.
fn changed(how: Result<Changed, StoreProblem>) -> Result<Option<PeopleProblem>, StoreProblem> {
    how.map(|changed| match changed {
        Changed::Yes => None,
        Changed::NameTaken => Some(PeopleProblem::NameTaken),
        Changed::Stale | Changed::LastHolder => Some(PeopleProblem::NotFound),
    })
}

fn key_event(action: &'static str, key: &StoredApiKey, owner: Option<&User>) -> Event {
    let event = Event::change(action).details(format!("key {}", key.id));
    match owner {
        Some(owner) => event.about(&owner.name),
        None => event,
    }
}
