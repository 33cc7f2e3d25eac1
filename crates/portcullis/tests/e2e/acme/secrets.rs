//! Keys: who can read them, and where they never show.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis_testkit::AcmeServer;

use super::{NAME, Stand, Wanted};
use crate::gate::binary;

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn keys_are_for_their_owner_alone_and_never_in_the_log() {
    let stand = Stand::start("").await;
    stand.trusted(NAME).await;
    let folder = stand.gate.folder().join("state/acme");
    let kept = files(&folder);
    let names: Vec<_> = kept.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    for expected in ["account.json", "certificate.pem", "attempts.json"] {
        assert!(names.contains(&expected), "{expected} in {names:?}");
    }
    for path in kept.iter().flat_map(|path| path.ancestors()).take_while(|path| path.starts_with(&folder)) {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{path:?}");
    }
    let mut secrets = Vec::new();
    for path in kept {
        let text = fs::read_to_string(path).unwrap();
        secrets.extend(text.split("-----").filter(|part| part.len() > 100).map(str::to_owned).take(1));
        if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text)
            && let Some(key) = json["credentials"]["key_pkcs8"].as_str()
        {
            secrets.push(key.to_owned());
        }
    }
    assert_eq!(secrets.len(), 3, "the account's key twice, and the certificate's");
    let log: String = stand.gate.lines().into_iter().map(|line| line.text).collect();
    for secret in secrets {
        let piece: String = secret.trim().chars().skip(30).take(24).collect();
        assert!(piece.len() == 24 && !log.contains(&piece), "{piece}");
    }
    assert!(!log.contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_new_account_is_bound_to_the_external_one_whose_key_stays_secret() {
    let ca = AcmeServer::start().await;
    let key = BASE64_URL_SAFE_NO_PAD.decode("Zm9yLXRlc3RzLW9ubHktLQ").unwrap();
    ca.require_external_account("kid-7", &key);
    let more = "external_account = { key_id = \"kid-7\", key_file = \"external.key\" }";
    let stand = Stand::with(ca, Wanted { more, ..Wanted::default() }).await;
    stand.trusted(NAME).await;
    assert_eq!(stand.ca.accounts()[0].external.as_deref(), Some("kid-7"));
    let shown = std::process::Command::new(binary())
        .args(["config", "show", "--config"])
        .arg(stand.gate.folder().join("portcullis.toml"))
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("kid-7") && shown.contains("external.key"), "{shown}");
    let log: String = stand.gate.lines().into_iter().map(|line| line.text).collect();
    assert!(!log.contains("Zm9yLXRlc3Rz") && !shown.contains("Zm9yLXRlc3Rz"));
}

#[tokio::test]
async fn a_wrong_external_key_is_refused_by_the_ca_and_said() {
    let ca = AcmeServer::start().await;
    ca.require_external_account("kid-7", b"another key");
    let more = "external_account = { key_id = \"kid-7\", key_file = \"external.key\" }";
    let stand = Stand::with(ca, Wanted { more, ..Wanted::default() }).await;
    let told = stand.told().await;
    assert!(told.contains("making an account: the CA says: no good external account binding"), "{told}");
}
