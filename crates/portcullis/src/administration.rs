//! `portcullis user …`, `session …`, `ban …` and others: commands that ask the admin API, as any other client of it would.

pub(crate) mod api_keys;
mod bans;
mod importing;
mod lists;
mod people_files;
mod roles;
mod sessions;
mod users;

pub(crate) use bans::run as ban;
pub(crate) use roles::run as role;
pub(crate) use sessions::run as session;
pub(crate) use users::{run as user, set_up_code};

use std::io::{IsTerminal, Read, stdin};

use anyhow::Context;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_control::{ApiClient, CallError};
use serde_json::Value;

use crate::cli::Format;
use crate::log;

/// Where something is: its place in the API, and its name.
fn at(place: &str, name: &str) -> String {
    format!("/api/v1/{place}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// Longest secret that is read from standard input, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// A secret out of standard input, without the end of its line.
fn read_secret(what: &str) -> anyhow::Result<String> {
    if stdin().is_terminal() {
        log::say_note(&format!("type or paste the {what} and end with Ctrl-D"));
    }
    let mut text = String::new();
    stdin()
        .take(SECRET_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(|| format!("the {what} cannot be read"))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
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
