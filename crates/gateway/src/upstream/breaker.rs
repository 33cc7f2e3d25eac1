//! The circuit breaker of one server: a pure machine.
//!
//! Closed, requests pass and failures in a row are counted. Open, none pass until the pause is over. Then one request
//! may try: its success closes the circuit, its failure opens it again.

use std::time::Duration;

use portcullis_contract::snapshot::BreakerRule;
use portcullis_model::Monotonic;

/// The state of a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breaker {
    /// Requests pass; holds the failures in a row.
    Closed(u32),
    /// No request passes before this time.
    Open(Monotonic),
    /// One request is trying; should it never be heard of again, another may try after this time.
    Trying(Monotonic),
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// The circuit is closed: the request may pass.
    Closed,
    /// The circuit is half open, and this request is its one trial.
    Trial,
    /// The circuit is open; try again after this long.
    Open(Duration),
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed(0)
    }
}

impl Breaker {
    /// A request asks to pass.
    pub(crate) fn ask(self, rule: &BreakerRule, now: Monotonic) -> (Self, Gap) {
        match self {
            Self::Closed(_) => (self, Gap::Closed),
            Self::Open(until) | Self::Trying(until) if now < until => (self, Gap::Open(until.since(now))),
            Self::Open(_) | Self::Trying(_) => (Self::Trying(now.plus(rule.open_for)), Gap::Trial),
        }
    }

    /// The server answered.
    pub(crate) fn succeeded(self) -> Self {
        Self::Closed(0)
    }

    /// The server did not answer. What passed before the circuit opened neither lengthens the pause nor spoils another
    /// request's trial.
    pub(crate) fn failed(self, is_trial: bool, rule: &BreakerRule, now: Monotonic) -> Self {
        match self {
            Self::Closed(failures) if failures + 1 < rule.failures => Self::Closed(failures + 1),
            Self::Closed(_) => Self::Open(now.plus(rule.open_for)),
            Self::Trying(_) if is_trial => Self::Open(now.plus(rule.open_for)),
            Self::Trying(_) | Self::Open(_) => self,
        }
    }

    /// The request that was trying went away without an outcome: the next one may try at once.
    pub(crate) fn gave_up(self) -> Self {
        match self {
            Self::Trying(_) => Self::Open(Monotonic(0)),
            other => other,
        }
    }

    /// Whether a request would be turned away now.
    pub(crate) fn is_open(self, now: Monotonic) -> bool {
        matches!(self, Self::Open(until) | Self::Trying(until) if now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: BreakerRule = BreakerRule { failures: 2, open_for: Duration::from_nanos(10) };

    fn at(ns: u64) -> Monotonic {
        Monotonic(ns)
    }

    #[test]
    fn failures_in_a_row_open_the_circuit() {
        let one = Breaker::default().failed(false, &RULE, at(0));
        assert_eq!(one.ask(&RULE, at(0)).1, Gap::Closed);
        assert_eq!(
            one.succeeded().failed(false, &RULE, at(0)),
            Breaker::Closed(1),
            "a success starts the count anew"
        );
        let two = one.failed(false, &RULE, at(5));
        assert_eq!(two.ask(&RULE, at(6)).1, Gap::Open(Duration::from_nanos(9)));
        assert!(two.is_open(at(14)) && !two.is_open(at(15)));
    }

    #[test]
    fn after_the_pause_one_request_tries() {
        let open = Breaker::Open(at(10));
        let (trying, first) = open.ask(&RULE, at(10));
        assert_eq!(first, Gap::Trial);
        assert!(matches!(trying.ask(&RULE, at(11)).1, Gap::Open(_)), "a second one waits");
        assert_eq!(trying.succeeded(), Breaker::Closed(0));
        assert_eq!(trying.failed(true, &RULE, at(12)), Breaker::Open(at(22)));
        assert_eq!(trying.failed(false, &RULE, at(12)), trying, "an old request does not spoil the trial");
        assert!(trying.is_open(at(11)), "others are turned away meanwhile");
    }

    #[test]
    fn a_trial_without_outcome_is_given_back() {
        let (trying, _) = Breaker::Open(at(10)).ask(&RULE, at(10));
        assert_eq!(trying.gave_up().ask(&RULE, at(11)).1, Gap::Trial);
        assert_eq!(trying.ask(&RULE, at(20)).1, Gap::Trial, "also when nobody gives it back");
    }
}
