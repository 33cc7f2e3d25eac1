//! The settings of certificates that an authority is asked for (RFC 8555).

use super::super::acme::{DomainName, KeyId, MailAddress};
use super::super::address::HttpsUrl;
use super::super::certificate::CertificateFile;
use super::super::kind::{Kind, List, Node, NonEmpty, Shown};
use super::super::secret::{SecretFile, SecretVariable};
use super::super::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use crate::diagnostic::Problems;
use crate::snapshot::Challenge;
use std::time::Duration;

settings! {
    /// Certificates from an authority that speaks ACME (RFC 8555), such as Let's Encrypt. Each name gets one of its own:
    /// ordered at the first start, renewed in time, put in force while the gate runs, kept in the state directory. While
    /// there is none, what `certificates` has is shown, or the node's own.
    struct Acme {
        /// The authority's directory. There is no default, so that nobody orders certificates unasked.
        directory: HttpsUrl = required, example "https://acme-v02.api.letsencrypt.org/directory";
        /// `true` says that you agree to the authority's terms of service, which its directory names.
        terms_agreed: bool = required, example true;
        /// E-mail addresses that the authority may write to.
        contact: List<MailAddress> = [], example ["ops@example.com"];
        /// The names. Left out, every host of an application that is one name with a dot in it, unless a certificate in
        /// `certificates` is for it.
        domains: NonEmpty<DomainName> = optional, example ["shop.example.com"];
        /// How the authority sees that a name is ours: `tls-alpn-01` by a TLS handshake on port 443 (RFC 8737), `http-01`
        /// by a request on port 80, which needs `plain_address`.
        challenge: Challenge = "tls-alpn-01", example "http-01";
        /// The certificates, in PEM, that vouch for the authority's own server. Left out, those that the machine trusts.
        ca_file: CertificateFile = optional, example "private-ca.pem";
        /// How long before its end a certificate is renewed. Left out, a third of its life; never in its first third.
        renew_before: Duration = optional, from "1s" to "365d", example "30d";
        /// The least time between two attempts. Each failure after a first one doubles it, up to a day, because
        /// authorities count; an authority that names a longer time is heeded.
        retry_after: Duration = "5m", from "1s" to "1d", example "1h";
        /// The account elsewhere that a new ACME account is bound to, for authorities that want one.
        external_account: ExternalAccount = optional;
    }
}

settings! {
    /// An account that the authority knows from elsewhere (RFC 8555 §7.3.4).
    struct ExternalAccount {
        /// The key id that the authority gave you.
        key_id: KeyId = required, example "kid-1";
        /// The key that belongs to it, in base64url as authorities give it, from an environment variable.
        key: SecretVariable = optional, example "env:ACME_EXTERNAL_KEY";
        /// The key that belongs to it, from a file that only its owner can read.
        key_file: SecretFile = optional, example "acme-external.key";
    }
}
