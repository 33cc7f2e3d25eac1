//! `portcullis apikey create|list|rotate|delete`: the keys of the store.

use std::time::Duration;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::users::ask;
use super::{at, lists, read_secret};
use crate::Exit;
use crate::cli::{ChangeWanted, CreateKey, ListWanted};
use crate::shown::cell;

const COLUMNS: [(&str, &str); 7] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("OWNER", "owner"),
    ("PERMISSIONS", "permissions"),
    ("APPLICATIONS", "applications"),
    ("EXPIRES", "expires"),
    ("USED", "used"),
];

pub(crate) fn create(wanted: &CreateKey) -> anyhow::Result<Exit> {
    let mut question = json!({
        "name": wanted.name,
        "owner": wanted.owner,
        "permissions": wanted.permissions,
        "applications": wanted.applications,
        "expires": wanted.expires,
        "never_expires": wanted.never_expires,
    });
    if wanted.import
        && let Some(fields) = question.as_object_mut()
    {
        fields.insert("key".into(), read_secret("key")?.trim().into());
    }
    ask(&wanted.wanted, Method::POST, "/api/v1/api-keys", Some(question), |answer| {
        let key = answer.get("api_key").cloned().unwrap_or_default();
        let ends = cell(&key, "expires");
        if wanted.import {
            return format!("the key {} is taken over, until {ends}", cell(&key, "name"));
        }
        format!(
            "{}\n\nThis key is shown once and stored nowhere. It is good until {ends}.",
            cell(answer, "key")
        )
    })
}

pub(crate) fn list(owner: Option<&str>, wanted: &ListWanted) -> anyhow::Result<Exit> {
    let place = owner.map_or_else(
        || "api-keys".to_owned(),
        |owner| format!("api-keys?owner={}", utf8_percent_encode(owner, NON_ALPHANUMERIC)),
    );
    lists::show(&place, &COLUMNS, wanted)
}

pub(crate) fn rotate(id: &str, overlap: Duration, wanted: &ChangeWanted) -> anyhow::Result<Exit> {
    let question = json!({ "overlap_s": overlap.as_secs() });
    ask(wanted, Method::POST, &format!("{}/rotate", at("api-keys", id)), Some(question), |answer| {
        format!("{}\n\nThis text is shown once and stored nowhere.", cell(answer, "key"))
    })
}

pub(crate) fn delete(id: &str, wanted: &ChangeWanted) -> anyhow::Result<Exit> {
    ask(wanted, Method::DELETE, &at("api-keys", id), None, |_| "the key has ended".to_owned())
}
