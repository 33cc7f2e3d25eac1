//! Logging in and out, and bringing a session from the portal to an application.
//!
//! ```text
//! application  GET  /.portcullis/login?return=…             names the browser, leads to
//! portal       GET  /.portcullis/authorize?to=…&state=…     logged in: makes a code; else the page to log in with
//! portal       POST /.portcullis/login                      a new session; leads back to authorize
//! application  GET  /.portcullis/callback?code=…&return=…   takes the code once, in the browser that asked for it
//! ```
//!
//! A session never begins with what a browser brings along: each log-in makes a new one and ends the one that was shown.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use portcullis_access::return_to::ReturnTo;
use portcullis_contract::identity::Place;

use super::cookie::Cookie;
use super::page::{self, Form, Said};
use super::received::Written;
use super::visit::{Refused, Sent, Visit};
use super::way::{Way, back_to};
use super::{ACCOUNT, Answered, LOG_IN, answer};
use crate::identity::{LogIn, LogInProblem, People, Wants};

/// The same words for a wrong password, an unknown name, and an account that is locked or closed.
const WRONG: &str = "The user name or the password is not right.";

/// The query of the log-in page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    #[serde(rename = "return")]
    back: Option<String>,
    done: Option<Done>,
}

/// What was done before the log-in page is shown.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Done {
    LoggedOut,
    SetUp,
}

/// The query of a hand-over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorize {
    to: String,
    #[serde(rename = "return")]
    back: Option<String>,
    state: Option<String>,
}

/// The query of its end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Callback {
    code: SecretString,
    #[serde(rename = "return")]
    back: Option<String>,
}

/// The form of the log-in page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    proof: String,
    username: String,
    password: SecretString,
    to: Option<String>,
    #[serde(rename = "return")]
    back: Option<String>,
    state: Option<String>,
}

impl Sent for Credentials {
    const FORM: Form = Form::LogIn;

    fn proof(&self) -> &str {
        &self.proof
    }
}

/// The form by which somebody logs out. An application's own page has no proof to send.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogOut {
    proof: Option<String>,
}

impl Done {
    fn words(self) -> &'static str {
        match self {
            Self::LoggedOut => "You have logged out, here and in all applications.",
            Self::SetUp => "The administrator is made. Log in to go on.",
        }
    }
}

/// The page to log in with.
pub(super) fn show(visit: &Visit<'_>) -> Answered {
    let query: Query = visit.query()?;
    let way = query.back.and_then(|back| here(visit, &back));
    if visit.user().is_some() {
        return visit.see_other(&onward(way.as_ref()));
    }
    let said = query.done.map(|done| Said::Done(done.words()));
    Ok(form(visit, StatusCode::OK, way.as_ref(), "", said))
}

/// On an application's origin: names the browser, and leads it to the portal.
pub(super) fn begin(visit: &Visit<'_>) -> Answered {
    let query: Query = visit.query()?;
    let portal = visit.snapshot.log_in.as_ref().ok_or(Refused::NotFound)?;
    let way = Way::find(&visit.snapshot, &portal.portal.origin, visit.host(), query.back.as_deref(), None);
    match way {
        Some(Way::There(mut there)) if *there.origin == *visit.asked.origin => {
            there.browser = Some(visit.browser.name());
            let answer = visit.see_other(&format!("{}{}", portal.portal.origin, there.authorize()))?;
            Ok(visit.known(answer))
        }
        _ => Err(Refused::NoApplication),
    }
}

/// Brings a session to an application, or asks for a log-in first.
pub(super) async fn authorize(visit: &Visit<'_>, people: &People) -> Answered {
    let query: Authorize = visit.query()?;
    let way = find(visit, &query.to, query.back.as_deref(), query.state.as_deref())?;
    match (&way, visit.user()) {
        // It cannot be told yet whether the code would come back to this browser.
        (Way::There(there), _) if there.browser.is_none() => visit.see_other(&there.begin()),
        (_, None) => Ok(form(visit, StatusCode::OK, Some(&way), "", None)),
        (Way::Here(back), Some(_)) => visit.see_other(back.as_str()),
        (Way::There(there), Some(user)) => {
            let browser = there.browser.ok_or(Refused::Internal)?;
            let code = people.begin_hand_over(user, &there.application).await?;
            visit.see_other(&there.callback(&browser.tie(code.expose_secret())))
        }
    }
}

