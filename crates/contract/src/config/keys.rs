//! The API keys: who they stand for, what they may do, and what they are recognised by.
//!
//! A key never widens what its owner may do (AZ-02): a permission that would be narrowed away is a mistake, not a
//! surprise at run time. Secrets are fetched here and end here, as hashes.

use std::collections::HashMap;

use jiff::Timestamp;
use portcullis_access::apikey::{
    ApiKey, HashKey, HashKeyError, KeyFormProblem, KeyHash, KeyRing, check_form,
};
use portcullis_model::Permissions;
use secrecy::ExposeSecret;

use super::callers::{Callers, Use};
use super::kind::{At, Text};
use super::secret;
use super::time::Expiry;
use super::tree::{self, Config};
use crate::diagnostic::{Place, Problem, Problems};
use crate::ports::Surroundings;

/// Compiles the API keys.
pub(crate) fn key_ring(
    config: &Config,
    callers: &Callers<'_>,
    surroundings: &dyn Surroundings,
    now: Timestamp,
    problems: &mut Problems,
) -> Option<KeyRing> {
    let hash_key = hash_key(config, surroundings, problems);
    let declared = config.api_key.value()?;
    let mut seen = Seen::default();
    let mut keys = Vec::new();
    for key in &declared.0 {
        if problems.are_full() {
            break;
        }
        let compiled = api_key(key, callers, hash_key.as_ref(), surroundings, problems);
        report_ended(&key.value, now, problems);
        seen.check(key, compiled.as_ref(), problems);
        keys.extend(compiled);
    }
    Some(KeyRing::new(hash_key, keys))
}

