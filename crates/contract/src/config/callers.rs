//! Who may call and what they may do: the vocabulary of permissions, the roles, the API keys.
//!
//! Every permission and role that the file names is compared with what it declares: a slip of the pen would otherwise
//! be a permission that nobody holds, or a role that nobody knows.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use portcullis_access::apikey::{
    ApiKey, HashKey, HashKeyError, KeyFormProblem, KeyHash, KeyRing, check_form,
};
use portcullis_access::roles::Roles;
use portcullis_model::{ApplicationName, Permission, Permissions, RoleName};
use secrecy::ExposeSecret;

use super::kind::{At, List, Text};
use super::nearest;
use super::time::Expiry;
use super::tree::{self, Config};
use super::{secret, table::Named};
use crate::diagnostic::{Place, Problem, Problems};
use crate::ports::Surroundings;

/// What the file declares of callers.
pub(crate) struct Callers<'c> {
    permissions: Vec<&'c Permission>,
    roles: Roles,
    applications: &'c [(ApplicationName, At<tree::Application>)],
    keys: usize,
}

/// Whether a permission is held or asked for. Who asks must be exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Held,
    Demanded,
}

impl<'c> Callers<'c> {
    /// Collects what the file declares, and checks the vocabulary and the roles.
    pub(crate) fn declared(config: &'c Config, problems: &mut Problems) -> Self {
        let access = config.access.value();
        let vocabulary = access.and_then(|access| access.permissions.value());
        let declared_roles = access.and_then(|access| access.roles.value());
        let mut callers = Self {
            permissions: vocabulary.into_iter().flat_map(List::values).collect(),
            roles: Roles::default(),
            applications: config.application.value().map_or(&[], |Named(applications)| applications),
            keys: config.api_key.value().map_or(0, |keys| keys.0.len()),
        };
        for permission in vocabulary.into_iter().flat_map(List::iter).filter(|p| p.value.is_wildcard()) {
            let message = format!("`{}` is not one permission but many", permission.value);
            problems.add(
                Problem::at(&permission.place, message)
                    .help("list each permission that there is; roles may hold `action:*`"),
            );
        }
        let mut roles = BTreeMap::new();
        for (name, role) in declared_roles.into_iter().flat_map(|Named(roles)| roles) {
            let permissions = role.value.iter();
            permissions.for_each(|permission| callers.check_permission(permission, Use::Held, problems));
            roles.insert(name.clone(), role.value.values().cloned().collect());
        }
        callers.roles = Roles::new(roles);
        callers
    }

    /// Whether the file has any API key.
    pub(crate) fn has_keys(&self) -> bool {
        self.keys > 0
    }

    /// Reports a permission that the vocabulary does not have, or that cannot be used so.
    pub(crate) fn check_permission(
        &self,
        At { value, place }: &At<Permission>,
        used: Use,
        problems: &mut Problems,
    ) {
        if value.as_str() == Permission::ADMIN || self.permissions.contains(&value) {
            return;
        }
        let action = value.as_str().split(':').next().unwrap_or_default();
        let known_action =
            self.permissions.iter().any(|known| known.as_str().split(':').next() == Some(action));
        let problem = match (value.is_wildcard(), used) {
            (true, Use::Held) if known_action => return,
            (true, Use::Demanded) => {
                let message = format!("`{value}` is not one permission but many, and a route must be exact");
                Problem::at(place, message).help("name the one permission that the route needs")
            }
            _ => {
                let known = self.permissions.iter().map(|known| known.as_str()).chain([Permission::ADMIN]);
                let help = match nearest::to(value.as_str(), known) {
                    Some(near) => {
                        format!("did you mean `{near}`? If not, add it to `permissions` under `[access]`")
                    }
                    None => "add it to `permissions` under `[access]`".into(),
                };
                Problem::at(place, format!("the permission `{value}` is not declared")).help(help)
            }
        };
        problems.add(problem);
    }

