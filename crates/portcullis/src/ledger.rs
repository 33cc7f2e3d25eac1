//! The node's ledger: how root key, database, signer, journal, recorder and the shipping of checkpoints are put together,
//! watched and ended. A command does the same while the node is stopped.

mod administration;
mod bond;
mod damage;
mod posting;
mod progress;
mod retention;
mod scribe;
mod search;
mod shipping;
mod signer;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use portcullis_contract::Snapshot;
use portcullis_contract::identity::PeopleStore;
use portcullis_contract::ports::{Clock, Entropy, RootKeys};
use portcullis_contract::snapshot::{SecretSource, Store, Webhook};
use portcullis_ledger::VerifierKey;
use portcullis_protect::{DataKey, Purpose, RootKey};
use portcullis_store::audit::{self, DatabaseKeys, KeyRing, Recorder};
use portcullis_store::journal::Repaired;
use portcullis_store::sql::{self, Database, Owner};
use portcullis_store::{Folder, Journal, Opened, Settings};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use crate::adapter::{FileVault, HeldRootKey, make_root_key, read_root_key, read_secret, remove_unfinished};
use administration::Access;
pub(crate) use administration::LocalAdministration;
use bond::Bond;
use damage::Damage;
use posting::Posting;
pub(crate) use retention::Retention;
pub(crate) use scribe::Scribe;
use shipping::Shipping;
pub(crate) use watch::{LedgerWatch, NodeWatch};

/// The ledger's folder, below the state directory.
pub(crate) const FOLDER: &str = "ledger";
/// The public key, in the ledger's folder.
pub(crate) const PUBLIC_KEY: &str = "public-key";
/// The socket of the process that writes the ledger, below the state directory.
pub(crate) const SOCKET: &str = "admin.sock";
/// The owner of the key that seals what is kept of people.
const PEOPLE: &str = "people";
/// The SQLite database, below the state directory.
const DATABASE: &str = "portcullis.db";
/// How long the end waits for room for entries that were taken.
const END_WITHIN: Duration = Duration::from_secs(10);

/// A ledger that is written to.
pub(crate) struct Ledger {
    recorder: Recorder,
    shipping: Shipping,
    posting: Option<Posting>,
    database: Database,
    root: Arc<dyn RootKeys>,
    access: Access,
    scribe: Scribe,
    kept: Duration,
    damage: Damage,
}

/// What of a node's configuration concerns its ledger, as it is at the start.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    state: PathBuf,
    root_key: SecretSource,
    store: Store,
    origin: Option<Box<str>>,
    checkpoints: PathBuf,
    anonymous_kept: Duration,
    webhook: Option<Webhook>,
}

/// For what a ledger is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opener {
    /// A node that begins.
    Node,
    /// A command, while no node runs. It begins nothing.
    Command,
}

impl Opener {
    /// What the entry says that tells of the beginning.
    const fn said(self) -> &'static str {
        match self {
            Self::Node => concat!("portcullis ", env!("CARGO_PKG_VERSION")),
            Self::Command => {
                concat!("portcullis ", env!("CARGO_PKG_VERSION"), ", a command while no node ran")
            }
        }
    }
}

impl Plan {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        Self {
            state: snapshot.state_directory.clone(),
            root_key: snapshot.root_key.clone(),
            store: snapshot.store.clone(),
            origin: snapshot.audit.origin.clone(),
            checkpoints: snapshot.audit.checkpoints.clone(),
            anonymous_kept: snapshot.audit.anonymous_kept,
            webhook: snapshot.audit.webhook.clone(),
        }
    }
}

