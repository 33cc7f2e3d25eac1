//! HTTP becomes HTTPS (NW-02): to which address a request is led that came in the clear, or why it is led nowhere.
//!
//! The scheme is the one that the `address` stage found, so that a proxy which ends TLS and says so ends no circle. The
//! path is the one that was judged, and the host one that the operator named: no request can choose where it is led.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use portcullis_contract::snapshot::{Application, HostPattern, PlainHttp};

use crate::refusal::Refusal;
use crate::stages::normalize::Request;
use crate::story::Story;

/// Where certificate authorities look without TLS whether a host is ours (RFC 8555 §8.3).
const ACME_CHALLENGE: &str = "/.well-known/acme-challenge/";

/// Where a request is led instead.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    pub(crate) application: Arc<Application>,
    status: StatusCode,
    location: HeaderValue,
}

/// What becomes of a request that came in the clear.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    GoesOn,
    IsLed(StatusCode, String),
    IsRefused(&'static str),
}

/// Leads a request elsewhere that came in the clear, or refuses it; `None` when it may go on like that.
pub(super) fn insist(
    application: &Arc<Application>,
    request: &Request,
    story: &mut Story,
) -> Result<Option<Elsewhere>, Refusal> {
    let judged = judge(&application.plain_http, &application.hosts, request);
    if judged != Judged::GoesOn && carries_credential(&request.headers, application) {
        story.note("a credential came over plain HTTP: whoever listens on the way has it now");
    }
    match judged {
        Judged::GoesOn => Ok(None),
        Judged::IsRefused(why) => Err(Refusal::plain_http(why)),
        Judged::IsLed(status, location) => {
            let location = HeaderValue::try_from(location);
            let location = location.map_err(|_| Refusal::malformed("the target fits no `Location`"))?;
            Ok(Some(Elsewhere { application: Arc::clone(application), status, location }))
        }
    }
}

fn judge(plain_http: &PlainHttp, hosts: &[HostPattern], request: &Request) -> Judged {
    let is_retrieval = matches!(request.method, Method::GET | Method::HEAD);
    let public_host = match plain_http {
        PlainHttp::Allow => return Judged::GoesOn,
        _ if is_retrieval && request.path.decoded.starts_with(ACME_CHALLENGE) => return Judged::GoesOn,
        PlainHttp::Refuse => return Judged::IsRefused("the application is reached over HTTPS only"),
        PlainHttp::Redirect { public_host } => public_host.as_deref(),
    };
    let Some(host) = public_host.or_else(|| named(hosts, &request.host)) else {
        return Judged::IsRefused(
            "`hosts` does not name this host and there is no `public_host`: nothing to lead to",
        );
    };
    // What only retrieves may come again as GET; anything else comes again as it was (RFC 9110 §15.4.2, §15.4.9).
    let status = if is_retrieval { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
    Judged::IsLed(status, format!("https://{host}{}", in_ascii(&request.path_and_query())))
}

/// The same target in the characters that a URI has: some clients send a query as they find it.
fn in_ascii(target: &str) -> Cow<'_, str> {
    if target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return target.into();
    }
    let one = |byte: u8| {
        if byte.is_ascii_graphic() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    target.bytes().map(one).collect()
}

impl Elsewhere {
    /// The answer that leads there.
    pub(crate) fn answer(self) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = self.status;
        answer.headers_mut().insert(header::LOCATION, self.location);
        // A browser would remember it for ever, also when the operator thinks better of it.
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }
}

fn carries_credential(headers: &HeaderMap, application: &Application) -> bool {
    headers.contains_key(&application.api_key_header) || headers.contains_key(header::AUTHORIZATION)
}

