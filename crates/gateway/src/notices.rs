//! Loud words in the log about peers that are not what the configuration says.
//!
//! Anybody can cause them, so there is at most one for each address prefix and minute, and few in all: who wants to
//! know of every single one looks at the events.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use portcullis_access::limit::{LimitTable, Rate, Taken};
use portcullis_model::{Monotonic, Prefix};

/// Prefixes that are remembered; more of them forget the ones that were told of longest ago.
const PREFIXES: usize = 1 << 10;
const WINDOW: Duration = Duration::from_secs(60);
const FOR_EACH_PREFIX: Rate = Rate { requests: NonZeroU32::MIN, window: WINDOW, burst: NonZeroU32::MIN };
/// Enough to see what is wrong, too few to fill a disk.
const IN_ALL: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
const FOR_ALL: Rate = Rate { requests: IN_ALL, window: WINDOW, burst: IN_ALL };

/// Who was told of lately.
pub(crate) struct Notices {
    prefixes: LimitTable,
    all: LimitTable,
}

impl Notices {
    pub(crate) fn new(seed: [u64; 2]) -> Self {
        Self { prefixes: LimitTable::new(PREFIXES, seed), all: LimitTable::new(1, seed) }
    }

    /// Says that `peer` did what only a proxy does, unless that was said lately.
    pub(crate) fn stranger(&self, peer: IpAddr, sent: &str, now: Monotonic) {
        if self.is_due(peer, now) {
            tracing::warn!(
                %peer,
                "{peer} sent {sent} and is not in `listen.trusted_proxies`: that was ignored and its own address \
                 counts. If it is your proxy, add it there"
            );
        }
    }

    /// Says that `peer` sent a PROXY header where none is read, unless that was said lately.
    pub(crate) fn unread_header(&self, peer: IpAddr, is_trusted: bool, now: Monotonic) {
        if is_trusted {
            let what =
                "sent a PROXY header, which is no request: write `listen.proxy_protocol = \"required\"`";
            self.proxy(peer, what, now);
        } else {
            self.stranger(peer, "a PROXY header", now);
        }
    }

    /// Says that `peer` was turned away although it may be a proxy that was forgotten, unless that was said lately.
    pub(crate) fn turned_away(&self, peer: IpAddr, why: &str, now: Monotonic) {
        if self.is_due(peer, now) {
            tracing::warn!(
                %peer,
                "{peer} was turned away: {why}. If it is your proxy, add it to `listen.trusted_proxies`"
            );
        }
    }

    /// Says what a proxy that is trusted does otherwise than configured, unless that was said lately.
    pub(crate) fn proxy(&self, peer: IpAddr, what: &str, now: Monotonic) {
        if self.is_due(peer, now) {
            tracing::warn!(%peer, "the trusted proxy {peer} {what}");
        }
    }

    fn is_due(&self, peer: IpAddr, now: Monotonic) -> bool {
        let passes = |taken| matches!(taken, Taken::Allowed { .. });
        passes(self.prefixes.take(&Prefix::of(peer).to_bytes(), &FOR_EACH_PREFIX, now, 1))
            && passes(self.all.take(b"", &FOR_ALL, now, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    #[test]
    fn each_prefix_is_told_of_once_a_minute() {
        let notices = Notices::new([1, 2]);
        let due = |peer: &str, now| notices.is_due(peer.parse().unwrap(), Monotonic(now));
        assert!(due("192.0.2.1", 0));
        assert!(!due("::ffff:192.0.2.1", 1));
        assert!(due("192.0.2.2", 1));
        assert!(due("2001:db8::1", 1) && !due("2001:db8::2", 2));
        assert!(due("192.0.2.1", MINUTE));
    }

    #[test]
    fn a_flood_of_prefixes_is_no_flood_of_words() {
        let notices = Notices::new([1, 2]);
        let told = (0..100_000_u32)
            .filter(|number| notices.is_due(IpAddr::from(number.to_be_bytes()), Monotonic(5)));
        assert_eq!(told.count(), 30);
    }
}
