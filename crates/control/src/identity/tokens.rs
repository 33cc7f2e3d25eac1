//! Tokens: what is issued to a program, how it is renewed, and what one says that is presented.

use jiff::Timestamp;
use portcullis_access::refresh::{Family, Lifetimes, Presented, RefreshRefusal};
use portcullis_access::token::{Claims, Refusal, TokenUse};
use portcullis_contract::identity::{Found, Place, StoreProblem, UserState};
use portcullis_contract::ports::{Credential, NotKnown};
use portcullis_model::audit::{Outcome, Severity, action};
use portcullis_model::{ApplicationName, Permissions, RoleName, SessionId, UserName};
use secrecy::{ExposeSecret, SecretString};

use super::asked::{Caller, LogInProblem, PeopleProblem, Tokens};
use super::events::Event;
use super::remembered::Who;
use super::{People, asked};

/// What a token says whose signature and claims are good.
pub(super) struct Checked {
    pub(super) subject: UserName,
    /// None in a token that the application made by itself.
    pub(super) session: Option<SessionId>,
    pub(super) roles: Vec<RoleName>,
    pub(super) permissions: Permissions,
    pub(super) issued: Timestamp,
    pub(super) expires: Timestamp,
}

/// How often a step of a family that somebody else changed is tried again.
const TRIES: usize = 3;

impl People {
    /// Renews an access token. Whoever uses a refresh token a second time ends its session.
    pub async fn refresh(
        &self,
        token: &SecretString,
        application: &ApplicationName,
        caller: &Caller,
    ) -> Result<Tokens, LogInProblem> {
        let presented = Presented::parse(token.expose_secret()).map_err(|_| LogInProblem::Invalid)?;
        let place = Place::Application(application.clone());
        for _ in 0..TRIES {
            let now = self.clock.wall();
            let family = self.store.families.find(&presented.family()).await?;
            let family = family.ok_or(LogInProblem::Invalid)?;
            let found = match SessionId::parse(&family.session) {
                Some(id) => self.store.sessions.by_id(id).await?,
                None => None,
            };
            let found = found.filter(|found| is_good(found, now)).ok_or(LogInProblem::Invalid)?;
            let lifetimes = self.rules.load().refresh;
            let (family, next) =
                family.step(&presented, application.as_str(), lifetimes, now, &self.random::<32>());
            match next {
                Ok(next) if self.store.families.step(&family).await? => {
                    let who = self.who(&found.user);
                    let (access, expires_in_s) = self.issue(&who, found.session.id, &place, now)?;
                    self.note_seen(found.session.id, now).await;
                    let refresh = SecretString::from(next.expose());
                    return Ok(Tokens { access, expires_in_s, refresh });
                }
                // Somebody else was first: look again what the token is worth now.
                Ok(_) => {}
                Err(refusal @ (RefreshRefusal::Reused | RefreshRefusal::OtherClient)) => {
                    self.end_stolen(&found, refusal, caller).await?;
                    return Err(LogInProblem::Invalid);
                }
                Err(_) => return Err(LogInProblem::Invalid),
            }
        }
        Err(LogInProblem::Unavailable)
    }

    /// Ends the session of a refresh token, whatever the token is worth by now.
    pub async fn revoke(&self, token: &SecretString, caller: &Caller) -> Result<(), PeopleProblem> {
        // A text that is none of ours needs no revocation (RFC 7009 §2.2).
        let Ok(presented) = Presented::parse(token.expose_secret()) else { return Ok(()) };
        let Some(family) = self.store.families.find(&presented.family()).await? else { return Ok(()) };
        let Some(id) = SessionId::parse(&family.session) else { return Ok(()) };
        let Some(found) = self.store.sessions.by_id(id).await? else { return Ok(()) };
        // Who knows the name alone knows no token.
        let (_, next) =
            family.clone().step(&presented, &family.client, NO_TIME, self.clock.wall(), &self.random::<32>());
        if let Err(RefreshRefusal::OtherFamily | RefreshRefusal::Form) = next {
            return Ok(());
        }
        let event =
            Event::change(action::LOG_OUT).severity(Severity::Info).session(id).about(&found.user.name);
        let intended = self.recorder.intend(event.details("by its refresh token"), caller).await?;
        self.end_these(&[id]).await.map_err(asked::unknown)?;
        intended.done().await
    }

    /// Ends the session of a token of which somebody has a copy.
    async fn end_stolen(
        &self,
        found: &Found,
        refusal: RefreshRefusal,
        caller: &Caller,
    ) -> Result<(), LogInProblem> {
        let event = Event::security(action::REFRESH_REUSE, Severity::High).outcome(Outcome::Refused);
        let event = event.details(refusal.to_string()).session(found.session.id).about(&found.user.name);
        let intended = self.recorder.intend_anyway(event, caller).await;
        // Its refresh tokens go with it, at once: revoked before it and without it, they would tell of no theft any more.
        self.end_these(&[found.session.id]).await.map_err(|_| LogInProblem::Unavailable)?;
        // The thief is answered the same whether or not the ledger took it, and it has said so in the log.
        let _ = intended.done().await;
        Ok(())
    }

