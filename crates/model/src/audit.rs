//! What is recorded for good: an entry of the ledger, version 1. An immutable log cannot be mended later, so this form is final:
//! a field is never renamed or given another meaning, and a new one raises the version.
//!
//! On the wire an entry is one JSON object, UTF-8, without line breaks, its fields in the order below, absent ones left out, and at
//! most 65,535 bytes long. What tells of a person stands in `personal`, and there it is sealed: base64url without padding
//! (RFC 4648 §5) of a sealed field, which begins with the id of the key that opens it. Opened, it is [`Personal`]. What tells
//! of another person than who acted stands in `about`, sealed by that person's key: either can be erased without the other.
//! Nothing else in an entry may be words that a client chose: they could name somebody, and would stay for good.
//!
//! The log of requests on standard error ([`crate::event`]) is another thing: it is for people who watch, and is not kept.

use std::borrow::Cow;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{ApplicationName, Blame, Decision, RequestId, RouteName, Stage, WebsocketEnd};

/// The version of the wire form.
pub const ENTRY_VERSION: u32 = 1;
/// Longest entry, in bytes: its length stands in two bytes before it (c2sp.org/tlog-tiles).
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// An entry: sealed on the wire, open in the hands of those who may read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    bound(serialize = "P: Part + Serialize", deserialize = "P: Default + Deserialize<'de>")
)]
pub struct Entry<P> {
    /// The version, [`ENTRY_VERSION`]; no other is read.
    #[serde(deserialize_with = "version")]
    pub v: u32,
    /// This entry's own id, of the form of a request's. What an administrator or a person changes is told of twice, before and
    /// after, under the same id.
    pub id: RequestId,
    /// When it happened, UTC (RFC 3339). For a request: when its head had been read.
    pub time: Timestamp,
    /// The kind.
    pub kind: Kind,
    /// What was done: one of [`action`].
    pub action: Cow<'static, str>,
    /// How much it matters.
    pub severity: Severity,
    /// How it ended.
    pub outcome: Outcome,
    /// The application that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationName>,
    /// The route that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteName>,
    /// The request, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestFacts>,
    /// Further words that tell of nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<str>>,
    /// The setting that was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// For how many of its kind this entry stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Aggregate>,
    /// Where a search for requests without an outcome may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// What was too long and is not whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<Cut>,
    /// What tells of a person.
    #[serde(default, skip_serializing_if = "Part::is_absent")]
    pub personal: P,
    /// What tells of another person, to whom it was done: the `principal` in it, whose key seals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Box<P>>,
}

impl<P: Default> Entry<P> {
    /// An entry with nothing but what every entry has.
    pub fn new(
        id: RequestId,
        time: Timestamp,
        kind: Kind,
        action: &'static str,
        severity: Severity,
        outcome: Outcome,
    ) -> Self {
        Self {
            v: ENTRY_VERSION,
            id,
            time,
            kind,
            action: Cow::Borrowed(action),
            severity,
            outcome,
            application: None,
            route: None,
            request: None,
            details: None,
            change: None,
            aggregate: None,
            mark: None,
            cut: Vec::new(),
            personal: P::default(),
            about: None,
        }
    }
}

impl<P> Entry<P> {
    /// The same entry with its personal parts in another form.
    pub fn with<Q>(self, personal: Q, about: Option<Box<Q>>) -> Entry<Q> {
        Entry {
            v: self.v,
            id: self.id,
            time: self.time,
            kind: self.kind,
            action: self.action,
            severity: self.severity,
            outcome: self.outcome,
            application: self.application,
            route: self.route,
            request: self.request,
            details: self.details,
            change: self.change,
            aggregate: self.aggregate,
            mark: self.mark,
            cut: self.cut,
            personal,
            about,
        }
    }
}

impl<P> Entry<P> {
    /// By what an intent and the entry that tells how it ended know each other, and whether this is the intent.
    pub fn ties(&self) -> (RequestId, bool) {
        match &self.request {
            Some(request) => (request.id, request.told == Told::Intent),
            None => (self.id, self.outcome == Outcome::Intended),
        }
    }
}

impl Entry<Personal> {
    /// Moves a method that is not registered to the personal part: a client can choose any word, also somebody's name.
    pub fn hide_method(&mut self) {
        let Some(request) = &mut self.request else { return };
        if !METHODS.contains(&request.method.as_ref()) && request.method.as_ref() != OTHER_METHOD {
            let method = std::mem::replace(&mut request.method, OTHER_METHOD.into());
            self.personal.method = Some(method).filter(|method| !method.is_empty());
        }
    }
}

/// Reads the version. Later ones are other forms, and a reader that guessed would tell half of them.
fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        ENTRY_VERSION => Ok(ENTRY_VERSION),
        other => Err(de::Error::custom(format_args!("entries of version {other} are not known here"))),
    }
}

