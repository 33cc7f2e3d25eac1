//! Choosing a password with a code: that of the first administrator, which the node's start has shown, or one that an
//! administrator has handed out. It is typed into a form, so that it stands in no address and no log.

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Answered;
use super::page::{self, Form, Said};
use super::visit::{Refused, Sent, Visit};
use crate::identity::{People, SetUpProblem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    proof: String,
    code: SecretString,
    username: String,
    new: SecretString,
    again: SecretString,
}

impl Sent for First {
    const FORM: Form = Form::SetUp;

    fn proof(&self) -> &str {
        &self.proof
    }
}

/// The page.
pub(super) fn show(visit: &Visit<'_>) -> Answered {
    Ok(visit.forms_page(StatusCode::OK, page::set_up(visit.forms(), "", None), None))
}

/// Makes the account.
pub(super) async fn set_up(visit: &Visit<'_>, people: &People) -> Answered {
    let sent: First = visit.form()?;
    if sent.new.expose_secret() != sent.again.expose_secret() {
        return wrong(visit, &sent, page::NOT_THE_SAME);
    }
    let made = people.set_up(sent.code.expose_secret(), &sent.username, &sent.new, &visit.caller()).await;
    match made {
        Ok(()) => visit.see_other("/.portcullis/login?done=set-up"),
        Err(SetUpProblem::Code) => {
            wrong(visit, &sent, "The code or the name is not right, or the code was used or is too old.")
        }
        Err(SetUpProblem::Name(why)) => wrong(visit, &sent, &page::sentence(&why)),
        Err(SetUpProblem::Weak(why)) => wrong(visit, &sent, &page::sentence(&why)),
        Err(SetUpProblem::NoRole) => wrong(
            visit,
            &sent,
            "No role of the configuration holds the permission `admin`. Declare one first.",
        ),
        Err(SetUpProblem::Busy { retry_after_s }) => Err(Refused::Busy { retry_after_s }),
        Err(SetUpProblem::Unavailable) => Err(Refused::Unavailable),
    }
}

fn wrong(visit: &Visit<'_>, sent: &First, words: &str) -> Answered {
    let markup = page::set_up(visit.forms(), &sent.username, Some(Said::Wrong(words)));
    Ok(visit.forms_page(StatusCode::FORBIDDEN, markup, None))
}
