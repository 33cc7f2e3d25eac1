//! API keys on one's own account page. A key is shown once, on the page that answers the form, and stands in no address.

use std::time::Duration;

use http::StatusCode;
use portcullis_model::{ApiKeyId, KeyName, Permission, Permissions, UserPrincipal};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::account::{WRONG_PASSWORD, draw_with, wrong};
use super::page::{self, Form, Said};
use super::visit::{Refused, Sent, Visit};
use super::{ACCOUNT, Answered, LOG_IN, answer};
use crate::identity::{NewOwnKey, OwnKeyProblem, People, PeopleProblem};

const DAY_S: u64 = 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MakeKey {
    proof: String,
    name: String,
    permissions: String,
    lasts: Lasts,
    current: SecretString,
}

/// For how long. Who needs more asks an administrator.
#[derive(Clone, Copy, Deserialize)]
enum Lasts {
    #[serde(rename = "7")]
    Week,
    #[serde(rename = "30")]
    Month,
    #[serde(rename = "90")]
    Quarter,
    #[serde(rename = "365")]
    Year,
}

impl Lasts {
    fn duration(self) -> Duration {
        let days = match self {
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
            Self::Year => 365,
        };
        Duration::from_secs(days * DAY_S)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndKey {
    proof: String,
    key: String,
    current: SecretString,
}

impl Sent for MakeKey {
    const FORM: Form = Form::MakeKey;

    fn proof(&self) -> &str {
        &self.proof
    }
}

impl Sent for EndKey {
    const FORM: Form = Form::EndKey;

    fn proof(&self) -> &str {
        &self.proof
    }
}

/// Makes a key, and shows it.
pub(super) async fn make(visit: &Visit<'_>, people: &People) -> Answered {
    let sent: MakeKey = visit.form()?;
    let Some(user) = visit.user() else { return visit.see_other(LOG_IN) };
    let new = match read(&sent) {
        Ok(new) => new,
        Err(words) => return again(visit, people, user, &sent, &words).await,
    };
    match people.make_own_key(user, &sent.current, new, &visit.caller()).await {
        Ok((key, text)) => {
            Ok(answer::page(StatusCode::OK, page::made_key(&key, text.expose_secret(), ACCOUNT)))
        }
        Err(OwnKeyProblem::Wrong) => again(visit, people, user, &sent, WRONG_PASSWORD).await,
        Err(OwnKeyProblem::Other(
            why @ (PeopleProblem::TooMuch(_)
            | PeopleProblem::TooMany(_)
            | PeopleProblem::NameTaken
            | PeopleProblem::NoHashKey),
        )) => again(visit, people, user, &sent, &page::sentence(&why)).await,
        Err(OwnKeyProblem::Other(problem)) => Err(problem.into()),
        Err(why @ OwnKeyProblem::TooMany(_)) => {
            again(visit, people, user, &sent, &page::sentence(&why)).await
        }
    }
}

/// Ends a key.
pub(super) async fn end(visit: &Visit<'_>, people: &People) -> Answered {
    let sent: EndKey = visit.form()?;
    let Some(user) = visit.user() else { return visit.see_other(LOG_IN) };
    let id = ApiKeyId::parse(&sent.key).ok_or(Refused::NotFound)?;
    match people.end_own_key(user, &sent.current, id, &visit.caller()).await {
        Ok(()) => visit.see_other(&format!("{ACCOUNT}?done=key-ended")),
        Err(OwnKeyProblem::Other(problem)) => Err(problem.into()),
        Err(OwnKeyProblem::Wrong | OwnKeyProblem::TooMany(_)) => {
            wrong(visit, people, user, WRONG_PASSWORD).await
        }
    }
}

/// What a key is to be, or why it cannot.
fn read(sent: &MakeKey) -> Result<NewOwnKey, String> {
    let name = KeyName::parse(&sent.name).map_err(|why| format!("This is no name: {why}."))?;
    let words = sent.permissions.split([' ', ',']).filter(|word| !word.is_empty());
    let permissions = words.map(|word| Permission::parse(word).map_err(|_| word));
    let permissions = permissions.collect::<Result<Permissions, _>>();
    let permissions =
        permissions.map_err(|word| format!("There is no permission \u{201c}{word}\u{201d}."))?;
    Ok(NewOwnKey { name, permissions, lasts: sent.lasts.duration() })
}

async fn again(
    visit: &Visit<'_>,
    people: &People,
    user: &UserPrincipal,
    sent: &MakeKey,
    words: &str,
) -> Answered {
    let typed = page::TypedKey { name: &sent.name, permissions: &sent.permissions };
    draw_with(visit, people, user, StatusCode::FORBIDDEN, Some(Said::Wrong(words)), typed).await
}
