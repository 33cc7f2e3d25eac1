//! The stages of a request, in their order, and whose fault a refusal is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The stages of a request, in the order in which they run. `gateway::stages` shows the walk itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Connection limits, then the strict reading of the head.
    Accept,
    /// The client's address, and whether it is banned.
    Address,
    /// Limits per address prefix, before anything else is read.
    Flood,
    /// One reading of method, target, host and headers.
    Normalize,
    /// Application and route.
    Route,
    /// Inspection of what the head carries.
    InspectHead,
    /// The one credential becomes a principal.
    Authenticate,
    /// Limits per principal, key and route.
    Limit,
    /// Whether the principal may do this.
    Authorize,
    /// Inspection of the body.
    InspectBody,
    /// The intent becomes durable, where the route asks for it.
    Record,
    /// The request goes to the upstream.
    Forward,
    /// The upstream's answer is made fit for the client.
    Respond,
    /// The story ends: exactly one event.
    Account,
}

impl Stage {
    /// Every stage in order.
    pub const ALL: [Stage; 14] = [
        Stage::Accept,
        Stage::Address,
        Stage::Flood,
        Stage::Normalize,
        Stage::Route,
        Stage::InspectHead,
        Stage::Authenticate,
        Stage::Limit,
        Stage::Authorize,
        Stage::InspectBody,
        Stage::Record,
        Stage::Forward,
        Stage::Respond,
        Stage::Account,
    ];

    /// The name in logs, metrics and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Accept => "accept",
            Stage::Normalize => "normalize",
            Stage::Address => "address",
            Stage::Flood => "flood",
            Stage::Route => "route",
            Stage::InspectHead => "inspect_head",
            Stage::Authenticate => "authenticate",
            Stage::Limit => "limit",
            Stage::Authorize => "authorize",
            Stage::InspectBody => "inspect_body",
            Stage::Record => "record",
            Stage::Forward => "forward",
            Stage::Respond => "respond",
            Stage::Account => "account",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose fault a refusal is: it chooses the log level and who should act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The client sent something that it must not, or may not, send.
    Client,
    /// The application behind the gate failed.
    Upstream,
    /// The gate failed.
    Us,
    /// The configuration or the machine is at fault.
    Operator,
}

impl Blame {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Blame::Client => "client",
            Blame::Upstream => "upstream",
            Blame::Us => "us",
            Blame::Operator => "operator",
        }
    }
}
