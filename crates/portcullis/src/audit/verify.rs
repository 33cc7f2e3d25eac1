//! `portcullis audit verify`: is the log what it was?

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use portcullis_ledger::note::NOTE_BYTES_MAX;
use portcullis_ledger::{
    Bundle, Checkpoint, CheckpointError, LogReader, NoteError, SignedNote, Tile, TreeHead, VerifierKey,
};
use portcullis_store::journal::LogFiles;
use portcullis_store::offline::{NotVerified, Offline};
use serde_json::{Value, json};

use super::place::{Place, files_of};
use crate::bounded::read_bounded;
use crate::cli::{Format, Verify};
use crate::log::Colour;
use crate::{Exit, log};

/// What a checkpoint's file is called in a folder of remembered ones.
const REMEMBERED: &str = "checkpoint";
/// How often the way so far is shown on a terminal.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// What is said at the end.
struct Report {
    exit: Exit,
    table: String,
    json: Value,
}

/// Verifies, and says what was found.
pub(super) fn run(wanted: &Verify) -> anyhow::Result<Exit> {
    let place = Place::find(&wanted.log)?;
    let entries = entries(wanted)?;
    let report = match remembered(&wanted.against, &place.key)? {
        Remembered::Heads(heads) => verify(&place, &heads, entries)?,
        Remembered::NotItsWord { file, why } => {
            let problem =
                format!("the remembered checkpoint `{}` is no word of this log: {why}", file.display());
            bad(&problem, None, Some(file.display().to_string()))
        }
    };
    match wanted.format {
        Format::Table => log::say(&report.table),
        Format::Json => log::say(&report.json.to_string()),
    }
    Ok(report.exit)
}

/// The entries that are asked for, when not all are.
fn entries(wanted: &Verify) -> anyhow::Result<Option<Range<u64>>> {
    if wanted.from.is_none() && wanted.to.is_none() {
        return Ok(None);
    }
    let (from, to) = (wanted.from.unwrap_or(0), wanted.to.unwrap_or(u64::MAX));
    if to < from {
        bail!("`--to {to}` is before `--from {from}`");
    }
    Ok(Some(from..to.saturating_add(1)))
}

fn verify(place: &Place, heads: &[TreeHead], entries: Option<Range<u64>>) -> anyhow::Result<Report> {
    let mut offline = Offline::with(&place.key).against(heads);
    if let Some(entries) = &entries {
        offline = offline.only(entries.clone());
    }
    let note = place.files.checkpoint_unverified().context("`checkpoint` cannot be read")?;
    let mut log = Watched::new(place.files.clone());
    let verified = offline.verify(note.as_deref(), &mut log);
    log.done();
    match verified {
        Ok(checkpoint) => {
            let uncovered = uncovered(&place.files, checkpoint.head().size)?;
            Ok(good(place, &checkpoint, heads, entries, uncovered))
        }
        Err(NotVerified::Io(why)) => bail!("nothing is known, the log cannot be read: {why}"),
        Err(problem) => Ok(bad(&problem.to_string(), problem.entries(), problem.file())),
    }
}

/// How many entries lie behind the checkpoint.
fn uncovered(files: &LogFiles, size: u64) -> anyhow::Result<u64> {
    let mut behind = files.entries(size, u64::MAX);
    let mut count = 0;
    while behind.next_entry().context("the segments behind the checkpoint cannot be read")?.is_some() {
        count += 1;
    }
    Ok(count)
}

fn good(
    place: &Place,
    checkpoint: &Checkpoint,
    heads: &[TreeHead],
    entries: Option<Range<u64>>,
    uncovered: u64,
) -> Report {
    let TreeHead { size, root } = checkpoint.head();
    let looked_at = entries.map(|entries| entries.start.min(*size)..entries.end.min(*size));
    let sizes: Vec<u64> = heads.iter().map(|head| head.size).collect();
    let mut lines = vec![
        format!(
            "{} the log `{}` is what it was",
            Colour::of_stdout().paint(32, "good:"),
            checkpoint.origin()
        ),
        format!("  entries     {size}"),
        format!("  root        {root}"),
        format!("  key         {}", place.key),
        format!(
            "  remembered  {}",
            match (sizes.iter().min(), sizes.iter().max()) {
                (Some(least), Some(most)) =>
                    format!("{} checkpoints, of {least} to {most} entries", sizes.len()),
                _ => "nothing: a log that its own key has signed anew would pass, see `--against`".into(),
            }
        ),
    ];
    if let Some(looked_at) = &looked_at {
        lines.push(format!(
            "  looked at   entries {} to {}",
            looked_at.start,
            looked_at.end.saturating_sub(1)
        ));
    }
    if uncovered > 0 {
        lines.push(format!("  {uncovered} entries behind these are not yet covered by a checkpoint"));
    }
    let json = json!({
        "verified": true,
        "origin": checkpoint.origin(),
        "entries": size,
        "root": root.to_string(),
        "key": place.key.to_string(),
        "remembered": sizes,
        "looked_at": looked_at.map(|looked_at| [looked_at.start, looked_at.end.saturating_sub(1)]),
        "uncovered": uncovered,
    });
    Report { exit: Exit::Fine, table: lines.join("\n"), json }
}

