//! `cargo run -p portcullis-xtask -- measure`: figures about our own code. The checks are tests, not commands.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use portcullis_xtask::{measure, tree};

fn main() -> Result<ExitCode> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if words != ["measure"] {
        writeln!(std::io::stderr(), "usage: cargo run -p portcullis-xtask -- measure")?;
        return Ok(ExitCode::from(2));
    }
    let table = measure::table(&tree::load(&tree::root()?)?);
    write!(std::io::stdout(), "{table}")?;
    Ok(ExitCode::SUCCESS)
}
