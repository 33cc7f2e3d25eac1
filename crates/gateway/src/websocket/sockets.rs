//! The WebSockets that are open: how many there may be, whose they are, and how they are told to end.
//!
//! A request is judged when it comes, and a WebSocket goes on for hours after. So whoever takes leave away (a ban, a
//! reload without the key or the route) looks here for those who had it. They are told at once; see [`super::talk`] for
//! what they do then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_access::demand::{Judgement, judge};
use portcullis_access::roles::Roles;
use portcullis_contract::Snapshot;
use portcullis_contract::identity::Gone;
use portcullis_contract::snapshot::{Application, Mode, Route};
use portcullis_model::{ApplicationName, Permissions, Prefix, Principal, RouteName};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::client_certificate::ClientCertificate;

/// Everything that is known of an open WebSocket and that leave to have it may hang on.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) application: ApplicationName,
    pub(crate) route: RouteName,
    pub(crate) principal: Principal,
    /// What it presented, where the route asks for that.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    /// Where the client is; `None` for one that is neither banned nor counted.
    pub(crate) prefix: Option<Prefix>,
}

impl Holder {
    /// Why it must end when this is gone, if it must. An account that changed may still be one that is let in; who is says so
    /// by coming again.
    pub(crate) fn lost_with(&self, gone: &Gone) -> Option<Told> {
        let (session, account, key) = match &self.principal {
            Principal::User(user) => (Some(user.session), Some(user.id), None),
            Principal::ApiKey(key) => (None, key.stored.map(|key| key.owner), key.stored.map(|key| key.id)),
            Principal::Certificate(_) | Principal::Anonymous => (None, None, None),
        };
        match gone {
            Gone::Session(id) => (session == Some(*id)).then_some(Told::SessionOver),
            Gone::User(id) => (account == Some(*id)).then_some(Told::AccountChanged),
            Gone::ApiKey(id) => (key == Some(*id)).then_some(Told::KeyEnded),
            // What they signed is as good as before.
            Gone::Keys => None,
            // Told with what they gave and give.
            Gone::Roles => None,
        }
    }
}

/// Why a WebSocket must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Told {
    #[error("the client's address was banned")]
    Banned,
    #[error("the API key is not declared any more, or another one bears its name")]
    KeyGone,
    #[error("the API key has expired")]
    KeyExpired,
    #[error("the API key was ended")]
    KeyEnded,
    #[error("the session or the token has ended")]
    SessionOver,
    #[error("the account was changed or closed")]
    AccountChanged,
    #[error("the client certificate has expired")]
    CertificateExpired,
    #[error("the configuration does not let this principal here any more")]
    LeaveGone,
}

/// When a WebSocket must end, whatever else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) left: Duration,
    /// What has ended then.
    pub(crate) then: Told,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Full {
    #[error("`bounds.websockets_max` is reached")]
    InAll,
    #[error("`bounds.websockets_per_prefix_max` is reached")]
    ForPrefix,
}

/// All open WebSockets.
#[derive(Default)]
pub(crate) struct Sockets(Mutex<Open>);

#[derive(Default)]
struct Open {
    next: u64,
    held: HashMap<u64, Held>,
    per_prefix: HashMap<Prefix, usize>,
}

struct Held {
    holder: Arc<Holder>,
    /// Taken when it was told.
    tell: Option<oneshot::Sender<Told>>,
}

/// The place of one WebSocket, given back when dropped.
pub(crate) struct Place {
    sockets: Arc<Sockets>,
    number: u64,
    told: oneshot::Receiver<Told>,
}

impl Sockets {
    /// A place for one more, where there may be `all_max`, and `per_prefix_max` for each prefix.
    pub(crate) fn enter(
        self: &Arc<Self>,
        holder: Holder,
        all_max: usize,
        per_prefix_max: usize,
    ) -> Result<Place, Full> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.held.len() >= all_max {
            return Err(Full::InAll);
        }
        if let Some(prefix) = holder.prefix {
            let count = open.per_prefix.entry(prefix).or_default();
            if *count >= per_prefix_max {
                return Err(Full::ForPrefix);
            }
            *count += 1;
        }
        let number = open.next;
        open.next += 1;
        let (tell, told) = oneshot::channel();
        open.held.insert(number, Held { holder: Arc::new(holder), tell: Some(tell) });
        Ok(Place { sockets: Arc::clone(self), number, told })
    }

    /// Tells every holder for whom `why` has a reason, and says how many that were.
    pub(crate) fn tell(&self, why: impl Fn(&Holder) -> Option<Told>) -> usize {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for held in open.held.values_mut() {
            if let Some(why) = why(&held.holder)
                && let Some(tell) = held.tell.take()
            {
                // One that is ending already needs no telling.
                count += usize::from(tell.send(why).is_ok());
            }
        }
        count
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).held.len()
    }
}

