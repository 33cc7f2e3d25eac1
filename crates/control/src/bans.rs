//! Bans by hand, kept in the store: they outlive the process, and every node has them within a second.
//!
//! What decides about requests is each node's own table in memory, behind the port [`Bans`]. Beside it the list of those by
//! hand is kept as one sealed text, which one node changes at a time ([`Keyrings`]) and all read twice a second. Bans that came
//! of suspicion are in no list: each node makes its own, and they end with it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_contract::admin::{NeverBanned, StandingBan};
use portcullis_contract::identity::{Keyrings, SecretBytes, StoreProblem};
use portcullis_contract::ports::{Bans, Clock};
use portcullis_model::Prefix;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use zeroize::Zeroizing;

/// What the list is kept under.
const NAME: &str = "bans";
/// The version of its form.
const FORM: u8 = 1;
/// Bytes of one ban in it: the prefix, and its end in microseconds since 1970.
const BAN_BYTES: usize = 9 + 8;
/// Most bans by hand at once: each change writes all of them. Whoever has more uses a firewall.
const BANS_MAX: usize = 4096;
/// How often the list is read.
const POLL_EVERY: Duration = Duration::from_millis(500);
/// How often a change is tried anew that another node was faster with.
const TRIES: usize = 4;
/// Ends are told to the second, so one that differs by less is the same.
const SAME: SignedDuration = SignedDuration::from_secs(2);

/// The bans by hand, and until when each stands.
type List = BTreeMap<Prefix, Timestamp>;

/// The list as it was last read, and its version in the store.
#[derive(Default)]
struct Known {
    version: u64,
    list: List,
}

/// The bans of a node, of which those by hand are kept.
pub struct KeptBans {
    here: Arc<dyn Bans>,
    kept: Arc<dyn Keyrings>,
    clock: Arc<dyn Clock>,
    /// Held while the store is asked, so that nothing older than a change is put in force after it.
    known: Mutex<Known>,
}

