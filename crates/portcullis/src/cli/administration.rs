//! `portcullis ban …` and `role …`: what administrators see and do of a node.

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use portcullis_contract::config;

use super::{ConfigFile, Format};

/// What every list can be asked.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListWanted {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// At most so many
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,
    /// Begin after this one, which a longer list has named
    #[arg(long, value_name = "KEY")]
    pub(crate) after: Option<String>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// What every change is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeWanted {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// `portcullis ban …`
#[derive(Debug, Subcommand)]
pub(crate) enum BanCommand {
    /// Shut an address out: all of its requests are answered 429, and its WebSockets end
    ///
    /// IPv6 addresses are shut out with their /64. The ban ends by itself, and with the process of the node. What
    /// `ban.exempt` or `listen.trusted_proxies` names is never banned.
    Add {
        /// The address, such as 192.0.2.7 or 2001:db8::7
        address: String,
        /// For how long, such as 1h30m, at most 30d; by default what `ban.duration` says
        #[arg(long = "for", value_name = "DURATION", value_parser = config::duration)]
        duration: Option<Duration>,
        #[command(flatten)]
        wanted: ChangeWanted,
    },
    /// Show who is shut out, until when and why
    List(ListWanted),
    /// Let an address in again
    Lift {
        /// The address, or the prefix as `ban list` shows it
        address: String,
        #[command(flatten)]
        wanted: ChangeWanted,
    },
}

/// A key of the store that is to be made, or taken over.
#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// The key's public name, which appears in logs
    pub(crate) name: String,
    /// The user whose it is
    #[arg(long)]
    pub(crate) owner: String,
    /// A permission, such as read:tasks; may be given several times. The key can do no more than its owner
    #[arg(long = "permission", value_name = "PERMISSION", required = true)]
    pub(crate) permissions: Vec<String>,
    /// An application that it is good for; may be given several times. Without any, it is good for all
    #[arg(long = "application", value_name = "NAME")]
    pub(crate) applications: Vec<String>,
    /// When it ends, such as 2027-03-01T00:00:00Z; 30 days from now by default
    #[arg(long, value_name = "TIME", conflicts_with = "never_expires")]
    pub(crate) expires: Option<Timestamp>,
    /// It never ends
    #[arg(long)]
    pub(crate) never_expires: bool,
    /// Take over the key that is read from standard input, instead of making one
    #[arg(long)]
    pub(crate) import: bool,
    #[command(flatten)]
    pub(crate) wanted: ChangeWanted,
}

/// `portcullis role …`
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Show the roles: those of the configuration, and those that administrators keep in the store
    List(ListWanted),
    /// Show what the holders of a role may do
    Show(OneRole),
    /// Make a role, which is kept in the store
    Add {
        #[command(flatten)]
        role: OneRole,
        /// A permission that `access.permissions` declares, such as read:tasks, or read:* for all of one action; may be given
        /// several times. Without any, its holders may do nothing
        #[arg(long = "permission", value_name = "PERMISSION")]
        permissions: Vec<String>,
    },
    /// Give a role of the store these permissions, and no others; its holders go on with them
    Set {
        #[command(flatten)]
        role: OneRole,
        /// A permission; may be given several times. Without any, its holders may do nothing
        #[arg(long = "permission", value_name = "PERMISSION")]
        permissions: Vec<String>,
    },
    /// Delete a role of the store that no user has
    Remove(OneRole),
}

/// One role.
#[derive(Debug, Clone, Args)]
pub(crate) struct OneRole {
    /// The role's name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) wanted: ChangeWanted,
}