impl Place {
    /// Waits until this one is told, or the time of a credential is over.
    pub(crate) async fn told(&mut self, expiry: Option<Expiry>) -> Told {
        let expiry = async {
            match expiry {
                Some(Expiry { left, then }) => {
                    tokio::time::sleep(left).await;
                    then
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Ok(why) = &mut self.told => why,
            why = expiry => why,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.sockets.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(held) = open.held.remove(&self.number) else { return };
        let Some(prefix) = held.holder.prefix else { return };
        if let Some(count) = open.per_prefix.get_mut(&prefix) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.per_prefix.remove(&prefix);
            }
        }
    }
}

/// Whether one who was let in under `then` would still be under `now`; otherwise why not.
pub(crate) fn still(holder: &Holder, then: &Snapshot, now: &Snapshot, at: Timestamp) -> Result<(), Told> {
    let application = now.applications.iter().find(|a| a.name == holder.application);
    let application = application.ok_or(Told::LeaveGone)?;
    let route = application.routes.iter().find(|r| r.name == holder.route && r.websocket.is_some());
    let route = route.ok_or(Told::LeaveGone)?;
    let vouches = |authority| holder.certificate.as_ref().is_some_and(|one| one.is_of(authority, at).is_ok());
    if !route.client_authority.as_ref().is_none_or(vouches) {
        return if application.modes.auth == Mode::Observe { Ok(()) } else { Err(Told::LeaveGone) };
    }
    let principal = match &holder.principal {
        Principal::Anonymous | Principal::Certificate(_) => holder.principal.clone(),
        // Whoever keeps them says when they are no longer what they were. What their roles hold, the configuration says.
        Principal::User(_) => reduced(&holder.principal, &then.roles, &now.roles),
        Principal::ApiKey(key) if key.stored.is_some() => reduced(&holder.principal, &then.roles, &now.roles),
        Principal::ApiKey(key) => {
            // Names are given anew; what a key is, is its hash.
            let (was, is) = (then.keys.named(&key.key), now.keys.named(&key.key));
            let (Some(was), Some(is)) = (was, is) else { return Err(Told::KeyGone) };
            if (was.hash, was.expires) != (is.hash, is.expires) || !is.is_for(&application.name) {
                return Err(Told::KeyGone);
            }
            Principal::ApiKey(is.principal())
        }
    };
    is_let_in(&principal, application, route)
}

/// Whether one who is kept in the store would still be let in with what roles give now, those of the store too.
pub(crate) fn still_with(
    holder: &Holder,
    in_force: &Snapshot,
    then: &Roles,
    now: &Roles,
) -> Result<(), Told> {
    let is_kept = match &holder.principal {
        Principal::User(_) => true,
        Principal::ApiKey(key) => key.stored.is_some(),
        Principal::Certificate(_) | Principal::Anonymous => false,
    };
    let application = in_force.applications.iter().find(|a| a.name == holder.application);
    let route = application.and_then(|a| a.routes.iter().find(|r| r.name == holder.route));
    match (is_kept, application.zip(route)) {
        (true, Some((application, route))) => {
            is_let_in(&reduced(&holder.principal, then, now), application, route)
        }
        (true, None) => Err(Told::LeaveGone),
        (false, _) => Ok(()),
    }
}

fn is_let_in(principal: &Principal, application: &Application, route: &Route) -> Result<(), Told> {
    match judge(principal, &route.demand) {
        Judgement::Allowed => Ok(()),
        _ if application.modes.auth == Mode::Observe => Ok(()),
        Judgement::Unauthenticated | Judgement::Forbidden { .. } => Err(Told::LeaveGone),
    }
}

/// Somebody who is kept elsewhere, with no more than their roles hold now. Of a role that was not known, whoever keeps it says
/// what it holds.
fn reduced(principal: &Principal, then: &Roles, now: &Roles) -> Principal {
    let mut principal = principal.clone();
    if then == now || principal.roles().iter().any(|role| then.get(role).is_none()) {
        return principal;
    }
    let (roles, permissions) = match &mut principal {
        Principal::User(user) => (&mut user.roles, &mut user.permissions),
        Principal::ApiKey(key) => (&mut key.roles, &mut key.permissions),
        Principal::Certificate(_) | Principal::Anonymous => return principal,
    };
    roles.retain(|role| now.get(role).is_some());
    let held = roles.iter().filter_map(|role| now.get(role)).flat_map(Permissions::iter);
    *permissions = permissions.narrowed_to(&held.cloned().collect());
    principal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(prefix: Option<u64>) -> Holder {
        Holder {
            application: ApplicationName::parse("shop").unwrap(),
            route: RouteName::parse("live").unwrap(),
            principal: Principal::Anonymous,
            certificate: None,
            prefix: prefix.map(Prefix::V6),
        }
    }

    #[test]
    fn each_bound_holds_and_places_come_back() {
        let sockets = Arc::new(Sockets::default());
        let enter = |prefix| sockets.enter(holder(prefix), 3, 2);
        let places = [enter(Some(1)).unwrap(), enter(Some(1)).unwrap()];
        assert_eq!(enter(Some(1)).err(), Some(Full::ForPrefix));
        let uncounted = enter(None).unwrap();
        assert_eq!(enter(Some(2)).err(), Some(Full::InAll));
        drop(uncounted);
        assert!(enter(Some(2)).is_ok());
        drop(places);
        assert_eq!(sockets.count(), 0);
        assert!(sockets.0.lock().unwrap().per_prefix.is_empty());
        assert!(enter(Some(1)).is_ok());
    }

    #[tokio::test]
    async fn only_those_who_are_meant_are_told_and_only_once() {
        let sockets = Arc::new(Sockets::default());
        let mut meant = sockets.enter(holder(Some(1)), 3, 3).unwrap();
        let mut other = sockets.enter(holder(Some(2)), 3, 3).unwrap();
        let banned = |holder: &Holder| (holder.prefix == Some(Prefix::V6(1))).then_some(Told::Banned);
        assert_eq!((sockets.tell(banned), sockets.tell(banned)), (1, 0));
        assert_eq!(meant.told(None).await, Told::Banned);
        assert!(other.told.try_recv().is_err());
        let expiry = Expiry { left: Duration::ZERO, then: Told::KeyExpired };
        assert_eq!(other.told(Some(expiry)).await, Told::KeyExpired);
        assert_eq!(sockets.count(), 2, "a place is held until its WebSocket has ended");
    }
}
