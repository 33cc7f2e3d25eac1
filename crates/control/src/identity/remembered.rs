//! What was asked of the store lately: who a credential stands for, and whether what it hangs on is still alive.
//!
//! There are two tables. One has **lives**: a session or an API key, with what its user may do and when it was last used.
//! The other has **credentials** by their hashes: cookies, tokens, keys, each with the [`Principal`] that it stands for
//! and the life that it hangs on. Ending a life is one flag, which every credential of it sees at once.
//!
//! **An answer of the store may be older than an end.** Whoever asks takes the [`Epoch`] first, and each end begins a new
//! one: what was asked for before an end is used once and not remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use portcullis_access::session;
use portcullis_contract::identity::{Gone, Holder, Place};
use portcullis_contract::ports::{CredentialKind, Judged, NotKnown};
use portcullis_model::{
    ApiKeyId, ApplicationName, Permissions, Principal, RoleName, SessionId, UserId, UserName,
};

use super::Rules;
use super::bounded::{Bounded, Kept};

/// What a credential is found by: its kind, and a hash that only its text leads to.
pub(super) type CredentialName = (CredentialKind, [u8; 32]);

/// Between two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

/// What credentials hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum LifeName {
    Session(SessionId),
    ApiKey(ApiKeyId),
}

/// Whose it is, as the store knew them, and what that gives them.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) id: UserId,
    pub(super) version: u64,
    pub(super) name: UserName,
    pub(super) user_id: Option<Box<str>>,
    pub(super) roles: Vec<RoleName>,
    pub(super) permissions: Permissions,
}

/// A session or key that is remembered.
pub(super) struct Life {
    pub(super) name: LifeName,
    pub(super) who: Arc<Who>,
    pub(super) ends: Option<Timestamp>,
    /// Of a session: what holds on to it, and so when it is idle.
    holder: Option<Holder>,
    is_gone: AtomicBool,
    is_used: AtomicBool,
    /// When it was last used, in milliseconds since 1970, and up to where the store knows of it.
    seen_ms: AtomicI64,
    noted_ms: AtomicI64,
}

/// A credential that was judged good.
pub(super) struct Good {
    pub(super) life: Arc<Life>,
    pub(super) principal: Arc<Principal>,
    pub(super) at: GoodAt,
    pub(super) ends: Option<Timestamp>,
}

/// Where a credential is good.
pub(super) enum GoodAt {
    Place(Place),
    /// Of an API key; none means everywhere.
    Applications(Vec<ApplicationName>),
}

/// The two tables.
pub(super) struct Remembered {
    credentials: Bounded<CredentialName, Good>,
    lives: Bounded<LifeName, Arc<Life>>,
    epoch: AtomicU64,
}

impl Life {
    /// A life that the store told of.
    pub(super) fn new(
        name: LifeName,
        who: Arc<Who>,
        ends: Option<Timestamp>,
        seen: Option<Timestamp>,
        holder: Option<Holder>,
    ) -> Self {
        let seen_ms = seen.map_or(i64::MIN, Timestamp::as_millisecond);
        Self {
            name,
            who,
            ends,
            holder,
            is_gone: AtomicBool::new(false),
            is_used: AtomicBool::new(true),
            seen_ms: AtomicI64::new(seen_ms),
            noted_ms: AtomicI64::new(seen_ms),
        }
    }

    /// It is used now.
    pub(super) fn touch(&self, now: Timestamp) {
        self.is_used.store(true, Ordering::Relaxed);
        self.seen_ms.fetch_max(now.as_millisecond(), Ordering::Relaxed);
    }

    /// When it was last used as far as this node knows.
    pub(super) fn seen(&self) -> Timestamp {
        Timestamp::from_millisecond(self.seen_ms.load(Ordering::Relaxed)).unwrap_or(Timestamp::MIN)
    }

    /// The store has heard of a later use, by another node.
    pub(super) fn was_seen(&self, seen: Timestamp) {
        self.seen_ms.fetch_max(seen.as_millisecond(), Ordering::Relaxed);
    }

    /// The store knows that it was used then.
    pub(super) fn noted(&self, seen: Timestamp) {
        self.noted_ms.fetch_max(seen.as_millisecond(), Ordering::Relaxed);
    }

    fn is_noted(&self) -> bool {
        self.seen_ms.load(Ordering::Relaxed) <= self.noted_ms.load(Ordering::Relaxed)
    }

    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }

    /// Whether nobody used it for too long, as far as this node knows: another may know better.
    fn is_idle(&self, rules: &Rules, now: Timestamp) -> bool {
        let is_over = |holder| session::judge(self.seen(), Timestamp::MAX, rules.idle(holder), now).is_err();
        self.holder.is_some_and(is_over)
    }
}

impl Kept for Arc<Life> {
    fn take_used(&self) -> bool {
        self.is_used.swap(false, Ordering::Relaxed)
    }
}

impl Kept for Good {}

impl GoodAt {
    fn includes(&self, place: &Place) -> bool {
        match (self, place) {
            (Self::Place(own), place) => own == place,
            (Self::Applications(applications), Place::Application(name)) => {
                applications.is_empty() || applications.contains(name)
            }
            (Self::Applications(applications), Place::Portal) => applications.is_empty(),
        }
    }
}

