//! Refresh tokens: opaque, used once, and all of a family gone when one is used again (ID-03; RFC 9700 §4.14.2).
//!
//! A log-in begins a family. Each use of its token answers the next one, so of a stolen token and its copy one is used
//! second; that shows the theft, and ends the family for both. The text is the family's name, then 256 random bits.
//! Only hashes are stored, of the name too: who reads the store can neither use a token nor end a family.
//!
//! **An answer may be lost.** Then the client has only the token that it just used, and an innocent retry would end
//! its family. So that token is good again for [`RETRY_S`] seconds, for [`SUCCESSORS_MAX`] answers in all, and only
//! until one of them is used: the others die then. A thief who is fast enough gains an answer of its own by this, but
//! not a second life: at the next use, when an access token has ended, whoever of the two comes second ends the family. A retry that left both answers alive for good would give that up.
//!
//! The machine is a value. The caller loads a family, steps it, and stores the result only if nobody else has meanwhile
//! (its [`Family::version`] tells), before it answers the client.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use zeroize::Zeroizing;

/// What every refresh token begins with, so that secret scanners recognise it.
pub const TOKEN_PREFIX: &str = "pcr_";

/// How long a token that was just used is good for a retry, in seconds: some tries of a client on a bad network.
pub const RETRY_S: i64 = 10;

/// Most tokens that may have been answered to one.
pub const SUCCESSORS_MAX: usize = 3;

/// Bytes of a family's name, drawn at random: nobody guesses one.
const NAME_BYTES: usize = 16;

/// Bytes of a token's own secret.
const SECRET_BYTES: usize = 32;

/// A token as it is handed out. Debug output does not show it.
#[derive(Debug, Clone)]
pub struct RefreshToken(SecretString);

/// A token as it was presented: its form is good, nothing else is known of it.
pub struct Presented {
    name: Zeroizing<[u8; NAME_BYTES]>,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

/// What is stored of a name or a secret: SHA-256. Both are random, so a slow hash would add nothing. Compared in
/// constant time.
#[derive(Clone, Copy, Eq)]
pub struct RefreshHash(pub [u8; 32]);

/// How long families live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Without a use.
    pub idle: Duration,
    /// In any case.
    pub absolute: Duration,
}

/// All that is stored of one log-in's refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// What it is found by.
    pub name: RefreshHash,
    /// The session that it renews, which ends with it.
    pub session: Box<str>,
    /// The program that it was given to.
    pub client: Box<str>,
    /// When it ends, whatever happens.
    pub ends: Timestamp,
    /// When it ends unless it is used.
    pub idles: Timestamp,
    /// The tokens that may be used: those that were answered to the last one.
    pub current: Vec<RefreshHash>,
    /// The token that was used last, and when first.
    pub last: Option<(RefreshHash, Timestamp)>,
    /// Whether all of it is over.
    pub revoked: bool,
    /// Grows by one with each change.
    pub version: u64,
}

/// Why a refresh is refused; the client hears the same of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RefreshRefusal {
    /// The text is no token of ours.
    #[error("the text is not a refresh token")]
    Form,
    /// The token is of another family; the caller looked up the wrong one.
    #[error("the refresh token is of another family")]
    OtherFamily,
    /// The family was revoked before.
    #[error("the refresh token's family was revoked")]
    Revoked,
    /// The family has ended.
    #[error("the refresh token has expired")]
    Expired,
    /// Another program presents it: it was stolen. The family is revoked.
    #[error("the refresh token was given to another client; its family is revoked")]
    OtherClient,
    /// It was used before, or has never been a token of its family: somebody has a copy. The family is revoked.
    #[error("the refresh token was used before; its family is revoked")]
    Reused,
}

impl RefreshToken {
    /// Its text, for the client alone.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn write(name: &[u8; NAME_BYTES], secret: &[u8; SECRET_BYTES]) -> Self {
        // The final size from the start: growing would leave parts of the token in freed memory.
        let mut text = Zeroizing::new(String::with_capacity(TOKEN_PREFIX.len() + 64));
        text.push_str(TOKEN_PREFIX);
        let mut bytes = Zeroizing::new([0; NAME_BYTES + SECRET_BYTES]);
        for (to, from) in bytes.iter_mut().zip(name.iter().chain(secret)) {
            *to = *from;
        }
        URL_SAFE_NO_PAD.encode_string(*bytes, &mut text);
        Self(SecretString::from(text.as_str()))
    }
}

