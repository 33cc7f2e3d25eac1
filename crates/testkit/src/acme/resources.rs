//! The resources of RFC 8555 §7: what is asked for, by whom, and what is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::jws::{self, Signed};
use super::{Fault, Name, Order, SeenAccount, State, validation};
use crate::payload::{self, Payload};

/// Largest request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// What went wrong, as RFC 8555 §6.7 names it.
struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    retry_after: Option<String>,
}

/// What is answered when nothing went wrong.
struct Found {
    status: StatusCode,
    location: Option<String>,
    body: String,
}

type Outcome = Result<Found, Problem>;

/// Answers one request.
pub(super) async fn answer(state: &Arc<State>, request: Request<Incoming>) -> Response<Payload> {
    let fault = state.known.lock().unwrap().fault;
    if fault == Some(Fault::Malformed) {
        return Response::new(payload::whole("<html>this is a login page</html>"));
    }
    let is_new_order = request.uri().path() == "/new-order";
    if is_new_order && fault == Some(Fault::Endless) {
        return Response::new(payload::pattern(1 << 40));
    }
    let outcome = match (request.method(), request.uri().path()) {
        (&Method::GET, "/directory") => Ok(directory(state)),
        (&Method::HEAD | &Method::GET, "/new-nonce") => Ok(Found::of("")),
        (&Method::POST, _) => signed(state, request).await,
        _ => Err(problem(404, "malformed", "there is no such resource")),
    };
    let mut response = match outcome {
        Ok(Found { status, location, body }) => {
            let mut response = Response::new(payload::whole(body));
            *response.status_mut() = status;
            if let Some(location) = location {
                response.headers_mut().insert(header::LOCATION, location.parse().expect("a URL"));
            }
            response
        }
        Err(Problem { status, kind, detail, retry_after }) => {
            let kind = format!("urn:ietf:params:acme:error:{kind}");
            let body = json!({ "type": kind, "detail": detail, "status": status.as_u16() });
            let mut response = Response::new(payload::whole(body.to_string()));
            *response.status_mut() = status;
            if let Some(after) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, after.parse().expect("digits"));
            }
            response
        }
    };
    response.headers_mut().insert("replay-nonce", fresh(state).parse().expect("plain text"));
    response
}

fn directory(state: &State) -> Found {
    let url = |path: &str| format!("{}/{path}", state.base);
    Found::of(json!({
        "newNonce": url("new-nonce"), "newAccount": url("new-account"), "newOrder": url("new-order"),
        "revokeCert": url("revoke"), "keyChange": url("key-change"),
        "meta": { "termsOfService": url("terms") },
    }))
}

/// A word that was never handed out before.
fn fresh(state: &State) -> String {
    let word = random_word();
    state.known.lock().unwrap().nonces.insert(word.clone());
    word
}

fn random_word() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes[8..]).expect("the system has randomness");
    bytes[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    jws::encode(&bytes)
}

/// RFC 8555 §6.2 to §6.5: form, URL, nonce, key and signature, then the resource.
async fn signed(state: &Arc<State>, request: Request<Incoming>) -> Outcome {
    let malformed = |detail: &str| problem(400, "malformed", detail);
    if request.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/jose+json") {
        return Err(problem(415, "malformed", "another content type than application/jose+json"));
    }
    let path = request.uri().path().to_owned();
    let body = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect().await;
    let body = body.map_err(|error| malformed(&error.to_string()))?.to_bytes();
    let text: Value = serde_json::from_slice(&body).map_err(|error| malformed(&error.to_string()))?;
    let signed = Signed::read(&text).ok_or_else(|| malformed("not a flattened JWS"))?;
    if signed.protected["url"] != format!("{}{path}", state.base) {
        return Err(problem(401, "unauthorized", "signed for another URL"));
    }
    spend_nonce(state, &signed)?;
    if path == "/new-account" {
        return new_account(state, &signed);
    }
    let account = account_of(state, &signed)?;
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments[..] {
        ["account", _] => Ok(update_account(state, account, &signed)),
        ["new-order"] => new_order(state, account, &signed),
        ["order", order] => ask_order(state, number(order)?),
        ["authorization", order, name] => authorization(state, number(order)?, number(name)?),
        ["challenge", order, name, kind] => challenge(state, number(order)?, number(name)?, kind),
        ["finalize", order] => finalize(state, number(order)?, &signed),
        ["certificate", order] => certificate(state, number(order)?),
        _ => Err(problem(404, "malformed", "there is no such resource")),
    }
}

