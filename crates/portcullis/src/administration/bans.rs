//! `portcullis ban add|list|lift`.

use http::Method;
use serde_json::json;

use super::{at, change, lists};
use crate::cli::BanCommand;
use crate::shown::cell;
use crate::{Exit, asking};

/// Runs one of the subcommands.
pub(crate) fn run(command: &BanCommand) -> anyhow::Result<Exit> {
    match command {
        BanCommand::List(wanted) => {
            let columns = [("PREFIX", "prefix"), ("UNTIL", "until"), ("REASON", "reason")];
            lists::show("bans", &columns, wanted)
        }
        BanCommand::Add { address, duration, wanted } => {
            let question = match duration {
                Some(duration) => json!({ "address": address, "duration_s": duration.as_secs() }),
                None => json!({ "address": address }),
            };
            asking::administer(&wanted.file.config, async |client| {
                change(client, Method::POST, "/api/v1/bans", Some(question), wanted.format, |ban| {
                    format!("{} is shut out until {}", cell(ban, "prefix"), cell(ban, "until"))
                })
                .await?;
                Ok(Exit::Fine)
            })
        }
        BanCommand::Lift { address, wanted } => asking::administer(&wanted.file.config, async |client| {
            let said = |_: &_| format!("{address} is let in again");
            change(client, Method::DELETE, &at("bans", address), None, wanted.format, said).await?;
            Ok(Exit::Fine)
        }),
    }
}