/// Judges a name and a password.
pub(super) async fn log_in(visit: &Visit<'_>, people: &People) -> Answered {
    let sent: Credentials = visit.form()?;
    let way = match &sent.to {
        Some(to) => Some(find(visit, to, sent.back.as_deref(), sent.state.as_deref())?),
        None => sent.back.as_deref().and_then(|back| here(visit, back)),
    };
    let asked = LogIn {
        name: &sent.username,
        password: &sent.password,
        device: visit.cookies().value(Cookie::Device),
        place: &visit.asked.place,
        wants: Wants::Cookie,
    };
    let logged_in = match people.log_in(asked, &visit.caller()).await {
        Ok(logged_in) => logged_in,
        Err(LogInProblem::Invalid) => {
            let said = Some(Said::Wrong(WRONG));
            return Ok(form(visit, StatusCode::FORBIDDEN, way.as_ref(), &sent.username, said));
        }
        Err(problem) => return Err(problem.into()),
    };
    if let Some(before) = visit.user() {
        people.log_out(before, &visit.caller()).await?;
    }
    let secret = logged_in.cookie.ok_or(Refused::Internal)?;
    let mut answer = go_on(visit, way.as_ref())?;
    let cookies = [
        Cookie::Session.set(visit.scheme, &secret).ok_or(Refused::Internal)?,
        Cookie::Device.set(visit.scheme, &logged_in.device).ok_or(Refused::Internal)?,
    ];
    answer.headers_mut().extend(cookies.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(answer)
}

/// On an application's origin: takes a code, and with it the application's own cookie.
pub(super) async fn callback(visit: &Visit<'_>, people: &People) -> Answered {
    let query: Callback = visit.query()?;
    let back = back_to(query.back.as_deref());
    let Some(secret) = take(visit, people, query.code.expose_secret()).await? else {
        return Ok(not_finished(visit, &back));
    };
    let mut answer = visit.see_other(back.as_str())?;
    let cookie = Cookie::Session.set(visit.scheme, &secret).ok_or(Refused::Internal)?;
    answer.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(answer)
}

/// What a code brings, once, to the browser that asked for it. One that has no name has asked for nothing: somebody
/// else's code was put before it.
async fn take(visit: &Visit<'_>, people: &People, tied: &str) -> Result<Option<SecretString>, Refused> {
    let application = visit.application().ok_or(Refused::NotFound)?;
    let browser = visit.cookies().browser();
    let Some(code) = browser.and_then(|browser| browser.name().untie(tied)) else { return Ok(None) };
    Ok(people.finish_hand_over(code, &application).await?)
}

fn not_finished(visit: &Visit<'_>, back: &ReturnTo) -> Response<Bytes> {
    let words = "The link was used before, is too old, or was made for another browser. If this goes on, allow this \
                 site to set cookies.";
    let again = format!("{LOG_IN}?return={}", back.in_query());
    let id = visit.asked.id.to_string();
    let markup = page::message("The log-in was not finished", words, Some((&again, "Log in")), Some(&id));
    answer::page(StatusCode::FORBIDDEN, markup)
}

/// Ends the session, and so everything that shows it, everywhere.
pub(super) async fn log_out(visit: &Visit<'_>, people: &People) -> Answered {
    let is_empty = visit.asked.request.body().is_empty();
    let sent = if is_empty { LogOut { proof: None } } else { visit.sent(Written::Form)? };
    visit.refuse_foreign()?;
    match &sent.proof {
        Some(proof) => visit.prove(Form::LogOut, proof)?,
        None if visit.application().is_some() => {}
        None => return Err(Refused::Foreign),
    }
    if let Some(user) = visit.user() {
        people.log_out(user, &visit.caller()).await?;
    }
    let mut answer = visit.see_other(match visit.asked.place {
        Place::Portal => "/.portcullis/login?done=logged-out",
        Place::Application(_) => "/",
    })?;
    let removed = Cookie::Session.remove(visit.scheme).ok_or(Refused::Internal)?;
    answer.headers_mut().append(header::SET_COOKIE, removed);
    Ok(answer)
}

fn form(
    visit: &Visit<'_>,
    status: StatusCode,
    way: Option<&Way>,
    name: &str,
    said: Option<Said<'_>>,
) -> Response<Bytes> {
    let markup = page::log_in(visit.forms(), way, name, said);
    visit.forms_page(status, markup, way.and_then(Way::elsewhere))
}

fn find(visit: &Visit<'_>, to: &str, back: Option<&str>, state: Option<&str>) -> Result<Way, Refused> {
    Way::find(&visit.snapshot, &visit.asked.origin, to, back, state).ok_or(Refused::NoApplication)
}

/// The way to a page of this very origin; on one that is the portal's alone there is none.
fn here(visit: &Visit<'_>, back: &str) -> Option<Way> {
    find(visit, visit.host(), Some(back), None).ok()
}

/// Leads on somebody who has logged in. Browsers hold redirects of a form against its page's `form-action`, so an
/// application that leads on to another origin at once would be out of reach: a page in between ends what the form began.
/// Programs know no such pages, and no such policy.
fn go_on(visit: &Visit<'_>, way: Option<&Way>) -> Answered {
    let address = onward(way);
    if way.is_some() && visit.is_navigation() {
        Ok(answer::page(StatusCode::OK, page::going_on(&address)))
    } else {
        visit.see_other(&address)
    }
}

fn onward(way: Option<&Way>) -> String {
    way.map_or_else(|| ACCOUNT.to_owned(), Way::onward)
}