fn spend_nonce(state: &State, signed: &Signed) -> Result<(), Problem> {
    let mut known = state.known.lock().unwrap();
    let spent = signed.protected["nonce"].as_str().is_some_and(|nonce| known.nonces.remove(nonce));
    if let Some(Fault::BadNonce(times)) = known.fault {
        known.fault = (times > 1).then(|| Fault::BadNonce(times - 1));
        return Err(problem(400, "badNonce", "this nonce is too old"));
    }
    if spent {
        Ok(())
    } else {
        Err(problem(400, "badNonce", "this nonce was not handed out, or used before"))
    }
}

fn account_of(state: &State, signed: &Signed) -> Result<usize, Problem> {
    let key_id = signed.protected["kid"].as_str().unwrap_or_default();
    let number = key_id.strip_prefix(&format!("{}/account/", state.base)).and_then(|n| n.parse().ok());
    let known = state.known.lock().unwrap();
    let account = number.and_then(|number: usize| Some((number, known.accounts.get(number)?)));
    match account {
        Some((number, account)) if !account.forgotten => {
            let is_good = signed.protected["jwk"].is_null() && signed.is_by(&account.point);
            if is_good { Ok(number) } else { Err(problem(401, "unauthorized", "the signature is wrong")) }
        }
        _ => Err(problem(400, "accountDoesNotExist", "there is no such account")),
    }
}

