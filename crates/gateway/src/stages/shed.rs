//! The second half of `route`: is there room for one more request of this class?
//!
//! Decides by the priority of the route and the number of requests under way (see [`portcullis_access::shed`]), before
//! anything is spent on the request. Answers 503. The place that a request takes is its own until its Story ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_access::shed::{Class, room};
use portcullis_contract::snapshot::Priority;

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::address::{Client, Standing};
use crate::stages::route::Target;
use crate::story::Story;

/// Requests that were admitted and whose Story is not told yet.
#[derive(Default)]
pub(crate) struct InFlight(AtomicUsize);

/// A request's place, given back when dropped.
pub(crate) struct Place(Arc<InFlight>);

impl InFlight {
    /// Takes a place when fewer than `room` are taken, or says how many are.
    fn take(self: &Arc<Self>, room: usize) -> Result<Place, usize> {
        let one_more = |taken: usize| (taken < room).then_some(taken + 1);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.map(|_| Place(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
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
    let most = scope.live.snapshot.bounds.requests_max;
    match scope.gate.in_flight.take(room(class, most)) {
        Ok(place) => {
            story.takes(place);
            Ok(())
        }
        Err(taken) => {
            scope.gate.tellers.metrics.shed(class);
            let class = class.as_str();
            Err(Refusal::shed(format!(
                "requests of class `{class}` are shed: {taken} are under way and `bounds.requests_max` is {most}"
            )))
        }
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
        let held: Vec<_> = (0..3).map(|_| places.take(3).ok()).collect();
        assert!(held.iter().all(Option::is_some));
        assert_eq!(places.take(3).err(), Some(3));
        assert!(places.take(4).is_ok(), "another class has more room");
        drop(held);
        assert!(places.take(1).is_ok());
    }

    #[test]
    fn an_exempt_address_is_shed_last_whatever_it_asks_for() {
        assert_eq!(class(Standing::Exempt, Priority::Low), Class::Exempt);
        assert_eq!(class(Standing::Ordinary, Priority::Low), Class::Low);
    }
}
