//! Lockout: how many wrong passwords an address, an account and a known device may try (ID-09).
//!
//! A try is counted before its password is looked at, and given back when it was right: of tries that run side by side
//! none is free. A right password gives back only its own try, so nobody clears their count by logging in to an account
//! of their own.
//!
//! * An **address** that fails 5 times in an hour is blocked for 15 minutes, then for twice as long, up to a day.
//! * An **account** that fails 10 times is held for a minute, then after every failure for twice as long, up to a
//!   quarter of an hour: however many addresses somebody has, they try some hundred passwords a day. A name that
//!   nobody has counts like any other, so being held says nothing.
//! * A **known device**, one from which the account was logged in to before, is counted by itself and neither blocked
//!   nor held by what others do: the owner gets in while their account is attacked, also from behind the attacker's
//!   address. It is counted with the account, so it is of no use for another.
//!
//! All of it lives in memory of fixed size (`table.rs`); who has failed most is forgotten last. Whether a device is
//! known, and what the name of an account is, is the caller's to say.

use std::fmt;
use std::num::NonZeroU8;
use std::time::Duration;

use portcullis_model::{Monotonic, Prefix};

use crate::table::{Fingerprint, Table};

/// Most failures that a [`Rule`] can wait for. Every instant is kept, so this decides the size of an entry.
pub const FAILURES_MAX: u8 = 16;

/// How long a try may be under way. One that was not settled by then has failed to be a try: its client or its thread
/// is gone.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// How long after a block the next one is still longer than the first.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// When failures lead to a block, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Failures within the window that lead to the first block; above [`FAILURES_MAX`] counts as that.
    pub failures: NonZeroU8,
    /// Failures that lead to each further one.
    pub failures_again: NonZeroU8,
    /// How long a failure counts: at exactly this age it no longer does.
    pub window: Duration,
    /// How long the first block lasts; each further one lasts twice as long as the one before.
    pub first: Duration,
    /// How long the longest one lasts.
    pub longest: Duration,
}

/// The three rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// For an address.
    pub address: Rule,
    /// For an account, tried from devices that are not known.
    pub account: Rule,
    /// For a known device with its account.
    pub device: Rule,
}

/// A try to log in.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// From where.
    pub prefix: Prefix,
    /// To which account; a name that nobody has is one too. The caller has brought it into one form.
    pub account: &'a str,
    /// The device that the caller knows to have logged in to this account before.
    pub known_device: Option<&'a [u8]>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Where the tries come from.
    Address,
    /// Whom they are for.
    Account,
    /// The known device that they come from.
    Device,
}

/// A block that stands, or begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// What is blocked.
    pub subject: Subject,
    /// When it ends: at this instant there may be another try.
    pub until: Monotonic,
}

/// A try that was counted and whose password may be looked at. It is settled once it is known how it went.
#[derive(Debug)]
#[must_use]
pub struct Counted(Keys);

#[derive(Debug, Clone, Copy)]
enum Keys {
    Known { device: Fingerprint },
    Other { address: Fingerprint, account: Fingerprint },
}

/// How a try went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The password was right.
    Right,
    /// It was wrong, or the account is none, locked or disabled: those count the same.
    Wrong,
    /// It was not looked at: there was no room, or the client left.
    NotTried,
}

/// The counts, in memory of fixed size.
pub struct Lockout {
    addresses: Table<Count>,
    accounts: Table<Count>,
    devices: Table<Count>,
}

impl Rules {
    /// What holds unless something else is set.
    pub const DEFAULT: Self = Self {
        address: Rule::of(5, 5, 15 * 60, 24 * 3600),
        account: Rule::of(10, 1, 60, 15 * 60),
        device: Rule::of(10, 5, 60, 15 * 60),
    };
}

impl Rule {
    const fn of(failures: u8, failures_again: u8, first_s: u64, longest_s: u64) -> Self {
        Self {
            failures: at_least_one(failures),
            failures_again: at_least_one(failures_again),
            window: Duration::from_secs(3600),
            first: Duration::from_secs(first_s),
            longest: Duration::from_secs(longest_s),
        }
    }

    /// Failures that lead to the block after `blocks` others.
    fn limit(&self, blocks: u8) -> u8 {
        let failures = if blocks == 0 { self.failures } else { self.failures_again };
        failures.get().min(FAILURES_MAX)
    }

    /// How long the block after `blocks` others lasts.
    fn lasts(&self, blocks: u8) -> Duration {
        let doubled = 1_u32.checked_shl(u32::from(blocks)).and_then(|times| self.first.checked_mul(times));
        doubled.unwrap_or(self.longest).min(self.longest)
    }
}

const fn at_least_one(number: u8) -> NonZeroU8 {
    match NonZeroU8::new(number) {
        Some(number) => number,
        None => NonZeroU8::MIN,
    }
}

impl Lockout {
    /// Counts for at least `slots` of each: addresses, accounts, known devices; some 200 bytes each. `seed` must be
    /// secret random bits, or clients could choose names that push each other out.
    pub fn new(slots: usize, seed: [u64; 2]) -> Self {
        Self {
            addresses: Table::new(slots, seed),
            accounts: Table::new(slots, seed),
            devices: Table::new(slots, seed),
        }
    }

