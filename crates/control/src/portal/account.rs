//! One's own account: sessions, keys, password.

use http::StatusCode;
use portcullis_model::{SessionId, UserPrincipal};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::page::{self, Account, Form, Said};
use super::visit::{Refused, Sent, Visit};
use super::{ACCOUNT, Answered, LOG_IN};
use crate::identity::{PasswordProblem, People, Which};

pub(super) const WRONG_PASSWORD: &str = "The current password is not right.";

/// How many keys a page shows; the others are seen by an administrator.
const KEYS_SHOWN_MAX: u16 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    done: Option<Done>,
}

/// What was done before the page is shown.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Done {
    Password,
    Ended,
    KeyEnded,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    proof: String,
    current: SecretString,
    new: SecretString,
    again: SecretString,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndSession {
    proof: String,
    /// An id, or `others`.
    session: String,
}

impl Sent for NewPassword {
    const FORM: Form = Form::Password;

    fn proof(&self) -> &str {
        &self.proof
    }
}

impl Sent for EndSession {
    const FORM: Form = Form::EndSessions;

    fn proof(&self) -> &str {
        &self.proof
    }
}

impl Done {
    fn words(self) -> &'static str {
        match self {
            // Whoever knew the old one may have made keys by it.
            Self::Password => {
                "Your password is changed, and all your other sessions have ended. API keys go on: end those that you do not know."
            }
            Self::Ended => "It has ended, here and in all applications.",
            Self::KeyEnded => "The key has ended.",
        }
    }
}

/// The page.
pub(super) async fn show(visit: &Visit<'_>, people: &People) -> Answered {
    let query: Query = visit.query()?;
    let Some(user) = visit.user() else { return visit.see_other(LOG_IN) };
    let said = query.done.map(|done| Said::Done(done.words()));
    draw(visit, people, user, StatusCode::OK, said).await
}

/// Changes the password. Whoever found a browser open does not know the current one.
pub(super) async fn change_password(visit: &Visit<'_>, people: &People) -> Answered {
    let sent: NewPassword = visit.form()?;
    let Some(user) = visit.user() else { return visit.see_other(LOG_IN) };
    if sent.new.expose_secret() != sent.again.expose_secret() {
        return wrong(visit, people, user, page::NOT_THE_SAME).await;
    }
    match people.change_password(user, &sent.current, &sent.new, &visit.caller()).await {
        Ok(()) => visit.see_other(&format!("{ACCOUNT}?done=password")),
        Err(PasswordProblem::Wrong) => wrong(visit, people, user, WRONG_PASSWORD).await,
        Err(PasswordProblem::Weak(why)) => wrong(visit, people, user, &page::sentence(&why)).await,
        Err(PasswordProblem::Busy { retry_after_s }) => Err(Refused::Busy { retry_after_s }),
        Err(PasswordProblem::Unavailable) => Err(Refused::Unavailable),
    }
}

/// Ends one of one's own sessions, or all others.
pub(super) async fn end_sessions(visit: &Visit<'_>, people: &People) -> Answered {
    let sent: EndSession = visit.form()?;
    let Some(user) = visit.user() else { return visit.see_other(LOG_IN) };
    let which = match (&*sent.session, SessionId::parse(&sent.session)) {
        ("others", _) => Which::AllBut(user.session),
        (_, Some(id)) => Which::One(id),
        (_, None) => return Err(Refused::NotFound),
    };
    // Only those of this user: the id of somebody else's ends nothing.
    people.end_sessions(user.id, which, &visit.caller()).await?;
    visit.see_other(&format!("{ACCOUNT}?done=ended"))
}

pub(super) async fn wrong(visit: &Visit<'_>, people: &People, user: &UserPrincipal, words: &str) -> Answered {
    draw(visit, people, user, StatusCode::FORBIDDEN, Some(Said::Wrong(words))).await
}

async fn draw(
    visit: &Visit<'_>,
    people: &People,
    user: &UserPrincipal,
    status: StatusCode,
    said: Option<Said<'_>>,
) -> Answered {
    draw_with(visit, people, user, status, said, page::TypedKey::default()).await
}

/// The page with what was typed for a new key.
pub(super) async fn draw_with(
    visit: &Visit<'_>,
    people: &People,
    user: &UserPrincipal,
    status: StatusCode,
    said: Option<Said<'_>>,
    typed: page::TypedKey<'_>,
) -> Answered {
    let sessions = people.sessions_of(user.id).await?;
    let keys = people.api_keys(Some(user.id), None, KEYS_SHOWN_MAX).await?;
    let new_key = people.makes_api_keys().then_some(typed);
    let account = Account { user, sessions: &sessions, keys: &keys, new_key };
    Ok(visit.forms_page(status, page::account(visit.forms(), &account, said), None))
}