impl Ledger {
    /// Opens the ledger, or begins one. Repairs what a crash has left, and says of each request that was under way that
    /// nobody knows how it ended. Blocks, so it is for threads that run no tasks.
    pub(crate) fn open(
        plan: &Plan,
        opener: Opener,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
        runtime: &Handle,
    ) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let place = plan.state.join(FOLDER);
        if opener == Opener::Command && !is_there(&place) {
            bail!("there is no ledger in `{}` yet", plan.state.display());
        }
        let root = HeldRootKey::new(Arc::new(root_key(plan, entropy.as_ref())?), Arc::clone(entropy));
        let root: Arc<dyn RootKeys> = Arc::new(root);
        // Also the lock over all that is in the state directory.
        let folder = Arc::new(Folder::own(&place).context("the ledger cannot be opened")?);
        for written_to in [&plan.state, &place] {
            remove_unfinished(written_to).context("what a crash left cannot be removed")?;
        }
        let database = runtime.block_on(Database::open(&database(plan)?));
        let database = database.with_context(|| match plan.store {
            Store::Sqlite => "the database cannot be opened",
            Store::Postgres { .. } => "the database that `[store]` names cannot be opened",
        })?;
        let parts = Parts { plan, place: &place, root: &root, clock, entropy, runtime };
        let opened = match parts.open(folder, &database) {
            Ok(opened) => opened,
            Err(error) => {
                // All in one piece, so that nothing lies beside the one that is put in its place.
                runtime.block_on(database.close());
                return Err(error);
            }
        };
        let (ring, verifier, opened) = opened;
        let origin = verifier.name().as_str().to_owned();
        remark_repaired(opened.repaired.as_ref());
        let running = opened.start().context("the ledger cannot start")?;
        let journal = running.journal().clone();
        let entries = journal.status().durable;
        let recorder = Recorder::start(
            running,
            Arc::clone(&ring),
            Arc::clone(clock),
            Arc::clone(entropy),
            audit::Settings::new(&origin, opener.said()),
        );
        let recorder = recorder.context("nothing can be recorded")?;
        let took_ms = begun.elapsed().as_millis() as u64;
        tracing::info!(%origin, entries, public_key = %verifier, took_ms, "the ledger is open");
        let shipping = Shipping::begin(journal.clone(), verifier, &plan.checkpoints)
            .context("checkpoints cannot be shipped")?;
        let post = |to| Posting::begin(journal.clone(), &origin, to, runtime.clone());
        let posting = plan.webhook.as_ref().map(post).transpose().context("checkpoints cannot be posted")?;
        let scribe = Scribe::new(recorder.handle(), Arc::clone(clock), Arc::clone(entropy), runtime.clone());
        let access = Access { journal, origin: origin.into(), ring };
        let damage = Damage::look_for(&database, opener, runtime);
        let kept = plan.anonymous_kept;
        Ok(Self { recorder, shipping, posting, database, root, access, scribe, kept, damage })
    }

    /// The store of people in the node's database, sealed by a key of its own under the root key.
    pub(crate) async fn people_store(
        &self,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
    ) -> anyhow::Result<PeopleStore> {
        let (keys, owner) = (self.database.data_keys(), Owner::Store(PEOPLE));
        let wrapped = match keys.of_owner(owner).await? {
            Some(kept) => kept,
            None => {
                let (mut id, mut bytes) = ([0; 16], Zeroizing::new([0; 32]));
                entropy.fill(&mut id);
                entropy.fill(bytes.as_mut_slice());
                let made = self.root.wrap(&DataKey::generate(id, bytes, Purpose::Store))?;
                // Of two nodes that begin at once both get the same.
                keys.keep(owner, &made, clock.wall()).await?
            }
        };
        let key = self.root.unwrap(&wrapped).context("the key that seals what is kept of people")?;
        Ok(self.database.people(key, Arc::clone(clock), Arc::clone(entropy)))
    }

    /// For those who record.
    pub(crate) fn audit(&self) -> audit::Handle {
        self.recorder.handle()
    }

    /// For what the node itself records.
    pub(crate) fn scribe(&self) -> Scribe {
        self.scribe.clone()
    }

    /// For probes and metrics.
    pub(crate) fn watch(&self) -> LedgerWatch {
        let posted = self.posting.as_ref().map(Posting::progress);
        let journal = self.access.journal.clone();
        let damage = self.damage.clone();
        LedgerWatch::new(journal, self.recorder.handle(), self.shipping.progress(), posted, damage)
    }

    /// For the machine's administrators.
    pub(crate) fn administration(&self) -> LocalAdministration {
        LocalAdministration::new(self.access.clone(), self.scribe.clone())
    }

    /// For what is kept only for a time.
    pub(crate) fn retention(&self) -> Retention {
        Retention::new(Arc::clone(&self.access.ring), self.scribe.clone(), self.kept)
    }

    /// Makes durable what waits, signs a last checkpoint and ships it. Blocks.
    pub(crate) fn end(self, runtime: &Handle) {
        let Self { recorder, shipping, posting, database, .. } = self;
        if let Err(error) = recorder.end(END_WITHIN) {
            tracing::error!("the ledger did not end in order: {error}");
        }
        drop(shipping);
        drop(posting);
        runtime.block_on(database.close());
    }
}

