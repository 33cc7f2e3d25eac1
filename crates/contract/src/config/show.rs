//! The configuration in force, as TOML with all defaults filled in. Secrets are named by their source only, because
//! that is all that [`Raw`] knows of them.

use super::Raw;
use super::kind::{Kind as _, Shown};

/// The configuration with every default filled in. Settings without a value stand as a remark.
pub fn show(raw: &Raw) -> String {
    let mut out = String::new();
    if let Some(Shown::Table(root)) = raw.config.as_ref().map(|config| config.shown()) {
        table("", &root, &mut out);
    }
    out.trim_start().to_owned()
}

fn table(path: &str, settings: &[(String, Option<Shown>)], out: &mut String) {
    for (name, value) in settings {
        match value {
            Some(Shown::Value(text)) => *out += &format!("{name} = {text}\n"),
            None => *out += &format!("# {name} is not set\n"),
            // After the values: TOML would take values behind a header for the header's.
            Some(Shown::Table(_) | Shown::Tables(_)) => {}
        }
    }
    for (name, value) in settings {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{name}");
        match value {
            Some(Shown::Table(settings)) => section(&path, "[", "]", settings, out),
            Some(Shown::Tables(tables)) => {
                for one in tables {
                    let Shown::Table(settings) = one else { continue };
                    section(&path, "[[", "]]", settings, out);
                }
            }
            Some(Shown::Value(_)) | None => {}
        }
    }
}

fn section(path: &str, open: &str, close: &str, settings: &[(String, Option<Shown>)], out: &mut String) {
    // A table that only holds tables needs no header of its own.
    if settings.iter().any(|(_, value)| !matches!(value, Some(Shown::Table(_) | Shown::Tables(_)))) {
        *out += &format!("\n{open}{path}{close}\n");
    }
    table(path, settings, out);
}
