//! Entries as those see them who may: opened, or said to be erased.

use std::io;
use std::sync::Arc;

use portcullis_model::RequestId;
use portcullis_model::audit::{Entry, Part, Personal, SealedPersonal};
use portcullis_protect::{KeyId, OpenError};
use serde::Serialize;
use serde::ser::SerializeMap;
use thiserror::Error;

use super::keys::{Found, KeyProblem, KeyRing};
use super::sealing::{ABOUT, PERSONAL, open, parse};
use crate::journal::Entries;

/// A part of an entry that tells of a person.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Opened {
    /// There is none.
    #[default]
    Nothing,
    /// It was opened.
    Personal(Box<Personal>),
    /// Its key was destroyed: nobody can open it any more.
    Erased(KeyId),
    /// It cannot be opened here.
    Unreadable(OpenError),
}

impl Opened {
    /// What was opened.
    pub fn personal(&self) -> Option<&Personal> {
        match self {
            Self::Personal(personal) => Some(personal),
            Self::Nothing | Self::Erased(_) | Self::Unreadable(_) => None,
        }
    }
}

impl Part for Opened {
    fn is_absent(&self) -> bool {
        *self == Self::Nothing
    }
}

impl Serialize for Opened {
    /// For people and programs that read the ledger: what is not there any more is said.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let one = |serializer: S, name, value: &str| {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(name, value)?;
            map.end()
        };
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Personal(personal) => personal.serialize(serializer),
            Self::Erased(key) => one(serializer, "erased_with_key", &key.to_string()),
            Self::Unreadable(why) => one(serializer, "unreadable", &why.to_string()),
        }
    }
}

/// Reads an entry's bytes as they are in the log; its personal parts stay sealed.
pub fn decode(bytes: &[u8]) -> Result<Entry<SealedPersonal>, serde_json::Error> {
    serde_json::from_slice(bytes)
}

/// Opens the personal parts of an entry of the log that `origin` names. Fails when the table of keys does not answer.
pub fn open_entry(
    entry: Entry<SealedPersonal>,
    origin: &str,
    ring: &KeyRing,
) -> Result<Entry<Opened>, KeyProblem> {
    let personal = open_part(&entry.personal, origin, entry.id, PERSONAL, ring)?;
    let about = entry.about.as_deref().map(|about| open_part(about, origin, entry.id, ABOUT, ring));
    let about = about.transpose()?.map(Box::new);
    Ok(entry.with(personal, about))
}

fn open_part(
    part: &SealedPersonal,
    origin: &str,
    id: RequestId,
    field: &str,
    ring: &KeyRing,
) -> Result<Opened, KeyProblem> {
    let Some(text) = &part.0 else { return Ok(Opened::Nothing) };
    let sealed = match parse(text) {
        Ok(sealed) => sealed,
        Err(why) => return Ok(Opened::Unreadable(why)),
    };
    let key = match ring.by_id(sealed.key()) {
        Ok(Found::Key(key)) => key,
        Ok(Found::Destroyed) => return Ok(Opened::Erased(sealed.key())),
        Ok(Found::Unknown) => return Ok(Opened::Unreadable(OpenError::OtherKey)),
        Err(KeyProblem::Unusable(why)) => return Ok(Opened::Unreadable(why)),
        Err(why) => return Err(why),
    };
    Ok(match open(&sealed, &key, origin, id, field) {
        Ok(personal) => Opened::Personal(Box::new(personal)),
        Err(why) => Opened::Unreadable(why),
    })
}

/// Why the log cannot be read on.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Its files.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// An entry is not of a form that is known here.
    #[error("entry {index} is not of a known form: {why}")]
    Form {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        why: serde_json::Error,
    },
    /// The table of keys.
    #[error(transparent)]
    Key(#[from] KeyProblem),
}

/// Reads entries one after the other and opens them.
pub struct Reader {
    entries: Entries,
    origin: Box<str>,
    ring: Arc<KeyRing>,
}

impl Reader {
    /// Reads what `entries` gives, of the log that `origin` names.
    pub fn new(entries: Entries, origin: &str, ring: Arc<KeyRing>) -> Self {
        Self { entries, origin: origin.into(), ring }
    }

    /// The next entry and its index. After an error of one entry's form the next call goes on behind it.
    pub fn next_entry(&mut self) -> Result<Option<(u64, Entry<Opened>)>, ReadError> {
        let Some((index, bytes)) = self.entries.next_entry()? else { return Ok(None) };
        let entry = decode(bytes).map_err(|why| ReadError::Form { index, why })?;
        Ok(Some((index, open_entry(entry, &self.origin, &self.ring)?)))
    }
}
