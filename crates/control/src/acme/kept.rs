//! What is kept over restarts, and under which names: `acme/CA/account.json`, `acme/CA/NAME/certificate.pem` and
//! `acme/CA/NAME/attempts.json`, where `CA` is a digest of the directory's URL. Accounts and certificates of one CA are
//! so never shown to another.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use instant_acme::AccountCredentials;
use jiff::Timestamp;
use portcullis_contract::ports::{Vault, VaultProblem};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};

use super::when::Attempts;

/// The part of the vault that belongs to one CA.
#[derive(Clone)]
pub(super) struct Kept {
    vault: Arc<dyn Vault>,
    folder: Box<str>,
}

/// The account with a CA.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptAccount {
    /// For whoever reads the file.
    pub(super) directory: Box<str>,
    pub(super) contacts: Vec<Box<str>>,
    pub(super) credentials: AccountCredentials,
}

/// What was tried already; an attempt that has begun counts as failed until it succeeds.
#[derive(Debug, Serialize, Deserialize)]
struct KeptAttempts {
    /// How many failed in a row.
    count: u32,
    last: Timestamp,
    asked_pause_seconds: Option<u64>,
}

/// Why something could not be kept or found again.
#[derive(Debug, Error)]
pub(super) enum NotKept {
    #[error("the state directory cannot be used: {0}")]
    Vault(#[from] VaultProblem),
    /// Without what the library says of it, which may repeat a part of the file.
    #[error("`{0}` in the state directory cannot be understood from line {1} on")]
    Garbled(String, usize),
    #[error("reading or writing was cut off: {0}")]
    CutOff(#[from] JoinError),
}

impl Kept {
    pub(super) fn of(vault: Arc<dyn Vault>, directory: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, directory.as_bytes());
        let hex: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { vault, folder: format!("acme/{hex}").into() }
    }

    pub(super) async fn account(&self) -> Result<Option<KeptAccount>, NotKept> {
        self.read_json(self.path("account.json")).await
    }

    pub(super) async fn keep_account(&self, account: &KeptAccount) -> Result<(), NotKept> {
        self.write_json(self.path("account.json"), account).await
    }

    /// Key and chain, as they were kept.
    pub(super) async fn certificate(&self, name: &str) -> Result<Option<SecretString>, NotKept> {
        self.read(self.path(&format!("{name}/certificate.pem"))).await
    }

    pub(super) async fn keep_certificate(&self, name: &str, bundle: SecretString) -> Result<(), NotKept> {
        self.write(self.path(&format!("{name}/certificate.pem")), bundle).await
    }

    pub(super) async fn attempts(&self, name: &str) -> Result<Option<Attempts>, NotKept> {
        let attempts = self.read_json::<KeptAttempts>(self.path(&format!("{name}/attempts.json"))).await?;
        Ok(attempts.map(|KeptAttempts { count, last, asked_pause_seconds }| Attempts {
            failed: count,
            last,
            asked_pause: asked_pause_seconds.map(Duration::from_secs),
        }))
    }

    pub(super) async fn keep_attempts(&self, name: &str, attempts: Attempts) -> Result<(), NotKept> {
        let Attempts { failed, last, asked_pause } = attempts;
        let asked_pause_seconds = asked_pause.map(|pause| pause.as_secs());
        let attempts = KeptAttempts { count: failed, last, asked_pause_seconds };
        self.write_json(self.path(&format!("{name}/attempts.json")), &attempts).await
    }

    fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    async fn read_json<T: for<'de> Deserialize<'de>>(&self, path: String) -> Result<Option<T>, NotKept> {
        let Some(text) = self.read(path.clone()).await? else { return Ok(None) };
        let read = serde_json::from_str(text.expose_secret());
        read.map(Some).map_err(|error| NotKept::Garbled(path, error.line()))
    }

    async fn write_json<T: Serialize>(&self, path: String, value: &T) -> Result<(), NotKept> {
        let text =
            serde_json::to_string(value).map_err(|error| NotKept::Garbled(path.clone(), error.line()))?;
        self.write(path, SecretString::from(text)).await
    }

    async fn read(&self, path: String) -> Result<Option<SecretString>, NotKept> {
        let vault = Arc::clone(&self.vault);
        Ok(spawn_blocking(move || vault.kept(&path)).await??)
    }

    async fn write(&self, path: String, content: SecretString) -> Result<(), NotKept> {
        let vault = Arc::clone(&self.vault);
        Ok(spawn_blocking(move || vault.keep(&path, &content)).await??)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct InMemory(Mutex<HashMap<String, String>>);

    impl Vault for InMemory {
        fn kept(&self, name: &str) -> Result<Option<SecretString>, VaultProblem> {
            Ok(self.0.lock().unwrap().get(name).cloned().map(SecretString::from))
        }

        fn keep(&self, name: &str, content: &SecretString) -> Result<(), VaultProblem> {
            self.0.lock().unwrap().insert(name.to_owned(), content.expose_secret().to_owned());
            Ok(())
        }
    }

    #[tokio::test]
    async fn attempts_come_back_as_they_were_and_each_ca_has_its_own() {
        let vault = Arc::new(InMemory::default());
        let of = |directory: &str| Kept::of(Arc::<InMemory>::clone(&vault), directory);
        let (one, other) = (of("https://one.example/dir"), of("https://other.example/dir"));
        for (failed, pause) in [(3, Some(90)), (0, None)] {
            let asked_pause = pause.map(Duration::from_secs);
            let attempts = Attempts { failed, last: "2026-11-22T10:00:00Z".parse().unwrap(), asked_pause };
            one.keep_attempts("a.example", attempts).await.unwrap();
            assert_eq!(one.attempts("a.example").await.unwrap(), Some(attempts));
        }
        assert_eq!(one.attempts("b.example").await.unwrap(), None);
        assert_eq!(other.attempts("a.example").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_garbled_file_is_told_without_what_is_in_it() {
        let vault = Arc::new(InMemory::default());
        let kept = Kept::of(Arc::<InMemory>::clone(&vault), "https://ca.example/dir");
        let text = SecretString::from("{\"credentials\": \"canary\"}");
        vault.keep(&kept.path("account.json"), &text).unwrap();
        let told = kept.account().await.err().unwrap();
        assert!(told.to_string().contains("line 1") && !format!("{told:?}").contains("canary"), "{told:?}");
    }
}
