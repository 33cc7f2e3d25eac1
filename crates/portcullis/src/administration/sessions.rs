//! `portcullis session list|end`.

use http::Method;

use super::users::ask;
use super::{at, lists};
use crate::Exit;
use crate::cli::SessionCommand;
use crate::shown::cell;

const COLUMNS: [(&str, &str); 6] = [
    ("ID", "id"),
    ("USER", "user"),
    ("SEEN", "seen"),
    ("ENDS", "ends"),
    ("ADDRESS", "address"),
    ("PROGRAM", "user_agent"),
];

/// Runs one of the subcommands.
pub(crate) fn run(command: &SessionCommand) -> anyhow::Result<Exit> {
    match command {
        SessionCommand::List { user: None, wanted } => lists::show("sessions", &COLUMNS, wanted),
        SessionCommand::List { user: Some(name), wanted } => {
            lists::show_all(&format!("{}/sessions", at("users", name)), &COLUMNS, wanted)
        }
        SessionCommand::End { user: Some(name), wanted, .. } => {
            let target = format!("{}/sessions", at("users", name));
            ask(wanted, Method::DELETE, &target, None, |answer| {
                format!("sessions ended: {}", cell(answer, "ended"))
            })
        }
        SessionCommand::End { id, wanted, .. } => {
            let target = at("sessions", id.as_deref().unwrap_or_default());
            ask(wanted, Method::DELETE, &target, None, |_| "the session has ended".to_owned())
        }
    }
}