fn contacts(payload: &Value) -> Vec<String> {
    let list = payload["contact"].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn new_account(state: &State, signed: &Signed) -> Outcome {
    let point = jws::point(&signed.protected["jwk"]).filter(|point| signed.is_by(point));
    let point = point.ok_or_else(|| problem(401, "unauthorized", "the signature is wrong"))?;
    let payload: Value = serde_json::from_slice(&signed.payload).unwrap_or_default();
    if payload["termsOfServiceAgreed"] != true {
        return Err(problem(403, "userActionRequired", "the terms were not agreed to"));
    }
    let mut known = state.known.lock().unwrap();
    let external = match &known.external {
        None => None,
        Some((key_id, key)) => {
            let binding = Signed::read(&payload["externalAccountBinding"]);
            let is_bound = |binding: &Signed| {
                let bound: Value = serde_json::from_slice(&binding.payload).unwrap_or_default();
                binding.protected["kid"] == **key_id
                    && binding.is_bound_by(key)
                    && jws::point(&bound).as_ref() == Some(&point)
            };
            if !binding.as_ref().is_some_and(is_bound) {
                return Err(problem(403, "externalAccountRequired", "no good external account binding"));
            }
            Some(key_id.clone())
        }
    };
    known.accounts.push(SeenAccount { contacts: contacts(&payload), external, point, forgotten: false });
    let location = format!("{}/account/{}", state.base, known.accounts.len() - 1);
    Ok(Found::of(json!({ "status": "valid" })).created(location))
}

fn update_account(state: &State, account: usize, signed: &Signed) -> Found {
    let payload: Value = serde_json::from_slice(&signed.payload).unwrap_or_default();
    if !payload["contact"].is_null() {
        state.known.lock().unwrap().accounts[account].contacts = contacts(&payload);
    }
    Found::of(json!({ "status": "valid" }))
}

fn new_order(state: &State, account: usize, signed: &Signed) -> Outcome {
    let mut known = state.known.lock().unwrap();
    let refused = |after: String, kind, status| {
        let detail = "too many new orders recently: see the documentation";
        Err(Problem { retry_after: Some(after), ..problem(status, kind, detail) })
    };
    match known.fault {
        Some(Fault::RateLimited(seconds)) => return refused(seconds.to_string(), "rateLimited", 429),
        Some(Fault::AbsurdRetryAfter) => return refused(u64::MAX.to_string(), "serverInternal", 503),
        _ => {}
    }
    let payload: Value = serde_json::from_slice(&signed.payload).unwrap_or_default();
    let identifiers = payload["identifiers"].as_array().into_iter().flatten();
    let names: Vec<Name> = identifiers
        .filter(|identifier| identifier["type"] == "dns")
        .filter_map(|identifier| identifier["value"].as_str())
        .map(|name| Name { name: name.to_owned(), token: random_word(), status: "pending", error: None })
        .collect();
    if names.is_empty() || names.iter().any(|name| name.name.starts_with('*')) {
        return Err(problem(400, "rejectedIdentifier", "names, without a wildcard"));
    }
    known.orders.push(Order { account, names, status: "pending", certificate: None, polls_left: 0 });
    let number = known.orders.len() - 1;
    let location = format!("{}/order/{number}", state.base);
    Ok(Found::of(order_body(state, number, &known.orders[number])).created(location))
}

fn order_body(state: &State, number: usize, order: &Order) -> Value {
    let base = &state.base;
    let authorizations: Vec<_> =
        (0..order.names.len()).map(|name| format!("{base}/authorization/{number}/{name}")).collect();
    let identifiers: Vec<_> =
        order.names.iter().map(|name| json!({ "type": "dns", "value": name.name })).collect();
    let mut body = json!({
        "status": order.status, "identifiers": identifiers, "authorizations": authorizations,
        "finalize": format!("{base}/finalize/{number}"),
    });
    if order.certificate.is_some() && order.status == "valid" {
        body["certificate"] = format!("{base}/certificate/{number}").into();
    }
    body
}

fn ask_order(state: &State, number: usize) -> Outcome {
    let mut known = state.known.lock().unwrap();
    let order = known.orders.get_mut(number).ok_or_else(|| problem(404, "malformed", "no such order"))?;
    if order.status == "processing" {
        order.polls_left = order.polls_left.saturating_sub(1);
        if order.polls_left == 0 {
            order.status = "valid";
        }
    }
    Ok(Found::of(order_body(state, number, order)))
}

fn authorization(state: &State, order: usize, name: usize) -> Outcome {
    let known = state.known.lock().unwrap();
    let found = known.orders.get(order).and_then(|order| order.names.get(name));
    let found = found.ok_or_else(|| problem(404, "malformed", "no such authorization"))?;
    let challenges: Vec<_> = ["dns-01", "http-01", "tls-alpn-01"]
        .map(|kind| challenge_body(state, order, name, kind, found))
        .into();
    Ok(Found::of(json!({
        "status": found.status, "identifier": { "type": "dns", "value": found.name }, "challenges": challenges,
    })))
}

fn challenge_body(state: &State, order: usize, number: usize, kind: &str, name: &Name) -> Value {
    let url = format!("{}/challenge/{order}/{number}/{kind}", state.base);
    let mut body = json!({ "type": kind, "url": url, "token": name.token, "status": name.status });
    if let Some(error) = &name.error {
        body["error"] = json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": error });
    }
    body
}

/// The client says that the proof is there: the CA goes and looks, while the client waits by asking again.
fn challenge(state: &Arc<State>, order: usize, name: usize, kind: &str) -> Outcome {
    let known = state.known.lock().unwrap();
    let missing = || problem(404, "malformed", "no such challenge");
    let account = known.orders.get(order).and_then(|order| known.accounts.get(order.account));
    let thumbprint = jws::thumbprint(&account.ok_or_else(missing)?.point);
    let found = known.orders[order].names.get(name).cloned().ok_or_else(missing)?;
    let body = challenge_body(state, order, name, kind, &found);
    let (nowhere, fault) = (known.nowhere.contains(&found.name), known.fault);
    drop(known);
    let (state, kind) = (Arc::clone(state), kind.to_owned());
    tokio::spawn(async move {
        let expected = format!("{}.{thumbprint}", found.token);
        let mut resolution = state.resolution.subscribe();
        let Ok(to) = resolution.wait_for(Option::is_some).await.map(|to| *to) else { return };
        let looked = match (to.filter(|_| !nowhere), &*kind) {
            (None, _) => Err(format!("DNS problem: NXDOMAIN looking up A for {}", found.name)),
            (Some(to), "http-01") => validation::http_01(to.http, &found.name, &found.token, &expected).await,
            (Some(to), "tls-alpn-01") => validation::tls_alpn_01(to.https, &found.name, &expected).await,
            _ => Err("not offered here".to_owned()),
        };
        let refused = || Err("a second perspective saw something else".to_owned());
        settle(&state, order, name, if fault == Some(Fault::ChallengeRefused) { refused() } else { looked });
    });
    Ok(Found::of(body))
}

fn settle(state: &State, order: usize, name: usize, looked: Result<(), String>) {
    let mut known = state.known.lock().unwrap();
    let order = &mut known.orders[order];
    match looked {
        Ok(()) => order.names[name].status = "valid",
        Err(error) => {
            order.names[name].status = "invalid";
            order.names[name].error = Some(error);
            order.status = "invalid";
        }
    }
    if order.names.iter().all(|name| name.status == "valid") {
        order.status = "ready";
    }
}

fn finalize(state: &State, number: usize, signed: &Signed) -> Outcome {
    let mut known = state.known.lock().unwrap();
    let (fault, lifetime) = (known.fault, known.lifetime);
    let order = known.orders.get_mut(number).ok_or_else(|| problem(404, "malformed", "no such order"))?;
    if order.status != "ready" {
        return Err(problem(403, "orderNotReady", "not every name is proven"));
    }
    let payload: Value = serde_json::from_slice(&signed.payload).unwrap_or_default();
    let request = payload["csr"].as_str().and_then(jws::decode);
    let request = request.ok_or_else(|| problem(400, "badCSR", "no request"))?;
    let names: Vec<&str> = order.names.iter().map(|name| &*name.name).collect();
    let chain = state.authority.issue(&request, &names, lifetime, fault);
    order.certificate = Some(chain.map_err(|why| problem(400, "badCSR", &why))?);
    order.status = "processing";
    order.polls_left = 1;
    if let Some(Fault::Processing(polls)) = fault {
        order.polls_left = polls;
    }
    let body = order_body(state, number, order);
    known.issued += 1;
    Ok(Found::of(body))
}

fn certificate(state: &State, number: usize) -> Outcome {
    let known = state.known.lock().unwrap();
    let chain = known.orders.get(number).and_then(|order| order.certificate.clone());
    let chain = chain.ok_or_else(|| problem(404, "malformed", "no certificate yet"))?;
    Ok(Found { status: StatusCode::OK, location: None, body: chain })
}

impl Found {
    fn of(body: impl ToString) -> Self {
        Self { status: StatusCode::OK, location: None, body: body.to_string() }
    }

    fn created(self, location: String) -> Self {
        Self { status: StatusCode::CREATED, location: Some(location), ..self }
    }
}

fn problem(status: u16, kind: &'static str, detail: &str) -> Problem {
    let status = StatusCode::from_u16(status).expect("a status");
    Problem { status, kind, detail: detail.to_owned(), retry_after: None }
}

fn number(text: &str) -> Result<usize, Problem> {
    text.parse().map_err(|_| problem(404, "malformed", "there is no such resource"))
}