/// The secret under which API keys are hashed.
pub(crate) fn hash_key(
    config: &Config,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<HashKey> {
    let settings = config.api_keys.value()?;
    if settings.hash_key.is_left_out() && settings.hash_key_file.is_left_out() {
        let first = config.api_key.value().and_then(|keys| keys.0.first())?;
        let message = "there are API keys, but no secret under which they are hashed";
        let help = "write `hash_key_file = \"state/api-key-hash.key\"` under `[api_keys]`; \
                    `portcullis init` makes that file, or put the output of `openssl rand -hex 32` into it \
                    and run `chmod 600` on it";
        let place = settings.hash_key_file.place.clone().at(first.place.start..first.place.end);
        problems.add(Problem::left_out(&place, message).help(help));
        return None;
    }
    let (secret, place) = secret::fetch(&settings.hash_key, &settings.hash_key_file, surroundings, problems)?;
    match HashKey::new(secret.expose_secret().as_bytes()) {
        Ok(hash_key) => Some(hash_key),
        Err(problem) => {
            let message = match problem {
                HashKeyError::TooShort(bytes) => {
                    format!("the secret has {bytes} bytes, and needs 32 or more")
                }
                HashKeyError::Repeated => {
                    "the secret is one character over and over, which is no secret".into()
                }
            };
            problems.add(Problem::at(place, message).help("make a new one with `openssl rand -hex 32`"));
            None
        }
    }
}

fn api_key(
    At { value: key, place }: &At<tree::ApiKey>,
    callers: &Callers<'_>,
    hash_key: Option<&HashKey>,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<ApiKey> {
    problems.extend(key.roles.items().filter_map(|role| callers.wrong_role(role)));
    problems.extend(key.permissions.items().filter_map(|p| callers.wrong_permission(p, Use::Held)));
    problems
        .extend(key.applications.items().filter_map(|application| callers.wrong_application(application)));
    let hash = stored_hash(key, place, hash_key, surroundings, problems);

    let roles = key.roles.value()?;
    let permissions = permissions(key, callers, problems)?;
    Some(ApiKey {
        name: key.name.value()?.clone(),
        owner: key.owner.value()?.0.clone(),
        roles: roles.values().cloned().collect(),
        permissions,
        applications: key.applications.items().map(|application| application.value.clone()).collect(),
        expires: match key.expires.value()? {
            Expiry::Never => None,
            Expiry::At(at) => Some(*at),
        },
        hash: hash?,
    })
}

/// What a key may do: all that its roles may, or what is listed of that; without roles, what is listed.
fn permissions(key: &tree::ApiKey, callers: &Callers<'_>, problems: &mut Problems) -> Option<Permissions> {
    let roles = key.roles.value()?;
    let held = callers.permissions_of(roles)?;
    if key.permissions.is_left_out() {
        return Some(held);
    }
    let listed: Permissions = key.permissions.value()?.values().cloned().collect();
    if roles.values().next().is_none() {
        return Some(listed);
    }
    for At { value, place } in key.permissions.items().filter(|permission| !held.imply(&permission.value)) {
        let message =
            format!("the owner's roles do not hold `{value}`, and a key cannot do more than its owner");
        let help = "give the owner a role that holds it, or take it out";
        problems.add(Problem::at(place, message).help(help));
    }
    Some(listed.narrowed_to(&held))
}

/// The hash of a key: as stored, or of an existing key that is taken over.
fn stored_hash(
    key: &tree::ApiKey,
    place: &Place,
    hash_key: Option<&HashKey>,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<KeyHash> {
    let takes_over = !(key.key.is_left_out() && key.key_file.is_left_out());
    match (key.hash.is_left_out(), takes_over) {
        (true, false) => {
            let problem =
                Problem::left_out(&place.child("hash"), "is missing: nothing says how the key is recognised");
            let help = "`portcullis apikey new` prints a key and its `hash`; \
                        an existing key is taken over with `key_file`";
            problems.add(problem.help(help));
            None
        }
        (false, true) => {
            let message = "`hash` stands beside a key to take over; one of the two recognises the key";
            // Who wrote two may well have written the key itself into this one.
            let problem = Problem::at(&key.hash.place, message).hide_line();
            problems.add(problem.help("keep one of `hash`, `key` and `key_file`"));
            None
        }
        (false, false) => key.hash.value().copied(),
        (true, true) => {
            let (secret, place) = secret::fetch(&key.key, &key.key_file, surroundings, problems)?;
            if let Err(problem) = check_form(secret.expose_secret()) {
                problems.add(
                    Problem::at(place, unfit(problem))
                        .help("make a new key: `portcullis apikey new` prints one and its `hash`"),
                );
                return None;
            }
            Some(hash_key?.hash(secret.expose_secret()))
        }
    }
}

fn unfit(problem: KeyFormProblem) -> String {
    match problem {
        KeyFormProblem::Malformed => {
            "the key has characters other than visible ASCII, or more than 512 of them".into()
        }
        KeyFormProblem::TooShort(bytes) => {
            format!("the key has {bytes} characters and could be guessed; it needs 32 or more")
        }
        KeyFormProblem::Placeholder => {
            "the key is a placeholder from some documentation, which everyone knows".into()
        }
        KeyFormProblem::Checksum => "the key's checksum is wrong: it was mistyped or cut off".into(),
    }
}

fn report_ended(key: &tree::ApiKey, now: Timestamp, problems: &mut Problems) {
    if let Some((Expiry::At(at), place)) = key.expires.written()
        && *at <= now
    {
        let message = format!("this key ended on `{at}`");
        problems.add(
            Problem::at(place, message)
                .help("remove the key, or give it a later date if its owner may keep it"),
        );
    }
}

/// The keys seen so far, by what must be theirs alone.
#[derive(Default)]
struct Seen {
    names: HashMap<String, String>,
    hashes: HashMap<KeyHash, String>,
}

impl Seen {
    fn check(&mut self, key: &At<tree::ApiKey>, compiled: Option<&ApiKey>, problems: &mut Problems) {
        let this = || key.place.key().to_owned();
        if let Some((name, place)) = key.value.name.written()
            && let Some(first) = self.names.insert(name.text(), this())
        {
            let message = format!("`{first}` is named `{name}` too, and logs could not tell the keys apart");
            problems.add(Problem::at(place, message).help("give each key a name of its own"));
        }
        if let Some(compiled) = compiled
            && let Some(first) = self.hashes.insert(compiled.hash, this())
        {
            let message = format!("`{first}` is the same key");
            problems.add(
                Problem::at(&key.place, message).help("make a key for each owner, or remove one of the two"),
            );
        }
    }
}
