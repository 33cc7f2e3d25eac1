//! `portcullis audit prove` and `check-proof`: that one entry is in the ledger, shown to somebody who has neither the ledger nor
//! reason to believe its keeper.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context, bail};
use portcullis_ledger::tlog_proof::TLOG_PROOF_BYTES_MAX;
use portcullis_ledger::{ENTRY_BYTES_MAX, LeafHash, TlogProof};
use portcullis_store::journal::ProveError;
use portcullis_store::offline::{Offline, prove as prove_entry};
use serde_json::json;

use super::place::{Place, public_key};
use crate::bounded::read_bounded;
use crate::cli::{Format, ProofCheck, ProofWanted};
use crate::log::Colour;
use crate::{Exit, init, log};

/// Writes a proof, and the entry when it is asked for.
pub(super) fn prove(wanted: &ProofWanted) -> anyhow::Result<Exit> {
    let place = Place::find(&wanted.log)?;
    let Some(note) = place.files.checkpoint_unverified().context("`checkpoint` cannot be read")? else {
        bail!("`{}` has no checkpoint yet, so nothing can be proved", place.folder.display());
    };
    let refused = |why: &dyn std::fmt::Display| {
        log::say_error(&format!("{why}; `portcullis audit verify` tells what is wrong"));
        Ok(Exit::Finding)
    };
    let (checkpoint, note) = match Offline::with(&place.key).checkpoint(&note) {
        Ok(opened) => opened,
        Err(why) => return refused(&format!("`checkpoint` is no word of this log: {why}")),
    };
    let (proof, entry) = match prove_entry(&place.files, wanted.index, checkpoint.head(), &note) {
        Ok(proved) => proved,
        Err(ProveError::NotYet(index)) => {
            let size = checkpoint.head().size;
            bail!("the checkpoint covers {size} entries, and {index} is not among them");
        }
        Err(why) => return refused(&why),
    };
    if let Some(file) = &wanted.entry {
        init::write_new(file, &entry, 0o600)?;
    }
    match &wanted.output {
        Some(file) => init::write_new(file, proof.to_string().as_bytes(), 0o644)?,
        None => log::say(proof.to_string().trim_end()),
    }
    Ok(Exit::Fine)
}

/// Checks a proof, and says what it proves.
pub(super) fn check(wanted: &ProofCheck) -> anyhow::Result<Exit> {
    let key = public_key(&wanted.public_key)?;
    let shown = wanted.proof.display();
    let bytes = File::open(&wanted.proof).and_then(|file| read_bounded(file, TLOG_PROOF_BYTES_MAX as u64));
    let bytes = bytes.with_context(|| format!("`{shown}` cannot be read"))?;
    let entry = read_entry(&wanted.entry)?;
    let origin = key.name().as_str().to_owned();
    let checked = TlogProof::parse(&bytes).and_then(|proof| {
        let checkpoint = proof.check(&LeafHash::of(&entry), &origin, std::slice::from_ref(&key))?;
        Ok((proof.inclusion().index, checkpoint))
    });
    let (table, json, exit) = match checked {
        Ok((index, checkpoint)) => {
            let (good, size) = (Colour::of_stdout().paint(32, "good:"), checkpoint.head().size);
            let table = format!(
                "{good} the entry is number {index} of the log `{origin}`, which had {size} entries then"
            );
            let json = json!({ "proved": true, "index": index, "origin": origin, "entries": size });
            (table, json, Exit::Fine)
        }
        Err(why) => {
            let table = format!("{} nothing is proved: {why}", Colour::of_stdout().paint(31, "bad:"));
            (table, json!({ "proved": false, "problem": why.to_string() }), Exit::Finding)
        }
    };
    match wanted.format {
        Format::Table => log::say(&table),
        Format::Json => log::say(&json.to_string()),
    }
    Ok(exit)
}

fn read_entry(file: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes_max = ENTRY_BYTES_MAX as u64;
    let entry = if file == Path::new("-") {
        read_bounded(io::stdin(), bytes_max)
    } else {
        File::open(file).and_then(|file| read_bounded(file, bytes_max))
    };
    entry.with_context(|| format!("the entry `{}` cannot be read", file.display()))
}
