//! What is asked, read out of a request: as axum does it, and what cannot be read is a [`Problem`] like all others.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use portcullis_contract::identity::User;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::problem::Problem;
use crate::identity::Meant;

/// The body, as JSON.
pub(super) struct Body<T>(pub(super) T);

/// The query.
pub(super) struct Asked<T>(pub(super) T);

/// What the path names.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = Json::from_request(request, state).await;
        read.map(|Json(body)| Self(body))
            .map_err(|why: JsonRejection| Problem::new(why.status(), why.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(query)| Self(query))
            .map_err(|why: QueryRejection| Problem::new(why.status(), why.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(named)| Self(named))
            .map_err(|why: PathRejection| Problem::new(why.status(), why.body_text()))
    }
}

/// The version of an account that somebody has seen before they change it (`If-Match`, RFC 9110 §13.1.1): of two who read a list of
/// roles and write it back, the second would otherwise give again what the first took away.
pub(super) struct Seen(Option<u64>);

impl Seen {
    /// The account as it was seen.
    pub(super) fn of(&self, user: &User) -> Result<Meant, Problem> {
        if self.0.is_some_and(|version| version != user.version) {
            let why = format!("somebody changed the account meanwhile: it is at version {}", user.version);
            return Err(Problem::new(StatusCode::PRECONDITION_FAILED, why));
        }
        Ok(Meant { id: user.id, version: self.0 })
    }
}

impl Seen {
    /// The version of something else that was seen.
    pub(super) const fn version(&self) -> Option<u64> {
        self.0
    }
}

impl IntoParams for Seen {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let said = "The `version` that was seen, in quotes: 412 when it is another one by now";
        let version = ParameterBuilder::new().name("If-Match").parameter_in(ParameterIn::Header);
        vec![version.description(Some(said)).example(Some("\"7\"".into())).build()]
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut fields = parts.headers.get_all(header::IF_MATCH).iter();
        let (field, None) = (fields.next(), fields.next()) else {
            return Err(Problem::malformed("`If-Match` is there more than once"));
        };
        let version = |field: &str| field.strip_prefix('"')?.strip_suffix('"')?.parse().ok();
        match field.map(|field| field.to_str().map(str::trim)) {
            None | Some(Ok("*")) => Ok(Self(None)),
            Some(Ok(field)) => version(field).map(|version| Self(Some(version))).ok_or_else(odd),
            Some(Err(_)) => Err(odd()),
        }
    }
}

fn odd() -> Problem {
    Problem::malformed("`If-Match` is one version in quotes, such as `\"7\"`")
}
