//! `portcullis audit …`: what can be asked of a ledger. Verifying and proving need its files and its public key alone, so an
//! auditor can do both without the node, and without trusting it.

mod place;
mod prove;
mod reading;
mod table;
mod verify;

use crate::Exit;
use crate::cli::{AuditCommand, DataCommand, SubjectCommand};
pub(crate) use place::state_directory;

/// Runs one of the subcommands.
pub(crate) fn run(command: &AuditCommand) -> anyhow::Result<Exit> {
    match command {
        AuditCommand::Verify(wanted) => verify::run(wanted),
        AuditCommand::Prove(wanted) => prove::prove(wanted),
        AuditCommand::CheckProof(wanted) => prove::check(wanted),
        AuditCommand::Tail(wanted) => reading::tail(wanted),
        AuditCommand::Search(wanted) => reading::search(wanted),
    }
}

/// Runs one of the subcommands of `portcullis data`.
pub(crate) fn data(command: &DataCommand) -> anyhow::Result<Exit> {
    let DataCommand::Subject(SubjectCommand::Erase(wanted)) = command;
    reading::erase(wanted)
}
