//! Settings of TLS to an application's servers.

use rustls_pki_types::ServerName;

use super::super::certificate::CertificateFile;
use super::super::kind::{Kind, Node, Shown};
use super::super::secret::SecretFile;
use super::super::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use crate::diagnostic::Problems;
use crate::snapshot::TlsVersion;

settings! {
    /// TLS to the servers whose address begins with `https://`. Their certificates are always verified: who stands
    /// between gate and application would otherwise read and change everything.
    struct UpstreamTls {
        /// The authorities that may vouch for the servers' certificates, in PEM form. Left out, those that this system
        /// trusts. With it, nobody else can make a certificate that is accepted.
        ca_file: CertificateFile = optional, example "tls/internal-ca.pem";
        /// The name or address that the servers' certificates must be for. Left out, the host in each server's address.
        server_name: ServerName<'static> = optional, example "shop.internal";
        /// The certificate by which the servers know the gate, in PEM form, followed by those that vouch for it.
        client_certificate_file: CertificateFile = optional, example "tls/gate.pem";
        /// The private key of that certificate, in a file that only its owner can read.
        client_key_file: SecretFile = optional, example "tls/gate.key";
        /// The oldest version of TLS that is spoken.
        minimum_version: TlsVersion = "1.2", example "1.3";
    }
    never {
        "*verif*" => "if no known authority vouches for the servers' certificate, name it or its authority in `ca_file`",
        "*insecure*" => "if no known authority vouches for the servers' certificate, name it or its authority in `ca_file`",
    }
}
