//! The key that signs a ledger's checkpoints, and the ledger's name: both made once, at its beginning, and kept with it.
//!
//! `signer.key` holds the seed of the key, sealed under a data key, which the root key wraps: a copy of the ledger alone
//! signs nothing. `public-key` is what others verify with.

use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portcullis_contract::ports::{Entropy, RootKeys, Vault};
use portcullis_ledger::{NoteKeyName, SignerKey};
use portcullis_protect::{DataKey, Place, Purpose, Sealed, WrappedKey};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{FOLDER, PUBLIC_KEY};

/// The file, in the ledger's folder.
const FILE: &str = "signer.key";
/// The version of its form.
const VERSION: u32 = 1;

/// What is in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    /// The ledger's name, and the key's.
    origin: String,
    public_key: String,
    /// The data key, base64.
    wrapped_key: String,
    /// The seed, sealed under it, base64.
    sealed_seed: String,
}

/// The signer of the ledger in a state directory; made when the ledger begins. `wanted` is the name that the configuration
/// gives it.
pub(super) fn signer(
    state: &Path,
    vault: &dyn Vault,
    wanted: Option<&str>,
    root: &dyn RootKeys,
    entropy: &dyn Entropy,
) -> anyhow::Result<SignerKey> {
    let name = format!("{FOLDER}/{FILE}");
    let signer = match vault.kept(&name)? {
        Some(text) => open(&text, wanted, root).with_context(|| {
            format!("the ledger's signing key `{}` cannot be used", state.join(&name).display())
        })?,
        None if begun(&state.join(FOLDER)) => bail!(
            "`{}` is missing, and there is a ledger that it signs: put it back from a backup",
            state.join(&name).display()
        ),
        None => {
            let made = make(wanted, root, entropy)?;
            vault.keep(&name, &SecretString::from(serde_json::to_string_pretty(&made.0)?))?;
            made.1
        }
    };
    let (name, public) = (format!("{FOLDER}/{PUBLIC_KEY}"), format!("{}\n", signer.verifier()?));
    if vault.kept(&name)?.is_none_or(|kept| kept.expose_secret() != public) {
        vault.keep(&name, &SecretString::from(public))?;
    }
    Ok(signer)
}

/// Whether there is a log in the folder already.
fn begun(folder: &Path) -> bool {
    ["checkpoint", "journal", "tile"].iter().any(|name| folder.join(name).exists())
}

fn open(text: &SecretString, wanted: Option<&str>, root: &dyn RootKeys) -> anyhow::Result<SignerKey> {
    let kept: Kept = serde_json::from_str(text.expose_secret()).context("it is not what was written")?;
    if kept.version != VERSION {
        bail!("it was written by another version of Portcullis");
    }
    if let Some(wanted) = wanted.filter(|wanted| *wanted != kept.origin) {
        bail!(
            "this ledger has the name `{}` for ever, and `audit.origin` says `{wanted}`; put the old name back, or begin \
             a new ledger in another state directory",
            kept.origin
        );
    }
    let wrapped = WrappedKey::parse(&BASE64_STANDARD.decode(&kept.wrapped_key)?)?;
    if wrapped.root() != root.id() {
        bail!(
            "it was sealed under the root key {}, and this one is {}: put back the copy of that root key",
            wrapped.root(),
            root.id()
        );
    }
    let sealed = Sealed::parse(&BASE64_STANDARD.decode(&kept.sealed_seed)?)?;
    let seed = sealed.open(&root.unwrap(&wrapped)?, place(&kept.origin))?;
    let seed = Zeroizing::new(<[u8; 32]>::try_from(seed.as_slice()).context("its length is another one")?);
    let signer = SignerKey::from_seed(NoteKeyName::new(&kept.origin)?, &seed)?;
    if signer.verifier()?.to_string() != kept.public_key {
        bail!("its public key is another one");
    }
    Ok(signer)
}

