//! Every port on one page: what the planes need from outside, as traits without adapters.
//!
//! An adapter lives in the crate that may touch the outside world; only the binary constructs one.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;
use portcullis_access::roles::Roles;
use portcullis_model::audit::{Entry, Personal};
use portcullis_model::{ApplicationName, Monotonic, Prefix, Principal, RequestEvent, RequestId};
use portcullis_protect::{BlindIndex, DataKey, RootKeyId, WrappedKey};
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;
use thiserror::Error;

use crate::Snapshot;
use crate::admin::{Actor, AdminProblem, Erased, LocalUser, NeverBanned, Search, StandingBan};
use crate::identity::{Gone, Place, StoreProblem};

/// The two clocks.
pub trait Clock: Send + Sync {
    /// What the wall clock says: for events, expiry dates and people.
    fn wall(&self) -> Timestamp;
    /// A clock that never jumps: for limits, bans and time-outs.
    fn monotonic(&self) -> Monotonic;
}

/// Randomness fit for keys and ids.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// Where a request's one event goes. Must not block.
pub trait Events: Send + Sync {
    /// Takes the event of a request that ended.
    fn record(&self, event: &RequestEvent) -> Result<(), EventLost>;
}

/// An event could not be taken, because its reader is too slow or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLost;

/// Where what happened is recorded for good. An entry that was taken is written once, and never changed.
pub trait Audit: Send + Sync {
    /// Takes an entry without waiting for anything; soon after it is durable. Must not block.
    fn note(&self, entry: Box<Entry<Personal>>) -> Result<(), EventLost>;
    /// Resolves once the entry is durable, or will not be. Whoever no longer waits has still handed it over, once the
    /// future has been polled.
    fn keep(&self, entry: Box<Entry<Personal>>, urgency: Urgency) -> Keeping<'_>;
    /// Whether [`Audit::note`] is likely to find room: asked before a request goes on that may not go unrecorded.
    fn has_room(&self) -> bool;
}

/// An entry on its way to the disk.
pub type Keeping<'a> = Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + 'a>>;

/// Who comes first when room is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Most.
    Ordinary,
    /// A request that may not go on without its entry, and its outcome: room is kept for these.
    Priority,
}

/// Why an entry is not durable, for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the ledger did not take the entry: {0}")]
pub struct NotKept(pub Box<str>);

/// The root key, wherever it is kept. It wraps data keys and never leaves its keeper, which may be another machine: so
/// nothing here hands it out.
pub trait RootKeys: Send + Sync {
    /// What names the root key that wraps from now on.
    fn id(&self) -> RootKeyId;
    /// Wraps a data key, so that it can be stored. May block.
    fn wrap(&self, key: &DataKey) -> Result<WrappedKey, RootKeyProblem>;
    /// Opens a data key that was wrapped before. May block.
    fn unwrap(&self, key: &WrappedKey) -> Result<DataKey, RootKeyProblem>;
    /// The index by which rows are found whose `column` in `table` is sealed. May block.
    fn blind_index(&self, table: &str, column: &str) -> Result<BlindIndex, RootKeyProblem>;
}

/// Why the root key's keeper did not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RootKeyProblem {
    /// The wrapped key is not one of this root key, or was altered.
    #[error("the data key cannot be opened with this root key: {0}")]
    Refused(#[from] portcullis_protect::OpenError),
    /// The keeper cannot be asked, in its words. It is worth trying again.
    #[error("the keeper of the root key: {0}")]
    Unavailable(Box<str>),
}

/// What is said on `/readyz`.
pub trait Readiness: Send + Sync {
    /// What keeps this node from serving; empty when it is ready.
    fn obstacles(&self) -> Vec<String>;
    /// What does not keep it from that, and should be known to whoever looks.
    fn remarks(&self) -> Vec<String>;
}

/// What is said on `/metrics`.
pub trait Exposition: Send + Sync {
    /// All metrics in OpenMetrics text form.
    fn text(&self) -> String;
}

/// What administrators ask of a node's ledger. Whoever asks is recorded first.
pub trait Administration: Send + Sync {
    /// Begins to read the ledger, people's data included. Blocks.
    fn read(&self, by: &Actor, search: &Search) -> Result<Box<dyn Reading>, AdminProblem>;
    /// Destroys a subject's key, and so all that it sealed, wherever it lies. Blocks.
    fn erase(&self, user: LocalUser, subject: &str) -> Result<Erased, AdminProblem>;
}

/// Who is shut out by address, in the memory of this process. Those by hand are kept elsewhere too.
pub trait Bans: Send + Sync {
    /// Those that stand, in the order of their prefixes.
    fn standing(&self) -> Vec<StandingBan>;
    /// What stands against a prefix; refused for one that is never banned.
    fn against(&self, prefix: Prefix) -> Result<Option<StandingBan>, NeverBanned>;
    /// Shuts a prefix out by hand, and answers what stands then: a ban that reaches further stays as it is.
    fn ban(&self, prefix: Prefix, duration: Duration) -> Result<StandingBan, NeverBanned>;
    /// Lets a prefix in again; false when there was no ban.
    fn lift(&self, prefix: Prefix) -> bool;
}