    /// Reports a role that is not declared.
    pub(crate) fn check_role(&self, At { value, place }: &At<RoleName>, problems: &mut Problems) {
        if self.roles.get(value).is_some() {
            return;
        }
        let known: Vec<_> = self.roles.names().map(RoleName::as_str).collect();
        let help = match nearest::to(value.as_str(), known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("declare it under `[access.roles]`: {value} = [\"…\"]"),
            None => format!("declare it under `[access.roles]`; declared are {}", known.join(", ")),
        };
        problems.add(Problem::at(place, format!("the role `{value}` is not declared")).help(help));
    }

    fn check_application(&self, At { value, place }: &At<ApplicationName>, problems: &mut Problems) {
        if self.applications.iter().any(|(name, _)| name == value) {
            return;
        }
        let known = self.applications.iter().map(|(name, _)| name.as_str());
        let help = match nearest::to(value.as_str(), known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name an application of this file, `[application.NAME]`".into(),
        };
        problems.add(Problem::at(place, format!("there is no application `{value}`")).help(help));
    }

    /// What holders of these roles may do; `None` when a role is unknown, which has been reported.
    fn permissions_of(&self, roles: &List<RoleName>) -> Option<Permissions> {
        let names: Vec<_> = roles.values().cloned().collect();
        self.roles.permissions_of(&names).ok()
    }
}

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
        let compiled = api_key(key, callers, hash_key.as_ref(), surroundings, problems);
        report_ended(&key.value, now, problems);
        seen.check(key, compiled.as_ref(), problems);
        keys.extend(compiled);
    }
    Some(KeyRing::new(hash_key, keys))
}

fn hash_key(config: &Config, surroundings: &dyn Surroundings, problems: &mut Problems) -> Option<HashKey> {
    let settings = config.api_keys.value()?;
    if settings.hash_key.is_left_out() && settings.hash_key_file.is_left_out() {
        let first = config.api_key.value().and_then(|keys| keys.0.first())?;
        let message = "there are API keys, but no secret under which they are hashed";
        let help = "write `hash_key_file = \"state/api-key-hash.key\"` under `[api_keys]`; `portcullis init` and `portcullis apikey new` create that file";
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
    let (roles, permissions) = (key.roles.value(), key.permissions.value());
    roles.into_iter().flat_map(List::iter).for_each(|role| callers.check_role(role, problems));
    permissions
        .into_iter()
        .flat_map(List::iter)
        .for_each(|p| callers.check_permission(p, Use::Held, problems));
    let applications = key.applications.value();
    applications
        .into_iter()
        .flat_map(|list| list.iter())
        .for_each(|a| callers.check_application(a, problems));
    let hash = stored_hash(key, place, hash_key, surroundings, problems);

    let held = callers.permissions_of(roles?)?;
    for permission in permissions?.iter().filter(|permission| !held.imply(&permission.value)) {
        let message = format!(
            "the owner's roles do not hold `{}`, and a key cannot do more than its owner",
            permission.value
        );
        problems.add(
            Problem::at(&permission.place, message)
                .help("give the owner a role that holds it, or take it out"),
        );
    }
    let permissions: Permissions = permissions?.values().cloned().collect();
    Some(ApiKey {
        name: key.name.value()?.clone(),
        owner: key.owner.value()?.0.clone(),
        roles: roles?.values().cloned().collect(),
        permissions: permissions.narrowed_to(&held),
        applications: applications.into_iter().flat_map(|list| list.values()).cloned().collect(),
        expires: match key.expires.value()? {
            Expiry::Never => None,
            Expiry::At(at) => Some(*at),
        },
        hash: hash?,
    })
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
            problems.add(problem.help("`portcullis apikey new` prints a key and its `hash`; an existing key is taken over with `key_file`"));
            None
        }
        (false, true) => {
            let message = "`hash` stands beside a key to take over; one of the two recognises the key";
            problems
                .add(Problem::at(&key.hash.place, message).help("keep one of `hash`, `key` and `key_file`"));
            None
        }
        (false, false) => key.hash.value().copied(),
        (true, true) => {
            let (secret, place) = secret::fetch(&key.key, &key.key_file, surroundings, problems)?;
            if let Err(problem) = check_form(secret.expose_secret()) {
                problems.add(
                    Problem::at(place, unfit(problem))
                        .help("take a new key: `portcullis apikey new` prints one and its `hash`"),
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