fn make(
    wanted: Option<&str>,
    root: &dyn RootKeys,
    entropy: &dyn Entropy,
) -> anyhow::Result<(Kept, SignerKey)> {
    let origin = wanted.map_or_else(|| made_up(entropy), str::to_owned);
    let (mut id, mut nonce) = ([0; 16], [0; 12]);
    let (mut bytes, mut seed) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
    entropy.fill(&mut id);
    entropy.fill(&mut nonce);
    entropy.fill(bytes.as_mut_slice());
    entropy.fill(seed.as_mut_slice());
    let signer = SignerKey::from_seed(NoteKeyName::new(&origin)?, &seed)?;
    let key = DataKey::generate(id, bytes, Purpose::Store);
    let sealed = Sealed::new(&key, place(&origin), nonce, seed.as_slice()).context("it cannot be sealed")?;
    let kept = Kept {
        version: VERSION,
        public_key: signer.verifier()?.to_string(),
        wrapped_key: BASE64_STANDARD.encode(root.wrap(&key)?.to_bytes()),
        sealed_seed: BASE64_STANDARD.encode(sealed.to_bytes()),
        origin,
    };
    Ok((kept, signer))
}

fn place(origin: &str) -> Place<'_> {
    Place::Cell { table: "ledger_signer", column: "seed", row: origin.as_bytes() }
}

/// A name that no other ledger has, as far as chance goes.
fn made_up(entropy: &dyn Entropy) -> String {
    let mut random = [0; 4];
    entropy.fill(&mut random);
    format!("portcullis/{:08x}", u32::from_be_bytes(random))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_protect::RootKey;

    use super::*;
    use crate::adapter::{FileVault, HeldRootKey, SystemEntropy};

    fn root(first: u8) -> HeldRootKey {
        let bytes = Zeroizing::new(std::array::from_fn(|at| first + at as u8));
        HeldRootKey::new(Arc::new(RootKey::generate(bytes).unwrap()), Arc::new(SystemEntropy))
    }

    fn get(state: &Path, wanted: Option<&str>, root: &HeldRootKey) -> Result<String, String> {
        let found = signer(state, &FileVault::new(state), wanted, root, &SystemEntropy);
        found.map(|key| key.verifier().unwrap().to_string()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn it_is_made_once_and_needs_its_root_key() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let made = get(&state, None, &root(1)).unwrap();
        assert!(made.starts_with("portcullis/"), "{made}");
        assert_eq!(get(&state, None, &root(1)), Ok(made.clone()));
        let public = std::fs::read_to_string(state.join("ledger/public-key")).unwrap();
        assert_eq!(public.trim(), made);
        assert!(get(&state, None, &root(2)).unwrap_err().contains("put back the copy of that root key"));
        let said = get(&state, Some("other.example/log"), &root(1)).unwrap_err();
        assert!(said.contains("`audit.origin` says `other.example/log`"), "{said}");
        // Another public key beside it is put right, and without the signer there is no second one.
        std::fs::write(state.join("ledger/public-key"), "x").unwrap();
        assert_eq!(get(&state, None, &root(1)), Ok(made));
        assert_eq!(std::fs::read_to_string(state.join("ledger/public-key")).unwrap(), public);
        std::fs::remove_file(state.join("ledger/signer.key")).unwrap();
        std::fs::create_dir(state.join("ledger/journal")).unwrap();
        assert!(get(&state, None, &root(1)).unwrap_err().contains("put it back from a backup"));
    }

    #[test]
    fn the_file_holds_no_seed_and_what_was_changed_in_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let made = get(folder.path(), Some("log.example"), &root(1)).unwrap();
        assert!(made.starts_with("log.example+"), "{made}");
        let file = folder.path().join("ledger/signer.key");
        let good = std::fs::read_to_string(&file).unwrap();
        let kept: Kept = serde_json::from_str(&good).unwrap();
        for (part, with) in [
            (&*kept.origin, "log.examplf"),
            (&kept.public_key, "log.example+00000000+AAAA"),
            (&kept.sealed_seed, "AAAA"),
            (&kept.wrapped_key, "AAAA"),
            ("\"version\": 1", "\"version\": 2"),
        ] {
            std::fs::write(&file, good.replacen(part, with, 1)).unwrap();
            let said = get(folder.path(), None, &root(1)).unwrap_err();
            assert!(said.contains("signer.key` cannot be used"), "{said}");
        }
    }
}