fn bad(problem: &str, entries: Option<Range<u64>>, file: Option<String>) -> Report {
    let mut lines = vec![format!("{} {problem}", Colour::of_stdout().paint(31, "bad:"))];
    let first_bad = entries.map(|entries| [entries.start, entries.end.saturating_sub(1)]);
    match first_bad {
        Some([first, last]) if first == last => lines.push(format!("  first bad entry  {first}")),
        Some([first, last]) => lines.push(format!("  first bad entry  one of {first} to {last}")),
        None => {}
    }
    lines.extend(file.as_ref().map(|file| format!("  file             {file}")));
    let json = json!({ "verified": false, "problem": problem, "first_bad": first_bad, "file": file });
    Report { exit: Exit::Finding, table: lines.join("\n"), json }
}

/// What is remembered from before.
enum Remembered {
    /// All of it is signed by the log's key.
    Heads(Vec<TreeHead>),
    /// A checkpoint that was given says something of another log, or its signature is not that of the key.
    NotItsWord { file: PathBuf, why: CheckpointError },
}

/// Reads remembered checkpoints. Of a folder, those are left out that other logs have signed.
fn remembered(given: &[PathBuf], key: &VerifierKey) -> anyhow::Result<Remembered> {
    let mut heads = Vec::new();
    for path in given {
        let said = || format!("`--against {}`", path.display());
        let is_folder = path.is_dir();
        let before = heads.len();
        for file in files_of(path).with_context(said)? {
            if is_folder && file.extension().is_none_or(|extension| extension != REMEMBERED) {
                continue;
            }
            let note = read_note(&file).with_context(|| format!("`{}`", file.display()))?;
            if is_folder && !is_of(&note, key) {
                continue;
            }
            match Checkpoint::open(&note, key.name().as_str(), std::slice::from_ref(key)) {
                Ok(checkpoint) => heads.push(*checkpoint.head()),
                Err(why) => return Ok(Remembered::NotItsWord { file, why }),
            }
        }
        if heads.len() == before {
            bail!("{} holds no checkpoint of the log `{}`", said(), key.name());
        }
    }
    Ok(Remembered::Heads(heads))
}

fn read_note(file: &Path) -> anyhow::Result<SignedNote> {
    let bytes = read_bounded(File::open(file)?, NOTE_BYTES_MAX as u64)?;
    SignedNote::parse(&bytes).map_err(|why: NoteError| anyhow::anyhow!("it is no checkpoint: {why}"))
}

/// Whether a note claims to be of this log.
fn is_of(note: &SignedNote, key: &VerifierKey) -> bool {
    let checkpoint = note.text_unverified().parse::<Checkpoint>();
    checkpoint.is_ok_and(|checkpoint| checkpoint.origin() == key.name().as_str())
}

/// The log's files, with the way so far shown on a terminal, and with names for what cannot be read.
struct Watched {
    files: LogFiles,
    shown: Option<Instant>,
    is_shown: bool,
}

impl Watched {
    fn new(files: LogFiles) -> Self {
        Self { files, shown: io::stderr().is_terminal().then(Instant::now), is_shown: false }
    }

    fn show(&mut self, entries: u64) {
        let Some(shown) = self.shown.filter(|shown| shown.elapsed() >= SHOWN_EVERY) else { return };
        (self.shown, self.is_shown) = (Some(shown + shown.elapsed()), true);
        let _ = write!(io::stderr(), "\r{entries} entries …");
    }

    /// Takes the line away again.
    fn done(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn named(path: String) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("`{path}`: {error}"))
}

impl LogReader for Watched {
    type Error = io::Error;

    fn read_tile(&mut self, tile: Tile, into: &mut Vec<u8>) -> io::Result<bool> {
        self.files.read_tile(tile, into).map_err(named(tile.path()))
    }

    fn read_bundle(&mut self, bundle: Bundle, into: &mut Vec<u8>) -> io::Result<bool> {
        self.show(bundle.entries().end);
        self.files.read_bundle(bundle, into).map_err(named(bundle.path()))
    }
}
