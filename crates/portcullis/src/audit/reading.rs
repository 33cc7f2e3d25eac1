//! `portcullis audit tail`, `audit search` and `data subject erase`: what people are told of in the ledger, read or made unreadable.

use std::io::{self, IsTerminal, Write};

use anyhow::bail;
use portcullis_contract::admin::Search;
use serde_json::{Value, json};

use super::table;
use crate::asking::{Answer, Asked};
use crate::cli::{Conditions, Erase, Format, SearchFor, Tail};
use crate::run::until_done;
use crate::{Exit, log};

/// Shows the newest entries.
pub(super) fn tail(wanted: &Tail) -> anyhow::Result<Exit> {
    let search = Search { limit: wanted.limit, follow: wanted.follow, ..conditions(&wanted.conditions) };
    read(&wanted.file.config, search, wanted.format)
}

/// Shows those that are asked for.
pub(super) fn search(wanted: &SearchFor) -> anyhow::Result<Exit> {
    let search = Search { limit: wanted.limit, ..conditions(&wanted.conditions) };
    read(&wanted.file.config, search, wanted.format)
}

fn conditions(wanted: &Conditions) -> Search {
    Search {
        kinds: wanted.kind.clone(),
        outcomes: wanted.outcome.clone(),
        severity: wanted.severity,
        actions: wanted.action.clone(),
        application: wanted.application.clone(),
        route: wanted.route.clone(),
        principal: wanted.principal.clone(),
        client: wanted.client,
        request: wanted.request,
        since: wanted.since,
        until: wanted.until,
        text: wanted.text.clone(),
        before: None,
        limit: 0,
        follow: false,
    }
}

fn read(config: &std::path::Path, search: Search, format: Format) -> anyhow::Result<Exit> {
    until_done(async {
        let Some(asked) = Asked::find(config).await? else { return Ok(Exit::Usage) };
        let mut out = io::stdout();
        let each = |found: &Value| {
            let line = match format {
                Format::Table => table::line(found),
                Format::Json => found.to_string(),
            };
            // Whoever reads the output may have had enough.
            writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
        };
        Ok(match asked.search(search, each).await? {
            Answer::Given(()) => Exit::Fine,
            Answer::Refused(why) => refused(&why),
        })
    })
}

/// Makes unreadable what is known of a person.
pub(super) fn erase(wanted: &Erase) -> anyhow::Result<Exit> {
    if !wanted.yes && !confirmed(&wanted.name)? {
        log::say_error("nothing was erased");
        return Ok(Exit::Finding);
    }
    until_done(async {
        let Some(asked) = Asked::find(&wanted.file.config).await? else { return Ok(Exit::Usage) };
        let erased = match asked.erase(&wanted.name).await? {
            Answer::Given(erased) => erased,
            Answer::Refused(why) => return Ok(refused(&why)),
        };
        match (wanted.format, &erased.key) {
            (Format::Json, key) => log::say(&json!({ "erased": key.is_some(), "key": key }).to_string()),
            (Format::Table, Some(key)) => log::say(&format!(
                "erased: the key {key} is destroyed, and nobody can read what it sealed. Copies of the database that were \
                 made before still hold it: let them end"
            )),
            (Format::Table, None) => log::say("nothing is sealed under this name"),
        }
        Ok(if erased.key.is_some() { Exit::Fine } else { Exit::Finding })
    })
}

fn refused(why: &str) -> Exit {
    log::say_error(why);
    Exit::Finding
}

/// Asks once more, whoever can be asked.
fn confirmed(name: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("this cannot be undone; say `--yes` when it is meant");
    }
    write!(io::stderr(), "Nobody will ever read again what is recorded of `{name}`. Type the name again: ")?;
    let mut typed = String::new();
    io::stdin().read_line(&mut typed)?;
    Ok(typed.trim_end_matches(['\r', '\n']) == name)
}
