//! The portal: where people log in and out, see their sessions, change their password and make keys; and the few paths of the gate on
//! applications' origins.
//!
//! It decides nothing about people: [`People`] does. It reads who asks from the request, where the gate has put it,
//! and never from a cookie. It has no script, and works in any browser. Read next: `portal/log_in.rs` for how a session
//! comes to an application, `portal/visit.rs` for what keeps others from asking in somebody's name.

mod account;
mod answer;
mod cookie;
mod log_in;
mod own_keys;
mod page;
mod program;
mod received;
mod set_up;
mod user_agent;
mod visit;
mod way;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use portcullis_contract::Snapshot;
use portcullis_contract::identity::Place;
use portcullis_contract::ports::{Entropy, Local, LocalRequest};
use tokio::sync::watch;

use crate::identity::{LogInProblem, People, PeopleProblem};
use received::Unreadable;
use visit::{Refused, Visit};

/// Where somebody lands who wanted nothing else.
const ACCOUNT: &str = "/.portcullis/account";

/// Where somebody lands who is not logged in.
const LOG_IN: &str = "/.portcullis/login";

const STYLE: &str = include_str!("portal/style.css");

/// An answer, or why there is none.
type Answered = Result<Response<Bytes>, Refused>;

/// The portal.
pub struct Portal {
    people: Arc<People>,
    in_force: watch::Receiver<Arc<Snapshot>>,
    entropy: Arc<dyn Entropy>,
}

/// The paths that are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ours {
    Home,
    LogIn,
    LogOut,
    SetUp,
    Account,
    Password,
    EndSessions,
    MakeKey,
    EndKey,
    Authorize,
    Callback,
    Token,
    Revoke,
    Keys,
    AssertionKeys,
    Style,
}

/// Who asks: a person by a browser, or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Person,
    Program,
}

impl Portal {
    /// A portal over `people`, for the applications of the configuration in force.
    pub fn new(
        people: Arc<People>,
        in_force: watch::Receiver<Arc<Snapshot>>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { people, in_force, entropy }
    }

    async fn respond(&self, asked: &LocalRequest) -> Response<Bytes> {
        let mut random = [0; 32];
        self.entropy.fill(&mut random);
        let snapshot = Arc::clone(&self.in_force.borrow());
        let visit = Visit::new(asked, snapshot, random);
        let ours = Ours::at(asked.request.uri().path(), visit.application().is_some(), &asked.place);
        let reader = match ours {
            Some(Ours::Token | Ours::Revoke | Ours::Keys | Ours::AssertionKeys) => Reader::Program,
            _ => Reader::Person,
        };
        let answered = match ours {
            Some(ours) => self.serve(ours, &visit).await,
            None => Err(Refused::NotFound),
        };
        answered.unwrap_or_else(|refused| refuse(&visit, refused, reader))
    }

    /// What each path answers, to which method.
    async fn serve(&self, ours: Ours, visit: &Visit<'_>) -> Answered {
        let people = &*self.people;
        let is_portal = visit.asked.place == Place::Portal;
        match (ours, visit.asked.request.method()) {
            (Ours::Home, &Method::GET | &Method::HEAD) => visit.see_other(ACCOUNT),
            (Ours::LogIn, &Method::GET) if !is_portal => log_in::begin(visit),
            (Ours::LogIn, &Method::GET | &Method::HEAD) if is_portal => log_in::show(visit),
            (Ours::LogIn, &Method::POST) if is_portal => log_in::log_in(visit, people).await,
            (Ours::LogOut, &Method::POST) => log_in::log_out(visit, people).await,
            (Ours::SetUp, &Method::GET | &Method::HEAD) => set_up::show(visit),
            (Ours::SetUp, &Method::POST) => set_up::set_up(visit, people).await,
            (Ours::Account, &Method::GET | &Method::HEAD) => account::show(visit, people).await,
            (Ours::Password, &Method::POST) => account::change_password(visit, people).await,
            (Ours::EndSessions, &Method::POST) => account::end_sessions(visit, people).await,
            (Ours::MakeKey, &Method::POST) => own_keys::make(visit, people).await,
            (Ours::EndKey, &Method::POST) => own_keys::end(visit, people).await,
            // Both use up or make what is good once, so HEAD does not pass for GET.
            (Ours::Authorize, &Method::GET) => log_in::authorize(visit, people).await,
            (Ours::Callback, &Method::GET) => log_in::callback(visit, people).await,
            (Ours::Token, &Method::POST) => program::token(visit, people).await,
            (Ours::Revoke, &Method::POST) => program::revoke(visit, people).await,
            (Ours::Keys, &Method::GET | &Method::HEAD) => Ok(program::keys(&people.jwks())),
            (Ours::AssertionKeys, &Method::GET | &Method::HEAD) => {
                Ok(program::keys(&people.assertion_jwks()))
            }
            (Ours::Style, &Method::GET | &Method::HEAD) => {
                Ok(answer::kept("text/css; charset=utf-8", Bytes::from_static(STYLE.as_bytes())))
            }
            _ => Err(Refused::Method(ours.methods(is_portal))),
        }
    }
}

impl Local for Portal {
    fn answer(&self, asked: LocalRequest) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send + '_>> {
        Box::pin(async move { self.respond(&asked).await })
    }
}

