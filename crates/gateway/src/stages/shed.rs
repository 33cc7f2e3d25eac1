//! The second half of `route`: is there room for one more request of this class, and of this address?
//!
//! Decides by the priority of the route and the number of requests under way (see [`portcullis_access::shed`]), before
//! anything is spent on the request. Answers 503, and 429 to an address that has too many under way itself. The place that
//! a request takes is its own until its Story ends, and its upload.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_access::shed::{Class, room};
use portcullis_contract::snapshot::Priority;
use portcullis_model::Prefix;

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::address::{Client, Standing};
use crate::stages::route::Target;
use crate::story::Story;

/// When an address that has too many requests under way may ask again: one of them has probably ended.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Requests that were admitted and are still under way. It cannot outgrow their bound: an entry lives as long as a
/// request of its prefix.
#[derive(Default)]
pub(crate) struct InFlight(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    all: usize,
    by_prefix: HashMap<Prefix, usize>,
}

/// A request's place, given back when dropped.
pub(crate) struct Place {
    in_flight: Arc<InFlight>,
    /// Whose share it comes out of; none for an address that is exempt.
    prefix: Option<Prefix>,
}

/// Which bound is reached, and how many are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    All(usize),
    Prefix(usize),
}

impl InFlight {
    /// Takes a place when fewer than `room` are taken, and fewer than `own_room` by this prefix.
    fn take(self: &Arc<Self>, room: usize, prefix: Option<Prefix>, own_room: usize) -> Result<Place, Full> {
        let mut counts = self.counts();
        if counts.all >= room {
            return Err(Full::All(counts.all));
        }
        if let Some(prefix) = prefix {
            let own = counts.by_prefix.get(&prefix).copied().unwrap_or(0);
            if own >= own_room {
                return Err(Full::Prefix(own));
            }
            counts.by_prefix.insert(prefix, own + 1);
        }
        counts.all += 1;
        Ok(Place { in_flight: Arc::clone(self), prefix })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.in_flight.counts();
        counts.all = counts.all.saturating_sub(1);
        let Some(prefix) = self.prefix else { return };
        match counts.by_prefix.get_mut(&prefix) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(counts.by_prefix.remove(&prefix)),
        }
    }
}

/// Takes a place for the request, or refuses it.
pub(crate) fn admit(
    scope: Scope<'_>,
    client: &Client,
    target: &Target,
    story: &mut Story,
) -> Result<(), Refusal> {
    let class = class(client.standing, target.route.priority);
    let bounds = &scope.live.snapshot.bounds;
    let (most, own_most) = (bounds.requests_max, bounds.requests_per_prefix_max);
    let prefix = (client.standing == Standing::Ordinary).then_some(client.prefix);
    match scope.gate.in_flight.take(room(class, most), prefix, own_most) {
        Ok(place) => {
            story.takes(place);
            Ok(())
        }
        Err(Full::All(taken)) => {
            scope.gate.tellers.metrics.shed(class);
            let class = class.as_str();
            Err(Refusal::shed(format!(
                "requests of class `{class}` are shed: {taken} are under way and `bounds.requests_max` is {most}"
            )))
        }
        Err(Full::Prefix(own)) => Err(Refusal::too_many(
            AGAIN_AFTER,
            format!(
                "`{}` has {own} requests under way and `bounds.requests_per_prefix_max` is {own_most}",
                client.prefix
            ),
        )),
    }
}

fn class(standing: Standing, priority: Priority) -> Class {
    match (standing, priority) {
        (Standing::Exempt, _) => Class::Exempt,
        (Standing::Ordinary, Priority::High) => Class::High,
        (Standing::Ordinary, Priority::Normal) => Class::Normal,
        (Standing::Ordinary, Priority::Low) => Class::Low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_once_and_comes_back() {
        let places = Arc::new(InFlight::default());
        let held: Vec<_> = (0..3).map(|_| places.take(3, None, 0).ok()).collect();
        assert!(held.iter().all(Option::is_some));
        assert_eq!(places.take(3, None, 0).err(), Some(Full::All(3)));
        assert!(places.take(4, None, 0).is_ok(), "another class has more room");
        drop(held);
        assert!(places.take(1, None, 0).is_ok());
    }

    #[test]
    fn no_prefix_takes_more_than_its_share() {
        let places = Arc::new(InFlight::default());
        let (here, there) = (Some(Prefix::V6(1)), Some(Prefix::V6(2)));
        let held: Vec<_> = (0..2).map(|_| places.take(9, here, 2).ok()).collect();
        assert!(held.iter().all(Option::is_some));
        assert_eq!(places.take(9, here, 2).err(), Some(Full::Prefix(2)));
        let other = places.take(9, there, 2).ok();
        assert!(other.is_some() && places.take(9, None, 2).is_ok(), "an exempt address has no share");
        drop(held);
        assert!(places.take(9, here, 2).is_ok());
        drop(other);
        let counts = places.counts();
        assert_eq!((counts.all, counts.by_prefix.len()), (0, 0));
    }

    #[test]
    fn an_exempt_address_is_shed_last_whatever_it_asks_for() {
        assert_eq!(class(Standing::Exempt, Priority::Low), Class::Exempt);
        assert_eq!(class(Standing::Ordinary, Priority::Low), Class::Low);
    }
}