impl Good {
    /// What it is worth at a place and time; `None` when only the store can say.
    pub(super) fn judge(&self, place: &Place, rules: &Rules, now: Timestamp) -> Option<Judged> {
        if self.life.is_gone() {
            return None;
        }
        if !self.at.includes(place) {
            return Some(Err(NotKnown::Elsewhere));
        }
        let is_over = |ends: Option<Timestamp>| ends.is_some_and(|ends| ends <= now);
        if is_over(self.ends) || is_over(self.life.ends) {
            return Some(Err(NotKnown::Expired));
        }
        if self.life.is_idle(rules, now) {
            return None;
        }
        self.life.touch(now);
        Some(Ok(Arc::clone(&self.principal)))
    }
}

impl Remembered {
    /// Empty tables for about so many sessions and keys.
    pub(super) fn new(entries_max: usize) -> Self {
        Self {
            credentials: Bounded::new(entries_max),
            lives: Bounded::new(entries_max),
            epoch: AtomicU64::new(0),
        }
    }

    /// To be taken before the store is asked.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    /// What a credential is worth by what is remembered.
    pub(super) fn judge(
        &self,
        name: &CredentialName,
        place: &Place,
        rules: &Rules,
        now: Timestamp,
    ) -> Option<Judged> {
        self.credentials.find(name, |good| good.judge(place, rules, now))?
    }

    /// A life that goes on.
    pub(super) fn life(&self, name: &LifeName) -> Option<Arc<Life>> {
        self.lives.find(name, Arc::clone).filter(|life| !life.is_gone())
    }

    /// Keeps a life that the store told of. The one that is kept already stays if it says the same, so that its last use
    /// is not lost.
    pub(super) fn keep_life(&self, life: Life, epoch: Epoch) -> Arc<Life> {
        if let Some(known) = self.life(&life.name)
            && known.who.version == life.who.version
            && known.ends == life.ends
        {
            known.was_seen(life.seen());
            return known;
        }
        let life = Arc::new(life);
        let right = || self.epoch() == epoch;
        if let Some(gone) = self.lives.keep_if(life.name, Arc::clone(&life), right) {
            // Nobody would find it there to end it.
            gone.is_gone.store(true, Ordering::SeqCst);
        }
        life
    }

    /// Keeps a credential, unless its life is not kept.
    pub(super) fn keep(&self, name: CredentialName, good: Good) {
        let life = Arc::clone(&good.life);
        let is_kept = || self.life(&life.name).is_some_and(|kept| Arc::ptr_eq(&kept, &life));
        self.credentials.keep_if(name, good, is_kept);
    }

    /// Ends what is remembered of all this.
    pub(super) fn end(&self, gone: &[Gone]) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        let mut users = Vec::new();
        for gone in gone {
            match gone {
                Gone::Session(id) => self.end_life(&LifeName::Session(*id)),
                Gone::ApiKey(id) => self.end_life(&LifeName::ApiKey(*id)),
                Gone::User(id) => users.push(*id),
                Gone::Keys | Gone::Roles => {}
            }
        }
        if !users.is_empty() {
            users.sort_unstable();
            self.end_unless(|life| users.binary_search(&life.who.id).is_err());
        }
    }

    /// Ends all lives but these; those that ended.
    pub(super) fn end_unless(&self, stays: impl Fn(&Life) -> bool) -> Vec<LifeName> {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        let gone = self.lives.take_unless(|life| stays(life));
        gone.iter().for_each(|life| life.is_gone.store(true, Ordering::SeqCst));
        gone.iter().map(|life| life.name).collect()
    }

    fn end_life(&self, name: &LifeName) {
        if let Some(life) = self.lives.remove(name) {
            life.is_gone.store(true, Ordering::SeqCst);
        }
    }

    /// Forgets credentials whose life has ended or whose own time is over.
    pub(super) fn sweep(&self, now: Timestamp) {
        let stays = |good: &Good| !good.life.is_gone() && good.ends.is_none_or(|ends| ends > now);
        self.credentials.take_unless(stays);
    }

    /// Lives whose time is over, which end here, and those that nobody used for too long as far as this node knows, at
    /// most `count`.
    pub(super) fn over(
        &self,
        rules: &Rules,
        now: Timestamp,
        count: usize,
    ) -> (Vec<LifeName>, Vec<Arc<Life>>) {
        let is_over = |life: &Life| life.ends.is_some_and(|ends| ends <= now);
        let (mut any, mut idle_ones) = (false, Vec::new());
        self.lives.each(|_, life| {
            if is_over(life) {
                any = true;
            } else if idle_ones.len() < count && life.is_idle(rules, now) {
                idle_ones.push(Arc::clone(life));
            }
        });
        let ended = if any { self.end_unless(|life| !is_over(life)) } else { Vec::new() };
        (ended, idle_ones)
    }

    /// Lives of whose last use the store does not know yet.
    pub(super) fn unnoted(&self) -> Vec<Arc<Life>> {
        let mut unnoted = Vec::new();
        self.lives.each(|_, life| {
            if !life.is_noted() {
                unnoted.push(Arc::clone(life));
            }
        });
        unnoted
    }

    /// How many lives and credentials are remembered.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.lives.len(), self.credentials.len())
    }
}
