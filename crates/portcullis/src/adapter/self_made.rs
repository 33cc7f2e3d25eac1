//! The certificate that a node makes for itself, so that TLS works before anybody has ordered one.
//!
//! It is one owner-only file in the state directory, with a first line that says what it was made for: when the hosts
//! change or its end is near, another one takes its place. It vouches for nothing: browsers warn, and HSTS is not sent.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use portcullis_contract::ports::{FileProblem, SelfMade};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use secrecy::{ExposeSecret, SecretString};

use super::opened::{self, check_state_directory};

/// The file, below the state directory.
pub(super) const FILE: &str = "self-made.pem";
/// Largest file that is read, in bytes. One has two thousand, and more for many hosts.
const BYTES_MAX: u64 = 1 << 20;
/// How long a certificate is good.
const LIFE_DAYS: i64 = 365;
/// How long before its end another one is made.
const RENEWED_BEFORE_DAYS: i64 = 30;

/// Whether a certificate that had to be made is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// By the node that will serve it.
    Yes,
    /// Not by whoever only looks at a configuration.
    No,
}

/// The certificate of an earlier start if it is still good for these hosts, else a fresh one.
pub(crate) fn certificate(
    state: &Path,
    hosts: &[String],
    now: Timestamp,
    keep: Keep,
) -> Result<SelfMade, FileProblem> {
    check_state_directory(state).map_err(|why| about(state, &why))?;
    let file = state.join(FILE);
    match opened::secret(&file, BYTES_MAX) {
        Ok(pem) if is_good(pem.expose_secret(), hosts, now) => return Ok(apart(file, pem)),
        // None yet, one that no longer fits, or nothing that we wrote.
        Ok(_) | Err(FileProblem::Missing | FileProblem::NotASecret) => {}
        // Whoever can read or replace the key can pass for this node.
        Err(why) => return Err(about(&file, &why)),
    }
    let pem = make(hosts, now).map_err(|error| FileProblem::Unreadable(error.to_string()))?;
    if keep == Keep::Yes {
        write(&file, &pem).map_err(|error| FileProblem::Unreadable(error.to_string()))?;
    }
    Ok(apart(file, SecretString::from(pem)))
}

/// The problem with the name of what has it: a configuration need not name it.
fn about(path: &Path, why: &FileProblem) -> FileProblem {
    FileProblem::Unreadable(format!("`{}`: {why}", path.display()))
}

/// The certificate without its key, and the key.
fn apart(file: PathBuf, pem: SecretString) -> SelfMade {
    let text = pem.expose_secret();
    let certificate = text.split("-----BEGIN PRIVATE KEY").next().unwrap_or_default().as_bytes().to_vec();
    SelfMade { file, certificate, key: pem }
}

/// What the first line says.
fn title(hosts: &[String], end: Date) -> String {
    format!("Self-made, until {end}, for {}", hosts.join(" "))
}

fn is_good(pem: &str, hosts: &[String], now: Timestamp) -> bool {
    let Some(line) = pem.lines().next() else { return false };
    let end = line.strip_prefix("Self-made, until ").and_then(|rest| rest.get(..10));
    let Some(end) = end.and_then(|end| end.parse::<Date>().ok()) else { return false };
    line == title(hosts, end) && day(now, RENEWED_BEFORE_DAYS).is_some_and(|soon| soon < end)
}

/// The date so many days from now.
fn day(now: Timestamp, days: i64) -> Option<Date> {
    let then = now.checked_add(SignedDuration::from_hours(24 * days)).ok()?;
    Some(then.to_zoned(jiff::tz::TimeZone::UTC).date())
}

fn make(hosts: &[String], now: Timestamp) -> Result<String, rcgen::Error> {
    let mut parameters = CertificateParams::new(hosts)?;
    let (begin, end) = (day(now, -1).unwrap_or(Date::MIN), day(now, LIFE_DAYS).unwrap_or(Date::MAX));
    parameters.not_before = date(begin);
    parameters.not_after = date(end);
    parameters.distinguished_name.push(DnType::CommonName, "Portcullis, self-made");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    Ok(format!("{}\n{}{}", title(hosts, end), certificate.pem(), key.serialize_pem()))
}

fn date(date: Date) -> time::OffsetDateTime {
    rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
}

/// Written beside and renamed, so that there is never half of it.
fn write(file: &Path, pem: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new(""));
    if !folder.as_os_str().is_empty() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // Readable by its owner alone from the first moment: that is how such files are made.
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(pem.as_bytes())?;
    beside.as_file().sync_all()?;
    beside.persist(PathBuf::from(file)).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_that_others_could_have_read_or_written_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let get = || certificate(folder.path(), &["a.test".to_owned()], Timestamp::now(), Keep::Yes);
        let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        get().unwrap();
        let file = folder.path().join(FILE);
        for (path, bad, good, command) in
            [(&*file, 0o666, 0o600, "chmod 600"), (folder.path(), 0o777, 0o700, "chmod go-w")]
        {
            chmod(path, bad);
            let Err(why) = get() else { panic!("{bad:o} is refused") };
            assert!(why.to_string().contains(command) && why.to_string().contains(path.to_str().unwrap()));
            chmod(path, good);
            get().unwrap();
        }
        fs::write(&file, [0xff]).unwrap();
        get().expect("what nobody can read is made anew");
    }

    #[test]
    fn one_is_made_once_and_again_when_it_no_longer_fits() {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let hosts = ["shop.example.com".to_owned(), "127.0.0.1".to_owned()];
        let get =
            |hosts: &[String], now, keep| certificate(folder.path(), hosts, now, keep).unwrap().certificate;
        get(&hosts, now, Keep::No);
        assert!(!folder.path().join(FILE).exists(), "looking writes nothing");
        let first = get(&hosts, now, Keep::Yes);
        assert!(!String::from_utf8(first.clone()).unwrap().contains("PRIVATE KEY"), "the key is not public");
        assert_eq!(get(&hosts, now, Keep::Yes), first);
        let later = now + SignedDuration::from_hours(24 * 340);
        assert_ne!(get(&hosts, later, Keep::No), first, "its end is near");
        assert_ne!(get(&hosts[..1], now, Keep::No), first, "other hosts");
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(folder.path().join(FILE)).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
}
