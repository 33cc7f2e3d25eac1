//! `authenticate`: who asks? Exactly one credential becomes a principal; none is anonymous.
//!
//! Reads the cookie of a session, the API key header and `Authorization`. The configuration's keys are judged here;
//! sessions, tokens and the store's keys by whoever keeps them ([`Identity`]), from memory where it remembers them.
//! Answers 400 to two different credentials, 401 to a token or key that is not good, and 503 when nobody can say.
//!
//! A browser adds its cookie whether its user means it or not, so one that is not good is none: `authorize` says what
//! becomes of its bearer. A bearer token that is not ours is left alone on a public route: it is the application's own.

mod presented;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use jiff::Timestamp;
use portcullis_access::apikey::{KEY_PREFIX, KeyRefusal};
use portcullis_access::demand::Demand;
use portcullis_access::origin::WebScheme;
use portcullis_contract::identity::Place;
use portcullis_contract::ports::{Credential, CredentialKind, Identity, Judged, NotKnown};
use portcullis_contract::snapshot::{Mode, Serves};
use portcullis_model::{CertificatePrincipal, Principal, Shown, Stage};
use tokio::time::timeout;

use crate::cookies::Session;
use crate::refusal::Refusal;
use crate::stages::normalize::Request;
use crate::stages::route::Target;
use crate::stages::{Scope, authorize};
use crate::story::Story;
use presented::{Key, Presented, ambiguous, carriers, presented};

/// How long the store may take to say whom a credential stands for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks, and the headers that said so, which are ours and not for the upstream.
pub(crate) struct Identified {
    pub(crate) principal: Who,
    pub(crate) carried_by: Vec<HeaderName>,
}

impl Identified {
    /// Nobody, for a request that never carries a credential.
    pub(crate) fn nobody() -> Self {
        Self { principal: Who::Own(Principal::Anonymous), carried_by: Vec::new() }
    }
}

/// A principal: made for this request, or shared with whoever remembers it.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    Own(Principal),
    Shared(Arc<Principal>),
}

impl Deref for Who {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        match self {
            Self::Own(principal) => principal,
            Self::Shared(principal) => principal,
        }
    }
}

impl Who {
    /// The same, to be shared.
    pub(crate) fn shared(self) -> Arc<Principal> {
        match self {
            Self::Own(principal) => Arc::new(principal),
            Self::Shared(principal) => principal,
        }
    }
}

/// What a credential is judged by.
struct Judge<'a> {
    scope: Scope<'a>,
    target: &'a Target,
    request: &'a Request,
    now: Timestamp,
}

/// Why a key or a token is not good.
enum NotGood {
    /// The configuration says so, and nobody else knows it.
    Key(KeyRefusal),
    /// Whoever keeps keys says so.
    KeptKey(NotKnown),
    /// It has the form of a token, or none that we know.
    Token(NotKnown),
}

impl NotGood {
    fn known(&self) -> Option<NotKnown> {
        match self {
            Self::Key(_) => None,
            Self::KeptKey(why) | Self::Token(why) => Some(*why),
        }
    }

    /// Whether it is nothing that we have ever given out, as far as anybody can tell.
    fn is_foreign(&self) -> bool {
        matches!(self.known(), None | Some(NotKnown::Refused(_)))
    }

    /// Whether trying again cannot help.
    fn is_settled(&self) -> bool {
        self.known() != Some(NotKnown::Unavailable)
    }

    /// What the client hears of it.
    fn refusal(&self, key: &Key<'_>) -> Refusal {
        match self {
            Self::KeptKey(NotKnown::Unavailable) | Self::Token(NotKnown::Unavailable) => unavailable(),
            Self::Token(NotKnown::Expired) => Refusal::expired_token(),
            Self::Token(why) => Refusal::invalid_token(format!("the token is not good: {why}")),
            Self::KeptKey(why) if key.is_bearer && !key.is_named_ours() => {
                Refusal::invalid_token(format!("neither a token nor an API key of ours: {why}"))
            }
            Self::KeptKey(why) => Refusal::unauthorized(format!("the API key is not good: {why}")),
            Self::Key(why) => Refusal::unauthorized(format!("the API key is not good: {why}")),
        }
    }
}

fn unavailable() -> Refusal {
    Refusal::unsettled("nobody can say whom the credential stands for: the store does not answer")
}

