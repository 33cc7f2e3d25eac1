//! The root key as a file or a variable: read once at the start, made once, and never replaced.
//!
//! A key that is lost takes with it all that it sealed, and a fresh one in its place would hide that. So one is made only
//! where nothing can have been sealed yet.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use portcullis_contract::ports::{Entropy, RootKeyProblem, RootKeys};
use portcullis_contract::snapshot::SecretSource;
use portcullis_protect::{BlindIndex, DataKey, RootKey, RootKeyId, WrappedKey};
use portcullis_store::storage::make_folder;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::secret_source::find_secret;
use super::whole::{Named, Readers, folder_of, write_whole};

/// A root key in our own memory.
pub(crate) struct HeldRootKey {
    key: Arc<RootKey>,
    entropy: Arc<dyn Entropy>,
}

impl HeldRootKey {
    pub(crate) fn new(key: Arc<RootKey>, entropy: Arc<dyn Entropy>) -> Self {
        Self { key, entropy }
    }
}

impl RootKeys for HeldRootKey {
    fn id(&self) -> RootKeyId {
        self.key.id()
    }

    fn wrap(&self, key: &DataKey) -> Result<WrappedKey, RootKeyProblem> {
        let mut nonce = [0; 12];
        self.entropy.fill(&mut nonce);
        key.wrap(&self.key, nonce).ok_or_else(|| RootKeyProblem::Unavailable("it cannot be wrapped".into()))
    }

    fn unwrap(&self, key: &WrappedKey) -> Result<DataKey, RootKeyProblem> {
        Ok(key.unwrap_with(&self.key)?)
    }

    fn blind_index(&self, table: &str, column: &str) -> Result<BlindIndex, RootKeyProblem> {
        Ok(self.key.blind_index(table, column))
    }
}

/// Reads the root key; `None` when the file that should hold it is not there.
pub(crate) fn read_root_key(source: &SecretSource) -> anyhow::Result<Option<RootKey>> {
    let Some(text) = find_secret(source, "the root key")? else { return Ok(None) };
    let key = RootKey::parse(text.expose_secret());
    key.map(Some).with_context(|| match source {
        SecretSource::File(file) => {
            format!("the root key `{}` cannot be used; put back the copy that you keep", file.display())
        }
        SecretSource::Variable(name) => format!("the root key in the variable `{name}` cannot be used"),
    })
}

/// Makes a root key in a file that is not there, for its owner alone: whole from the moment that it has its name.
pub(crate) fn make_root_key(file: &Path, entropy: &dyn Entropy) -> anyhow::Result<RootKey> {
    let mut random = Zeroizing::new([0; 32]);
    entropy.fill(random.as_mut_slice());
    let key = RootKey::generate(random)?;
    write(file, &key).with_context(|| format!("the root key `{}` cannot be written", file.display()))?;
    Ok(key)
}

fn write(file: &Path, key: &RootKey) -> io::Result<()> {
    make_folder(folder_of(file))?;
    let text = Zeroizing::new(format!("{}\n", *key.to_text()));
    write_whole(file, text.as_bytes(), Named::Once, Readers::Owner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use portcullis_protect::Purpose;

    use super::super::SystemEntropy;
    use super::*;

    fn file() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/root.key");
        (folder, file)
    }

    #[test]
    fn a_key_that_was_made_is_read_again_and_never_replaced() {
        let (_folder, file) = file();
        let source = SecretSource::File(file.clone());
        assert!(read_root_key(&source).unwrap().is_none());
        let made = make_root_key(&file, &SystemEntropy).unwrap();
        assert_eq!(read_root_key(&source).unwrap().unwrap().id(), made.id());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        make_root_key(&file, &SystemEntropy).unwrap_err();
        assert_eq!(read_root_key(&source).unwrap().unwrap().id(), made.id());
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_others_can_read_or_is_no_key_is_refused_and_not_shown() {
        let (_folder, file) = file();
        let text = make_root_key(&file, &SystemEntropy).unwrap().to_text();
        let said =
            |file: &Path| format!("{:#}", read_root_key(&SecretSource::File(file.to_owned())).unwrap_err());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(said(&file).contains("0640"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        for wrong in ["", "x", &text[..40], &format!("{}{}", text.as_str(), text.as_str())] {
            fs::write(&file, wrong).unwrap();
            let said = said(&file);
            assert!(said.contains("root.key` cannot be used") && !said.contains(&text[22..40]), "{said}");
        }
    }

    #[test]
    fn data_keys_are_opened_by_the_root_key_that_wrapped_them() {
        let held = |first: u8| {
            let bytes = Zeroizing::new(std::array::from_fn(|at| first + at as u8));
            HeldRootKey::new(Arc::new(RootKey::generate(bytes).unwrap()), Arc::new(SystemEntropy))
        };
        let key = DataKey::generate([3; 16], Zeroizing::new([4; 32]), Purpose::Store);
        let wrapped = held(1).wrap(&key).unwrap();
        assert_eq!(held(1).unwrap(&wrapped).unwrap().id(), key.id());
        assert!(matches!(held(2).unwrap(&wrapped), Err(RootKeyProblem::Refused(_))));
        let index = |first| held(first).blind_index("user", "email").unwrap().of_value(b"ada");
        assert_eq!((held(1).id() == held(2).id(), index(1) == index(2)), (false, false));
    }
}
