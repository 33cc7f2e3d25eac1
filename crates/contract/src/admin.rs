//! What the machine's administrators ask of a node, and who they are: the local admin socket carries it, and a command does
//! the same by itself while the node is stopped.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use portcullis_model::audit::{Kind, Outcome, Personal, Severity};
use portcullis_model::{Decision, Permissions, Prefix, Principal, RequestId, Stage, Verdict};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most entries that one search gives.
pub const FOUND_MAX: u32 = 10_000;

/// A user of this machine, as the system names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalUser(pub u32);

impl fmt::Display for LocalUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "local:{}", self.0)
    }
}

/// An administrator: who asks for something, and from where.
#[derive(Debug, Clone)]
pub enum Actor {
    /// A user of this machine, through the local socket or while the node is stopped.
    Local(LocalUser),
    /// Somebody who is known by a credential, through the administrators' listener.
    Known {
        /// Who.
        who: Arc<Principal>,
        /// From which address.
        from: IpAddr,
        /// Whom the certificate names that they presented, where one is asked for.
        certificate: Option<Arc<str>>,
    },
}

impl Actor {
    /// Who it is, as the ledger names them, where they have a name.
    pub fn name(&self) -> Option<Box<str>> {
        match self {
            Self::Local(user) => Some(user.to_string().into()),
            Self::Known { who, .. } => who.owner().map(Into::into),
        }
    }

    /// Whether they may hand out these permissions: nobody gives more than they hold.
    pub fn may_give(&self, permissions: &Permissions) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Known { who, .. } => who.permissions().is_some_and(|held| held.imply_all(permissions)),
        }
    }

    /// What an entry of the ledger tells of them.
    pub fn personal(&self) -> Personal {
        let mut personal = Personal { principal: self.name(), ..Personal::default() };
        if let Self::Known { who, from, certificate } = self {
            personal.client = Some(*from);
            personal.decisions.extend(certificate.as_deref().map(shown_certificate));
            if let Principal::User(user) = who.as_ref() {
                personal.session = Some(user.session.to_string().into());
            }
        }
        personal
    }
}

/// That somebody presented a certificate, as an entry of the ledger tells it.
pub fn shown_certificate(subject: &str) -> Decision {
    let detail = format!("client certificate `{subject}`").into();
    Decision { stage: Stage::Accept, verdict: Verdict::Pass, detail }
}

/// A ban that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingBan {
    /// Who is shut out.
    pub prefix: Prefix,
    /// Until when.
    pub until: Timestamp,
    /// Why, for people who look at it.
    pub reason: Box<str>,
}

/// The prefix is never banned: it is exempt, or that of a trusted proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`{0}` is never banned: `ban.exempt` or `listen.trusted_proxies` names it")]
pub struct NeverBanned(pub Prefix);

/// Which entries of the ledger are asked for: those for which all that is said holds. Of a list one is enough.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// These kinds.
    pub kinds: Vec<Kind>,
    /// These outcomes.
    pub outcomes: Vec<Outcome>,
    /// This severity, or a worse one.
    pub severity: Option<Severity>,
    /// These actions.
    pub actions: Vec<Box<str>>,
    /// About this application.
    pub application: Option<Box<str>>,
    /// About this route.
    pub route: Option<Box<str>>,
    /// Asked by this principal, or about them.
    pub principal: Option<Box<str>>,
    /// Asked from one of these addresses.
    pub client: Option<IpNet>,
    /// Of this request.
    pub request: Option<RequestId>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not at or after.
    pub until: Option<Timestamp>,
    /// With this text in the path.
    pub text: Option<Box<str>>,
    /// Only those that lie before this one in the ledger.
    pub before: Option<u64>,
    /// At most so many, the newest; 0 is none.
    pub limit: u32,
    /// And then all that comes, as it comes.
    pub follow: bool,
}

impl Search {
    /// Which of the conditions are there, by name: what is recorded of a search. Their values may tell of a person, who may
    /// be erased one day.
    pub fn conditions(&self) -> Vec<&'static str> {
        let all = [
            ("kind", !self.kinds.is_empty()),
            ("outcome", !self.outcomes.is_empty()),
            ("severity", self.severity.is_some()),
            ("action", !self.actions.is_empty()),
            ("application", self.application.is_some()),
            ("route", self.route.is_some()),
            ("principal", self.principal.is_some()),
            ("client", self.client.is_some()),
            ("request", self.request.is_some()),
            ("since", self.since.is_some()),
            ("until", self.until.is_some()),
            ("text", self.text.is_some()),
        ];
        all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
    }

    /// Whether an address is one of those that are asked for.
    pub fn is_from(&self, client: Option<IpAddr>) -> bool {
        self.client.is_none_or(|net| client.is_some_and(|client| net.contains(&client.to_canonical())))
    }
}

/// What became of erasing a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// The id of the key that was destroyed, which is all that is left; `None` when the subject had none.
    pub key: Option<Box<str>>,
}

/// Why something was not done. Made for the administrator who asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct AdminProblem(pub Box<str>);

impl AdminProblem {
    /// In the words of another error.
    pub fn of(why: impl fmt::Display) -> Self {
        Self(why.to_string().into())
    }
}
