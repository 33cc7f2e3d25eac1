//! `portcullis audit …`

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ipnet::IpNet;
use jiff::Timestamp;
use portcullis_contract::admin::FOUND_MAX;
use portcullis_model::RequestId;
use portcullis_model::audit::{Kind, Outcome, Severity};
use serde::de::DeserializeOwned;

use super::{ConfigFile, Format};

/// What can be asked of a ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Is every entry there, unchanged and in order? Names the first one that is not
    ///
    /// Reads the files of a copied folder, or of a node that runs, and needs the log's public key alone. Exit code 1 means
    /// that the log is not what it was.
    Verify(Verify),
    /// Write a proof that an entry is in the ledger, to be checked by others (c2sp.org/tlog-proof)
    Prove(ProofWanted),
    /// Check such a proof, with nothing but the entry and the log's public key
    CheckProof(ProofCheck),
    /// Show the newest entries, with what tells of people; the reading itself is recorded
    ///
    /// Asks the node that runs, as its own user or as root; while none runs, opens its files.
    Tail(Tail),
    /// Search the entries; the reading itself is recorded
    ///
    /// All conditions must hold; of one that is given several times, one is enough. Asks the node that runs, as its own
    /// user or as root; while none runs, opens its files.
    Search(SearchFor),
}

/// The end of the ledger.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// How many entries
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=i64::from(FOUND_MAX)))]
    pub(crate) limit: u32,
    /// Then show what comes, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) conditions: Conditions,
    /// The form of the answer; json is one entry a line
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// A search.
#[derive(Debug, Args)]
pub(crate) struct SearchFor {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    #[command(flatten)]
    pub(crate) conditions: Conditions,
    /// At most so many entries, the newest
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(FOUND_MAX)))]
    pub(crate) limit: u32,
    /// The form of the answer; json is one entry a line
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// What entries are asked for.
#[derive(Debug, Args)]
pub(crate) struct Conditions {
    /// Of this kind, such as security_violation; may be given several times
    #[arg(long, value_parser = word::<Kind>)]
    pub(crate) kind: Vec<Kind>,
    /// With this outcome: success, failure, refused, error, aborted, intended or unknown; may be given several times
    #[arg(long, value_parser = word::<Outcome>)]
    pub(crate) outcome: Vec<Outcome>,
    /// Of this severity or a worse one: info, low, medium, high or critical
    #[arg(long, value_parser = word::<Severity>)]
    pub(crate) severity: Option<Severity>,
    /// With this action, such as request or subject.erase; may be given several times
    #[arg(long)]
    pub(crate) action: Vec<Box<str>>,
    /// About this application
    #[arg(long, value_name = "NAME")]
    pub(crate) application: Option<Box<str>>,
    /// About this route
    #[arg(long, value_name = "NAME")]
    pub(crate) route: Option<Box<str>>,
    /// Done by, or to, this principal
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<Box<str>>,
    /// From this address, or from one of these
    #[arg(long, value_name = "ADDRESS|PREFIX", value_parser = addresses)]
    pub(crate) client: Option<IpNet>,
    /// Of the request with this id
    #[arg(long, value_name = "ID", value_parser = request_id)]
    pub(crate) request: Option<RequestId>,
    /// Not before this time, such as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Timestamp>,
    /// With this text in the path
    #[arg(long)]
    pub(crate) text: Option<Box<str>>,
}

/// A word as entries have it.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    // The library's words say which there are.
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn addresses(text: &str) -> Result<IpNet, String> {
    let one = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    one.or_else(|_| text.parse()).map_err(|_| "write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32".to_owned())
}

fn request_id(text: &str) -> Result<RequestId, String> {
    RequestId::parse(text).ok_or_else(|| "an id has 32 digits of hex, as in `X-Request-Id`".to_owned())
}

/// `portcullis data …`
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// What is known of a person
    #[command(subcommand)]
    Subject(SubjectCommand),
}

/// What can be done for a person.
#[derive(Debug, Subcommand)]
pub(crate) enum SubjectCommand {
    /// Make unreadable for ever all that is sealed about a person, in the ledger and in all of its copies
    ///
    /// Destroys the key of this person. The entries stay and can be verified; who it was, from where and what was asked for
    /// can no longer be read by anybody. That it was done is recorded, without the name. Whoever can still ask the gate for
    /// something afterwards gets a new key for what comes then.
    Erase(Erase),
}

/// Whom to erase.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The principal, as entries name it: the owner of an API key
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Do not ask again
    #[arg(long)]
    pub(crate) yes: bool,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Which ledger.
#[derive(Debug, Args)]
pub(crate) struct LogPlace {
    /// The ledger's folder, or a copy of it; in place of `--config`
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// The configuration of the node whose ledger it is
    #[arg(long, short, default_value = "portcullis.toml", env = "PORTCULLIS_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The log's public key, or a file with it; by default the one beside the log, which whoever changes the log can
    /// change too
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) public_key: Option<String>,
}

/// What is verified.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) log: LogPlace,
    /// A checkpoint that is remembered from before, or a folder of them; may be given several times. Without one, a log
    /// that its own key has signed anew passes
    #[arg(long, value_name = "FILE|FOLDER")]
    pub(crate) against: Vec<PathBuf>,
    /// Only the entries from this one on, rounded to 256
    #[arg(long, value_name = "INDEX")]
    pub(crate) from: Option<u64>,
    /// Only the entries up to this one, rounded to 256
    #[arg(long, value_name = "INDEX")]
    pub(crate) to: Option<u64>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// What is proved.
#[derive(Debug, Args)]
pub(crate) struct ProofWanted {
    /// The entry's place in the ledger, from 0 on
    pub(crate) index: u64,
    #[command(flatten)]
    pub(crate) log: LogPlace,
    /// The file that gets the proof; standard output by default
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// A file that gets the entry itself, which whoever checks the proof needs
    #[arg(long, value_name = "FILE")]
    pub(crate) entry: Option<PathBuf>,
}

/// What is checked.
#[derive(Debug, Args)]
pub(crate) struct ProofCheck {
    /// The file with the proof
    pub(crate) proof: PathBuf,
    /// The file with the entry; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) entry: PathBuf,
    /// The log's public key, or a file with it
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) public_key: String,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}