    /// Counts a try before anything is looked up or hashed for it, or says what blocks it. The client hears of a block
    /// what it hears of a wrong password.
    pub fn begin(&self, tried: &Try<'_>, rules: &Rules, now: Monotonic) -> Result<Counted, Block> {
        let blocked = |subject| move |until| Block { subject, until };
        if let Some(device) = tried.known_device {
            let device = self.device_key(tried.account, device);
            begin(&self.devices, device, &rules.device, now).map_err(blocked(Subject::Device))?;
            return Ok(Counted(Keys::Known { device }));
        }
        let address = self.address_key(tried.prefix);
        let account = self.account_key(tried.account);
        begin(&self.addresses, address, &rules.address, now).map_err(blocked(Subject::Address))?;
        if let Err(until) = begin(&self.accounts, account, &rules.account, now) {
            // No password was tried, so the address has done nothing.
            let _ = settle(&self.addresses, address, &rules.address, now, Outcome::NotTried);
            return Err(Block { subject: Subject::Account, until });
        }
        Ok(Counted(Keys::Other { address, account }))
    }

    /// Settles a try. Holds the blocks that begin with it, for the notice to whom it concerns.
    pub fn settle(&self, counted: Counted, outcome: Outcome, rules: &Rules, now: Monotonic) -> Vec<Block> {
        let block = |subject, until: Option<Monotonic>| until.map(|until| Block { subject, until });
        let blocks = match counted.0 {
            Keys::Known { device } => {
                let device = settle(&self.devices, device, &rules.device, now, outcome);
                [block(Subject::Device, device), None]
            }
            Keys::Other { address, account } => {
                let address = settle(&self.addresses, address, &rules.address, now, outcome);
                let account = settle(&self.accounts, account, &rules.account, now, outcome);
                [block(Subject::Address, address), block(Subject::Account, account)]
            }
        };
        blocks.into_iter().flatten().collect()
    }

    /// Forgets all failures of an account; false when there are none.
    pub fn unlock_account(&self, account: &str) -> bool {
        self.accounts.remove(self.account_key(account))
    }

    /// Forgets all failures of an address; false when there are none.
    pub fn unlock_address(&self, prefix: Prefix) -> bool {
        self.addresses.remove(self.address_key(prefix))
    }

    /// Forgets all failures of a known device of an account; false when there are none.
    pub fn unlock_device(&self, account: &str, device: &[u8]) -> bool {
        self.devices.remove(self.device_key(account, device))
    }

    fn address_key(&self, prefix: Prefix) -> Fingerprint {
        self.addresses.fingerprint(&[&prefix.to_bytes()])
    }

    fn account_key(&self, account: &str) -> Fingerprint {
        self.accounts.fingerprint(&[account.as_bytes()])
    }

    fn device_key(&self, account: &str, device: &[u8]) -> Fingerprint {
        self.devices.fingerprint(&[account.as_bytes(), device])
    }
}

impl fmt::Debug for Lockout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lockout").field("slots", &self.accounts.slots()).finish_non_exhaustive()
    }
}

fn begin(table: &Table<Count>, key: Fingerprint, rule: &Rule, now: Monotonic) -> Result<(), Monotonic> {
    table.update(key, |count| count.worth(now), |count| count.begin(rule, now))
}

fn settle(
    table: &Table<Count>,
    key: Fingerprint,
    rule: &Rule,
    now: Monotonic,
    outcome: Outcome,
) -> Option<Monotonic> {
    table.update(key, |count| count.worth(now), |count| count.settle(rule, now, outcome))
}

/// The failures of one subject.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// When the counted failures were, oldest first.
    instants: [Monotonic; FAILURES_MAX as usize],
    failures: u8,
    /// Tries that are not settled yet, and when the last of them began.
    under_way: u8,
    began: Monotonic,
    /// Blocks that are remembered, and when the last of them ends.
    blocks: u8,
    until: Monotonic,
}

impl Count {
    /// Counts a try, or says when there may be the next.
    fn begin(&mut self, rule: &Rule, now: Monotonic) -> Result<(), Monotonic> {
        self.forget(rule, now);
        if self.until > now {
            return Err(self.until);
        }
        if self.failures.saturating_add(self.under_way) >= rule.limit(self.blocks) {
            return Err(self.began.plus(UNDER_WAY));
        }
        self.under_way += 1;
        self.began = now;
        Ok(())
    }

    /// Settles a try; holds the end of the block that begins with it.
    fn settle(&mut self, rule: &Rule, now: Monotonic, outcome: Outcome) -> Option<Monotonic> {
        self.forget(rule, now);
        self.under_way = self.under_way.saturating_sub(1);
        if outcome != Outcome::Wrong {
            return None;
        }
        if let Some(free) = self.instants.get_mut(usize::from(self.failures)) {
            *free = now;
            self.failures += 1;
        }
        if self.failures < rule.limit(self.blocks) {
            return None;
        }
        let until = now.plus(rule.lasts(self.blocks));
        self.failures = 0;
        self.blocks = self.blocks.saturating_add(1);
        self.until = self.until.max(until);
        Some(until)
    }

    /// Forgets what no longer counts.
    fn forget(&mut self, rule: &Rule, now: Monotonic) {
        let counted = self.instants.iter().take(usize::from(self.failures));
        let old = counted.take_while(|instant| now.since(**instant) >= rule.window).count();
        self.instants.rotate_left(old);
        self.failures = self.failures.saturating_sub(old as u8);
        if now.since(self.began) >= UNDER_WAY {
            self.under_way = 0;
        }
        if now.since(self.until) >= REMEMBERED {
            self.blocks = 0;
        }
    }

    /// What is forgotten last: who is blocked or was, then who has failed most, then who tried last.
    fn worth(&self, now: Monotonic) -> (bool, u8, u8, Monotonic) {
        (self.until > now, self.blocks, self.failures.saturating_add(self.under_way), self.began)
    }
}

#[cfg(test)]
mod tests;
