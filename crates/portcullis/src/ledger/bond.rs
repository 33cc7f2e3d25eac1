//! What ties root key, database and ledger to each other: two data keys in the database that seal nothing, and must be there and
//! open when a node starts. A database that was lost or exchanged is found out before anything is recorded.

use anyhow::{Context, bail};
use portcullis_contract::ports::{Clock, Entropy, RootKeyProblem, RootKeys};
use portcullis_ledger::VerifierKey;
use portcullis_protect::{DataKey, Purpose, WrappedKey};
use portcullis_store::sql::{DataKeys, Owner};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

/// The owner of the key that is in each database.
const DATABASE: &str = "database";

/// A database, and what it should belong to.
pub(super) struct Bond<'a> {
    pub(super) keys: DataKeys,
    pub(super) root: &'a dyn RootKeys,
    pub(super) clock: &'a dyn Clock,
    pub(super) entropy: &'a dyn Entropy,
    pub(super) runtime: &'a Handle,
}

impl Bond<'_> {
    /// Whether the database is one of our root key. A new one is from now on.
    pub(super) fn with_root_key(&self) -> anyhow::Result<()> {
        let owner = Owner::Store(DATABASE);
        let kept = match self.runtime.block_on(self.keys.of_owner(owner))? {
            Some(kept) => kept,
            None => self.keep(owner)?,
        };
        self.open(&kept)
    }

    /// Whether the database is the one of the ledger that `key` verifies. As long as that has no entries, any is.
    pub(super) fn with_ledger(&self, key: &VerifierKey, entries: u64) -> anyhow::Result<()> {
        let name = name(key);
        let owner = Owner::Store(&name);
        let kept = match self.runtime.block_on(self.keys.of_owner(owner))? {
            Some(kept) => kept,
            None if entries == 0 => self.keep(owner)?,
            None => bail!(
                "the database is not the one of this ledger, which has {entries} entries: put back its own (`portcullis.db` in \
                 the state directory, or what `[store]` named); without it nobody can read what the ledger sealed"
            ),
        };
        self.open(&kept)
    }

    fn keep(&self, owner: Owner<'_>) -> anyhow::Result<WrappedKey> {
        let (mut id, mut bytes) = ([0; 16], Zeroizing::new([0; 32]));
        self.entropy.fill(&mut id);
        self.entropy.fill(bytes.as_mut_slice());
        let wrapped = self.root.wrap(&DataKey::generate(id, bytes, Purpose::Store))?;
        let kept = self.runtime.block_on(self.keys.keep(owner, &wrapped, self.clock.wall()));
        kept.context("the database cannot be tied to the ledger")
    }

    fn open(&self, kept: &WrappedKey) -> anyhow::Result<()> {
        match self.root.unwrap(kept) {
            Ok(_) => Ok(()),
            Err(RootKeyProblem::Refused(_)) => bail!(
                "the database belongs to another root key ({}, and this one is {}): put back that root key, or the \
                 database of this one",
                kept.root(),
                self.root.id()
            ),
            Err(unavailable) => Err(unavailable.into()),
        }
    }
}

/// By its public key: of two ledgers with one name each has its own.
fn name(key: &VerifierKey) -> String {
    let text = key.to_string();
    format!("ledger {}", text.splitn(3, '+').last().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use portcullis_ledger::{NoteKeyName, SignerKey};
    use portcullis_protect::RootKey;
    use portcullis_store::Database;
    use portcullis_store::sql::Settings;

    use super::*;
    use crate::adapter::{HeldRootKey, SystemClock, SystemEntropy};

    fn key(seed: u8) -> VerifierKey {
        let name = NoteKeyName::new("log.example/a").unwrap();
        SignerKey::from_seed(name, &[seed; 32]).unwrap().verifier().unwrap()
    }

    /// What a start with this root key, signer and ledger says of the database in a folder.
    fn start(folder: &Path, root: u8, signer: u8, entries: u64) -> Result<(), String> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let bytes = Zeroizing::new(std::array::from_fn(|at| root + at as u8));
        let root = HeldRootKey::new(Arc::new(RootKey::generate(bytes).unwrap()), Arc::new(SystemEntropy));
        let file = folder.join("portcullis.db");
        let database = runtime.block_on(Database::open(&Settings::Sqlite { file })).unwrap();
        let (clock, runtime) = (SystemClock::new(), runtime.handle());
        let keys = database.data_keys();
        let bond = Bond { keys, root: &root, clock: &clock, entropy: &SystemEntropy, runtime };
        let result = bond.with_root_key().and_then(|()| bond.with_ledger(&key(signer), entries));
        runtime.block_on(database.close());
        result.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_ledger_with_entries_needs_its_own_database_and_that_its_root_key() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // A first start can be cut off anywhere: as long as nothing is recorded, the next one does it again.
        for entries in [0, 0, 1] {
            assert_eq!(start(own.path(), 1, 1, entries), Ok(()));
        }
        for signer in [1, 2] {
            let said = start(other.path(), 1, signer, 7).unwrap_err();
            assert!(said.contains("put back its own (`portcullis.db`"), "{said}");
        }
        // A second ledger may share it, under the same root key alone.
        assert_eq!(start(own.path(), 1, 2, 0), Ok(()));
        assert_eq!(start(own.path(), 1, 1, 9), Ok(()));
        for entries in [0, 5] {
            let said = start(own.path(), 2, 1, entries).unwrap_err();
            assert!(said.contains("the database belongs to another root key"), "{said}");
        }
    }
}
