//! `portcullis user …` and `setup-code`.

use std::io::{IsTerminal, Write, stderr, stdin};

use anyhow::bail;
use http::Method;
use serde_json::{Value, json};

use super::{at, change, importing, lists, read_secret};
use crate::cli::{AddUser, ChangeWanted, OneUser, SetUpCode, UserCommand};
use crate::shown::cell;
use crate::{Exit, asking, log};

/// What somebody does with a code.
const WHAT_TO_DO: &str = "at `/.portcullis/setup` of the portal, with a password of one's own";

/// Runs one of the subcommands.
pub(crate) fn run(command: &UserCommand) -> anyhow::Result<Exit> {
    match command {
        UserCommand::Add(wanted) => add(wanted),
        UserCommand::List(wanted) => {
            let columns = [("NAME", "name"), ("STATE", "state"), ("ROLES", "roles"), ("CREATED", "created")];
            lists::show("users", &columns, wanted)
        }
        UserCommand::Show(user) => one(user, Method::GET, "", None, told),
        UserCommand::Roles { user, roles } => {
            one(user, Method::PUT, "/roles", Some(json!({ "roles": roles })), told)
        }
        UserCommand::Disable(user) => {
            one(user, Method::PUT, "/state", Some(json!({ "state": "disabled" })), told)
        }
        UserCommand::Enable(user) => {
            one(user, Method::PUT, "/state", Some(json!({ "state": "active" })), told)
        }
        UserCommand::Password { user, password_stdin } => {
            let question =
                if *password_stdin { json!({ "password": read_secret("password")? }) } else { json!({}) };
            one(user, Method::POST, "/password", Some(question), |answer| match answer.get("code") {
                Some(_) => told_code(&user.name, answer),
                None => format!("the password of {} is set, and all sessions have ended", user.name),
            })
        }
        UserCommand::Delete { user, yes } => {
            if !yes && !confirmed(&user.name)? {
                log::say_error("nothing was deleted");
                return Ok(Exit::Finding);
            }
            one(user, Method::DELETE, "", None, |_| format!("{} is deleted", user.name))
        }
        UserCommand::Unlock { name, address, wanted } => {
            let question = match (name, address) {
                (Some(name), _) => json!({ "user": name }),
                (None, address) => json!({ "address": address }),
            };
            ask(wanted, Method::POST, "/api/v1/unlock", Some(question), |answer| {
                let was_counted = answer.get("was_counted") == Some(&Value::Bool(true));
                if was_counted { "it may try again at once" } else { "nothing was counted against it" }
                    .to_owned()
            })
        }
        UserCommand::Import(wanted) => importing::run(wanted),
    }
}

/// Makes a code for somebody who cannot get in.
pub(crate) fn set_up_code(wanted: &SetUpCode) -> anyhow::Result<Exit> {
    let question = json!({ "name": wanted.name });
    let change = ChangeWanted { file: wanted.file.clone(), format: wanted.format };
    ask(&change, Method::POST, "/api/v1/setup-code", Some(question), |answer| {
        format!("{}\n\nThis code is shown once. It is typed {WHAT_TO_DO}.", cell(answer, "code"))
    })
}

fn add(wanted: &AddUser) -> anyhow::Result<Exit> {
    let name = &wanted.user.name;
    let mut question = json!({ "name": name, "roles": wanted.roles, "user_id": wanted.user_id });
    if wanted.password_stdin
        && let Some(fields) = question.as_object_mut()
    {
        fields.insert("password".into(), read_secret("password")?.into());
    }
    ask(&wanted.user.wanted, Method::POST, "/api/v1/users", Some(question), |answer| {
        match answer.get("code") {
            Some(_) => told_code(name, answer),
            None => format!("{name} is there, with the password that was given"),
        }
    })
}

/// Asks for something of one user.
fn one(
    user: &OneUser,
    method: Method,
    what: &str,
    question: Option<Value>,
    said: impl Fn(&Value) -> String,
) -> anyhow::Result<Exit> {
    ask(&user.wanted, method, &format!("{}{what}", at("users", &user.name)), question, said)
}

pub(super) fn ask(
    wanted: &ChangeWanted,
    method: Method,
    target: &str,
    question: Option<Value>,
    said: impl Fn(&Value) -> String,
) -> anyhow::Result<Exit> {
    asking::administer(&wanted.file.config, async |client| {
        change(client, method, target, question, wanted.format, said).await?;
        Ok(Exit::Fine)
    })
}

fn told(user: &Value) -> String {
    let line = |title: &str, field: &str| format!("{title:<13} {}", cell(user, field));
    [
        line("name", "name"),
        line("state", "state"),
        line("roles", "roles"),
        line("user id", "user_id"),
        line("password set", "password_set"),
        line("created", "created"),
        line("id", "id"),
    ]
    .join("\n")
}

fn told_code(name: &str, answer: &Value) -> String {
    format!(
        "{}\n\nThis code is shown once. Hand it to {name} by a way that nobody else reads: it is typed\n{WHAT_TO_DO},\n\
         and is good once, for a day.",
        cell(answer, "code")
    )
}

/// Asks once more, whoever can be asked.
fn confirmed(name: &str) -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        bail!("an account that is deleted does not come back; say `--yes` when it is meant");
    }
    write!(stderr(), "The account, its sessions and API keys are deleted. Type `{name}` again: ")?;
    let mut typed = String::new();
    stdin().read_line(&mut typed)?;
    Ok(typed.trim_end_matches(['\r', '\n']) == name)
}
