//! Compiles `[listen.tls.acme]`: which names are asked for, and what would keep every attempt from succeeding.
//!
//! An authority counts failed attempts, so what can be known beforehand is told before the first one.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::RootCertStore;
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Value, json};

use super::address::is_host_name;
use super::certificate::Certificates;
use super::kind::{At, Gaps, Text, Wrong};
use super::secret::fetch;
use super::tree::{self, Config};
use crate::diagnostic::{Problem, Problems, quoted};
use crate::ports::Surroundings;
use crate::snapshot::{Acme, Certificate, Challenge, ExternalAccount, HostPattern, Origin};

/// An e-mail address, as RFC 8555 §7.3 lets an authority have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailAddress(Box<str>);

/// A name that a certificate can be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DomainName(Box<str>);

/// The public name of an account elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyId(Box<str>);

impl Text for MailAddress {
    const NAME: &'static str = "e-mail address";
    const LIKE: &'static str = "\"ops@example.com\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        const BYTES_MAX: usize = 254;
        let wrong = Wrong::new(format!("{} is not an e-mail address", quoted(text)));
        if let Some(address) = text.strip_prefix("mailto:") {
            return Err(wrong.help(format!("write \"{address}\"")));
        }
        // RFC 8555 §7.3: one address and no header fields, so nothing that a `mailto:` URL would read as more.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@.!#$&'*+-/=^_`{|}~".contains(&byte);
        let (local, domain) = text.split_once('@').unwrap_or_default();
        let fits = text.len() <= BYTES_MAX && text.bytes().all(plain) && !local.is_empty();
        if fits && is_host_name(&domain.to_ascii_lowercase()) {
            return Ok(Self(text.into()));
        }
        Err(wrong.help(format!("write it like {}", Self::LIKE)))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[^@:]+@[^@:]+$", "maxLength": 254 })
    }
}

impl Text for DomainName {
    const NAME: &'static str = "domain name";
    const LIKE: &'static str = "\"shop.example.com\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = Wrong::new(format!("{} is not a domain name", quoted(text)));
        if text.starts_with('*') {
            let wrong =
                Wrong::new(format!("{} is a wildcard, which is only proven in the DNS", quoted(text)));
            let help = "name each host; or get the certificate another way and put it into `certificates`";
            return Err(wrong.help(help));
        }
        match HostPattern::parse(text) {
            Ok(HostPattern::Exactly(name)) if is_nameable(&name) => Ok(Self(name)),
            Ok(_) => Err(wrong.help("write a name: authorities that speak ACME vouch for names here")),
            // What is wrong with a host is wrong with a domain name, and is corrected alike.
            Err(Wrong { help: Some(help), .. }) => Err(wrong.help(help)),
            Err(_) => Err(wrong),
        }
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[a-z0-9_-]+(\\.[a-z0-9_-]+)*$", "maxLength": 253 })
    }
}

impl Text for KeyId {
    const NAME: &'static str = "key id";
    const LIKE: &'static str = "\"kid-1\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        const BYTES_MAX: usize = 512;
        if (1..=BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text.into()));
        }
        let wrong = Wrong::new(format!("{} is not a key id", quoted(text)));
        Err(wrong.help("write it as the authority gave it: 1 to 512 characters of ASCII, without a space"))
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": 512 })
    }
}

/// Whether a host is a name, and not the number of an address.
fn is_nameable(host: &str) -> bool {
    !host.starts_with('[') && host.parse::<std::net::Ipv4Addr>().is_err()
}

