//! Compiles the authorities whose certificates clients can present, and finds the one that a route names.

use std::sync::Arc;

use super::certificate::Certificates;
use super::kind::{At, Gaps};
use super::nearest;
use super::table::Setting;
use super::tree::{self, Config};
use super::word::AuthorityName;
use crate::diagnostic::{Problem, Problems};
use crate::snapshot::ClientAuthority;

/// The authorities that can be named.
pub(crate) struct Authorities<'c> {
    declared: &'c [(AuthorityName, At<tree::ClientAuthority>)],
    gaps: Gaps,
    compiled: Vec<Arc<ClientAuthority>>,
    has_tls: bool,
}

impl<'c> Authorities<'c> {
    /// Reads all of them.
    pub(crate) fn declared(
        config: &'c Config,
        certificates: &Certificates<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let declared = config.client_authority.value()?;
        let mut compiled = Vec::new();
        for (name, At { value, .. }) in &declared.entries {
            compiled.extend(authority(name, value, certificates, problems).map(Arc::new));
        }
        let has_tls = config.listen.value().is_some_and(|listen| !listen.tls.is_left_out());
        Some(Self { declared: &declared.entries, gaps: declared.gaps, compiled, has_tls })
    }

    /// The authority that a route names; `Some(None)` when it names none.
    pub(crate) fn of(
        &self,
        setting: &Setting<AuthorityName>,
        problems: &mut Problems,
    ) -> Option<Option<Arc<ClientAuthority>>> {
        let Some((_, place)) = setting.written() else {
            return setting.is_left_out().then_some(None);
        };
        if !self.has_tls {
            let message = "nobody can present a certificate: the public listener does not speak TLS";
            problems.add(Problem::at(place, message).help("add a section `[listen.tls]`"));
            return None;
        }
        self.named(setting, problems)
    }

    /// The authority that a setting names, whoever asks for its certificates; `Some(None)` when it names none.
    pub(crate) fn named(
        &self,
        setting: &Setting<AuthorityName>,
        problems: &mut Problems,
    ) -> Option<Option<Arc<ClientAuthority>>> {
        let Some((name, place)) = setting.written() else {
            return setting.is_left_out().then_some(None);
        };
        if let Some(found) = self.compiled.iter().find(|authority| authority.name == name.0) {
            return Some(Some(Arc::clone(found)));
        }
        let known = self.declared.iter().map(|(known, _)| known);
        if self.gaps == Gaps::None && !known.clone().any(|known| known == name) {
            let help = match nearest::to(&name.0, known.map(|known| &*known.0)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare it in a section `[client_authority.{}]`", name.0),
            };
            problems.add(Problem::at(place, format!("there is no client authority `{}`", name.0)).help(help));
        }
        None
    }
}

/// Reads one of them.
fn authority(
    name: &AuthorityName,
    declared: &tree::ClientAuthority,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<ClientAuthority> {
    let (file, place) = declared.file.written()?;
    let authorities = certificates.authorities(file, place, problems)?;
    let Some((lists, place)) = declared.crl_file.written() else {
        let made = ClientAuthority::new(name.0.clone(), authorities, None);
        return declared.crl_file.is_left_out().then_some(made.ok()).flatten();
    };
    let revoked = certificates.revocation_lists(lists, &authorities, place, problems)?;
    ClientAuthority::new(name.0.clone(), authorities, Some(revoked))
        .map_err(|error| {
            let message = format!("a list of revoked certificates cannot be used: {error}");
            problems.add(Problem::at(place, message).help("name a whole list, and not one of changes"));
        })
        .ok()
}
