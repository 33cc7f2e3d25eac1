//! `portcullis role list|show`.

use http::Method;

use super::{at, change, lists};
use crate::cli::RoleCommand;
use crate::shown::cell;
use crate::{Exit, asking};

/// Runs one of the subcommands.
pub(crate) fn run(command: &RoleCommand) -> anyhow::Result<Exit> {
    match command {
        RoleCommand::List(wanted) => {
            lists::show("roles", &[("NAME", "name"), ("PERMISSIONS", "permissions")], wanted)
        }
        RoleCommand::Show { name, wanted } => asking::administer(&wanted.file.config, async |client| {
            let said = |role: &_| format!("{}: {}", cell(role, "name"), cell(role, "permissions"));
            change(client, Method::GET, &at("roles", name), None, wanted.format, said).await?;
            Ok(Exit::Fine)
        }),
    }
}
