//! `portcullis user …`, `session …` and `setup-code`: who may come in, and who is in.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::administration::{ChangeWanted, ListWanted};
use super::{ConfigFile, Format};

/// `portcullis user …`
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make an account; prints a code by which its user chooses a password
    ///
    /// The code is good once, for a day, at `/.portcullis/setup` of the portal. So nobody but the user ever knows the password.
    Add(AddUser),
    /// Show the accounts, in the order of their names
    List(ListWanted),
    /// Show an account
    Show(OneUser),
    /// Give a user these roles, and no others
    Roles {
        #[command(flatten)]
        user: OneUser,
        /// A role; may be given several times. Without any, the user has none
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Close an account: its sessions end, and it cannot be used until it is enabled again
    Disable(OneUser),
    /// Open an account that was closed
    Enable(OneUser),
    /// Make a code by which a user chooses a new password; what they had before is good until it is used
    Password {
        #[command(flatten)]
        user: OneUser,
        /// Set the password that is read from standard input instead, and end all sessions; for scripts
        #[arg(long)]
        password_stdin: bool,
    },
    /// Delete an account with its sessions and API keys
    Delete {
        #[command(flatten)]
        user: OneUser,
        /// Do not ask again
        #[arg(long)]
        yes: bool,
    },
    /// Let an account or an address try passwords again at once, whatever was tried before
    Unlock {
        /// The user
        #[arg(required_unless_present = "address", conflicts_with = "address")]
        name: Option<String>,
        /// An address in place of a user
        #[arg(long)]
        address: Option<IpAddr>,
        #[command(flatten)]
        wanted: ChangeWanted,
    },
    /// Make accounts for the people of another program, with the hashes of their passwords
    ///
    /// All of the file is looked at first. What cannot be taken is listed line by line, and then nothing is done, unless
    /// bad ones may be skipped.
    Import(ImportUsers),
}

/// One user.
#[derive(Debug, Clone, Args)]
pub(crate) struct OneUser {
    /// The user's name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) wanted: ChangeWanted,
}

/// A new account.
#[derive(Debug, Args)]
pub(crate) struct AddUser {
    #[command(flatten)]
    pub(crate) user: OneUser,
    /// A role; may be given several times
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// The name that applications know the user by, where they had one before
    #[arg(long, value_name = "ID")]
    pub(crate) user_id: Option<String>,
    /// Read a password from standard input instead of making a code; for scripts
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// Accounts from elsewhere.
#[derive(Debug, Args)]
pub(crate) struct ImportUsers {
    /// The file
    pub(crate) path: PathBuf,
    /// What wrote it
    #[arg(long, value_enum)]
    pub(crate) format: UserFormat,
    /// A role for all of them; may be given several times
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take those that are good, although others are not
    #[arg(long)]
    pub(crate) skip_bad: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

/// What wrote a file of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UserFormat {
    /// Apache's or nginx's: `NAME:HASH` in each line
    Htpasswd,
    /// Authelia's `users_database.yml`; its groups become roles where one is declared of that name
    Authelia,
    /// A table with a head: `name`, `password_hash`, and if wanted `roles` (separated by blanks) and `user_id`
    Csv,
}

/// `portcullis session …`
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Show who is logged in
    List {
        /// Only this user's sessions
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        #[command(flatten)]
        wanted: ListWanted,
    },
    /// End a session, or all of a user's, on every node within a second
    End {
        /// The session's id
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        id: Option<String>,
        /// All sessions of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        #[command(flatten)]
        wanted: ChangeWanted,
    },
}

/// For whom a code is.
#[derive(Debug, Args)]
pub(crate) struct SetUpCode {
    /// An administrator who is locked out; left out, the code is for the first one, while there is no account
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}
