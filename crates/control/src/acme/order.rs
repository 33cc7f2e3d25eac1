//! One attempt to get one certificate: account, order, proof, request, certificate (RFC 8555 §7).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeHandle, ChallengeType, Error, ExternalAccountKey, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use portcullis_contract::ports::{Proof, Proofs};
use portcullis_contract::snapshot::{Acme, Challenge};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::certificate;
use super::http::{CaClient, Noted};
use super::kept::{Kept, KeptAccount, NotKept};
use super::proof::{Shown, certificate_for};

/// How long a CA may take to look at a proof, and again to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));
/// Longest token: RFC 8555 §8 asks for 128 bits, real ones have 43 characters.
const TOKEN_BYTES_MAX: usize = 256;
/// Longest text about a failure, in characters: a CA writes most of it.
const WHY_CHARS_MAX: usize = 600;
/// RFC 8555 §6.7.
const ACCOUNT_DOES_NOT_EXIST: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failed {
    /// For the operator: bounded, without control characters.
    pub(super) why: String,
    /// How long the CA asked us to stay away.
    pub(super) asked_pause: Option<Duration>,
}

/// What an attempt needs.
pub(super) struct Attempt<'a> {
    pub(super) acme: &'a Acme,
    pub(super) client: &'a CaClient,
    pub(super) kept: &'a Kept,
    pub(super) proofs: &'a Arc<dyn Proofs>,
}

