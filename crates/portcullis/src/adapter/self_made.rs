//! The certificate that a node makes for itself, so that TLS works before anybody has ordered one.
//!
//! It is one owner-only file in the state directory, with a first line that says what it was made for: when the hosts
//! change or its end is near, another one takes its place. It vouches for nothing: browsers warn, and HSTS is not sent.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use portcullis_contract::ports::{FileProblem, SelfMade};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use secrecy::SecretString;

/// The file, below the state directory.
const FILE: &str = "self-made.pem";
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
    let file = state.join(FILE);
    if let Ok(pem) = fs::read_to_string(&file)
        && is_good(&pem, hosts, now)
    {
        return Ok(apart(file, pem));
    }
    let pem = make(hosts, now).map_err(|error| FileProblem::Unreadable(error.to_string()))?;
    if keep == Keep::Yes {
        write(&file, &pem).map_err(|error| FileProblem::Unreadable(error.to_string()))?;
    }
    Ok(apart(file, pem))
}

/// The certificate without its key, and the key.
fn apart(file: PathBuf, pem: String) -> SelfMade {
    let certificate = pem.split("-----BEGIN PRIVATE KEY").next().unwrap_or_default().as_bytes().to_vec();
    SelfMade { file, certificate, key: SecretString::from(pem) }
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
    use super::*;

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
