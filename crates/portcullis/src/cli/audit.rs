//! `portcullis audit …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

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
