//! `portcullis user import`: a file of users is read and judged as a whole, by us and by the node, before one account is made.

use std::fs::File;

use anyhow::Context;
use http::Method;
use portcullis_control::{ApiClient, CallError};
use serde_json::{Value, json};

use super::people_files::{Bad, Found, read};
use crate::bounded::read_bounded;
use crate::cli::ImportUsers;
use crate::shown::plain;
use crate::{Exit, asking, log};

/// Longest file, in bytes: some hundred thousand users.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Accounts that are asked for at once.
const AT_ONCE: usize = 500;
/// Bad lines that are shown one by one.
const SHOWN_MAX: usize = 1000;

/// Whether accounts are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// They are looked at.
    Dry,
    /// They are made.
    Real,
}

/// Imports a file.
pub(super) fn run(wanted: &ImportUsers) -> anyhow::Result<Exit> {
    let shown = wanted.path.display();
    let bytes = File::open(&wanted.path).and_then(|file| read_bounded(file, FILE_BYTES_MAX));
    let text = String::from_utf8(bytes.with_context(|| format!("`{shown}` cannot be read"))?);
    let text = text.with_context(|| format!("`{shown}` is no text"))?;
    let read =
        read(&text, wanted.format, &wanted.roles).map_err(|why| anyhow::anyhow!("`{shown}`: {why}"))?;
    asking::administer(&wanted.file.config, async |client| {
        let mut bad = read.bad;
        let (good, refused) = round(client, &read.good, Round::Dry).await?;
        bad.extend(refused);
        bad.sort_by_key(|bad| bad.at);
        bad.iter().take(SHOWN_MAX).for_each(say_bad);
        if bad.len() > SHOWN_MAX {
            log::say_error(&format!("and {} more", bad.len() - SHOWN_MAX));
        }
        if wanted.dry_run || !bad.is_empty() && !wanted.skip_bad {
            let word = if bad.is_empty() { "nothing was done; all are good" } else { "nothing was done" };
            log::say(&format!("{word}: {good} accounts can be made, {} cannot", bad.len()));
            return Ok(if bad.is_empty() { Exit::Fine } else { Exit::Finding });
        }
        let refused: Vec<u64> = bad.iter().map(|bad| bad.at).collect();
        let left: Vec<Found> = read.good.into_iter().filter(|one| !refused.contains(&one.at)).collect();
        let (made, failed) = round(client, &left, Round::Real).await?;
        failed.iter().for_each(say_bad);
        log::say(&format!("{made} accounts were made, {} were not", bad.len() + failed.len()));
        if !failed.is_empty() {
            log::say_note("what failed at the end can be done again: `--skip-bad` leaves out what is there");
        }
        Ok(if failed.is_empty() { Exit::Fine } else { Exit::Finding })
    })
}

/// Asks for all accounts, some at once: how many are good, and which are not.
async fn round(client: &mut ApiClient, all: &[Found], round: Round) -> Result<(u64, Vec<Bad>), CallError> {
    let (mut good, mut bad) = (0, Vec::new());
    for some in all.chunks(AT_ONCE) {
        let users: Vec<Value> = some.iter().map(question).collect();
        // They were looked at before: what is bad now became so meanwhile, and keeps the others from nothing.
        let question =
            json!({ "users": users, "dry_run": round == Round::Dry, "skip_bad": round == Round::Real });
        let answer = client.call(Method::POST, "/api/v1/users/import", Some(&question)).await?;
        good += answer.get("good").and_then(Value::as_u64).unwrap_or_default();
        for one in answer.get("bad").and_then(Value::as_array).into_iter().flatten() {
            let index = one.get("at").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
            let Some(found) = index.and_then(|index| some.get(index)) else { continue };
            let reason = one.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
            bad.push(Bad { at: found.at, name: found.name.clone(), reason });
        }
    }
    Ok((good, bad))
}

fn question(found: &Found) -> Value {
    json!({
        "name": found.name,
        "password_hash": found.password_hash,
        "roles": found.roles,
        "user_id": found.user_id,
    })
}

fn say_bad(bad: &Bad) {
    log::say_error(&format!("{}: {}: {}", bad.at, plain(&bad.name), plain(&bad.reason)));
}
