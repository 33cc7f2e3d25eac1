//! What the gate answers by itself: the portal, and the paths of ours on an application's origin. It takes the place of
//! `forward`, and a Permit, an Inspected and a Recorded just so.
//!
//! Whoever answers is told who asks and is not left to find out: keys and tokens were judged and are taken away, and of
//! cookies it gets all, because it sets some. Answers 503 where nobody is there to answer, or not in time.

use bytes::Bytes;
use http::{Request as HttpRequest, Response, StatusCode, header};
use http_body_util::BodyExt;
use portcullis_contract::identity::Place;
use portcullis_contract::ports::LocalRequest;
use portcullis_model::Stage;
use tokio::time::timeout;

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::address::Client;
use crate::stages::authorize::Permit;
use crate::stages::inspect_body::{Inspected, broken_upload};
use crate::stages::normalize::Request;
use crate::stages::record::Recorded;
use crate::stages::route::Target;
use crate::story::Story;

/// The first segment of paths that are ours on every origin.
const OURS: &str = ".portcullis";

/// A path that is ours, or could be taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// It is spelled as we spell it.
    Ours,
    /// It is spelled otherwise, and some server would not tell the difference.
    Misspelled,
}

/// Whether a path in its one reading is reserved.
pub(crate) fn reserved(path: &str) -> Option<Reserved> {
    let first = path.strip_prefix('/')?.split('/').next()?;
    let is_like_ours = first.trim_end_matches(['.', ' ']).eq_ignore_ascii_case(OURS);
    let how = if first == OURS { Reserved::Ours } else { Reserved::Misspelled };
    is_like_ours.then_some(how)
}

/// Has the request answered.
pub(crate) async fn answer(
    scope: Scope<'_>,
    client: &Client,
    target: &Target,
    permit: Permit,
    inspected: Inspected,
    Recorded { .. }: Recorded,
    story: &mut Story,
) -> Result<Response<Bytes>, Refusal> {
    story.enter(Stage::Forward);
    let (request, body) = inspected.into_parts();
    let people = scope.gate.people();
    let people = people.ok_or_else(|| Refusal::unsettled("log-in was configured after the start"))?;
    let (place, origin) = origin(scope, &request)?;
    let uri = request.path_and_query();
    let Request { method, host_header, mut headers, .. } = request;
    permit.carried_by().iter().for_each(|name| drop(headers.remove(name)));
    headers.insert(header::HOST, host_header);
    let body = body.collect().await.map_err(|error| broken_upload(&error))?.to_bytes();
    let mut request = HttpRequest::new(body);
    *request.method_mut() = method;
    *request.uri_mut() =
        uri.parse().map_err(|error| Refusal::internal(format!("the path cannot be written: {error}")))?;
    *request.headers_mut() = headers;
    let (client, id, who) = (client.address, story.id(), permit.shared());
    let asked = LocalRequest { request, place, origin, client, id, who };
    let answered = timeout(target.route.response_timeout, people.local.answer(asked)).await;
    let response = answered.map_err(|_| Refusal::unsettled("the gate's own answer took too long"))?;
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        // A refusal like any other, so that the ledger counts a storm of them and is not filled by it.
        story.refused(&Refusal::busy("whoever answers here has no room, or cannot reach the store"));
    } else {
        story.pass(response.status().as_str());
    }
    Ok(response)
}

/// Whose origin was asked, and that origin: as the configuration spells it, whatever port the client named.
fn origin(scope: Scope<'_>, request: &Request) -> Result<(Place, Box<str>), Refusal> {
    let snapshot = &scope.live.snapshot;
    let place = snapshot.place_of(&request.host).zip(snapshot.log_in.as_ref());
    let (place, log_in) = place.ok_or_else(|| Refusal::not_found("there is no portal"))?;
    let origin = match place {
        Place::Portal => log_in.portal.origin.clone(),
        Place::Application(_) => log_in.portal.origin_of(&request.host).into(),
    };
    Ok((place, origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_could_take_for_a_path_of_ours_is_reserved() {
        for ours in ["/.portcullis", "/.portcullis/", "/.portcullis/login"] {
            assert_eq!(reserved(ours), Some(Reserved::Ours), "{ours}");
        }
        for like in [
            "/.PORTCULLIS/login",
            "/.Portcullis",
            "/.portcullis./login",
            "/.portcullis /x",
            "/.portcullis.. ",
        ] {
            assert_eq!(reserved(like), Some(Reserved::Misspelled), "{like}");
        }
        for other in
            ["/", "/portcullis", "/a/.portcullis/login", "/.portcullisx", "/..portcullis", "/x.portcullis"]
        {
            assert_eq!(reserved(other), None, "{other}");
        }
    }
}
