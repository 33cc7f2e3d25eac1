//! Bans: who is shut out by address, seen, made and lifted by hand.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use portcullis_contract::admin::{Actor, StandingBan};
use portcullis_model::Prefix;
use portcullis_model::audit::{Change, Entry, Personal, Severity, action};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::asked::{Asked, Body, Named};
use super::page::{Page, Wanted};
use super::problem::Problem;
use crate::bans::{BanProblem, KeptBans};

/// Longest ban, in seconds: as in the configuration.
const DURATION_S_MAX: u64 = 30 * 86_400;

/// A ban that stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ban {
    /// Who is shut out: a /32 of IPv4, a /64 of IPv6.
    #[schema(example = "192.0.2.7/32")]
    prefix: String,
    /// Until when.
    until: Timestamp,
    /// Why: `manual`, or `suspicion` with the pattern of the last suspicious request.
    #[schema(example = "suspicion (union_select)")]
    reason: Box<str>,
}

/// Whom to shut out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBan {
    /// An address, or a prefix as bans have it.
    #[schema(example = "192.0.2.7")]
    address: String,
    /// For how long, in seconds, up to 30 days; `ban.duration` of the configuration when left out.
    #[schema(example = 3600, minimum = 1, maximum = 2_592_000)]
    duration_s: Option<u64>,
}

impl From<StandingBan> for Ban {
    fn from(ban: StandingBan) -> Self {
        Self { prefix: ban.prefix.to_string(), until: ban.until, reason: ban.reason }
    }
}

/// Bans that stand, in the order of their prefixes
#[utoipa::path(get, path = "/bans", tag = "bans", params(Wanted),
    responses((status = 200, body = Page<Ban>), (status = "default", body = Problem)))]
pub(super) async fn list_bans(
    State(api): State<Arc<Api>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<Ban>>, Problem> {
    let after = wanted.after().map(read_prefix).transpose()?;
    let standing = api.bans()?.standing().into_iter();
    let following = standing.skip_while(|ban| after.is_some_and(|after| ban.prefix <= after));
    Ok(Json(Page::of(following.map(Ban::from), wanted.count()?, |ban| ban.prefix.clone())))
}

/// Shuts an address out
///
/// On every node within a second, until it ends by itself. One that reaches further stays as it is. What is exempt is never
/// banned.
#[utoipa::path(post, path = "/bans", tag = "bans", request_body = NewBan,
    responses((status = 201, body = Ban), (status = "default", body = Problem)))]
pub(super) async fn add_ban(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Body(wanted): Body<NewBan>,
) -> Result<(StatusCode, Json<Ban>), Problem> {
    let bans = api.bans()?;
    let prefix = read_prefix(&wanted.address)?;
    let duration = match wanted.duration_s {
        None => api.snapshot().ban.duration,
        Some(seconds @ 1..=DURATION_S_MAX) => Duration::from_secs(seconds),
        Some(_) => return Err(Problem::malformed("`duration_s` is from 1 second to 30 days")),
    };
    let old = bans.against(prefix).map_err(|never| Problem::conflict(never.to_string()))?;
    let until = until(api.ports.clock.wall(), duration);
    let is_shorter = old.as_ref().is_some_and(|old| old.until > until);
    let new =
        if is_shorter { old.clone() } else { Some(StandingBan { prefix, until, reason: MANUAL.into() }) };
    let entry = api.entry(&by, action::BAN_ADD, Severity::Medium);
    api.keep(told(entry, prefix, old.as_ref(), new.as_ref())).await?;
    let stands = bans.ban(prefix, duration).await?;
    Ok((StatusCode::CREATED, Json(stands.into())))
}

/// Lets an address in again
#[utoipa::path(delete, path = "/bans/{prefix}", tag = "bans",
    params(("prefix" = String, Path, description = "The prefix, or an address in it")),
    responses((status = 204), (status = "default", body = Problem)))]
pub(super) async fn lift_ban(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(prefix): Named<String>,
) -> Result<StatusCode, Problem> {
    let bans = api.bans()?;
    let prefix = read_prefix(&prefix)?;
    let old = bans.standing().into_iter().find(|ban| ban.prefix == prefix);
    let old = old.ok_or_else(|| Problem::not_found(format!("`{prefix}` is not banned")))?;
    let entry = api.entry(&by, action::BAN_LIFT, Severity::Medium);
    api.keep(told(entry, prefix, Some(&old), None)).await?;
    // One that has ended by itself meanwhile is gone as well.
    bans.lift(prefix).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The reason of a ban by hand.
const MANUAL: &str = "manual";

impl Api {
    fn bans(&self) -> Result<&KeptBans, Problem> {
        let bans = self.ports.bans.as_deref();
        bans.ok_or_else(|| {
            Problem::conflict("no node runs here: bans are seen and changed through one that does")
        })
    }
}

impl From<BanProblem> for Problem {
    fn from(why: BanProblem) -> Self {
        match why {
            BanProblem::Never(_) | BanProblem::Full => Self::conflict(why.to_string()),
            BanProblem::Store(_) | BanProblem::Contended => Self::unavailable(why.to_string()),
        }
    }
}

/// An entry that says what became of a prefix. Whose it is tells of somebody, and is sealed.
fn told(
    mut entry: Entry<Personal>,
    prefix: Prefix,
    old: Option<&StandingBan>,
    new: Option<&StandingBan>,
) -> Entry<Personal> {
    let words = |ban: &StandingBan| format!("until {:.0}, {}", ban.until, ban.reason).into();
    entry.about = Some(Box::new(Personal { client: Some(prefix.first()), ..Personal::default() }));
    entry.change = Some(Change { setting: "ban".into(), old: old.map(words), new: new.map(words) });
    entry
}

fn until(now: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The prefix that an address counts for, or that is written as bans have it.
fn read_prefix(text: &str) -> Result<Prefix, Problem> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Prefix::of(address));
    }
    let net: IpNet =
        text.parse().map_err(|_| Problem::malformed("an address is written `192.0.2.7` or `2001:db8::7`"))?;
    let prefix = Prefix::of(net.addr());
    if net.prefix_len() == prefix.bits() {
        return Ok(prefix);
    }
    Err(Problem::malformed(format!(
        "`{text}` is no prefix that is banned: those are a /32 of IPv4 and a /64 of IPv6"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_read_from_an_address_or_as_bans_have_it() {
        for (text, prefix) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/32", "192.0.2.7/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::7", "2001:db8::/64"),
            ("2001:db8::/64", "2001:db8::/64"),
        ] {
            assert_eq!(read_prefix(text).unwrap().to_string(), prefix);
        }
        for text in ["", "*", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/48", "2001:db8::7/128", "shop.example"]
        {
            assert!(read_prefix(text).is_err(), "{text}");
        }
    }
}
