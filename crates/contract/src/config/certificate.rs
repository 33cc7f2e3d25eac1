//! Certificates and keys that a configuration names: fetched from their files, with the place of every mistake.
//!
//! Whoever compiles a section with certificates asks [`Certificates`]; what is in a file is judged by
//! [`crate::certificate`].

use std::cell::OnceCell;
use std::path::PathBuf;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::kind::{Text, Wrong};
use super::secret::{self, SecretFile};
use super::word::path;
use crate::certificate::{Authorities, Identity, certificates, validity};
use crate::diagnostic::{Place, Problem, Problems, quoted};
use crate::ports::{FileProblem, Surroundings};
use crate::revocation::RevocationLists;

/// The file that holds certificates, which are no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFile(PathBuf);

impl Text for CertificateFile {
    const NAME: &'static str = "file";
    const LIKE: &'static str = "\"tls/ca.pem\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        path(text, Self::NAME, Self::LIKE).map(Self)
    }

    fn text(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

/// Reads the certificates that a configuration names; those of the system at most once.
pub(crate) struct Certificates<'s> {
    surroundings: &'s dyn Surroundings,
    now: Timestamp,
    system: OnceCell<Result<Authorities, String>>,
}

/// Whether a date is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dates {
    Good,
    Ended(Timestamp),
    NotYet(Timestamp),
}

impl<'s> Certificates<'s> {
    /// `now` decides which certificates have ended; [`Timestamp::MIN`] asks nobody for a date.
    pub(crate) fn new(surroundings: &'s dyn Surroundings, now: Timestamp) -> Self {
        Self { surroundings, now, system: OnceCell::new() }
    }

    /// What comes from outside, and the time that certificates are judged by.
    pub(crate) fn judged_by(&self) -> (&'s dyn Surroundings, Timestamp) {
        (self.surroundings, self.now)
    }

    /// The authorities of a file, or reports why there are none.
    pub(crate) fn authorities(
        &self,
        file: &CertificateFile,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Authorities> {
        let pem = self.public_file(file, place, problems)?;
        let shown = self.shown(file);
        let authorities = match Authorities::from_pem(&pem) {
            Ok(authorities) => authorities,
            Err(why) => {
                problems.add(Problem::at(place, format!("{shown} {why}")).help(why.help()));
                return None;
            }
        };
        // One that is good is enough: bundles carry old authorities along.
        let dates: Vec<_> = authorities.certificates().iter().map(|one| self.dates(one)).collect();
        if let Some(bad) = dates.first()
            && !dates.contains(&Dates::Good)
        {
            report_dates(*bad, &format!("every authority in {shown}"), place, problems);
        }
        Some(authorities)
    }

    /// The lists of what authorities have revoked, or reports why there are none.
    pub(crate) fn revocation_lists(
        &self,
        file: &CertificateFile,
        authorities: &Authorities,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<RevocationLists> {
        let bytes = self.public_file(file, place, problems)?;
        let shown = self.shown(file);
        match RevocationLists::read(&bytes, authorities) {
            Ok(lists) => {
                if lists.ends() <= self.now {
                    let message = format!(
                        "a list of revoked certificates in {shown} ended at {}, so nobody's certificate would be taken",
                        lists.ends()
                    );
                    problems.add(
                        Problem::at(place, message).help("put the authority's newest list into the file"),
                    );
                }
                Some(lists)
            }
            Err(why) => {
                problems.add(Problem::at(place, format!("{shown} {why}")).help(why.help()));
                None
            }
        }
    }

    /// The authorities that the system trusts, or reports at `place` why there are none.
    pub(crate) fn of_system(&self, place: &Place, problems: &mut Problems) -> Option<Authorities> {
        let found = self.system.get_or_init(|| {
            let found = self.surroundings.system_authorities()?;
            Authorities::of_system(found).ok_or_else(|| "it has none".into())
        });
        match found {
            Ok(authorities) => Some(authorities.clone()),
            Err(why) => {
                let message = format!(
                    "nobody vouches for certificates: the authorities of this system are missing: {why}"
                );
                let help =
                    "install them (on Debian, the package `ca-certificates`), or name your own in `ca_file`";
                problems.add(Problem::at(place, message).help(help));
                None
            }
        }
    }

    /// A certificate with its chain and its private key, or reports what is wrong with either.
    pub(crate) fn identity(
        &self,
        (chain, chain_place): (&CertificateFile, &Place),
        (key, key_place): (&SecretFile, &Place),
        problems: &mut Problems,
    ) -> Option<Identity> {
        let chain = self.chain(chain, chain_place, problems);
        let shown = quoted(&self.surroundings.resolve(key.path()).to_string_lossy());
        let key =
            secret::read(key, key_place, self.surroundings).map_err(|problem| problems.add(problem)).ok();
        match Identity::new(chain?, &key?) {
            Ok(identity) => Some(identity),
            Err(why) => {
                problems.add(Problem::at(key_place, format!("{shown} {why}")).help(why.help()));
                None
            }
        }
    }

    /// A chain of certificates, the leaf first.
    fn chain(
        &self,
        file: &CertificateFile,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Vec<CertificateDer<'static>>> {
        let pem = self.public_file(file, place, problems)?;
        let shown = self.shown(file);
        match certificates(&pem) {
            Ok(chain) => {
                let dates = chain.first().map_or(Dates::Good, |leaf| self.dates(leaf));
                report_dates(dates, &format!("the certificate in {shown}"), place, problems);
                Some(chain)
            }
            Err(why) => {
                problems.add(Problem::at(place, format!("{shown} {why}")).help(why.help()));
                None
            }
        }
    }

    fn public_file(&self, file: &CertificateFile, place: &Place, problems: &mut Problems) -> Option<Vec<u8>> {
        let read = self.surroundings.public_file(&self.surroundings.resolve(&file.0));
        let report = |why: FileProblem| {
            let problem = Problem::at(place, format!("cannot read {}: {why}", self.shown(file)));
            problems.add(match why {
                FileProblem::Missing => {
                    problem.help("create it; relative paths count from the folder of this file")
                }
                _ => problem,
            });
        };
        read.map_err(report).ok()
    }

    fn shown(&self, file: &CertificateFile) -> String {
        quoted(&self.surroundings.resolve(&file.0).to_string_lossy())
    }

    fn dates(&self, certificate: &CertificateDer<'_>) -> Dates {
        match validity(certificate) {
            Some(validity) if self.now > validity.until => Dates::Ended(validity.until),
            Some(validity) if self.now < validity.from && self.now != Timestamp::MIN => {
                Dates::NotYet(validity.from)
            }
            _ => Dates::Good,
        }
    }
}

fn report_dates(dates: Dates, what: &str, place: &Place, problems: &mut Problems) {
    let message = match dates {
        Dates::Good => return,
        Dates::Ended(at) => format!("{what} ended at {at}, so nothing would be trusted"),
        Dates::NotYet(at) => format!("{what} is good only from {at} on"),
    };
    problems.add(Problem::at(place, message).help("put one that is good now into the file"));
}
