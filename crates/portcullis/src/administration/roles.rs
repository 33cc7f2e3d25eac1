//! `portcullis role …`.

use http::Method;
use serde_json::{Value, json};

use super::{at, lists, users};
use crate::Exit;
use crate::cli::{OneRole, RoleCommand};
use crate::shown::cell;

/// Runs one of the subcommands.
pub(crate) fn run(command: &RoleCommand) -> anyhow::Result<Exit> {
    match command {
        RoleCommand::List(wanted) => {
            let columns = [("NAME", "name"), ("ORIGIN", "origin"), ("PERMISSIONS", "permissions")];
            lists::show("roles", &columns, wanted)
        }
        RoleCommand::Show(role) => one(role, Method::GET, None, told),
        RoleCommand::Add { role, permissions } => {
            let question = json!({ "name": role.name, "permissions": permissions });
            users::ask(&role.wanted, Method::POST, "/api/v1/roles", Some(question), told)
        }
        RoleCommand::Set { role, permissions } => {
            one(role, Method::PUT, Some(json!({ "permissions": permissions })), told)
        }
        RoleCommand::Remove(role) => {
            one(role, Method::DELETE, None, |_| format!("the role {} is deleted", role.name))
        }
    }
}

fn one(
    role: &OneRole,
    method: Method,
    question: Option<Value>,
    said: impl Fn(&Value) -> String,
) -> anyhow::Result<Exit> {
    users::ask(&role.wanted, method, &at("roles", &role.name), question, said)
}

fn told(role: &Value) -> String {
    let said = format!("{}: {}", cell(role, "name"), cell(role, "permissions"));
    match role.get("unknown_permissions") {
        Some(_) => format!(
            "{said}\nThe configuration does not declare {}: they give nothing",
            cell(role, "unknown_permissions")
        ),
        None => said,
    }
}
