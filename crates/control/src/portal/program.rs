//! What programs ask on an application's origin: tokens for a password, tokens for a token, the end of a token, and the
//! keys by which tokens are verified.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use portcullis_contract::identity::Place;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::cookie::Cookie;
use super::received::Written;
use super::visit::{Refused, Visit};
use super::{Answered, answer};
use crate::identity::{LogIn, LogInProblem, People, Tokens, Wants};

/// One text for a wrong password, an unknown name, and an account that is locked or closed (ID-01).
const WRONG: &str = "Invalid credentials";

/// One text for a refresh token that is unknown, used, revoked or too old.
const NO_TOKEN: &str = "Invalid token";

/// For what tokens are given.
#[derive(Deserialize)]
#[serde(tag = "grant", rename_all = "lowercase", deny_unknown_fields)]
enum Grant {
    Password { username: String, password: SecretString },
    Refresh { refresh_token: SecretString },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    refresh_token: SecretString,
}

/// Gives tokens.
pub(super) async fn token(visit: &Visit<'_>, people: &People) -> Answered {
    let application = visit.application().ok_or(Refused::NotFound)?;
    match visit.sent(Written::Json)? {
        Grant::Password { username, password } => {
            let place = Place::Application(application);
            let asked = LogIn {
                name: &username,
                password: &password,
                device: visit.cookies().value(Cookie::Device),
                place: &place,
                wants: Wants::Tokens,
            };
            match people.log_in(asked, &visit.caller()).await {
                Ok(logged_in) => {
                    let mut answer = given(&logged_in.tokens.ok_or(Refused::Internal)?);
                    let device = Cookie::Device.set(visit.scheme, &logged_in.device);
                    answer.headers_mut().extend(device.map(|device| (header::SET_COOKIE, device)));
                    Ok(answer)
                }
                Err(LogInProblem::Invalid) => Ok(unauthorized(visit, WRONG)),
                Err(problem) => Err(problem.into()),
            }
        }
        Grant::Refresh { refresh_token } => {
            match people.refresh(&refresh_token, &application, &visit.caller()).await {
                Ok(tokens) => Ok(given(&tokens)),
                Err(LogInProblem::Invalid) => Ok(unauthorized(visit, NO_TOKEN)),
                Err(problem) => Err(problem.into()),
            }
        }
    }
}

/// Ends a refresh token and its session. One that is not good has ended already (RFC 7009 §2.2).
pub(super) async fn revoke(visit: &Visit<'_>, people: &People) -> Answered {
    visit.application().ok_or(Refused::NotFound)?;
    let sent: Revoke = visit.sent(Written::Json)?;
    people.revoke(&sent.refresh_token, &visit.caller()).await?;
    Ok(answer::json(StatusCode::OK, &json!({})))
}

/// Keys by which anybody can verify what was signed (RFC 7517 §8.5.1).
pub(super) fn keys(keys: &str) -> Response<Bytes> {
    answer::kept("application/jwk-set+json", Bytes::copy_from_slice(keys.as_bytes()))
}

fn given(tokens: &Tokens) -> Response<Bytes> {
    let document = json!({
        "access_token": tokens.access.expose_secret(),
        "token_type": "Bearer",
        "expires_in": tokens.expires_in_s,
        "refresh_token": tokens.refresh.expose_secret(),
    });
    answer::json(StatusCode::OK, &document)
}

fn unauthorized(visit: &Visit<'_>, words: &str) -> Response<Bytes> {
    let mut answer = answer::problem(StatusCode::UNAUTHORIZED, words, visit.asked.id);
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
    answer
}