/// Compiles the section; `Some(None)` without it.
pub(crate) fn compile(
    config: &Config,
    tls: &tree::ListenTls,
    shown: &[Arc<Certificate>],
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Option<Arc<Acme>>> {
    if tls.acme.is_left_out() {
        return Some(None);
    }
    let acme = tls.acme.value()?;
    if let Some((false, place)) = acme.terms_agreed.written() {
        let message = "the authority gives certificates to those who agree to its terms";
        let help = "read them, then write `terms_agreed = true`; or remove the section";
        problems.add(Problem::at(place, message).help(help));
    }
    let challenge = *acme.challenge.value()?;
    let has_plain = config.listen.value().is_some_and(|listen| !listen.plain_address.is_left_out());
    if challenge == Challenge::Http01 && !has_plain {
        let message = "the authority would ask on port 80, and nothing listens for plain HTTP";
        let help = "add `plain_address` to `[listen]`, or write \"tls-alpn-01\"";
        problems.add(Problem::at(&acme.challenge.place, message).help(help));
    }
    let names = names(config, tls, shown, problems);
    let roots = roots(acme, certificates, problems);
    let external = match acme.external_account.value() {
        None if acme.external_account.is_left_out() => Some(None),
        declared => {
            declared.and_then(|account| external(account, certificates.judged_by().0, problems)).map(Some)
        }
    };
    Some(Some(Arc::new(Acme {
        directory: acme.directory.value()?.as_str().into(),
        contacts: acme.contact.value()?.values().map(|address| address.0.clone()).collect(),
        names: names?,
        challenge,
        roots: roots?,
        renew_before: acme.renew_before.value().copied(),
        retry_after: *acme.retry_after.value()?,
        external: external?,
    })))
}

/// The names that are listed; or those of the applications that no given certificate is for.
fn names(
    config: &Config,
    tls: &tree::ListenTls,
    certificates: &[Arc<Certificate>],
    problems: &mut Problems,
) -> Option<Vec<Box<str>>> {
    let acme = tls.acme.value()?;
    let applications = config.application.value()?;
    let hosts: Vec<&HostPattern> = applications
        .entries
        .iter()
        .flat_map(|(_, At { value, .. })| value.hosts.items())
        .map(|host| &host.value)
        .collect();
    if !acme.domains.is_left_out() {
        let list = acme.domains.value()?;
        for At { value: DomainName(name), place } in list.iter() {
            let is_served = hosts.iter().any(|host| host.fit(name).is_some());
            if !is_served && applications.gaps == Gaps::None {
                let message = format!("no application answers for `{name}`");
                problems.add(Problem::at(place, message).help("add it to the `hosts` of one, or remove it"));
            }
        }
        return Some(list.values().map(|name| name.0.clone()).collect());
    }
    let given = |name: &str| certificates.iter().any(|c| c.origin == Origin::Given && c.covers(name));
    let mut names: Vec<Box<str>> = Vec::new();
    for host in hosts {
        if let HostPattern::Exactly(name) = host
            && is_nameable(name)
            && name.contains('.')
            && !given(name)
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    if names.is_empty() {
        let message = "there is no name to ask for: no application has a host that is one name with a dot in it, \
                       or all have a certificate";
        problems.add(Problem::at(&tls.acme.place, message).help("list the names in `domains`"));
        return None;
    }
    Some(names)
}

/// Who may vouch for the authority's own server.
fn roots(
    acme: &tree::Acme,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Arc<RootCertStore>> {
    let authorities = match acme.ca_file.written() {
        Some((file, place)) => certificates.authorities(file, place, problems),
        None if acme.ca_file.is_left_out() => certificates.of_system(&acme.directory.place, problems),
        None => None,
    };
    authorities.map(|authorities| Arc::clone(authorities.roots()))
}

/// The account elsewhere, with its key decoded.
fn external(
    account: &tree::ExternalAccount,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<ExternalAccount> {
    let key_id = account.key_id.value()?.0.clone();
    if account.key.is_left_out() && account.key_file.is_left_out() {
        let problem = Problem::at(&account.key_id.place, "there is no key that belongs to this key id");
        problems.add(problem.help("name it in `key_file`, or in `key` as \"env:VARIABLE\""));
        return None;
    }
    let (key, place) = fetch(&account.key, &account.key_file, surroundings, problems)?;
    let key = BASE64_URL_SAFE_NO_PAD.decode(key.expose_secret().trim_end_matches('='));
    match key {
        Ok(key) if !key.is_empty() => Some(ExternalAccount { key_id, key: SecretSlice::from(key) }),
        _ => {
            let problem = Problem::at(place, "the key is not base64url");
            problems.add(problem.help("write it as the authority gave it, letters, digits, `-` and `_`"));
            None
        }
    }
}