impl Ours {
    /// What a path is on an origin: the portal's, an application's, or both in one.
    fn at(path: &str, is_application: bool, place: &Place) -> Option<Self> {
        let (ours, needs_portal) = match path {
            "/" | "/.portcullis" | "/.portcullis/" => (Self::Home, true),
            "/.portcullis/login" => (Self::LogIn, false),
            "/.portcullis/logout" => (Self::LogOut, false),
            "/.portcullis/setup" => (Self::SetUp, true),
            "/.portcullis/account" => (Self::Account, true),
            "/.portcullis/account/password" => (Self::Password, true),
            "/.portcullis/account/sessions/end" => (Self::EndSessions, true),
            "/.portcullis/account/keys" => (Self::MakeKey, true),
            "/.portcullis/account/keys/end" => (Self::EndKey, true),
            "/.portcullis/authorize" => (Self::Authorize, true),
            "/.portcullis/callback" if *place != Place::Portal => (Self::Callback, false),
            "/.portcullis/token" if is_application => (Self::Token, false),
            "/.portcullis/revoke" if is_application => (Self::Revoke, false),
            "/.portcullis/jwks.json" => (Self::Keys, false),
            "/.portcullis/assertions/jwks.json" => (Self::AssertionKeys, false),
            "/.portcullis/style.css" => (Self::Style, false),
            _ => return None,
        };
        (!needs_portal || *place == Place::Portal).then_some(ours)
    }

    /// For `Allow` (RFC 9110 §10.2.1).
    fn methods(self, is_portal: bool) -> &'static str {
        match self {
            Self::LogIn if is_portal => "GET, HEAD, POST",
            Self::SetUp => "GET, HEAD, POST",
            Self::Home | Self::Account | Self::Keys | Self::AssertionKeys | Self::Style => "GET, HEAD",
            Self::LogIn | Self::Authorize | Self::Callback => "GET",
            Self::LogOut | Self::Password | Self::EndSessions | Self::MakeKey | Self::EndKey => "POST",
            Self::Token | Self::Revoke => "POST",
        }
    }
}

impl From<PeopleProblem> for Refused {
    fn from(problem: PeopleProblem) -> Self {
        match problem {
            PeopleProblem::Unavailable | PeopleProblem::Unknown | PeopleProblem::NotRecorded => {
                Self::Unavailable
            }
            PeopleProblem::Busy { retry_after_s } => Self::Busy { retry_after_s },
            PeopleProblem::NotFound => Self::NotFound,
            // The portal asks for nothing that could have any other problem.
            _ => Self::Internal,
        }
    }
}

impl From<LogInProblem> for Refused {
    fn from(problem: LogInProblem) -> Self {
        match problem {
            LogInProblem::Busy { retry_after_s } => Self::Busy { retry_after_s },
            LogInProblem::Unavailable => Self::Unavailable,
            // Each form has its own words for it.
            LogInProblem::Invalid => Self::Internal,
        }
    }
}

/// Answers what is refused.
fn refuse(visit: &Visit<'_>, refused: Refused, reader: Reader) -> Response<Bytes> {
    let (status, title, words) = match refused {
        Refused::NotFound => (StatusCode::NOT_FOUND, "Not found", "There is no such page here."),
        Refused::Method(_) => {
            (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "This page is not reached in this way.")
        }
        Refused::Unreadable(why) => (why.status(), "The request is not valid", words_of(why)),
        Refused::Foreign => (
            StatusCode::FORBIDDEN,
            "Please try that again",
            "The form was open for too long, or did not come from this site. Nothing was done. If this goes on, allow \
             this site to set cookies.",
        ),
        Refused::NoApplication => (
            StatusCode::NOT_FOUND,
            "Unknown application",
            "The link leads to an application that is not behind this gate.",
        ),
        Refused::Busy { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many are logging in",
            "Nothing was done. Wait for a moment, and try again.",
        ),
        Refused::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Not possible right now",
            "Accounts cannot be reached. Wait for a moment, look whether it was done, and try again.",
        ),
        Refused::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", "This is a fault of the gate.")
        }
    };
    let mut answer = match reader {
        Reader::Program => answer::problem(status, title, visit.asked.id),
        Reader::Person => {
            let on = (!matches!(refused, Refused::NoApplication | Refused::NotFound))
                .then_some((LOG_IN, "Log in"));
            let id = visit.asked.id.to_string();
            answer::page(status, page::message(title, words, on, Some(&id)))
        }
    };
    let headers = answer.headers_mut();
    match refused {
        Refused::Method(methods) => drop(headers.insert(header::ALLOW, HeaderValue::from_static(methods))),
        Refused::Busy { retry_after_s } => answer::retry_after(headers, retry_after_s),
        Refused::Unavailable => answer::retry_after(headers, 1),
        _ => {}
    }
    answer
}

fn words_of(why: Unreadable) -> &'static str {
    match why {
        Unreadable::Type => "It is written in a way that is not read here.",
        Unreadable::TooLong => "It is too long.",
        Unreadable::Fields => "It has fields that do not belong here, or lacks some.",
    }
}

#[cfg(test)]
mod tests;
