//! A gate that people are known to: who they are is a table, and what the gate answers by itself is kept.

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::HeaderValue;
use jiff::Timestamp;
use portcullis_contract::identity::Place;
use portcullis_contract::ports::{Credential, CredentialKind, Identity, Judged, Judging, NotKnown};
use portcullis_gateway::People;
use portcullis_model::{
    ApiKeyId, ApiKeyPrincipal, ApplicationName, KeyName, Permission, Principal, RoleName, SessionId, Shown,
    StoredKey, UserId, UserName, UserPrincipal,
};
use portcullis_testkit::{Client, RequestBuilder, SeenRequest, Upstream, WebsocketUpstream};

use crate::configured;
use crate::local::Kept;
use crate::world::World;

/// The secret of a cookie, as its form has it.
pub(crate) const SECRET: &str = "c2VjcmV0LW9mLWEtc2Vzc2lvbi1vZi1hbm4tYW5uLWE";
/// A token, as its form has it.
pub(crate) const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl";
/// A key of the store. The end of it is its checksum.
pub(crate) const KEY: &str = "an-imported-key-of-the-store-0123";

pub(crate) const ANN: UserId = UserId([1; 16]);
pub(crate) const SESSION: SessionId = SessionId([2; 16]);
pub(crate) const KEPT: ApiKeyId = ApiKeyId([3; 16]);

/// What credentials stand for.
pub(crate) struct Known {
    judged: Mutex<HashMap<(Place, CredentialKind, String), Judged>>,
    /// Whether what is known is remembered, or has to be asked for.
    pub(crate) forgets: AtomicBool,
    /// The store does not answer; or says that it cannot.
    pub(crate) hangs: AtomicBool,
    pub(crate) is_gone: AtomicBool,
    pub(crate) asked: AtomicU64,
    /// How many judgements are left until nothing is good any more.
    pub(crate) good_for: AtomicU64,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            judged: Mutex::default(),
            forgets: AtomicBool::default(),
            hangs: AtomicBool::default(),
            is_gone: AtomicBool::default(),
            asked: AtomicU64::default(),
            good_for: AtomicU64::new(u64::MAX),
        }
    }
}

impl Known {
    pub(crate) fn is(&self, place: &Place, kind: CredentialKind, text: &str, judged: Judged) {
        self.judged.lock().unwrap().insert((place.clone(), kind, text.to_owned()), judged);
    }

    fn judged(&self, shown: &Credential<'_>) -> Judged {
        let left = |left: u64| left.checked_sub(1);
        if self.good_for.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_err() {
            return Err(NotKnown::Refused("it has ended"));
        }
        let key = (shown.place.clone(), shown.kind, shown.text.to_owned());
        let judged = self.judged.lock().unwrap().get(&key).cloned();
        judged.unwrap_or(Err(NotKnown::Refused("nobody knows it")))
    }
}

impl Identity for Known {
    fn recall(&self, shown: &Credential<'_>, _: Timestamp) -> Option<Judged> {
        (!self.forgets.load(Ordering::Relaxed)).then(|| self.judged(shown))
    }

    fn ask<'a>(&'a self, shown: Credential<'a>, _: Timestamp) -> Judging<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            if self.hangs.load(Ordering::Relaxed) {
                pending::<()>().await;
            }
            if self.is_gone.load(Ordering::Relaxed) {
                return Err(NotKnown::Unavailable);
            }
            self.judged(&shown)
        })
    }

    fn assert(&self, who: &Principal, to: &ApplicationName, _: Timestamp) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("{} for {to}", who.owner()?)).ok()
    }

    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    fn obstacles(&self) -> Vec<String> {
        if self.is_gone.load(Ordering::Relaxed) { vec!["the store is gone".into()] } else { Vec::new() }
    }
}

/// A gate with two applications and a portal.
pub(crate) struct Peopled {
    pub(crate) world: World,
    pub(crate) sockets: WebsocketUpstream,
    pub(crate) known: Arc<Known>,
    pub(crate) kept: Arc<Kept>,
    pub(crate) client: Client,
}

/// The origin of an application.
pub(crate) fn place(application: &str) -> Place {
    Place::Application(ApplicationName::parse(application).unwrap())
}

/// Somebody who is known by a session.
pub(crate) fn ann(shown: Shown) -> Arc<Principal> {
    Arc::new(Principal::User(UserPrincipal {
        id: ANN,
        name: UserName::parse("ann").unwrap(),
        user_id: None,
        roles: vec![RoleName::parse("user").unwrap()],
        permissions: [Permission::parse("read:tasks").unwrap()].into_iter().collect(),
        session: SESSION,
        shown,
        ends: Timestamp::MAX,
    }))
}

/// A key of hers that the store keeps.
pub(crate) fn key_of_ann() -> Arc<Principal> {
    Arc::new(Principal::ApiKey(ApiKeyPrincipal {
        key: KeyName::parse("ci").unwrap(),
        owner: "ann".into(),
        roles: vec![RoleName::parse("user").unwrap()],
        permissions: [Permission::parse("read:tasks").unwrap()].into_iter().collect(),
        stored: Some(StoredKey { id: KEPT, owner: ANN }),
        ends: None,
    }))
}

impl Peopled {
    /// A gate to which Ann is known at the shop: by a cookie, a token and a key.
    pub(crate) async fn start() -> Self {
        Self::with_portal_at("http://login.localhost").await
    }

    /// The same with a portal at this origin.
    pub(crate) async fn with_portal_at(origin: &str) -> Self {
        let peopled = Self::knowing_nobody(origin).await;
        let (identity, local) = (Arc::<Known>::clone(&peopled.known), Arc::<Kept>::clone(&peopled.kept));
        peopled.world.gate.know(People { identity, local });
        let shop = place("shop");
        for (kind, text, who) in [
            (CredentialKind::Cookie, SECRET, ann(Shown::Cookie)),
            (CredentialKind::Token, TOKEN, ann(Shown::Token)),
            (CredentialKind::ApiKey, KEY, key_of_ann()),
        ] {
            peopled.known.is(&shop, kind, text, Ok(who));
        }
        peopled
    }

    /// The same configuration in a gate that has nobody to ask.
    pub(crate) async fn without_people() -> Self {
        Self::knowing_nobody("http://login.localhost").await
    }

    async fn knowing_nobody(origin: &str) -> Self {
        let (upstream, sockets) = (Upstream::start().await, WebsocketUpstream::start().await);
        let snapshot = configured::with_portal(&upstream, &sockets, origin);
        let world = World::with(snapshot, upstream).await;
        let (known, kept) = (Arc::default(), Arc::default());
        Self { world, sockets, known, kept, client: Client::without_pool() }
    }

    /// A host with its port.
    pub(crate) fn host(&self, host: &str) -> String {
        format!("{host}.localhost:{}", self.world.address.port())
    }

    /// Where a host's path is.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{}{path}", self.host(host))
    }

    /// Begins to ask the shop.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url("shop", path))
    }

    /// What the upstream saw, which must be one request to this path since `before`.
    #[track_caller]
    pub(crate) fn one_seen_since(&self, before: u64, path: &str) -> SeenRequest {
        assert_eq!(self.world.upstream.requests_total(), before + 1, "{path}");
        self.world.upstream.last_request(path).unwrap()
    }
}

/// The field of a cookie that shows a session.
pub(crate) fn cookie(secret: &str) -> String {
    format!("portcullis={secret}")
}
