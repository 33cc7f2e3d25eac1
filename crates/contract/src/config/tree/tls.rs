//! The settings of TLS on the public listener, and of the authorities that clients' certificates come from.

use super::super::certificate::CertificateFile;
use super::super::choice::Suite;
use super::super::kind::{Kind, Node, NonEmpty, Shown};
use super::super::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use super::Acme;
use crate::diagnostic::Problems;
use crate::snapshot::TlsVersion;
use std::path::PathBuf;

settings! {
    /// TLS on the public listener. With this section `listen.address` speaks TLS, HTTP/1.1 and HTTP/2. Without a
    /// certificate the node makes one for itself, which browsers warn about.
    struct ListenTls {
        /// A folder with certificates and keys in PEM, relative to this file: `cert.pem` or `fullchain.pem` with
        /// `key.pem`, `privkey.pem` or `private/key.pem`; `NAME.crt` or `NAME.pem` with `NAME.key` or
        /// `private/NAME.key`; the same in folders one level below. Only its owner may read a key. `NAME.ocsp` beside a
        /// certificate is stapled. A change is noticed within seconds and breaks no connection. Left out, `tls` when
        /// there is one.
        certificates: PathBuf = optional, example "/etc/license-plate-detector/ssl";
        /// The oldest version of TLS that is spoken.
        minimum_version: TlsVersion = "1.2", example "1.3";
        /// The cipher suites, in the order of preference. Left out, all that are sound for the versions that are
        /// spoken, AES-256 first.
        cipher_suites: NonEmpty<Suite> = optional,
            example ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
        /// Certificates from an authority. Without this section none are ordered.
        acme: Acme = optional;
    }
}

settings! {
    /// An authority whose certificates clients can present. Routes name it in `client_certificate`, and
    /// `[admin.tls]` in `client_authority`.
    struct ClientAuthority {
        /// The certificates of the authority, in PEM. Relative to this file.
        file: CertificateFile = required, example "partners-ca.pem";
        /// Its lists of revoked certificates, in PEM or DER, at most a megabyte; a list of each authority between it and
        /// a client's certificate too. A change is noticed within seconds: whoever was revoked gets no further, also on
        /// connections that are open. Once a list has ended (`nextUpdate`), nobody's certificate is taken until the next
        /// one is there. Left out, nothing is asked about revocation.
        crl_file: CertificateFile = optional, example "partners.crl";
    }
}
