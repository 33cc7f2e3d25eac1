//! The listener for administrators: the admin API over TCP. On loopback a key lets somebody in, elsewhere a key and a certificate.
//!
//! A page in an administrator's browser can reach it too. So `Host` must be a name of its own (a page of a name that was
//! rebound to it says another), and cookies count for nothing: what browsers add by themselves lets nobody in.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use portcullis_access::apikey::check_form;
use portcullis_contract::admin::{Actor, shown_certificate};
use portcullis_contract::identity::Place;
use portcullis_contract::ports::{Credential, CredentialKind, Doors, Identity, NotKnown};
use portcullis_contract::snapshot::HostPattern;
use portcullis_model::audit::{Entry, Kind, Outcome, Personal, Severity, action};
use portcullis_model::{ApplicationName, Permission, Principal, RequestId};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::connections::{Came, Connections, Seats};
use crate::api::{ApiPorts, BODY_BYTES_MAX, Problem, api};

/// The application for which keys and tokens must be good; no configuration can declare it.
const OWN_NAME: &str = "portcullis";
/// How long a question may take to arrive whole.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Serves the listener until `stop`.
pub async fn serve_admin(
    listener: TcpListener,
    ports: ApiPorts,
    doors: Arc<dyn Doors>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let door = Arc::new(ports.clone());
    let routes: Router = api(ports).layer(middleware::from_fn_with_state(Arc::clone(&door), enter));
    let in_force = door.in_force.clone();
    let turned_away = Arc::new(move |from, why| note(&door, from, None, why));
    let seats = Arc::new(Seats::default());
    Arc::new(Connections { routes, doors, in_force, turned_away, seats }).take(listener, stop).await
}

/// Lets in whoever shows that they are an administrator.
async fn enter(
    State(door): State<Arc<ApiPorts>>,
    Extension(came): Extension<Came>,
    request: Request,
    next: Next,
) -> Response {
    if !is_asked_by_own_name(&door, &request, came.to) {
        return Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this listener is asked by its address, as `localhost`, or as `admin.hosts` says",
        )
        .into_response();
    }
    let Came { from, certificate, .. } = came;
    let who = match who(&door, request.headers()).await {
        Ok(who) => who,
        Err(refusal) => {
            note(&door, from, certificate.as_deref(), refusal.reason());
            return refusal.answer();
        }
    };
    // Before it takes one of the few places of those who are answered.
    match timeout(BODY_WITHIN, whole(request)).await {
        Ok(Ok(mut request)) => {
            request.extensions_mut().insert(Actor::Known { who, from, certificate });
            next.run(request).await
        }
        Ok(Err(problem)) => problem.into_response(),
        Err(_) => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "the question took too long to arrive").into_response()
        }
    }
}

/// The question with all of its body.
async fn whole(request: Request) -> Result<Request, Problem> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the question is too long, or it broke off")
    })?;
    Ok(Request::from_parts(head, Body::from(body)))
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

/// Whether the one `Host` is a name of the listener.
fn is_asked_by_own_name(door: &ApiPorts, request: &Request, to: IpAddr) -> bool {
    let mut shown = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (shown.next(), shown.next()) else { return false };
    let in_force = Arc::clone(&door.in_force.borrow());
    let named = in_force.admin.as_ref().map_or(&[][..], |admin| &admin.hosts);
    let is_own = |host: &str| is_own_name(host, to, named);
    let in_target = request.uri().authority().map(|authority| authority.as_str());
    host.to_str().is_ok_and(|host| is_own(host) && in_target.is_none_or(is_own))
}

/// Whether a host, with or without a port, is the address that was reached, any of loopback where that is one, or named by
/// the configuration.
fn is_own_name(host: &str, to: IpAddr, named: &[HostPattern]) -> bool {
    let is_own = |ip: IpAddr| ip == to || (ip.is_loopback() && to.is_loopback());
    if let Ok(address) = host.parse::<SocketAddr>() {
        return is_own(address.ip());
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.ends_with(']') && port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return is_own(ip);
    }
    let name = name.to_ascii_lowercase();
    (name == "localhost" && to.is_loopback()) || named.iter().any(|pattern| pattern.names(&name))
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
fn note(door: &ApiPorts, from: IpAddr, certificate: Option<&str>, reason: &'static str) {
    let now = door.clock.wall();
    let mut random = [0; 16];
    door.entropy.fill(&mut random);
    let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let id = RequestId::from_parts(ms, u128::from_be_bytes(random));
    let (kind, severity) = (Kind::AuthenticationAttempt, Severity::Medium);
    let mut entry: Entry<Personal> =
        Entry::new(id, now, kind, action::ADMIN_REFUSE, severity, Outcome::Refused);
    entry.details = Some(reason.into());
    entry.personal.client = Some(from);
    entry.personal.decisions.extend(certificate.map(shown_certificate));
    if door.audit.note(Box::new(entry)).is_err() {
        tracing::error!(%from, reason, "somebody was not let in to the admin API, and the ledger has no room");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_its_own_there() {
        let is_loopback_name = |host| is_own_name(host, IpAddr::from([127, 0, 0, 1]), &[]);
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
    fn elsewhere_it_is_asked_by_its_address_or_by_a_name_of_the_configuration() {
        let named = [HostPattern::Exactly("gate.example".into()), HostPattern::Under("ops.example".into())];
        let is_own = |host| is_own_name(host, IpAddr::from([10, 0, 0, 5]), &named);
        for own in ["10.0.0.5", "10.0.0.5:9092", "gate.example", "Gate.Example:9092", "a.ops.example"] {
            assert!(is_own(own), "{own}");
        }
        for other in
            ["", "localhost", "127.0.0.1", "10.0.0.6", "ops.example", "evil.example", "gate.example."]
        {
            assert!(!is_own(other), "{other}");
        }
        assert!(!is_own_name("evil.example", IpAddr::from([127, 0, 0, 1]), &[HostPattern::Any]));
    }

    #[test]
    fn only_one_scheme_is_read() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc"), Some("abc"));
        assert_eq!((bearer("Basic abc"), bearer("abc")), (None, None));
    }
}
