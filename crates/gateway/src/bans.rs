//! Who is shut out by address: the one place where a ban begins, and what administrators see and do of it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Unit};
use portcullis_access::ban::{Ban, BanReason};
use portcullis_contract::admin::{NeverBanned, StandingBan};
use portcullis_contract::ports::Bans;
use portcullis_model::{Monotonic, Prefix};

use crate::gate::Gate;
use crate::websocket::sockets::Told;

impl Gate {
    /// Begins a ban: it is counted, and the prefix's open WebSockets hear of it.
    pub(crate) fn shut_out(&self, prefix: Prefix, until: Monotonic, reason: BanReason) {
        self.memory.bans.ban(prefix, until, reason);
        self.tellers.metrics.bans.inc();
        self.sockets.tell(|holder| (holder.prefix == Some(prefix)).then_some(Told::Banned));
    }

    fn may_be_banned(&self, prefix: Prefix) -> Result<(), NeverBanned> {
        if self.snapshot().is_exempt_whole(prefix) { Err(NeverBanned(prefix)) } else { Ok(()) }
    }

    fn stands(&self, prefix: Prefix, ban: Ban) -> StandingBan {
        let clock = &self.tellers.clock;
        let left =
            SignedDuration::try_from(ban.until.since(clock.monotonic())).unwrap_or(SignedDuration::MAX);
        // To the second: the two clocks differ by a little each time that they are read.
        let until = clock.wall().checked_add(left).and_then(|until| until.round(Unit::Second));
        let until = until.unwrap_or(Timestamp::MAX);
        StandingBan { prefix, until, reason: ban.reason.to_string().into() }
    }

    fn ban_of(&self, prefix: Prefix) -> Option<StandingBan> {
        let ban = self.memory.bans.check(prefix, self.tellers.clock.monotonic())?;
        Some(self.stands(prefix, ban))
    }
}

impl Bans for Gate {
    fn standing(&self) -> Vec<StandingBan> {
        let standing = self.memory.bans.standing(self.tellers.clock.monotonic());
        standing.into_iter().map(|(prefix, ban)| self.stands(prefix, ban)).collect()
    }

    fn against(&self, prefix: Prefix) -> Result<Option<StandingBan>, NeverBanned> {
        self.may_be_banned(prefix)?;
        Ok(self.ban_of(prefix))
    }

    fn ban(&self, prefix: Prefix, duration: Duration) -> Result<StandingBan, NeverBanned> {
        self.may_be_banned(prefix)?;
        let until = self.tellers.clock.monotonic().plus(duration);
        self.shut_out(prefix, until, BanReason::Manual);
        Ok(self
            .ban_of(prefix)
            .unwrap_or_else(|| self.stands(prefix, Ban { until, reason: BanReason::Manual })))
    }

    fn lift(&self, prefix: Prefix) -> bool {
        let stood = self.ban_of(prefix).is_some();
        self.memory.bans.lift(prefix) && stood
    }
}
