//! The node's ledger: how root key, signer, journal and the shipping of checkpoints are put together, watched and ended.

mod shipping;
mod signer;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use portcullis_contract::Snapshot;
use portcullis_contract::ports::Entropy;
use portcullis_contract::snapshot::{SecretSource, Store};
use portcullis_protect::RootKey;
use portcullis_store::journal::{Repaired, Running};
use portcullis_store::{Folder, Journal, Settings};

use crate::adapter::{FileVault, HeldRootKey, make_root_key, read_root_key};
use shipping::Shipping;
pub(crate) use watch::{LedgerWatch, NodeWatch};

/// The ledger's folder, below the state directory.
pub(crate) const FOLDER: &str = "ledger";
/// The public key, in the ledger's folder.
pub(crate) const PUBLIC_KEY: &str = "public-key";
/// The SQLite database, below the state directory.
const DATABASE: &str = "portcullis.db";

/// A ledger that is written to.
pub(crate) struct Ledger {
    running: Running,
    shipping: Shipping,
}

/// What of a node's configuration concerns its ledger, as it is at the start.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    state: PathBuf,
    root_key: SecretSource,
    store: Store,
    origin: Option<Box<str>>,
    checkpoints: PathBuf,
}

impl Plan {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        Self {
            state: snapshot.state_directory.clone(),
            root_key: snapshot.root_key.clone(),
            store: snapshot.store.clone(),
            origin: snapshot.audit.origin.clone(),
            checkpoints: snapshot.audit.checkpoints.clone(),
        }
    }
}

impl Ledger {
    /// Opens the ledger, or begins one. Repairs what a crash has left. Blocks.
    pub(crate) fn open(plan: &Plan, entropy: &Arc<dyn Entropy>) -> anyhow::Result<Self> {
        let root = root_key(plan, entropy.as_ref())?;
        let root = HeldRootKey::new(Arc::new(root), Arc::clone(entropy));
        let place = plan.state.join(FOLDER);
        let folder = Arc::new(Folder::own(&place).context("the ledger cannot be opened")?);
        let vault = FileVault::new(&plan.state);
        let signer = signer::signer(&plan.state, &vault, plan.origin.as_deref(), &root, entropy.as_ref())?;
        let (origin, verifier) = (signer.name().as_str().to_owned(), signer.verifier()?);
        let mut seed = [0; 8];
        entropy.fill(&mut seed);
        let settings = Settings::new(&origin, u64::from_be_bytes(seed));
        let opened = Journal::open(folder, settings, Arc::new(signer))
            .with_context(|| format!("the ledger in `{}` cannot be opened", place.display()))?;
        remark_repaired(opened.repaired.as_ref());
        let running = opened.start().context("the ledger cannot start")?;
        let entries = running.journal().status().durable;
        tracing::info!(%origin, entries, public_key = %verifier, "the ledger is open");
        let shipping = Shipping::begin(running.journal().clone(), verifier, &plan.checkpoints)
            .context("checkpoints cannot be shipped")?;
        Ok(Self { running, shipping })
    }

    /// For probes and metrics.
    pub(crate) fn watch(&self) -> LedgerWatch {
        LedgerWatch::new(self.running.journal().clone(), self.shipping.shipped())
    }

    /// Makes durable what waits, signs a last checkpoint and ships it. Blocks.
    pub(crate) fn end(self) {
        let Self { running, shipping } = self;
        if let Err(seal) = running.close() {
            tracing::error!("the ledger did not end in order: it is sealed: {seal}");
        }
        drop(shipping);
    }
}

/// The root key. A missing one is made only where nothing can have been sealed under another.
fn root_key(plan: &Plan, entropy: &dyn Entropy) -> anyhow::Result<RootKey> {
    if let Some(key) = read_root_key(&plan.root_key)? {
        return Ok(key);
    }
    let SecretSource::File(file) = &plan.root_key else { bail!("the root key is missing") };
    let shown = file.display();
    if let Some(sealed) = sealed_by_another(plan) {
        bail!(
            "the root key `{shown}` is missing, and {sealed} was sealed under it: put back the copy that you keep. Without \
             it nobody can read that"
        );
    }
    let key = make_root_key(file, entropy)?;
    tracing::warn!(
        "made the root key `{shown}`: keep a copy of it apart from all backups; without it nobody can read what is sealed, \
         and who has it together with a backup can read all of it"
    );
    Ok(key)
}

/// What is there already that needs a root key.
fn sealed_by_another(plan: &Plan) -> Option<String> {
    if plan.store != Store::Sqlite {
        return Some("what is in the database".to_owned());
    }
    let places = [FOLDER, DATABASE].map(|name| plan.state.join(name));
    places.iter().find(|place| is_there(place)).map(|place| format!("`{}`", place.display()))
}

/// Also when it cannot be looked at.
fn is_there(place: &Path) -> bool {
    place.try_exists().unwrap_or(true)
}

/// Says aloud what a crash has left.
fn remark_repaired(repaired: Option<&Repaired>) {
    if let Some(Repaired { file, offset, bytes, entries_lost_unacknowledged }) = repaired {
        tracing::warn!(
            file,
            offset,
            bytes,
            entries = *entries_lost_unacknowledged,
            "the ledger was repaired: a batch that a crash cut off was left out; none of its entries was acknowledged"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::SystemEntropy;

    fn plan(state: &Path) -> Plan {
        Plan {
            state: state.to_owned(),
            root_key: SecretSource::File(state.join("root.key")),
            store: Store::Sqlite,
            origin: None,
            checkpoints: state.with_extension("checkpoints"),
        }
    }

    #[test]
    fn a_root_key_is_made_in_an_empty_state_directory_alone() {
        let temp = tempfile::tempdir().unwrap();
        for (name, made) in [("other", true), (FOLDER, false), (DATABASE, false)] {
            let state = temp.path().join(name);
            std::fs::create_dir_all(state.join(name)).unwrap();
            let result = root_key(&plan(&state), &SystemEntropy);
            assert_eq!((result.is_ok(), state.join("root.key").exists()), (made, made), "{name}");
            if let Err(error) = result {
                let said = error.to_string();
                assert!(said.contains("put back the copy") && said.contains(name), "{said}");
            }
        }
        let state = temp.path().join("empty");
        let source = SecretSource::Variable("PORTCULLIS_NO_SUCH_KEY".into());
        let variable = Plan { root_key: source, ..plan(&state) };
        assert!(root_key(&variable, &SystemEntropy).unwrap_err().to_string().contains("is not set"));
        let shared = Plan { store: Store::Postgres(variable.root_key.clone()), ..plan(&state) };
        assert!(root_key(&shared, &SystemEntropy).unwrap_err().to_string().contains("in the database"));
        assert!(!state.exists());
    }
}
