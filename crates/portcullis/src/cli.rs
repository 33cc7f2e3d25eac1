//! What can be typed: one struct per command. The help texts are the command-line reference.

mod administration;
mod audit;
mod people;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use administration::{BanCommand, ChangeWanted, CreateKey, ListWanted, OneRole, RoleCommand};
pub(crate) use audit::{
    AuditCommand, Conditions, DataCommand, Erase, LogPlace, ProofCheck, ProofWanted, SearchFor,
    SubjectCommand, Tail, Verify,
};
pub(crate) use people::{AddUser, ImportUsers, OneUser, SessionCommand, SetUpCode, UserCommand, UserFormat};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version,
    about = "One binary that any HTTP application stands behind to be protected",
    after_help = "Start with `portcullis demo` to see it work, or with\n\
                  `portcullis init --upstream http://127.0.0.1:3000` for an application of your own.\n\n\
                  Exit codes: 0 fine, 1 a finding or a refusal, 2 wrong usage or configuration."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gate
    ///
    /// SIGHUP takes over a changed configuration, or says why not and changes nothing. SIGTERM and Ctrl-C let open
    /// requests finish and stop.
    Run(ConfigFile),
    /// Run the gate in front of a small demo application and print what to try
    Demo(DemoArguments),
    /// Write a configuration for an application that runs already, in observe mode
    Init(InitArguments),
    /// Check, show and explain configurations
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make accounts, give them roles, close, delete and import them
    #[command(subcommand)]
    User(UserCommand),
    /// See what roles there are, and what they may do
    #[command(subcommand)]
    Role(RoleCommand),
    /// See who is logged in, and end that
    #[command(subcommand)]
    Session(SessionCommand),
    /// Make, hash, list, rotate and end API keys
    #[command(subcommand)]
    Apikey(ApikeyCommand),
    /// Shut addresses out, see who is, let them in again
    #[command(subcommand)]
    Ban(BanCommand),
    /// Make a code for the first administrator, or for one who is locked out
    SetupCode(SetUpCode),
    /// Verify the ledger and prove its entries, offline; read and search it
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Erase what is known of a person
    #[command(subcommand)]
    Data(DataCommand),
    /// Look for what is wrong around the gate: upstreams that do not answer, or that answer past it
    Doctor(DoctorArguments),
}

/// Which configuration.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file
    #[arg(long, short, default_value = "portcullis.toml", env = "PORTCULLIS_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// The form of a command's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// How the demo runs.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Address and port of the gate; port 0 lets the system choose
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// Where the demo keeps its files; a temporary folder that is removed at the end by default
    #[arg(long, value_name = "FOLDER")]
    pub(crate) directory: Option<PathBuf>,
}

/// What `init` writes.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The application's own address, such as http://127.0.0.1:3000
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,
    /// Address and port for the clients, which they use from now on instead of the application's
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// The folder that gets `portcullis.toml` and the state folder
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    pub(crate) directory: PathBuf,
}

/// `portcullis config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say all that is wrong with a configuration, each with its line; nothing needs to run
    Check {
        #[command(flatten)]
        file: ConfigFile,
        /// The form of the findings
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Print the configuration with all defaults filled in; secrets are named, never shown
    Show {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Print the reference of all settings, as Markdown
    Reference,
}

/// `portcullis apikey …`
#[derive(Debug, Subcommand)]
pub(crate) enum ApikeyCommand {
    /// Make a key of a user, kept in the store; prints it once
    Create(CreateKey),
    /// Show the keys of the store, without their texts, which are nowhere
    List {
        /// Only this user's keys
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
        #[command(flatten)]
        wanted: ListWanted,
    },
    /// Give a key of the store another text; the old one is good beside it for a while
    Rotate {
        /// The key's name or id, as `apikey list` shows them
        #[arg(value_name = "NAME")]
        id: String,
        /// For how long the old text is good, such as 1h, at most 30d; 0s ends it at once
        #[arg(long, default_value = "1d", value_name = "DURATION", value_parser = portcullis_contract::config::duration)]
        overlap: std::time::Duration,
        #[command(flatten)]
        wanted: ChangeWanted,
    },
    /// End a key of the store
    Delete {
        /// The key's name or id, as `apikey list` shows them
        #[arg(value_name = "NAME")]
        id: String,
        #[command(flatten)]
        wanted: ChangeWanted,
    },
    /// Make a key for the configuration: prints it once, and the lines that let it in
    New(NewKey),
    /// Hash an existing key, read from standard input, so that it can be let in without storing it
    Hash {
        #[command(flatten)]
        file: ConfigFile,
        /// The form of the answer
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
}

/// What a new key is for.
#[derive(Debug, Args)]
pub(crate) struct NewKey {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// The key's public name, which appears in logs
    #[arg(long)]
    pub(crate) name: String,
    /// Who uses it; the application sees this name
    #[arg(long)]
    pub(crate) owner: String,
    /// A role of the owner; may be given several times
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// A permission, such as read:tasks; may be given several times. With roles it narrows them
    #[arg(long = "permission", value_name = "PERMISSION")]
    pub(crate) permissions: Vec<String>,
    /// Days until the key expires
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub(crate) days: u16,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// How `doctor` looks.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// The form of the findings
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}
