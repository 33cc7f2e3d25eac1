//! Signed assertions of who asks, for upstreams: one is good for several requests, so it is signed once in half its life.

use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use portcullis_access::token::{Claims, TokenUse};
use portcullis_model::{ApiKeyId, ApplicationName, KeyName, Principal, SessionId, Shown};

use super::People;
use super::bounded::{Bounded, Kept};
use super::rings::ASSERTION_LIFETIME;

/// How long one is used: an upstream then has half of its life left.
const USED_FOR: SignedDuration = SignedDuration::from_secs(30);

/// Assertions that were made lately.
pub(super) struct Assertions(Bounded<(Whose, ApplicationName), Assertion>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Session(SessionId, IsToken),
    Stored(ApiKeyId),
    Declared(KeyName),
}

type IsToken = bool;

struct Assertion {
    /// Exactly of whom: roles and permissions may have changed.
    of: Principal,
    value: HeaderValue,
    made: Timestamp,
}

impl Kept for Assertion {}

impl Assertion {
    fn is_good(&self, now: Timestamp) -> bool {
        self.made <= now && now.duration_since(self.made) < USED_FOR
    }
}

impl Assertions {
    pub(super) fn new(entries_max: usize) -> Self {
        Self(Bounded::new(entries_max))
    }

    /// Forgets those that are used no longer.
    pub(super) fn sweep(&self, now: Timestamp) {
        self.0.take_unless(|assertion| assertion.is_good(now));
    }
}

impl People {
    pub(super) fn assertion(
        &self,
        who: &Principal,
        to: &ApplicationName,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let whose = match who {
            Principal::User(user) => Whose::Session(user.session, user.shown == Shown::Token),
            Principal::ApiKey(key) => match key.stored {
                Some(stored) => Whose::Stored(stored.id),
                None => Whose::Declared(key.key.clone()),
            },
            Principal::Certificate(_) | Principal::Anonymous => return None,
        };
        let place = (whose, to.clone());
        let fits = |known: &Assertion| (known.is_good(now) && known.of == *who).then(|| known.value.clone());
        if let Some(value) = self.assertions.0.find(&place, fits).flatten() {
            return Some(value);
        }
        let value = self.sign_assertion(who, to, now)?;
        let made = Assertion { of: who.clone(), value: value.clone(), made: now };
        self.assertions.0.keep_if(place, made, || true);
        Some(value)
    }

    fn sign_assertion(&self, who: &Principal, to: &ApplicationName, now: Timestamp) -> Option<HeaderValue> {
        let signing = self.signing()?;
        let (ring, profile) = signing.signer(TokenUse::Assertion, to.as_str());
        let (user_id, session) = match who {
            Principal::User(user) => (user.user_id.clone(), Some(user.session.to_string().into())),
            Principal::ApiKey(_) | Principal::Certificate(_) | Principal::Anonymous => (None, None),
        };
        let claims = Claims {
            subject: who.owner()?.into(),
            user_id,
            session,
            token_id: Some(self.token_id()),
            client: None,
            roles: who.roles().to_vec(),
            scope: Vec::new(),
            permissions: who.permissions().cloned().unwrap_or_default(),
        };
        let token = ring.issue(&profile, &claims, now, ASSERTION_LIFETIME);
        let token = token.inspect_err(|why| tracing::error!(%why, application = %to, "no assertion")).ok()?;
        let mut value = HeaderValue::try_from(token).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// A name for a token.
    pub(super) fn token_id(&self) -> Box<str> {
        format!("{:032x}", u128::from_be_bytes(*self.random::<16>())).into()
    }
}