impl Attempt<'_> {
    /// Gets a certificate for `name`: its key and its chain, not yet looked at.
    pub(super) async fn certificate(&self, name: &str) -> Result<SecretString, Failed> {
        let mut order = self.order(name).await?;
        // On show until the CA has decided.
        let shown = self.prove(&mut order, name).await?;
        let ready = order.poll_ready(&PATIENCE).await;
        let ready = ready.map_err(|error| self.failed("waiting for the proof to be looked at", error))?;
        drop(shown);
        if ready != OrderStatus::Ready {
            return Err(self.why_invalid(&mut order).await);
        }
        let (key, request) = request_for(name).map_err(|error| Failed::here("making a key", error))?;
        let finalized = order.finalize_csr(&request).await;
        finalized.map_err(|error| self.failed("asking for the certificate", error))?;
        let chain = order.poll_certificate(&PATIENCE).await;
        let chain = chain.map_err(|error| self.failed("waiting for the certificate", error))?;
        Ok(certificate::bundle(&key, &chain))
    }

    /// A new order; a CA that has forgotten the account gets a new one, once.
    async fn order(&self, name: &str) -> Result<Order, Failed> {
        let identifiers = [Identifier::Dns(name.to_owned())];
        let order = NewOrder::new(&identifiers);
        let account = match self.kept.account().await? {
            Some(known) => self.log_in(known).await?,
            None => self.register().await?,
        };
        match account.new_order(&order).await {
            Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(ACCOUNT_DOES_NOT_EXIST) => {
                tracing::warn!(
                    directory = &*self.acme.directory,
                    "the CA does not know the account any more"
                );
                let account = self.register().await?;
                account.new_order(&order).await
            }
            ordered => ordered,
        }
        .map_err(|error| self.failed("ordering", error))
    }

    /// The account that is known already, with the contacts of today.
    async fn log_in(&self, known: KeptAccount) -> Result<Account, Failed> {
        let KeptAccount { directory, contacts, credentials } = known;
        let builder = Account::builder_with_http(Box::new(self.client.clone()));
        // The credentials go into the account; what is kept is read once more when it has to be changed.
        let account = builder.from_credentials(credentials).await;
        let account = account.map_err(|error| self.failed("reading the directory", error))?;
        if contacts != self.acme.contacts
            && let Some(KeptAccount { credentials, .. }) = self.kept.account().await?
        {
            let urls = self.contact_urls();
            let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
            let told = account.update_contacts(&urls).await;
            told.map_err(|error| self.failed("changing the contacts", error))?;
            let contacts = self.acme.contacts.clone();
            self.kept.keep_account(&KeptAccount { directory, contacts, credentials }).await?;
        }
        Ok(account)
    }

    /// Makes an account and keeps it before anything is ordered with it.
    async fn register(&self) -> Result<Account, Failed> {
        let urls = self.contact_urls();
        let contact: Vec<&str> = urls.iter().map(String::as_str).collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = self.acme.external.as_ref();
        let external = external
            .map(|known| ExternalAccountKey::new(known.key_id.to_string(), known.key.expose_secret()));
        let builder = Account::builder_with_http(Box::new(self.client.clone()));
        let made = builder.create(&wanted, self.acme.directory.to_string(), external.as_ref()).await;
        let (account, credentials) = made.map_err(|error| self.failed("making an account", error))?;
        let (directory, contacts) = (self.acme.directory.clone(), self.acme.contacts.clone());
        self.kept.keep_account(&KeptAccount { directory, contacts, credentials }).await?;
        tracing::info!(
            directory = &*self.acme.directory,
            account = account.id(),
            "made an account with the CA"
        );
        Ok(account)
    }

    fn contact_urls(&self) -> Vec<String> {
        self.acme.contacts.iter().map(|address| format!("mailto:{address}")).collect()
    }

    /// Shows the proof for each authorization that still wants one, and tells the CA that it is there.
    async fn prove(&self, order: &mut Order, name: &str) -> Result<Vec<Shown>, Failed> {
        let mut shown = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization =
                next.map_err(|error| self.failed("asking what has to be proven", error))?;
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                status => return Err(Failed::here("asking what has to be proven", format!("{status:?}"))),
            }
            let (kind, word) = match self.acme.challenge {
                Challenge::Http01 => (ChallengeType::Http01, "http-01"),
                Challenge::TlsAlpn01 => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
            };
            let missing = || Failed::here("proving", format!("the CA does not offer `{word}` for this name"));
            let mut challenge = authorization.challenge(kind).ok_or_else(missing)?;
            shown.push(Shown::begin(self.proofs, self.proof(&challenge, name)?));
            let told = challenge.set_ready().await;
            told.map_err(|error| self.failed("proving", error))?;
        }
        Ok(shown)
    }

    fn proof(&self, challenge: &ChallengeHandle<'_>, name: &str) -> Result<Proof, Failed> {
        let token = &*challenge.token;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(plain) {
            return Err(Failed::here("proving", "the CA's token is not a word in base64url"));
        }
        let authorization = challenge.key_authorization();
        match self.acme.challenge {
            Challenge::Http01 => {
                Ok(Proof::Http { token: token.into(), answer: authorization.as_str().into() })
            }
            Challenge::TlsAlpn01 => {
                let digest = authorization.digest();
                let made = digest.as_ref().try_into().ok().map(|digest| certificate_for(name, digest));
                match made {
                    Some(Ok(certificate)) => Ok(Proof::Tls { name: name.into(), certificate }),
                    Some(Err(error)) => Err(Failed::here("making the proof", error)),
                    None => Err(Failed::here("making the proof", "the digest is not SHA-256")),
                }
            }
        }
    }

    /// What the CA says of an order that it gave up.
    async fn why_invalid(&self, order: &mut Order) -> Failed {
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            if authorization.refresh().await.is_err() {
                break;
            }
            let error = authorization.challenges.iter().find_map(|challenge| challenge.error.clone());
            if let Some(problem) = error {
                return self.failed("proving", Error::Api(problem));
            }
        }
        Failed::here("proving", "the CA gave the order up and does not say why")
    }

    /// What the CA, or the way to it, has to say.
    fn failed(&self, doing: &str, error: Error) -> Failed {
        let Noted { status, asked_pause } = self.client.noted();
        let told = match (&error, status) {
            // Not the library's "API error": this is what the CA itself says.
            (Error::Api(problem), _) => {
                let detail = problem.detail.as_deref().unwrap_or("no reason given");
                let kind = problem.r#type.as_deref().unwrap_or("no type");
                let of: String = problem.subproblems.iter().map(|one| format!("; {one}")).collect();
                format!("the CA says: {detail} ({kind}){of}")
            }
            (Error::Json(_), Some(status)) => {
                format!("the CA's answer, status {status}, is not what RFC 8555 asks for: {error}")
            }
            _ => error.to_string(),
        };
        Failed { asked_pause, ..Failed::here(doing, told) }
    }
}

impl Failed {
    /// A failure on our side, or one that says all by itself.
    pub(super) fn here(doing: &str, why: impl fmt::Display) -> Self {
        let harmless = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let why = format!("{doing}: {why}").chars().take(WHY_CHARS_MAX).map(harmless).collect();
        Self { why, asked_pause: None }
    }
}

impl From<NotKept> for Failed {
    fn from(error: NotKept) -> Self {
        Self::here("keeping what must outlive a restart", error)
    }
}

/// A fresh key for `name` and the request that goes with it.
fn request_for(name: &str) -> Result<(SecretString, Vec<u8>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    let pem = Zeroizing::new(key.serialize_pem());
    Ok((SecretString::from(pem.as_str()), request.der().to_vec()))
}
