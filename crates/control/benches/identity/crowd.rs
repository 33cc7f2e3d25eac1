//! So many users with five sessions each, four of browsers and one of a program. Everything about each follows from its
//! number, so that who fills the store and who asks it need not tell each other.
//!
//! Ids are as far apart as drawn ones, and sessions of one user are nowhere near each other in their order; only that
//! their numbers follow that order is not as in life, and lets a store be filled in minutes.

use std::time::Duration;

use aws_lc_rs::digest;
use jiff::{SignedDuration, Timestamp};
use portcullis_access::apikey;
use portcullis_access::password::{Candidate, Cost, Verifier};
use portcullis_access::refresh::{Family, RefreshToken};
use portcullis_access::session::{self, SecretUse};
use portcullis_contract::identity::Holder;
use portcullis_model::{ApiKeyId, SessionId, UserId};
use portcullis_protect::{DataKey, Purpose};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::outside::{HOUR, PASSWORD, rules, shop};

/// Sessions of each user; the last is a program's.
pub(crate) const SESSIONS_EACH: u64 = 5;
/// Of so many users one has an API key, and of so many one may administer.
const USERS_PER_KEY: u64 = 10;
const USERS_PER_ADMIN: u64 = 500;
/// Sessions whose time is over: as many as one turn of house-keeping removes.
pub(crate) const OVER: u64 = 1000;
/// A prime that no number of sessions is a multiple of: it spreads the sessions of a user.
const STRIDE: u64 = 2_654_435_761;
/// Another one, by which they are asked for.
const JUMP: u128 = 2_147_483_647;

/// The users, and what belongs to them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) users: u64,
}

/// A session as its number says.
pub(crate) struct Numbered {
    pub(crate) id: SessionId,
    pub(crate) user: u64,
    pub(crate) holder: Holder,
    pub(crate) created: Timestamp,
    pub(crate) seen: Timestamp,
    pub(crate) ends: Timestamp,
}

impl Crowd {
    pub(crate) fn sessions(self) -> u64 {
        self.users * SESSIONS_EACH
    }

    pub(crate) fn user_id(self, user: u64) -> UserId {
        UserId(spread("user", user, self.users))
    }

    pub(crate) fn session_id(self, session: u64) -> SessionId {
        SessionId(spread("session", session, self.sessions()))
    }

    pub(crate) fn key_id(self, user: u64) -> ApiKeyId {
        ApiKeyId(spread("key", user, self.users))
    }

    /// Whose it is, and which of theirs.
    fn place(self, session: u64) -> (u64, u64) {
        let at = (u128::from(session) * u128::from(STRIDE) % u128::from(self.sessions())) as u64;
        (at / SESSIONS_EACH, at % SESSIONS_EACH)
    }

    pub(crate) fn holder(self, session: u64) -> Holder {
        if self.place(session).1 == SESSIONS_EACH - 1 { Holder::Program } else { Holder::Browser }
    }

    /// Whether its time is over.
    pub(crate) fn is_over(self, session: u64) -> bool {
        session.is_multiple_of(self.sessions() / OVER)
    }

    /// A session, as it is some time after it began.
    pub(crate) fn session(self, session: u64, now: Timestamp) -> Numbered {
        let holder = self.holder(session);
        let (lasts, age_max, unused_max) = match holder {
            Holder::Browser => (12 * HOUR, 11 * HOUR, HOUR / 3),
            Holder::Program => (rules().refresh.absolute, 240 * HOUR, 24 * HOUR),
        };
        let [a, b] = parts("times", session);
        let age = if self.is_over(session) { lasts + HOUR } else { part_of(age_max, a) };
        let created = before(now, age);
        let seen = before(now, part_of(unused_max.min(age), b));
        let ends = created + SignedDuration::try_from(lasts).unwrap();
        Numbered { id: self.session_id(session), user: self.place(session).0, holder, created, seen, ends }
    }

    /// Numbers of sessions of one kind that go on, in no order, each once. Different beginnings lead to different ones for a
    /// while.
    pub(crate) fn some(self, holder: Holder, from: u64) -> impl Iterator<Item = u64> {
        let all = self.sessions();
        let numbers = (from..from + all).map(move |at| (u128::from(at) * JUMP % u128::from(all)) as u64);
        numbers.filter(move |session| self.holder(*session) == holder && !self.is_over(*session))
    }

    /// Numbers of users, in no order, each once.
    pub(crate) fn some_users(self, from: u64) -> impl Iterator<Item = u64> {
        let users = u128::from(self.users);
        (from..from + self.users).map(move |at| (u128::from(at) * u128::from(STRIDE) % users) as u64)
    }
}

pub(crate) fn name(user: u64) -> String {
    format!("user-{user:08}@example.com")
}

pub(crate) fn has_key(user: u64) -> bool {
    user.is_multiple_of(USERS_PER_KEY)
}

pub(crate) fn administers(user: u64) -> bool {
    user.is_multiple_of(USERS_PER_ADMIN)
}

/// A browser's cookie, and the hash by which its session is found.
pub(crate) fn cookie(session: u64) -> (SecretString, [u8; 32]) {
    session::secret(SecretUse::Cookie, &bytes("cookie", session))
}

/// The text of a user's API key.
pub(crate) fn key_text(user: u64) -> SecretString {
    apikey::generate(&bytes("key text", user))
}

/// A program's refresh tokens.
pub(crate) fn family(session: &Numbered, number: u64) -> (Family, RefreshToken) {
    let [first, second] = [bytes("family", number), bytes("token", number)];
    let mut random = [0; 48];
    random.iter_mut().zip(first.into_iter().chain(second)).for_each(|(to, from)| *to = from);
    Family::begin(&session.id.to_string(), shop().as_str(), rules().refresh, session.created, &random)
}

/// The hash that is stored for everybody: to compute a million of them takes half a day.
pub(crate) fn password() -> String {
    let verifier = Verifier::new(Cost::OWASP, []);
    verifier.hash(&Candidate::new(PASSWORD), &[3; 16]).unwrap().as_str().to_owned()
}

/// What seals the columns.
pub(crate) fn key() -> DataKey {
    DataKey::generate([5; 16], Zeroizing::new([6; 32]), Purpose::Store)
}

/// Bytes that look drawn.
pub(crate) fn bytes(what: &str, number: u64) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(what.as_bytes());
    context.update(&number.to_be_bytes());
    context.finish().as_ref().try_into().unwrap()
}

fn parts(what: &str, number: u64) -> [u64; 2] {
    let drawn = bytes(what, number);
    let (first, rest) = drawn.split_first_chunk().unwrap();
    [*first, *rest.first_chunk().unwrap()].map(u64::from_be_bytes)
}

/// An id: the number's share of all, then what looks drawn.
fn spread(what: &str, number: u64, of: u64) -> [u8; 16] {
    let (drawn, share) = (bytes(what, number), u64::MAX / of);
    let first = u64::from_be_bytes(*drawn.first_chunk().unwrap()) % share + number * share;
    let mut id = [0; 16];
    id.iter_mut()
        .zip(first.to_be_bytes().into_iter().chain(drawn.into_iter().skip(8)))
        .for_each(|(to, from)| *to = from);
    id
}

/// A share of a time, in so many parts of 2^64.
fn part_of(time: Duration, part: u64) -> Duration {
    Duration::from_micros(((time.as_micros() * u128::from(part)) >> 64) as u64)
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    now - SignedDuration::try_from(age).unwrap()
}
