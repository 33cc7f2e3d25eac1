//! A list of the admin API, page by page, as a table or as JSON.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_control::{ApiClient, CallError};
use serde_json::Value;

use crate::cli::{Format, ListWanted};
use crate::shown::{cell, table};
use crate::{Exit, asking, log};

/// Items that are asked for at once.
const PAGE: u32 = 200;

/// Shows a list: each column by its title and its field.
pub(super) fn show(place: &str, columns: &[(&str, &str)], wanted: &ListWanted) -> anyhow::Result<Exit> {
    asking::administer(&wanted.file.config, async |client| {
        let (items, next) = all(client, place, wanted).await?;
        say(items, columns, wanted.format);
        if let Some(next) = next {
            log::say_note(&format!("there are more: `--after {next}` shows what follows"));
        }
        Ok(Exit::Fine)
    })
}

/// Shows a list that is short and comes whole.
pub(super) fn show_all(target: &str, columns: &[(&str, &str)], wanted: &ListWanted) -> anyhow::Result<Exit> {
    asking::administer(&wanted.file.config, async |client| {
        let mut page = client.call(Method::GET, target, None).await?;
        let items = page.get_mut("items").map(Value::take);
        say(items.and_then(|items| items.as_array().cloned()).unwrap_or_default(), columns, wanted.format);
        Ok(Exit::Fine)
    })
}

fn say(items: Vec<Value>, columns: &[(&str, &str)], format: Format) {
    match format {
        Format::Json => log::say(&Value::Array(items).to_string()),
        Format::Table => {
            let (head, fields): (Vec<_>, Vec<_>) = columns.iter().copied().unzip();
            let row = |item: &Value| fields.iter().map(|field| cell(item, field)).collect();
            let rows: Vec<Vec<String>> = items.iter().map(row).collect();
            log::say(&table(&head, &rows));
        }
    }
}

/// The items that are asked for, and what a further list begins after when there are more.
async fn all(
    client: &mut ApiClient,
    place: &str,
    wanted: &ListWanted,
) -> Result<(Vec<Value>, Option<String>), CallError> {
    let (mut items, mut after) = (Vec::new(), wanted.after.clone());
    loop {
        let left = wanted.limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let count = left.min(PAGE);
        if count == 0 {
            return Ok((items, after));
        }
        let sign = if place.contains('?') { '&' } else { '?' };
        let mut target = format!("/api/v1/{place}{sign}count={count}");
        if let Some(after) = &after {
            target.push_str("&after=");
            target.extend(utf8_percent_encode(after, NON_ALPHANUMERIC));
        }
        let mut page = client.call(Method::GET, &target, None).await?;
        let more = page.get_mut("items").map(Value::take);
        items.extend(more.as_ref().and_then(Value::as_array).into_iter().flatten().cloned());
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() {
            return Ok((items, None));
        }
    }
}