/// What a ledger is opened with.
struct Parts<'a> {
    plan: &'a Plan,
    place: &'a Path,
    root: &'a Arc<dyn RootKeys>,
    clock: &'a Arc<dyn Clock>,
    entropy: &'a Arc<dyn Entropy>,
    runtime: &'a Handle,
}

impl Parts<'_> {
    /// Opens keys, signer and journal, and looks whether all of them belong together. Nothing is recorded yet.
    fn open(
        &self,
        folder: Arc<Folder>,
        database: &Database,
    ) -> anyhow::Result<(Arc<KeyRing>, VerifierKey, Opened)> {
        let Self { plan, place, root, clock, entropy, runtime } = *self;
        let bond = Bond {
            keys: database.data_keys(),
            root: root.as_ref(),
            clock: clock.as_ref(),
            entropy: entropy.as_ref(),
            runtime,
        };
        // Before the signer: it is sealed under this root key for ever.
        bond.with_root_key()?;
        let keys = Arc::new(DatabaseKeys::new(database.data_keys(), runtime.clone()));
        let ring = KeyRing::new(keys, Arc::clone(root), Arc::clone(clock), Arc::clone(entropy))?;
        let vault = FileVault::new(&plan.state);
        let signer =
            signer::signer(&plan.state, &vault, plan.origin.as_deref(), root.as_ref(), entropy.as_ref())?;
        let verifier = signer.verifier()?;
        let mut seed = [0; 8];
        entropy.fill(&mut seed);
        let settings = Settings::new(verifier.name().as_str(), u64::from_be_bytes(seed));
        let opened = Journal::open(folder, settings, Arc::new(signer))
            .with_context(|| format!("the ledger in `{}` cannot be opened", place.display()))?;
        bond.with_ledger(&verifier, opened.journal.status().durable)?;
        Ok((Arc::new(ring), verifier, opened))
    }
}

/// Which database it is, with the URL that names it.
fn database(plan: &Plan) -> anyhow::Result<sql::Settings> {
    Ok(match &plan.store {
        Store::Sqlite => sql::Settings::Sqlite { file: plan.state.join(DATABASE) },
        Store::Postgres { url, connections_max } => sql::Settings::Postgres {
            url: read_secret(url, "the database's URL")?,
            connections_max: *connections_max,
        },
    })
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

/// What is there already that needs a root key. A shared database is asked itself, when it is open (`bond.rs`).
fn sealed_by_another(plan: &Plan) -> Option<String> {
    let database = (plan.store == Store::Sqlite).then_some(DATABASE);
    let mut places = [Some(FOLDER), database].into_iter().flatten().map(|name| plan.state.join(name));
    places.find(|place| is_there(place)).map(|place| format!("`{}`", place.display()))
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
            anonymous_kept: Duration::from_secs(86_400),
            webhook: None,
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
        assert!(!state.exists());
        // On a server, nothing of this node was sealed as long as it has no ledger.
        let url = SecretSource::Variable("PORTCULLIS_NO_SUCH_URL".into());
        let shared = |name: &str| Plan {
            store: Store::Postgres { url: url.clone(), connections_max: 2 },
            ..plan(&temp.path().join(name))
        };
        assert!(root_key(&shared("empty"), &SystemEntropy).is_ok());
        assert!(root_key(&shared(FOLDER), &SystemEntropy).unwrap_err().to_string().contains(FOLDER));
    }
}
