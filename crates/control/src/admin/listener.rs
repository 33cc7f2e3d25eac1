//! The listener for administrators: the admin API over TCP, on loopback, for programs that know nothing of Unix sockets.
//!
//! A page in a browser of this machine can reach loopback too. So `Host` must be a name of loopback (a page of a name that was
//! rebound to it says its own), and cookies count for nothing: what browsers add by themselves lets nobody in.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use portcullis_access::apikey::check_form;
use portcullis_contract::admin::Actor;
use portcullis_contract::identity::Place;
use portcullis_contract::ports::{Credential, CredentialKind, Identity, NotKnown};
use portcullis_model::audit::{Entry, Kind, Outcome, Personal, Severity, action};
use portcullis_model::{ApplicationName, Permission, Principal, RequestId};
use tokio::net::TcpListener;

use crate::api::{ApiPorts, Problem, api};

/// The application for which keys and tokens must be good; no configuration can declare it.
const OWN_NAME: &str = "portcullis";

/// Serves the listener until `stop`.
pub async fn serve_admin(
    listener: TcpListener,
    ports: ApiPorts,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let routes = routes(ports).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, routes).with_graceful_shutdown(stop).await
}

fn routes(ports: ApiPorts) -> Router {
    let door = Arc::new(ports.clone());
    api(ports).layer(middleware::from_fn_with_state(door, enter))
}

/// Lets in whoever shows that they are an administrator.
async fn enter(
    State(door): State<Arc<ApiPorts>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = peer.ip().to_canonical();
    if !is_asked_by_own_name(&request) {
        return Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this listener is asked as `localhost` or by its address",
        )
        .into_response();
    }
    match who(&door, request.headers()).await {
        Ok(who) => {
            request.extensions_mut().insert(Actor::Known { who, from });
            next.run(request).await
        }
        Err(refusal) => {
            note(&door, from, &refusal);
            refusal.answer()
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Nobody is known by what was shown, or nothing was.
    Unknown(&'static str),
    /// Somebody is, and is no administrator.
    NoAdministrator,
    /// Nobody can say.
    Unavailable,
}

impl Refusal {
    fn answer(self) -> Response {
        match self {
            Self::Unknown(_) => {
                let said =
                    "show an API key or an access token of an administrator: `Authorization: Bearer …`";
                let mut answer = Problem::new(StatusCode::UNAUTHORIZED, said).into_response();
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                answer
            }
            Self::NoAdministrator => {
                Problem::new(StatusCode::FORBIDDEN, "this needs the permission `admin`").into_response()
            }
            Self::Unavailable => Problem::unavailable("nobody can say who asks; try again").into_response(),
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Unknown(why) => why,
            Self::NoAdministrator => "the permission `admin` is missing",
            Self::Unavailable => "the store of sessions and keys cannot be asked",
        }
    }
}

/// Whether the one `Host` is a name of loopback.
fn is_asked_by_own_name(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let in_target = request.uri().authority().map(|authority| authority.as_str());
    host.to_str().is_ok_and(|host| is_loopback_name(host) && in_target.is_none_or(is_loopback_name))
}

/// `localhost` or an address of loopback, with or without a port.
fn is_loopback_name(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(']') && port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The administrator that the one credential stands for.
async fn who(door: &ApiPorts, headers: &HeaderMap) -> Result<Arc<Principal>, Refusal> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let text = match (shown.next(), shown.next()) {
        (Some(one), None) => {
            one.to_str().ok().and_then(bearer).ok_or(Refusal::Unknown("no `Bearer` was shown"))?
        }
        (None, _) => return Err(Refusal::Unknown("no credential was shown")),
        (Some(_), Some(_)) => return Err(Refusal::Unknown("more than one credential was shown")),
    };
    let principal = known(door, text).await?;
    let admin = Permission::parse(Permission::ADMIN).map_err(|_| Refusal::NoAdministrator)?;
    let is_admin = principal.permissions().is_some_and(|held| held.imply(&admin));
    if is_admin { Ok(principal) } else { Err(Refusal::NoAdministrator) }
}

fn bearer(field: &str) -> Option<&str> {
    let (scheme, text) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}

/// Who is known by a key of the configuration, a key of the store, or a token.
async fn known(door: &ApiPorts, text: &str) -> Result<Arc<Principal>, Refusal> {
    let now = door.clock.wall();
    let is_key = check_form(text).is_ok();
    if is_key {
        let snapshot = Arc::clone(&door.in_force.borrow());
        let own = ApplicationName::parse(OWN_NAME).map_err(|_| Refusal::Unavailable)?;
        if let Ok(key) = snapshot.keys.verify(text, &own, now) {
            return Ok(Arc::new(Principal::ApiKey(key)));
        }
    }
    let people = door.people.as_deref().ok_or(Refusal::Unknown("the key is not known"))?;
    let kind = if is_key { CredentialKind::ApiKey } else { CredentialKind::Token };
    let place = Place::Portal;
    let shown = Credential { place: &place, kind, text };
    let judged = match people.recall(&shown, now) {
        Some(judged) => judged,
        None => people.ask(shown, now).await,
    };
    judged.map_err(|why| match why {
        NotKnown::Refused(why) => Refusal::Unknown(why),
        NotKnown::Expired => Refusal::Unknown("the credential has expired"),
        NotKnown::Elsewhere => Refusal::Unknown("the credential is good elsewhere"),
        NotKnown::Unavailable => Refusal::Unavailable,
    })
}

/// Records who was not let in.
fn note(door: &ApiPorts, from: IpAddr, refusal: &Refusal) {
    let now = door.clock.wall();
    let mut random = [0; 16];
    door.entropy.fill(&mut random);
    let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let id = RequestId::from_parts(ms, u128::from_be_bytes(random));
    let (kind, severity) = (Kind::AuthenticationAttempt, Severity::Medium);
    let mut entry: Entry<Personal> =
        Entry::new(id, now, kind, action::ADMIN_REFUSE, severity, Outcome::Refused);
    entry.details = Some(refusal.reason().into());
    entry.personal.client = Some(from);
    if door.audit.note(Box::new(entry)).is_err() {
        tracing::error!(%from, reason = refusal.reason(), "somebody was not let in to the admin API, and the ledger has no room");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_its_own() {
        for own in
            ["localhost", "LOCALHOST:9092", "127.0.0.1", "127.0.0.1:9092", "127.8.9.1", "[::1]", "[::1]:9092"]
        {
            assert!(is_loopback_name(own), "{own}");
        }
        for other in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evil.example:9092",
            "10.0.0.5",
            "0.0.0.0",
            "[::]:1",
            "127.0.0.1.evil.example",
            "localhost:x",
            "user@localhost",
        ] {
            assert!(!is_loopback_name(other), "{other}");
        }
    }

    #[test]
    fn only_one_scheme_is_read() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc"), Some("abc"));
        assert_eq!((bearer("Basic abc"), bearer("abc")), (None, None));
    }
}