    /// Begins a family for a new session, and writes its first tokens.
    pub(super) async fn first_tokens(
        &self,
        who: &Who,
        session: SessionId,
        place: &Place,
        now: Timestamp,
    ) -> Result<Tokens, LogInProblem> {
        let rules = self.rules.load_full();
        let audience = rules.audience(place);
        let random = self.random::<48>();
        let (family, refresh) = Family::begin(&session.to_string(), audience, rules.refresh, now, &random);
        if !self.store.families.keep(&family, session).await? {
            return Err(LogInProblem::Unavailable);
        }
        let (access, expires_in_s) = self.issue(who, session, place, now)?;
        Ok(Tokens { access, expires_in_s, refresh: SecretString::from(refresh.expose()) })
    }

    /// Writes an access token, and for how long it lives.
    fn issue(
        &self,
        who: &Who,
        session: SessionId,
        place: &Place,
        now: Timestamp,
    ) -> Result<(SecretString, u64), LogInProblem> {
        let rules = self.rules.load_full();
        let signing = self.signing().ok_or(LogInProblem::Unavailable)?;
        let claims = Claims {
            subject: who.name.as_str().into(),
            user_id: who.user_id.clone(),
            session: Some(session.to_string().into()),
            token_id: Some(self.token_id()),
            client: None,
            roles: who.roles.clone(),
            scope: Vec::new(),
            permissions: who.permissions.clone(),
        };
        let lifetime = rules.token_lifetime(place);
        let token = match rules.shared(place) {
            Some(shared) => shared.issue(&claims, now, lifetime),
            None => {
                let (ring, profile) = signing.signer(TokenUse::Access, rules.audience(place));
                ring.issue(&profile, &claims, now, lifetime)
            }
        };
        let token = token.map_err(|why| {
            tracing::error!(user = %who.name, %why, "no access token can be written");
            LogInProblem::Unavailable
        })?;
        Ok((SecretString::from(token), lifetime.as_secs()))
    }

    /// Judges what a token says by itself; whether its session goes on is another question.
    pub(super) fn check_token(&self, shown: &Credential<'_>, now: Timestamp) -> Result<Checked, NotKnown> {
        let rules = self.rules.load();
        let verified = match (rules.shared(shown.place), shown.place) {
            // Where there is a secret nothing else is good, so that no token chooses how it is verified.
            (Some(shared), Place::Application(name)) => shared.verify(name, shown.text, now),
            _ => {
                let signing = self.signing().ok_or(NotKnown::Unavailable)?;
                let verifier = signing.verifier(rules.audience(shown.place));
                // An application that a reload has just brought: its verifier is being made.
                verifier.ok_or(NotKnown::Unavailable)?.verify(shown.text, now)
            }
        };
        let verified = verified.map_err(not_known)?;
        let claims = verified.claims;
        let odd = NotKnown::Refused("the token names no user or session of ours");
        let session = match claims.session {
            Some(text) => Some(SessionId::parse(&text).ok_or(odd)?),
            None if rules.shared(shown.place).is_some() => None,
            None => return Err(odd),
        };
        Ok(Checked {
            subject: UserName::parse(&claims.subject).map_err(|_| odd)?,
            session,
            roles: claims.roles,
            permissions: claims.permissions,
            issued: verified.issued,
            expires: verified.expires,
        })
    }

    /// Notes a use that no credential has shown.
    async fn note_seen(&self, session: SessionId, now: Timestamp) {
        if let Err(problem) = self.store.sessions.seen(&[(session, now)]).await {
            asked::report(&problem);
        }
    }

    /// Ends sessions in the store, then here and wherever something is open on their strength.
    pub(super) async fn end_these(&self, ids: &[SessionId]) -> Result<Vec<SessionId>, StoreProblem> {
        let ended = self.store.sessions.end(ids).await?;
        let gone: Vec<_> = ended.iter().map(|id| portcullis_contract::identity::Gone::Session(*id)).collect();
        self.gone(&gone);
        Ok(ended)
    }
}

/// For a step that is not kept.
const NO_TIME: Lifetimes = Lifetimes { idle: std::time::Duration::ZERO, absolute: std::time::Duration::ZERO };

/// The family judges by itself whether it was not used for too long.
fn is_good(found: &Found, now: Timestamp) -> bool {
    found.user.state == UserState::Active && now < found.session.ends
}

fn not_known(refusal: Refusal) -> NotKnown {
    NotKnown::Refused(match refusal {
        Refusal::Expired => return NotKnown::Expired,
        Refusal::Audience => return NotKnown::Elsewhere,
        Refusal::TooLong => "the token is too long",
        Refusal::Form | Refusal::Json => "the text is no token",
        Refusal::Header => "the token's header has a member that we do not write",
        Refusal::Algorithm => "the token's algorithm is not that of its key",
        Refusal::UnknownKey => "the token names no key of ours",
        Refusal::Signature => "the token's signature is wrong",
        Refusal::Type => "the token is of another type",
        Refusal::Claim(_) => "a claim of the token is missing or malformed",
        Refusal::Issuer => "the token is from another issuer",
        Refusal::NotYet | Refusal::IssuedInFuture => "the token is from the future",
        Refusal::LivesTooLong => "the token lives longer than tokens are issued for",
    })
}
