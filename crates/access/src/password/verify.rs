//! Whether a password is right, at the same cost for everybody.
//!
//! An attacker who measures how long the answer takes must not learn whether an account exists, is locked, or comes
//! from another program. So there is one way to ask, which takes the account as it was found, or that there is none;
//! and it does one piece of each work that accounts of this node cost, whoever is asked for. While imported hashes are
//! left, every log-in pays for them too; each is replaced when its owner logs in.

use super::{Candidate, Cost, StoredPassword, Work};

/// Most works, our own included: so many times longer may a log-in take while imports are left.
pub const WORKS_MAX: usize = 6;

/// Verifies passwords, and hashes new ones.
#[derive(Debug, Clone)]
pub struct Verifier {
    cost: Cost,
    works: Vec<Work>,
}

/// Who somebody says that they are, as the store knows them.
#[derive(Debug, Clone, Copy)]
pub enum Account<'a> {
    /// There is no such account, or it has no password.
    Unknown,
    /// There is.
    Known {
        /// The hash of its password.
        password: &'a StoredPassword,
        /// Whether it may log in at all.
        standing: Standing,
    },
}

/// Whether an account may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Active,
    /// Not now: too many wrong passwords.
    Locked,
    /// Not any more.
    Disabled,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The password is right.
    Accepted {
        /// Whether to hash it anew, with [`Verifier::hash`], while it is at hand.
        rehash: bool,
    },
    /// It is not, or does not matter. The reason is for the operator's log; the client hears the same of all of them.
    Refused(Reason),
}

/// Why a log-in is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no such account, or it has no password.
    Unknown,
    /// The password is wrong.
    WrongPassword,
    /// The account is locked. Whether the password was right is not told, not even to the log.
    Locked,
    /// The account is disabled. The same.
    Disabled,
}

impl Verifier {
    /// A verifier that hashes at this cost, beside accounts whose hashes cost `others`: one of each kind that is left
    /// in the store, older ones of our own included. More than [`WORKS_MAX`] are not evened out.
    pub fn new(cost: Cost, others: impl IntoIterator<Item = Work>) -> Self {
        let own = Work::Argon2 { variant: argon2::Algorithm::Argon2id, cost, output_bytes: 32 };
        let mut works = vec![own];
        for work in others {
            if works.len() < WORKS_MAX && !works.contains(&work) {
                works.push(work);
            }
        }
        Self { cost, works }
    }

    /// The most memory that one log-in takes at a time, in KiB: for the size of the pool.
    pub fn memory_kib(&self) -> u32 {
        self.works.iter().map(|work| work.memory_kib()).max().unwrap_or_default()
    }

    /// Hashes a password that [`super::Policy::check`] has let pass, under 128 bits that were drawn at random for it.
    /// `None` when it is too long or memory is short.
    pub fn hash(&self, candidate: &Candidate, salt: &[u8; 16]) -> Option<StoredPassword> {
        if candidate.is_too_long() { None } else { self.cost.hash(candidate.normalized(), salt) }
    }

    /// Judges a log-in.
    pub fn verify(&self, candidate: &Candidate, account: Account<'_>) -> Verdict {
        let password = match account {
            Account::Unknown => None,
            Account::Known { password, .. } => Some(password),
        };
        let normalized = self.is_right(candidate.normalized(), password);
        // Only what was typed decides whether there is a second form, not who is asked for.
        let typed = candidate.typed().is_some_and(|typed| self.is_right(typed, password));
        let is_right = (normalized || typed) && !candidate.is_too_long();
        match account {
            Account::Unknown => Verdict::Refused(Reason::Unknown),
            Account::Known { standing: Standing::Locked, .. } => Verdict::Refused(Reason::Locked),
            Account::Known { standing: Standing::Disabled, .. } => Verdict::Refused(Reason::Disabled),
            Account::Known { standing: Standing::Active, password } if is_right => {
                Verdict::Accepted { rehash: !normalized || password.is_behind(self.cost) }
            }
            Account::Known { .. } => Verdict::Refused(Reason::WrongPassword),
        }
    }

    /// One piece of each work, one of them in earnest.
    fn is_right(&self, text: &str, password: Option<&StoredPassword>) -> bool {
        let mut verdict = None;
        for work in &self.works {
            match password {
                Some(password) if password.work() == *work => verdict = Some(password.is_of(text)),
                _ => work.spend(text),
            }
        }
        // Of a kind that nobody named: right is right, but its log-ins take longer than others.
        verdict.unwrap_or_else(|| password.is_some_and(|password| password.is_of(text)))
    }
}