impl Presented {
    /// Reads what a client presents.
    pub fn parse(text: &str) -> Result<Self, RefreshRefusal> {
        let body = text.strip_prefix(TOKEN_PREFIX).ok_or(RefreshRefusal::Form)?;
        let mut bytes = Zeroizing::new([0; NAME_BYTES + SECRET_BYTES]);
        // 48 bytes are 64 characters without a stray bit, so a token has one text only.
        let read = URL_SAFE_NO_PAD.decode_slice(body, bytes.as_mut_slice());
        if read != Ok(bytes.len()) {
            return Err(RefreshRefusal::Form);
        }
        let (name, secret) = bytes.split_at_checked(NAME_BYTES).ok_or(RefreshRefusal::Form)?;
        Ok(Self {
            name: Zeroizing::new(name.try_into().map_err(|_| RefreshRefusal::Form)?),
            secret: Zeroizing::new(secret.try_into().map_err(|_| RefreshRefusal::Form)?),
        })
    }

    /// What its family is found by.
    pub fn family(&self) -> RefreshHash {
        RefreshHash::of(b"family", &*self.name)
    }
}

impl Family {
    /// Begins a family for a new session. The random bytes must come from a generator fit for keys.
    pub fn begin(
        session: &str,
        client: &str,
        lifetimes: Lifetimes,
        now: Timestamp,
        random: &[u8; NAME_BYTES + SECRET_BYTES],
    ) -> (Self, RefreshToken) {
        let (mut name, mut secret) = (Zeroizing::new([0; NAME_BYTES]), Zeroizing::new([0; SECRET_BYTES]));
        for (to, from) in name.iter_mut().chain(secret.iter_mut()).zip(random) {
            *to = *from;
        }
        let ends = after(now, lifetimes.absolute);
        let family = Self {
            name: RefreshHash::of(b"family", &*name),
            session: session.into(),
            client: client.into(),
            ends,
            idles: after(now, lifetimes.idle).min(ends),
            current: vec![RefreshHash::of(b"token", &*secret)],
            last: None,
            revoked: false,
            version: 0,
        };
        (family, RefreshToken::write(&name, &secret))
    }

    /// Uses a token: the family after it, to be stored, and the next token or why there is none. The random bytes must
    /// come from a generator fit for keys.
    pub fn step(
        mut self,
        presented: &Presented,
        client: &str,
        lifetimes: Lifetimes,
        now: Timestamp,
        random: &[u8; SECRET_BYTES],
    ) -> (Self, Result<RefreshToken, RefreshRefusal>) {
        if presented.family() != self.name {
            return (self, Err(RefreshRefusal::OtherFamily));
        }
        if self.revoked {
            return (self, Err(RefreshRefusal::Revoked));
        }
        if now >= self.ends || now >= self.idles {
            return (self, Err(RefreshRefusal::Expired));
        }
        if client != &*self.client {
            return (self.revoke(), Err(RefreshRefusal::OtherClient));
        }
        let hash = RefreshHash::of(b"token", &*presented.secret);
        let next = RefreshHash::of(b"token", random);
        if self.current.contains(&hash) {
            self.last = Some((hash, now));
            self.current = vec![next];
        } else if self.is_retry(hash, now) {
            self.current.push(next);
        } else {
            return (self.revoke(), Err(RefreshRefusal::Reused));
        }
        self.idles = after(now, lifetimes.idle).min(self.ends);
        self.version = self.version.saturating_add(1);
        (self, Ok(RefreshToken::write(&presented.name, random)))
    }

    /// Ends the family, and with it every token of it. The caller ends the session too.
    #[must_use]
    pub fn revoke(mut self) -> Self {
        if !self.revoked {
            self.revoked = true;
            self.current.clear();
            self.last = None;
            self.version = self.version.saturating_add(1);
        }
        self
    }

    /// Whether it is the token that was just used, whose answer may have been lost.
    fn is_retry(&self, hash: RefreshHash, now: Timestamp) -> bool {
        // Either way: the clock may have gone back a little since, and no retry is old by that.
        let is_recent =
            |used: Timestamp| now.duration_since(used).abs() <= SignedDuration::from_secs(RETRY_S);
        let is_last = self.last.is_some_and(|(last, used)| last == hash && is_recent(used));
        is_last && self.current.len() < SUCCESSORS_MAX
    }
}

impl RefreshHash {
    /// The hash of random bytes. Names and secrets hash differently, so that one never stands for the other.
    fn of(kind: &[u8], bytes: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"portcullis refresh ");
        context.update(kind);
        context.update(bytes);
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(hash)
    }
}

impl PartialEq for RefreshHash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for RefreshHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshHash(")?;
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("...)")
    }
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
