//! `portcullis ban …`, `role …`: commands that ask the admin API, as any other client of it would.

mod bans;
mod lists;
mod roles;

pub(crate) use bans::run as ban;
pub(crate) use roles::run as role;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_control::{ApiClient, CallError};
use serde_json::Value;

use crate::cli::Format;
use crate::log;

/// Where something is: its place in the API, and its name.
fn at(place: &str, name: &str) -> String {
    format!("/api/v1/{place}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// Asks for something that is changed, and says what came of it.
async fn change(
    client: &mut ApiClient,
    method: http::Method,
    target: &str,
    question: Option<Value>,
    format: Format,
    said: impl FnOnce(&Value) -> String,
) -> Result<(), CallError> {
    let answer = client.call(method, target, question.as_ref()).await?;
    match format {
        Format::Table => log::say(&said(&answer)),
        Format::Json => log::say(&answer.to_string()),
    }
    Ok(())
}