/// Takes over the configuration file as it is now.
pub trait Reload: Send + Sync {
    /// Resolves once the new one is in force or refused, and that is durable in the ledger.
    fn reload(&self, by: Actor) -> Pin<Box<dyn Future<Output = Result<(), NotTakenOver>> + Send + '_>>;
}

/// Why a configuration was not taken over; the one in force stays.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotTakenOver {
    /// What is wrong with it, each mistake with its place.
    #[error("the configuration has {} mistakes", .0.len())]
    Mistakes(Vec<String>),
    /// Another reason, in words for the administrator.
    #[error("{0}")]
    Other(String),
    /// It was taken over, or refused, and the ledger has no entry of it.
    #[error(transparent)]
    NotKept(#[from] NotKept),
}

/// A search that goes on.
pub trait Reading: Send {
    /// The next entries, each as one line of JSON with its index; none when there are no more now. Blocks.
    fn next_lines(&mut self) -> Result<Vec<String>, AdminProblem>;
}

/// Something asked of the store of people ([`crate::identity`]).
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreProblem>> + Send + 'a>>;

/// Who a credential stands for, and how the upstream is told of it. It holds what was asked for lately; the rest is in a
/// store, which may be slow or gone.
pub trait Identity: Send + Sync {
    /// Judges a credential by what is remembered, without waiting; `None` when the store must be asked.
    fn recall(&self, shown: &Credential<'_>, now: Timestamp) -> Option<Judged>;
    /// Judges it by the store.
    fn ask<'a>(&'a self, shown: Credential<'a>, now: Timestamp) -> Judging<'a>;
    /// A signed assertion of who somebody is, for one application (`X-Portcullis-Assertion`); `None` when none can be
    /// made, which the log says.
    fn assert(&self, who: &Principal, to: &ApplicationName, now: Timestamp) -> Option<HeaderValue>;
    /// What keeps it from judging; empty when nothing does.
    fn obstacles(&self) -> Vec<String>;
    /// What keeps it from judging some, while it judges others.
    fn remarks(&self) -> Vec<String>;
}

/// What a client shows, to one application.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// For whom.
    pub place: &'a Place,
    /// What it is.
    pub kind: CredentialKind,
    /// Its text, which debug output does not show.
    pub text: &'a str,
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("place", self.place)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What a client shows to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// A session's cookie.
    Cookie,
    /// A signed access token.
    Token,
    /// An API key.
    ApiKey,
}

/// Who it is, or why nobody is known by it.
pub type Judged = Result<Arc<Principal>, NotKnown>;

/// A judgement that waits for the store.
pub type Judging<'a> = Pin<Box<dyn Future<Output = Judged> + Send + 'a>>;

/// Why nobody is known by a credential. What clients hear of it is the stage's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotKnown {
    /// It is none of ours, was altered, or has ended.
    #[error("the credential is not good: {0}")]
    Refused(&'static str),
    /// It was good and its time is over.
    #[error("the credential has expired")]
    Expired,
    /// It is good elsewhere.
    #[error("the credential is not good for this application")]
    Elsewhere,
    /// Nobody can say: the store does not answer.
    #[error("the store of sessions and keys cannot be asked")]
    Unavailable,
}

/// Who hears of sessions, users and keys that are no longer what they were. Must not block.
pub trait Endings: Send + Sync {
    /// Whatever is open on the strength of it ends or is judged anew.
    fn gone(&self, gone: &Gone);
    /// Roles gave what `then` says, and give what `now` says: whoever is kept in the store and may do less by that is judged
    /// anew.
    fn roles_changed(&self, then: &Roles, now: &Roles);
}

/// What the gate answers by itself, below `/.portcullis/`: the portal, and the few paths of ours on an application's
/// origin. Such a request has passed the same stages as any other.
pub trait Local: Send + Sync {
    /// Answers it.
    fn answer(&self, asked: LocalRequest)
    -> Pin<Box<dyn Future<Output = http::Response<Bytes>> + Send + '_>>;
}

/// A request that the gate answers by itself.
#[derive(Debug)]
pub struct LocalRequest {
    /// Method, path, fields and body. The cookies of the portal are among the fields.
    pub request: http::Request<Bytes>,
    /// Whose origin it came to.
    pub place: Place,
    /// That origin, `https://login.example.com`.
    pub origin: Box<str>,
    /// From where.
    pub client: IpAddr,
    /// Its id.
    pub id: RequestId,
    /// Who asks.
    pub who: Arc<Principal>,
}

/// Where a new Snapshot goes.
pub trait Publish: Send + Sync {
    /// Makes `snapshot` the one that every request from now on is decided by.
    fn publish(&self, snapshot: Arc<Snapshot>);
}

