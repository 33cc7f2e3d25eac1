//! People: who they are, how they log in, what shows their sessions, and what ends them.
//!
//! [`People`] is the one place where all of it meets: the portal, the admin API and the command line ask it to do things;
//! the gateway asks it, through the port [`Identity`](portcullis_contract::ports::Identity), who a credential stands
//! for. What is kept is in the store ([`PeopleStore`]); what was asked for lately is remembered here, and forgotten within
//! a second of its end, whichever node ended it.
//!
//! Read next: `judge.rs` for what a credential is worth and what happens while the store is gone, `log_in.rs` for why
//! every refused log-in is the same, `watch.rs` for what is done without being asked.

mod administer;
mod administration;
mod api_keys;
mod asked;
mod assertions;
mod bounded;
mod events;
mod hand_over;
mod judge;
mod log_in;
mod own_keys;
mod passwords;
mod pool;
mod remembered;
mod rings;
mod roles;
mod rules;
mod sessions;
mod set_up;
mod tokens;
mod watch;

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arc_swap::{ArcSwap, ArcSwapOption};
use portcullis_access::lockout::Lockout;
use portcullis_access::password::Work;
use portcullis_contract::identity::{Gone, PeopleStore, StoredRole};
use portcullis_contract::ports::{Audit, Clock, Endings, Entropy};
use tokio::sync::Notify;
use zeroize::Zeroizing;

pub use asked::{
    API_KEY_DAYS, By, Caller, LogIn, LogInProblem, LoggedIn, Meant, NewApiKey, NewOwnKey, NewPassword,
    NewUser, OwnKeyProblem, PasswordProblem, PeopleProblem, Role, RoleOrigin, SetUpProblem, Tokens, Wants,
    Which,
};
pub use rules::{ApplicationRules, Rules};

use assertions::Assertions;
use events::Recorder;
use pool::Pool;
use remembered::{LifeName, Remembered};
use rings::Signing;
use watch::Beat;

/// Addresses, accounts and devices whose wrong passwords are counted, of each: some 200 bytes apiece.
const LOCKOUT_SLOTS: usize = 8192;

/// What the service of people needs from outside.
pub struct PeoplePorts {
    /// Where all of it is kept.
    pub store: PeopleStore,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The ledger.
    pub audit: Arc<dyn Audit>,
    /// Who hears of ends.
    pub endings: Arc<dyn Endings>,
}

/// What the service does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Sessions and API keys that are remembered.
    pub lives: usize,
    /// Cookies, tokens and API keys that are remembered.
    pub credentials: usize,
    /// Tasks that the threads for passwords have begun.
    pub hashed: u64,
    /// Tasks that wait for them.
    pub waiting: usize,
}

/// The service of people.
pub struct People {
    store: PeopleStore,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    recorder: Recorder,
    endings: Arc<dyn Endings>,
    rules: ArcSwap<Rules>,
    /// The store's roles, as they were read last. Held while what they give is worked out.
    stored: Mutex<Vec<StoredRole>>,
    /// Held while they are read.
    reading_roles: tokio::sync::Mutex<()>,
    pool: Pool,
    lockout: Arc<Lockout>,
    /// What imported and older passwords cost, as far as they were met.
    other_works: Mutex<Vec<Work>>,
    remembered: Remembered,
    assertions: Assertions,
    /// The keys by which it signs; `None` until the store has told them once.
    signing: ArcSwapOption<Signing>,
    /// The signing keys are to be looked at.
    keys_changed: Notify,
    beat: Beat,
}

impl People {
    /// A service that knows nothing yet: until [`People::run`] has reached the store, nobody can log in and no credential
    /// is good.
    pub fn new(ports: PeoplePorts, rules: Rules) -> std::io::Result<Self> {
        let PeoplePorts { store, clock, entropy, audit, endings } = ports;
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = rules.threads.unwrap_or(cores / 2);
        let mut seed = [[0; 8]; 2];
        seed.iter_mut().for_each(|half| entropy.fill(half));
        Ok(Self {
            store,
            recorder: Recorder::new(audit, Arc::clone(&clock), Arc::clone(&entropy)),
            clock,
            entropy,
            endings,
            pool: Pool::start(NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN))?,
            lockout: Arc::new(Lockout::new(LOCKOUT_SLOTS, seed.map(u64::from_ne_bytes))),
            other_works: Mutex::default(),
            remembered: Remembered::new(rules.remembered),
            assertions: Assertions::new(rules.remembered),
            rules: ArcSwap::from_pointee(rules),
            stored: Mutex::default(),
            reading_roles: tokio::sync::Mutex::default(),
            signing: ArcSwapOption::empty(),
            keys_changed: Notify::new(),
            beat: Beat::default(),
        })
    }

    /// Takes over the rules of another configuration.
    pub fn take_over(&self, rules: Rules) {
        self.settle(|in_force, _| *in_force = rules);
        // A secret that was shared may be shared no longer, too: all is judged anew.
        self.remembered.end_unless(|_| false);
        self.keys_changed.notify_one();
    }

    /// The published keys by which access tokens can be verified, as a JWK Set; empty until the store has told them.
    pub fn jwks(&self) -> Arc<str> {
        self.signing.load().as_ref().map_or_else(rings::no_keys, |signing| signing.jwks())
    }

    /// The same of the assertions that upstreams get. They have keys of their own, so that neither is ever taken for the
    /// other.
    pub fn assertion_jwks(&self) -> Arc<str> {
        self.signing.load().as_ref().map_or_else(rings::no_keys, |signing| signing.assertion_jwks())
    }

    /// What the service does at the moment, for metrics.
    pub fn figures(&self) -> Figures {
        let (lives, credentials) = self.remembered.len();
        Figures { lives, credentials, hashed: self.pool.begun(), waiting: self.pool.waiting() }
    }

    /// Ends what is remembered of this, and whatever is open on the strength of it. The store has done its part.
    fn gone(&self, gone: &[Gone]) {
        if gone.is_empty() {
            return;
        }
        self.remembered.end(gone);
        gone.iter().for_each(|gone| self.endings.gone(gone));
    }

    /// The same of lives that ended here.
    fn lives_gone(&self, lives: Vec<LifeName>) {
        for life in lives {
            self.endings.gone(&match life {
                LifeName::Session(id) => Gone::Session(id),
                LifeName::ApiKey(id) => Gone::ApiKey(id),
            });
        }
    }

    /// Random bytes, overwritten when they go.
    fn random<const N: usize>(&self) -> Zeroizing<[u8; N]> {
        let mut bytes = Zeroizing::new([0; N]);
        self.entropy.fill(bytes.as_mut_slice());
        bytes
    }

    /// The works that each log-in does beside our own.
    fn other_works(&self) -> Vec<Work> {
        self.other_works.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People").field("remembered", &self.remembered.len()).finish_non_exhaustive()
    }
}