/// Turns the request's credential into a principal.
pub(crate) async fn identify(
    scope: Scope<'_>,
    request: &Request,
    target: &Target,
    story: &mut Story,
) -> Result<Identified, Refusal> {
    story.enter(Stage::Authenticate);
    let (headers, key_header) = (&request.headers, &target.application.api_key_header);
    let judge = Judge::new(scope, request, target);
    // Whatever becomes of the request, none of our keys goes on to the upstream.
    let ours = carriers(headers, key_header, |text| text.contains(KEY_PREFIX));
    let judged = match presented(headers, key_header, judge.cookies_over()) {
        Ok(presented) => judge.one_of(presented, story).await,
        Err(refusal) => Err(refusal),
    };
    match judged {
        Ok(Some((principal, mut carried_by))) => {
            story.saw_principal(&principal);
            carried_by.extend(ours);
            Ok(Identified { principal, carried_by })
        }
        Ok(None) => Ok(Identified { principal: judge.bearer_of_certificate(story), carried_by: ours }),
        Err(refusal) if target.application.modes.auth == Mode::Observe => {
            story.would_refuse(refusal.private);
            let carried_by = carriers(headers, key_header, |text| judge.knows(text));
            Ok(Identified { carried_by: [ours, carried_by].concat(), ..Identified::nobody() })
        }
        Err(refusal) => Err(refusal),
    }
}

/// Judges the credential once more, for what goes on after its answer: whatever ended since the first time has told only
/// those who were there already.
pub(crate) async fn again(
    scope: Scope<'_>,
    request: &Request,
    target: &Target,
    who: &Principal,
) -> Result<(), Refusal> {
    let is_kept = match who {
        Principal::User(_) => true,
        Principal::ApiKey(key) => key.stored.is_some(),
        Principal::Certificate(_) | Principal::Anonymous => false,
    };
    if !is_kept {
        return Ok(());
    }
    let judge = Judge::new(scope, request, target);
    let presented = presented(&request.headers, &target.application.api_key_header, judge.cookies_over())?;
    let now = match (presented.session, presented.key) {
        (Some(Session::Secret(text)), _) => judge.cookie(text).await.ok(),
        (_, Some(key)) => judge.key(&key).await.ok(),
        _ => None,
    };
    if now.is_some_and(|now| *now == *who) {
        return Ok(());
    }
    Err(Refusal::unauthorized("the session, token or key ended while the WebSocket was opened"))
}

impl<'a> Judge<'a> {
    fn new(scope: Scope<'a>, request: &'a Request, target: &'a Target) -> Self {
        Self { scope, target, request, now: scope.gate.tellers.clock.wall() }
    }

    /// The scheme over which sessions are shown: always the portal's, whose name of a cookie is then the only one.
    fn cookies_over(&self) -> Option<WebScheme> {
        let log_in = self.scope.live.snapshot.log_in.as_ref()?;
        self.identity().map(|_| log_in.portal.scheme)
    }

    /// Whose origin was asked: where alone a cookie is good.
    fn place(&self) -> Option<Place> {
        self.scope.live.snapshot.place_of(&self.request.host)
    }

