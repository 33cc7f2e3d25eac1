//! The log: JSON lines for machines, coloured text for people, all on standard error.

use std::io::{IsTerminal, Write};

use portcullis_contract::snapshot::LogForm;
use tracing_subscriber::EnvFilter;

use crate::adapter::Lines;

/// The form that is really written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object per line.
    Json,
    /// Text; with colours on a terminal.
    Text(Colour),
}

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    On,
    /// Elsewhere.
    Off,
}

impl Form {
    /// Settles `auto` by where standard error goes.
    pub(crate) fn settle(wanted: LogForm) -> Self {
        match wanted {
            LogForm::Json => Self::Json,
            LogForm::Text => Self::Text(Colour::of_stderr()),
            LogForm::Auto if std::io::stderr().is_terminal() => Self::Text(Colour::of_stderr()),
            LogForm::Auto => Self::Json,
        }
    }
}

impl Colour {
    /// Whether standard error takes colours.
    pub(crate) fn of_stderr() -> Self {
        Self::of(&std::io::stderr())
    }

    /// Whether standard output takes colours.
    pub(crate) fn of_stdout() -> Self {
        Self::of(&std::io::stdout())
    }

    /// `NO_COLOR` is the convention of no-color.org.
    fn of(stream: &impl IsTerminal) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if wanted && stream.is_terminal() { Self::On } else { Self::Off }
    }

    /// `text` in an ANSI colour, when colours are on.
    pub(crate) fn paint(self, code: u8, text: &str) -> String {
        match self {
            Self::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Off => text.to_owned(),
        }
    }
}

/// The HTTP/2 library warns of single frames, so a client could fill the log; what matters of them has its event. Whoever
/// names the library in `PORTCULLIS_LOG` hears it all the same.
const QUIET: &str = "h2=off";

/// Sends the process's own messages into the log's queue. `PORTCULLIS_LOG` chooses the levels, `info` by default.
///
/// Panics take the same way: whoever can cause one must not make the thread that serves others wait for the log's reader.
pub(crate) fn begin(form: Form, lines: Lines) {
    let asked = std::env::var("PORTCULLIS_LOG").unwrap_or_else(|_| "info".to_owned());
    let levels = EnvFilter::try_new(format!("{QUIET},{asked}"));
    let levels = levels.unwrap_or_else(|_| EnvFilter::new(format!("{QUIET},info")));
    let builder = tracing_subscriber::fmt().with_env_filter(levels).with_writer(lines);
    // A second start in one process keeps the first one's log.
    let begun = match form {
        Form::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        Form::Text(colour) => builder.with_ansi(colour == Colour::On).with_target(false).compact().try_init(),
    };
    if begun.is_ok() {
        std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    }
}

/// A line for the person who typed a command.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line about a command that failed.
pub(crate) fn say_error(text: &str) {
    let error = Colour::of_stderr().paint(31, "error:");
    let _ = writeln!(std::io::stderr(), "{error} {text}");
}

/// A line about what a command did besides its answer, apart from the answer so that programs can read that.
pub(crate) fn say_note(text: &str) {
    let note = Colour::of_stderr().paint(33, "note:");
    let _ = writeln!(std::io::stderr(), "{note} {text}");
}
