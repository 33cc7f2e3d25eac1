//! `portcullis config check|show|schema|reference`.

use portcullis_contract::{Diagnostic, compile, config};
use serde_json::json;

use crate::adapter::{FileSurroundings, read_config};
use crate::cli::{ConfigCommand, ConfigFile, Format};
use crate::{Exit, log, run};

/// Runs one of the subcommands.
pub(crate) fn run(command: &ConfigCommand) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Check { file, format } => check(file, *format),
        ConfigCommand::Show { file } => show(file),
        ConfigCommand::Schema => {
            log::say(&serde_json::to_string_pretty(&config::schema())?);
            Ok(Exit::Fine)
        }
        ConfigCommand::Reference => {
            log::say(config::reference().trim_end());
            Ok(Exit::Fine)
        }
    }
}

fn check(file: &ConfigFile, format: Format) -> anyhow::Result<Exit> {
    let text = read_config(&file.config)?;
    let name = file.config.display().to_string();
    let compiled = compile(&text, &name, &FileSurroundings::of(&file.config), jiff::Timestamp::now());
    let diagnostics = compiled.err().unwrap_or_default();
    match format {
        Format::Json => log::say(&json!(diagnostics.iter().map(as_json).collect::<Vec<_>>()).to_string()),
        Format::Table if diagnostics.is_empty() => log::say(&format!("{name}: no mistakes found")),
        Format::Table => run::show(&diagnostics, &text),
    }
    Ok(if diagnostics.is_empty() { Exit::Fine } else { Exit::Usage })
}

fn as_json(diagnostic: &Diagnostic) -> serde_json::Value {
    json!({
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "key": diagnostic.key,
        "message": diagnostic.message,
        "help": diagnostic.help,
    })
}

fn show(file: &ConfigFile) -> anyhow::Result<Exit> {
    let text = read_config(&file.config)?;
    let (raw, diagnostics) = config::parse(&text, &file.config.display().to_string());
    if !diagnostics.is_empty() {
        run::show(&diagnostics, &text);
        return Ok(Exit::Usage);
    }
    log::say(config::show(&raw).trim_end());
    Ok(Exit::Fine)
}
