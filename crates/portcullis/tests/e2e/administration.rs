//! What administrators see and do: the admin API through the local socket, and the commands that ask it.

mod bans;
mod listener;
mod people;
mod socket;

use std::path::Path;

use axum::http::Method;
use portcullis_control::{AdminClient, ApiClient, CallError};
use serde_json::Value;

/// Asks the admin API of the node in that folder, through its socket.
pub(crate) async fn call(
    folder: &Path,
    method: &str,
    target: &str,
    question: Option<Value>,
) -> Result<Value, CallError> {
    let client = AdminClient::connect(&folder.join("state/admin.sock")).await.unwrap();
    let target = format!("/api/v1{target}");
    ApiClient::Socket(client).call(method.parse::<Method>().unwrap(), &target, question.as_ref()).await
}