/// What an entry does, as the words of its `action`. A request's refusal is a `request` too; `outcome` tells them apart.
pub mod action {
    /// A request came, and this is how it went.
    pub const REQUEST: &str = "request";
    /// A request is about to be let through.
    pub const INTENT: &str = "request.intent";
    /// A connection did not become a request.
    pub const CONNECTION: &str = "connection";
    /// Several anonymous requests were refused, or connections ended, for the same reason.
    pub const REFUSALS: &str = "refusals";
    /// The node began, in front of a log that was opened.
    pub const NODE_START: &str = "node.start";
    /// The node ended in order.
    pub const NODE_STOP: &str = "node.stop";
    /// What a crash had left was put in order.
    pub const JOURNAL_REPAIR: &str = "journal.repair";
    /// A request was on its way when the node crashed.
    pub const OUTCOME_UNKNOWN: &str = "request.outcome_unknown";
    /// Entries found no room and are lost.
    pub const ENTRIES_LOST: &str = "audit.lost";
    /// Where a search for requests without an outcome may begin.
    pub const MARK: &str = "audit.mark";
    /// Somebody read the ledger's personal fields.
    pub const LEDGER_READ: &str = "audit.read";
    /// The configuration was changed, or was to be.
    pub const CONFIG_RELOAD: &str = "config.reload";
    /// Somebody was not let in to the admin API.
    pub const ADMIN_REFUSE: &str = "admin.refuse";
    /// An address prefix was shut out by hand.
    pub const BAN_ADD: &str = "ban.add";
    /// A ban was lifted.
    pub const BAN_LIFT: &str = "ban.lift";
    /// A subject's key was destroyed, and so everything that it sealed.
    pub const SUBJECT_ERASE: &str = "subject.erase";
    /// Keys of past days were destroyed, and so everything that they sealed.
    pub const DAYS_ERASE: &str = "days.erase";
    /// Somebody logged in by a password, or tried to.
    pub const LOG_IN: &str = "auth.login";
    /// Somebody logged out.
    pub const LOG_OUT: &str = "auth.logout";
    /// A refresh token was used twice, or by another program: its session ended.
    pub const REFRESH_REUSE: &str = "auth.refresh_reuse";
    /// Too many wrong passwords: an address, an account or a device has to wait.
    pub const LOCKOUT: &str = "auth.lockout";
    /// Somebody has to wait no longer.
    pub const UNLOCK: &str = "auth.unlock";
    /// Sessions were ended.
    pub const SESSION_END: &str = "session.end";
    /// A password was changed, or was to be.
    pub const PASSWORD_CHANGE: &str = "password.change";
    /// A code was made by which somebody chooses a password of their own.
    pub const PASSWORD_CODE: &str = "password.code";
    /// A role was made.
    pub const ROLE_CREATE: &str = "role.create";
    /// A role was given other permissions.
    pub const ROLE_CHANGE: &str = "role.change";
    /// A role was deleted.
    pub const ROLE_DELETE: &str = "role.delete";
    /// An account was made.
    pub const USER_CREATE: &str = "user.create";
    /// An account was changed.
    pub const USER_CHANGE: &str = "user.change";
    /// An account was deleted, with its sessions and keys.
    pub const USER_DELETE: &str = "user.delete";
    /// An API key was made or imported.
    pub const API_KEY_CREATE: &str = "apikey.create";
    /// An API key was given another text.
    pub const API_KEY_ROTATE: &str = "apikey.rotate";
    /// An API key was ended.
    pub const API_KEY_DELETE: &str = "apikey.delete";
    /// The node's signing keys were changed.
    pub const SIGNING_KEYS: &str = "signing_keys.rotate";
    /// A code for the first administrator was made.
    pub const SET_UP_CODE: &str = "setup.code";
    /// The first administrator was made by a code, or was to be.
    pub const SET_UP: &str = "setup.complete";
}

/// Whether there is anything in a part of an entry.
pub trait Part {
    /// There is nothing, and the field is left out.
    fn is_absent(&self) -> bool;
}

/// What tells of a person, as the ledger has it: base64url of the sealed [`Personal`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SealedPersonal(pub Option<Box<str>>);

impl<'de> Deserialize<'de> for SealedPersonal {
    /// What is there is a text: nothing is written by leaving the field out.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<str>::deserialize(deserializer).map(|text| Self(Some(text)))
    }
}

impl Part for SealedPersonal {
    fn is_absent(&self) -> bool {
        self.0.is_none()
    }
}

/// What tells of a person, or was chosen by one: a path may hold a name, a reason may quote a header.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Personal {
    /// Who asked; absent for an anonymous client. Whoever it is, their key seals all of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Box<str>>,
    /// The session's public name; never what proves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Box<str>>,
    /// From which address. In an entry with `aggregate`, the first address of the prefix that is counted: a /32 of IPv4, a
    /// /64 of IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// The host that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Box<str>>,
    /// The path that was asked for, without its query: the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Box<str>>,
    /// The method, when it is no registered one: a client can choose any word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Box<str>>,
    /// What was acted on, when it is no path: a role, a file, a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Box<str>>,
    /// The client's own id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<Box<str>>,
    /// The trace that the request belongs to (W3C Trace Context).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Box<str>>,
    /// Why it was refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// What the stages said, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// What was too long and is not whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<Cut>,
}