/// Why nobody was shut out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum BanProblem {
    /// That one is never banned.
    #[error(transparent)]
    Never(#[from] NeverBanned),
    /// There are as many as there may be.
    #[error("there are {BANS_MAX} bans by hand; lift some, or shut networks out in a firewall")]
    Full,
    /// The list cannot be kept.
    #[error("nothing was done: {0}")]
    Store(#[from] StoreProblem),
    /// Other nodes change it again and again.
    #[error("nothing was done: other nodes change the list of bans at the same time; try again")]
    Contended,
}

impl KeptBans {
    /// The bans of this node, with the list that all nodes share.
    pub fn new(here: Arc<dyn Bans>, kept: Arc<dyn Keyrings>, clock: Arc<dyn Clock>) -> Self {
        Self { here, kept, clock, known: Mutex::default() }
    }

    /// Follows the list until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = interval(POLL_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = false;
        loop {
            ticks.tick().await;
            let polled = self.poll().await;
            if let (Err(problem), false) = (&polled, failed) {
                tracing::warn!(%problem, "bans that other nodes make are not heard of");
            }
            failed = polled.is_err();
        }
    }

    /// Puts in force what the store has. What it had before stays in force while it cannot be asked, and also when bans for
    /// suspicion have filled this node's table and pushed others out.
    pub async fn poll(&self) -> Result<(), StoreProblem> {
        let mut known = self.known.lock().await;
        let read = self.load().await;
        match read {
            Ok(now) if now.version != known.version => {
                self.follow(&known.list, &now.list);
                *known = now;
                Ok(())
            }
            read => {
                self.follow(&known.list, &known.list);
                read.map(drop)
            }
        }
    }

    pub(crate) fn standing(&self) -> Vec<StandingBan> {
        self.here.standing()
    }

    pub(crate) fn against(&self, prefix: Prefix) -> Result<Option<StandingBan>, NeverBanned> {
        self.here.against(prefix)
    }

    /// Shuts a prefix out on all nodes. It is kept before it stands.
    pub(crate) async fn ban(&self, prefix: Prefix, duration: Duration) -> Result<StandingBan, BanProblem> {
        self.here.against(prefix)?;
        let lasts = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        let until = self.clock.wall().checked_add(lasts).unwrap_or(Timestamp::MAX);
        self.change(|list| {
            let kept = list.entry(prefix).or_insert(until);
            *kept = until.max(*kept);
        })
        .await?;
        Ok(self.here.ban(prefix, duration)?)
    }

    /// Lets a prefix in again on all nodes; false when there was no ban.
    pub(crate) async fn lift(&self, prefix: Prefix) -> Result<bool, BanProblem> {
        let was_kept = self.change(|list| list.retain(|banned, _| *banned != prefix)).await?;
        Ok(self.here.lift(prefix) || was_kept)
    }

    /// Changes the list in the store; whether that made a difference.
    async fn change(&self, change: impl Fn(&mut List)) -> Result<bool, BanProblem> {
        let mut known = self.known.lock().await;
        for _ in 0..TRIES {
            let Known { version, list: before } = self.load().await?;
            let now = self.clock.wall();
            let mut list = before.clone();
            list.retain(|_, until| *until > now);
            let standing = list.clone();
            change(&mut list);
            let is_done = list == standing;
            if !is_done && list.len() > BANS_MAX {
                return Err(BanProblem::Full);
            }
            if is_done || self.kept.replace(NAME, version, &write(&list)).await? {
                // What other nodes have done meanwhile comes into force along with it.
                self.follow(&known.list, &list);
                // Read once more by the next poll, which then knows the version too.
                *known = Known { version: known.version, list };
                return Ok(!is_done);
            }
        }
        Err(BanProblem::Contended)
    }

    async fn load(&self) -> Result<Known, StoreProblem> {
        let Some((version, bytes)) = self.kept.load(NAME).await? else { return Ok(Known::default()) };
        let list = read(&bytes).ok_or_else(|| {
            StoreProblem::Damaged("the list of bans has a form that this version does not know".into())
        })?;
        Ok(Known { version, list })
    }

    /// Begins the bans that are new in a list, and ends those that somebody has taken out of it before their time.
    fn follow(&self, before: &List, after: &List) {
        let now = self.clock.wall();
        for (prefix, until) in after.iter().filter(|(_, until)| **until > now) {
            let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
            // One that is never banned on this node is let in here.
            let Ok(stands) = self.here.against(*prefix) else { continue };
            if stands.is_none_or(|stands| until.duration_since(stands.until) >= SAME) {
                let _ = self.here.ban(*prefix, left);
            }
        }
        for (prefix, until) in before {
            if *until > now && !after.contains_key(prefix) {
                self.here.lift(*prefix);
            }
        }
    }
}

/// Writes a list as it is kept.
fn write(list: &List) -> SecretBytes {
    let mut bytes = Zeroizing::new(Vec::with_capacity(1 + list.len() * BAN_BYTES));
    bytes.push(FORM);
    for (prefix, until) in list {
        bytes.extend_from_slice(&prefix.to_bytes());
        bytes.extend_from_slice(&until.as_microsecond().to_be_bytes());
    }
    SecretBytes(bytes)
}

/// Reads a list as it is kept; `None` when it is of another form.
fn read(kept: &SecretBytes) -> Option<List> {
    let (form, rest) = kept.0.split_first()?;
    let bans = rest.chunks_exact(BAN_BYTES);
    if *form != FORM || !bans.remainder().is_empty() {
        return None;
    }
    bans.map(read_ban).collect()
}

fn read_ban(bytes: &[u8]) -> Option<(Prefix, Timestamp)> {
    let (family, rest) = bytes.split_first()?;
    let (prefix, until) = rest.split_first_chunk::<8>()?;
    let prefix = u64::from_be_bytes(*prefix);
    let prefix = match family {
        4 => Prefix::V4(Ipv4Addr::from(u32::try_from(prefix).ok()?)),
        6 => Prefix::V6(prefix),
        _ => return None,
    };
    let until = Timestamp::from_microsecond(i64::from_be_bytes(until.try_into().ok()?)).ok()?;
    Some((prefix, until))
}

#[cfg(test)]
mod tests;