/// Where what must outlive the process, and what nobody else may read, is kept: account keys, certificates with their
/// keys. Names are relative paths of plain words, such as `acme/account.json`.
pub trait Vault: Send + Sync {
    /// What was kept under `name`; `None` when nothing was. May block.
    fn kept(&self, name: &str) -> Result<Option<SecretString>, VaultProblem>;
    /// Keeps `content` under `name`, whole or not at all, and only returns once it would survive a power cut. May block.
    fn keep(&self, name: &str, content: &SecretString) -> Result<(), VaultProblem>;
}

/// Why something could not be kept or found again, in the system's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{place}`: {why}")]
pub struct VaultProblem {
    /// Where it should be.
    pub place: String,
    /// What went wrong there.
    pub why: String,
}

/// Shows a certificate authority that a name is ours.
pub trait Proofs: Send + Sync {
    /// Shows `proof` until it is withdrawn.
    fn show(&self, proof: Proof);
    /// Shows it no longer.
    fn withdraw(&self, proof: &Proof);
}

/// How the listener for administrators meets who connects, anew with each configuration.
pub trait Doors: Send + Sync {
    /// By the configuration in force.
    fn of_administrators(&self) -> Door;
}

/// How a listener meets who connects.
#[derive(Clone)]
pub enum Door {
    /// In the clear.
    Plain,
    /// By TLS.
    Tls(Arc<ServerConfig>),
    /// Not at all: TLS is asked for and cannot be spoken.
    Shut,
}

/// What a certificate authority looks for.
#[derive(Debug, Clone)]
pub enum Proof {
    /// `answer` at `/.well-known/acme-challenge/TOKEN` (RFC 8555 §8.3).
    Http {
        /// The last segment of the path.
        token: Box<str>,
        /// The whole body of the answer.
        answer: Box<str>,
    },
    /// This certificate in a handshake that asks for `name` and speaks only `acme-tls/1` (RFC 8737 §3).
    Tls {
        /// The name, lower case.
        name: Box<str>,
        /// The certificate that proves it, good for nothing else.
        certificate: Arc<CertifiedKey>,
    },
}

/// Where certificates go that were not there at the start.
pub trait Certificates: Send + Sync {
    /// From the next handshake on, these are the certificates of an authority, and there are no others.
    fn put_in_force(&self, certificates: Vec<Managed>);
}

/// A name for which an authority is asked for certificates, and how that goes.
#[derive(Debug, Clone)]
pub struct Managed {
    /// The name, lower case.
    pub name: Box<str>,
    /// The certificate; `None` while there is none.
    pub certificate: Option<ManagedCertificate>,
    /// When the last attempt to get one failed, unless one succeeded after it.
    pub failed: Option<Timestamp>,
}

/// A certificate that came from an authority while the gate ran.
#[derive(Debug, Clone)]
pub struct ManagedCertificate {
    /// Chain and key.
    pub key: Arc<CertifiedKey>,
    /// From when it is good.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
}

/// Files and variables that a configuration names, seen by [`crate::compile`].
pub trait Surroundings {
    /// Reads a secret from a file; the adapter refuses one that others may read.
    fn secret_file(&self, path: &Path) -> Result<SecretString, FileProblem>;
    /// Reads a file that is no secret, such as certificates, of at most a megabyte.
    fn public_file(&self, path: &Path) -> Result<Vec<u8>, FileProblem>;
    /// The files of a folder and of the folders in it, two levels deep, relative to it and sorted.
    fn files(&self, folder: &Path) -> Result<Vec<PathBuf>, FileProblem>;
    /// The certificate that this node makes for itself and these hosts, kept below the state directory.
    fn self_made(&self, state_directory: &Path, hosts: &[String]) -> Result<SelfMade, FileProblem>;
    /// The certificates of the authorities that this system trusts; or, in the system's words, why there are none.
    fn system_authorities(&self) -> Result<Vec<CertificateDer<'static>>, String>;
    /// The value of an environment variable, when it is set.
    fn variable(&self, name: &str) -> Option<SecretString>;
    /// Makes a path of the configuration absolute: relative ones count from the configuration file's folder.
    fn resolve(&self, path: &Path) -> PathBuf;
}

/// A certificate that a node made for itself.
pub struct SelfMade {
    /// Where it is kept.
    pub file: PathBuf,
    /// The certificate in PEM.
    pub certificate: Vec<u8>,
    /// Its key in PEM.
    pub key: SecretString,
}

/// Why a named file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileProblem {
    /// There is no such file.
    Missing,
    /// Others than its owner may read it; holds the file mode's permission bits.
    ReadableByOthers(u32),
    /// It is not text, or longer than a secret can be.
    NotASecret,
    /// Any other failure, in the system's words.
    Unreadable(String),
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::ReadableByOthers(mode) => {
                write!(f, "its mode {mode:04o} lets others read it; run `chmod 600` on it")
            }
            Self::NotASecret => f.write_str("it is empty, not text, or too long for a secret"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}
