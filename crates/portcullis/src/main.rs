//! The binary: subcommands, reading files, constructing adapters, signals. It decides nothing by itself.
//!
//! Read [`cli`] for what can be typed, [`run`] for how a node is put together.

mod adapter;
mod administration;
mod apikey;
mod asking;
mod audit;
mod bounded;
mod cli;
mod config;
mod demo;
mod demo_command;
mod doctor;
mod init;
mod ledger;
mod log;
mod people;
mod run;
mod shown;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// A request makes some dozens of small values, for which the system's allocator takes a seventh of all instructions.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a command found: the exit code that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// All is well: 0.
    Fine,
    /// A finding or a refusal: 1.
    Finding,
    /// Wrong usage or a wrong configuration: 2.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Finding => Self::from(1),
            Exit::Usage => Self::from(2),
        }
    }
}

fn main() -> ExitCode {
    if let Err(error) = adapter::shield() {
        log::say_note(&format!("the memory of this process could end in a core dump: {error}"));
    }
    let done = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Demo(arguments) => demo_command::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Config(command) => config::run(&command),
        Command::Apikey(command) => apikey::run(&command),
        Command::Ban(command) => administration::ban(&command),
        Command::Role(command) => administration::role(&command),
        Command::User(command) => administration::user(&command),
        Command::Session(command) => administration::session(&command),
        Command::SetupCode(wanted) => administration::set_up_code(&wanted),
        Command::Audit(command) => audit::run(&command),
        Command::Data(command) => audit::data(&command),
        Command::Doctor(arguments) => doctor::run(&arguments),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            log::say_error(&format!("{error:#}"));
            Exit::Usage.into()
        }
    }
}