impl Part for Personal {
    fn is_absent(&self) -> bool {
        let Self {
            principal,
            session,
            client,
            host,
            path,
            method,
            resource,
            client_request_id,
            trace_id,
            reason,
            decisions,
            cut,
        } = self;
        let texts = [principal, session, host, path, method, resource, client_request_id, trace_id, reason];
        client.is_none() && texts.iter().all(|text| text.is_none()) && decisions.is_empty() && cut.is_empty()
    }
}

/// The kinds of events. A request has exactly one, which says what is most worth knowing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody presented a credential that was not good.
    AuthenticationAttempt,
    /// An anonymous request.
    ApiRequest,
    /// Something that concerns security and is nobody's request.
    SecurityEvent,
    /// The configuration was changed, or was to be.
    ConfigurationChange,
    /// Somebody did something in Portcullis itself.
    UserAction,
    /// The node did something by itself, or something befell it.
    SystemEvent,
    /// Data about people was read.
    DataAccess,
    /// Somebody tried to log in.
    LoginAttempt,
    /// A request on behalf of a principal.
    ApiAccess,
    /// A request that was refused because it broke a rule.
    SecurityViolation,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 10] = [
        Kind::AuthenticationAttempt,
        Kind::ApiRequest,
        Kind::SecurityEvent,
        Kind::ConfigurationChange,
        Kind::UserAction,
        Kind::SystemEvent,
        Kind::DataAccess,
        Kind::LoginAttempt,
        Kind::ApiAccess,
        Kind::SecurityViolation,
    ];
}

/// How much an entry matters to those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Info,
    /// Worth counting.
    Low,
    /// Worth a look.
    Medium,
    /// Somebody should act today.
    High,
    /// Somebody should act now.
    Critical,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done. A request: answered with a status below 400.
    Success,
    /// It was not done. A request: let through, and answered with a status of 400 or above.
    Failure,
    /// The gate refused it.
    Refused,
    /// The gate or the upstream broke.
    Error,
    /// The client went away first.
    Aborted,
    /// It is about to be done, and the entry says so before.
    Intended,
    /// The node crashed while it was done: nobody knows.
    Unknown,
}

/// When a request's entry was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Before the upstream saw the request (`audit = "before"`). A second entry tells how it ended.
    Intent,
    /// Before the head of the answer left (`audit = "answer"` or `"before"`): whether the whole answer reached the client is
    /// not said, and bytes and duration are those up to there.
    Answer,
    /// When all was over.
    End,
    /// By the node itself, because the request's own last entry is not there: after a crash, or when it found no room.
    Recovered,
}

/// The methods that IANA has registered (as of RFC 9110 §16.1).
const METHODS: [&str; 40] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// What stands in the clear for a method that is not registered.
pub const OTHER_METHOD: &str = "other";

/// A request, as far as it tells of nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFacts {
    /// Our id of the request.
    pub id: RequestId,
    /// When the entry was made.
    pub told: Told,
    /// What was spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Cow<'static, str>>,
    /// The method, when it is a registered one; else [`OTHER_METHOD`], and `personal` has it.
    pub method: Box<str>,
    /// The status that the client is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The stage at which it ended, or is.
    pub stage: Stage,
    /// Whose fault it was, when it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
    /// Body bytes received from the client.
    pub bytes_in: u64,
    /// Body bytes handed to the client's connection.
    pub bytes_out: u64,
    /// From the head's arrival on, in microseconds.
    pub duration_us: u64,
    /// From asking the upstream to its answer's head, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_us: Option<u64>,
    /// How the WebSocket ended that the request opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebsocketEnd>,
}

/// A setting that was changed. Secrets and names of people are not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its name, as `config show` has it.
    pub setting: Box<str>,
    /// What it was; absent when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Box<str>>,
    /// What it is; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Box<str>>,
}

/// Entries that were counted instead of written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// How many.
    pub count: u64,
    /// When the first happened.
    pub first: Timestamp,
    /// When the last happened.
    pub last: Timestamp,
    /// The stage at which they ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The status that the clients were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// Where to begin looking for intents without an outcome: an earlier one has its outcome before this entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// No intent whose outcome was not there yet has a lower index; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_since: Option<u64>,
}

/// A text that was too long: its beginning is there, and this tells what the whole was. A list's whole is its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The field.
    pub field: Box<str>,
    /// The whole text's length.
    pub bytes: u64,
    /// The whole text's SHA-256, in hex.
    pub sha256: Box<str>,
}