/// The host that was asked for, when the operator named it, and when every browser reads it as we do.
fn named<'h>(hosts: &[HostPattern], host: &'h str) -> Option<&'h str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_one =
        host.bytes().all(is_plain) || literal.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    (is_one && hosts.iter().any(|pattern| pattern.names(host))).then_some(host)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use portcullis_contract::snapshot::Reached;
    use proptest::prelude::*;

    use super::*;
    use crate::channel::Channel;
    use crate::stages::normalize::{Trailers, one_path};
    use crate::websocket::handshake::Asked;

    /// A request as the walk has it here; `None` when nobody would have let it come so far.
    fn request(method: &str, host: &str, target: &str) -> Option<Request> {
        let uri: http::Uri = target.parse().ok()?;
        Some(Request {
            method: method.parse().ok()?,
            path: one_path(uri.path()).ok()?,
            query: uri.query().map(Into::into),
            host: host.into(),
            host_header: HeaderValue::from_static("unused"),
            trailers: Trailers::Dropped,
            headers: HeaderMap::new(),
            body: None,
            asked: Asked::ForAnswer,
            opening: None,
            channel: Arc::new(Channel {
                reached: Reached::Through,
                peer: SocketAddr::from(([127, 0, 0, 1], 1)),
                tls: None,
                _place: None,
            }),
        })
    }

    fn hosts() -> Vec<HostPattern> {
        let (exact, under) = (HostPattern::Exactly("shop.example.com".into()), "example.net".into());
        vec![exact, HostPattern::Exactly("[2001:db8::1]".into()), HostPattern::Under(under), HostPattern::Any]
    }

    fn redirect(public_host: Option<&str>) -> PlainHttp {
        PlainHttp::Redirect { public_host: public_host.map(Into::into) }
    }

    /// Checks one row, `METHOD HOST TARGET -> STATUS LOCATION`, or what else becomes of it.
    #[track_caller]
    fn check(plain_http: &PlainHttp, row: &str) {
        let (asked, expected) = row.split_once(" -> ").unwrap();
        let [method, host, target] = asked.split(' ').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let judged = match judge(plain_http, &hosts(), &request(method, host, target).unwrap()) {
            Judged::GoesOn => "goes on".to_owned(),
            Judged::IsRefused(_) => "403".to_owned(),
            Judged::IsLed(status, location) => format!("{} {location}", status.as_u16()),
        };
        assert_eq!(judged, expected, "{asked}");
    }

    #[test]
    fn a_request_in_the_clear_is_led_to_the_same_path_of_a_host_that_was_named() {
        for row in [
            "GET shop.example.com / -> 301 https://shop.example.com/",
            "HEAD shop.example.com /a/b?c=d&e -> 301 https://shop.example.com/a/b?c=d&e",
            "POST shop.example.com /a -> 308 https://shop.example.com/a",
            "OPTIONS shop.example.com /a? -> 308 https://shop.example.com/a?",
            "GET a.b.example.net /%41%20%c3%a9 -> 301 https://a.b.example.net/A%20%C3%A9",
            "GET [2001:db8::1] / -> 301 https://[2001:db8::1]/",
            "GET shop.example.com http://shop.example.com/abs?x -> 301 https://shop.example.com/abs?x",
            "GET shop.example.com /?to=https://evil.example/%0d%0aSet-Cookie -> \
             301 https://shop.example.com/?to=https://evil.example/%0d%0aSet-Cookie",
            "GET shop.example.com /?q=é -> 301 https://shop.example.com/?q=%C3%A9",
            "GET evil.example / -> 403",
            "GET shop.example.com.evil.example / -> 403",
            "GET evil!.example.net / -> 403",
            "GET example.net / -> 403",
            "GET [2001:db8::2] / -> 403",
            "GET evil.example /.well-known/acme-challenge/token -> goes on",
            "POST shop.example.com /.well-known/acme-challenge/token -> \
             308 https://shop.example.com/.well-known/acme-challenge/token",
            "GET shop.example.com /.well-known/acme-challenge -> \
             301 https://shop.example.com/.well-known/acme-challenge",
        ] {
            check(&redirect(None), row);
        }
        let public = redirect(Some("www.example.org:8443"));
        check(&public, "GET shop.example.com /a?b -> 301 https://www.example.org:8443/a?b");
        check(&public, "DELETE evil.example / -> 308 https://www.example.org:8443/");
        check(&PlainHttp::Refuse, "GET shop.example.com / -> 403");
        check(&PlainHttp::Refuse, "HEAD shop.example.com /.well-known/acme-challenge/a -> goes on");
        check(&PlainHttp::Allow, "POST evil.example / -> goes on");
    }

    proptest! {
        #[test]
        fn no_target_chooses_where_a_redirect_leads(
            target in "(/|//|http://)?[/\\\\.a-z@:?#%0-9\\[\\]\\PC]{0,40}",
            method in "GET|POST",
        ) {
            if let Some(request) = request(&method, "shop.example.com", &target) {
                let Judged::IsLed(_, location) = judge(&redirect(None), &hosts(), &request) else {
                    return Err(TestCaseError::fail(target));
                };
                let rest = location.strip_prefix("https://shop.example.com/");
                prop_assert!(rest.is_some_and(|rest| !rest.starts_with(['/', '\\'])), "{location}");
                prop_assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{location}");
            }
        }

        #[test]
        fn no_host_that_a_browser_could_read_otherwise_is_led_to(host in "[a-z.@:/\\\\?#%!\\[\\] \\PC]{0,20}(\\.example\\.net)?") {
            let led = named(&hosts(), &host);
            prop_assert!(led.is_none_or(|led| led.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))), "{host}");
        }
    }
}