    /// Whoever knows sessions, tokens and the store's keys.
    fn identity(&self) -> Option<&'a dyn Identity> {
        self.scope.identity()
    }

    /// Where a key or a token must be good: for the application, unless the gate itself is asked.
    fn audience(&self) -> Option<Place> {
        match self.target.route.serves {
            Serves::Gate => self.place(),
            Serves::Upstream => Some(Place::Application(self.target.application.name.clone())),
        }
    }

    /// Judges a key by the configuration.
    fn declared(&self, key: &str) -> Result<Who, KeyRefusal> {
        let keys = &self.scope.live.snapshot.keys;
        keys.verify(key, &self.target.application.name, self.now).map(|key| Who::Own(Principal::ApiKey(key)))
    }

    /// Whether it is one of ours by what is remembered, good or not any more.
    fn knows(&self, text: &str) -> bool {
        let remembered = |kind| {
            let (identity, place) = self.identity().zip(self.audience())?;
            identity.recall(&Credential { place: &place, kind, text }, self.now)
        };
        let is_ours = |judged| !matches!(judged, Err(NotKnown::Refused(_) | NotKnown::Unavailable));
        self.declared(text).is_ok()
            || [CredentialKind::Token, CredentialKind::ApiKey].into_iter().filter_map(remembered).any(is_ours)
    }

    /// Who it is by the one credential that is presented, and the headers that carry it; `None` for nobody.
    async fn one_of(
        &self,
        presented: Presented<'_>,
        story: &mut Story,
    ) -> Result<Option<(Who, Vec<HeaderName>)>, Refusal> {
        let Presented { session, key } = presented;
        let is_alone = session.is_none();
        if let Some(key) = key {
            let may_be_theirs = self.target.route.demand == Demand::Public && key.may_be_the_applications();
            if !is_alone && !may_be_theirs {
                return Err(ambiguous());
            }
            match self.key(&key).await {
                Ok(_) if !is_alone => return Err(ambiguous()),
                Ok(who) => {
                    tell(&who, story);
                    return Ok(Some((who, key.carried_by)));
                }
                Err(not_good) if may_be_theirs && not_good.is_foreign() => {
                    story.note("a bearer token that is not ours is passed on");
                }
                // What the gate answers by itself goes to no upstream, and whoever renews a token shows the old one too.
                Err(not_good) if self.target.route.serves == Serves::Gate && not_good.is_settled() => {
                    story.note("the key or token is not good, and not needed here");
                }
                Err(not_good) => return Err(not_good.refusal(&key)),
            }
        } else if is_alone {
            story.pass("no credential");
        }
        let known = match session {
            Some(session) => self.session(session, story).await?,
            None => None,
        };
        Ok(known.map(|who| (who, Vec::new())))
    }

    /// Who it is by a client certificate, where the route asks for that alone. Where it asks for more, a certificate is
    /// only a part of it, and `authorize` sees to that.
    fn bearer_of_certificate(&self, story: &mut Story) -> Who {
        let is_alone = self.target.route.demand == Demand::Public;
        match authorize::certificate(self.scope, self.request, self.target) {
            Ok(Some(subject)) if is_alone => {
                let principal = Principal::Certificate(CertificatePrincipal { subject: subject.into() });
                story.saw_principal(&principal);
                Who::Own(principal)
            }
            _ => Who::Own(Principal::Anonymous),
        }
    }

    /// Who has a session. A cookie that is not good is none.
    async fn session(&self, session: Session<'_>, story: &mut Story) -> Result<Option<Who>, Refusal> {
        let Session::Secret(text) = session else {
            story.note("the cookie of a session is malformed");
            return Ok(None);
        };
        match self.cookie(text).await {
            Ok(who) => {
                tell(&who, story);
                Ok(Some(who))
            }
            Err(NotKnown::Unavailable) => Err(unavailable()),
            Err(why) => {
                story.note(format!("the cookie of a session: {why}"));
                Ok(None)
            }
        }
    }

    async fn cookie(&self, text: &str) -> Result<Who, NotKnown> {
        let found = self.identity().zip(self.place());
        let (identity, place) = found.ok_or(NotKnown::Refused("nobody can be asked"))?;
        let credential = Credential { place: &place, kind: CredentialKind::Cookie, text };
        self.judged(identity, credential).await.map(Who::Shared)
    }

    /// Who a key or a token stands for. The configuration's keys are looked at in either case: an imported one may look
    /// like anything.
    async fn key(&self, key: &Key<'_>) -> Result<Who, NotGood> {
        let (Some(identity), Some(place)) = (self.identity(), self.audience()) else {
            return self.declared(key.text).map_err(NotGood::Key);
        };
        let kind = if key.is_token() { CredentialKind::Token } else { CredentialKind::ApiKey };
        let credential = Credential { place: &place, kind, text: key.text };
        if kind == CredentialKind::Token
            && let Some(Ok(principal)) = identity.recall(&credential, self.now)
        {
            return Ok(Who::Shared(principal));
        }
        match (self.declared(key.text), kind) {
            (Ok(who), _) => Ok(who),
            (Err(_), CredentialKind::Token) => {
                self.judged(identity, credential).await.map(Who::Shared).map_err(NotGood::Token)
            }
            (Err(KeyRefusal::Unknown), _) => {
                self.judged(identity, credential).await.map(Who::Shared).map_err(NotGood::KeptKey)
            }
            // What cannot be a key of ours is not looked for.
            (Err(KeyRefusal::Form(_)), _) => {
                Err(NotGood::KeptKey(NotKnown::Refused("it has not the form of one")))
            }
            (Err(why), _) => Err(NotGood::Key(why)),
        }
    }

    /// Judges a credential from memory, or by the store for as long as that may take.
    async fn judged(&self, identity: &dyn Identity, credential: Credential<'_>) -> Judged {
        match identity.recall(&credential, self.now) {
            Some(judged) => judged,
            None => timeout(PATIENCE, identity.ask(credential, self.now))
                .await
                .unwrap_or(Err(NotKnown::Unavailable)),
        }
    }
}

fn tell(who: &Principal, story: &mut Story) {
    match who {
        Principal::ApiKey(key) => story.pass(format!("API key `{}`", key.key)),
        Principal::User(user) => story.pass(match user.shown {
            Shown::Cookie => "the cookie of a session",
            Shown::Token => "an access token",
        }),
        Principal::Certificate(_) => story.pass("a client certificate"),
        Principal::Anonymous => story.pass("nobody"),
    }
}
